//! The codes of quantizers whose input is a constant.

use std::collections::{HashMap, HashSet};

use vairun_graph::{Graph, Node, ValueId};
use vairun_tensor::Tensor;

use crate::builder::Builder;
use crate::error::Error;
use crate::inputs::Inputs;

/// The outputs of all `vai::QuantizeLinear` of constants, by the value they make.
pub(super) fn codes(
    source: &vairun_graph::Model,
    builder: &Builder,
) -> Result<HashMap<ValueId, Tensor>, Error> {
    let graph = &source.graph;
    let fixed = fixed(graph);
    let quantizers = graph.nodes.iter().filter(|node| is_quantizer(node));
    let ids: Vec<ValueId> =
        quantizers.flat_map(Node::writes).filter(|id| fixed.contains(id)).collect();
    let names: Vec<&str> = ids.iter().map(|&id| graph.name_of(id)).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let part = graph.extract(&[], &names).map_err(|error| Error::Setting(error.to_string()))?;
    let part = vairun_graph::Model { graph: part, ..source.clone() };
    let made = builder.from_graph(part)?.run(Inputs::new())?;
    let made: HashMap<String, Tensor> = made
        .into_values()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.into_tensor().ok()?)))
        .collect();
    let found = ids.iter().filter_map(|&id| Some((id, made.get(graph.name_of(id))?.clone())));
    Ok(found.collect())
}

fn is_quantizer(node: &Node) -> bool {
    node.op.domain == "vai" && node.op.op_type == "QuantizeLinear"
}

/// The values that are the same in every run.
fn fixed(graph: &Graph) -> HashSet<ValueId> {
    let given: HashSet<_> = graph.inputs.iter().copied().collect();
    let mut fixed: HashSet<_> =
        graph.initializers.keys().copied().filter(|id| !given.contains(id)).collect();
    for node in &graph.nodes {
        let draws = ["Random", "Bernoulli", "Multinomial"];
        let is_random = draws.iter().any(|start| node.op.op_type.starts_with(start));
        if !is_random && node.reads().all(|id| fixed.contains(&id)) {
            fixed.extend(node.writes());
        }
    }
    fixed
}
