//! What an operator knows of its bodies before it runs.

use vairun_graph::{Attribute, Dim, Graph};
use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::dispatch::with_element;
use crate::error::{BuildError, OpError};

/// The numbers of inputs and outputs of a body, and what it declares of the outputs.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) inputs: usize,
    pub(crate) outputs: Vec<Declared>,
}

/// What a body declares of an output.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    name: String,
    dtype: Option<DType>,
    shape: Option<Vec<Dim>>,
}

impl Body {
    /// The body in the attribute `name`.
    pub(crate) fn read(attrs: &Attrs, name: &'static str) -> Result<Self, BuildError> {
        match attrs.get(name) {
            Some(Attribute::Graph(graph)) => Ok(Self::of(graph)),
            Some(other) => Err(BuildError::AttributeKind {
                name: name.into(),
                expected: "GRAPH",
                got: other.kind(),
            }),
            None => Err(BuildError::MissingAttribute(name.into())),
        }
    }

    fn of(graph: &Graph) -> Self {
        let declared = |&id| {
            let info = graph.value(id);
            Declared { name: info.name.clone(), dtype: info.dtype, shape: info.shape.clone() }
        };
        Self { inputs: graph.inputs.len(), outputs: graph.outputs.iter().map(declared).collect() }
    }

    /// That the body has `expected` inputs.
    pub(crate) fn expect_inputs(&self, expected: usize) -> Result<(), BuildError> {
        if self.inputs == expected {
            return Ok(());
        }
        let got = self.inputs;
        Err(BuildError::Malformed(format!("the body has {got} inputs, expected {expected}")))
    }
}

impl Declared {
    /// What is stacked along `axis` when nothing was: a tensor of the declared type and shape with a dimension of 0.
    pub(crate) fn nothing(&self, axis: i64) -> Result<Tensor, OpError> {
        let Some(dtype) = self.dtype else {
            return Err(OpError::Kernel(format!(
                "no iteration ran, and the body does not declare the type of `{}`",
                self.name
            )));
        };
        let size = |dim: &Dim| if let Dim::Fixed(n) = dim { *n } else { 0 };
        let mut shape: Vec<usize> = self.shape.iter().flatten().map(size).collect();
        let axis = crate::common::axes::axis(axis, shape.len() + 1)?;
        shape.insert(axis, 0);
        with_element!(dtype, T => Ok(Tensor::with_dtype::<T>(dtype, &shape, Vec::new())?))
    }
}
