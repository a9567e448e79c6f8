//! Operators with bodies.

mod body;
pub mod if_;
pub mod loop_;
pub mod scan;

pub(crate) use body::Body;

#[cfg(test)]
pub(crate) mod testing;
