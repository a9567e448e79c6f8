//! Contractions of codes with constant codes, packed for the kernels.

use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::kernel::{Isa, Output};
use vairun_tensor::Tensor;

use super::matmul::Shapes;
use super::packed::{Matrix, Packed, PackedInput, Plan, Rule, Terms};
use super::window::WindowAttributes;
use crate::error::OpError;

/// Constant weights, and what becomes of the sums with them: `f32(sum + bias) · scale`.
#[derive(Clone, Copy)]
pub(crate) struct CodedWeights<'a> {
    pub(crate) codes: &'a Tensor,
    /// One, or one for each output channel.
    pub(crate) zero_points: &'a [i32],
    /// One, or one for each output channel.
    pub(crate) scales: &'a [f32],
    /// One for each output channel.
    pub(crate) bias: Option<&'a [i32]>,
}

impl CodedWeights<'_> {
    fn terms(&self) -> Option<Terms<'_>> {
        Terms::of_codes(self.codes, self.zero_points, self.scales)
    }

    /// A convolution of `x`.
    pub(crate) fn conv(
        &self,
        attributes: &WindowAttributes,
        x: &PackedInput,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let Some(terms) = self.terms() else { return Ok(None) };
        let plan = Plan { x, rule: Rule::Codes { bias: self.bias }, output, isa };
        plan.conv(attributes, false, (self.codes.shape(), &terms))
    }

    /// The sums themselves of a convolution of `x`.
    pub(crate) fn sums(
        &self,
        x: &PackedInput,
        geometry: &ConvGeometry,
        isa: Isa,
    ) -> Option<Packed> {
        let rule = Rule::Codes { bias: self.bias };
        Plan { x, rule, output: Output::Sums, isa }.conv_in(geometry, false, &self.terms()?).ok()?
    }

    /// numpy's `matmul` of `x` and one matrix.
    pub(crate) fn matmul(
        &self,
        x: &PackedInput,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let shapes = Shapes::new(&x.shape, self.codes.shape())?;
        Ok(shapes.tall(self.codes.rank()).and_then(|m| {
            let matrix = Matrix { m, k: shapes.k, n: shapes.n, transposed: false };
            self.matrix(x, &matrix, &shapes.shape, output, isa)
        }))
    }

    /// A product of `x` and a matrix; `shape` is that of the result.
    pub(crate) fn matrix(
        &self,
        x: &PackedInput,
        matrix: &Matrix,
        shape: &[usize],
        output: Output,
        isa: Isa,
    ) -> Option<Packed> {
        let plan = Plan { x, rule: Rule::Codes { bias: self.bias }, output, isa };
        plan.matrix(matrix, &self.terms()?, shape)
    }
}
