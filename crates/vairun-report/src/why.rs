//! The explanations of a report as text.

use vairun_compare::{Diagnosis, Explanation, Record, Report, Status};

use crate::number::{count, plural};
use crate::style::{Style, Tone};
use crate::words;

/// Why tensors fail: the explanations that hold, with the options that prove them.
pub(crate) fn why(report: &Report, style: &Style) -> String {
    let examined =
        report.records.iter().filter_map(|record| Some((record, record.diagnosis.as_ref()?)));
    let text: String =
        examined.map(|(record, diagnosis)| tensor(record, diagnosis, report, style)).collect();
    if text.is_empty() { text } else { format!("{}\n{text}\n", Tone::Strong.paint(style, "Why?")) }
}

fn tensor(record: &Record, diagnosis: &Diagnosis, report: &Report, style: &Style) -> String {
    let name = Tone::Bad.paint(style, &record.name);
    let mut text = match diagnosis.explanations.as_slice() {
        [] => format!(
            "  {name}: none of the explanations that were tried holds{}\n",
            between(diagnosis)
        ),
        some => some.iter().enumerate().map(|(i, e)| explanation(&name, i, e)).collect(),
    };
    if let Some(proof) = diagnosis.explanations.iter().find_map(|e| e.proof.as_ref()) {
        text += &format!("      try: {}\n", words::proof(report, proof));
    }
    text
}

fn explanation(name: &str, place: usize, explanation: &Explanation) -> String {
    let lead = if place == 0 { format!("{name}: ") } else { "or ".to_owned() };
    format!("  {lead}{}\n", explanation.text)
}

fn between(diagnosis: &Diagnosis) -> String {
    if diagnosis.nodes.is_empty() {
        return String::new();
    }
    let from: Vec<&str> = diagnosis.from.iter().take(3).map(String::as_str).collect();
    format!("; computed by {} from {}", plural(diagnosis.nodes.len(), "node"), from.join(", "))
}

/// How the tensors that fail are divided.
pub(crate) fn guilt(report: &Report) -> Option<String> {
    let of =
        |status: Status| report.records.iter().filter(|record| record.status == status).count();
    let (guilty, inherited) = (of(Status::Guilty), of(Status::Inherited));
    (guilty + inherited > 0).then(|| {
        format!(
            "{} by themselves, {} inherit the difference",
            count(guilty as u64),
            count(inherited as u64)
        )
    })
}
