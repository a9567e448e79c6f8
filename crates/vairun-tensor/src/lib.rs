//! Tensors and values of every ONNX type, and the files that hold them.
//!
//! [`Tensor`] is a dense row-major array with a [`DType`]; [`Value`] is what an edge of a graph carries (tensor,
//! sequence, optional). The crate knows nothing of graphs or operators.
//!
//! Types that Rust lacks are carried by a wider one, one element each (never packed): `I4`, `I2` in `i8`; `U4`, `U2`
//! in `u8`; the float8 and float4 types as their raw bits in `u8`. [`DType::carrier`] names the type in memory.

mod array;
mod dequantized;
mod dtype;
mod element;
mod elsewhere;
pub mod files;
mod late;
mod mapped;
mod storage;
mod tensor;
mod value;

pub use dequantized::Dequantized;
pub use dtype::{Carrier, DType};
pub use element::Element;
pub use half::{bf16, f16};
pub use mapped::MappedFile;
pub use storage::Buffer;
pub use tensor::{Tensor, TensorError};
pub use value::{Value, ValueError};
