//! Resampling along axes: where an output lies in the input, and which elements it is made from.
//!
//! Coordinates and weights are float32, as onnxruntime computes them: another width puts ties on another pixel.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Resize.html> and, for the order of operations,
//! <https://github.com/microsoft/onnxruntime/blob/v1.22.0/onnxruntime/core/providers/cpu/tensor/upsamplebase.h> and
//! `upsample.cc` beside it.

mod bilinear;
mod channels_last;
mod coordinates;
mod interpolate;
mod linear;
mod pair;
mod sample;
mod taps;

pub use bilinear::Bilinear;
pub use coordinates::{Axis, Coordinates, Nearest};
pub use interpolate::{fill_outside, interpolate};
pub(crate) use pair::Pair;
pub use sample::Sample;
pub use taps::{Kernel, Taps};
