//! Quark's own operators, `com.amd.quark`, and their older names in `com.vai.quantize`.
//!
//! Files import these domains with any version (1 and 1000 occur): none is looked at.

mod blocks;
mod parameters;

pub mod bfp_quantize_dequantize;
pub mod extended_dequantize_linear;
pub mod extended_instance_normalization;
pub mod extended_lstm;
pub mod extended_quantize_linear;
pub mod mx_quantize_dequantize;
