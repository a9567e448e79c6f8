//! Quantizers and dequantizers of every family, each with its own order of operations.

mod contrib;
pub(crate) mod element;
mod granularity;
pub(crate) mod parameters;
#[cfg(test)]
pub(crate) mod testing;
mod vai_grid;

pub mod contrib_dequantize_linear;
pub mod contrib_fix_neuron;
pub mod contrib_quantize_linear;
pub mod contrib_vai_de_quantize;
pub mod contrib_vai_quantize;
pub mod dequantize_linear;
pub mod dynamic_quantize_linear;
pub mod quantize_linear;
pub mod vai_dequantize_linear;
pub mod vai_fix_neuron;
pub mod vai_quantize_linear;
pub mod varied;
