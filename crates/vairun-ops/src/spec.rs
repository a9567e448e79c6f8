use vairun_graph::{Attributes, Graph, Node, OpId, ValueId};
use vairun_tensor::{DType, Tensor};

use crate::error::BuildError;

/// What is known of a node before it runs.
#[derive(Clone, Debug)]
pub struct NodeSpec<'a> {
    /// The node's name in the file.
    pub name: &'a str,
    /// The operator.
    pub op: &'a OpId,
    /// The attributes.
    pub attributes: &'a Attributes,
    /// The inputs; `None` for one that is left out.
    pub inputs: Vec<Option<InputSpec<'a>>>,
    /// The names of the outputs; `None` for one that is left out.
    pub outputs: Vec<Option<&'a str>>,
}

/// What is known of an input before the node runs.
#[derive(Clone, Copy, Debug)]
pub struct InputSpec<'a> {
    /// The value's name in the file.
    pub name: &'a str,
    /// The element type, where known.
    pub dtype: Option<DType>,
    /// The value, where it is the same in every run.
    pub constant: Option<&'a Tensor>,
}

impl<'a> NodeSpec<'a> {
    /// From a node of `graph`; `dtype` and `constant` tell what is known of a value.
    pub fn new(
        graph: &'a Graph,
        node: &'a Node,
        dtype: impl Fn(ValueId) -> Option<DType>,
        constant: impl Fn(ValueId) -> Option<&'a Tensor>,
    ) -> Self {
        let input = |id: ValueId| InputSpec {
            name: graph.name_of(id),
            dtype: dtype(id),
            constant: constant(id),
        };
        Self {
            name: &node.name,
            op: &node.op,
            attributes: &node.attributes,
            inputs: node.inputs.iter().map(|id| id.map(input)).collect(),
            outputs: node.outputs.iter().map(|id| id.map(|id| graph.name_of(id))).collect(),
        }
    }

    /// The constant value of input `index`.
    pub fn constant(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index)?.as_ref()?.constant
    }

    /// The element type of input `index`, where known.
    pub fn dtype(&self, index: usize) -> Option<DType> {
        self.inputs.get(index)?.as_ref()?.dtype
    }

    /// Whether input `index` is given.
    pub fn has_input(&self, index: usize) -> bool {
        self.inputs.get(index).is_some_and(Option::is_some)
    }

    /// Whether output `index` is asked for.
    pub fn has_output(&self, index: usize) -> bool {
        self.outputs.get(index).is_some_and(Option::is_some)
    }

    /// Checks the number of inputs (left-out ones before the last count).
    ///
    /// # Errors
    /// [`BuildError::InputCount`].
    pub fn expect_inputs(&self, range: std::ops::RangeInclusive<usize>) -> Result<(), BuildError> {
        let got = self.inputs.len();
        if range.contains(&got) {
            return Ok(());
        }
        let (low, high) = (range.start(), range.end());
        let expected = match (low == high, *high == usize::MAX) {
            (true, _) => low.to_string(),
            (_, true) => format!("at least {low}"),
            _ => format!("{low} to {high}"),
        };
        Err(BuildError::InputCount { got, expected })
    }
}
