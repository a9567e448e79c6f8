use rayon::prelude::*;

use super::accumulate::{Accumulate, Contract, dispatch, rows_by_rows};
use super::centre::{Centred, Layout, transposed};
use super::geometry::{ConvGeometry, indices};
use super::operand::{Operand, Sums};

/// Pixels of x whose contributions are computed at once.
const PIXELS: usize = 64;

/// The transposed convolution of x `[batch, channels, spatial…]` with w
/// `[channels, out_channels / groups, kernel…]`: `[batch, out_channels, spatial…]`.
///
/// The zero points of x: one; of w: one, or one for each index of its second dimension (shared by the groups). `None`
/// where a sum might not fit `i64`. Panics where the slices do not fill the geometry.
pub fn conv_transpose(geometry: &ConvGeometry, x: &Operand, w: &Operand) -> Option<Sums> {
    let taps = geometry.taps();
    let x_layout =
        Layout { outer: 1, axis: 1, inner: geometry.batch * geometry.channels * geometry.pixels() };
    let w_layout = Layout {
        outer: geometry.channels,
        axis: geometry.out_channels / geometry.groups,
        inner: taps,
    };
    let terms = geometry.channels / geometry.groups * taps;
    let contract = Transposed(geometry);
    dispatch(contract, terms, Centred::new(x, x_layout), Centred::new(w, w_layout))
}

struct Transposed<'a>(&'a ConvGeometry);

impl Contract for Transposed<'_> {
    fn run<A: Accumulate>(self, accumulate: A, x: Vec<A::In>, w: Vec<A::In>) -> Vec<A::Out> {
        let geometry = self.0;
        let output = geometry.transposed_output().expect("the caller has checked the shape");
        let length: usize = output.iter().product();
        let per_group = geometry.channels / geometry.groups;
        let wide = geometry.out_channels / geometry.groups * geometry.taps();
        let x = transposed(&x, geometry.batch, geometry.channels, geometry.pixels());
        // [groups, channels / groups, out_channels / groups · taps] → the same with the sum's index last.
        let w = transposed(&w, geometry.groups, per_group, wide);
        let mut out = vec![A::Out::default(); geometry.batch * geometry.out_channels * length];
        if out.is_empty() || per_group == 0 || wide == 0 {
            return out;
        }
        let group_length = geometry.out_channels / geometry.groups * length;
        out.par_chunks_mut(group_length).enumerate().for_each(|(task, out)| {
            let (batch, group) = (task / geometry.groups, task % geometry.groups);
            let x = &x[batch * geometry.pixels() * geometry.channels..]
                [..geometry.pixels() * geometry.channels];
            let w = &w[group * per_group * wide..][..per_group * wide];
            scatter(accumulate, geometry, (&output, length), (x, group), w, out);
        });
        out
    }
}

/// Adds what each pixel of x contributes through one group to `out`, `[out_channels / groups, spatial…]`.
fn scatter<A: Accumulate>(
    accumulate: A,
    geometry: &ConvGeometry,
    (output, length): (&[usize], usize),
    (x, group): (&[A::In], usize),
    w: &[A::In],
    out: &mut [A::Out],
) {
    let rank = geometry.windows.len();
    let input: Vec<_> = geometry.windows.iter().map(|window| window.input).collect();
    let kernel: Vec<_> = geometry.windows.iter().map(|window| window.kernel).collect();
    let (input, kernel) = (indices(&input), indices(&kernel));
    let (taps, per_group) = (geometry.taps(), geometry.channels / geometry.groups);
    let wide = w.len() / per_group;
    let mut sums = vec![A::Out::default(); PIXELS * wide];
    let mut rows = Vec::with_capacity(PIXELS * per_group);
    for (block, x) in x.chunks(PIXELS * geometry.channels).enumerate() {
        rows.clear();
        x.chunks_exact(geometry.channels)
            .for_each(|x| rows.extend_from_slice(&x[group * per_group..][..per_group]));
        rows_by_rows(accumulate, &rows, w, per_group, &mut sums, wide);
        for (i, sums) in sums.chunks_exact(wide).take(rows.len() / per_group).enumerate() {
            let pixel = &input[(block * PIXELS + i) * rank..][..rank];
            for tap in 0..taps {
                let tap_index = &kernel[tap * rank..][..rank];
                let place = |window: &super::Window, i, k, length| window.target(i, k, length);
                let Some(at) = geometry.place((pixel, tap_index), |d| output[d], place) else {
                    continue;
                };
                sums.iter()
                    .skip(tap)
                    .step_by(taps)
                    .zip(out.iter_mut().skip(at).step_by(length))
                    .for_each(|(&sum, out)| *out += sum);
            }
        }
    }
}
