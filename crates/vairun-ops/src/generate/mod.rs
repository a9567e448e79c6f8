//! Operators that make tensors out of parameters.

pub mod constant;
pub mod constant_of_shape;
pub mod eye_like;
pub mod one_hot;
pub mod range;
