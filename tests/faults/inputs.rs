//! Goldens that were made from another input than the model is given.

use anyhow::{Context, Result};
use vairun::Tensor;

use super::codes::differs;
use super::subject::{Fault, Subject, Tensors};

/// The same picture prepared otherwise.
type Prepared = fn(f32, usize) -> f32;

/// What is done to an element of a channel.
const STEPS: [Prepared; 4] = [
    // Normalised twice.
    |x, _| (x - 0.5) / 0.25,
    // Means subtracted twice.
    |x, k| x - [0.485, 0.456, 0.406][k % 3],
    // ImageNet's normalization twice.
    |x, k| (x - [0.485, 0.456, 0.406][k % 3]) / [0.229, 0.224, 0.225][k % 3],
    // To −1 … 1 twice.
    |x, _| x * 2.0 - 1.0,
];

/// What leaves nothing of most codes but zeros, or ends of the range.
const SCALES: [Prepared; 2] = [|x, _| x / 255.0, |x, _| x * 255.0];

/// Goldens with the input that they were made from.
pub(super) fn faults(subject: &Subject) -> Result<Vec<Fault>> {
    let mut found = Vec::new();
    for step in STEPS.into_iter().chain(SCALES) {
        found.push(subject.with_inputs("input", &prepared(subject, step)?)?);
    }
    let (name, x) = subject.inputs.first_key_value().context("an input")?;
    if let &[n, c, h, w] = x.shape() {
        let data = x.as_slice::<f32>()?;
        let at = |b: usize, k: usize, i: usize, j: usize| data[((b * c + k) * h + i) * w + j];
        let gather = |f: &dyn Fn(usize, usize, usize, usize) -> f32| {
            let places =
                (0..data.len()).map(|p| (p / (c * h * w), p / (h * w) % c, p / w % h, p % w));
            Tensor::new(&[n, c, h, w], places.map(|(b, k, i, j)| f(b, k, i, j)).collect())
        };
        let mut orders = vec![("crop", gather(&|b, k, i, j| at(b, k, (i + 2).min(h - 1), j))?)];
        if c > 1 {
            orders.push(("channel_order", gather(&|b, k, i, j| at(b, c - 1 - k, i, j))?));
        }
        if n > 1 {
            orders.push(("batch", gather(&|b, k, i, j| at(n - 1 - b, k, i, j))?));
        }
        for (cause, tensor) in orders {
            if !differs(&tensor, x)? {
                continue;
            }
            found.push(subject.with_inputs(cause, &Tensors::from([(name.clone(), tensor)]))?);
        }
    }
    // Nothing but other numbers: the input is what differs.
    let noise: Tensors = prepared(subject, |x, k| (x * 911.0 + k as f32).sin())?;
    found.push(subject.with_inputs("input", &noise)?);
    Ok(found)
}

/// Goldens without their input: the first layer tells that it was another.
pub(super) fn unseen(subject: &Subject) -> Result<Vec<Fault>> {
    let mut found = Vec::new();
    for step in STEPS {
        let mut fault = subject.with_inputs("input", &prepared(subject, step)?)?;
        for name in subject.inputs.keys() {
            fault.golden.remove(name);
        }
        // The first tensor of the model that is made of the input.
        let graph = subject.graph();
        let reads = |node: &&vairun::graph::Node| node.reads().any(|id| graph.inputs.contains(&id));
        let first = graph.nodes.iter().find(reads).and_then(|node| subject.output(node));
        fault.target = first.context("a node that reads the input")?.to_owned();
        if differs(&fault.golden[&fault.target], &subject.right[&fault.target])? {
            found.push(fault);
        }
    }
    Ok(found)
}

fn prepared(subject: &Subject, step: Prepared) -> Result<Tensors> {
    let changed = |(name, x): (&String, &Tensor)| {
        // Pictures have three channels, before height and width or behind them.
        let last = x.shape().last() == Some(&3);
        let plane: usize = if last { 1 } else { x.shape().iter().skip(2).product() };
        let channels = if last { 3 } else { x.shape().get(1).copied().unwrap_or(1) };
        let data = x.as_slice::<f32>()?.iter().enumerate();
        let data = data.map(|(i, &x)| step(x, i / plane.max(1) % channels)).collect();
        Ok((name.clone(), Tensor::new(x.shape(), data)?))
    };
    subject.inputs.iter().map(changed).collect()
}
