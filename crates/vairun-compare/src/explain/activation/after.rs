//! What the model makes of the tensor further on is the golden.

use std::collections::HashSet;

use vairun_graph::{Graph, ValueId};

use super::super::case::Case;
use super::super::part::Part;
use super::is_activation;
use crate::report::Explanation;

/// How many nodes an activation may be made of.
const DEEPEST: usize = 6;

/// Tensors that are tried.
const MOST: usize = 12;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let graph = case.whole;
    let start = *graph.by_name().get(case.record.name.as_str())?;
    let candidates: Vec<_> = below(graph, start)
        .into_iter()
        .take(MOST)
        .filter(|&(_, id)| is_function(case, id))
        .collect();
    let names: Vec<&str> = candidates.iter().map(|&(_, id)| graph.name_of(id)).collect();
    let part = graph.extract(&[&case.record.name], &names).ok()?;
    let part = Part::new(part, vec![case.got.clone().into()]);
    candidates.into_iter().enumerate().find_map(|(i, (node, after))| {
        let name = graph.name_of(after);
        let made = part.values(case.engine(), &[part.graph.outputs[i]])?.pop()?;
        let made = made.into_tensor().ok()?;
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

/// Whether a tensor is made from the case's alone, through an activation.
fn is_function(case: &Case, id: ValueId) -> bool {
    let part = case.whole.extract(&[&case.record.name], &[case.whole.name_of(id)]);
    // What is computed from other tensors as well is no function of this one.
    part.is_ok_and(|part| part.inputs.len() == 1 && part.nodes.iter().any(is_activation))
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
