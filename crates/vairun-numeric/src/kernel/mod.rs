//! Fast integer kernels over codes that lie channels-last.
//!
//! **Stored codes.** Codes of 8 bits are stored as `u8`: those of signed types with 128 added. Codes of 16 bits are
//! stored as `i16`: those of unsigned types with 32768 taken away. So one kernel serves both signs, at one speed.
//! A buffer holds `[batch, pixels, stride]` codes; the first `channels` of each pixel are meant, what is between
//! `channels` and `stride` is never used.
//!
//! Each kernel has a form for every [`Isa`]; all of them, and any number of threads, give the same bits as the plain
//! form, and that gives those of [`crate::contraction`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod depthwise;
mod digits;
mod dispatch;
mod doubles;
mod elementwise;
mod finish;
mod formula;
#[cfg(target_arch = "x86_64")]
mod gather;
mod isa;
#[cfg(target_arch = "x86_64")]
mod kind;
mod lines;
mod mean;
mod movement;
mod narrow;
#[cfg(target_arch = "x86_64")]
mod packed;
mod pairs;
pub mod peak;
mod pool;
mod product;
mod requantize;
mod resize;
mod rows;
#[cfg(test)]
mod small_tests;
mod split;
mod terms;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tie_tests;
mod tile;
mod transpose;
mod weights;
#[cfg(test)]
mod wide_tests;

pub use depthwise::Depthwise;
pub use elementwise::{Binary, Grid, Operation, Stored, map_bytes, map_to, map_words, quantize};
pub use finish::{Finish, Output};
pub use formula::{Formula, Term};
pub use isa::Isa;
pub use lines::{map_lines, map_lines_to_reals, map_lines_to_words};
pub use mean::{
    exact_mean_of_images, exact_pixels, mean_of_images, means_of_windows, scaled_sums_of_images,
};
pub use movement::{gather, spread_rows};
pub use narrow::{Narrow, NarrowParts};
pub use pairs::{Pairs, Width};
pub use pool::max_pool;
pub use product::{Codes, Product, Written};
pub use requantize::Requantize;
pub use resize::{Interpolation, interpolate_codes, truncate};
pub use rows::Rows;
pub use split::Split;
pub use terms::terms;
pub use transpose::{Moved, transpose};
pub use weights::{Element, Weights};
