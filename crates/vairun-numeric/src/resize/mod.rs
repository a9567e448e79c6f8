//! Resampling along axes: where an output lies in the input, and which elements it is made from.
//!
//! Coordinates and weights are float32, as onnxruntime computes them: another width puts ties on another pixel.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Resize.html> and, for the order of operations,
//! <https://github.com/microsoft/onnxruntime/blob/v1.22.0/onnxruntime/core/providers/cpu/tensor/upsamplebase.h> and
//! `upsample.cc` beside it.

mod coordinates;
mod interpolate;
mod taps;

pub use coordinates::{Axis, Coordinates, Nearest};
pub use interpolate::{bilinear, interpolate};
pub use taps::{Kernel, Taps};
