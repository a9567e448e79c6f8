//! Dumps: every tensor of a run, in a folder or an .npz file.
//!
//! A folder holds an .npy file for each tensor and `manifest.json`, which says for each file which tensor it is, what
//! made it, its range and fingerprint, in execution order. File names begin with the place in this order, so a
//! listing of the folder is the order too. An .npz file holds the arrays under the names of the tensors, nothing else.

mod names;
mod reader;
mod stats;
mod writer;

pub(crate) use names::FileNames;

use serde::{Deserialize, Serialize};

pub use reader::{Dump, read_dump};
pub use stats::Stats;
pub use writer::DumpWriter;

/// The name of the file that describes a dump.
pub const MANIFEST: &str = "manifest.json";
/// What the manifest says it is.
const SCHEMA: &str = "vairun.dump/1";

/// What `manifest.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `vairun.dump/1`
    pub schema: String,
    /// The model that was run.
    pub model: String,
    /// The tensors in execution order.
    pub tensors: Vec<Record>,
}

/// A tensor of a dump.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Where it comes from.
    #[serde(flatten)]
    pub label: Label,
    /// Its file in the folder.
    pub file: String,
    /// ONNX's name of the element type.
    pub dtype: String,
    /// The dimensions.
    pub shape: Vec<usize>,
    /// The range of its elements.
    #[serde(flatten)]
    pub stats: Stats,
    /// Of the whole file, in hexadecimal.
    pub sha256: String,
}

/// Where a tensor comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Its name in the model.
    pub name: String,
    /// The body and the pass that it belongs to: `loop/body[3]/`; empty in the main graph.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The node that made it; empty for an input of the model.
    pub node: String,
    /// That node's operator.
    pub op: String,
    /// The operator's domain; empty for ONNX's own.
    pub domain: String,
    /// Where the elements are integer codes, or numbers made from codes.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// `number = (code - zero_point) · scale`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// One, or one for each index of `axis`.
    pub scale: Vec<f32>,
    /// As many as `scale`.
    pub zero_point: Vec<i64>,
    /// The dimension that they run along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
}
