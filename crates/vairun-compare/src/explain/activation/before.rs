//! The model without one of its activations gives the golden.

use std::collections::HashSet;

use vairun_graph::{Graph, Node, ValueId};

use super::super::case::Case;
use super::super::pool_factor::bypass;
use super::{is_activation, moving};
use crate::check::Constants;
use crate::report::Explanation;

/// How many nodes an activation may be made of: `x · HardSigmoid(x)` behind quantizers of its own.
const DEEPEST: usize = 6;

/// Ways that are tried.
const MOST: usize = 24;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let graph = &case.part.as_ref()?.graph;
    let ways = ways(graph);
    case.first_of(&ways[..ways.len().min(MOST)], |&(i, before)| {
        let left = left_without(case, i, before)?;
        let node = &graph.nodes[i];
        case.explanation("activation", left, None, || {
            let from = graph.name_of(before);
            format!(
                "without `{}` ({}), as if the golden were from before it, from `{from}`: {left} differences",
                node.name, node.op
            )
        })
    })
}

/// Each activation with the tensors that it is computed from, the last one and its next first.
fn ways(graph: &Graph) -> Vec<(usize, ValueId)> {
    let constants = Constants::of(graph);
    let producers = graph.producers();
    let places = (0..graph.nodes.len()).rev().filter(|&i| is_activation(&graph.nodes[i]));
    let above =
        |i: usize| above(graph, &producers, &constants, i).into_iter().map(move |id| (i, id));
    places.flat_map(above).collect()
}

/// The tensors above a node, the nearest first.
fn above(
    graph: &Graph,
    producers: &[Option<usize>],
    constants: &Constants,
    node: usize,
) -> Vec<ValueId> {
    let mut found: Vec<ValueId> = Vec::new();
    let mut seen = HashSet::new();
    let mut level = vec![node];
    for _ in 0..DEEPEST {
        let read: Vec<ValueId> =
            level.iter().flat_map(|&i| moving(&graph.nodes[i], constants)).collect();
        let fresh: Vec<ValueId> = read.into_iter().filter(|&id| seen.insert(id)).collect();
        level = fresh
            .iter()
            .filter_map(|id| producers[id.index()])
            .filter(|&i| cheap(graph, i))
            .collect();
        found.extend(fresh);
    }
    found
}

/// Whether an activation may be made of such nodes; a convolution above it is another layer.
fn cheap(graph: &Graph, node: usize) -> bool {
    let node: &Node = &graph.nodes[node];
    is_activation(node)
        || node.op.op_type.contains("quantizeLinear")
        || node.op.op_type.contains("QuantizeLinear")
}

/// Elements that differ where readers of what the node makes read another tensor.
fn left_without(case: &Case, node: usize, before: ValueId) -> Option<u64> {
    let part = case.part.as_ref()?;
    let graph = &part.graph;
    let made = graph.nodes[node].outputs.first().copied().flatten()?;
    let given = graph.inputs.iter().position(|&id| id == before);
    // The node may be the last: without it the tensor is the other one, which the part may be given.
    match given.filter(|_| graph.outputs == [made]) {
        Some(place) => case.differing_of(part.inputs[place].as_tensor().ok()?),
        None => case.left_changed(|graph| {
            bypass(graph, made, before);
            true
        }),
    }
}
