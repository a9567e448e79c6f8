//! Operators on strings.

pub mod string_concat;
pub mod string_split;
