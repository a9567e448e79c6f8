use vairun_compare::{Comparison, Record, Report, Role, Status};

use crate::number::{cosine, count, percent, plural, short};
use crate::style::{Style, Tone, wrapped};
use crate::table::{Align, Table};
use crate::why::{guilt, why};
use crate::words;

/// Rows of the table before what passes is folded.
const ROWS: usize = 24;

/// Tensors without counterpart that are named before the rest is counted.
const NAMED: usize = 5;

/// The report for a terminal: what was compared, the table, the first tensor that differs, the verdict.
pub fn terminal(report: &Report, style: &Style) -> String {
    let mut text = wrapped(style, &head(report, style));
    if !report.records.is_empty() {
        text.push('\n');
        text += &table(report, style);
    }
    text.push('\n');
    text += &wrapped(style, &first(report, style));
    text += &why(report, style);
    text += &wrapped(style, &unmatched(report, style));
    text += &wrapped(style, &verdict_line(report, style));
    text
}

/// The report in one line: `FAIL 30/62 first=layer2.0/conv1 max|Δ|=3`.
pub fn one_line(report: &Report) -> String {
    let summary = &report.summary;
    let counts = format!("{}/{}", summary.passed, summary.compared);
    if report.passed() {
        let exact = report.records.iter().all(|record| {
            let metrics = record.comparison().and_then(|comparison| comparison.metrics.as_ref());
            metrics.is_some_and(|metrics| metrics.differing() == 0)
        });
        return format!("PASS {counts}{}", if exact { " all equal" } else { "" });
    }
    if let Some(problem) = &summary.problem {
        return format!("FAIL {counts} {problem}");
    }
    let first = report.first_failing();
    let difference = first.and_then(Record::comparison).and_then(|c| c.metrics.as_ref());
    let difference =
        difference.map_or_else(String::new, |m| format!(" max|Δ|={}", short(m.max_abs)));
    format!("FAIL {counts} first={}{difference}", first.map_or("", |record| &record.name))
}

fn head(report: &Report, style: &Style) -> String {
    let title = format!("vairun check · {} against {}", report.model, report.golden.join(", "));
    let mut text = Tone::Strong.paint(style, &title) + "\n";
    if !report.rules.is_empty() {
        text += &format!("rules: {}\n", report.rules.join(" "));
    }
    let inputs = report.records.iter().filter(|record| record.role == Role::Input).count();
    let differ = report.summary.inputs_differ;
    let inputs = match (inputs, differ) {
        (0, _) => "no inputs in the golden".to_owned(),
        (n, 0) => format!("{} equal", plural(n, "input")),
        (n, differ) => format!("{differ} of {} differ", plural(n, "input")),
    };
    report.notes.iter().for_each(|note| text += &format!("{note}\n"));
    text += &readings(report);
    let matched = report.records.len();
    text + &format!(
        "{} of {} matched · {inputs}\n",
        matched,
        plural(matched + report.unmatched.len(), "golden tensor")
    )
}

/// How tensors were matched and read where that was not by the same name and as they are: the ways with their counts.
fn readings(report: &Report) -> String {
    let mut ways: Vec<(String, usize)> = Vec::new();
    for record in &report.records {
        let golden = &record.golden;
        let plain = ["", "same name"].contains(&golden.matched_by.as_str());
        let matched = if plain { "" } else { golden.matched_by.as_str() };
        let parts = [matched, golden.read_as.as_str()];
        let way = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        match ways.iter_mut().find(|(other, _)| *other == way) {
            Some((_, count)) => *count += 1,
            None => ways.push((way, 1)),
        }
    }
    ways.retain(|(way, _)| !way.is_empty());
    ways.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown = ways.iter().take(NAMED);
    let mut text: String =
        shown.map(|(way, count)| format!("{}: {way}\n", plural(*count, "tensor"))).collect();
    if ways.len() > NAMED {
        text += &format!("and {} other ways (--report FILE.html tells each)\n", ways.len() - NAMED);
    }
    text
}

