//! Convolutions, matrix products and maximum pools in float32, and functions of each number.
//!
//! **Order of summation.** Every element of a result is one chain of fused multiply-adds that starts at +0 and takes
//! the terms in the order of the weights: channel by channel, and within a channel tap by tap, row-major. A bias is
//! added to the finished sum. So neither the CPU, nor the number of threads, nor the blocks that a loop works in can
//! change a bit: the vectors run over columns (or pixels), never along a sum. A zero of the padding is a term as any
//! other.
//!
//! A product is computed in tiles of `tile::ROWS` rows and `tile::COLUMNS` columns whose sums stay in registers.
//! Its left operand is packed in panels of rows ([`Left`]), its right one in panels of columns ([`Right`]). A
//! convolution is the product of its weights, on the left, with the pixels that each tap reads; they stand side by side
//! in x, or in planes that are filled from x area by area. The result is written as it lies in memory,
//! `[batch, channels, pixels]`. Single columns are computed in vectors of rows.

mod block;
mod column;
mod conv;
mod depthwise;
mod elementwise;
mod fill;
mod left;
mod max_pool;
mod pixels;
mod planes;
mod product;
mod right;
mod strips;
#[cfg(test)]
mod tests;
mod tile;
mod vector;

pub use conv::{Conv, Filters};
pub use elementwise::{Binary, Other, Unary, binary, unary};
pub use left::Left;
pub use max_pool::max_pool;
pub use product::{Sizes, product, products};
pub use right::Right;
