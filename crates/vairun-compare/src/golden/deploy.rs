//! vai_q_pytorch `export_xmodel(deploy_check=True)`: `deploy_check_data_int/<graph>/`.
//!
//! For each node and parameter `<name>.bin` is float32, for quantized ones `<name>_fix.bin` the codes (two in a byte for
//! 4 bits, the first in the high half; 2 bytes each for 16 bits), `<node>_pre_fix_i<k>.bin` those of an input. All in
//! the deployed layout: NHWC, weights OHWI, those of transposed convolutions flipped. `shape.txt` has a line
//! `[1, 16, 16, 8]: <node name>` for each node in order. In file names everything but letters and digits is `_`.
//! Source: pytorch_nndct 3.5.0.

use std::collections::HashMap;
use std::path::Path;

use super::companion::Companion;
use super::files::{Files, Form};
use super::folder::Found;
use super::{Elements, Entry, Hint, Order, Part, Role};

const SHAPES: &str = "shape.txt";
/// More than any network has.
const MOST_NODES: usize = 1 << 20;

/// Every folder with a `shape.txt` and tensors beside it; `None` where there is none.
pub(super) fn recognise(title: &str, folder: &Path, files: &[Found]) -> Option<Files> {
    let mut golden = Files::new(title.to_owned(), "vai_q_pytorch deploy check");
    for list in files.iter().filter(|file| file.name.rsplit('/').next() == Some(SHAPES)) {
        let prefix = &list.name[..list.name.len() - SHAPES.len()];
        let beside = |file: &&Found| {
            file.name.strip_prefix(prefix).is_some_and(|rest| !rest.contains('/') && rest != SHAPES)
        };
        let nodes = nodes(&list.path);
        let companion = Companion::find(&folder.join(prefix));
        let names = Names::new(&nodes, companion);
        for file in files.iter().filter(beside) {
            if matches!(Form::of(&file.path), Some(Form::Raw | Form::Text)) {
                golden.add(file.path.clone(), names.entry(&file.stem()[prefix.len()..]));
            }
        }
    }
    (!golden.is_empty()).then_some(golden)
}

/// A line of `shape.txt`.
struct Node {
    name: String,
    shape: Option<Vec<usize>>,
}

/// The lines of `shape.txt`; a line that is none is left out: names and shapes are a help, not needed.
fn nodes(path: &Path) -> Vec<Node> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let node = |line: &str| {
        let (shape, name) = line.split_once(": ")?;
        let dims = shape.trim().strip_prefix('[')?.strip_suffix(']')?;
        let shape = dims.split(',').map(|dim| dim.trim().parse().ok()).collect();
        Some(Node { name: name.trim().to_owned(), shape })
    };
    text.lines().take(MOST_NODES).filter_map(node).collect()
}

/// What a file name stands for.
struct Names {
    /// By escaped name: the number of the node, its module, its shape.
    nodes: HashMap<String, (Layer, Option<Vec<usize>>)>,
    /// The same for the path of a layer: that of its parameters without their last part.
    layers: HashMap<String, Layer>,
    companion: Companion,
}

/// The number of a node, and its module.
type Layer = (usize, Option<String>);

impl Names {
    fn new(nodes: &[Node], companion: Companion) -> Self {
        let mut names = Self { nodes: HashMap::new(), layers: HashMap::new(), companion };
        for (number, node) in nodes.iter().enumerate() {
            let key = escape(&node.name);
            let module = names.companion.module(&key).map(str::to_owned);
            // A layer that is used twice has its parameters at its first use.
            names
                .layers
                .entry(escape(&layer_path(&node.name)))
                .or_insert_with(|| (number, module.clone()));
            names.nodes.entry(key).or_insert_with(|| ((number, module), node.shape.clone()));
        }
        names
    }

