//! Products, what becomes of their sums, codes of numbers and of two codes, and tables, with AVX-512 VNNI and VBMI. All else
//! is as with AVX2.

mod codes;
mod columns;
pub(super) mod depthwise;
pub(super) mod elementwise;
mod finish;
pub(super) mod pairs;
pub(super) mod product;
pub(super) mod table;
mod tile;
