//! tract as a provider of kernels, and vairun's operators for tract: the only crate that names tract.
//!
//! [`TractOps`] is a [`vairun_ops::Provider`]. It evaluates one node at a time through a tract model of exactly that
//! node, planned at the shapes it meets and kept. Shapes and parameters are then concrete, so everything that tract
//! cannot infer or wants constant is known; and no rewrite of tract can cross a node.
//!
//! What reaches tract stands in an explicit table (`table`): operator, opset versions, input types, attributes and
//! the values that tract really reads. Anything else is refused when the model is built. tract looks operators up by
//! their bare name, whatever the domain; that never happens here.
//!
//! Results of float operators depend on the CPU's instruction set, because tract picks its kernels by it (the host's
//! `TRACT_…` environment variables can change that choice too), but not on the number of threads.

mod cache;
mod convert;
mod fused;
mod node;
mod operator;
mod plan;
mod provider;
mod register;
mod table;
#[cfg(test)]
mod tests;

pub use provider::TractOps;
pub use register::{load, qualify, register};
pub use tract_onnx;
