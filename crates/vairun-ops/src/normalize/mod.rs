//! Softmax and the normalizations.
//!
//! All of them are computed in float64 and rounded once at the end, whatever the type of the elements: the result is that
//! of the real numbers but for a last bit in rare cases, and the same for any number of threads. onnxruntime computes in
//! float32.

pub mod batch_normalization;
pub mod embed_layer_normalization;
pub mod group_normalization;
pub mod layer_normalization;
pub mod lp_normalization;
pub mod mean_variance_normalization;
mod rows;
pub mod skip_layer_normalization;
pub mod softmax;

use crate::def::Grade;

/// What is known of all of them.
pub(crate) const GRADE: Grade =
    Grade::Within(1, "computed in float64; onnxruntime computes in float32");
