//! The explanations of a report as text.

use vairun_compare::{Diagnosis, Explanation, Record, Report, Status};

use crate::number::plural;
use crate::style::{Style, Tone, wrapped};
use crate::words;

/// Why tensors fail: the explanations that hold, with the options that prove them. What is the same of several tensors
/// is told once.
pub(crate) fn why(report: &Report, style: &Style) -> String {
    let mut groups: Vec<(&Record, &Diagnosis, Vec<&str>)> = Vec::new();
    for record in &report.records {
        let Some(diagnosis) = record.diagnosis.as_ref() else { continue };
        let same = |(_, other, _): &&mut (&Record, &Diagnosis, Vec<&str>)| alike(other, diagnosis);
        match groups.iter_mut().find(same) {
            Some((_, _, names)) => names.push(&record.name),
            None => groups.push((record, diagnosis, Vec::new())),
        }
    }
    let text: String = groups
        .iter()
        .map(|(record, diagnosis, more)| tensor(record, diagnosis, more, style))
        .collect();
    if text.is_empty() { text } else { format!("{}\n{text}\n", Tone::Strong.paint(style, "Why?")) }
}

/// Whether two tensors have the same cause, which the same deviation proves.
fn alike(a: &Diagnosis, b: &Diagnosis) -> bool {
    let key = |diagnosis: &Diagnosis| {
        let first = diagnosis.explanations.first()?;
        Some((first.cause.clone(), deviation(first.proof.as_deref()?)?))
    };
    key(a).is_some() && key(a) == key(b)
}

/// The option and its word without the tensor: `--round half-up` of `--round 'y=half-up'`.
fn deviation(proof: &str) -> Option<String> {
    let (option, rest) = proof.split_once(" '")?;
    let (_, word) = rest.strip_suffix('\'')?.rsplit_once('=')?;
    Some(format!("{option} {word}"))
}

fn tensor(record: &Record, diagnosis: &Diagnosis, more: &[&str], style: &Style) -> String {
    let name = Tone::Bad.paint(style, &record.name);
    let mut text = match diagnosis.explanations.as_slice() {
        [] => format!(
            "  {name}: none of the explanations that were tried holds{}\n",
            between(diagnosis)
        ),
        some => some.iter().enumerate().map(|(i, e)| explanation(&name, i, e)).collect(),
    };
    if !more.is_empty() {
        text += &format!("  the same of {}: {}\n", plural(more.len(), "more tensor"), listed(more));
    }
    // Options are left on one line, to be copied.
    text = wrapped(style, &text);
    if let Some(proof) = diagnosis.explanations.iter().find_map(|e| e.proof.as_ref()) {
        text += &format!("      to prove it, add: {proof}\n");
        if let Some(all) = deviation(proof).filter(|_| !more.is_empty()) {
            text += &format!("      for every quantizer: {all}\n");
        }
    }
    text
}

/// The first names, and how many there are beyond.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let first = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{first} and {} more", names.len() - SHOWN) } else { first }
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
    (guilty + inherited > 0).then(|| words::guilt(guilty, inherited))
}
