use vairun_numeric::kernel::{Isa, Output};
use vairun_numeric::resize::Bilinear;
use vairun_tensor::{DType, Tensor, Value};

use crate::arithmetic::Arithmetic;
use crate::coded::OnCodes;
use crate::contraction::{Contraction, Packed, PackedInput};
use crate::error::OpError;
use crate::quantizer::{Dequantizer, Quantizer};

/// What an operator gives back: one value for each output it has, in order, requested or not.
///
/// An optional output that nobody asked for may be left out at the end.
pub type Outputs = Vec<Value>;

/// A node ready to run: its attributes read, its constants prepared.
pub trait Operator: Send + Sync {
    /// Computes the outputs. The result depends on the inputs and the operator alone.
    ///
    /// # Errors
    /// An input of another type or shape than the operator takes, or a value it is not defined for.
    fn run(&self, inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError>;

    /// The types of the outputs where those of the inputs are known; `None` for an unknown type.
    ///
    /// # Errors
    /// A type that the operator does not take: the model is refused before it runs.
    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let _ = inputs;
        Ok(Vec::new())
    }

    /// Whether equal inputs give equal outputs in every run; `false` for random numbers. What is pure and has only
    /// constant inputs is computed once.
    fn is_pure(&self) -> bool {
        true
    }

    /// The rule, where the operator gives the codes of its first input on one grid. `parameters` are the node's inputs
    /// that are known; the first is left out. An operator that gives back the numbers of the codes at once has a
    /// [`Operator::dequantizer`] too.
    fn quantizer(&self, parameters: &Inputs) -> Option<Quantizer> {
        let _ = parameters;
        None
    }

    /// The grid, where the operator gives the numbers of the codes in its first input.
    fn dequantizer(&self, parameters: &Inputs) -> Option<Dequantizer> {
        let _ = parameters;
        None
    }

    /// The function, where each number of the result is one of the numbers of the inputs in its place, for float32.
    /// `parameters` are the node's inputs that are known.
    fn arithmetic(&self, parameters: &Inputs) -> Option<Arithmetic> {
        let _ = parameters;
        None
    }

    /// The interpolation, where the operator makes it of each channel of images `[n, c, h, w]` of float32 numbers, of that
    /// shape. `parameters` are the node's inputs but the first, all that it has.
    fn bilinear(&self, x: &[usize], parameters: &Inputs) -> Option<Bilinear> {
        let _ = (x, parameters);
        None
    }

    /// The rule, where the operator makes codes of codes. `parameters` are the node's inputs that are known; what the rule
    /// names as codes, or as late, is not read.
    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let _ = parameters;
        None
    }

    /// The contraction of [`CodeRule::Product`](crate::CodeRule::Product) with packed weights, which gives sums on the
    /// scale of the result's codes; `None` where the kernels cannot do it. `parameters` are the node's inputs but the codes of the run.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    fn pack_codes(
        &self,
        x: &PackedInput,
        parameters: &Inputs,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let _ = (x, parameters, output, isa);
        Ok(None)
    }

    /// The product, where the operator gives the integer sums of one.
    fn sums(&self) -> Option<&dyn Sums> {
        None
    }

    /// The exact form, where the operator is a contraction that takes it for dequantized operands.
    fn contraction(&self) -> Option<&Contraction> {
        None
    }
}

/// An operator that gives the int32 sums of a product of codes.
pub trait Sums {
    /// `f32(f32(sum) · scale) (+ bias)`, as Cast, Mul and Add would make of the result for `inputs`; `None` where scale or
    /// bias are not one number, or one for each output channel, or the kernels cannot do it.
    ///
    /// # Errors
    /// As [`Operator::run`].
    fn scaled(
        &self,
        inputs: &Inputs,
        scale: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Option<Tensor>, OpError>;
}

/// What the executor lends to an operator while it runs.
pub trait Context {
    /// Runs the body that stands in the attribute `body` on `inputs`; what it captures is added by the executor.
    ///
    /// # Errors
    /// [`OpError::Body`] with the error of the node that failed.
    fn run_body(&mut self, body: &str, inputs: Vec<Value>) -> Result<Outputs, OpError>;
}

/// A context for operators without bodies.
pub struct NoBodies;

impl Context for NoBodies {
    fn run_body(&mut self, body: &str, _: Vec<Value>) -> Result<Outputs, OpError> {
        Err(OpError::Kernel(format!("no body `{body}` here")))
    }
}

/// The inputs of a node, in order. A value that nobody reads later belongs to the operator, which may write over it.
#[derive(Debug, Default)]
pub struct Inputs(Vec<Option<Value>>);

impl Inputs {
    /// From the values in order; `None` for one that is left out.
    pub fn new(values: Vec<Option<Value>>) -> Self {
        Self(values)
    }

    /// From tensors that are all present.
    pub fn of(tensors: impl IntoIterator<Item = Tensor>) -> Self {
        Self(tensors.into_iter().map(|tensor| Some(Value::Tensor(tensor))).collect())
    }

    /// The number of inputs, left-out ones before the last included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Input `index`, if given.
    pub fn value(&self, index: usize) -> Option<&Value> {
        self.0.get(index)?.as_ref()
    }

    /// Input `index` as a tensor; `name` is the specification's, for the error.
    ///
    /// # Errors
    /// [`OpError::Missing`], [`OpError::Kind`].
    pub fn tensor(&self, index: usize, name: &'static str) -> Result<&Tensor, OpError> {
        Ok(self.value(index).ok_or(OpError::Missing(name))?.as_tensor()?)
    }

    /// Input `index` as a tensor, `None` where it is left out.
    ///
    /// # Errors
    /// [`OpError::Kind`].
    pub fn optional(&self, index: usize) -> Result<Option<&Tensor>, OpError> {
        Ok(self.value(index).map(Value::as_tensor).transpose()?)
    }

    /// Input `index` itself, to write over where nobody else holds it.
    ///
    /// # Errors
    /// [`OpError::Missing`], [`OpError::Kind`].
    pub fn take(&mut self, index: usize, name: &'static str) -> Result<Tensor, OpError> {
        Ok(self.take_value(index).ok_or(OpError::Missing(name))?.into_tensor()?)
    }

    /// Input `index` itself, of any kind.
    pub fn take_value(&mut self, index: usize) -> Option<Value> {
        self.0.get_mut(index)?.take()
    }

    /// All the values in order.
    pub fn into_values(self) -> Vec<Option<Value>> {
        self.0
    }
}
