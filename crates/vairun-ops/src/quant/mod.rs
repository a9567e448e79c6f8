//! Quantizers and dequantizers of every family.

pub mod vai_quantize_linear;
