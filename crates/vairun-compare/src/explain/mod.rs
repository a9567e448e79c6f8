//! Why a tensor differs from its golden.
//!
//! For each tensor that fails by itself a [`Case`] computes it again from the golden's own tensors. Each explanation is
//! a file: a function from a case to an [`Explanation`], or `None` where it does not hold. An explanation holds where
//! applying it makes the differences go away; where none does, the report says so.

mod accumulation;
mod activation;
mod bias;
mod case;
mod changed;
mod channels;
mod clip;
mod crop;
mod decomposed;
mod layout;
mod leaky;
mod numbers;
mod offset;
mod part;
mod per_axis;
mod pool_factor;
mod preprocessing;
mod ratio;
mod reciprocal;
mod rounding;
mod rows;
mod sample;
mod signedness;
mod sweep;
mod tail;
mod zero;
mod zero_point;

use rayon::prelude::*;
use vairun_graph::Graph;

use crate::check::{Engine, Pairing};
use crate::report::{Diagnosis, Explanation, Record, Report, Role, Status};
use crate::rules::Rules;
use case::{Case, Cases};
pub use sweep::{Sweep, SweepRow, sweep};

/// A test of one explanation.
type Test = fn(&Case) -> Option<Explanation>;

/// All of them. What is certain when it holds stands before what may hold by chance.
const TESTS: [Test; 21] = [
    zero::test,
    layout::test,
    crop::test,
    channels::test,
    preprocessing::test,
    signedness::test,
    offset::test,
    rounding::test,
    zero_point::test,
    clip::test,
    pool_factor::test,
    ratio::test,
    per_axis::test,
    leaky::test,
    activation::test,
    bias::test,
    preprocessing::first_layer,
    preprocessing::first_quantizer,
    preprocessing::passed_on,
    zero::other,
    reciprocal::test,
];

/// More explanations than this say nothing.
const MOST: usize = 3;

/// So many tensors are examined at the same time.
const AT_ONCE: usize = 2;

/// Looks for explanations for the first `most` tensors that fail by themselves, and for inputs that differ.
pub(crate) fn explain(
    engine: &dyn Engine,
    graph: &Graph,
    pairing: &dyn Pairing,
    rules: &Rules,
    report: &mut Report,
    most: usize,
) {
    if report.records.iter().all(Record::pass) {
        return;
    }
    let cases = Cases::new(engine, graph, pairing, rules, &report.records);
    let examined = report.records.iter().filter(|record| needs_explanation(record)).count();
    let records = report.records.iter().enumerate();
    let wanted: Vec<_> =
        records.filter(|(_, record)| needs_explanation(record)).take(most).collect();
    let explained = |&(i, record): &(usize, &Record)| Some((i, diagnose(&cases.case(record)?)));
    // A case holds its tensors several times: few of them at once.
    let at_once = |few: &[(usize, &Record)]| few.par_iter().filter_map(explained).collect();
    let found: Vec<_> = wanted.chunks(AT_ONCE).flat_map(|few| -> Vec<_> { at_once(few) }).collect();
    for (i, diagnosis) in found {
        report.records[i].diagnosis = Some(diagnosis);
    }
    if examined > most {
        let left = examined - most;
        report.notes.push(format!(
            "{left} more tensors fail by themselves and were not examined (--explain N for more)"
        ));
    }
}

fn needs_explanation(record: &Record) -> bool {
    let differs = matches!(record.status, Status::Guilty | Status::Fail);
    differs && (record.status == Status::Guilty || record.role == Role::Input)
}

fn diagnose(case: &Case) -> Diagnosis {
    let _span = tracing::info_span!("explain", tensor = case.record.name).entered();
    let mut explanations: Vec<Explanation> = Vec::new();
    for found in TESTS.iter().filter_map(|test| test(case)) {
        // Where the user can prove what explains everything, there is nothing to add.
        let decisive = found.left == 0 && found.proof.is_some();
        explanations.push(found);
        if decisive || explanations.len() == MOST {
            break;
        }
    }
    // What is true of many differences says something where nothing else does.
    if explanations.is_empty() {
        explanations.extend(accumulation::test(case).or_else(|| preprocessing::otherwise(case)));
    }
    let (from, nodes) = case.route();
    Diagnosis { from, nodes, explanations }
}
