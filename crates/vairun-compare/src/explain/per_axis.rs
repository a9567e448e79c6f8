//! The golden was made with other scales than those of its channels: one for all, or along another dimension.

use vairun_graph::{Attribute, Graph, Node, ValueId};
use vairun_numeric::variation::Variation;
use vairun_ops::quant::varied::constant_of;
use vairun_tensor::Tensor;

use super::case::Case;
use crate::report::Explanation;

/// What was done with the scales of the channels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The first channel's are taken for all.
    First,
    /// Those of the channel with the largest scale are taken for all.
    Largest,
    /// They stand in reversed order.
    Reversed,
    /// They run along that dimension.
    Along(i64),
}

const WAYS: [Way; 7] = [
    Way::First,
    Way::Largest,
    Way::Reversed,
    Way::Along(0),
    Way::Along(1),
    Way::Along(2),
    Way::Along(3),
];

pub(super) fn test(case: &Case) -> Option<Explanation> {
    if !case.has_shape() {
        return None;
    }
    let first = Variation { first_channel: true, ..Variation::default() };
    let of_last = case.left_by(&first).filter(|left| case.holds(*left));
    if let Some(left) = of_last {
        let proof = case.vary_option("first-channel");
        return case.explanation("per_axis", left, proof, || {
            format!("with the first channel's scale for all channels: {left} differences")
        });
    }
    // In dequantizers alone or in quantizers too; the zero points with the scales or not.
    let kinds = [(true, true), (true, false), (false, true), (false, false)];
    let graph = &case.part.as_ref()?.graph;
    let mut tried = vec![parameters(graph)];
    let mut new = |&(way, kind): &(Way, (bool, bool))| {
        let mut graph = graph.clone();
        change(&mut graph, way, kind) && is_new(&graph, &mut tried)
    };
    let ways = WAYS.into_iter().flat_map(|way| kinds.map(|kind| (way, kind)));
    let ways: Vec<_> = ways.filter(&mut new).collect();
    case.first_of(&ways, |&(way, kind)| {
        let left = case.left_changed(|graph| change(graph, way, kind))?;
        case.explanation("per_axis", left, None, || {
            let where_ = if kind.0 { " of the dequantizers" } else { "" };
            format!("with {}{where_}: {left} differences", words(way))
        })
    })
}

fn words(way: Way) -> String {
    match way {
        Way::First => "the first channel's scale for all channels".to_owned(),
        Way::Largest => "the largest channel's scale for all channels".to_owned(),
        Way::Reversed => "the scales of the channels in reversed order".to_owned(),
        Way::Along(axis) => format!("the scales along dimension {axis} instead of the model's"),
    }
}

/// Where a node has its scale, its zero point, and its dimension where that is an input.
fn places(node: &Node, only_dequantizers: bool) -> Option<(usize, usize, Option<usize>)> {
    let vai = node.op.domain == "vai";
    match node.op.op_type.as_str() {
        "DequantizeLinear" if vai => Some((1, 2, Some(3))),
        "VitisDequantizeLinear" | "ExtendedDequantizeLinear" | "DequantizeLinear" => {
            Some((1, 2, None))
        }
        _ if only_dequantizers => None,
        "QuantizeLinear" if vai => Some((3, 4, Some(6))),
        "VitisQuantizeLinear" | "ExtendedQuantizeLinear" | "QuantizeLinear" => Some((1, 2, None)),
        "QLinearConv" | "QLinearMatMul" => Some((4, 5, None)),
        _ => None,
    }
}

/// Whether the parameters are others than all that were tried: most ways are the same where zero points are zero.
fn is_new(graph: &Graph, tried: &mut Vec<Vec<u8>>) -> bool {
    let parameters = parameters(graph);
    let new = !tried.contains(&parameters);
    if new {
        tried.push(parameters);
    }
    new
}

/// Everything that [`change`] changes.
fn parameters(graph: &Graph) -> Vec<u8> {
    let mut all = Vec::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        let Some((scale, zero_point, axis)) = places(node, false) else { continue };
        let tensors = [Some(scale), Some(zero_point), axis];
        let tensors = tensors.into_iter().flatten().filter_map(|place| parameter(graph, i, place));
        all.extend(tensors.filter_map(Tensor::as_bytes).flatten());
        if let Some(Attribute::Int(axis)) = node.attributes.get("axis") {
            all.extend(axis.to_le_bytes());
        }
        all.extend(i.to_le_bytes());
    }
    all
}

/// Changes all scales that have channels; whether there were any.
fn change(
    graph: &mut Graph,
    way: Way,
    (only_dequantizers, with_zero_points): (bool, bool),
) -> bool {
    let mut changed = false;
    for i in 0..graph.nodes.len() {
        let Some((scale, zero_point, axis)) = places(&graph.nodes[i], only_dequantizers) else {
            continue;
        };
        changed |= match way {
            Way::Along(to) => turn(graph, i, (scale, axis), to),
            _ => {
                let order = order(graph, i, scale, way);
                order.is_some_and(|order| {
                    if with_zero_points {
                        pick(graph, i, zero_point, &order);
                    }
                    pick(graph, i, scale, &order)
                })
            }
        };
    }
    changed
}

