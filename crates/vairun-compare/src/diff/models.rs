//! A quantized model against the float model that it was made from.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use vairun_exec::{NodeEvent, Observer, ObserverError};
use vairun_graph::{Graph, Node, ValueId};
use vairun_tensor::{Tensor, Value};

use crate::check::{Constants, Engine, EngineError, Found, MadeTensor, Pairing, Settings, check};
use crate::golden::{GoldenError, GoldenSource, MemoryGolden};
use crate::measure::{Subject, measure};
use crate::metrics::Metrics;
use crate::number;
use crate::quantizer::{Kind, Quantizer};
use crate::report::{Comparison, Mode, Reading, Record};
use crate::rule::Elements;
use crate::rules::Rules;

/// What quantizing has done to each tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelDiff {
    /// The tensors that both models have, in execution order of the quantized one.
    pub layers: Vec<Layer>,
    /// Tensors of the float model's nodes without a counterpart.
    pub unmatched: Vec<String>,
}

/// One tensor in both models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name in the quantized model.
    pub name: String,
    /// Its name in the float model.
    pub float: String,
    /// The operator that makes it in the float model.
    pub op: String,
    /// Signal to noise in dB where the layer is fed the float model's tensors: what this layer loses by itself.
    #[serde(with = "number::option")]
    pub local_sqnr: Option<f64>,
    /// Signal to noise in dB as the quantized model runs.
    #[serde(with = "number::option")]
    pub cumulative_sqnr: Option<f64>,
    /// Of its weights.
    #[serde(with = "number::option")]
    pub weight_sqnr: Option<f64>,
    /// The root of the mean square in steps, fed the float model's tensors; 0.29 is ideal rounding.
    #[serde(with = "number::option")]
    pub steps_rmse: Option<f64>,
    /// The share of the elements that stand at the ends of the quantizer's range, in percent.
    #[serde(with = "number::option")]
    pub clipped: Option<f64>,
    /// The share of the quantizer's range that no element uses, in percent.
    #[serde(with = "number::option")]
    pub unused: Option<f64>,
}

impl Layer {
    /// What the layers are sorted by: the local ratio, else the cumulative one; unknown ones last.
    pub fn badness(&self) -> f64 {
        self.local_sqnr
            .or(self.cumulative_sqnr)
            .map_or(f64::INFINITY, |sqnr| if sqnr.is_nan() { f64::NEG_INFINITY } else { sqnr })
    }
}

/// Runs both models on their inputs and compares every tensor that both have.
///
/// Tensors are the same by name (quantizers keep it and add `_DequantizeLinear_Output` and the like), else by place: the
/// n-th contraction of one is that of the other where both have as many.
///
/// # Errors
/// A model that does not run.
pub fn diff_models(
    (float, float_graph): (&dyn Engine, &Graph),
    (quantized, graph): (&dyn Engine, &Graph),
    title: &str,
) -> Result<ModelDiff, EngineError> {
    let pairs = pairs(float_graph, graph);
    let mut seen = Seen { wanted: pairs.values().cloned().collect(), tensors: HashMap::new() };
    float.observe(&mut seen)?;
    let golden = MemoryGolden::new("the float model", seen.tensors);
    let pairing = Paired::new(&golden, &pairs);
    let settings = Settings { mode: Mode::Cumulative, explain: 0 };
    let mut rules = Rules::new();
    rules.set(crate::Limit::MinSqnr, "-inf")?;
    let report = check(quantized, graph, &pairing, &rules, title, settings, None)?;
    let settings = Settings { mode: Mode::Isolated, ..settings };
    let alone = check(quantized, graph, &pairing, &rules, title, settings, None)?;
    let local: HashMap<&str, &Record> =
        alone.records.iter().map(|record| (record.name.as_str(), record)).collect();
    let weights = Weights { float: float_graph, engine: quantized, graph };
    let layer = |record: &Record| {
        layer(record, local.get(record.name.as_str()).copied(), &pairs, float_graph, &weights)
    };
    let inner = |record: &&Record| {
        record.role != crate::Role::Input && record.role != crate::Role::Parameter
    };
    let layers: Vec<Layer> = report.records.iter().filter(inner).map(layer).collect();
    let paired: HashSet<&String> = pairs.values().collect();
    let constants = Constants::of(float_graph);
    let unmatched = float_graph
        .nodes
        .iter()
        .filter_map(|node| node.outputs.first().copied().flatten())
        .filter(|&id| !constants.contains(id))
        .map(|id| float_graph.name_of(id).to_owned())
        .filter(|name| !paired.contains(name))
        .collect();
    Ok(ModelDiff { layers, unmatched })
}

