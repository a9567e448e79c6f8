//! The graph under construction.

use std::collections::{HashMap, HashSet};

use vairun_graph::{Attribute, Attributes, Dim, Graph, Node, OpId, ValueId, dtype_to_onnx};
use vairun_tensor::{DType, Tensor};

use super::grid::{Codes, Kind};
use super::{DOMAIN, LowerOptions};
use crate::constant::Constants;
use crate::model::Xmodel;
use crate::proto::OpNode;

/// What an op becomes, or what is wrong with it.
pub(super) type Lowered = Result<Edge, String>;

/// A value of the graph and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) id: ValueId,
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    /// Whether it is the same in every run.
    pub(super) fixed: bool,
}

/// A node before it is in the graph.
pub(super) struct Draft {
    name: String,
    op_type: String,
    inputs: Vec<Edge>,
    attributes: Attributes,
}

impl Draft {
    /// A node for `op`, of its own type.
    pub(super) fn new(op: &OpNode, inputs: Vec<Edge>) -> Self {
        Self {
            name: op.op_name.clone(),
            op_type: op.op_type.clone(),
            inputs,
            attributes: Attributes::new(),
        }
    }

    /// A node of another type.
    pub(super) fn with_type(self, op_type: &str) -> Self {
        Self { op_type: op_type.to_owned(), ..self }
    }

    /// A node of another name.
    pub(super) fn with_name(self, name: String) -> Self {
        Self { name, ..self }
    }

    pub(super) fn int(self, name: &str, value: i64) -> Self {
        self.attribute(name, Attribute::Int(value))
    }

    pub(super) fn ints(self, name: &str, values: &[i64]) -> Self {
        self.attribute(name, Attribute::Ints(values.to_vec()))
    }

    pub(super) fn float(self, name: &str, value: f32) -> Self {
        self.attribute(name, Attribute::Float(value))
    }

    pub(super) fn text(self, name: &str, value: &str) -> Self {
        self.attribute(name, Attribute::String(value.as_bytes().to_vec()))
    }

    pub(super) fn attribute(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }
}

