use vairun_graph::ValueId;
use vairun_numeric::float::{Binary, Unary};
use vairun_numeric::kernel::{Narrow, Output, Stored, quantize};
use vairun_ops::{Arithmetic, Inputs, NoBodies, Quantizer};
use vairun_tensor::{Tensor, Value};

use super::buffers::{Buffers, Pooled};
use super::coded::{Buffer, Coded, Order};
use super::roles::Slot;
use super::run::{Run, Stop};
use super::storage::Storage;
use crate::plan::{Kernel, Plan};

/// What happens to the numbers of a head before they are codes.
pub(super) enum Tail {
    /// The quantizer alone, its range narrowed by clamps of the numbers.
    Narrow(Narrow),
    /// Functions of each number, then the quantizer.
    Functions(Vec<Function>, Narrow),
}

/// A node that computes a function of each number, its other inputs laid out for the numbers.
pub(super) struct Function {
    node: usize,
    /// The input that is the numbers.
    place: usize,
    others: Vec<Option<Value>>,
}

/// Functions that are clamps: nothing else happens to a number than that it is cut to a range.
const CLAMPS: &[&str] = &["Relu", "Clip"];

impl Tail {
    /// Of the nodes between the head of a slot, its first node, and its quantizer, the last one, for numbers of a
    /// tensor of `shape` in `order`; `None` where they are not all known to be functions of each number.
    pub(super) fn new(
        run: &mut Run,
        slot: &Slot,
        quantizer: &Quantizer,
        (shape, order): (&[usize], Order),
    ) -> Result<Option<Self>, Stop> {
        let Some(narrow) = slot.storage.narrow(quantizer) else { return Ok(None) };
        let between = slot.nodes.get(1..slot.nodes.len() - 1).unwrap_or(&[]);
        if between.is_empty() {
            return Ok(Some(Self::Narrow(narrow)));
        }
        let graph = &run.plan.graph;
        let clamps = |&i: &usize| CLAMPS.contains(&graph.nodes[i].op.op_type.as_str());
        if between.iter().all(clamps) {
            return Ok(clamped(run, between)?.map(|(low, high)| {
                Self::Narrow(narrow.clamped(narrow.code(low), narrow.code(high)))
            }));
        }
        let functions = between.iter().map(|&i| Function::new(run.plan, i, shape, order));
        let functions: Option<Vec<_>> = functions.collect::<Result<_, Stop>>()?;
        Ok(functions.map(|functions| Self::Functions(functions, narrow)))
    }

    /// Where the numbers below 0 are multiplied and nothing else happens before the quantizer: the factor of each channel,
    /// and what is left.
    pub(super) fn sloped(
        &self,
        plan: &Plan,
        (shape, order): (&[usize], Order),
    ) -> Option<(Vec<f32>, Self)> {
        let Self::Functions(functions, narrow) = self else { return None };
        let [function] = &functions[..] else { return None };
        let channel = if order == Order::ChannelsLast { 1 } else { shape.len() - 1 };
        Some((function.slopes(plan, shape[channel])?, Self::Narrow(*narrow)))
    }

    /// What a kernel writes before the tail.
    pub(super) fn output(&self, storage: Storage) -> Output {
        match self {
            Self::Narrow(narrow) if storage.wide => Output::Codes16(*narrow),
            Self::Narrow(narrow) => Output::Codes8(*narrow),
            Self::Functions(..) => Output::Real,
        }
    }

    /// The codes of numbers in a tensor of `shape` in `order`; `None` where they need the plain form.
    pub(super) fn codes(
        &self,
        run: &mut Run,
        slot: &Slot,
        quantizer: &Quantizer,
        mut numbers: Vec<f32>,
        (shape, order): (&[usize], Order),
    ) -> Result<Option<Coded>, Stop> {
        let length = shape.iter().product();
        numbers.truncate(length);
        let narrow = match self {
            Self::Narrow(narrow) => narrow,
            Self::Functions(functions, narrow) => {
                let seen = seen(shape, order);
                let mut tensor = Tensor::new(&seen, numbers).map_err(|_| Stop::Again)?;
                for function in functions {
                    tensor = function.apply(run.plan, tensor)?;
                    if tensor.shape() != seen || tensor.as_slice::<f32>().is_err() {
                        return Ok(None);
                    }
                }
                numbers = tensor.into_vec().map_err(|_| Stop::Again)?;
                narrow
            }
        };
        if !holds(&numbers, quantizer.below) {
            return Ok(None);
        }
        let buffer = match slot.storage.wide {
            false => Buffer::Bytes(quantized(run, narrow, &numbers)),
            true => Buffer::Words(quantized(run, narrow, &numbers)),
        };
        run.buffers.give(numbers);
        Ok(Some(Coded { shape: shape.to_vec(), order, buffer, on_grid: true }))
    }
}

pub(super) fn quantized<C: Stored + Pooled>(
    run: &mut Run,
    narrow: &Narrow,
    numbers: &[f32],
) -> Vec<C> {
    let mut out = run.buffers.take(numbers.len());
    quantize(run.isa(), narrow, numbers, &mut out[..numbers.len()]);
    out
}

