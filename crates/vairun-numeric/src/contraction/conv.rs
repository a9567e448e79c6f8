use rayon::prelude::*;

use super::accumulate::{Accumulate, Contract, dispatch, rows_by_rows};
use super::centre::{Centred, Layout, transposed};
use super::geometry::{ConvGeometry, indices};
use super::operand::{Operand, Sums};

/// Pixels of the result that one task computes.
const PIXELS: usize = 32;

/// The convolution of x `[batch, channels, spatial…]` with w `[out_channels, channels / groups, kernel…]`:
/// `[batch, out_channels, spatial…]`.
///
/// The zero points of x: one; of w: one, or one for each output channel. `None` where a sum might not fit `i64`.
/// Panics where the slices do not fill the geometry or the kernel does not fit.
pub fn conv(geometry: &ConvGeometry, x: &Operand, w: &Operand) -> Option<Sums> {
    let terms = geometry.channels / geometry.groups * geometry.taps();
    let x_layout =
        Layout { outer: 1, axis: 1, inner: geometry.batch * geometry.channels * geometry.pixels() };
    let w_layout = Layout { outer: 1, axis: geometry.out_channels, inner: terms };
    dispatch(geometry, terms, Centred::new(x, x_layout), Centred::new(w, w_layout))
}

/// What stays the same for all tasks.
struct Job<'a, A: Accumulate> {
    accumulate: A,
    geometry: &'a ConvGeometry,
    /// `[batch, pixels, channels]`
    x: Vec<A::In>,
    /// `[out_channels, taps, channels / groups]`; depthwise: `[taps, channels]`.
    w: Vec<A::In>,
    output_indices: Vec<usize>,
    tap_indices: Vec<usize>,
}

impl Contract for &ConvGeometry {
    fn run<A: Accumulate>(self, accumulate: A, x: Vec<A::In>, w: Vec<A::In>) -> Vec<A::Out> {
        let output = self.output().expect("the caller has checked that the kernel fits");
        let (pixels, taps) = (self.pixels(), self.taps());
        let kernel: Vec<_> = self.windows.iter().map(|window| window.kernel).collect();
        let per_group = self.channels / self.groups;
        let length = output.iter().product();
        let job = Job {
            accumulate,
            geometry: self,
            x: transposed(&x, self.batch, self.channels, pixels),
            w: match self.is_depthwise() {
                true => transposed(&w, 1, self.channels, taps),
                false => transposed(&w, self.out_channels, per_group, taps),
            },
            output_indices: indices(&output),
            tap_indices: indices(&kernel),
        };
        let mut out = vec![A::Out::default(); self.batch * length * self.out_channels];
        if out.is_empty() || taps * per_group == 0 {
            return out;
        }
        out.par_chunks_mut(length * self.out_channels).enumerate().for_each(|(batch, out)| {
            let tasks = out.par_chunks_mut(PIXELS * self.out_channels).enumerate();
            tasks.for_each(|(task, out)| job.run(batch, task * PIXELS, out));
        });
        transposed(&out, self.batch, length, self.out_channels)
    }
}

impl ConvGeometry {
    fn is_depthwise(&self) -> bool {
        self.groups == self.channels && self.groups == self.out_channels
    }
}

impl<A: Accumulate> Job<'_, A> {
    /// The pixels of the result from `first` on, as many as `out` holds; channels last.
    fn run(&self, batch: usize, first: usize, out: &mut [A::Out]) {
        match self.geometry.is_depthwise() {
            true => self.depthwise(batch, first, out),
            false => {
                (0..self.geometry.groups).for_each(|group| self.group(batch, first, group, out));
            }
        }
    }

    fn group(&self, batch: usize, first: usize, group: usize, out: &mut [A::Out]) {
        let channels = self.geometry.channels / self.geometry.groups;
        let out_channels = self.geometry.out_channels / self.geometry.groups;
        let terms = channels * self.geometry.taps();
        let count = out.len() / self.geometry.out_channels;
        let mut rows = vec![A::In::default(); count * terms];
        for (pixel, row) in rows.chunks_exact_mut(terms).enumerate() {
            for (tap, row) in row.chunks_exact_mut(channels).enumerate() {
                if let Some(x) = self.source(batch, first + pixel, tap) {
                    row.copy_from_slice(&x[group * channels..][..channels]);
                }
            }
        }
        let w = &self.w[group * out_channels * terms..][..out_channels * terms];
        let out = &mut out[group * out_channels..];
        rows_by_rows(self.accumulate, &rows, w, terms, out, self.geometry.out_channels);
    }

    fn depthwise(&self, batch: usize, first: usize, out: &mut [A::Out]) {
        let channels = self.geometry.channels;
        for (pixel, out) in out.chunks_exact_mut(channels).enumerate() {
            for (tap, w) in self.w.chunks_exact(channels).enumerate() {
                if let Some(x) = self.source(batch, first + pixel, tap) {
                    for ((out, &x), &w) in out.iter_mut().zip(x).zip(w) {
                        *out += self.accumulate.product(x, w);
                    }
                }
            }
        }
    }

    /// The channels of the pixel of x that pixel `pixel` of the result reads through `tap`; `None` in the padding.
    fn source(&self, batch: usize, pixel: usize, tap: usize) -> Option<&[A::In]> {
        let windows = &self.geometry.windows;
        let rank = windows.len();
        let (o, k) =
            (&self.output_indices[pixel * rank..][..rank], &self.tap_indices[tap * rank..][..rank]);
        let at = self.geometry.place(
            (o, k),
            |d| windows[d].input,
            |window, o, k, _| window.source(o, k),
        )?;
        let channels = self.geometry.channels;
        Some(&self.x[(batch * self.geometry.pixels() + at) * channels..][..channels])
    }
}
