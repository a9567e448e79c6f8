use vairun_numeric::kernel::{self, Grid, Isa, Operation, Stored};
use vairun_ops::Quantizer;

use super::coded::{Buffer, Coded, Order};
use super::roles::{Slot, View};
use super::run::{Run, Stop};
use super::tail::{Tail, codes_buffer};

/// An operation on the numbers of two coded tensors.
pub(super) struct Binary {
    operation: Operation,
    quantizer: Quantizer,
    /// Whether the second operand is the larger one: it is read first.
    swapped: bool,
    order: Order,
    shape: Vec<usize>,
    tail: Tail,
    grids: [Grid; 2],
    /// Images of the smaller operand that go with one image of the result each; 1: the same for all.
    images: usize,
}

impl Binary {
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        sides: [View; 2],
        operation: Operation,
        quantizer: &Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let coded = sides.map(|side| run.coded(side.slot));
        let swapped = coded[1].len() > coded[0].len();
        let in_order = if swapped { operation.swapped() } else { Some(operation) };
        let Some(operation) = in_order else { return Ok(None) };
        let [a, b] = if swapped { [1, 0] } else { [0, 1] }.map(|i| &coded[i]);
        let Some((order, images)) = laid_out(a, b) else { return Ok(None) };
        let shape = a.shape.clone();
        let Some(tail) = Tail::new(run, slot, quantizer, (&shape, order))? else { return Ok(None) };
        let grids = if swapped { [1, 0] } else { [0, 1] }.map(|i| sides[i].grid);
        let steps = sides.map(|side| run.slot(side.slot).storage.reach(side.grid.zero) as f32);
        let steps = if swapped { [steps[1], steps[0]] } else { steps };
        let largest = [grids[0].scale * steps[0], grids[1].scale * steps[1]];
        let bound = operation.bound(largest[0], largest[1]);
        let told = bound.is_finite() && bound < quantizer.below;
        let quantizer = *quantizer;
        Ok(told.then_some(Self {
            operation,
            quantizer,
            swapped,
            order,
            shape,
            tail,
            grids,
            images,
        }))
    }

    pub(super) fn run(
        &self,
        run: &mut Run,
        slot: &Slot,
        sides: [View; 2],
    ) -> Result<Option<Coded>, Stop> {
        let [a, b] = if self.swapped { [1, 0] } else { [0, 1] }.map(|i| run.coded(sides[i].slot));
        let turned = [&a, &b].map(|coded| coded.ordered(self.order, &mut run.buffers));
        let (a, b) = (turned[0].as_ref().unwrap_or(&a), turned[1].as_ref().unwrap_or(&b));
        let result = match (&a.buffer, &b.buffer) {
            (Buffer::Bytes(x), Buffer::Bytes(y)) => {
                self.codes(run, slot, &x[..a.len()], &y[..b.len()])
            }
            (Buffer::Bytes(x), Buffer::Words(y)) => {
                self.codes(run, slot, &x[..a.len()], &y[..b.len()])
            }
            (Buffer::Words(x), Buffer::Bytes(y)) => {
                self.codes(run, slot, &x[..a.len()], &y[..b.len()])
            }
            (Buffer::Words(x), Buffer::Words(y)) => {
                self.codes(run, slot, &x[..a.len()], &y[..b.len()])
            }
        };
        turned.into_iter().flatten().for_each(|turned| turned.recycle(&mut run.buffers));
        result
    }

    fn codes<A: Stored, B: Stored>(
        &self,
        run: &mut Run,
        slot: &Slot,
        a: &[A],
        b: &[B],
    ) -> Result<Option<Coded>, Stop> {
        let Tail::Narrow(narrow) = &self.tail else { return self.numbers(run, slot, a, b) };
        let Self { operation, grids, .. } = *self;
        let binary = kernel::Binary { operation, grids, narrow: *narrow };
        let isa = run.isa();
        let mut buffer = codes_buffer(&mut run.buffers, slot.storage, a.len());
        match &mut buffer {
            Buffer::Bytes(out) => self.images(a, b, &mut out[..a.len()], binary, isa),
            Buffer::Words(out) => self.images(a, b, &mut out[..a.len()], binary, isa),
        }
        Ok(Some(Coded { shape: self.shape.clone(), order: self.order, buffer, on_grid: true }))
    }

    fn images<A: Stored, B: Stored, C: Stored>(
        &self,
        a: &[A],
        b: &[B],
        out: &mut [C],
        binary: kernel::Binary,
        isa: Isa,
    ) {
        if a.is_empty() {
            return;
        }
        let (a_image, b_image) = (a.len() / self.images, b.len() / self.images);
        let images = a.chunks_exact(a_image).zip(b.chunks_exact(b_image));
        for ((a, b), out) in images.zip(out.chunks_exact_mut(a_image)) {
            binary.run(isa, a, b, out);
        }
    }

    /// With functions of each number before the quantizer.
    fn numbers<A: Stored, B: Stored>(
        &self,
        run: &mut Run,
        slot: &Slot,
        a: &[A],
        b: &[B],
    ) -> Result<Option<Coded>, Stop> {
        let mut numbers = run.buffers.take::<f32>(a.len());
        let (a_image, b_image) = ((a.len() / self.images).max(1), (b.len() / self.images).max(1));
        let [ga, gb] = self.grids;
        let images = a.chunks_exact(a_image).zip(b.chunks_exact(b_image));
        for ((a, b), out) in images.zip(numbers.chunks_exact_mut(a_image)) {
            let pairs = a.iter().zip(b.iter().cycle());
            for (out, (a, b)) in out.iter_mut().zip(pairs) {
                let (a, b) = (ga.real(a.widen()), gb.real(b.widen()));
                *out = self.operation.apply(a, b);
            }
        }
        self.tail.codes(run, slot, &self.quantizer, numbers, (&self.shape, self.order))
    }
}

/// The order in which `b` is a row of `a` that repeats, a single code among them, and the images for each of which it is
/// another one; `None` where it is none in either.
fn laid_out(a: &Coded, b: &Coded) -> Option<(Order, usize)> {
    let rank = a.shape.len();
    if b.shape.len() > rank || a.len() == 0 {
        return None;
    }
    let last = rank > 2 && (!a.lies(Order::Rows) || !b.lies(Order::Rows));
    if a.shape == b.shape {
        return Some((if last { Order::ChannelsLast } else { Order::Rows }, 1));
    }
    if b.len() == 1 {
        return Some((a.order, 1));
    }
    let padded = [&vec![1; rank - b.shape.len()][..], &b.shape].concat();
    // A number for each channel.
    if rank > 2 && padded[1] == a.shape[1] && padded[2..].iter().all(|&d| d == 1) {
        let images = padded[0];
        let whole = b.shape.len() == rank || images == 1;
        return (whole && (images == 1 || images == a.shape[0]))
            .then_some((Order::ChannelsLast, images));
    }
    // A tail of the dimensions, row-major.
    let first = padded.iter().position(|&d| d != 1)?;
    let fits = padded[first..] == a.shape[first..] && b.lies(Order::Rows);
    fits.then_some((Order::Rows, 1))
}
