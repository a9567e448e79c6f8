//! Contractions of dequantized operands: `Conv`, `ConvTranspose`, `Gemm` and `MatMul` in integers.
//!
//! `y = f32( Σ (xq - xz) · (wq - wz) ) · f32(sx · sw) (+ bias)`, the sum exact.
//!
//! A bias that is dequantized itself joins the integer sum, channel by channel, where its scale is `2^k · f32(sx · sw)`
//! with an integer k of at most 31 either way: for `k < 0` it is the sum that is shifted, and the scale is that of the
//! bias. Any other bias is added in f32.
//!
//! Where this form does not apply (an operand that is no dequantizer's output, a scale that runs along the sum, an
//! activation with a scale per channel, a product of scales that f32 cannot hold as a normal number, `alpha` or `beta`
//! that the form cannot absorb), nothing is computed here and the caller takes the float operator.

pub(crate) mod coded;
pub(crate) mod conv;
mod epilogue;
mod finish;
mod gemm;
pub(crate) mod matmul;
mod packed;
mod real;
mod side;
#[cfg(test)]
mod tests;
mod window;

pub use matmul::{Shapes, Tasks};
pub(crate) use packed::Matrix;
pub use packed::{Packed, PackedInput};
pub use real::{Real, RealOr};
pub use window::WindowAttributes;
pub(crate) use window::{AutoPad, lengths_of};

use vairun_numeric::kernel::{Isa, Output};
use vairun_tensor::Tensor;

use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};
use crate::operator::Inputs;
use crate::spec::NodeSpec;

/// A node whose two operands may both come out of a dequantizer.
#[derive(Clone, Debug)]
pub struct Contraction(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Conv(WindowAttributes),
    ConvTranspose(WindowAttributes),
    Gemm(gemm::Gemm),
    MatMul,
}

impl Contraction {
    /// The contraction that a node is; `None` where it is none, or one that has no integer form.
    ///
    /// Reads all the attributes of the node.
    ///
    /// # Errors
    /// Attributes of another kind than the specification's.
    pub fn from_node(spec: &NodeSpec, attrs: &Attrs) -> Result<Option<Self>, BuildError> {
        if !spec.op.domain.is_empty() {
            return Ok(None);
        }
        Ok(match spec.op.op_type.as_str() {
            "Conv" => Some(Self(Kind::Conv(WindowAttributes::read(attrs)?))),
            "ConvTranspose" => {
                Some(Self(Kind::ConvTranspose(WindowAttributes::read_transposed(attrs)?)))
            }
            "Gemm" => gemm::Gemm::read(attrs)?.map(|gemm| Self(Kind::Gemm(gemm))),
            "MatMul" => Some(Self(Kind::MatMul)),
            _ => None,
        })
    }

    /// The shape of the result for operands of these shapes; `None` where the integer form does not apply.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn shape(&self, x: &[usize], w: &[usize]) -> Result<Option<Vec<usize>>, OpError> {
        match &self.0 {
            Kind::Conv(attributes) => packed::conv_shape(attributes, false, x, w),
            Kind::ConvTranspose(attributes) => packed::conv_shape(attributes, true, x, w),
            Kind::Gemm(gemm) => gemm.result(x, w).map(Some),
            Kind::MatMul => Ok(Some(matmul::Shapes::new(x, w)?.shape)),
        }
    }

    /// The contraction of an x on one grid with constant weights, in the kernels for packed weights; `None` where they
    /// cannot do it. The result is that of [`Contraction::run`], as `output` says.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn pack(
        &self,
        x: &PackedInput,
        w: &Tensor,
        bias: Option<&Tensor>,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        match &self.0 {
            Kind::Conv(attributes) => packed::conv(attributes, false, x, (w, bias), output, isa),
            Kind::ConvTranspose(attributes) => {
                packed::conv(attributes, true, x, (w, bias), output, isa)
            }
            Kind::Gemm(gemm) => gemm.pack(x, w, bias, output, isa),
            Kind::MatMul => packed::matmul(x, w, output, isa),
        }
    }

    /// The result; `None` where these inputs have no integer form. The inputs are only read.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn run(&self, inputs: &Inputs) -> Result<Option<Tensor>, OpError> {
        match &self.0 {
            Kind::Conv(attributes) => conv::run(attributes, inputs, false),
            Kind::ConvTranspose(attributes) => conv::run(attributes, inputs, true),
            Kind::Gemm(gemm) => gemm.run(inputs),
            Kind::MatMul => matmul::run(inputs),
        }
    }
}
