//! Operators that look at shapes or change them, and leave the elements as they are.

pub mod flatten;
pub mod identity;
pub mod reshape;
pub mod shape;
pub mod size;
pub mod squeeze;
pub mod unsqueeze;
