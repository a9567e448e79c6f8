//! Scaled dot-product attention and what goes with it.

#[allow(clippy::module_inception)] // the operator's own name
pub mod attention;
pub mod causal_conv_with_state;
mod core;
mod floats;
pub mod group_query_attention;
pub mod linear_attention;
mod mask;
pub(crate) mod mask_index;
pub mod microsoft_attention;
pub mod multi_head_attention;
pub(crate) mod projected;
pub mod rotary_embedding;
