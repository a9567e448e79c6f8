//! Operators that change the type of elements.

pub mod bit_cast;
#[allow(clippy::module_inception)] // the operator's own name
pub mod cast;
pub mod cast_like;
pub(crate) mod convert;
mod text;
