//! Goldens: reference tensors in every form that tools write them.
//!
//! [`open`] tells by what lies there which layout it is; each layout has its file. A [`GoldenSource`] lists its
//! tensors without reading their elements and reads them one at a time.

mod base64;
mod companion;
mod dataset;
mod deploy;
mod dump;
mod error;
mod files;
mod folder;
mod layers;
mod many;
mod memory;
mod npz;
mod open;
mod polygraphy;
mod safe;
mod trtexec;
mod vitis;

use vairun_tensor::{DType, Tensor};

pub use error::GoldenError;
pub use memory::MemoryGolden;
pub use open::{open, open_all};

/// Reference tensors, read one at a time.
pub trait GoldenSource: Sync + Send {
    /// What it is and how it was read: `ref.npz (npz, 62 tensors)`.
    fn description(&self) -> String;

    /// What it holds, without the elements.
    fn entries(&self) -> &[Entry];

    /// The elements of an entry.
    ///
    /// # Errors
    /// A file that cannot be read any more, or that is not what it was taken for.
    fn load(&self, index: usize) -> Result<Content, GoldenError>;
}

/// One tensor of a golden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The name that the golden gives it.
    pub name: String,
    /// The type, where the golden says it.
    pub dtype: Option<DType>,
    /// The shape, where the golden says it.
    pub shape: Option<Vec<usize>>,
    /// Bytes of the elements, where that is known without reading them.
    pub bytes: Option<u64>,
    /// The file it stands in, where there is one for each tensor.
    pub file: Option<String>,
    /// What the layout tells of it beyond that.
    pub hint: Hint,
}

/// What a layout tells of a tensor beyond its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hint {
    /// It stands for an input or an output of the model by its number.
    pub place: Option<Place>,
    /// What its elements are.
    pub elements: Option<Elements>,
    /// In which order they stand.
    pub order: Option<Order>,
    /// How many samples of a batch a board has written one after the other; 0 where it is not known.
    pub samples: usize,
    /// Other names that it may have in the model.
    pub aliases: Vec<String>,
    /// Which part of the exported network it belongs to.
    pub part: Option<Part>,
    /// The scales of its codes, where a file beside the dump tells them: one, or one for each channel.
    pub scales: Option<Vec<f32>>,
}

/// What the elements of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Integer codes of a quantizer.
    Codes,
    /// The numbers themselves, in float32 where the file does not say the type.
    Numbers,
}

/// The order of the elements of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That of the tensor in the model.
    AsModel,
    /// NHWC; weights OHWI.
    ChannelsLast,
}

/// A part of a network that vai_q_pytorch has exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the node in the order of the dump.
    pub number: usize,
    /// The number of its module (`/module_3/…` in the ONNX file), where a file beside the dump tells it.
    pub module: Option<String>,
    /// What the tensor is to the node.
    pub role: Role,
}

/// What a tensor is to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its output.
    Output,
    /// The input of that number, as quantized for it.
    Input(usize),
    /// A parameter: `weight`, `bias`.
    Parameter(String),
}

/// An input or an output of the model, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An input.
    Input(usize),
    /// An output.
    Output(usize),
}

/// The elements of a golden tensor, as far as the golden says what they are.
#[derive(Clone, Debug)]
pub enum Content {
    /// A tensor with type and shape.
    Tensor(Tensor),
    /// Bytes whose type and shape the model must tell.
    Raw(Vec<u8>),
    /// Numbers from a text file; the shape is the model's.
    Numbers(Vec<f64>),
}

impl Entry {
    /// What describes a tensor that is there.
    pub fn of(name: impl Into<String>, tensor: &Tensor) -> Self {
        Self {
            bytes: Some(tensor.byte_len() as u64),
            ..Self::new(name, Some((tensor.dtype(), tensor.shape())))
        }
    }

    /// One of that name, with type and shape where they are known.
    fn new(name: impl Into<String>, info: Option<(DType, &[usize])>) -> Self {
        let (dtype, shape) = info.map(|(dtype, shape)| (dtype, shape.to_vec())).unzip();
        Self { name: name.into(), dtype, shape, ..Self::default() }
    }
}

/// `ref.npz (npz, 62 tensors)`
fn describe(title: &str, layout: &str, tensors: usize) -> String {
    let plural = if tensors == 1 { "" } else { "s" };
    format!("{title} ({layout}, {tensors} tensor{plural})")
}

#[cfg(test)]
mod tests;
