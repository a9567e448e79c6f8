//! The modules of a network that vai_q_pytorch has exported: nodes `/module_3/…` of the ONNX file.

use std::collections::HashMap;

use vairun_graph::{Graph, ValueId};

use super::index::{Index, is_dequantizer, is_quantizer};
use crate::golden::{Elements, Entry, Part, Role};

/// Nodes by module.
pub(super) struct Modules {
    nodes: HashMap<String, Vec<usize>>,
    /// The numbers of the modules in order, where the dump has as many nodes.
    in_order: Vec<String>,
}

impl Modules {
    pub(super) fn new(graph: &Graph, entries: &[Entry]) -> Self {
        let mut nodes: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            if let Some(number) = module(&node.name) {
                nodes.entry(number.to_owned()).or_default().push(i);
            }
        }
        let mut in_order: Vec<String> = nodes.keys().cloned().collect();
        in_order.sort_by_key(|number| number.parse().unwrap_or(usize::MAX));
        let parts = entries.iter().filter_map(|entry| entry.hint.part.as_ref());
        let in_dump = parts.map(|part| part.number + 1).max().unwrap_or(0);
        if in_dump != in_order.len() {
            in_order.clear();
        }
        Self { nodes, in_order }
    }

    /// Why a part is found.
    pub(super) fn how(&self, part: &Part) -> &'static str {
        match part.module {
            Some(_) => "module in the exported .py",
            None => "order of the nodes in shape.txt",
        }
    }

    /// The tensor of the model that is this part of a module.
    pub(super) fn tensor(
        &self,
        index: &Index,
        part: &Part,
        elements: Option<Elements>,
    ) -> Option<String> {
        let number = part.module.as_ref().or_else(|| self.in_order.get(part.number))?;
        let nodes = self.nodes.get(number)?;
        let codes = match &part.role {
            Role::Parameter(name) => return parameter(index, number, name, elements),
            Role::Output => activations(index, nodes).last().copied(),
            Role::Input(place) => inputs(index, nodes).get(*place).copied(),
        };
        let id = match (codes, elements) {
            (Some(codes), Some(Elements::Codes)) => Some(codes),
            (Some(codes), _) => index.numbers_of(codes).or(Some(codes)),
            (None, Some(Elements::Codes)) => None,
            (None, _) => last_result(index, nodes),
        };
        id.map(|id| index.graph.name_of(id).to_owned())
    }
}

/// The number in `/module_3/Conv`.
fn module(node: &str) -> Option<&str> {
    let rest = node.strip_prefix("/module_")?;
    let (number, _) = rest.split_once('/')?;
    Some(number)
}

/// The codes that quantizers of the module make of what is not constant, in order.
fn activations(index: &Index, nodes: &[usize]) -> Vec<ValueId> {
    let nodes = nodes.iter().map(|&node| &index.graph.nodes[node]);
    let made = nodes.filter(|node| is_quantizer(&node.op.op_type));
    made.filter_map(|node| node.writes().next()).filter(|&id| !index.is_fixed(id)).collect()
}

/// Those that come from outside of the module.
fn inputs(index: &Index, nodes: &[usize]) -> Vec<ValueId> {
    let outside = |id: &ValueId| {
        let node = index.producers[id.index()].map(|node| &index.graph.nodes[node]);
        let source = node.and_then(|node| node.inputs.first().copied().flatten());
        let producer = source.and_then(|source| index.producers[source.index()]);
        producer.is_none_or(|producer| !nodes.contains(&producer))
    };
    activations(index, nodes).into_iter().filter(outside).collect()
}

/// What the last node of the module makes that is neither a constant nor of a quantizer.
fn last_result(index: &Index, nodes: &[usize]) -> Option<ValueId> {
    let nodes = nodes.iter().rev().map(|&node| &index.graph.nodes[node]);
    let plain = |op: &str| !is_quantizer(op) && !is_dequantizer(op);
    let mut made =
        nodes.filter(|node| plain(&node.op.op_type)).filter_map(|node| node.writes().next());
    made.find(|&id| !index.is_fixed(id))
}

/// A parameter is quantized in the file: the initializer is the unquantized one.
fn parameter(
    index: &Index,
    number: &str,
    name: &str,
    elements: Option<Elements>,
) -> Option<String> {
    let id = index.id(&format!("module_{number}.{name}"))?;
    let codes = index.codes_of(id);
    let found = match elements {
        Some(Elements::Codes) => codes.unwrap_or(id),
        _ => codes.and_then(|codes| index.numbers_of(codes)).unwrap_or(id),
    };
    Some(index.graph.name_of(found).to_owned())
}
