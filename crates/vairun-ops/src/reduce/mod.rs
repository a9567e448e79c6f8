//! Operators that fold axes into one value.

pub mod arg;
mod axes;
pub mod cumulative;
pub mod fold;

pub(crate) use axes::Reduced;
