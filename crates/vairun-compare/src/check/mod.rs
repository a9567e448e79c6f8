//! A model against a golden: what is the same, where it begins to differ.
//!
//! [`Check`] watches one run and compares what it makes; [`check()`](run::check) makes the runs that are needed and puts
//! their records together.

mod constants;
mod isolation;
mod merge;
mod pairing;
mod run;
mod substitute;

use std::collections::{HashMap, HashSet};

use vairun_exec::{NodeEvent, Observer, ObserverError};
use vairun_graph::{Graph, Node};
use vairun_tensor::{DType, Dequantized, Tensor, Value};

pub(crate) use constants::{Constants, with_constants};
use isolation::{Fed, FedTensors, Isolation};
pub(crate) use isolation::{golden, golden_value};
pub use pairing::{Found, MadeTensor, Pairing};
pub use run::{Engine, EngineError, Prepared, Settings, check};
pub use substitute::cast;
pub(crate) use substitute::substitute;

use crate::around::Around;
use crate::measure::{Subject, measure};
use crate::quantizer::Kind;
use crate::quantizers::Quantizers;
use crate::report::{Comparison, Reading, Record, Report, Role, SCHEMA, Status, Unmatched};
use crate::rule::Verdict;
use crate::rules::Rules;

/// Compares what a run makes with a golden, while it runs.
///
/// Give it to [`vairun_exec::Plan::run`] as the observer, then ask for the report. Golden tensors are read one at a
/// time, when their counterpart is made.
pub struct Check<'a> {
    graph: &'a Graph,
    pairing: &'a dyn Pairing,
    rules: &'a Rules,
    quantizers: Quantizers,
    outputs: HashSet<&'a str>,
    seen: HashSet<usize>,
    records: Vec<Record>,
    /// Where nodes are fed with the golden's tensors: those of the node that has just run.
    fresh: Option<HashMap<String, Tensor>>,
    /// Where they are not: what they could be fed with.
    fed: FedTensors,
    isolation: Option<Isolation<'a>>,
    mismatches: Option<&'a mut dyn Mismatches>,
}

/// Somebody who wants both sides of what fails.
pub trait Mismatches: Send {
    /// A tensor that fails: what the model makes, and the golden.
    ///
    /// # Errors
    /// Any error ends the check.
    fn add(&mut self, record: &Record, got: &Tensor, want: &Tensor) -> Result<(), ObserverError>;
}

/// A tensor that the run has made.
struct Made<'a> {
    name: &'a str,
    node: &'a str,
    op: String,
    order: usize,
    role: Role,
}

impl<'a> Check<'a> {
    /// A check of the graph as it runs.
    pub fn new(graph: &'a Graph, pairing: &'a dyn Pairing, rules: &'a Rules) -> Self {
        Self {
            graph,
            pairing,
            rules,
            quantizers: Quantizers::of(graph),
            outputs: graph.outputs.iter().map(|&id| graph.name_of(id)).collect(),
            seen: HashSet::new(),
            records: Vec::new(),
            fresh: None,
            fed: FedTensors::new(),
            isolation: None,
            mismatches: None,
        }
    }

    /// Shows what fails to somebody.
    #[must_use]
    pub fn with_mismatches(self, mismatches: Option<&'a mut dyn Mismatches>) -> Self {
        Self { mismatches, ..self }
    }

    /// A check in which each node is fed with the golden's tensors, where it has them.
    pub fn isolated(graph: &'a Graph, pairing: &'a dyn Pairing, rules: &'a Rules) -> Self {
        Self { fresh: Some(HashMap::new()), ..Self::new(graph, pairing, rules) }
    }

    /// Lets only those nodes run that may make another tensor than in the first run.
    fn only(self, isolation: Option<Isolation<'a>>) -> Self {
        Self { isolation, ..self }
    }