pub(super) struct Scope<'a> {
    pub(super) options: &'a LowerOptions,
    pub(super) constants: Constants<'a>,
    pub(super) graph: Graph,
    edges: HashMap<&'a str, Edge>,
    names: HashSet<String>,
    /// The names of the tensors of the file.
    declared: HashSet<&'a str>,
    /// The ops that read each op.
    readers: HashMap<&'a str, Vec<&'a OpNode>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(model: &'a Xmodel, options: &'a LowerOptions) -> Self {
        let mut readers: HashMap<_, Vec<_>> = HashMap::new();
        for op in &model.graph().op_node {
            for read in op.args.iter().flat_map(|arg| &arg.arg_ops) {
                readers.entry(read.as_str()).or_default().push(op);
            }
        }
        Self {
            options,
            constants: Constants::of(model),
            graph: Graph { name: model.graph().graph_name.clone(), ..Graph::default() },
            edges: HashMap::new(),
            names: HashSet::new(),
            declared: model.graph().op_node.iter().map(OpNode::tensor_name).collect(),
            readers,
        }
    }

    /// The ops that read `op`.
    pub(super) fn readers(&self, op: &OpNode) -> &[&'a OpNode] {
        self.readers.get(op.op_name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// What `op` has become.
    pub(super) fn set(&mut self, op: &'a OpNode, edge: Edge) -> Result<(), String> {
        match self.edges.insert(&op.op_name, edge) {
            None => Ok(()),
            Some(_) => Err("another op has the same name".into()),
        }
    }

    /// What the op of that name has become.
    pub(super) fn edge(&self, op_name: &str) -> Lowered {
        let found = self.edges.get(op_name).cloned();
        found.ok_or_else(|| format!("it reads `{op_name}`, which is no op before it"))
    }

    /// Everything that argument `name` reads.
    pub(super) fn inputs(&self, op: &OpNode, name: &str) -> Result<Vec<Edge>, String> {
        op.arg(name).iter().map(|read| self.edge(read)).collect()
    }

    /// The one op that argument `name` reads.
    pub(super) fn input(&self, op: &OpNode, name: &str) -> Lowered {
        match op.arg(name) {
            [read] => self.edge(read),
            reads => Err(format!("argument `{name}` reads {} ops, expected 1", reads.len())),
        }
    }

    /// The op that argument `name` reads, if it is used.
    pub(super) fn optional(&self, op: &OpNode, name: &str) -> Result<Option<Edge>, String> {
        match op.arg(name) {
            [] => Ok(None),
            _ => self.input(op, name).map(Some),
        }
    }

    /// A value that nothing has made yet.
    fn value(&mut self, name: &str, shape: &[usize], dtype: DType) -> Result<ValueId, String> {
        if !self.names.insert(name.to_owned()) {
            return Err(format!("two tensors are named `{name}`"));
        }
        let id = self.graph.add_value(name);
        let info = &mut self.graph.values[id.index()];
        info.dtype = Some(dtype);
        info.shape = Some(shape.iter().map(|&dim| Dim::Fixed(dim)).collect());
        Ok(id)
    }

    /// `name`, with `_` appended until no value has it.
    pub(super) fn free_name(&self, mut name: String) -> String {
        while self.names.contains(&name) {
            name.push('_');
        }
        name
    }

    /// As [`Scope::free_name`], and none that the file has for a tensor.
    pub(super) fn intermediate_name(&self, mut name: String) -> String {
        while self.names.contains(&name) || self.declared.contains(name.as_str()) {
            name.push('_');
        }
        name
    }

    /// A real input of the graph.
    pub(super) fn graph_input(&mut self, name: &str, shape: Vec<usize>) -> Lowered {
        let id = self.value(name, &shape, DType::F32)?;
        self.graph.inputs.push(id);
        Ok(Edge { id, kind: Kind::Real, shape, fixed: false })
    }

    /// A constant.
    pub(super) fn constant(&mut self, name: &str, tensor: Tensor, kind: Kind) -> Lowered {
        let shape = tensor.shape().to_vec();
        let id = self.value(name, &shape, tensor.dtype())?;
        self.graph.initializers.insert(id, tensor);
        Ok(Edge { id, kind, shape, fixed: true })
    }

    /// Adds a node that makes the value `name`, and writes down the grids that its operator needs to know.
    pub(super) fn push(
        &mut self,
        draft: Draft,
        name: &str,
        shape: Vec<usize>,
        kind: Kind,
    ) -> Lowered {
        let Draft { name: node, op_type, inputs, mut attributes } = draft;
        let dtype = match kind {
            Kind::Real => DType::F32,
            Kind::Codes(codes) => codes.dtype,
        };
        grids(&inputs, &kind, dtype, &mut attributes);
        let id = self.value(name, &shape, dtype)?;
        self.graph.nodes.push(Node {
            name: node,
            op: OpId::new(DOMAIN, &op_type, 1),
            inputs: inputs.iter().map(|edge| Some(edge.id)).collect(),
            outputs: vec![Some(id)],
            attributes,
        });
        Ok(Edge { id, kind, shape, fixed: inputs.iter().all(|edge| edge.fixed) })
    }

    /// Adds the node that makes the tensor of `op`, in the shape that the file declares.
    pub(super) fn push_op(&mut self, op: &OpNode, draft: Draft, kind: Kind) -> Lowered {
        let shape = declared_shape(op)?;
        self.push(draft, op.tensor_name(), shape, kind)
    }
}

/// The shape that the file declares for the tensor of an op.
pub(super) fn declared_shape(op: &OpNode) -> Result<Vec<usize>, String> {
    op.shape().ok_or_else(|| "a dimension of its tensor is unknown".into())
}

/// The attributes that tell an operator on which grids its inputs and its output lie.
fn grids(inputs: &[Edge], output: &Kind, dtype: DType, attributes: &mut Attributes) {
    let codes = |edge: &Edge| match edge.kind {
        Kind::Codes(codes) => Some(codes),
        Kind::Real => None,
    };
    let read: Vec<Option<Codes>> = inputs.iter().map(codes).collect();
    let mut ints = |name: &str, values: Vec<i64>| {
        attributes.insert(name.to_owned(), Attribute::Ints(values));
    };
    if read.iter().any(Option::is_some) {
        let fix_point = |c: &Option<Codes>| c.map_or(0, |codes| codes.grid.fix_point.into());
        ints("input_fix_points", read.iter().map(fix_point).collect());
    }
    if read.iter().flatten().any(|codes| codes.grid.divisor != 1) {
        let divisor = |c: &Option<Codes>| c.map_or(1, |codes| codes.grid.divisor);
        ints("input_divisors", read.iter().map(divisor).collect());
    }
    let mut int = |name: &str, value: i64| {
        attributes.insert(name.to_owned(), Attribute::Int(value));
    };
    int("output_type", dtype_to_onnx(dtype));
    if let Kind::Codes(codes) = output {
        int("output_fix_point", codes.grid.fix_point.into());
        if codes.grid.divisor != 1 {
            int("output_divisor", codes.grid.divisor);
        }
    }
}

impl Edge {
    /// The codes, or that the op needs some.
    pub(super) fn codes(&self) -> Result<Codes, String> {
        match self.kind {
            Kind::Codes(codes) => Ok(codes),
            Kind::Real => Err("it reads real numbers, expected the result of a `fix` op".into()),
        }
    }

    pub(super) fn is_real(&self) -> bool {
        self.kind == Kind::Real
    }
}
