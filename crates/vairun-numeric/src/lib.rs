//! The arithmetic of quantized networks on slices: rounding, quantizers, block formats, narrow floats, integer kernels.
//!
//! Everything that decides a bit of a quantized result is here, in pure functions. There is no shared "quantize": each
//! family names its own order of operations, built from the rules of [`round`]. The crate knows no tensors, graphs or
//! files; preconditions are asserted, callers check them.

pub mod bf16_instance_norm;
pub mod bfp;
pub mod blocks;
pub mod codes;
pub mod contraction;
pub mod dense;
pub mod erf;
pub mod extended;
pub mod fixed;
pub mod float;
pub mod kernel;
pub mod linear;
pub mod mx;
pub mod narrow;
pub mod nbits;
pub mod normalize;
pub mod pool;
pub mod qlinear;
pub mod quark_lstm;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod round;
pub mod softmax;
pub mod spread;
pub mod transcendental;
pub mod vai;
pub mod variation;
mod vector;
pub mod vitis_onnx;
