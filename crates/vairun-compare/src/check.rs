use std::collections::{HashMap, HashSet};

use vairun_exec::{NodeEvent, Observer, ObserverError};
use vairun_graph::Graph;
use vairun_tensor::{DType, Tensor, Value};

use crate::golden::{Content, GoldenSource};
use crate::measure::{Subject, measure};
use crate::quantizers::Quantizers;
use crate::report::{Comparison, Reading, Record, Report, Role, SCHEMA, Status, Unmatched};
use crate::rules::Rules;

/// Compares what a run makes with a golden, while it runs.
///
/// Give it to [`vairun_exec::Plan::run`] as the observer, then ask for the report.
pub struct Check<'a> {
    graph: &'a Graph,
    golden: &'a dyn GoldenSource,
    rules: &'a Rules,
    quantizers: Quantizers,
    by_name: HashMap<&'a str, usize>,
    outputs: HashSet<&'a str>,
    seen: HashSet<usize>,
    records: Vec<Record>,
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
    /// A check of the graph against `golden`.
    pub fn new(graph: &'a Graph, golden: &'a dyn GoldenSource, rules: &'a Rules) -> Self {
        let entries = golden.entries().iter().enumerate();
        Self {
            graph,
            golden,
            rules,
            quantizers: Quantizers::of(graph),
            by_name: entries.map(|(i, entry)| (entry.name.as_str(), i)).collect(),
            outputs: graph.outputs.iter().map(|&id| graph.name_of(id)).collect(),
            seen: HashSet::new(),
            records: Vec::new(),
        }
    }

    /// What was found. `model` is the model's name for the reader.
    pub fn finish(mut self, model: &str) -> Report {
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
            golden: vec![self.golden.description()],
            rules: self.rules.describe(),
            summary: crate::report::Summary::default(),
            unmatched,
            unchecked_outputs,
            records: self.records,
        };
        report.summarize();
        report
    }

    fn compare(&mut self, made: Made, value: &Value) -> Result<(), ObserverError> {
        let Some(&index) = self.by_name.get(made.name) else { return Ok(()) };
        let Ok(tensor) = value.as_tensor() else {
            self.seen.insert(index);
            self.records.push(self.not_a_tensor(made, index, value.kind()));
            return Ok(());
        };
        let want = match self.golden.load(index)? {
            Content::Tensor(want) => want,
            Content::Raw(_) | Content::Numbers(_) => return Ok(()),
        };
        self.seen.insert(index);
        let record = self.record(made, index, tensor, &want);
        self.records.push(record);
        Ok(())
    }

    fn record(&self, made: Made, index: usize, got: &Tensor, want: &Tensor) -> Record {
        let (kind, quantizer) = self.quantizers.describe(made.name, got);
        let rule = self.rules.rule_for(made.name, kind, is_wide_float(got.dtype()));
        let subject = Subject {
            kind,
            quantizer: quantizer.as_ref(),
            elements: rule.elements,
            scores: made.role == Role::Output,
        };
        let measured = measure(got, want, &subject);
        let verdict = rule.judge(&measured);
        let status = if verdict.pass { Status::Pass } else { Status::Fail };
        let cumulative = Some(Comparison { verdict, metrics: measured.ok() });
        Record {
            dtype: got.dtype().name().to_owned(),
            shape: got.shape().to_vec(),
            kind,
            quantizer,
            cumulative,
            status,
            ..self.blank(made, index)
        }
    }

    fn not_a_tensor(&self, made: Made, index: usize, kind: &str) -> Record {
        let verdict = crate::rule::Verdict {
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

    fn blank(&self, made: Made, index: usize) -> Record {
        Record {
            name: made.name.to_owned(),
            node: made.node.to_owned(),
            op: made.op,
            order: made.order,
            role: made.role,
            dtype: String::new(),
            shape: Vec::new(),
            kind: crate::Kind::Plain,
            quantizer: None,
            golden: Reading {
                name: self.golden.entries()[index].name.clone(),
                read_as: String::new(),
                matched_by: "same name".to_owned(),
            },
            cumulative: None,
            isolated: None,
            status: Status::Missing,
        }
    }

    /// What the model names and the golden has, but the run did not make.
    fn add_missing(&mut self) {
        let order = self.records.last().map_or(0, |record| record.order + 1);
        let producers = self.graph.producers();
        for (value, producer) in self.graph.values.iter().zip(producers) {
            let Some(&index) = self.by_name.get(value.name.as_str()) else { continue };
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
            self.records.push(self.blank(made, index));
        }
    }

    fn unmatched(&self) -> Vec<Unmatched> {
        let entries = self.golden.entries().iter().enumerate();
        let parameter =
            |name: &str| self.graph.initializers.keys().any(|&id| self.graph.name_of(id) == name);
        entries
            .filter(|(i, entry)| !self.seen.contains(i) && !parameter(&entry.name))
            .map(|(_, entry)| Unmatched { name: entry.name.clone(), closest: Vec::new() })
            .collect()
    }

    fn role(&self, name: &str) -> Role {
        if self.outputs.contains(name) { Role::Output } else { Role::Inner }
    }
}

/// Floats of more than 8 bits; narrower ones are codes of a kind and compare exactly.
fn is_wide_float(dtype: DType) -> bool {
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
}

#[cfg(test)]
mod tests;
