//! The nodes between the golden's tensors and a tensor that differs.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vairun_graph::{Graph, Node, ValueId};
use vairun_numeric::round::Round;
use vairun_numeric::variation::Variation;
use vairun_ops::quant::varied::is_varied;
use vairun_tensor::{Dequantized, Tensor, Value};

use super::tail::quantized;
use crate::check::{Constants, Engine, Pairing, golden, golden_value, with_constants};
use crate::quantizer::Kind;
use crate::report::{Record, Role};

/// Cuts parts out of the model.
pub(super) struct Parts<'a> {
    engine: &'a dyn Engine,
    graph: &'a Graph,
    pairing: &'a dyn Pairing,
    records: HashMap<&'a str, &'a Record>,
    /// The graph with the golden's constants where they differ.
    given: Graph,
}

/// A part of the model with the values it starts from.
pub(super) struct Part {
    /// It has one output.
    pub(super) graph: Graph,
    /// For the inputs of `graph`, in order.
    pub(super) inputs: Vec<Value>,
    /// Values that were made on the way.
    kept: Mutex<HashMap<ValueId, Value>>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        graph: &'a Graph,
        pairing: &'a dyn Pairing,
        records: &'a [Record],
    ) -> Self {
        let records = records.iter().map(|record| (record.name.as_str(), record)).collect();
        let mut parts = Self { engine, graph, pairing, records, given: Graph::default() };
        parts.given = with_constants(graph, parts.changed_constants());
        parts
    }

    fn changed_constants(&self) -> HashMap<ValueId, Tensor> {
        let constants = Constants::of(self.graph);
        let value = |(id, info): (ValueId, &vairun_graph::ValueInfo)| {
            let record = self.records.get(info.name.as_str())?;
            let changed = constants.contains(id) && !record.pass();
            changed.then(|| Some((id, self.golden_value(record)?)))?
        };
        (0..).map(ValueId).zip(&self.graph.values).filter_map(value).collect()
    }

    /// A constant of the file.
    pub(super) fn parameter(&self, name: &str) -> Option<Tensor> {
        self.graph.initializers.get(self.graph.by_name().get(name)?).cloned()
    }

    /// The golden of a tensor that the model makes as `made`.
    pub(super) fn golden(&self, record: &Record, made: &Tensor) -> Option<Tensor> {
        golden(self.pairing, record, made)
    }

    /// The golden of a record as consumers take it.
    fn golden_value(&self, record: &Record) -> Option<Tensor> {
        golden_value(self.pairing, record, grid(record)?)
    }

    /// The nodes that make the tensor of a record from what the golden has.
    pub(super) fn part(&self, record: &Record) -> Option<Part> {
        self.part_through(record, &HashSet::new())
    }

    /// The same from before the last quantizer on, where the golden has the codes that it makes: the tensor only passes
    /// them on. `None` where there is no such quantizer.
    pub(super) fn part_before_the_quantizer(&self, record: &Record) -> Option<Part> {
        let id = *self.graph.by_name().get(record.name.as_str())?;
        let producers = self.graph.producers();
        let constants = Constants::of(self.graph);
        let mut passed = HashSet::new();
        let mut at = id;
        loop {
            let node = &self.graph.nodes[producers[at.index()]?];
            if is_varied(&node.op) {
                // The part ends there anyway where the quantizer makes the tensor itself.
                return (at != id).then(|| self.part_through(record, &passed))?;
            }
            if makes_codes(node) {
                return None;
            }
            let mut moving = node.reads().filter(|&id| !constants.contains(id));
            at = moving.next().filter(|_| moving.next().is_none())?;
            passed.insert(at);
        }
    }

    /// The nodes that make the tensor of a record from what the golden has, but for the tensors `passed`.
    fn part_through(&self, record: &Record, passed: &HashSet<ValueId>) -> Option<Part> {
        let names = self.graph.by_name();
        let id = *names.get(record.name.as_str())?;
        let constant = Constants::of(self.graph).contains(id);
        let graph = if constant { self.graph } else { &self.given };
        let from = if constant { HashMap::new() } else { self.frontier(graph, id, passed) };
        let mut cut: Vec<&str> = from.keys().map(|&id| graph.name_of(id)).collect();
        cut.sort_unstable();
        let part = graph.extract(&cut, &[&record.name]).ok()?;
        let input = |&id: &ValueId| {
            let name = part.name_of(id);
            match names.get(name).and_then(|id| from.get(id)) {
                Some(tensor) => Some(tensor.clone().into()),
                None => self
                    .engine
                    .input(name)
                    .or_else(|| Some(part.initializers.get(&id)?.clone().into())),
            }
        };
        let inputs = part.inputs.iter().map(input).collect::<Option<Vec<_>>>()?;
        Some(Part::new(part, inputs))
    }

    /// The golden's tensors from which `target` is computed.
    fn frontier(
        &self,
        graph: &Graph,
        target: ValueId,
        passed: &HashSet<ValueId>,
    ) -> HashMap<ValueId, Tensor> {
        let producers = graph.producers();
        let constants = Constants::of(graph);
        let mut found = HashMap::new();
        let mut seen = HashSet::from([target]);
        let mut open: Vec<ValueId> =
            producers[target.index()].iter().flat_map(|&n| graph.nodes[n].reads()).collect();
        while let Some(id) = open.pop() {
            // Constants stay what they are: operators may need to know them before they run.
            if !seen.insert(id) || constants.contains(id) {
                continue;
            }
            let record = self.records.get(graph.name_of(id));
            let record = record.filter(|_| !passed.contains(&id));
            let usable = record.filter(|record| record.role != Role::Parameter);
            if let Some(tensor) = usable.and_then(|record| self.golden_value(record)) {
                found.insert(id, tensor);
            } else if let Some(producer) = producers[id.index()] {
                open.extend(graph.nodes[producer].reads());
            }
        }
        found
    }
}

