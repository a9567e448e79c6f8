use std::path::Path;
use std::str::FromStr;

use thiserror::Error;
use vairun_compare::Report;

use crate::{Style, csv, html, json, jsonl, junit, markdown, terminal};

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// One JSON object of the schema `vairun.check/1`.
    Json,
    /// The same in lines: the report without its records, then each record.
    Jsonl,
    /// A table: one row for each tensor.
    Csv,
    /// Markdown, as forges show it.
    Markdown,
    /// JUnit XML: one test case for each tensor.
    Junit,
    /// One HTML file that needs no network.
    Html,
}

/// A name or an extension that no format has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no format `{0}`; there are {known}", known = known())]
pub struct UnknownFormat(String);

/// Each format with its names; the first is the one to show.
const NAMES: [(Format, &[&str]); 7] = [
    (Format::Text, &["text", "txt"]),
    (Format::Json, &["json"]),
    (Format::Jsonl, &["jsonl", "ndjson"]),
    (Format::Csv, &["csv"]),
    (Format::Markdown, &["md", "markdown"]),
    (Format::Junit, &["junit", "xml"]),
    (Format::Html, &["html", "htm"]),
];

fn known() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Json, Self::Jsonl, Self::Csv, Self::Markdown, Self::Junit, Self::Html];

    /// `text`, `json`, `jsonl`, `csv`, `md`, `junit`, `html`
    pub fn name(self) -> &'static str {
        let names = NAMES.iter().find(|(format, _)| *format == self);
        names.map_or("", |(_, names)| names[0])
    }

    /// The format that the extension of a file's name asks for: `.xml` is JUnit.
    ///
    /// # Errors
    /// No extension, or one that no format has.
    pub fn of_path(path: &Path) -> Result<Self, UnknownFormat> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        extension.parse()
    }

    /// The report in this form. `style` is for [`Format::Text`] alone.
    pub fn render(self, report: &Report, style: &Style) -> String {
        match self {
            Self::Text => terminal(report, style),
            Self::Json => json(report),
            Self::Jsonl => jsonl(report),
            Self::Csv => csv(report),
            Self::Markdown => markdown(report),
            Self::Junit => junit(report),
            Self::Html => html(report),
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = NAMES.iter().find(|(_, names)| names.contains(&name));
        found.map(|(format, _)| *format).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_name_that_reads_back() {
        Format::ALL.iter().for_each(|format| assert_eq!(format.name().parse(), Ok(*format)));
    }

    #[test]
    fn a_file_name_says_its_format() {
        let of = |name: &str| Format::of_path(Path::new(name));
        assert_eq!(of("out/check.HTML"), Ok(Format::Html));
        assert_eq!(of("junit.xml"), Ok(Format::Junit));
        let error = of("check.pdf").unwrap_err().to_string();
        assert_eq!(error, "no format `pdf`; there are text, json, jsonl, csv, md, junit, html");
        assert!(of("check").is_err());
    }
}
