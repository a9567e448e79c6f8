use std::fmt;

use crate::attribute::Attributes;
use crate::graph::{Graph, ValueId};

/// Which operator a node asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId {
    /// The domain; empty for ONNX's own (`ai.onnx` is written as empty).
    pub domain: String,
    /// The operator's name in its domain.
    pub op_type: String,
    /// The opset version that the model imports for the domain; 1 where it imports none.
    pub opset: i64,
}

impl OpId {
    /// `ai.onnx` and the empty domain are one.
    pub fn new(domain: &str, op_type: &str, opset: i64) -> Self {
        let domain = if domain == "ai.onnx" { "" } else { domain };
        Self { domain: domain.to_owned(), op_type: op_type.to_owned(), opset }
    }

    /// Whether it is ONNX's own operator of that name.
    pub fn is_onnx(&self, op_type: &str) -> bool {
        self.domain.is_empty() && self.op_type == op_type
    }
}

impl fmt::Display for OpId {
    /// `Conv`, `vai::QuantizeLinear`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.domain.is_empty() {
            f.pad(&self.op_type)
        } else {
            f.pad(&format!("{}::{}", self.domain, self.op_type))
        }
    }
}

/// One use of an operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name in the file; where it has none, the name of its first output.
    pub name: String,
    /// The operator.
    pub op: OpId,
    /// What it reads; `None` for an optional input that is left out. No trailing `None`.
    pub inputs: Vec<Option<ValueId>>,
    /// What it makes; `None` for an optional output that is left out.
    pub outputs: Vec<Option<ValueId>>,
    /// Its attributes.
    pub attributes: Attributes,
}

impl Node {
    /// The bodies in its attributes.
    pub fn bodies(&self) -> impl Iterator<Item = &Graph> {
        self.attributes.values().flat_map(|attribute| attribute.graphs())
    }

    /// Every value it needs: its inputs, then what its bodies capture.
    pub fn reads(&self) -> impl Iterator<Item = ValueId> {
        let captured =
            self.bodies().flat_map(|body| body.captures.iter().map(|capture| capture.outer));
        self.inputs.iter().flatten().copied().chain(captured)
    }

    /// Every value it makes.
    pub fn writes(&self) -> impl Iterator<Item = ValueId> {
        self.outputs.iter().flatten().copied()
    }
}
