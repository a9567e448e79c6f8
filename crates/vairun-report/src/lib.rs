//! Turns records into terminal tables, JSON, HTML, Markdown and JUnit.
//!
//! Everything here is a function from a [`vairun_compare::Report`] to text. The crate runs nothing and prints nothing.

mod json;
mod number;
mod style;
mod table;
mod terminal;

pub use json::{JsonError, json, parse_json};
pub use style::Style;
pub use terminal::{one_line, terminal};
