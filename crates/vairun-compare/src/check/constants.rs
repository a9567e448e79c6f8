//! What is the same in every run.

use std::collections::HashMap;

use vairun_graph::{Graph, Node, ValueId};
use vairun_tensor::Tensor;

/// Which values of a graph do not depend on its inputs.
pub(crate) struct Constants {
    fixed: Vec<bool>,
}

impl Constants {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut fixed = vec![false; graph.values.len()];
        let defaults = |id: &ValueId| graph.inputs.contains(id);
        graph
            .initializers
            .keys()
            .filter(|id| !defaults(id))
            .for_each(|id| fixed[id.index()] = true);
        for node in &graph.nodes {
            if !is_random(node) && node.reads().all(|id| fixed[id.index()]) {
                node.writes().for_each(|id| fixed[id.index()] = true);
            }
        }
        Self { fixed }
    }

    pub(crate) fn contains(&self, id: ValueId) -> bool {
        self.fixed[id.index()]
    }
}

pub(super) fn is_random(node: &Node) -> bool {
    let op = node.op.op_type.as_str();
    op.starts_with("Random") || matches!(op, "Multinomial" | "Bernoulli")
}

/// The graph with the given tensors as constants, whatever computed these before.
pub(crate) fn with_constants(graph: &Graph, tensors: HashMap<ValueId, Tensor>) -> Graph {
    let mut graph = graph.clone();
    for node in &mut graph.nodes {
        for output in &mut node.outputs {
            *output = output.filter(|id| !tensors.contains_key(id));
        }
    }
    graph.nodes.retain(|node| node.writes().next().is_some());
    graph.initializers.extend(tensors);
    graph
}