fn table(report: &Report, style: &Style) -> String {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("#", Align::Right),
        ("tensor", Align::Elastic),
        ("op", Align::Left),
        ("type", Align::Left),
        ("elements", Align::Right),
        ("equal %", Align::Right),
        ("max |Δ|", Align::Right),
        ("steps", Align::Right),
        ("cosine", Align::Right),
        ("verdict", Align::Left),
    ])
    .expendable(&["elements", "cosine", "type", "op", "#", "max |Δ|", "steps"]);
    let first = report.first_failing().map(|record| (&record.name, record.order));
    let fold = !style.all && report.records.len() > ROWS;
    let mut place = 0;
    let mut failing = 0;
    while place < report.records.len() {
        let rest = &report.records[place..];
        let pass = rest[0].pass();
        let same = rest.iter().take_while(|record| record.pass() == pass).count();
        // What passes is folded into one row; of what fails the first rows are shown.
        let shown = match (fold, pass) {
            (false, _) => same,
            (true, true) if same > 2 => 0,
            (true, true) => same,
            (true, false) => same.min(ROWS.saturating_sub(failing)),
        };
        for (i, record) in rest.iter().enumerate().take(shown) {
            let is_first = first == Some((&record.name, record.order));
            let tail = if is_first { "◀ first" } else { "" };
            table.row(tone(record.status), cells(record, place + i), tail);
        }
        if shown < same {
            let (from, to) = (place + shown, place + same - 1);
            table.row(if pass { Tone::Quiet } else { Tone::Bad }, folded(from, to, pass), "");
        }
        failing += if pass { 0 } else { shown };
        place += same;
    }
    table.render(style)
}

fn cells(record: &Record, place: usize) -> Vec<String> {
    let metrics = record.comparison().and_then(|comparison| comparison.metrics.as_ref());
    let measured =
        |f: &dyn Fn(&vairun_compare::Metrics) -> String| metrics.map_or_else(|| "–".to_owned(), f);
    let op = if record.role == Role::Input { "input" } else { &record.op };
    vec![
        mark(record.status).to_owned(),
        place.to_string(),
        names(record),
        op.to_owned(),
        record.dtype.clone(),
        measured(&|m| count(m.elements)),
        measured(&|m| percent(m.equal, m.elements)),
        measured(&|m| if m.one_sided > 0 { "NaN/inf".to_owned() } else { short(m.max_abs) }),
        measured(&|m| m.steps.as_ref().map_or_else(|| "–".to_owned(), |steps| short(steps.max))),
        measured(&|m| cosine(m.cosine)),
        verdict(record),
    ]
}

/// The name, and that in the golden where it is another one.
fn names(record: &Record) -> String {
    match record.differences {
        Some(_) if record.golden.name != record.name => {
            format!("{} ↔ {}", record.name, record.golden.name)
        }
        _ => record.name.clone(),
    }
}

/// The verdict, and why codes differ where that was looked into.
fn verdict(record: &Record) -> String {
    let classes = record.differences.map_or_else(String::new, |differences| differences.classes());
    match classes.is_empty() {
        true => word(record.status).to_owned(),
        false => format!("{} ({classes})", word(record.status)),
    }
}

fn folded(from: usize, to: usize, pass: bool) -> Vec<String> {
    let n = to - from + 1;
    let mut cells = vec![String::new(); 11];
    cells[0] = if pass { "✓" } else { "✗" }.to_owned();
    cells[1] = format!("{from}–{to}");
    cells[2] = format!("({} more {})", n, if pass { "pass" } else { "fail" });
    cells[10] = if pass { "pass" } else { "FAIL" }.to_owned();
    cells
}

fn mark(status: Status) -> &'static str {
    if status == Status::Pass { "✓" } else { "✗" }
}

