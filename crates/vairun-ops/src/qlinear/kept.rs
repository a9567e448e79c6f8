//! Weights that are the same in every run, packed once for the kernels.

use std::sync::{Arc, Mutex, PoisonError};

use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::kernel::{Codes, Element, Finish, Isa, Moved, Output, Written, transpose};
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
    weights: Arc<[i32]>,
}

/// What sums become as real numbers: `f32(f32(sum) · scale) (+ bias)`, one scale, or one for each output channel.
#[derive(Clone, Copy)]
pub(super) struct Scaling<'a> {
    pub(super) scales: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
}

/// What a contraction gives: the sums, or real numbers.
pub(super) trait Number: Moved {
    const OUTPUT: Output;
    fn written(out: &mut [Self]) -> Written<'_>;
}

impl Number for i32 {
    const OUTPUT: Output = Output::Sums;

    fn written(out: &mut [Self]) -> Written<'_> {
        Written::I32(out)
    }
}

impl Number for f32 {
    const OUTPUT: Output = Output::Real;

    fn written(out: &mut [Self]) -> Written<'_> {
        Written::F32(out)
    }
}

/// Of sums that stay sums.
const UNSCALED: Scaling = Scaling { scales: &[1.0], bias: None };

impl Kept {
    /// For a node whose weights, and what they come with, are the inputs `weights`.
    pub(super) fn new(spec: &NodeSpec, weights: &[usize]) -> Self {
        let input = |&i: &usize| spec.inputs.get(i).and_then(Option::as_ref);
        let fixed = weights.iter().filter_map(input).all(|input| input.fixed);
        Self { isa: spec.isa, fixed, ready: Mutex::default() }
    }

    /// The sums of a matrix product, `[m, n]`; `None` where the kernels cannot do it.
    pub(super) fn matrix(&self, matrix: &Matrix, a: &Side, b: &Side) -> Option<Vec<i32>> {
        if a.zero_points.len() == 1 {
            return self.scaled_matrix(matrix, a, b, UNSCALED);
        }
        let summing = self.columns(matrix, || Some((b.codes.clone(), b.zero_points.clone())))?;
        let mut sums = summing.run(&stored(a.codes)?, 0, UNSCALED, matrix.m * matrix.n);
        let zeros = stored_zeros(a);
        for (row, &zero) in sums.chunks_exact_mut(matrix.n).zip(zeros.iter().cycle()) {
            take_away(row, &summing.weights, zero);
        }
        Some(sums)
    }

    /// A matrix product as sums or real numbers, `[m, n]`; `None` where the kernels cannot do it.
    pub(super) fn scaled_matrix<T: Number>(
        &self,
        matrix: &Matrix,
        a: &Side,
        b: &Side,
        scaling: Scaling,
    ) -> Option<Vec<T>> {
        let &[zero] = &stored_zeros(a)[..] else { return None };
        let summing = self.columns(matrix, || Some((b.codes.clone(), b.zero_points.clone())))?;
        Some(summing.run(&stored(a.codes)?, zero, scaling, matrix.m * matrix.n))
    }

    /// Rows of uint8 codes times a matrix of weights, which `weights` gives with its zero points where they are not
    /// packed yet, as real numbers.
    pub(super) fn rows(
        &self,
        matrix: &Matrix,
        (codes, zero): (&[u8], u8),
        weights: impl FnOnce() -> Option<(Tensor, Vec<i32>)>,
        scaling: Scaling,
    ) -> Option<Vec<f32>> {
        let summing = self.columns(matrix, weights)?;
        let mut x = Vec::with_capacity(codes.len() + SLACK);
        x.extend_from_slice(codes);
        x.resize(codes.len() + SLACK, 0);
        Some(summing.run(&x, zero.into(), scaling, matrix.m * matrix.n))
    }

    /// The sums of a convolution, `[batch, out_channels, …]`; `None` where the kernels cannot do it.
    pub(super) fn conv(&self, geometry: &ConvGeometry, x: &Side, w: &Side) -> Option<Vec<i32>> {
        self.scaled_conv(geometry, x, w, UNSCALED)
    }

