//! The golden was made without a bias.

use vairun_graph::{Graph, Node};

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let left = case.left_changed(|graph| case.has_shape() && remove(graph))?;
    case.explanation("bias", left, None, || {
        format!("without the bias of the convolutions and products: {left} differences")
    })
}

/// The place of the bias.
fn place(node: &Node) -> Option<usize> {
    match node.op.op_type.as_str() {
        "Conv" | "ConvTranspose" | "Gemm" | "FusedConv" | "FusedGemm" => Some(2),
        "QLinearConv" => Some(8),
        _ => None,
    }
}

/// Removes every bias; whether there was any.
fn remove(graph: &mut Graph) -> bool {
    let mut removed = false;
    for node in &mut graph.nodes {
        if let Some(place) = place(node)
            && node.inputs.get(place).copied().flatten().is_some()
        {
            node.inputs.truncate(place);
            removed = true;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use vairun_graph::{Attributes, OpId};

    use super::*;

    #[test]
    fn a_bias_is_the_last_input() {
        let mut graph = Graph::default();
        let ids = ["x", "w", "b", "y"].map(|name| Some(graph.add_value(name)));
        graph.nodes.push(Node {
            name: "n".into(),
            op: OpId::new("", "Conv", 13),
            inputs: ids[..3].to_vec(),
            outputs: vec![ids[3]],
            attributes: Attributes::new(),
        });
        assert!(remove(&mut graph));
        assert_eq!(graph.nodes[0].inputs.len(), 2);
        assert!(!remove(&mut graph));
    }
}
