//! Scaled dot-product attention and what goes with it.

#[allow(clippy::module_inception)] // the operator's own name
pub mod attention;
mod core;
mod floats;
mod mask;
pub mod multi_head_attention;
pub mod rotary_embedding;
