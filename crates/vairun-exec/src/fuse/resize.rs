use vairun_numeric::kernel::{Narrow, Stored, interpolate_codes, quantize};
use vairun_numeric::resize::Bilinear;
use vairun_ops::Quantizer;

use super::buffers::Pooled;
use super::coded::{Buffer, Coded, Order, with_codes};
use super::roles::{Slot, View};
use super::run::{Run, Stop};
use super::tail::Tail;
use crate::plan::Kernel;

/// Images interpolated row by row: each row of numbers is quantized while it is near.
pub(super) struct Resize {
    bilinear: Bilinear,
    shape: Vec<usize>,
    tail: Tail,
    quantizer: Quantizer,
    /// No number can be other than the quantizer takes.
    holds: bool,
}

/// Channels of a pixel that are worth vectors.
const FEW: usize = 8;

impl Resize {
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        x: View,
        node: usize,
        quantizer: &Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let coded = run.coded(x.slot);
        let Kernel::Each(operator) = &run.plan.steps[node].kernel else { return Ok(None) };
        let parameters = run.plan.parameters(&run.plan.graph.nodes[node]);
        let Some(bilinear) = operator.bilinear(&coded.shape, &parameters) else { return Ok(None) };
        if coded.shape[1] < FEW || coded.len() == 0 {
            return Ok(None);
        }
        let (rows, columns) = (bilinear.rows.output, bilinear.columns.output);
        let shape = vec![coded.shape[0], coded.shape[1], rows, columns];
        // Weights add up to 1 and their roundings.
        let largest = run.slot(x.slot).storage.reach(x.grid.zero) as f32 * x.grid.scale * 1.001;
        let holds = largest.max(bilinear.outside.abs()) < quantizer.below && bilinear.is_finite();
        let tail = Tail::new(run, slot, quantizer, (&shape, Order::ChannelsLast))?;
        let quantizer = *quantizer;
        Ok(tail.map(|tail| Self { bilinear, shape, tail, quantizer, holds }))
    }

    pub(super) fn run(&self, run: &mut Run, slot: &Slot, x: View) -> Result<Option<Coded>, Stop> {
        let coded = run.coded(x.slot);
        let turned = coded.ordered(Order::ChannelsLast, &mut run.buffers);
        let codes = turned.as_ref().unwrap_or(&coded);
        let made = match &self.tail {
            Tail::Narrow(narrow) if self.holds => {
                let buffer = match slot.storage.wide {
                    false => Buffer::Bytes(self.quantized(run, x, codes, narrow)),
                    true => Buffer::Words(self.quantized(run, x, codes, narrow)),
                };
                let (shape, order) = (self.shape.clone(), Order::ChannelsLast);
                Some(Coded { shape, order, buffer, on_grid: true })
            }
            tail => {
                let copy = |numbers: &[f32], out: &mut [f32]| out.copy_from_slice(numbers);
                let numbers = self.rows(run, x, codes, copy);
                let laid = (&self.shape[..], Order::ChannelsLast);
                tail.codes(run, slot, &self.quantizer, numbers, laid)?
            }
        };
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        Ok(made)
    }

    fn quantized<C: Stored + Pooled>(
        &self,
        run: &mut Run,
        x: View,
        codes: &Coded,
        narrow: &Narrow,
    ) -> Vec<C> {
        let isa = run.isa();
        self.rows(run, x, codes, |numbers, out| quantize(isa, narrow, numbers, out))
    }

    /// What `then` makes of the rows.
    fn rows<T: Pooled + Send>(
        &self,
        run: &mut Run,
        x: View,
        codes: &Coded,
        then: impl Fn(&[f32], &mut [T]) + Sync,
    ) -> Vec<T> {
        let length = self.shape.iter().product();
        let mut out = run.buffers.take(length);
        let (isa, channels, bilinear) = (run.isa(), self.shape[1], &self.bilinear);
        with_codes!(codes, codes => {
            let x = (codes, channels, x.grid);
            interpolate_codes(isa, x, bilinear, &mut out[..length], then);
        });
        out
    }
}