    /// What was found. `model` is the model's name for the reader.
    ///
    /// # Errors
    /// A golden that cannot be read.
    pub fn finish(mut self, model: &str) -> Result<Report, ObserverError> {
        self.compare_parameters()?;
        self.add_missing();
        let unmatched = self.unmatched();
        let checked: HashSet<_> = self.records.iter().map(|record| record.name.as_str()).collect();
        let outputs = self.graph.outputs.iter().map(|&id| self.graph.name_of(id));
        let unchecked_outputs =
            outputs.filter(|name| !checked.contains(name)).map(str::to_owned).collect();
        let mut report = Report {
            schema: SCHEMA.to_owned(),
            vairun: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.to_owned(),
            golden: vec![self.pairing.golden().description()],
            rules: self.rules.describe(),
            mode: crate::report::Mode::Cumulative,
            notes: Vec::new(),
            summary: crate::report::Summary::default(),
            unmatched,
            around: None,
            unchecked_outputs,
            records: self.records,
        };
        report.summarize();
        report.around = Around::of_first(self.graph, &report);
        Ok(report)
    }

    fn compare(&mut self, made: Made, value: &Value) -> Result<(), ObserverError> {
        let Some(index) = self.pairing.find(made.name) else { return Ok(()) };
        let Ok(tensor) = value.as_tensor() else {
            self.seen.insert(index);
            self.records.push(self.not_a_tensor(&made, index, value.kind()));
            return Ok(());
        };
        // Of several golden tensors for one, the first is what consumers are fed with.
        let others = self.pairing.others(made.name);
        for (place, index) in [index].into_iter().chain(others).enumerate() {
            self.seen.insert(index);
            if place > 0 && self.fresh.is_some() {
                continue;
            }
            let found = self.compare_with(index, &made, tensor)?;
            match &mut self.fresh {
                Some(fresh) => {
                    fresh.insert(made.name.to_owned(), found);
                }
                None if place == 0 => self.learn_fed(made.name, tensor, &found),
                None => {}
            }
        }
        Ok(())
    }

    /// Notes whether the golden's tensor can take the place of the model's.
    fn learn_fed(&mut self, name: &str, made: &Tensor, found: &Tensor) {
        let differs = substitute(made, found).is_some();
        let same = || cast(found, made.dtype()).is_some_and(|like| like.bits_eq(made));
        if differs || same() {
            let grid = made.dequantized().map(|Dequantized { scale, zero_point, axis, .. }| {
                Dequantized::on_grid(scale.clone(), zero_point.clone(), *axis)
            });
            self.fed.insert(name.to_owned(), Fed { differs, grid });
        }
    }

    /// Compares with one golden tensor, and gives it.
    fn compare_with(
        &mut self,
        index: usize,
        made: &Made,
        tensor: &Tensor,
    ) -> Result<Tensor, ObserverError> {
        let (kind, quantizer) = self.quantizers.describe(made.name, tensor);
        let subject = MadeTensor { name: made.name, tensor, kind, quantizer: quantizer.as_ref() };
        let found = self.pairing.read(index, &subject)?;
        let blank = Record { kind, quantizer, golden: found.reading, ..self.blank(made, index) };
        let record = self.judged(blank, tensor, &found.tensor);
        if let Some(mismatches) = self.mismatches.as_deref_mut().filter(|_| !record.pass()) {
            mismatches.add(&record, tensor, &found.tensor)?;
        }
        self.records.push(record);
        Ok(found.tensor)
    }

    fn judged(&self, blank: Record, got: &Tensor, want: &Tensor) -> Record {
        let rule = self.rules.rule_for(&blank.name, blank.kind, is_wide_float(got.dtype()));
        let subject = Subject {
            kind: blank.kind,
            quantizer: blank.quantizer.as_ref(),
            elements: rule.elements,
            scores: blank.role == Role::Output,
        };
        let measured = measure(got, want, &subject);
        let verdict = rule.judge(&measured);
        let status = if verdict.pass { Status::Pass } else { Status::Fail };
        Record {
            dtype: got.dtype().name().to_owned(),
            shape: got.shape().to_vec(),
            cumulative: Some(Comparison { verdict, metrics: measured.ok() }),
            status,
            ..blank
        }
    }

    fn not_a_tensor(&self, made: &Made, index: usize, kind: &str) -> Record {
        let verdict = Verdict {
            pass: false,
            rule: "exact".to_owned(),
            reasons: vec![format!("a {kind}, expected a tensor")],
        };
        Record {
            dtype: kind.to_owned(),
            cumulative: Some(Comparison { verdict, metrics: None }),
            status: Status::Fail,
            ..self.blank(made, index)
        }
    }

