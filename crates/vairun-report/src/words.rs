//! Words and texts that all forms of a report share.

use vairun_compare::{Comparison, Metrics, Record, Report, Role, Status};

use crate::number::{percent, plural, short};

pub(crate) fn mark(record: &Record) -> &'static str {
    if record.pass() { "✓" } else { "✗" }
}

/// A status in a word.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Guilty => "guilty",
        Status::Inherited => "inherited",
        Status::Fail => "fail",
        Status::Missing => "missing",
    }
}

/// The operator, or what the tensor is instead of a result.
pub(crate) fn origin(record: &Record) -> &str {
    match record.role {
        Role::Input => "input",
        Role::Parameter => "parameter",
        _ => &record.op,
    }
}

/// `int8 [1, 64, 112, 112]`
pub(crate) fn typed(record: &Record) -> String {
    if record.dtype.is_empty() {
        return "–".to_owned();
    }
    let dims: Vec<_> = record.shape.iter().map(usize::to_string).collect();
    format!("{} [{}]", record.dtype, dims.join(", "))
}

pub(crate) fn metrics(record: &Record) -> Option<&Metrics> {
    record.comparison()?.metrics.as_ref()
}

/// Why a record fails, in a line; empty where it passes.
pub(crate) fn reasons(record: &Record) -> String {
    if record.pass() {
        return String::new();
    }
    let failing = [&record.isolated, &record.cumulative].into_iter().flatten().find(|c| !c.pass());
    match failing {
        Some(comparison) => comparison.verdict.reasons.join("; "),
        None => "the golden has it, the run did not make it".to_owned(),
    }
}

/// What a comparison measured, in a line.
pub(crate) fn measured(comparison: &Comparison) -> String {
    let Some(metrics) = &comparison.metrics else { return "not comparable".to_owned() };
    if metrics.differing() == 0 {
        return "all equal".to_owned();
    }
    let equal = percent(metrics.equal, metrics.elements);
    let mut text = format!("{equal} % equal, max |Δ| {}", short(metrics.max_abs));
    if let Some(steps) = &metrics.steps {
        text += &format!(" = {} steps", short(steps.max));
    }
    if metrics.one_sided > 0 {
        text += &format!(", {} NaN or infinite on one side", metrics.one_sided);
    }
    text
}

/// The verdict with its counts: `FAIL · 32 of 62 tensors fail · 1 by itself, 31 inherit`.
pub(crate) fn verdict(report: &Report) -> String {
    let summary = &report.summary;
    if report.passed() {
        return format!("PASS · {} compared, all pass", plural(summary.compared, "tensor"));
    }
    let mut parts = vec!["FAIL".to_owned()];
    parts.extend(summary.problem.clone());
    let failed = summary.compared - summary.passed;
    if failed > 0 {
        parts.push(self::failed(failed, summary.compared));
    }
    if summary.guilty + summary.inherited > 0 {
        parts.push(guilt(summary.guilty, summary.inherited));
    }
    if summary.inputs_differ > 0 {
        let inputs = plural(summary.inputs_differ, "input");
        parts.push(format!("{inputs} differ: compare the preprocessing first"));
    }
    parts.join(" · ")
}

/// `1 of 27 tensors fails`
pub(crate) fn failed(failed: usize, compared: usize) -> String {
    let verb = if failed == 1 { "fails" } else { "fail" };
    format!("{failed} of {} {verb}", plural(compared, "tensor"))
}

/// `1 by itself, 31 inherit the difference`
pub(crate) fn guilt(guilty: usize, inherited: usize) -> String {
    let itself = if guilty == 1 { "itself" } else { "themselves" };
    let inherit = match inherited {
        0 => String::new(),
        1 => ", 1 inherits the difference".to_owned(),
        n => format!(", {n} inherit the difference"),
    };
    format!("{guilty} by {itself}{inherit}")
}
