//! The graph that is written.

use std::collections::{HashMap, HashSet};

use vairun_graph::{Attribute, Attributes, Graph, Node, OpId, ValueId};
use vairun_tensor::{DType, Tensor};

use super::Left;
use crate::model::Model;

/// What was written instead of the nodes.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) folded: usize,
    pub(super) native: usize,
    pub(super) spelled: usize,
}

pub(super) struct Writer<'a> {
    pub(super) model: &'a Model,
    pub(super) opset: i64,
    /// The codes of constants, as the quantizer makes them.
    pub(super) codes: HashMap<ValueId, Tensor>,
    /// Codes that are integers now, with their type.
    pub(super) integers: HashMap<ValueId, DType>,
    pub(super) counts: Counts,
    graph: Graph,
    names: HashSet<String>,
    left: Vec<Left>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(model: &'a Model, codes: HashMap<ValueId, Tensor>) -> Self {
        let source = &model.source().graph;
        Self {
            model,
            opset: super::opset(model),
            codes,
            integers: HashMap::new(),
            counts: Counts::default(),
            graph: Graph { nodes: Vec::new(), ..source.clone() },
            names: source.values.iter().map(|info| info.name.clone()).collect(),
            left: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (Graph, Counts, Vec<Left>) {
        (self.graph, self.counts, self.left)
    }

    /// The graph as it was.
    pub(super) fn source(&self) -> &'a Graph {
        &self.model.source().graph
    }

    /// The constant that a node reads.
    pub(super) fn constant(&self, node: &Node, input: usize) -> Option<&'a Tensor> {
        let id = (*node.inputs.get(input)?)?;
        self.model.constant(self.source().name_of(id))
    }

    pub(super) fn keep(&mut self, node: &Node) {
        self.graph.nodes.push(node.clone());
    }

    pub(super) fn leave(&mut self, node: &Node, why: String) {
        self.left.push(Left { node: node.name.clone(), op: node.op.clone(), why });
        self.keep(node);
    }

    /// A constant under a name near `base`.
    pub(super) fn initializer(&mut self, base: &str, tensor: Tensor) -> ValueId {
        let id = self.value(base, tensor.dtype());
        self.graph.initializers.insert(id, tensor);
        id
    }

    /// Makes a value a constant.
    pub(super) fn fold(&mut self, id: ValueId, tensor: Tensor) {
        self.declare(id, tensor.dtype());
        self.graph.initializers.insert(id, tensor);
    }

    /// Says that a value has another type now.
    pub(super) fn declare(&mut self, id: ValueId, dtype: DType) {
        self.graph.values[id.index()].dtype = Some(dtype);
        self.integers.insert(id, dtype);
    }

    /// A new value under a name near `base`.
    pub(super) fn value(&mut self, base: &str, dtype: DType) -> ValueId {
        let mut name = base.to_owned();
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        let id = self.graph.add_value(name);
        self.graph.values[id.index()].dtype = Some(dtype);
        id
    }

    /// A node of ONNX's own that makes `output`.
    pub(super) fn node(
        &mut self,
        name: String,
        op_type: &str,
        inputs: Vec<ValueId>,
        output: ValueId,
        attributes: &[(&str, i64)],
    ) {
        let attributes: Attributes =
            attributes.iter().map(|(k, v)| ((*k).to_owned(), Attribute::Int(*v))).collect();
        self.graph.nodes.push(Node {
            name,
            op: OpId::new("", op_type, self.opset),
            inputs: inputs.into_iter().map(Some).collect(),
            outputs: vec![Some(output)],
            attributes,
        });
    }
}
