//! A leaky rectifier with another slope: hardware has 26/256 for 0.1.

use vairun_graph::{Attribute, Graph};

use super::case::Case;
use crate::report::Explanation;

/// The slopes that are tried.
const SLOPES: [(f32, &str); 4] =
    [(26.0 / 256.0, "26/256"), (0.1, "0.1"), (0.01, "0.01"), (0.125, "1/8")];

pub(super) fn test(case: &Case) -> Option<Explanation> {
    SLOPES.into_iter().find_map(|(slope, name)| {
        let left = case.left_changed(|graph| set_slope(graph, slope))?;
        case.explanation("leaky_slope", left, None, || {
            format!("with the slope {name} in LeakyRelu: {left} differences")
        })
    })
}

/// Gives every LeakyRelu that slope; whether that changes any.
fn set_slope(graph: &mut Graph, slope: f32) -> bool {
    let mut changed = false;
    for node in graph.nodes.iter_mut().filter(|node| node.op.is_onnx("LeakyRelu")) {
        let old = match node.attributes.get("alpha") {
            Some(Attribute::Float(alpha)) => *alpha,
            // The default of ONNX.
            _ => 0.01,
        };
        changed |= old != slope;
        node.attributes.insert("alpha".into(), Attribute::Float(slope));
    }
    changed
}