pub(crate) fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Guilty => "FAIL guilty",
        Status::Inherited => "FAIL inherited",
        Status::Missing => "FAIL missing",
        _ => "FAIL",
    }
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Pass => Tone::Plain,
        Status::Inherited => Tone::Warning,
        _ => Tone::Bad,
    }
}

/// What is known of the first tensor that fails.
fn first(report: &Report, style: &Style) -> String {
    let Some(record) = report.first_failing() else { return String::new() };
    let title = Tone::Bad.paint(style, &format!("{}: ", record.name));
    let Some(comparison) = record.comparison() else {
        return format!("{title}the golden has it, the run did not make it\n\n");
    };
    let mut text = format!("{title}{}\n", comparison.verdict.reasons.join("; "));
    text += &details(comparison);
    text.push('\n');
    text
}

fn details(comparison: &Comparison) -> String {
    let mut text = format!("  rule: {}\n", comparison.verdict.rule);
    let Some(metrics) = &comparison.metrics else { return text };
    if let Some(worst) = metrics.worst.first() {
        let (got, want) = (exact(worst.got), exact(worst.want));
        text += &format!("  worst element: {:?} got {got}, expected {want}\n", worst.index);
    }
    if let Some(steps) = metrics.steps.as_ref().filter(|steps| steps.max > 0.0) {
        text += &format!("  steps: {}\n", histogram(&steps.histogram));
    }
    text
}

/// The shortest text that reads back as the same number.
pub(crate) fn exact(value: f64) -> String {
    // f32 is what most tensors hold: its shortest text rather than f64's.
    if f64::from(value as f32) == value { format!("{}", value as f32) } else { format!("{value}") }
}

/// `−1: 788  0: 99563  +1: 1`
pub(crate) fn histogram(bins: &[u64; 9]) -> String {
    const NAMES: [&str; 9] = ["≤−4", "−3", "−2", "−1", "0", "+1", "+2", "+3", "≥+4"];
    let filled = NAMES.iter().zip(bins).filter(|(_, n)| **n > 0);
    filled.map(|(name, n)| format!("{name}: {}", count(*n))).collect::<Vec<_>>().join("   ")
}

fn unmatched(report: &Report, style: &Style) -> String {
    let mut text = String::new();
    for item in report.unmatched.iter().take(NAMED) {
        let closest = match item.closest.as_slice() {
            [] => String::new(),
            some => format!(" (closest: {})", some.join(", ")),
        };
        let line = format!("no counterpart in the model: {}{closest}", item.name);
        text += &(Tone::Warning.paint(style, &line) + "\n");
    }
    if report.unmatched.len() > NAMED {
        text += &format!("and {} more\n", report.unmatched.len() - NAMED);
    }
    if let Some(item) = report.unmatched.iter().find(|item| !item.closest.is_empty()) {
        let line = format!("{} = {}", item.name, item.closest[0]);
        text += &format!("--map FILE says which is which, in lines such as: {line}\n");
    }
    if !report.unchecked_outputs.is_empty() {
        text += &format!("outputs without a golden: {}\n", report.unchecked_outputs.join(", "));
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn verdict_line(report: &Report, style: &Style) -> String {
    let summary = &report.summary;
    if report.passed() {
        let text = format!("PASS  {} compared, all pass", plural(summary.compared, "tensor"));
        return Tone::Good.paint(style, &text);
    }
    let mut parts = Vec::new();
    parts.extend(summary.problem.clone());
    let failed = summary.compared - summary.passed;
    if failed > 0 {
        parts.push(words::failed(failed, summary.compared));
    }
    parts.extend(guilt(report));
    if summary.inputs_differ > 0 {
        parts.push(format!(
            "{} differ: compare the preprocessing first",
            plural(summary.inputs_differ, "input")
        ));
    }
    Tone::Bad.paint(style, &format!("FAIL  {}", parts.join(" · ")))
}

#[cfg(test)]
mod tests;
