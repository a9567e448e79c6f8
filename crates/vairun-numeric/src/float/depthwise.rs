#![allow(unsafe_code)]

use std::cell::RefCell;

use super::conv::grow;
use super::planes::Planes;
use super::tile::{Kernels, STRIP};

#[derive(Default)]
struct Scratch {
    planes: Vec<f32>,
    sums: Vec<f32>,
    shifts: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Elements of a plane that stay in the first cache beside their sums.
const PLANE: usize = 3 << 10;

/// Convolves one channel. The sums are computed for whole rows of the planes, what hangs over included; then the rows
/// of the result are taken out of them.
pub(super) fn depthwise(
    kernels: Kernels,
    planes: &Planes,
    x: &[f32],
    weights: &[f32],
    bias: Option<f32>,
    out: &mut [f32],
) {
    let [_, rows, columns] = planes.output();
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { planes: buffer, sums, shifts } = scratch;
        let height = (PLANE / columns).clamp(1, rows);
        for (layer, out) in out.chunks_exact_mut(rows * columns).enumerate() {
            for (number, out) in out.chunks_mut(height * columns).enumerate() {
                let first = (layer * rows + number * height) * columns;
                let part = planes.part(first, first + out.len());
                let size = part.channel();
                grow(buffer, size + STRIP);
                part.taps(shifts);
                part.fill(x, buffer);
                let row = part.row();
                let count = (out.len() / columns - 1) * row + columns;
                grow(sums, count.next_multiple_of(STRIP));
                // SAFETY: every place of the result reads within the planes; a strip reads less than STRIP beyond.
                unsafe {
                    kernels.strip(buffer.as_ptr(), shifts, weights, sums.as_mut_ptr(), 0..count);
                }
                let taken = out.chunks_exact_mut(columns).zip(sums.chunks(row));
                match bias {
                    Some(bias) => taken.for_each(|(out, sums)| {
                        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum + bias);
                    }),
                    None => taken.for_each(|(out, sums)| out.copy_from_slice(&sums[..columns])),
                }
            }
        }
    });
}
