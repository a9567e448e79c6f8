use vairun_graph::ValueId;
use vairun_numeric::contraction::{ConvGeometry, Window};
use vairun_numeric::kernel::{Rows, max_pool};
use vairun_numeric::pool::Pool;
use vairun_ops::pool::geometry;

use super::coded::{Buffer, Coded, Order};
use super::run::{Run, Stop};
use super::tail::codes_buffer;

/// The windows of a pool over codes that lie channels last.
pub(super) struct Windows {
    pub(super) rows: Rows,
    /// Of the result.
    pub(super) shape: Vec<usize>,
    pub(super) counts: Vec<usize>,
}

impl Windows {
    pub(super) fn new(
        run: &Run,
        node: usize,
        shape: &[usize],
        counts: impl Fn(&Pool) -> Vec<usize>,
    ) -> Option<Self> {
        let (pool, shape) = geometry(&run.plan.graph.nodes[node].attributes, shape)?;
        let rows = Rows::conv(&window_geometry(&pool))?;
        let counts = counts(&pool);
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
        (x.len() > 0)
            .then(|| Windows::new(run, node, &x.shape, |pool| pool.counts(false)))
            .flatten()
            .map(Self)
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
