//! Exact integer contractions in their reference form: convolution, transposed convolution, matrix product.
//!
//! `Σ (x - x_zero_point) · (w - w_zero_point)`, the sum an exact integer: in `i32` where the operands prove that it
//! fits, else in `i64`. Any code types, any shapes, row-major. A padded position contributes 0, which is what a padded
//! x zero point contributes. The result does not depend on the number of threads.

mod accumulate;
mod centre;
mod conv;
mod conv_transpose;
mod geometry;
mod matmul;
mod operand;

#[cfg(test)]
mod tests;

pub use conv::conv;
pub use conv_transpose::conv_transpose;
pub(crate) use geometry::indices;
pub use geometry::{ConvGeometry, Window};
pub use matmul::{MatMulShape, matmul};
pub use operand::{Codes, Operand, Sums};