    fn blank(&self, made: &Made, index: usize) -> Record {
        Record {
            name: made.name.to_owned(),
            node: made.node.to_owned(),
            op: made.op.clone(),
            order: made.order,
            role: made.role,
            dtype: String::new(),
            shape: Vec::new(),
            kind: Kind::Plain,
            quantizer: None,
            golden: Reading {
                name: self.pairing.golden().entries()[index].name.clone(),
                ..Reading::default()
            },
            cumulative: None,
            isolated: None,
            differences: None,
            status: Status::Missing,
            diagnosis: None,
        }
    }

    /// Constants that stand in the file, where the golden has them.
    fn compare_parameters(&mut self) -> Result<(), ObserverError> {
        let graph = self.graph;
        for (&id, tensor) in &graph.initializers {
            let name = graph.name_of(id);
            let again = self.pairing.find(name).is_some_and(|index| self.seen.contains(&index));
            if !again {
                let op = String::new();
                let made = Made { name, node: "", op, order: 0, role: Role::Parameter };
                self.compare(made, &tensor.clone().into())?;
            }
        }
        self.records.sort_by_key(|record| record.order);
        Ok(())
    }

    /// What the model names and the golden has, but the run did not make.
    fn add_missing(&mut self) {
        let order = self.records.last().map_or(0, |record| record.order + 1);
        let producers = self.graph.producers();
        for (value, producer) in self.graph.values.iter().zip(producers) {
            let Some(index) = self.pairing.find(&value.name) else { continue };
            let Some(producer) = producer.filter(|_| !self.seen.contains(&index)) else { continue };
            let node = &self.graph.nodes[producer];
            let made = Made {
                name: &value.name,
                node: &node.name,
                op: node.op.to_string(),
                order,
                role: self.role(&value.name),
            };
            self.seen.insert(index);
            self.records.push(self.blank(&made, index));
        }
    }

    fn unmatched(&self) -> Vec<Unmatched> {
        let entries = self.pairing.golden().entries().iter().enumerate();
        entries
            .filter(|(i, _)| !self.seen.contains(i))
            .map(|(i, entry)| Unmatched {
                name: entry.name.clone(),
                closest: self.pairing.closest(i),
            })
            .collect()
    }

    fn role(&self, name: &str) -> Role {
        if self.outputs.contains(name) { Role::Output } else { Role::Inner }
    }
}

/// Floats of more than 8 bits; narrower ones are codes of a kind and compare exactly.
pub(crate) fn is_wide_float(dtype: DType) -> bool {
    dtype.is_float() && dtype.bits().is_some_and(|bits| bits > 8)
}

impl Observer for Check<'_> {
    fn input(&mut self, name: &str, value: &Value) -> Result<(), ObserverError> {
        if let Ok(tensor) = value.as_tensor() {
            self.quantizers.learn(name, tensor);
        }
        let made = Made { name, node: "", op: String::new(), order: 0, role: Role::Input };
        self.compare(made, value)
    }

    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        if let Some(fresh) = &mut self.fresh {
            fresh.clear();
        }
        let scoped = |name: &str| format!("{}{name}", event.scope);
        for (name, value) in event.outputs {
            if let Ok(tensor) = value.as_tensor() {
                self.quantizers.learn(name, tensor);
            }
        }
        for (name, value) in event.outputs {
            let name = scoped(name);
            let made = Made {
                name: &name,
                node: &scoped(&event.node.name),
                op: event.node.op.to_string(),
                order: event.index + 1,
                role: if event.scope.is_empty() { self.role(&name) } else { Role::Inner },
            };
            self.compare(made, value)?;
        }
        Ok(())
    }

    fn instead(&mut self, node: &Node) -> Option<Vec<Value>> {
        self.isolation.as_ref()?.instead(node)
    }

    fn substitute(&mut self, name: &str, value: &Value) -> Option<Value> {
        let want = self.fresh.as_mut()?.remove(name)?;
        substitute(value.as_tensor().ok()?, &want).map(Value::from)
    }
}

#[cfg(test)]
mod tests;
