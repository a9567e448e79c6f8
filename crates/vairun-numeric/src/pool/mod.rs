//! Pooling: windows that move over planes and keep the largest element, the mean, or a norm.
//!
//! A plane is what one channel of one sample holds, row-major. Elements of the padding do not exist: they are neither
//! compared nor added. Every element is visited in row-major order of its window, so sums have one order.

pub mod float32;
mod geometry;
mod reduce;

pub use geometry::{Pool, PoolAxis};
pub use reduce::{Float, Ordered, argmax, largest, max, mean, mean_of_rows, norm, power_sum, sum};
