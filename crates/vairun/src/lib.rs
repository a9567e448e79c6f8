//! A self-contained interpreter for quantized ONNX models.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let array = ndarray::Array4::<f32>::zeros((1, 1, 8, 8));
//! let model = vairun::Model::open("model.onnx")?;
//! let out = model.run(vairun::inputs! { "x" => array })?;
//! let y = out["y"].to_array::<f32>()?;
//! # Ok(()) }
//! ```
//!
//! [`Model`] is `Send + Sync + Clone`: clones share everything, runs may overlap on any number of threads.
//! [`Model::builder`] sets how it runs; an [`Observer`] sees every tensor while it runs; [`Builder::provider`] and
//! [`Builder::operator`] add operators of your own.

mod builder;
pub mod convert;
mod custom;
mod error;
mod inputs;
mod model;
mod outputs;
#[cfg(test)]
mod tests;

pub use builder::{Builder, Exec};
pub use custom::BuildOperator;
pub use error::{Error, InputProblem, Unsupported};
pub use inputs::Inputs;
pub use model::{Model, Port};
pub use outputs::Outputs;
pub use vairun_exec::{Isa, NodeEvent, Observer, ObserverError, StepEvent};
pub use vairun_graph as graph;
pub use vairun_ops as ops;
pub use vairun_tensor as tensor;
pub use vairun_tensor::{DType, Tensor, Value};
pub use vairun_xmodel as xmodel;
