//! Operators that compute each element for itself, with multidirectional broadcasting where they take several tensors.
//!
//! float16 and bfloat16 are computed in float32 and rounded once; integers wrap. Operations stand in the order in which
//! the specification writes them, without fused multiply-add and without reciprocals: their results feed quantizers.

pub mod activation;
pub mod arithmetic;
pub mod binary;
pub mod bit_shift;
pub mod clip;
pub mod compare;
pub(crate) mod float32;
pub mod function;
pub mod gelu;
pub mod logic;
pub mod map;
pub mod sign;
pub mod swiglu;
pub mod variadic;
