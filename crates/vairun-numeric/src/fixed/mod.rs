//! Fixed-point numbers: integer codes on grids, as the tensors of XIR graphs are.
//!
//! A number is `code · 2^-fix_point / divisor`. Sums, products, means and interpolations are exact in integers; only
//! [`Requantize`] rounds.

mod code;
mod elementwise;
mod pool;
mod requantize;
mod sampling;

pub use code::Code;
pub use elementwise::{accumulate, choose, multiply};
pub use pool::{Pool, PoolShape};
pub use requantize::Requantize;
pub use sampling::{Sampling, Tap};
