//! Reads and writes .onnx files, and the files of ONNX's test data sets.
//!
//! [`read`] turns a file into a [`Model`]: names are kept exactly, local functions are inlined, the bodies of control
//! flow become graphs with captures, and everything is checked. The only crate that knows ONNX's protobuf messages;
//! it does not know operators.
//!
//! - A node without a name takes that of its first output.
//! - Values and nodes of an inlined function are called `<node>/<inner name>`.
//! - Narrow types are unpacked, one carrier for each element; sparse tensors are made dense, so the `sparse_value` of
//!   a `Constant` is found as its `value`.
//! - External data is confined to the folder of the model and stays in the file, memory-mapped.
//! - Training info, quantization annotations, device configurations and doc strings are not read.
//!
//! Files may come from strangers: any bytes give a model or an [`OnnxError`], in memory that is proportional to the
//! file, without a panic.

mod dataset;
mod error;
mod external;
mod lower;
mod packed;
mod proto;
mod read;
mod sparse;
mod tensor;
mod types;
mod values;
mod wire;
mod write;

pub use dataset::read_data_set;
pub use error::{OnnxError, Problem};
pub use read::{read, read_bytes, read_reader};
pub use values::{peek_tensor, read_tensor, read_value, write_tensor, write_value};
pub use write::write;

pub use vairun_graph::Model;

#[cfg(test)]
mod tests;