/// Whether an operator on codes quantizes by itself: it passes on none of those that it reads.
fn makes_codes(node: &Node) -> bool {
    let op = node.op.op_type.as_str();
    op == "QGemm" || (op.starts_with("QLinear") && op != "QLinearConcat")
}

/// The grid of a record, where it has one; `None` where it is none that a tensor can have.
#[allow(clippy::option_option)] // no grid is no failure
fn grid(record: &Record) -> Option<Option<Dequantized>> {
    let quantizer = record.quantizer.as_ref().filter(|_| record.kind == Kind::Dequantized);
    let Some(quantizer) = quantizer else { return Some(None) };
    let zero_points = quantizer.zero_point.iter().map(|&zero| i32::try_from(zero).ok());
    let zero_point = Tensor::vector(zero_points.collect::<Option<Vec<i32>>>()?);
    let scale = Tensor::vector(quantizer.scale.clone());
    Some(Some(Dequantized::on_grid(scale, zero_point, quantizer.axis)))
}

impl Part {
    pub(super) fn new(graph: Graph, inputs: Vec<Value>) -> Self {
        Self { graph, inputs, kept: Mutex::default() }
    }

    /// Values that were made on the way.
    pub(super) fn kept(&self) -> MutexGuard<'_, HashMap<ValueId, Value>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tensor. What its last quantizer quantizes is kept.
    pub(super) fn made(&self, engine: &dyn Engine) -> Option<Tensor> {
        let output = *self.graph.outputs.first()?;
        let quantized = quantized(&self.graph);
        let wanted: Vec<ValueId> = [output].into_iter().chain(quantized).collect();
        self.values(engine, &wanted)?.swap_remove(0).into_tensor().ok()
    }

    /// The tensor where quantizers deviate as `variation` says.
    pub(super) fn varied(&self, engine: &dyn Engine, variation: &Variation) -> Option<Tensor> {
        let made =
            engine.evaluate(self.graph.clone(), self.inputs.clone(), Some(variation)).ok()?;
        made.into_iter().next()?.into_tensor().ok()
    }

    /// Whether any quantizer but those that are left out meets a number between two codes; `None` where it cannot be
    /// computed.
    pub(super) fn rounds(
        &self,
        engine: &dyn Engine,
        left_out: impl Fn(&str) -> bool,
    ) -> Option<bool> {
        let constants = Constants::of(&self.graph);
        let others = self.graph.nodes.iter().filter(|node| is_varied(&node.op));
        let others = others.flat_map(Node::writes);
        let others: Vec<ValueId> = others.filter(|&id| !left_out(self.graph.name_of(id))).collect();
        if !others.iter().all(|&id| constants.contains(id)) {
            return Some(true);
        }
        if others.is_empty() {
            return Some(false);
        }
        // Every rule lies between these two.
        let names: Vec<&str> = others.iter().map(|&id| self.graph.name_of(id)).collect();
        let made = |round| {
            let weights = self.graph.extract(&[], &names).ok()?;
            engine.evaluate(weights, Vec::new(), Some(&Variation::rounding(round))).ok()
        };
        let (low, high) = (made(Round::Floor)?, made(Round::Ceil)?);
        let same = |(a, b): (&Value, &Value)| {
            a.as_tensor().is_ok_and(|a| b.as_tensor().is_ok_and(|b| a.bits_eq(b)))
        };
        Some(!low.iter().zip(&high).all(same))
    }

    /// The names of its inputs, and of its nodes but for constants.
    pub(super) fn route(&self) -> (Vec<String>, Vec<String>) {
        let name = |&id: &ValueId| self.graph.name_of(id).to_owned();
        let constants = Constants::of(&self.graph);
        let moving = |node: &&Node| node.writes().any(|id| !constants.contains(id));
        let nodes = self.graph.nodes.iter().filter(moving).map(|node| node.name.clone());
        (self.graph.inputs.iter().map(name).collect(), nodes.collect())
    }
}
