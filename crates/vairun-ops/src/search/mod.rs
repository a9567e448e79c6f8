//! Operators whose result depends on where elements with a property stand.

pub mod non_zero;
pub mod top_k;
pub mod unique;
