//! What the verbs that compare write and print of a report.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use vairun_compare::Report;
use vairun_report::{Format, Style};

use crate::args::Global;
use crate::failure::Failure;

#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// Write the report; the extension says how: .html, .json, .jsonl, .csv, .md, .xml (JUnit), .txt (repeatable)
    #[arg(long, value_name = "FILE", value_parser = file, help_heading = "Report")]
    report: Vec<(PathBuf, Format)>,
    /// The form of what is printed
    #[arg(long, value_name = "FORMAT", value_parser = format(), default_value = "text", help_heading = "Report")]
    format: Format,
    /// Show every tensor, also those that pass
    #[arg(long, help_heading = "Report")]
    all: bool,
}

fn format() -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::ALL.map(Format::name));
    names.try_map(|name| name.parse::<Format>())
}

fn file(text: &str) -> Result<(PathBuf, Format), String> {
    let path = PathBuf::from(text);
    let format = Format::of_path(&path).map_err(|error| {
        let extensions = ".html, .json, .jsonl, .csv, .md, .xml, .txt";
        format!("{error}; the extension of the file says which: {extensions}")
    })?;
    Ok((path, format))
}

impl ReportArgs {
    /// Whether text for a reader is printed rather than a file's content.
    pub(crate) fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// The terminal. Colours are taken out again where there is none.
    pub(crate) fn style(&self) -> Style {
        Style { all: self.all, ..crate::compare::style() }
    }

    /// Of what has no other forms: whether JSON is asked for.
    pub(crate) fn is_text_or_json(&self, json: bool) -> Result<bool, Failure> {
        match self.format {
            _ if !self.report.is_empty() => {
                Err(Failure::usage("--report: two models are compared in text or JSON only"))
            }
            Format::Json => Ok(true),
            Format::Text => Ok(json),
            other => Err(Failure::usage(format!(
                "--format {}: two models are compared in text or JSON only",
                other.name()
            ))),
        }
    }

    /// Writes the files, and prints the report: in one line where only results are asked for. `json` asks for JSON
    /// too.
    pub(crate) fn give(&self, report: &Report, json: bool, global: &Global) -> Result<(), Failure> {
        let printed = if json { Format::Json } else { self.format };
        for (path, format) in &self.report {
            let style = Style { color: false, ..self.style() };
            std::fs::write(path, format.render(report, &style))
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        }
        let text = match global.quiet && printed == Format::Text {
            true => vairun_report::one_line(report) + "\n",
            false => printed.render(report, &self.style()),
        };
        Ok(write!(anstream::stdout(), "{text}")?)
    }
}
