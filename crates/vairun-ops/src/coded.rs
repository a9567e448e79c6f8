use vairun_numeric::kernel::Operation;
use vairun_tensor::{DType, Tensor};

use crate::quantizer::{Dequantizer, Quantizer};

/// How an operator whose inputs and result are codes computes these.
///
/// It is told by [`crate::Operator::on_codes`], so that codes need not be tensors of the model in between.
#[derive(Clone, Debug)]
pub struct OnCodes {
    /// The inputs that are codes of the run; all others are the same in every run.
    pub parts: Vec<CodedInput>,
    /// From the numbers of the rule to the codes of the result.
    pub quantizer: Quantizer,
    /// What happens in between.
    pub rule: CodeRule,
}

/// An input of codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodedInput {
    /// Which input.
    pub index: usize,
    /// The type that the codes must have.
    pub dtype: DType,
    /// The number that the rule takes for a code.
    pub grid: Dequantizer,
}

/// What an operator does with codes.
#[derive(Clone, Debug)]
pub enum CodeRule {
    /// A function of each code for itself; the operator computes it for any shape.
    Each,
    /// A contraction that [`crate::Operator::pack_codes`] packs; `late` are inputs that only this reads.
    Product {
        /// Indices of inputs, as [`CodedInput::index`].
        late: &'static [usize],
        /// Where the right operand is of the run too, a matrix product: its codes, and what the sums are multiplied with.
        pair: Option<(CodedInput, f32)>,
    },
    /// An operation on the numbers of two codes, broadcast.
    Binary(Operation),
    /// The parts side by side; for each the codes of the result, for all codes from the least to the largest.
    Concat {
        /// The dimension along which they lie.
        axis: i64,
        /// One tensor for each part.
        results: Vec<Tensor>,
    },
    /// The means of windows as `AveragePool` computes them: `f32(f32(mean / scale) + zero_point)`.
    Average(Dequantizer),
    /// The mean of each channel: `f32(Σ codes less their zero points) · f32(sx / f32(count · scale))`.
    GlobalAverage {
        /// The scale of the result.
        scale: f32,
    },
}
