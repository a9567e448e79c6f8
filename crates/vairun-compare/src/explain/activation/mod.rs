//! The golden is from before or after an activation, or another node that keeps the shape.

use vairun_graph::{Graph, Node, ValueId};
use vairun_numeric::variation::Variation;

use super::case::Case;
use super::pool_factor::bypass;
use crate::check::Constants;
use crate::report::Explanation;

type Function = fn(f64) -> f64;

/// Activations that may be missing in what makes the golden.
const FUNCTIONS: [(&str, Function); 6] = [
    ("Relu", |x| x.max(0.0)),
    ("Relu6 (0 … 6)", |x| x.clamp(0.0, 6.0)),
    ("LeakyRelu 0.1", |x| if x < 0.0 { 0.1 * x } else { x }),
    ("LeakyRelu 26/256", |x| if x < 0.0 { x * 26.0 / 256.0 } else { x }),
    ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
    ("Tanh", f64::tanh),
];

pub(super) fn test(case: &Case) -> Option<Explanation> {
    without_a_node(case).or_else(|| with_a_function(case)).or_else(|| before_a_clip(case))
}

/// The model without one of its nodes gives the golden.
fn without_a_node(case: &Case) -> Option<Explanation> {
    let graph = &case.part.as_ref()?.graph;
    let constants = Constants::of(graph);
    let candidates: Vec<(usize, ValueId, ValueId)> = graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| is_activation(node))
        .filter_map(|(i, node)| Some((i, node.outputs.first().copied()??, data(node, &constants)?)))
        .collect();
    candidates.into_iter().rev().find_map(|(i, output, input)| {
        let changed = case.changed(|graph| skip(graph, output, input))?;
        let left = case.differing_of(&changed)?;
        let node = &graph.nodes[i];
        case.explanation("activation", left, None, || {
            format!(
                "without `{}` ({}), as if the golden were from before it: {left} differences",
                node.name, node.op
            )
        })
    })
}

/// The only input that is no constant.
fn data(node: &Node, constants: &Constants) -> Option<ValueId> {
    let mut moving = node.inputs.iter().flatten().copied().filter(|&id| !constants.contains(id));
    let only = moving.next()?;
    moving.next().is_none().then_some(only)
}

fn is_activation(node: &Node) -> bool {
    const KNOWN: [&str; 20] = [
        "Relu",
        "Clip",
        "LeakyRelu",
        "PRelu",
        "HardSwish",
        "HardSigmoid",
        "Sigmoid",
        "Tanh",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Softplus",
        "Softsign",
        "ThresholdedRelu",
        "Mish",
        "Softmax",
        "LogSoftmax",
        "Add",
        "Mul",
    ];
    node.op.domain.is_empty() && KNOWN.contains(&node.op.op_type.as_str())
}

fn skip(graph: &mut Graph, output: ValueId, input: ValueId) -> bool {
    bypass(graph, output, input);
    // Where it was the input of the part itself there is nothing left to compute.
    let made = graph.producers();
    graph.outputs.iter().all(|id| made[id.index()].is_some())
}

/// The model's tensor after a further activation is the golden; or before quantizing, where a quantizer follows.
fn with_a_function(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    FUNCTIONS.into_iter().find_map(|(name, function)| {
        let left = match case.tail() {
            Some(tail) => case.differing_of(&tail.mapped(case.engine(), function)?)?,
            None => {
                let far = |(got, want): &(f64, f64)| !numbers.same(function(*got), *want);
                numbers.pairs().filter(far).count() as u64
            }
        };
        case.explanation("activation", left, None, || {
            format!("with {name} applied as well, as if the golden were from after it: {left} differences")
        })
    })
}

/// The golden where it is within the model's range is the model's: a clip is missing that the model has.
fn before_a_clip(case: &Case) -> Option<Explanation> {
    if case.tail().is_some_and(|_| case.left_by(&Variation::default()) != Some(case.differing())) {
        return None;
    }
    let numbers = case.numbers()?;
    let low = numbers.got.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.got.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let outside = numbers.want.iter().filter(|x| **x < low || **x > high).count();
    if outside == 0 || low >= high {
        return None;
    }
    let far = |(got, want): &(f64, f64)| !numbers.same(*got, want.clamp(low, high));
    let left = numbers.pairs().filter(far).count() as u64;
    case.explanation("activation", left, None, || {
        format!("the golden, cut off at {low} and {high}, is the model's tensor: it is from before an activation")
    })
}