fn metrics(comparison: Option<&Comparison>) -> Option<&Metrics> {
    comparison?.metrics.as_ref()
}

fn layer(
    record: &Record,
    alone: Option<&Record>,
    pairs: &HashMap<String, String>,
    float: &Graph,
    weights: &Weights,
) -> Layer {
    let cumulative = metrics(record.cumulative.as_ref());
    let local = metrics(alone.and_then(|record| record.isolated.as_ref()));
    let name = pairs.get(&record.name).cloned().unwrap_or_default();
    let producer = float.by_name().get(name.as_str()).and_then(|id| float.producers()[id.index()]);
    let node = producer.map(|node| &float.nodes[node]);
    let clipped = local.or(cumulative).and_then(|metrics| {
        Some(100.0 * metrics.saturated?.got as f64 / metrics.elements.max(1) as f64)
    });
    Layer {
        name: record.name.clone(),
        op: node.map(|node| node.op.to_string()).unwrap_or_default(),
        local_sqnr: local.map(|metrics| metrics.sqnr_db),
        cumulative_sqnr: cumulative.map(|metrics| metrics.sqnr_db),
        weight_sqnr: node.and_then(|node| weights.sqnr(node, &record.name)),
        steps_rmse: local.and_then(|metrics| Some(metrics.steps.as_ref()?.rmse)),
        clipped,
        unused: cumulative.and_then(|metrics| unused(record.quantizer.as_ref()?, metrics)),
        float: name,
    }
}

/// The share of a quantizer's range between the least and the greatest number that is not used, for one scale.
fn unused(quantizer: &Quantizer, metrics: &Metrics) -> Option<f64> {
    let [low, high] = quantizer.range?;
    let [scale] = quantizer.scale[..] else { return None };
    let used = (metrics.range.got.max - metrics.range.got.min) / f64::from(scale);
    let all = (high - low) as f64;
    (used.is_finite() && all > 0.0).then(|| (100.0 * (1.0 - used / all)).max(0.0))
}

/// For each tensor of the quantized graph the tensor of the float graph that it stands for.
fn pairs(float: &Graph, quantized: &Graph) -> HashMap<String, String> {
    let mut pairs = by_name(float, quantized);
    let contractions = |graph: &Graph| -> Vec<ValueId> {
        let constants = Constants::of(graph);
        let nodes = graph.nodes.iter().filter(|node| is_contraction(node));
        nodes
            .filter_map(|node| node.outputs.first().copied()?)
            .filter(|&id| !constants.contains(id))
            .collect()
    };
    let (a, b) = (contractions(float), contractions(quantized));
    if a.len() == b.len() {
        for (a, b) in a.into_iter().zip(b) {
            let (name, counterpart) =
                (float.name_of(a), quantized.name_of(after_quantizer(quantized, b)));
            let known = pairs.values().any(|paired| paired == name);
            if !known {
                pairs.entry(counterpart.to_owned()).or_insert_with(|| name.to_owned());
            }
        }
    }
    for (&a, &b) in float.outputs.iter().zip(&quantized.outputs) {
        if float.outputs.len() == quantized.outputs.len() {
            pairs
                .entry(quantized.name_of(b).to_owned())
                .or_insert_with(|| float.name_of(a).to_owned());
        }
    }
    pairs
}

fn by_name(float: &Graph, quantized: &Graph) -> HashMap<String, String> {
    let known = quantized.by_name();
    let (constants, own) = (Constants::of(quantized), Constants::of(float));
    let made = float.nodes.iter().flat_map(Node::writes).filter(|&id| !own.contains(id));
    made.filter_map(|id| {
        let name = float.name_of(id);
        let same = known.get(name).copied().filter(|&id| !constants.contains(id))?;
        let counterpart = quantized.name_of(after_quantizer(quantized, same));
        Some((counterpart.to_owned(), name.to_owned()))
    })
    .collect()
}