    fn entry(&self, stem: &str) -> Entry {
        let (base, elements, input) = split(stem);
        let part = |number: usize, module: &Option<String>, role: Role| Part {
            number,
            module: module.clone(),
            role,
        };
        let mut entry = Entry { name: stem.to_owned(), ..Entry::default() };
        entry.hint =
            Hint { elements: Some(elements), order: Some(Order::ChannelsLast), ..Hint::default() };
        if let Some(((number, module), shape)) = self.nodes.get(base) {
            let role = input.map_or(Role::Output, Role::Input);
            entry.hint.part = Some(part(*number, module, role));
            entry.hint.scales =
                self.companion.scales(base, Some(*number)).filter(|_| input.is_none()).cloned();
            entry.shape = shape.clone().filter(|_| input.is_none());
        } else if let Some((layer, parameter)) = self.parameter(base) {
            let role = Role::Parameter(parameter.to_owned());
            entry.hint.part = Some(part(layer.0, &layer.1, role));
            entry.hint.scales = self.companion.scales(base, None).cloned();
        }
        entry
    }

    /// The layer of a parameter, and what it is to it: `weight`, `bias`.
    fn parameter<'a>(&self, base: &'a str) -> Option<(&Layer, &'a str)> {
        let cuts = base.char_indices().rev().filter(|(_, c)| *c == '_');
        cuts.map(|(at, _)| (&base[..at], &base[at + 1..]))
            .find_map(|(layer, parameter)| Some((self.layers.get(layer)?, parameter)))
    }
}

/// `x_fix` holds codes of `x`, `x_pre_fix_i1` those of its second input.
fn split(stem: &str) -> (&str, Elements, Option<usize>) {
    if let Some((base, input)) = stem.rsplit_once("_pre_fix_i")
        && let Ok(input) = input.parse()
    {
        return (base, Elements::Codes, Some(input));
    }
    match stem.strip_suffix("_fix") {
        Some(base) => (base, Elements::Codes, None),
        None => (stem, Elements::Numbers, None),
    }
}

/// Everything but letters and digits as `_`.
pub(super) fn escape(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `Net::Net/Block[layer1]/Conv2d[conv1]/ret.9` has its parameters in `Net::layer1.conv1`.
fn layer_path(node: &str) -> String {
    let (graph, scopes) = node.split_once("::").unwrap_or(("", node));
    let attributes = scopes
        .split('/')
        .filter_map(|scope| scope.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')));
    let path: Vec<_> = attributes.collect();
    format!("{graph}::{}", path.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_tell_codes_from_numbers() {
        assert_eq!(split("a_fix"), ("a", Elements::Codes, None));
        assert_eq!(split("a_pre_fix_i1"), ("a", Elements::Codes, Some(1)));
        assert_eq!(split("a"), ("a", Elements::Numbers, None));
    }

    #[test]
    fn the_layer_of_a_node_is_the_path_of_its_attributes() {
        let node = "Net::Net/Block[layer2]/Sequential[down]/Conv2d[0]/ret.33";
        assert_eq!(layer_path(node), "Net::layer2.down.0");
        assert_eq!(layer_path("Net::input_0"), "Net::");
    }

    #[test]
    fn parameters_belong_to_the_layer_with_the_longest_path() {
        let node = |name: &str| Node { name: name.into(), shape: None };
        let nodes = ["N::N/Conv2d[a]/1", "N::N/Conv2d[a_b]/2", "N::N/Conv2d[c]/3"].map(node);
        let names = Names::new(&nodes, Companion::default());
        let part = |stem: &str| names.entry(stem).hint.part.map(|part| (part.number, part.role));
        assert_eq!(part("N__a_b_weight_fix"), Some((1, Role::Parameter("weight".into()))));
        assert_eq!(part("N__a_bias"), Some((0, Role::Parameter("bias".into()))));
        assert_eq!(part("N__N_Conv2d_c__3_fix"), Some((2, Role::Output)));
        assert_eq!(part("other"), None);
    }
}
