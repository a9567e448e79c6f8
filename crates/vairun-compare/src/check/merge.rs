//! What follows from the two ways of comparing.

use std::collections::{HashMap, HashSet};

use vairun_graph::{Graph, ValueId};

use super::Constants;
use crate::report::{Record, Report, Role, Status};

/// Adds the records of the isolated run to those of the cumulative one and decides who is guilty.
pub(super) fn merge(report: &mut Report, isolated: Vec<Record>, graph: &Graph) {
    let mut by_name: HashMap<String, Record> =
        isolated.into_iter().map(|record| (record.name.clone(), record)).collect();
    let names = graph.by_name();
    let constants = Constants::of(graph);
    let mut failed: HashSet<ValueId> = HashSet::new();
    for record in &mut report.records {
        if record.role == Role::Input || record.status == Status::Missing {
            continue;
        }
        let id = names.get(record.name.as_str()).copied();
        match id.filter(|id| constants.contains(*id)) {
            Some(id) => judge_constant(record, id, graph, &mut failed),
            None => {
                record.isolated =
                    by_name.remove(&record.name).and_then(|isolated| isolated.cumulative);
                record.status = status(record);
            }
        }
    }
    report.notes.extend(contradictions(&report.records));
    report.summarize();
}

fn status(record: &Record) -> Status {
    let pass = |comparison: &Option<crate::report::Comparison>| {
        comparison.as_ref().map(crate::report::Comparison::pass)
    };
    match (pass(&record.cumulative), pass(&record.isolated)) {
        // What the model makes is the golden's. That the golden's own tensors before it lead elsewhere speaks against
        // these: they fail themselves.
        (Some(true), _) => Status::Pass,
        (_, Some(false)) => Status::Guilty,
        (Some(false), Some(true)) => Status::Inherited,
        _ => record.status,
    }
}

/// What passes although the golden's own tensors before it lead elsewhere: the golden contradicts itself.
fn contradictions(records: &[Record]) -> Option<String> {
    let contradicts = |record: &&Record| {
        record.pass() && record.isolated.as_ref().is_some_and(|isolated| !isolated.pass())
    };
    let mut names = records.iter().filter(contradicts).map(|record| record.name.as_str());
    let first = names.next()?;
    let more = match names.count() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(format!(
        "the golden contradicts itself: `{first}`{more} is what the model makes, but not what it makes of the golden's \
         tensors before it; these are stored otherwise rather than computed otherwise"
    ))
}

/// A constant is computed from constants of the model alone: it fails by itself unless one that it is computed from
/// fails too.
fn judge_constant(record: &mut Record, id: ValueId, graph: &Graph, failed: &mut HashSet<ValueId>) {
    if record.pass() {
        return;
    }
    let inherited = depends_on(graph, id, failed);
    record.status = if inherited { Status::Inherited } else { Status::Guilty };
    failed.insert(id);
}

fn depends_on(graph: &Graph, id: ValueId, failed: &HashSet<ValueId>) -> bool {
    let producers = graph.producers();
    let mut open = vec![id];
    let mut seen = HashSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(producer) = producers[id.index()] else { continue };
        if graph.nodes[producer].reads().any(|id| failed.contains(&id)) {
            return true;
        }
        open.extend(graph.nodes[producer].reads());
    }
    false
}
