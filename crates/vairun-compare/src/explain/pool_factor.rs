//! The factor that hardware puts after an average pool, missing on one side.

use vairun_graph::{Attributes, Graph, Node, OpId, ValueId};
use vairun_tensor::Tensor;

use super::case::Case;
use super::part::Part;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    without_factor(case).or_else(|| with_factor(case))
}

fn is_pool(node: &Node) -> bool {
    ["AveragePool", "GlobalAveragePool", "ReduceMean"].iter().any(|op| node.op.is_onnx(op))
}

fn without_factor(case: &Case) -> Option<Explanation> {
    let left = case.left_changed(remove_factor)?;
    case.explanation("pool_factor", left, None, || {
        format!("without the factor after the average pool: {left} differences")
    })
}

/// Lets the readers of a `Mul` by one number after an average pool read the pool; whether there is one.
fn remove_factor(graph: &mut Graph) -> bool {
    let producers = graph.producers();
    let is_pooled =
        |id: ValueId| producers[id.index()].is_some_and(|node| is_pool(&graph.nodes[node]));
    let factor = |node: &Node| {
        let [Some(a), Some(b)] = node.inputs[..] else { return None };
        let pooled = if is_pooled(a) { a } else { b };
        (node.op.is_onnx("Mul") && is_pooled(pooled)).then_some((node.outputs[0]?, pooled))
    };
    let found: Vec<(ValueId, ValueId)> = graph.nodes.iter().filter_map(factor).collect();
    found.iter().for_each(|&(from, to)| bypass(graph, from, to));
    !found.is_empty()
}

/// Lets the readers of `from` read `to`.
pub(super) fn bypass(graph: &mut Graph, from: ValueId, to: ValueId) {
    for id in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).flatten() {
        if *id == from {
            *id = to;
        }
    }
    for id in &mut graph.outputs {
        if *id == from {
            *id = to;
        }
    }
}

fn with_factor(case: &Case) -> Option<Explanation> {
    let counts = windows(case.part.as_ref()?);
    let factors: Vec<_> = counts.into_iter().flat_map(factors).collect();
    case.first_of(&factors, |(factor, name)| {
        let left = case.left_changed(|graph| insert_factor(graph, *factor))?;
        case.explanation("pool_factor", left, None, || {
            format!(
                "with the factor {name} of the hardware after the average pool: {left} differences"
            )
        })
    })
}

/// Elements under the windows of the average pools.
fn windows(part: &Part) -> Vec<usize> {
    let kernel = |node: &Node| match node.attributes.get("kernel_shape") {
        Some(vairun_graph::Attribute::Ints(sizes)) => {
            Some(sizes.iter().map(|&size| size.max(1) as usize).product())
        }
        _ => {
            let value =
                part.graph.inputs.iter().position(|id| node.inputs.first() == Some(&Some(*id)))?;
            let shape = part.inputs[value].as_tensor().ok()?.shape();
            Some(shape.iter().skip(2).product())
        }
    };
    part.graph.nodes.iter().filter(|node| is_pool(node)).filter_map(kernel).collect()
}

/// What an average over `count` elements is multiplied by where the division is a product and a shift.
///
/// Source: XIR's `pool-fix`: the table of vai_q_pytorch for 3×3, 5×5, 6×6, 7×7 and 14×14, and its search for others.
fn factors(count: usize) -> Vec<(f32, String)> {
    let table = match count {
        9 => Some((7, 6)),
        25 => Some((10, 8)),
        36 => Some((7, 8)),
        49 => Some((21, 10)),
        196 => Some((21, 12)),
        _ => None,
    };
    let mut found: Vec<(u32, u32)> = table.into_iter().collect();
    let mut best = f64::INFINITY;
    let mut searched = None;
    let count = count.max(1);
    for shift in 0..(128.0 * count as f64).log2().ceil() as u32 {
        let whole = 2f64.powi(shift as i32);
        let n = (whole / count as f64).round_ties_even();
        let error = (n / whole - 1.0 / count as f64).abs();
        if n >= 1.0 && error < best {
            best = error;
            searched = Some((n as u32, shift));
        }
    }
    found.extend(searched);
    let factor = |(n, shift): (u32, u32)| {
        let factor = (count as f64 * f64::from(n) / 2f64.powi(shift as i32)) as f32;
        (factor, format!("{count}·{n}/2^{shift} = {factor}"))
    };
    found.into_iter().map(factor).filter(|(factor, _)| *factor != 1.0).collect()
}

/// Multiplies every average pool by a number.
fn insert_factor(graph: &mut Graph, factor: f32) -> bool {
    let pools: Vec<usize> = (0..graph.nodes.len()).filter(|&i| is_pool(&graph.nodes[i])).collect();
    for &place in pools.iter().rev() {
        let Some(pooled) = graph.nodes[place].outputs[0] else { continue };
        let constant = graph.add_value(format!("{} factor", graph.name_of(pooled)));
        let product = graph.add_value(format!("{} with factor", graph.name_of(pooled)));
        graph.initializers.insert(constant, Tensor::scalar(factor));
        bypass(graph, pooled, product);
        let node = Node {
            name: format!("factor {place}"),
            op: OpId::new("", "Mul", 14),
            inputs: vec![Some(pooled), Some(constant)],
            outputs: vec![Some(product)],
            attributes: Attributes::new(),
        };
        graph.nodes.insert(place + 1, node);
    }
    !pools.is_empty()
}
