//! Faults of other nodes, and models that were changed before the golden was made.

use anyhow::{Context, Result};
use vairun::Tensor;
use vairun::graph::{Attribute, Graph, Node, ValueId};

use super::codes::{differs, like};
use super::subject::{Fault, Subject};
use crate::material::numbers;

/// Every fault that has an effect.
pub(super) fn faults(subject: &Subject) -> Result<Vec<Fault>> {
    let mut found = activations(subject)?;
    found.extend(without_activation(subject)?);
    found.extend(first_scale(subject)?);
    found.extend(pool_factor(subject)?);
    found.extend(without_pool_factor(subject)?);
    found.extend(without_bias(subject)?);
    found.extend(weights(subject)?);
    Ok(found)
}

const ACTIVATIONS: [&str; 7] =
    ["Relu", "PRelu", "Clip", "HardSigmoid", "LeakyRelu", "HardSwish", "Sigmoid"];

/// What stands for an activation's output is its input, and the other way round.
fn activations(subject: &Subject) -> Result<Vec<Fault>> {
    let mut found = Vec::new();
    for kind in ACTIVATIONS {
        let differing =
            subject.graph().nodes.iter().filter(|node| node.op.op_type == kind).find(|node| {
                let (Some(x), Some(y)) = (subject.input(node, 0), subject.output(node)) else {
                    return false;
                };
                let pair = subject.right.get(x).zip(subject.right.get(y));
                pair.is_some_and(|(x, y)| differs(x, y).unwrap_or(false))
            });
        let Some(node) = differing else { continue };
        let (x, y) = (subject.input(node, 0).context("x")?, subject.output(node).context("y")?);
        let plain = |name: &str| subject.right[name].clone().without_dequantized();
        found.push(subject.lasting("activation", y, plain(x))?);
        found.push(subject.stored("activation", y, plain(x)));
        if !subject.inputs.contains_key(x) {
            found.push(subject.stored("activation", x, plain(y)));
        }
    }
    Ok(found)
}

/// Lets readers of `from` read `to`.
fn bypass(graph: &mut Graph, from: ValueId, to: ValueId) {
    let read = graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).flatten();
    read.filter(|id| **id == from).for_each(|id| *id = to);
}

