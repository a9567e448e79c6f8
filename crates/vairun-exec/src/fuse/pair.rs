use vairun_numeric::kernel::{Pairs, Width, Written};
use vairun_ops::Quantizer;
use vairun_ops::contraction::Shapes;

use super::coded::{Buffer, Coded, Order};
use super::roles::{Slot, View};
use super::run::{Run, Stop};
use super::tail::{Tail, codes_buffer};

/// A matrix product of two coded tensors of the run, and what follows it up to the codes of the result.
pub(super) struct Pair {
    pairs: Pairs,
    /// Where the matrices of each product start.
    places: Vec<(usize, usize)>,
    shape: Vec<usize>,
    tail: Tail,
    quantizer: Quantizer,
}

impl Pair {
    /// `scale` is what the sums are multiplied with, where an operator has told it; else the operands are numbers.
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        sides: [View; 2],
        (scale, quantizer): (Option<f32>, &Quantizer),
    ) -> Result<Option<Self>, Stop> {
        let [a, b] = sides.map(|side| run.coded(side.slot));
        let scale = match scale {
            Some(scale) => Some(scale),
            None => product(sides).filter(|_| a.on_grid && b.on_grid),
        };
        // A shape that does not fit is the plain form's to tell.
        let (Some(scale), Ok(shapes)) = (scale, Shapes::new(&a.shape, &b.shape)) else {
            return Ok(None);
        };
        let reach = sides.map(|side| run.slot(side.slot).storage.reach(side.grid.zero));
        let width = Width::of(shapes.k, reach);
        let Some(width) = width.filter(|_| !shapes.shape.is_empty() && !shapes.shape.contains(&0))
        else {
            return Ok(None);
        };
        let laid = (&shapes.shape[..], Order::Rows);
        let Some(tail) = Tail::new(run, slot, quantizer, laid)? else { return Ok(None) };
        let largest = (shapes.k as i64 * reach[0] * reach[1]) as f32 * scale.abs();
        let told = matches!(tail, Tail::Functions(..)) || largest < quantizer.below;
        if !told || !largest.is_finite() {
            return Ok(None);
        }
        let tasks = shapes.tasks();
        let zeros = sides.map(|side| side.grid.zero);
        let output = tail.output(slot.storage);
        let Shapes { k, n, shape, .. } = shapes;
        let pairs = Pairs { m: tasks.m, k, n, zeros, scale, output, width, isa: run.isa() };
        Ok(Some(Self { pairs, places: tasks.starts, shape, tail, quantizer: *quantizer }))
    }

    pub(super) fn run(
        &self,
        run: &mut Run,
        slot: &Slot,
        sides: [View; 2],
    ) -> Result<Option<Coded>, Stop> {
        let coded = sides.map(|side| run.coded(side.slot));
        let turned = [0, 1].map(|i| coded[i].ordered(Order::Rows, &mut run.buffers));
        let [a, b] = [0, 1].map(|i| turned[i].as_ref().unwrap_or(&coded[i]).codes());
        let length = self.shape.iter().product();
        let result = match &self.tail {
            Tail::Narrow(_) => {
                let mut buffer = codes_buffer(&mut run.buffers, slot.storage, length);
                let out = match &mut buffer {
                    Buffer::Bytes(out) => Written::U8(&mut out[..length]),
                    Buffer::Words(out) => Written::I16(&mut out[..length]),
                };
                self.pairs.run(&self.places, a, b, out);
                let shape = self.shape.clone();
                Some(Coded { shape, order: Order::Rows, buffer, on_grid: true })
            }
            Tail::Functions(..) => {
                let mut numbers = run.buffers.take::<f32>(length);
                self.pairs.run(&self.places, a, b, Written::F32(&mut numbers[..length]));
                let laid = (&self.shape[..], Order::Rows);
                self.tail.codes(run, slot, &self.quantizer, numbers, laid)?
            }
        };
        turned.into_iter().flatten().for_each(|turned| turned.recycle(&mut run.buffers));
        Ok(result)
    }
}

/// `f32(sa · sb)`, where the exact form has it.
fn product([a, b]: [View; 2]) -> Option<f32> {
    Some(a.grid.scale * b.grid.scale).filter(|product| product.is_normal())
}
