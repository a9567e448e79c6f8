use thiserror::Error;
use vairun_compare::{Report, SCHEMA};

use crate::schema::schema_violations;

/// A text that is not a report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or not of the form of a report.
    #[error("not a report of vairun: {0}")]
    Syntax(#[from] serde_json::Error),
    /// JSON that does not follow the schema.
    #[error("not a report of vairun:{}", listed(.0))]
    Form(Vec<String>),
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
    serde_json::from_str(text).map_err(|error| {
        let form = serde_json::from_str(text).map_or(vec![], |value| schema_violations(&value));
        if form.is_empty() { error.into() } else { JsonError::Form(form) }
    })
}

/// The first few of them, each on its line.
fn listed(all: &[String]) -> String {
    const MOST: usize = 10;
    let mut text: String = all.iter().take(MOST).map(|one| format!("\n  {one}")).collect();
    if all.len() > MOST {
        text += &format!("\n  and {} more", all.len() - MOST);
    }
    text
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

    #[test]
    fn all_that_does_not_follow_the_schema_is_told() {
        let text = json(&fixture::failing()).replace("\"order\": 1", "\"order\": \"1\"");
        let text = text.replace("\"guilty\"", "\"perhaps\"");
        let error = parse_json(&text).unwrap_err().to_string();
        let told = |what: &str| assert!(error.contains(what), "{error}");
        told("/order: `type` \"integer\" does not hold for \"1\"");
        told("/status: `enum`");
    }
}