/// The value behind a quantizer and a dequantizer that read `id`; else `id`.
fn after_quantizer(graph: &Graph, id: ValueId) -> ValueId {
    let only_reader = |id: ValueId, op: &str| {
        let mut readers = graph.nodes.iter().filter(|node| node.inputs.first() == Some(&Some(id)));
        let reader = readers.find(|node| node.op.op_type.ends_with(op))?;
        reader.outputs.first().copied().flatten()
    };
    let codes = only_reader(id, "QuantizeLinear");
    codes.and_then(|codes| only_reader(codes, "DequantizeLinear")).unwrap_or(id)
}

fn is_contraction(node: &Node) -> bool {
    ["Conv", "ConvTranspose", "Gemm", "MatMul"].iter().any(|op| node.op.is_onnx(op))
}

/// Keeps what is asked for.
struct Seen {
    wanted: HashSet<String>,
    tensors: HashMap<String, Tensor>,
}

impl Observer for Seen {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs.iter().filter(|_| event.scope.is_empty()) {
            if let (true, Value::Tensor(tensor)) = (self.wanted.contains(*name), value) {
                self.tensors.insert((*name).to_owned(), tensor.clone());
            }
        }
        Ok(())
    }
}

/// The float model's tensors under the names of the quantized one.
struct Paired<'a> {
    golden: &'a MemoryGolden,
    places: HashMap<&'a str, usize>,
}

impl<'a> Paired<'a> {
    fn new(golden: &'a MemoryGolden, pairs: &'a HashMap<String, String>) -> Self {
        let by_name: HashMap<&str, usize> = golden
            .entries()
            .iter()
            .enumerate()
            .map(|(i, entry)| (entry.name.as_str(), i))
            .collect();
        let place = |(name, float): (&'a String, &String)| {
            Some((name.as_str(), *by_name.get(float.as_str())?))
        };
        Self { golden, places: pairs.iter().filter_map(place).collect() }
    }
}

impl Pairing for Paired<'_> {
    fn golden(&self) -> &dyn GoldenSource {
        self.golden
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn read(&self, index: usize, _: &MadeTensor) -> Result<Found, GoldenError> {
        let reading =
            Reading { name: self.golden.entries()[index].name.clone(), ..Reading::default() };
        match self.golden.load(index)? {
            crate::Content::Tensor(tensor) => Ok(Found { tensor, reading }),
            _ => unreachable!("a golden in memory holds tensors"),
        }
    }
}

/// The weights of both models.
struct Weights<'a> {
    float: &'a Graph,
    engine: &'a dyn Engine,
    graph: &'a Graph,
}

impl Weights<'_> {
    /// Of the weights of a contraction of the float model, against those of the last contraction before `name`.
    fn sqnr(&self, node: &Node, name: &str) -> Option<f64> {
        if !is_contraction(node) {
            return None;
        }
        let weight = self.float.initializers.get(&node.inputs.get(1).copied()??)?;
        let id = *self.graph.by_name().get(name)?;
        let quantized = last_contraction(self.graph, id)?.inputs.get(1).copied()??;
        let made = match self.graph.initializers.get(&quantized) {
            Some(tensor) => tensor.clone(),
            None => {
                let part = self.graph.extract(&[], &[self.graph.name_of(quantized)]).ok()?;
                let inputs = Vec::new();
                self.engine.evaluate(part, inputs, None).ok()?.pop()?.into_tensor().ok()?
            }
        };
        let subject =
            Subject { kind: Kind::Plain, quantizer: None, elements: Elements::Any, scores: false };
        Some(measure(&made, weight, &subject).ok()?.sqnr_db)
    }
}

/// The contraction that a value comes from, through nodes with one input that is no constant.
fn last_contraction(graph: &Graph, mut id: ValueId) -> Option<&Node> {
    let (producers, constants) = (graph.producers(), Constants::of(graph));
    loop {
        let node = &graph.nodes[producers[id.index()]?];
        if is_contraction(node) {
            return Some(node);
        }
        let mut moving = node.reads().filter(|&id| !constants.contains(id));
        let only = moving.next()?;
        if moving.next().is_some() {
            return None;
        }
        id = only;
    }
}
