use vairun_compare::{Record, Report};

use crate::number::{cosine, percent, plural, short};
use crate::terminal::{exact, histogram};
use crate::words;

/// Rows of the first table; the rest is folded away.
const ROWS: usize = 20;

/// The report for a pull request or a job's summary: the verdict, the tensors that fail, the first of them in detail.
///
/// GitHub's dialect: tables, and `<details>` for every tensor.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "## {} {}\n\n{} against {}\n\n",
        if report.passed() { "✅" } else { "❌" },
        words::verdict(report),
        code(&report.model),
        report.golden.iter().map(|golden| code(golden)).collect::<Vec<_>>().join(", ")
    );
    let failing: Vec<_> = report.records.iter().filter(|record| !record.pass()).collect();
    if !failing.is_empty() {
        text += &table(&failing[..failing.len().min(ROWS)]);
        if failing.len() > ROWS {
            text += &format!("\n… and {}\n", plural(failing.len() - ROWS, "more tensor"));
        }
    }
    text += &report.first_failing().map(first).unwrap_or_default();
    text += &missing(report);
    if !report.records.is_empty() {
        let all: Vec<_> = report.records.iter().collect();
        let title = plural(all.len(), "tensor");
        text +=
            &format!("\n<details><summary>All {title}</summary>\n\n{}\n</details>\n", table(&all));
    }
    text
}

fn table(records: &[&Record]) -> String {
    let mut text =
        "| # | tensor | op | type | equal % | max \\|Δ\\| | steps | cosine | verdict |\n\
        |--:|---|---|---|--:|--:|--:|--:|---|\n"
            .to_owned();
    records.iter().for_each(|record| text += &format!("| {} |\n", row(record).join(" | ")));
    text
}

fn row(record: &Record) -> [String; 9] {
    let metrics = words::metrics(record);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let steps = metrics.and_then(|m| m.steps.as_ref());
    [
        record.order.to_string(),
        code(&record.name),
        words::origin(record).replace('|', "\\|"),
        words::typed(record),
        or_dash(metrics.map(|m| percent(m.equal, m.elements))),
        or_dash(metrics.map(|m| short(m.max_abs))),
        or_dash(steps.map(|steps| short(steps.max))),
        or_dash(metrics.map(|m| cosine(m.cosine))),
        format!("{} {}", words::mark(record), words::status(record.status)),
    ]
}

/// The first tensor that fails, with what was found out about it.
fn first(record: &Record) -> String {
    let mut text = format!("\n### First: {}\n\n", code(&record.name));
    text += &format!("{} of node {}. ", words::origin(record), code(&record.node));
    text += &format!("{}.\n\n", words::reasons(record));
    if let Some(worst) = words::metrics(record).and_then(|m| m.worst.first()) {
        let (got, want) = (exact(worst.got), exact(worst.want));
        text += &format!("- worst element `{:?}`: got {got}, expected {want}\n", worst.index);
    }
    let steps = words::metrics(record).and_then(|m| m.steps.as_ref());
    if let Some(steps) = steps.filter(|steps| steps.max > 0.0) {
        text += &format!("- steps: {}\n", histogram(&steps.histogram));
    }
    let explanations = record.diagnosis.iter().flat_map(|diagnosis| &diagnosis.explanations);
    for explanation in explanations {
        text += &format!("- **why:** {}\n", explanation.text);
        if let Some(proof) = &explanation.proof {
            text += &format!("  - to prove it, add {}\n", code(proof));
        }
    }
    text
}

fn missing(report: &Report) -> String {
    let mut text = String::new();
    if !report.unmatched.is_empty() {
        let names: Vec<_> = report.unmatched.iter().map(|item| code(&item.name)).collect();
        text += &format!("\nWithout a counterpart in the model: {}\n", names.join(", "));
    }
    if !report.unchecked_outputs.is_empty() {
        let names: Vec<_> = report.unchecked_outputs.iter().map(|name| code(name)).collect();
        text += &format!("\nOutputs without a golden: {}\n", names.join(", "));
    }
    text
}

/// A name as code: whatever it holds is shown as it is, in a table too.
fn code(name: &str) -> String {
    let name = name.replace(['\n', '\r'], " ").replace('|', "\\|");
    if name.contains('`') { format!("`` {name} ``") } else { format!("`{name}`") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_failing_check_for_a_pull_request() {
        insta::assert_snapshot!(markdown(&fixture::failing()));
    }

    #[test]
    fn a_passing_check_says_so_first() {
        let text = markdown(&fixture::passing());
        assert!(text.starts_with("## ✅ PASS · 1 tensor compared, all pass\n"), "{text}");
        assert!(!text.contains("### First"), "{text}");
    }

    #[test]
    fn names_do_not_break_the_table() {
        let mut report = fixture::failing();
        report.records[1].name = "a|b`c\nd".into();
        let text = markdown(&report);
        let row = text.lines().find(|line| line.contains("b`c")).unwrap();
        assert_eq!(row.replace("\\|", "").matches('|').count(), 10, "{row}");
    }
}
