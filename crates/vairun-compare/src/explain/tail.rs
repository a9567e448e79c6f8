//! The last quantizer before a tensor.

use vairun_graph::{Graph, Node, ValueId};
use vairun_numeric::round::Round;
use vairun_numeric::variation::Variation;
use vairun_ops::quant::varied::{constant_of, is_varied, own_rounding};
use vairun_tensor::{Tensor, Value};

use super::part::Part;
use crate::check::{Constants, Engine};
use crate::measure::lanes;

/// What lies between the input of the last quantizer and the tensor: the quantizer, and what only passes codes on.
pub(super) struct Tail {
    graph: Graph,
    inputs: Vec<Value>,
    /// The name of the quantizer's output.
    pub(super) quantizer: String,
    /// How the quantizer rounds by itself.
    pub(super) round: Option<Round>,
    /// Whether the model has this quantizer; otherwise it is a part of an operator on codes.
    pub(super) own: bool,
    /// Whether it makes exactly what the model makes.
    pub(super) exact: bool,
}

impl Tail {
    /// `None` where there is no quantizer, or where it does not round as its plain form does: deviations from that would
    /// say nothing.
    pub(super) fn of(part: &Part, engine: &dyn Engine, got: &Tensor, own: bool) -> Option<Self> {
        let graph = &part.graph;
        let output = *graph.outputs.first()?;
        let node = last_quantizer(graph, output)?;
        let x = node.inputs.first().copied().flatten()?;
        let quantizer = graph.name_of(node.outputs.first().copied().flatten()?).to_owned();
        let (x_name, y_name) = (graph.name_of(x), graph.name_of(output));
        let value = part.values(engine, &[x])?.pop()?;
        let tail = if graph.initializers.contains_key(&x) {
            graph.extract(&[], &[y_name]).ok()?
        } else {
            graph.extract(&[x_name], &[y_name]).ok()?
        };
        let given = |&id: &ValueId| match tail.name_of(id) {
            name if name == x_name => Some(value.clone()),
            name => input_of(part, name),
        };
        let inputs = tail.inputs.iter().map(given).collect::<Option<Vec<_>>>()?;
        let round = own_rounding(graph, node);
        let mut tail = Self { graph: tail, inputs, quantizer, round, own, exact: false };
        let plain = tail.evaluate(engine, &Variation::default())?;
        tail.exact = plain.bits_eq(got);
        (tail.exact || (!own && nearly(&plain, got))).then_some(tail)
    }

    /// The same of other numbers.
    pub(super) fn with(&self, numbers: Tensor) -> Self {
        let mut inputs = self.inputs.clone();
        inputs[0] = numbers.into();
        let (graph, quantizer) = (self.graph.clone(), self.quantizer.clone());
        Self { graph, inputs, quantizer, ..*self }
    }

    /// Whether each element of the tensor depends on one element of what is quantized alone, wherever that stands.
    pub(super) fn is_elementwise(&self) -> bool {
        let constants = Constants::of(&self.graph);
        let small = |id: &ValueId| self.graph.initializers.get(id).is_some_and(|t| t.len() == 1);
        let elementwise =
            |node: &Node| is_varied(&node.op) || node.op.op_type.ends_with("DequantizeLinear");
        let fixed = |node: &Node| node.writes().all(|id| constants.contains(id));
        self.inputs.len() == 1
            && self.graph.nodes.iter().all(|node| elementwise(node) || fixed(node))
            && self.graph.nodes.iter().filter(|node| !fixed(node)).all(|node| {
                node.reads().filter(|id| constants.contains(*id)).all(|id| {
                    small(&id) || constant_of(&self.graph, id).is_some_and(|t| t.len() == 1)
                })
            })
    }

    /// The tensor when the quantizer deviates.
    pub(super) fn evaluate(&self, engine: &dyn Engine, variation: &Variation) -> Option<Tensor> {
        let made = engine.evaluate(self.graph.clone(), self.inputs.clone(), Some(variation));
        made.ok()?.into_iter().next()?.into_tensor().ok()
    }

    /// The same with what is quantized multiplied by a factor.
    pub(super) fn scaled(&self, engine: &dyn Engine, factor: f32) -> Option<Tensor> {
        self.mapped(engine, |x| x * f64::from(factor))
    }

    /// The same with a function of what is quantized.
    pub(super) fn mapped(&self, engine: &dyn Engine, f: impl Fn(f64) -> f64) -> Option<Tensor> {
        let x = self.quantized()?;
        let mapped = x.as_slice::<f32>().ok()?.iter().map(|&x| f(x.into()) as f32).collect();
        self.of_numbers(engine, Tensor::new(x.shape(), mapped).ok()?)
    }

    /// What is quantized.
    pub(super) fn quantized(&self) -> Option<&Tensor> {
        self.inputs.first()?.as_tensor().ok()
    }

    /// The same with other numbers to quantize.
    pub(super) fn of_numbers(&self, engine: &dyn Engine, numbers: Tensor) -> Option<Tensor> {
        let made = engine.evaluate(self.graph.clone(), self.with(numbers).inputs, None);
        made.ok()?.into_iter().next()?.into_tensor().ok()
    }
}

/// What the last quantizer of a part quantizes.
pub(super) fn quantized(graph: &Graph) -> Option<ValueId> {
    last_quantizer(graph, *graph.outputs.first()?)?.inputs.first().copied().flatten()
}

/// Whether so few elements differ that explanations still tell something: operators on codes round their sums otherwise
/// than their parts do, at ties.
fn nearly(a: &Tensor, b: &Tensor) -> bool {
    let (Some(x), Some(y)) = (lanes::to_f64(a), lanes::to_f64(b)) else { return false };
    let differing = x.iter().zip(&y).filter(|(x, y)| x != y).count();
    a.shape() == b.shape() && differing * 1000 <= x.len()
}

/// The quantizer that `id` comes from, through nodes with one input that is no constant.
fn last_quantizer(graph: &Graph, mut id: ValueId) -> Option<&Node> {
    let producers = graph.producers();
    let constants = Constants::of(graph);
    // For a constant everything is: then the first input leads back.
    let all_fixed = constants.contains(id);
    loop {
        let node = &graph.nodes[producers[id.index()]?];
        if is_varied(&node.op) {
            return Some(node);
        }
        let moving: Vec<ValueId> = if all_fixed {
            node.inputs.iter().flatten().copied().take(1).collect()
        } else {
            node.reads().filter(|&id| !constants.contains(id)).collect()
        };
        let [only] = moving[..] else { return None };
        id = only;
    }
}

fn input_of(part: &Part, name: &str) -> Option<Value> {
    let place = part.graph.inputs.iter().position(|&id| part.graph.name_of(id) == name)?;
    part.inputs.get(place).cloned()
}
