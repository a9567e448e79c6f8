//! Weights that are the same in every run, packed once for the kernels.

use std::sync::{Arc, Mutex, PoisonError};

use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::kernel::{Codes, Element, Isa, Output, Written, transpose};
use vairun_tensor::{DType, Tensor};

use super::sums::Side;
use crate::contraction::coded::CodedWeights;
use crate::contraction::{Matrix, Packed, PackedInput};
use crate::spec::NodeSpec;

/// The packed weights of a node.
///
/// They give `Σ x · (w - zw)` of stored codes x, so that the zero point of x may be another one in each run: what it
/// takes away is `zx · Σ (w - zw)`, modulo 2^32 as all sums here.
pub(super) struct Kept {
    isa: Isa,
    /// Whether the weights are the same in every run.
    fixed: bool,
    ready: Mutex<Vec<Ready>>,
}

/// A shape of x, and the weights for it; `None` where the kernels cannot do it.
type Ready = (Vec<usize>, Option<Arc<Summing>>);

/// Shapes of x whose weights are kept.
const KEPT: usize = 4;

/// Bytes behind the codes of x that kernels may read.
const SLACK: usize = 64;

struct Summing {
    packed: Packed,
    /// `Σ (w - zw)` of each output channel.
    weights: Vec<i32>,
}

impl Kept {
    /// For a node whose weights, and what they come with, are the inputs `weights`.
    pub(super) fn new(spec: &NodeSpec, weights: &[usize]) -> Self {
        let input = |&i: &usize| spec.inputs.get(i).and_then(Option::as_ref);
        let fixed = weights.iter().filter_map(input).all(|input| input.fixed);
        Self { isa: Isa::best(), fixed, ready: Mutex::default() }
    }

    /// The sums of a matrix product, `[m, n]`; `None` where the kernels cannot do it.
    pub(super) fn matrix(&self, matrix: &Matrix, a: &Side, b: &Side) -> Option<Vec<i32>> {
        let &Matrix { m, k, n, .. } = matrix;
        let summing = self.ready(
            &[m, k],
            || {
                let x = input(vec![m, k]);
                coded(b).matrix(&x, matrix, &[m, n], Output::Sums, self.isa)
            },
            b,
            if matrix.transposed { (n, 1) } else { (n, n) },
        )?;
        let x = stored(a.codes)?;
        let mut sums = vec![0; m * n];
        summing.run(&x, &mut sums);
        let zeros = stored_zeros(a);
        for (row, &zero) in sums.chunks_exact_mut(n).zip(zeros.iter().cycle()) {
            take_away(row, &summing.weights, zero);
        }
        Some(sums)
    }

    /// The sums of a convolution, `[batch, out_channels, …]`; `None` where the kernels cannot do it.
    pub(super) fn conv(&self, geometry: &ConvGeometry, x: &Side, w: &Side) -> Option<Vec<i32>> {
        let padded = padded(geometry)?;
        let summing = self.ready(
            x.codes.shape(),
            || {
                let x = input(x.codes.shape().to_vec());
                coded(w).sums(&x, &padded, self.isa)
            },
            w,
            (geometry.out_channels, 1),
        )?;
        let &[zero] = &stored_zeros(x)[..] else { return None };
        let x = laid_out(geometry, &padded, &stored(x.codes)?, u8::try_from(zero).ok()?);
        let pixels: usize = geometry.output()?.iter().product();
        let channels = geometry.out_channels;
        let mut sums = vec![0; geometry.batch * pixels * channels];
        summing.run(&x, &mut sums);
        sums.chunks_exact_mut(channels).for_each(|row| take_away(row, &summing.weights, zero));
        let mut out = vec![0; sums.len()];
        transpose(&sums, pixels, channels, &mut out);
        Some(out)
    }

    /// The weights for an x of a shape, packed at the first time; `along` are the output channels, and how far the
    /// weights of one are apart.
    fn ready(
        &self,
        shape: &[usize],
        pack: impl FnOnce() -> Option<Packed>,
        w: &Side,
        along: (usize, usize),
    ) -> Option<Arc<Summing>> {
        if !self.fixed || shape.contains(&0) || w.codes.is_empty() {
            return None;
        }
        let lock = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ready)) = lock().iter().find(|(other, _)| other == shape) {
            return ready.clone();
        }
        let summing = || Some(Arc::new(Summing { packed: pack()?, weights: totals(w, along)? }));
        let ready = summing();
        let mut kept = lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((shape.to_vec(), ready.clone()));
        ready
    }
}

impl Summing {
    fn run(&self, x: &[u8], sums: &mut [i32]) {
        match self.packed.element() {
            Element::Byte => self.packed.run(Codes::U8(x), Written::I32(sums)),
            Element::Word => {
                let words: Vec<i16> = x.iter().map(|&x| x.into()).collect();
                self.packed.run(Codes::I16(&words), Written::I32(sums));
            }
        }
    }
}

