use vairun_graph::ValueId;
use vairun_numeric::kernel::{
    Grid, Interpolation, Narrow, Stored, interpolate_codes, quantize, truncate,
};
use vairun_numeric::resize::Bilinear;
use vairun_ops::Quantizer;
use vairun_tensor::DType;

use super::buffers::Pooled;
use super::coded::{Buffer, Coded, Order, with_codes};
use super::roles::{Slot, View};
use super::run::{Run, Stop};
use super::storage::Storage;
use super::tail::Tail;
use crate::plan::Kernel;

/// Channels of a pixel that are worth vectors.
const FEW: usize = 8;

/// Images that a node interpolates linearly, in a form for vectors.
struct Images {
    interpolation: Interpolation,
    shape: Vec<usize>,
}

impl Images {
    /// Of codes in a tensor; `None` where the node does something else, or has too few channels.
    fn of(run: &Run, node: usize, coded: &Coded) -> Option<(Self, Bilinear)> {
        let Kernel::Each(operator) = &run.plan.steps[node].kernel else { return None };
        let parameters = run.plan.parameters(&run.plan.graph.nodes[node]);
        let bilinear = operator.bilinear(&coded.shape, &parameters)?;
        if coded.shape[1] < FEW || coded.len() == 0 {
            return None;
        }
        let (rows, columns) = (bilinear.rows.output, bilinear.columns.output);
        let shape = vec![coded.shape[0], coded.shape[1], rows, columns];
        Some((Self { interpolation: Interpolation::new(&bilinear), shape }, bilinear))
    }

    /// What `then` makes of the rows of numbers, channels last.
    fn rows<T: Pooled + Send>(
        &self,
        run: &mut Run,
        coded: &Coded,
        grid: Grid,
        then: impl Fn(&[f32], &mut [T]) + Sync,
    ) -> Vec<T> {
        let turned = coded.ordered(Order::ChannelsLast, &mut run.buffers);
        let codes = turned.as_ref().unwrap_or(coded);
        let length = self.shape.iter().product();
        let mut out = run.buffers.take(length);
        let (isa, channels) = (run.isa(), self.shape[1]);
        with_codes!(codes, codes => {
            let x = (codes, channels, grid);
            interpolate_codes(isa, x, &self.interpolation, &mut out[..length], then);
        });
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        out
    }

    fn coded(&self, buffer: Buffer, on_grid: bool) -> Coded {
        Coded { shape: self.shape.clone(), order: Order::ChannelsLast, buffer, on_grid }
    }
}

/// Images interpolated row by row: each row of numbers is quantized while it is near.
pub(super) struct Resize {
    images: Images,
    tail: Tail,
    quantizer: Quantizer,
    /// No number can be other than the quantizer takes.
    holds: bool,
}

impl Resize {
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        x: View,
        node: usize,
        quantizer: &Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let coded = run.coded(x.slot);
        let Some((images, bilinear)) = Images::of(run, node, &coded) else { return Ok(None) };
        // Weights add up to 1 and their roundings.
        let largest = run.slot(x.slot).storage.reach(x.grid.zero) as f32 * x.grid.scale * 1.001;
        let finite = images.interpolation.is_finite() && bilinear.outside.is_finite();
        let holds = finite && largest.max(bilinear.outside.abs()) < quantizer.below;
        let tail = Tail::new(run, slot, quantizer, (&images.shape, Order::ChannelsLast))?;
        let quantizer = *quantizer;
        Ok(tail.map(|tail| Self { images, tail, quantizer, holds }))
    }

    pub(super) fn run(&self, run: &mut Run, slot: &Slot, x: View) -> Result<Option<Coded>, Stop> {
        let coded = run.coded(x.slot);
        match &self.tail {
            Tail::Narrow(narrow) if self.holds => {
                let buffer = match slot.storage.wide {
                    false => Buffer::Bytes(self.quantized(run, &coded, x.grid, narrow)),
                    true => Buffer::Words(self.quantized(run, &coded, x.grid, narrow)),
                };
                Ok(Some(self.images.coded(buffer, true)))
            }
            tail => {
                let copy = |numbers: &[f32], out: &mut [f32]| out.copy_from_slice(numbers);
                let numbers = self.images.rows(run, &coded, x.grid, copy);
                let laid = (&self.images.shape[..], Order::ChannelsLast);
                tail.codes(run, slot, &self.quantizer, numbers, laid)
            }
        }
    }

    fn quantized<C: Stored + Pooled>(
        &self,
        run: &mut Run,
        coded: &Coded,
        grid: Grid,
        narrow: &Narrow,
    ) -> Vec<C> {
        let isa = run.isa();
        self.images.rows(run, coded, grid, |numbers, out| quantize(isa, narrow, numbers, out))
    }
}

/// Whether codes so stored are integers that are interpolated in float32 and truncated.
pub(super) fn is_of(storage: Storage) -> bool {
    matches!(storage.dtype, DType::U8 | DType::I8)
}

/// Images of integers, each a number of its own: the results are truncated towards 0.
pub(super) struct Interpolate {
    images: Images,
    /// What is added to an integer to store it.
    offset: i32,
}

impl Interpolate {
    pub(super) fn prepare(run: &mut Run, from: ValueId, node: usize) -> Option<Self> {
        let slot = run.slot_of(from);
        let (storage, coded) = (run.slot(slot).storage, run.coded(slot));
        let (images, _) = Images::of(run, node, &coded)?;
        let plain = images.interpolation.is_finite() && !images.interpolation.any_outside();
        plain.then_some(Self { images, offset: storage.offset })
    }

    pub(super) fn run(&self, run: &mut Run, from: ValueId) -> Result<Option<Coded>, Stop> {
        let coded = run.coded(run.slot_of(from));
        let (isa, offset) = (run.isa(), self.offset);
        let grid = Grid { scale: 1.0, zero: offset };
        let then = |numbers: &[f32], out: &mut [u8]| truncate(isa, offset, numbers, out);
        let bytes = self.images.rows(run, &coded, grid, then);
        Ok(Some(self.images.coded(Buffer::Bytes(bytes), coded.on_grid)))
    }
}
