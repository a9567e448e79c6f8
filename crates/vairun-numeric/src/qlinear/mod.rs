//! onnxruntime's operators on 8-bit codes, `QLinear…`, and their requantization.
//!
//! Each adds the zero point of its result where onnxruntime's kernel adds it, before the rounding or after: this is
//! what decides ties. The bits are those of onnxruntime on x86 with AVX2.

mod binary;
mod logistic;
mod pool;
mod requantize;
mod softmax;
mod table;

pub use binary::Binary;
pub use logistic::{logistic, tanh};
pub(crate) use logistic::{logistic_all, tanh_all};
pub use pool::{average_pool, global_average_pool, reduce_mean};
pub use requantize::{requantize, saturated, to_float};
pub use softmax::softmax;
pub use table::Table;