    /// A convolution as sums or real numbers, `[batch, out_channels, …]`; `None` where the kernels cannot do it.
    pub(super) fn scaled_conv<T: Number>(
        &self,
        geometry: &ConvGeometry,
        x: &Side,
        w: &Side,
        scaling: Scaling,
    ) -> Option<Vec<T>> {
        let padded = padded(geometry).filter(|_| !w.codes.is_empty())?;
        let channels = geometry.out_channels;
        let summing = self.ready(x.codes.shape(), |_| {
            let x = input(x.codes.shape().to_vec());
            Summing::new(coded(w.codes, &w.zero_points).sums(&x, &padded, self.isa)?, w.codes)
        })?;
        let &[zero] = &stored_zeros(x)[..] else { return None };
        let x = laid_out(geometry, &padded, &stored(x.codes)?, u8::try_from(zero).ok()?);
        let pixels: usize = geometry.output()?.iter().product();
        let last: Vec<T> = summing.run(&x, zero, scaling, geometry.batch * pixels * channels);
        if pixels == 1 || channels == 1 {
            return Some(last);
        }
        let mut out = vec![T::default(); last.len()];
        transpose(&last, pixels, channels, &mut out);
        Some(out)
    }

    /// The weights `[k, n]`, or `[n, k]` where they are transposed, for m rows.
    fn columns(
        &self,
        matrix: &Matrix,
        weights: impl FnOnce() -> Option<(Tensor, Vec<i32>)>,
    ) -> Option<Arc<Summing>> {
        let &Matrix { m, k, n, .. } = matrix;
        self.ready(&[m, k], |others| {
            let known = others.iter().find_map(|(_, summing)| summing.as_ref());
            if let Some(Summing { packed, weights }) = known.map(Arc::as_ref) {
                return Some(Summing { packed: packed.of_rows(m)?, weights: weights.clone() });
            }
            let (codes, zero_points) = weights().filter(|(codes, _)| !codes.is_empty())?;
            let (x, shape) = (input(vec![m, k]), [m, n]);
            let packed = coded(&codes, &zero_points);
            let packed = packed.matrix(&x, matrix, &shape, Output::Sums, self.isa)?;
            Summing::new(packed, &codes)
        })
    }

    /// The weights for an x of a shape, made at the first time; `make` sees those for other shapes.
    fn ready(
        &self,
        shape: &[usize],
        make: impl FnOnce(&[Ready]) -> Option<Summing>,
    ) -> Option<Arc<Summing>> {
        if !self.fixed || shape.contains(&0) {
            return None;
        }
        let lock = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ready)) = lock().iter().find(|(other, _)| other == shape) {
            return ready.clone();
        }
        // Not under the lock, as in `common::once`.
        let others = lock().clone();
        let ready = make(&others).map(Arc::new);
        let mut kept = lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((shape.to_vec(), ready.clone()));
        ready
    }
}

impl Summing {
    /// Of the weights `codes`, which nobody reads again.
    fn new(packed: Packed, codes: &Tensor) -> Option<Self> {
        codes.release();
        // Sums of 32 bits wrap.
        let weights = packed.weight_sums()?.into_iter().map(|sum| sum as i32).collect();
        Some(Self { packed, weights })
    }

    /// The result for stored codes, whose zero is the code `zero`.
    fn run<T: Number>(&self, x: &[u8], zero: i32, scaling: Scaling, length: usize) -> Vec<T> {
        let Scaling { scales, bias } = scaling;
        let finish = Finish::of_zero(&self.weights, zero, scales, bias, T::OUTPUT);
        let mut out = vec![T::default(); length];
        let written = T::written(&mut out);
        match self.packed.element() {
            Element::Byte => self.packed.run_with(&finish, Codes::U8(x), written),
            Element::Word => {
                let words: Vec<i16> = x.iter().map(|&x| x.into()).collect();
                self.packed.run_with(&finish, Codes::I16(&words), written);
            }
        }
        out
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

fn coded<'a>(codes: &'a Tensor, zero_points: &'a [i32]) -> CodedWeights<'a> {
    CodedWeights { codes, zero_points, scales: &[1.0], bias: None }
}

/// Codes as the kernels store them, with [`SLACK`] behind.
fn stored(codes: &Tensor) -> Option<Vec<u8>> {
    let mut stored = Vec::with_capacity(codes.len() + SLACK);
    match codes.dtype() {
        DType::I8 => {
            let codes = codes.as_slice::<i8>().ok()?;
            stored.extend(codes.iter().map(|&code| code.cast_unsigned() ^ 0x80));
        }
        _ => stored.extend_from_slice(codes.as_slice::<u8>().ok()?),
    }
    stored.resize(codes.len() + SLACK, 0);
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
    let mut last = vec![0; count + SLACK];
    transpose(&x[..count], channels, pixels, &mut last[..count]);
    if geometry
        .windows
        .iter()
        .zip(&padded.windows)
        .all(|(window, padded)| window.input == padded.input)
    {
        return last;
    }
    let places: usize = padded.windows.iter().map(|window| window.input).product();
    let mut out = vec![zero; geometry.batch * places * channels + SLACK];
    let width = lengths.last().copied().unwrap_or(1);
    for (row, from) in last[..count].chunks_exact((width * channels).max(1)).enumerate() {
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
