//! The golden was made with the first channel's scale for all channels.

use vairun_graph::{Graph, ValueId};
use vairun_numeric::variation::Variation;
use vairun_tensor::Tensor;

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let first = Variation { first_channel: true, ..Variation::default() };
    let of_last = case.left_by(&first).filter(|left| case.holds(*left));
    if let Some(left) = of_last {
        let proof = case.vary_option("first-channel");
        return case.explanation("per_axis", left, proof, || {
            format!("with the first channel's scale for all channels: {left} differences")
        });
    }
    let left = case.differing_of(&case.changed(flatten_scales)?)?;
    case.explanation("per_axis", left, None, || {
        format!("with the first channel's scale for all channels of the dequantizers: {left} differences")
    })
}

/// Makes all scales of dequantizers that of their first channel; whether there was any to change.
fn flatten_scales(graph: &mut Graph) -> bool {
    let scales: Vec<ValueId> = graph
        .nodes
        .iter()
        .filter(|node| node.op.op_type.contains("DequantizeLinear"))
        .filter_map(|node| node.inputs.get(1).copied().flatten())
        .collect();
    let mut changed = false;
    for id in scales {
        let Some(tensor) = graph.initializers.get_mut(&id) else { continue };
        let Ok(&[first, ref rest @ ..]) = tensor.as_slice::<f32>() else { continue };
        if rest.iter().any(|scale| *scale != first) {
            let flat = Tensor::new(tensor.shape(), vec![first; rest.len() + 1]);
            *tensor = flat.expect("as many as before");
            changed = true;
        }
    }
    changed
}