/// A model without one of its activations: the tensor that is made of it is the first that differs.
fn without_activation(subject: &Subject) -> Result<Option<Fault>> {
    let graph = subject.graph();
    for node in graph.nodes.iter().filter(|node| ACTIVATIONS.contains(&node.op.op_type.as_str())) {
        let (Some(x), Some(y)) = (node.inputs[0], node.outputs[0]) else { continue };
        let reads = |other: &&Node| other.inputs.first().copied().flatten() == Some(y);
        let Some(next) = graph.nodes.iter().find(reads).and_then(|next| subject.output(next))
        else {
            continue;
        };
        let mut changed = graph.clone();
        bypass(&mut changed, y, x);
        // The activation itself is still computed, and right: the golden of such a model does not have it.
        if let Some(mut fault) = subject.changed("activation", next, changed)? {
            fault.golden.remove(graph.name_of(y));
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

/// A dequantizer of weights takes the first channel's scale for all.
fn first_scale(subject: &Subject) -> Result<Option<Fault>> {
    let graph = subject.graph();
    for (i, node) in graph.nodes.iter().enumerate() {
        let Some(scale) = subject.input(node, 1).and_then(|scale| subject.model.constant(scale))
        else {
            continue;
        };
        if node.op.op_type != "DequantizeLinear" || scale.len() < 2 {
            continue;
        }
        let mut changed = graph.clone();
        let flat = Tensor::new(scale.shape(), vec![scale.as_slice::<f32>()?[0]; scale.len()])?;
        let id = changed.add_value("flat scale");
        changed.initializers.insert(id, flat);
        changed.nodes[i].inputs[1] = Some(id);
        let y = subject.output(node).context("an output")?;
        return subject.changed("per_axis", y, changed);
    }
    Ok(None)
}

/// A factor behind the first average pool that the model does not have.
fn pool_factor(subject: &Subject) -> Result<Option<Fault>> {
    let Some((pooled, count)) = pool(subject) else { return Ok(None) };
    if count.is_power_of_two() {
        return Ok(None);
    }
    // The search of the hardware's tools for n / 2^m near 1 / count.
    let mut best = (f64::INFINITY, 1.0);
    for m in 0..(128.0 * count as f64).log2().ceil() as i32 {
        let n = (2f64.powi(m) / count as f64).round_ties_even();
        let error = (n / 2f64.powi(m) - 1.0 / count as f64).abs();
        if n > 0.0 && error < best.0 {
            best = (error, count as f64 * n / 2f64.powi(m));
        }
    }
    let tensor = &subject.right[&pooled];
    let product: Vec<f64> =
        numbers(tensor)?.iter().map(|x| f64::from(*x as f32 * best.1 as f32)).collect();
    let faulty = like(tensor, &product)?;
    if !differs(&faulty, tensor)? {
        return Ok(None);
    }
    subject.lasting("pool_factor", &pooled, faulty).map(Some)
}

/// The first average pool and what it divides by.
fn pool(subject: &Subject) -> Option<(String, usize)> {
    let node = subject.graph().nodes.iter().find(|node| node.op.is_onnx("GlobalAveragePool"))?;
    let x = &subject.right[subject.input(node, 0)?];
    Some((subject.output(node)?.to_owned(), x.shape()[2..].iter().product()))
}

/// The factor that the model has behind its average pool is missing.
fn without_pool_factor(subject: &Subject) -> Result<Option<Fault>> {
    let Some((pooled, _)) = pool(subject) else { return Ok(None) };
    let reads = |node: &&Node| {
        node.op.is_onnx("Mul")
            && [0, 1].iter().any(|&place| subject.input(node, place) == Some(pooled.as_str()))
            && [0, 1].iter().any(|&place| {
                subject
                    .input(node, place)
                    .is_some_and(|name| subject.model.constant(name).is_some())
            })
    };
    let Some(y) = subject.graph().nodes.iter().find(reads).and_then(|node| subject.output(node))
    else {
        return Ok(None);
    };
    let faulty = subject.right[&pooled].clone().without_dequantized();
    if !differs(&faulty, &subject.right[y])? {
        return Ok(None);
    }
    subject.lasting("pool_factor", y, faulty).map(Some)
}

/// A convolution of the golden has no bias.
fn without_bias(subject: &Subject) -> Result<Option<Fault>> {
    let graph = subject.graph();
    let has_bias = |node: &&Node| node.op.is_onnx("Conv") && node.inputs.len() > 2;
    let Some(i) = graph.nodes.iter().position(|node| has_bias(&node)) else { return Ok(None) };
    let mut changed = graph.clone();
    changed.nodes[i].inputs.truncate(2);
    let y = subject.output(&graph.nodes[i]).context("an output")?;
    subject.changed("bias", y, changed)
}

/// Other weights in the model that made the golden: the tensor first made of them is the first that differs.
fn weights(subject: &Subject) -> Result<Vec<Fault>> {
    let graph = subject.graph();
    let mut found = Vec::new();
    let of_weights = |node: &&Node| {
        let w = node.inputs.first().copied().flatten().and_then(|id| graph.initializers.get(&id));
        w.is_some_and(|w| w.rank() == 4 && w.shape()[0] > 2)
            && node.op.op_type.ends_with("uantizeLinear")
    };
    let Some(node) = graph.nodes.iter().find(of_weights) else { return Ok(found) };
    let (id, y) = (node.inputs[0].context("w")?, subject.output(node).context("y")?);
    let old = &graph.initializers[&id];
    let data = numbers(old)?;
    let inner: usize = old.shape()[1..].iter().product();
    let count = old.shape()[0];
    let scale = subject.input(node, if node.op.domain == "vai" { 3 } else { 1 });
    let per_channel =
        scale.and_then(|name| subject.model.constant(name)).is_some_and(|s| s.len() > 1);
    let reversed: Vec<f64> =
        (0..data.len()).map(|p| data[(count - 1 - p / inner) * inner + p % inner]).collect();
    // With a scale for each channel other channels get other steps: then it is no mere order.
    if !per_channel {
        let mut changed = graph.clone();
        changed.initializers.insert(id, like(old, &reversed)?);
        found.extend(subject.changed("channel_order", y, changed)?);
    }
    if old.dtype() == vairun::DType::F32 {
        let mut changed = graph.clone();
        changed
            .initializers
            .insert(id, like(old, &data.iter().map(|x| x / 2.0).collect::<Vec<_>>())?);
        found.extend(subject.changed("constant_ratio", y, changed)?);
    }
    let tensor = subject.right[y].clone().without_dequantized();
    found.push(subject.stored("all_zero", y, like(&tensor, &vec![0.0; tensor.len()])?));
    Ok(found)
}

/// Another slope in the first LeakyRelu.
pub(super) fn other_slope(subject: &Subject) -> Result<Option<Fault>> {
    let mut graph = subject.graph().clone();
    let Some(node) = graph.nodes.iter_mut().find(|node| node.op.is_onnx("LeakyRelu")) else {
        return Ok(None);
    };
    let old =
        matches!(node.attributes.get("alpha"), Some(Attribute::Float(alpha)) if *alpha == 0.1);
    let slope = if old { 26.0 / 256.0 } else { 0.1 };
    node.attributes.insert("alpha".into(), Attribute::Float(slope));
    let y: ValueId = node.outputs[0].context("an output")?;
    let target = graph.name_of(y).to_owned();
    subject.changed("leaky_slope", &target, graph)
}
