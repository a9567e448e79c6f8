//! Turns records into terminal tables, JSON, HTML, Markdown and JUnit.
//!
//! Everything here is a function from a [`vairun_compare::Report`] to text. The crate runs nothing and prints nothing.

mod csv;
#[cfg(test)]
mod fixture;
mod format;
mod html;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod model_diff;
mod number;
mod schema;
mod style;
mod sweep;
mod table;
mod terminal;
mod why;
mod words;

pub use csv::csv;
pub use format::{Format, UnknownFormat};
pub use html::html;
pub use json::{JsonError, json, parse_json};
pub use jsonl::jsonl;
pub use junit::junit;
pub use markdown::markdown;
pub use model_diff::model_diff;
pub use schema::{JSON_SCHEMA, schema_violations};
pub use style::Style;
pub use sweep::sweep_table;
pub use terminal::{one_line, terminal};
