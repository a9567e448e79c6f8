//! Turns records into terminal tables, JSON, HTML, Markdown and JUnit.
//!
//! Everything here is a function from a [`vairun_compare::Report`] to text. The crate runs nothing and prints nothing.

mod json;
mod model_diff;
mod number;
mod style;
mod sweep;
mod table;
mod terminal;
mod why;

pub use json::{JsonError, json, parse_json};
pub use model_diff::model_diff;
pub use style::Style;
pub use sweep::sweep_table;
pub use terminal::{one_line, terminal};
