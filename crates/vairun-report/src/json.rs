use thiserror::Error;
use vairun_compare::{Report, SCHEMA};

/// A text that is not a report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or not of the form of a report.
    #[error("not a report of vairun: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A form that this version does not know.
    #[error("the report has the schema `{got}`, expected `{SCHEMA}`")]
    Schema {
        /// What it says.
        got: String,
    },
}

/// The report as JSON of the schema [`SCHEMA`], indented.
pub fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report has only string keys") + "\n"
}

/// A report from its JSON.
///
/// # Errors
/// Another form, or another version of it.
pub fn parse_json(text: &str) -> Result<Report, JsonError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_str(text)?;
    if head.schema != SCHEMA {
        return Err(JsonError::Schema { got: head.schema });
    }
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_report_reads_back() {
        let report = fixture::failing();
        assert_eq!(parse_json(&json(&report)).unwrap(), report);
    }

    #[test]
    fn another_version_is_refused_by_its_name() {
        let text = json(&fixture::failing()).replace("check/1", "check/9");
        let error = parse_json(&text).unwrap_err().to_string();
        assert_eq!(error, "the report has the schema `vairun.check/9`, expected `vairun.check/1`");
        assert!(parse_json("{}").is_err());
    }
}
