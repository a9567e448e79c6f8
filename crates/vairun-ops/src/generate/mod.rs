//! Operators that make tensors out of parameters.

pub mod constant;
pub mod constant_of_shape;
pub mod range;
