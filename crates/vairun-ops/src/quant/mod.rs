//! Quantizers and dequantizers of every family, each with its own order of operations.

mod parameters;
#[cfg(test)]
pub(crate) mod testing;
mod vai_grid;

pub mod vai_dequantize_linear;
pub mod vai_fix_neuron;
pub mod vai_quantize_linear;
