//! What vai_q_pytorch writes beside its dumps: `<Model>.py` tells which module of the ONNX file is which node.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::deploy::escape;

/// Folders above the dump in which the files may lie: `quantize_result/deploy_check_data_int/<graph>`.
const ABOVE: usize = 3;
/// A larger file is no generated module.
const LARGEST: u64 = 64 << 20;

/// The modules of the generated network.
#[derive(Clone, Debug, Default)]
pub(super) struct Companion {
    /// The number of a module by the escaped name of its node.
    modules: HashMap<String, String>,
}

impl Companion {
    /// From the files beside or above `folder`, the nearest first; empty where there are none.
    pub(super) fn find(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let near = folder.ancestors().take(ABOVE + 1);
        near.map(Self::in_folder).find(|found| !found.modules.is_empty()).unwrap_or_default()
    }

    fn in_folder(folder: &Path) -> Self {
        let mut found = Self::default();
        let Ok(entries) = fs::read_dir(folder) else { return found };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_python = path.extension().is_some_and(|extension| extension == "py");
            let small = path.metadata().is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
            if is_python && small {
                found.read(&fs::read_to_string(&path).unwrap_or_default());
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
            let node = comment.rsplit_once('(').map_or(comment, |(node, _)| node);
            self.modules.insert(escape(node), number.to_owned());
        }
    }

    /// The number of the module whose node has that escaped name.
    pub(super) fn module(&self, escaped: &str) -> Option<&str> {
        self.modules.get(escaped).map(String::as_str)
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
}
