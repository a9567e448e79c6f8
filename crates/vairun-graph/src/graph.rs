use std::collections::{BTreeMap, HashMap};
use std::fmt;

use vairun_tensor::{DType, Tensor};

use crate::node::Node;

/// A model: a graph and what its file says of it.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The graph.
    pub graph: Graph,
    /// The opset version for each domain.
    pub opset_imports: Vec<OpsetId>,
    /// The version of the file format.
    pub ir_version: i64,
    /// The tool that wrote the file.
    pub producer_name: String,
    /// Its version.
    pub producer_version: String,
    /// Free key-value pairs.
    pub metadata: BTreeMap<String, String>,
}

/// A domain and the version that a model imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpsetId {
    /// The domain; empty for ONNX's own.
    pub domain: String,
    /// Its version.
    pub version: i64,
}

impl Model {
    /// The version imported for a domain.
    pub fn opset(&self, domain: &str) -> Option<i64> {
        self.opset_imports
            .iter()
            .find(|import| import.domain == domain)
            .map(|import| import.version)
    }
}

/// A value of one graph, by its place in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The place in a list with one entry for each value.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One dimension of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A name that stands for a number known when the model runs.
    Symbol(String),
    /// Nothing is said.
    Unknown,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Symbol(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// What a file declares of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueInfo {
    /// The name in the file.
    pub name: String,
    /// The element type of a tensor, if declared.
    pub dtype: Option<DType>,
    /// The shape of a tensor, if declared. Exporters declare wrong shapes for outputs: a hint, not a promise.
    pub shape: Option<Vec<Dim>>,
    /// A sequence or an optional, in words (`seq(tensor(float))`); `None` for tensors.
    pub non_tensor: Option<String>,
}

/// A value of the enclosing graph that a body reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// In the enclosing graph.
    pub outer: ValueId,
    /// In the body.
    pub inner: ValueId,
}

/// Nodes over named values.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The name in the file.
    pub name: String,
    /// Every value: inputs, constants, results, captures.
    pub values: Vec<ValueInfo>,
    /// What the caller gives, initializers excepted.
    pub inputs: Vec<ValueId>,
    /// What the caller gets.
    pub outputs: Vec<ValueId>,
    /// Constants that the file holds. An initializer that is an input too is a default: it stands in
    /// [`Graph::inputs`] as well.
    pub initializers: BTreeMap<ValueId, Tensor>,
    /// The nodes, each after the nodes that it reads from.
    pub nodes: Vec<Node>,
    /// The values of the enclosing graph that this body reads; empty in a model's main graph.
    pub captures: Vec<Capture>,
}

impl Graph {
    /// Adds a value of that name and returns it.
    pub fn add_value(&mut self, name: impl Into<String>) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).expect("fewer than 2^32 values"));
        self.values.push(ValueInfo {
            name: name.into(),
            dtype: None,
            shape: None,
            non_tensor: None,
        });
        id
    }

    /// What the file declares of a value.
    pub fn value(&self, id: ValueId) -> &ValueInfo {
        &self.values[id.index()]
    }

    /// The name of a value.
    pub fn name_of(&self, id: ValueId) -> &str {
        &self.value(id).name
    }

    /// The value of each name.
    pub fn by_name(&self) -> HashMap<&str, ValueId> {
        (0..).map(ValueId).zip(&self.values).map(|(id, info)| (info.name.as_str(), id)).collect()
    }

    /// The node that makes each value, by value.
    pub fn producers(&self) -> Vec<Option<usize>> {
        let mut producers = vec![None; self.values.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            node.writes().for_each(|id| producers[id.index()] = Some(i));
        }
        producers
    }

    /// How often each value is read by nodes and as an output.
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        let reads = self.nodes.iter().flat_map(Node::reads).chain(self.outputs.iter().copied());
        reads.for_each(|id| counts[id.index()] += 1);
        counts
    }

    /// Every node here and in the bodies, depth first.
    pub fn all_nodes(&self) -> Vec<&Node> {
        let mut found = Vec::new();
        let mut open = vec![self.nodes.iter()];
        while let Some(top) = open.last_mut() {
            match top.next() {
                Some(node) => {
                    found.push(node);
                    let bodies: Vec<_> = node.bodies().map(|body| body.nodes.iter()).collect();
                    open.extend(bodies);
                }
                None => {
                    open.pop();
                }
            }
        }
        found
    }
}
