use vairun_graph::Attribute;
use vairun_numeric::kernel::{
    Grid, Isa, Stored, exact_mean_of_images, exact_pixels, mean_of_images, means_of_windows,
    scaled_sums_of_images,
};
use vairun_numeric::pool::Pool;
use vairun_ops::Quantizer;

use super::coded::{Coded, Order, with_codes};
use super::pool::Windows;
use super::roles::{Averaging, Slot, View};
use super::run::{Run, Stop};
use super::tail::Tail;

/// Means of windows, or of whole images, added in the order of the plain operators.
pub(super) struct Mean {
    /// `None`: the whole image.
    windows: Option<Windows>,
    shape: Vec<usize>,
    averaging: Averaging,
    tail: Tail,
    quantizer: Quantizer,
}

impl Mean {
    pub(super) fn prepare(
        run: &mut Run,
        slot: &Slot,
        x: View,
        node: usize,
        (averaging, quantizer): (Averaging, &Quantizer),
    ) -> Result<Option<Self>, Stop> {
        let coded = run.coded(x.slot);
        let attributes = &run.plan.graph.nodes[node].attributes;
        if coded.shape.len() < 3 || coded.len() == 0 {
            return Ok(None);
        }
        let (windows, shape) = match run.plan.graph.nodes[node].op.op_type.as_str() {
            "AveragePool" | "QLinearAveragePool" => {
                let padding = matches!(
                    attributes.get("count_include_pad"),
                    Some(Attribute::Int(flag)) if *flag != 0
                );
                let counts = |pool: &Pool| match averaging {
                    Averaging::Steps(_) if padding => {
                        let whole = pool.axes.iter().map(|axis| axis.kernel).product();
                        vec![whole; pool.counts(false).len()]
                    }
                    _ => pool.counts(padding),
                };
                let Some(windows) = Windows::new(run, node, &coded.shape, counts) else {
                    return Ok(None);
                };
                let shape = windows.shape.clone();
                (Some(windows), shape)
            }
            op => {
                let reduces = op == "ReduceMean";
                let exact = exact_pixels(run.slot(x.slot).storage.reach(x.grid.zero));
                let few = coded.shape[2..].iter().product::<usize>() <= exact;
                if reduces && !(few && reduces_space(run, node, coded.shape.len())) {
                    return Ok(None);
                }
                let keeps = !matches!(attributes.get("keepdims"), Some(Attribute::Int(0)));
                let pixels = coded.shape[2..].iter().filter(|_| keeps || !reduces).map(|_| 1);
                (None, coded.shape[..2].iter().copied().chain(pixels).collect())
            }
        };
        let laid = (&shape[..], Order::ChannelsLast);
        let tail = Tail::new(run, slot, quantizer, laid)?;
        let quantizer = *quantizer;
        Ok(tail.map(|tail| Self { windows, shape, averaging, tail, quantizer }))
    }

    pub(super) fn run(&self, run: &mut Run, slot: &Slot, x: View) -> Result<Option<Coded>, Stop> {
        let coded = run.coded(x.slot);
        let turned = coded.ordered(Order::ChannelsLast, &mut run.buffers);
        let codes = turned.as_ref().unwrap_or(&coded);
        let length = self.shape.iter().product::<usize>();
        let mut numbers = run.buffers.take::<f32>(length);
        let (out, isa, grid) = (&mut numbers[..length], run.isa(), x.grid);
        with_codes!(codes, codes => self.numbers(isa, grid, &coded.shape, codes, out));
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        let laid = (&self.shape[..], Order::ChannelsLast);
        self.tail.codes(run, slot, &self.quantizer, numbers, laid)
    }

    /// What the quantizer takes, of codes that lie channels last.
    fn numbers<C: Stored>(&self, isa: Isa, grid: Grid, shape: &[usize], x: &[C], out: &mut [f32]) {
        let (channels, pixels) = (shape[1], shape[2..].iter().product::<usize>());
        let image = (pixels, channels);
        match (&self.windows, self.averaging) {
            (None, Averaging::Codes { scale }) => {
                let ratio = grid.scale / (scale * pixels as f32);
                scaled_sums_of_images(isa, x, image, (grid.zero, ratio), out);
            }
            (None, Averaging::Exact) => exact_mean_of_images(isa, x, image, grid, out),
            (None, _) => mean_of_images(isa, x, image, grid, out),
            (Some(w), _) => means_of_windows(isa, (&w.rows, &w.counts), x, channels, grid, out),
        }
        if let Averaging::Steps(y) = self.averaging {
            out.iter_mut().for_each(|mean| *mean = *mean / y.scale + y.zero_point as f32);
        }
    }
}

/// Whether a reduction of a tensor of `rank` dimensions goes over those behind the channels, all of them.
fn reduces_space(run: &Run, node: usize, rank: usize) -> bool {
    let node = &run.plan.graph.nodes[node];
    let given = match (node.attributes.get("axes"), node.inputs.get(1)) {
        (Some(Attribute::Ints(axes)), _) => Some(&axes[..]),
        (None, Some(&Some(id))) => {
            run.plan.constants.known(id).and_then(|axes| axes.as_slice::<i64>().ok())
        }
        _ => None,
    };
    let axis = |&axis: &i64| if axis < 0 { axis + rank as i64 } else { axis };
    let mut axes: Vec<i64> = given.unwrap_or_default().iter().map(axis).collect();
    axes.sort_unstable();
    axes.into_iter().eq(2..rank as i64)
}