fn take_away(row: &mut [i32], weights: &[i32], zero: i32) {
    if zero != 0 {
        let each = row.iter_mut().zip(weights);
        each.for_each(|(sum, &w)| *sum = sum.wrapping_sub(w.wrapping_mul(zero)));
    }
}

/// Stored codes that are numbers themselves.
fn input(shape: Vec<usize>) -> PackedInput {
    PackedInput { shape, element: Element::Byte, scale: 1.0, zero: 0, range: (0, 255) }
}

fn coded<'a>(w: &'a Side) -> CodedWeights<'a> {
    CodedWeights { codes: w.codes, zero_points: &w.zero_points, scales: &[1.0], bias: None }
}

/// `Σ (w - zw)` of each of `count` output channels, whose weights lie in runs of one channel each, or, where they are
/// `count` apart, next to each other.
fn totals(w: &Side, (count, apart): (usize, usize)) -> Option<Vec<i32>> {
    let codes = integers(w.codes)?;
    let terms = codes.len() / count;
    let total = |o: usize| {
        let sum: i32 = match apart {
            1 => codes[o * terms..][..terms].iter().sum(),
            _ => codes[o..].iter().step_by(apart).sum(),
        };
        let zero = w.zero_points[if w.zero_points.len() == 1 { 0 } else { o }];
        sum.wrapping_sub(zero.wrapping_mul(terms as i32))
    };
    Some((0..count).map(total).collect())
}

fn integers(codes: &Tensor) -> Option<Vec<i32>> {
    Some(match codes.dtype() {
        DType::I8 => codes.as_slice::<i8>().ok()?.iter().map(|&x| x.into()).collect(),
        _ => codes.as_slice::<u8>().ok()?.iter().map(|&x| x.into()).collect(),
    })
}

/// Codes as the kernels store them, with [`SLACK`] behind.
fn stored(codes: &Tensor) -> Option<Vec<u8>> {
    let mut stored = match codes.dtype() {
        DType::I8 => {
            let codes = codes.as_slice::<i8>().ok()?;
            codes.iter().map(|&code| code.cast_unsigned() ^ 0x80).collect()
        }
        _ => codes.as_slice::<u8>().ok()?.to_vec(),
    };
    stored.resize(stored.len() + SLACK, 0);
    Some(stored)
}

fn stored_zeros(x: &Side) -> Vec<i32> {
    let offset = if x.codes.dtype() == DType::I8 { 128 } else { 0 };
    x.zero_points.iter().map(|zero| zero + offset).collect()
}

/// The convolution of an x that holds its padding already; `None` where that is too large.
fn padded(geometry: &ConvGeometry) -> Option<ConvGeometry> {
    let mut padded = geometry.clone();
    for window in &mut padded.windows {
        window.input = window.input.checked_add(window.pad_begin)?.checked_add(window.pad_end)?;
        (window.pad_begin, window.pad_end) = (0, 0);
    }
    let lengths = padded.windows.iter().map(|window| window.input);
    let mut lengths = lengths.chain([padded.batch, padded.channels]);
    let count = lengths.try_fold(1usize, |count, length| count.checked_mul(length));
    count.filter(|&count| count < 1 << 31).map(|_| padded)
}

/// x channels last, with its padding.
fn laid_out(geometry: &ConvGeometry, padded: &ConvGeometry, x: &[u8], zero: u8) -> Vec<u8> {
    let channels = geometry.channels;
    let lengths: Vec<usize> = geometry.windows.iter().map(|window| window.input).collect();
    let pixels: usize = lengths.iter().product();
    let count = geometry.batch * pixels * channels;
    let mut last = vec![0; count];
    transpose(&x[..count], channels, pixels, &mut last);
    let places: usize = padded.windows.iter().map(|window| window.input).product();
    let mut out = vec![zero; geometry.batch * places * channels + SLACK];
    let width = lengths.last().copied().unwrap_or(1);
    for (row, from) in last.chunks_exact((width * channels).max(1)).enumerate() {
        let mut at = row;
        let (mut place, mut step) = (0, 1);
        // The coordinates of the row, from the last dimension but one to the batch.
        let windows = geometry.windows.iter().zip(&padded.windows).rev();
        for (i, (window, padded)) in windows.enumerate() {
            let along = if i == 0 { 0 } else { at % window.input };
            at /= if i == 0 { 1 } else { window.input };
            place += step * (along + window.pad_begin);
            step *= padded.input;
        }
        place += at * step;
        out[place * channels..][..from.len()].copy_from_slice(from);
    }
    out
}
