use std::io::Write;

use clap::Args;
use serde_json::json;
use vairun::Model;
use vairun::ops::{Grade, OpEntry};

use crate::failure::{Done, Failure, Verdict};
use crate::table;

/// Lists every operator with its opsets, types and grade.
///
/// exact: equal bit for bit to the named oracle on all vectors. within n: at most n steps from it, and why. runs:
/// computed, no oracle yet.
#[derive(Args, Debug)]
pub(crate) struct OpsArgs {
    /// Only this domain; `ai.onnx` is ONNX's own
    #[arg(long)]
    domain: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn ops(args: &OpsArgs) -> Done {
    let mut entries = Model::builder().operators();
    entries.sort_by(|a, b| {
        (&a.domain, &a.op_type, a.opsets.start()).cmp(&(&b.domain, &b.op_type, b.opsets.start()))
    });
    if let Some(domain) = &args.domain {
        let wanted = if domain == "ai.onnx" { "" } else { domain };
        entries.retain(|entry| entry.domain == wanted);
        if entries.is_empty() {
            return Err(Failure::usage(format!(
                "no operator in domain `{domain}`; there are {}",
                domains()
            )));
        }
    }
    let text = if args.json { to_json(&entries) } else { to_table(&entries) };
    writeln!(anstream::stdout(), "{text}")?;
    Ok(Verdict::Pass)
}

fn domain_name(domain: &str) -> &str {
    if domain.is_empty() { "ai.onnx" } else { domain }
}

fn domains() -> String {
    let mut names: Vec<_> =
        Model::builder().operators().into_iter().map(|entry| entry.domain).collect();
    names.sort();
    names.dedup();
    names.iter().map(|name| format!("`{}`", domain_name(name))).collect::<Vec<_>>().join(", ")
}

fn opsets(entry: &OpEntry) -> String {
    match (entry.opsets.start(), entry.opsets.end()) {
        (1, &i64::MAX) => "all".into(),
        (first, &i64::MAX) => format!("{first}–"),
        (first, last) => format!("{first}–{last}"),
    }
}

fn grade(grade: Grade) -> String {
    match grade {
        Grade::Exact(oracle) => format!("exact ({oracle})"),
        Grade::Within(n, why) => format!("within {n} ({why})"),
        Grade::Runs => "runs".into(),
    }
}

fn to_table(entries: &[OpEntry]) -> String {
    let mut table = table::table(&["domain", "operator", "opsets", "grade", "types"], &[]);
    for entry in entries {
        let domain = domain_name(&entry.domain).to_owned();
        table.add_row([
            domain,
            entry.op_type.clone(),
            opsets(entry),
            grade(entry.grade),
            entry.types.clone(),
        ]);
    }
    format!("{table}\n{} operators", entries.len())
}

fn to_json(entries: &[OpEntry]) -> String {
    let entry = |entry: &OpEntry| {
        let last = Some(*entry.opsets.end()).filter(|last| *last != i64::MAX);
        let (kind, note) = match entry.grade {
            Grade::Exact(oracle) => ("exact", json!({ "oracle": oracle })),
            Grade::Within(n, why) => ("within", json!({ "steps": n, "reason": why })),
            Grade::Runs => ("runs", json!({})),
        };
        json!({
            "domain": domain_name(&entry.domain),
            "op_type": entry.op_type,
            "first_opset": entry.opsets.start(),
            "last_opset": last,
            "types": entry.types,
            "summary": entry.summary,
            "grade": kind,
            "grade_note": note,
        })
    };
    serde_json::to_string_pretty(&entries.iter().map(entry).collect::<Vec<_>>())
        .expect("JSON of plain values")
}
