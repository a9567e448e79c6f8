use vairun_graph::ValueId;
use vairun_numeric::kernel::{Codes, Element, Written};
use vairun_ops::contraction::{Contraction, Packed, PackedInput};
use vairun_ops::{Inputs, Quantizer};
use vairun_tensor::{Tensor, Value};

use super::coded::{Buffer, Coded, Order};
use super::roles::{Slot, View};
use super::run::{Run, Stop};
use super::tail::{Tail, codes_buffer};
use crate::plan::Kernel;

/// A contraction with packed weights, and what follows it up to the codes of the result.
pub(super) struct Product {
    packed: Packed,
    tail: Tail,
    quantizer: Quantizer,
    /// The order of x and of the result.
    order: Order,
}

impl Product {
    /// For x as it has come; `None` where the kernels cannot give the bits of the plain plan.
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        x: View,
        contraction: usize,
        quantizer: &Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let coded = run.coded(x.slot);
        let node = &run.plan.graph.nodes[contraction];
        let Kernel::Each(operator) = &run.plan.steps[contraction].kernel else { return Ok(None) };
        let order = match node.op.op_type.as_str() {
            "Conv" | "ConvTranspose" | "QLinearConv" => Order::ChannelsLast,
            _ => Order::Rows,
        };
        let quantizer = *quantizer;
        let input = PackedInput {
            shape: coded.shape.clone(),
            element: match &coded.buffer {
                Buffer::Bytes(_) => Element::Byte,
                Buffer::Words(_) => Element::Word,
            },
            scale: x.grid.scale,
            zero: x.grid.zero,
            range: run.slot(x.slot).storage.range,
        };
        let exact = match operator.contraction() {
            Some(_) if !coded.on_grid => return Ok(None),
            exact => exact,
        };
        let prepared = match exact {
            Some(exact) => {
                Self::of_numbers(run, slot, &input, exact, (contraction, order), quantizer)
            }
            None => Self::of_codes(run, slot, &input, (contraction, order), quantizer),
        };
        run.plan.graph.nodes[contraction].reads().for_each(|id| run.plan.release(id));
        prepared
    }

    /// Of an operator on numbers.
    fn of_numbers(
        run: &mut Run,
        slot: &Slot,
        input: &PackedInput,
        exact: &Contraction,
        (node, order): (usize, Order),
        quantizer: Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let node = &run.plan.graph.nodes[node];
        let Some(w) = fixed(run, node.inputs.get(1).copied().flatten())? else { return Ok(None) };
        let bias = fixed(run, node.inputs.get(2).copied().flatten())?;
        let Ok(Some(shape)) = exact.shape(&input.shape, w.shape()) else { return Ok(None) };
        let Some(tail) = Tail::new(run, slot, &quantizer, (&shape, order))? else {
            return Ok(None);
        };
        let sloped = tail.sloped(run.plan, (&shape, order));
        let output = sloped.as_ref().map_or(&tail, |(_, after)| after).output(slot.storage);
        // A shape that does not fit is the plain form's to tell.
        let Ok(Some(packed)) = exact.pack(input, &w, bias.as_ref(), output, run.isa()) else {
            return Ok(None);
        };
        let (packed, tail) = match sloped {
            Some((slopes, after)) => (packed.sloped(&slopes), after),
            None => (packed, tail),
        };
        let told = matches!(tail, Tail::Functions(..)) || packed.largest() < quantizer.below;
        Ok(told.then_some(Self { packed, tail, quantizer, order }))
    }

    /// Of an operator on codes.
    fn of_codes(
        run: &Run,
        slot: &Slot,
        input: &PackedInput,
        (node, order): (usize, Order),
        quantizer: Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let Kernel::Each(operator) = &run.plan.steps[node].kernel else { return Ok(None) };
        let Some(narrow) = slot.storage.narrow(&quantizer) else { return Ok(None) };
        let tail = Tail::Narrow(narrow);
        let parameter = |&id: &Option<ValueId>| {
            let id = id.filter(|&id| run.plan.constants.is_fixed(id));
            id.map(|id| run.plan.fixed(id)).transpose()
        };
        let inputs = &run.plan.graph.nodes[node].inputs;
        let parameters = Inputs::new(inputs.iter().map(parameter).collect::<Result<_, _>>()?);
        let output = tail.output(slot.storage);
        // A shape that does not fit is the plain form's to tell.
        let packed = operator.pack_codes(input, &parameters, output, run.isa()).ok().flatten();
        let packed = packed.filter(|packed| packed.largest() < quantizer.below);
        Ok(packed.map(|packed| Self { packed, tail, quantizer, order }))
    }

    pub(super) fn run(&self, run: &mut Run, slot: &Slot, x: View) -> Result<Option<Coded>, Stop> {
        let coded = run.coded(x.slot);
        let turned = coded.ordered(self.order, &mut run.buffers);
        let x = turned.as_ref().unwrap_or(&coded);
        let shape = self.packed.shape();
        let length: usize = shape.iter().product();
        let widened = match (&x.buffer, self.packed.element()) {
            (Buffer::Bytes(bytes), Element::Word) => {
                let mut words = run.buffers.take::<i16>(x.len());
                let bytes = &bytes[..x.len()];
                words.iter_mut().zip(bytes).for_each(|(word, &byte)| *word = byte.into());
                Some(words)
            }
            _ => None,
        };
        let codes = widened.as_ref().map_or_else(|| x.codes(), |words| Codes::I16(words));
        let result = match &self.tail {
            Tail::Narrow(_) => {
                let mut buffer = codes_buffer(&mut run.buffers, slot.storage, length);
                match &mut buffer {
                    Buffer::Bytes(out) => self.packed.run(codes, Written::U8(&mut out[..length])),
                    Buffer::Words(out) => self.packed.run(codes, Written::I16(&mut out[..length])),
                }
                Some(Coded { shape: shape.to_vec(), order: self.order, buffer, on_grid: true })
            }
            Tail::Functions(..) => {
                let mut numbers = run.buffers.take::<f32>(length);
                self.packed.run(codes, Written::F32(&mut numbers[..length]));
                let laid = (shape, self.order);
                self.tail.codes(run, slot, &self.quantizer, numbers, laid)?
            }
        };
        widened.into_iter().for_each(|words| run.buffers.give(words));
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        Ok(result)
    }
}

fn fixed(run: &Run, id: Option<ValueId>) -> Result<Option<Tensor>, Stop> {
    let value = id.map(|id| run.plan.fixed(id)).transpose()?;
    value.map(Value::into_tensor).transpose().map_err(|_| Stop::Again)
}