/// Whether every number is one, and of a magnitude below `below` (infinite: any magnitude).
pub(super) fn holds(numbers: &[f32], below: f32) -> bool {
    if below == f32::INFINITY {
        return !numbers.iter().fold(false, |nan, x| nan | x.is_nan());
    }
    numbers.iter().fold(true, |holds, x| holds & (x.abs() < below))
}

/// The shape that functions see: channels last as rows of channels.
fn seen(shape: &[usize], order: Order) -> Vec<usize> {
    match order {
        Order::Rows => shape.to_vec(),
        Order::ChannelsLast => {
            let pixels: usize = shape[2..].iter().product();
            vec![shape[0] * pixels, shape[1]]
        }
    }
}

/// The range that clamps cut numbers to: what becomes of the infinities.
fn clamped(run: &mut Run, nodes: &[usize]) -> Result<Option<(f32, f32)>, Stop> {
    let graph = &run.plan.graph;
    let leaves = run.plan.leaves(nodes);
    let (&[leaf], Some(&last)) = (&leaves[..], nodes.last()) else { return Ok(None) };
    let Some(&Some(id)) = graph.nodes[last].outputs.first() else { return Ok(None) };
    let ends = Tensor::vector(vec![f32::NEG_INFINITY, f32::INFINITY]);
    let value = run.evaluate(nodes, id, &[(leaf, ends.into())])?;
    let tensor = value.into_tensor().map_err(|_| Stop::Again)?;
    Ok(match tensor.as_slice::<f32>() {
        Ok(&[low, high]) if low <= high => Some((low, high)),
        _ => None,
    })
}

impl Function {
    fn new(plan: &Plan, node: usize, shape: &[usize], order: Order) -> Result<Option<Self>, Stop> {
        let inputs = &plan.graph.nodes[node].inputs;
        let fixed = |id: ValueId| plan.constants.is_fixed(id);
        let Some(place) = inputs.iter().position(|id| id.is_some_and(|id| !fixed(id))) else {
            return Ok(None);
        };
        let mut others = Vec::with_capacity(inputs.len());
        for (i, &id) in inputs.iter().enumerate() {
            let Some(id) = id.filter(|_| i != place) else {
                others.push(None);
                continue;
            };
            let tensor = plan.fixed(id)?.into_tensor().map_err(|_| Stop::Again)?;
            let Some(laid) = laid_out(&tensor, shape, order) else { return Ok(None) };
            others.push(Some(laid.into()));
        }
        Ok(Some(Self { node, place, others }))
    }

    /// What a number below 0 is multiplied with, for each of so many channels, where nothing else happens to it.
    fn slopes(&self, plan: &Plan, channels: usize) -> Option<Vec<f32>> {
        let Kernel::Each(operator) = &plan.steps[self.node].kernel else { return None };
        let node = &plan.graph.nodes[self.node];
        let slopes = match operator.arithmetic(&plan.parameters(node))? {
            Arithmetic::Unary(Unary::LeakyRelu { alpha }) => vec![alpha],
            Arithmetic::Binary(Binary::Slope) if self.place == 0 => {
                let slopes = self.others[1].as_ref()?.as_tensor().ok()?;
                let (_, before) = slopes.shape().split_last().unwrap_or((&1, &[]));
                let along = before.iter().all(|&d| d == 1);
                slopes.as_slice().ok().filter(|_| along)?.to_vec()
            }
            _ => return None,
        };
        let finite = slopes.iter().all(|slope| slope.is_finite());
        match slopes.len() {
            1 => Some(vec![slopes[0]; channels]),
            n => (n == channels).then_some(slopes),
        }
        .filter(|_| finite)
    }

    fn apply(&self, plan: &Plan, numbers: Tensor) -> Result<Tensor, Stop> {
        let Kernel::Each(operator) = &plan.steps[self.node].kernel else { return Err(Stop::Again) };
        let mut inputs = self.others.clone();
        inputs[self.place] = Some(numbers.into());
        // Whatever is wrong, the plain plan says it better.
        let outputs = operator.run(Inputs::new(inputs), &mut NoBodies).map_err(|_| Stop::Again)?;
        let first = outputs.into_iter().next().ok_or(Stop::Again)?;
        first.into_tensor().map_err(|_| Stop::Again)
    }
}

/// A constant that broadcasts with a tensor of `shape`, for the tensor as it lies; `None` where it cannot.
fn laid_out(tensor: &Tensor, shape: &[usize], order: Order) -> Option<Tensor> {
    if tensor.rank() > shape.len() {
        return None;
    }
    if order == Order::Rows {
        return Some(tensor.clone());
    }
    if tensor.len() == 1 {
        return tensor.reshaped(&[1]).ok();
    }
    // One for each channel, and nothing else.
    let channel = shape.len() - tensor.rank();
    let fits = |(i, &d): (usize, &usize)| d == if i + channel == 1 { shape[1] } else { 1 };
    let per_channel = channel < 2 && tensor.shape().iter().enumerate().all(fits);
    per_channel.then(|| tensor.reshaped(&[shape[1]]).ok()).flatten()
}

/// A buffer for the codes that a kernel writes.
pub(super) fn codes_buffer(buffers: &mut Buffers, storage: Storage, length: usize) -> Buffer {
    match storage.wide {
        false => Buffer::Bytes(buffers.take(length)),
        true => Buffer::Words(buffers.take(length)),
    }
}
