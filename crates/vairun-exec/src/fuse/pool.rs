use vairun_graph::ValueId;
use vairun_numeric::contraction::{ConvGeometry, Window};
use vairun_numeric::kernel::{Rows, max_pool, mean_of_images, means_of_windows};
use vairun_numeric::pool::Pool;
use vairun_ops::Quantizer;
use vairun_ops::pool::geometry;

use super::coded::{Buffer, Coded, Order};
use super::roles::{Slot, View};
use super::run::{Run, Stop};
use super::tail::{Tail, codes_buffer};

/// The windows of a pool over codes that lie channels last.
struct Windows {
    rows: Rows,
    /// Of the result.
    shape: Vec<usize>,
    counts: Vec<usize>,
}

impl Windows {
    fn new(run: &Run, node: usize, shape: &[usize], include_padding: bool) -> Option<Self> {
        let (pool, shape) = geometry(&run.plan.graph.nodes[node].attributes, shape)?;
        let rows = Rows::conv(&window_geometry(&pool))?;
        let counts = pool.counts(include_padding);
        let fits = rows.pixels() == counts.len() && rows.all_touch() && !counts.contains(&0);
        fits.then_some(Self { rows, shape, counts })
    }
}

/// The windows as those of a convolution. Padding at the end reaches as far as the last window does.
fn window_geometry(pool: &Pool) -> ConvGeometry {
    let window = |axis: &vairun_numeric::pool::PoolAxis| {
        let extent = (axis.kernel - 1) * axis.dilation + 1;
        let covered = (axis.output - 1) * axis.stride + extent;
        Window {
            input: axis.input,
            kernel: axis.kernel,
            stride: axis.stride,
            dilation: axis.dilation,
            pad_begin: axis.pad_begin,
            pad_end: axis.pad_end.max(covered.saturating_sub(axis.input + axis.pad_begin)),
            output_padding: 0,
        }
    };
    let windows = pool.axes.iter().map(window).collect();
    ConvGeometry { batch: 1, channels: 1, out_channels: 1, groups: 1, windows }
}

/// The largest code of each window: that of the largest number, as steps are positive.
pub(super) struct MaxPool(Windows);

impl MaxPool {
    pub(super) fn prepare(run: &mut Run, from: ValueId, node: usize) -> Option<Self> {
        let x = run.coded(run.slot_of(from));
        (x.len() > 0).then(|| Windows::new(run, node, &x.shape, false)).flatten().map(Self)
    }

    pub(super) fn run(&self, run: &mut Run, from: ValueId) -> Result<Option<Coded>, Stop> {
        let slot = run.slot_of(from);
        let (storage, isa) = (run.slot(slot).storage, run.isa());
        let coded = run.coded(slot);
        let turned = coded.ordered(Order::ChannelsLast, &mut run.buffers);
        let x = turned.as_ref().unwrap_or(&coded);
        let Windows { rows, shape, .. } = &self.0;
        let (length, channels) = (shape.iter().product::<usize>(), shape[1]);
        let mut buffer = codes_buffer(&mut run.buffers, storage, length);
        match (&x.buffer, &mut buffer) {
            (Buffer::Bytes(x), Buffer::Bytes(out)) => {
                max_pool(isa, rows, &x[..coded.len()], channels, &mut out[..length]);
            }
            (Buffer::Words(x), Buffer::Words(out)) => {
                max_pool(isa, rows, &x[..coded.len()], channels, &mut out[..length]);
            }
            _ => return Ok(None),
        }
        let result = Coded {
            shape: shape.clone(),
            order: Order::ChannelsLast,
            buffer,
            on_grid: coded.on_grid,
        };
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        Ok(Some(result))
    }
}

/// Means of windows, or of whole images, added in the order of the plain operators.
pub(super) struct Mean {
    /// `None`: the whole image.
    windows: Option<Windows>,
    shape: Vec<usize>,
    tail: Tail,
    quantizer: Quantizer,
}

impl Mean {
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        x: View,
        node: usize,
        quantizer: &Quantizer,
    ) -> Result<Option<Self>, Stop> {
        let coded = run.coded(x.slot);
        let attributes = &run.plan.graph.nodes[node].attributes;
        if coded.shape.len() < 3 || coded.len() == 0 {
            return Ok(None);
        }
        let (windows, shape) = match run.plan.graph.nodes[node].op.op_type.as_str() {
            "AveragePool" => {
                let padding = matches!(
                    attributes.get("count_include_pad"),
                    Some(vairun_graph::Attribute::Int(flag)) if *flag != 0
                );
                let Some(windows) = Windows::new(run, node, &coded.shape, padding) else {
                    return Ok(None);
                };
                let shape = windows.shape.clone();
                (Some(windows), shape)
            }
            _ => {
                let pixels = coded.shape[2..].iter().map(|_| 1);
                (None, coded.shape[..2].iter().copied().chain(pixels).collect())
            }
        };
        let laid = (&shape[..], Order::ChannelsLast);
        let tail = Tail::new(run, slot, quantizer, laid)?;
        let quantizer = *quantizer;
        Ok(tail.map(|tail| Self { windows, shape, tail, quantizer }))
    }

    pub(super) fn run(&self, run: &mut Run, slot: &Slot, x: View) -> Result<Option<Coded>, Stop> {
        let coded = run.coded(x.slot);
        let turned = coded.ordered(Order::ChannelsLast, &mut run.buffers);
        let codes = turned.as_ref().unwrap_or(&coded);
        let (length, channels) = (self.shape.iter().product::<usize>(), self.shape[1]);
        let mut numbers = run.buffers.take::<f32>(length);
        let (out, isa, grid) = (&mut numbers[..length], run.isa(), x.grid);
        let pixels = coded.shape[2..].iter().product();
        match (&codes.buffer, &self.windows) {
            (Buffer::Bytes(x), None) => {
                mean_of_images(isa, &x[..coded.len()], (pixels, channels), grid, out);
            }
            (Buffer::Words(x), None) => {
                mean_of_images(isa, &x[..coded.len()], (pixels, channels), grid, out);
            }
            (Buffer::Bytes(x), Some(w)) => {
                let x = &x[..coded.len()];
                means_of_windows(isa, (&w.rows, &w.counts), x, channels, grid, out);
            }
            (Buffer::Words(x), Some(w)) => {
                let x = &x[..coded.len()];
                means_of_windows(isa, (&w.rows, &w.counts), x, channels, grid, out);
            }
        }
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        let laid = (&self.shape[..], Order::ChannelsLast);
        self.tail.codes(run, slot, &self.quantizer, numbers, laid)
    }
}
