//! What the model makes of the tensor further on is the golden.

use std::collections::HashSet;

use vairun_graph::{Graph, ValueId};

use super::super::case::Case;
use super::is_activation;
use crate::report::Explanation;

/// How many nodes an activation may be made of.
const DEEPEST: usize = 6;

/// Tensors that are tried.
const MOST: usize = 12;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let graph = case.whole;
    let start = *graph.by_name().get(case.record.name.as_str())?;
    below(graph, start).into_iter().take(MOST).find_map(|(node, after)| {
        let name = graph.name_of(after);
        let part = graph.extract(&[&case.record.name], &[name]).ok()?;
        // What is computed from other tensors as well is no function of this one.
        if part.inputs.len() != 1 || !part.nodes.iter().any(is_activation) {
            return None;
        }
        let made = case.engine().evaluate(part, vec![case.got.clone().into()], None).ok()?;
        let made = made.into_iter().next()?.into_tensor().ok()?;
        let left = case.differing_of(&made.without_dequantized())?;
        let node = &graph.nodes[node];
        case.explanation("activation", left, None, || {
            format!(
                "what `{}` ({}) makes of it, as if the golden were from after it, from `{name}`: {left} differences",
                node.name, node.op
            )
        })
    })
}

/// The tensors that are made from one within a few nodes, in execution order, each with its node.
fn below(graph: &Graph, start: ValueId) -> Vec<(usize, ValueId)> {
    let mut depth = vec![usize::MAX; graph.values.len()];
    depth[start.index()] = 0;
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        let nearest = node.reads().map(|id| depth[id.index()]).min().unwrap_or(usize::MAX);
        if nearest >= DEEPEST {
            continue;
        }
        for id in node.writes().filter(|id| seen.insert(*id)).take(1) {
            depth[id.index()] = nearest + 1;
            found.push((i, id));
        }
    }
    found
}
