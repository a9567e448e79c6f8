//! The tensors of a graph by name, and what quantizes what.

use std::collections::HashMap;

use vairun_graph::{Graph, ValueId};

use super::names::{escape, short};
use crate::golden::Elements;

pub(super) struct Index<'a> {
    pub(super) graph: &'a Graph,
    by_name: HashMap<&'a str, ValueId>,
    by_escaped: HashMap<String, Vec<ValueId>>,
    by_short: HashMap<String, Vec<ValueId>>,
    pub(super) producers: Vec<Option<usize>>,
    /// The nodes that read each value.
    consumers: Vec<Vec<usize>>,
    /// The values that are the same in every run.
    constant: Vec<bool>,
}

impl<'a> Index<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut index = Self {
            graph,
            by_name: graph.by_name(),
            by_escaped: HashMap::new(),
            by_short: HashMap::new(),
            producers: graph.producers(),
            consumers: vec![Vec::new(); graph.values.len()],
            constant: vec![false; graph.values.len()],
        };
        for (value, id) in graph.values.iter().zip((0..).map(ValueId)) {
            if !value.name.is_empty() {
                index.by_escaped.entry(escape(&value.name)).or_default().push(id);
                index.by_short.entry(escape(short(&value.name))).or_default().push(id);
            }
        }
        graph.initializers.keys().for_each(|id| index.constant[id.index()] = true);
        for (i, node) in graph.nodes.iter().enumerate() {
            let fixed = node.reads().all(|id| index.constant[id.index()]);
            node.reads().for_each(|id| index.consumers[id.index()].push(i));
            node.writes().for_each(|id| index.constant[id.index()] = fixed);
        }
        index
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.graph.values.iter().map(|value| value.name.as_str())
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn id(&self, name: &str) -> Option<ValueId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn is_constant(&self, name: &str) -> bool {
        self.id(name).is_some_and(|id| self.constant[id.index()])
    }

    pub(super) fn is_fixed(&self, id: ValueId) -> bool {
        self.constant[id.index()]
    }

    /// The tensors whose names are the same once both are escaped.
    pub(super) fn escaped(&self, name: &str) -> Vec<&'a str> {
        self.names_of(self.by_escaped.get(&escape(name)))
    }

    /// The same, endings of exporters left out.
    pub(super) fn escaped_short(&self, name: &str) -> Vec<&'a str> {
        self.names_of(self.by_short.get(&escape(name)))
    }

    fn names_of(&self, ids: Option<&Vec<ValueId>>) -> Vec<&'a str> {
        ids.into_iter().flatten().map(|&id| self.graph.name_of(id)).collect()
    }

    /// The tensor that a file with these elements means, which is called as `name`: codes stand behind the quantizer.
    pub(super) fn with_elements(&self, name: &str, elements: Option<Elements>) -> String {
        let quantized = |id| match elements {
            Some(Elements::Codes) => self.codes_of(id),
            _ => None,
        };
        let id = self.id(name).and_then(quantized);
        id.map_or(name, |id| self.graph.name_of(id)).to_owned()
    }

    /// The codes of a tensor: itself where a quantizer makes it, what its dequantizer reads, what its one quantizer
    /// makes.
    pub(super) fn codes_of(&self, id: ValueId) -> Option<ValueId> {
        let op = |node: usize| self.graph.nodes[node].op.op_type.as_str();
        if let Some(node) = self.producers[id.index()] {
            if is_quantizer(op(node)) {
                return Some(id);
            }
            if is_dequantizer(op(node)) {
                return self.graph.nodes[node].inputs.first().copied().flatten();
            }
        }
        let mut quantizers = self.quantizers_of(id);
        match (quantizers.next(), quantizers.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// The outputs of the quantizers that read a tensor as their first input.
    fn quantizers_of(&self, id: ValueId) -> impl Iterator<Item = ValueId> {
        let nodes = self.consumers[id.index()].iter().map(|&node| &self.graph.nodes[node]);
        nodes
            .filter(move |node| {
                is_quantizer(&node.op.op_type) && node.inputs.first().copied().flatten() == Some(id)
            })
            .filter_map(|node| node.writes().next())
    }

    /// What a dequantizer makes of these codes.
    pub(super) fn numbers_of(&self, codes: ValueId) -> Option<ValueId> {
        let nodes = self.consumers[codes.index()].iter().map(|&node| &self.graph.nodes[node]);
        let mut made = nodes.filter(|node| is_dequantizer(&node.op.op_type));
        made.next().and_then(|node| node.writes().next())
    }
}

/// Makes codes of numbers.
pub(super) fn is_quantizer(op: &str) -> bool {
    op.ends_with("QuantizeLinear") && !op.ends_with("DequantizeLinear")
}

pub(super) fn is_dequantizer(op: &str) -> bool {
    op.ends_with("DequantizeLinear")
}
