use vairun_graph::{Attributes, Graph, Node, OpId, ValueId};
use vairun_numeric::kernel::Isa;
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
    /// Whether a value that the reference runtime tolerates but no specification defines is computed as the reference
    /// does (an unknown rounding method gives 0) instead of being refused.
    pub permissive: bool,
    /// The instruction set of integer kernels; no bit depends on it.
    pub isa: Isa,
}

/// What is known of an input before the node runs.
#[derive(Clone, Copy, Debug)]
pub struct InputSpec<'a> {
    /// The value's name in the file.
    pub name: &'a str,
    /// The element type, where known.
    pub dtype: Option<DType>,
    /// The value, where it is known before the first run.
    pub constant: Option<&'a Tensor>,
    /// Whether the value is the same in every run. A large constant that has yet to be computed (a dequantized
    /// weight) is fixed, but not known before the first run: an operator may then prepare it at its first run.
    pub fixed: bool,
}

/// What a plan knows of a value before it runs; the fields are those of [`InputSpec`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The element type, where known.
    pub dtype: Option<DType>,
    /// The value, where it is known before the first run.
    pub constant: Option<&'a Tensor>,
    /// Whether the value is the same in every run.
    pub fixed: bool,
}

impl<'a> NodeSpec<'a> {
    /// From a node of `graph`; `known` tells what is known of a value.
    pub fn new(graph: &'a Graph, node: &'a Node, known: impl Fn(ValueId) -> Known<'a>) -> Self {
        let input = |id: ValueId| {
            let Known { dtype, constant, fixed } = known(id);
            InputSpec {
                name: graph.name_of(id),
                dtype,
                constant,
                fixed: fixed || constant.is_some(),
            }
        };
        Self {
            name: &node.name,
            op: &node.op,
            attributes: &node.attributes,
            inputs: node.inputs.iter().map(|id| id.map(input)).collect(),
            outputs: node.outputs.iter().map(|id| id.map(|id| graph.name_of(id))).collect(),
            permissive: false,
            isa: Isa::best(),
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
