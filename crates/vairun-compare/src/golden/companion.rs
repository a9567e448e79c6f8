//! What vai_q_pytorch writes beside its dumps: `<Model>.py` tells which module of the ONNX file is which node,
//! `quant_info.json` the scales.
//!
//! Source: `export_quant_config` and the generated modules of Vitis AI 3.5: `[bits, fix position]`, or `[bits, scale,
//! zero point, largest]` with lists where each channel has its own; outputs are called `<Model>::nndct_<op>_<number>`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::deploy::escape;

/// Folders above the dump in which the files may lie: `quantize_result/deploy_check_data_int/<graph>`.
const ABOVE: usize = 3;
/// A larger file is none of them.
const LARGEST: u64 = 64 << 20;

/// The modules of the generated network, and its scales.
#[derive(Clone, Debug, Default)]
pub(super) struct Companion {
    /// The number of a module by the escaped name of its node.
    modules: HashMap<String, String>,
    /// The name in `quant_info.json` by the escaped name of a node.
    short_names: HashMap<String, String>,
    /// Scales by the escaped name of a parameter, or of an output.
    scales: HashMap<String, Vec<f32>>,
    /// Scales of outputs by the number at the end of their names: the number of the node.
    by_number: HashMap<usize, Vec<f32>>,
}

impl Companion {
    /// From the files beside or above `folder`, the nearest first; empty where there are none.
    pub(super) fn find(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let near = folder.ancestors().take(ABOVE + 1);
        near.map(Self::in_folder).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.modules.is_empty() && self.scales.is_empty()
    }

    fn in_folder(folder: &Path) -> Self {
        let mut found = Self::default();
        let Ok(entries) = fs::read_dir(folder) else { return found };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_python = path.extension().is_some_and(|extension| extension == "py");
            let is_scales = path.file_name().is_some_and(|name| name == "quant_info.json");
            let small = path.metadata().is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
            let text = || fs::read_to_string(&path).unwrap_or_default();
            match (is_python, is_scales) {
                (true, _) if small => found.read(&text()),
                (_, true) if small => found.read_scales(&text()),
                _ => {}
            }
        }
        found
    }

    /// Lines `self.module_3 = py_nndct.nn.MaxPool2d(…) #Net::Net/MaxPool2d[pool]/1101(Net::nndct_maxpool_3)`.
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            let Some(rest) = line.trim_start().strip_prefix("self.module_") else { continue };
            let (Some((number, _)), Some((_, comment))) =
                (rest.split_once(" = "), rest.rsplit_once('#'))
            else {
                continue;
            };
            let (node, short) = comment.rsplit_once('(').unwrap_or((comment, ""));
            self.modules.insert(escape(node), number.to_owned());
            self.short_names.insert(escape(node), escape(short.trim_end().trim_end_matches(')')));
        }
    }

    /// `{"param": {"Net::conv.weight": [[8, 7]]}, "output": {"Net::nndct_conv2d_1": [[8, 5]]}}`; what is not of that form
    /// is left out.
    fn read_scales(&mut self, text: &str) {
        let Ok(info) = serde_json::from_str::<Value>(text) else { return };
        for part in ["param", "output"] {
            for (name, value) in info[part].as_object().into_iter().flatten() {
                let Some(scales) = scales(value) else { continue };
                let number = name.rsplit('_').next().and_then(|number| number.parse().ok());
                if let Some(number) = number.filter(|_| part == "output") {
                    self.by_number.insert(number, scales.clone());
                }
                self.scales.insert(escape(name), scales);
            }
        }
    }

    /// The number of the module whose node has that escaped name.
    pub(super) fn module(&self, escaped: &str) -> Option<&str> {
        self.modules.get(escaped).map(String::as_str)
    }

    /// The scales of what the node with that escaped name and number puts out, or of the parameter of that name.
    pub(super) fn scales(&self, escaped: &str, number: Option<usize>) -> Option<&Vec<f32>> {
        let short = self.short_names.get(escaped).map_or(escaped, String::as_str);
        let by_number = || self.by_number.get(&number.filter(|_| self.short_names.is_empty())?);
        self.scales.get(short).or_else(by_number)
    }
}

fn scales(value: &Value) -> Option<Vec<f32>> {
    let entry = match value.as_array()?.first()? {
        Value::Array(entry) => entry,
        _ => value.as_array()?,
    };
    let number = |value: &Value| value.as_f64().map(|number| number as f32);
    match (entry.len(), entry.get(1)?) {
        (2, Value::Number(position)) => {
            let position = position.as_i64().filter(|position| position.abs() < 127)?;
            Some(vec![2f32.powi(-(position as i32))])
        }
        (4, Value::Array(list)) => list.iter().map(number).collect(),
        (4, scale) => Some(vec![number(scale)?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_tell_the_node_of_a_module() {
        let mut companion = Companion::default();
        companion.read(
            "class N:\n        self.module_3 = py_nndct.nn.MaxPool2d(kernel_size=[2, 2]) \
             #N::N/MaxPool2d[pool]/11(N::nndct_maxpool_3)\n        x = self.module_4(y)\n",
        );
        assert_eq!(companion.module("N__N_MaxPool2d_pool__11"), Some("3"));
        assert_eq!(companion.module("N__input_0"), None);
    }

    #[test]
    fn scales_are_told_by_name_or_by_the_number_of_the_node() {
        let info = r#"{"param": {"N::a.weight": [[8, [0.5, 0.25], [0, 0], [1, 1]]], "N::a.bias": [[8, 7]]},
            "output": {"N::nndct_relu_2": [[8, 5]], "N::nndct_dense_3": [8, 0.1, 3, 2.0], "N::odd": "x"}}"#;
        let mut companion = Companion::default();
        companion.read_scales(info);
        let of = |name: &str, number| companion.scales(name, number).cloned();
        assert_eq!(of("N__a_weight", None), Some(vec![0.5, 0.25]));
        assert_eq!(of("N__a_bias", None), Some(vec![2f32.powi(-7)]));
        assert_eq!(of("N__N_ReLU_r__9", Some(2)), Some(vec![2f32.powi(-5)]));
        assert_eq!(of("N__N_Linear_fc__ret", Some(3)), Some(vec![0.1]));
        assert_eq!(of("N__other", Some(9)), None);
        companion.read("        self.module_7 = nn.ReLU() #N::N/ReLU[r]/9(N::nndct_relu_2)\n");
        assert_eq!(companion.scales("N__N_ReLU_r__9", None), Some(&vec![2f32.powi(-5)]));
    }
}
