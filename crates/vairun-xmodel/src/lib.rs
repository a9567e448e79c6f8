//! Reads, lists, writes and lowers .xmodel files, the XIR graphs of Vitis AI.
//!
//! [`Xmodel`] reads any file: quantized, compiled, of the first compiler, or an RNN container. [`Listing`] says what is
//! in it. The crate does not know ONNX, nor how anything is computed.

mod attr;
mod constant;
mod element_type;
mod error;
mod listing;
mod lower;
mod model;
pub mod proto;

pub use constant::{ConstantHome, Constants};
pub use element_type::{ElementKind, ElementType};
pub use error::XmodelError;
pub use listing::{Listing, OpListing, Source, SubgraphListing, Target, TensorListing};
pub use lower::{DOMAIN, Layout, LowerOptions, RoundMode};
pub use model::{FileKind, Xmodel};
