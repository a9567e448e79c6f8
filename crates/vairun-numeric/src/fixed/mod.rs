//! Fixed-point numbers: integer codes on grids, as the tensors of XIR graphs are.
//!
//! A number is `code · 2^-fix_point / divisor` ([`Grid`]). Sums, products, means and interpolations are exact in
//! integers; only [`Requantize`] rounds. Images have their channels last.

mod code;
mod conv;
mod elementwise;
mod grid;
mod pool;
mod requantize;
mod resample;
mod sampling;

pub use code::Code;
pub use conv::{CodeType, Conv, ConvParts, Stored};
pub use elementwise::{Scaled, Source, fold, map, relu};
pub use grid::{Grid, gcd};
pub use pool::{Pool, PoolShape};
pub use requantize::Requantize;
pub use resample::{linear, nearest};
pub use sampling::{Sampling, Tap};