fn parameter(graph: &Graph, node: usize, place: usize) -> Option<&Tensor> {
    constant_of(graph, graph.nodes[node].inputs.get(place).copied().flatten()?)
}

/// For each channel the one whose scale it is given; `None` where nothing would change.
fn order(graph: &Graph, node: usize, place: usize, way: Way) -> Option<Vec<usize>> {
    let scales = parameter(graph, node, place)?.as_slice::<f32>().ok()?;
    let largest = || (0..scales.len()).max_by(|&a, &b| scales[a].total_cmp(&scales[b]));
    let order: Vec<usize> = match way {
        Way::First => vec![0; scales.len()],
        Way::Largest => vec![largest()?; scales.len()],
        _ => (0..scales.len()).rev().collect(),
    };
    order.iter().enumerate().any(|(i, &from)| scales[i] != scales[from]).then_some(order)
}

/// Gives a node the elements of one of its parameters in that order; whether it has as many.
fn pick(graph: &mut Graph, node: usize, place: usize, order: &[usize]) -> bool {
    let Some(old) = parameter(graph, node, place).filter(|old| old.len() == order.len()) else {
        return false;
    };
    let Some(bytes) = old.as_bytes().filter(|bytes| !bytes.is_empty()) else { return false };
    let width = bytes.len() / order.len();
    let picked: Vec<u8> =
        order.iter().flat_map(|&from| &bytes[from * width..][..width]).copied().collect();
    match Tensor::from_le_bytes(old.dtype(), old.shape(), &picked) {
        Ok(tensor) => give(graph, node, place, tensor),
        Err(_) => return false,
    }
    true
}

/// Gives one node, and no other, a constant.
fn give(graph: &mut Graph, node: usize, place: usize, tensor: Tensor) {
    let id: ValueId = graph.add_value(format!("changed input {place} of node {node}"));
    graph.initializers.insert(id, tensor);
    graph.nodes[node].inputs[place] = Some(id);
}

/// Lets the scales run along another dimension; whether they did not.
fn turn(graph: &mut Graph, node: usize, (scale, axis): (usize, Option<usize>), to: i64) -> bool {
    if parameter(graph, node, scale).is_none_or(|scales| scales.len() < 2) {
        return false;
    }
    let Some(place) = axis else {
        let old = graph.nodes[node].attributes.insert("axis".into(), Attribute::Int(to));
        return !matches!(old, Some(Attribute::Int(old)) if old == to);
    };
    let Some(old) = parameter(graph, node, place) else { return false };
    let dtype = old.dtype();
    let Some(new) = crate::check::cast(&Tensor::scalar(to), dtype) else { return false };
    let Ok(new) = new.reshaped(old.shape()) else { return false };
    let changed = !new.bits_eq(old);
    give(graph, node, place, new);
    changed
}

#[cfg(test)]
mod tests {
    use vairun_graph::{Attributes, OpId};

    use super::*;

    /// `w → DequantizeLinear → y` with the scales 1, 2, 4.
    fn graph() -> Graph {
        let mut graph = Graph::default();
        let [w, s, z, y] = ["w", "s", "z", "y"].map(|name| graph.add_value(name));
        graph.initializers.insert(s, Tensor::vector(vec![1f32, 2.0, 4.0]));
        graph.initializers.insert(z, Tensor::vector(vec![5i8, 6, 7]));
        graph.nodes.push(Node {
            name: "n".into(),
            op: OpId::new("", "DequantizeLinear", 13),
            inputs: vec![Some(w), Some(s), Some(z)],
            outputs: vec![Some(y)],
            attributes: Attributes::new(),
        });
        graph
    }

    fn scales(graph: &Graph) -> (&[f32], &[i8]) {
        let get = |place| parameter(graph, 0, place).unwrap();
        (get(1).as_slice::<f32>().unwrap(), get(2).as_slice::<i8>().unwrap())
    }

    #[test]
    fn scales_and_zero_points_change_together_for_one_node() {
        for (way, scale, zero_point) in [
            (Way::First, [1.0, 1.0, 1.0], [5, 5, 5]),
            (Way::Largest, [4.0, 4.0, 4.0], [7, 7, 7]),
            (Way::Reversed, [4.0, 2.0, 1.0], [7, 6, 5]),
        ] {
            let mut graph = graph();
            assert!(change(&mut graph, way, (true, true)));
            assert_eq!(scales(&graph), (&scale[..], &zero_point[..]));
            assert!(!change(&mut graph, Way::First, (true, true)) || way == Way::Reversed);
        }
    }

    #[test]
    fn another_dimension_is_an_attribute() {
        let mut graph = graph();
        assert!(change(&mut graph, Way::Along(0), (true, true)));
        assert!(matches!(graph.nodes[0].attributes.get("axis"), Some(Attribute::Int(0))));
    }
}
