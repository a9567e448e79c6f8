//! Operators that move elements without changing them.

pub mod concat;
pub mod gather;
pub mod pad;
pub mod slice;
pub mod transpose;
pub mod where_;
