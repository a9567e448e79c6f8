//! Every rounding on every quantizer.

use serde::{Deserialize, Serialize};
use vairun_graph::Graph;
use vairun_numeric::round::Round;
use vairun_numeric::variation::Variation;

use super::case::Cases;
use crate::check::{Engine, Pairing};
use crate::report::{Record, Role};
use crate::rules::Rules;

/// How each quantizer of the model fares under each rounding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The quantizers that the golden has, in execution order.
    pub rows: Vec<SweepRow>,
}

/// One quantizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepRow {
    /// The tensor.
    pub name: String,
    /// The rounding of the model.
    pub own: Option<String>,
    /// Elements that differ from the golden, for each rounding.
    pub differing: Vec<(String, u64)>,
}

impl Sweep {
    /// The roundings under which no element of any quantizer differs.
    pub fn exact(&self) -> Vec<&str> {
        let names = Round::ALL.map(Round::name);
        let fits = |name: &&str| {
            !self.rows.is_empty()
                && self
                    .rows
                    .iter()
                    .all(|row| row.differing.iter().any(|(n, left)| n == name && *left == 0))
        };
        names.into_iter().filter(fits).collect()
    }
}

/// Computes every quantized tensor that the golden has from the golden's own tensors, under every rounding.
pub fn sweep(
    engine: &dyn Engine,
    graph: &Graph,
    pairing: &dyn Pairing,
    rules: &Rules,
    records: &[Record],
) -> Sweep {
    let cases = Cases::new(engine, graph, pairing, rules, records);
    let row = |record: &Record| {
        let case = cases.case(record)?;
        let own = case.tail()?.round.map(|round| round.name().to_owned());
        let left = |round| {
            Some((Round::name(round).to_owned(), case.count_by(&Variation::rounding(round))?))
        };
        let differing = Round::ALL.into_iter().map(left).collect::<Option<Vec<_>>>()?;
        Some(SweepRow { name: record.name.clone(), own, differing })
    };
    let made = |record: &&Record| !matches!(record.role, Role::Input | Role::Parameter);
    Sweep { rows: records.iter().filter(made).filter_map(row).collect() }
}
