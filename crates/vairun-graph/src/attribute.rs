use std::collections::BTreeMap;

use vairun_tensor::Tensor;

use crate::graph::Graph;

/// The value of an attribute of a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // ONNX `AttributeProto.AttributeType`
pub enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    Floats(Vec<f32>),
    /// Bytes, by the specification UTF-8.
    String(Vec<u8>),
    Strings(Vec<Vec<u8>>),
    Tensor(Tensor),
    Tensors(Vec<Tensor>),
    Graph(Box<Graph>),
    Graphs(Vec<Graph>),
    /// A type (of `Optional`, `SequenceEmpty` …), in words; such attributes are kept for writing models back.
    Type(String),
}

/// The attributes of a node by name.
pub type Attributes = BTreeMap<String, Attribute>;

impl Attribute {
    /// The kind as ONNX names it: `INT`, `FLOATS`, `GRAPH`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "INT",
            Self::Ints(_) => "INTS",
            Self::Float(_) => "FLOAT",
            Self::Floats(_) => "FLOATS",
            Self::String(_) => "STRING",
            Self::Strings(_) => "STRINGS",
            Self::Tensor(_) => "TENSOR",
            Self::Tensors(_) => "TENSORS",
            Self::Graph(_) => "GRAPH",
            Self::Graphs(_) => "GRAPHS",
            Self::Type(_) => "TYPE_PROTO",
        }
    }

    /// The bodies in it.
    pub fn graphs(&self) -> &[Graph] {
        match self {
            Self::Graph(graph) => std::slice::from_ref(graph),
            Self::Graphs(graphs) => graphs,
            _ => &[],
        }
    }
}
