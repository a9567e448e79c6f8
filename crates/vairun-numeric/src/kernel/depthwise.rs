//! Depthwise convolution: each channel for itself.

#![allow(unsafe_code)]

use rayon::prelude::*;

use super::dispatch::{alone, on};
use super::elementwise::Stored;
use super::finish::{Finish, LANES, Output};
use super::isa::Isa;
use super::product::{Codes, Image, Written};
use super::rows::Rows;
use super::tile::Target;
use super::weights::{BLOCK, Element};
use crate::vector::Loop;

/// Pixels of the result that one task computes at most, where there are threads.
const TASK: usize = 64;

/// Weights in the order of an instruction set.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Debug)]
enum Packed {
    Avx512(super::avx512::depthwise::Packed),
    Avx2(super::avx2::depthwise::Packed),
    Avx2Columns(super::avx2::columns::Packed),
    None,
}

#[cfg(target_arch = "x86_64")]
impl Packed {
    /// `weights` are `[taps, channels]`.
    fn new(
        (element, weights): (Element, &[i16]),
        (rows, zero): (&Rows, i32),
        finish: &Finish,
        isa: Isa,
    ) -> Self {
        use super::{avx2, avx512};
        let channels = finish.channels();
        if !isa.has_avx2() {
            return Self::None;
        }
        let columns = || avx2::columns::Packed::new((element, weights), channels, rows, zero);
        let fills = isa == Isa::Avx512 && avx512::depthwise::fills(element, channels);
        match (isa, if fills { None } else { columns() }) {
            (_, Some(packed)) => Self::Avx2Columns(packed),
            (Isa::Avx512, None) => {
                let ends = (finish, zero);
                let packed = avx512::depthwise::Packed::new(element, weights, channels, rows, ends);
                Self::Avx512(packed)
            }
            _ => Self::Avx2(avx2::depthwise::Packed::new(element, weights, channels, zero)),
        }
    }

    /// Computes one image of the result, where there is a form for whole images.
    ///
    /// # Safety
    /// The CPU has the instruction set; `x` is an image that `rows` may read, without gaps; the target starts at the first
    /// pixel of the result and is writable for all of them.
    unsafe fn image(&self, rows: &Rows, finish: &Finish, x: Image, target: Target) -> bool {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::Avx2(packed) => packed.image(rows, finish, x, target),
                Self::Avx2Columns(packed) => packed.image(finish, x, target),
                Self::Avx512(_) | Self::None => return false,
            }
        }
        true
    }
}

/// A depthwise convolution of x with constant weights, ready to run.
#[derive(Clone, Debug)]
pub struct Depthwise {
    element: Element,
    channels: usize,
    /// `[taps, channels]`
    weights: Vec<i16>,
    #[cfg(target_arch = "x86_64")]
    packed: Packed,
    rows: Rows,
    finish: Finish,
    zero: i32,
    isa: Isa,
}

impl Depthwise {
    /// `weights` are `[channels, taps]`, less their zero points; `None` where x is of bytes and one does not fit i8. The stored code of x that means 0 is `zero`. That the sums fit is the caller's to prove
    /// (`Weights::corrections`).
    pub fn new(
        element: Element,
        weights: &[i16],
        rows: Rows,
        zero: i32,
        finish: Finish,
        isa: Isa,
    ) -> Option<Self> {
        assert!(isa.is_available(), "the CPU has {isa}");
        let (channels, taps) = (finish.channels(), rows.taps);
        assert_eq!(weights.len(), channels * taps, "the weights fill their shape");
        if element == Element::Byte && weights.iter().any(|&w| i8::try_from(w).is_err()) {
            return None;
        }
        let magnitudes = weights.chunks_exact(taps.max(1));
        let magnitudes =
            magnitudes.map(|w| w.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>());
        let finish = finish.reaching(magnitudes.map(|m| m.saturating_mul(element.largest())));
        let by_tap = |i: usize| weights[i % channels * taps + i / channels];
        let by_tap: Vec<i16> = (0..channels * taps).map(by_tap).collect();
        #[cfg(target_arch = "x86_64")]
        let packed = Packed::new((element, &by_tap), (&rows, zero), &finish, isa);
        #[cfg(target_arch = "x86_64")]
        let rows = if let Packed::Avx2Columns(_) = packed { rows.forgotten() } else { rows };
        Some(Self {
            element,
            channels,
            #[cfg(target_arch = "x86_64")]
            packed,
            weights: by_tap,
            rows,
            finish,
            zero,
            isa,
        })
    }

    /// The same with [`Finish::sloped`].
    #[must_use]
    pub fn sloped(self, slopes: Vec<f32>) -> Self {
        Self { finish: self.finish.sloped(slopes), ..self }
    }

    /// Pixels of one image of the result.
    pub fn pixels(&self) -> usize {
        self.rows.pixels()
    }

    /// Channels of x and of the result.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Products of one image.
    pub fn multiplications(&self) -> usize {
        self.rows.reads() * self.channels
    }

    /// The sum of the weights of each channel.
    pub fn weight_sums(&self) -> Vec<i64> {
        let mut sums = vec![0; self.channels];
        for weights in self.weights.chunks_exact(self.channels) {
            sums.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += i64::from(w));
        }
        sums
    }

    /// Writes the result for `batch` images, channels last.
    ///
    /// Panics where x or `out` are not as long as the images, or of another type.
    pub fn run(&self, x: Codes, out: Written, batch: usize) {
        match (x, self.element, out, self.finish.output()) {
            (Codes::U8(x), Element::Byte, Written::U8(out), Output::Codes8(_)) => {
                self.spread(x, out, batch)
            }
            (Codes::U8(x), Element::Byte, Written::I16(out), Output::Codes16(_)) => {
                self.spread(x, out, batch)
            }
            (Codes::U8(x), Element::Byte, Written::F32(out), Output::Real) => {
                self.spread(x, out, batch)
            }
            (Codes::U8(x), Element::Byte, Written::I32(out), Output::Sums) => {
                self.spread(x, out, batch)
            }
            (Codes::I16(x), Element::Word, Written::I32(out), Output::Sums) => {
                self.spread(x, out, batch)
            }
            (Codes::I16(x), Element::Word, Written::U8(out), Output::Codes8(_)) => {
                self.spread(x, out, batch)
            }
            (Codes::I16(x), Element::Word, Written::I16(out), Output::Codes16(_)) => {
                self.spread(x, out, batch)
            }
            (Codes::I16(x), Element::Word, Written::F32(out), Output::Real) => {
                self.spread(x, out, batch)
            }
            _ => panic!("x and the output are of the types that were planned"),
        }
    }

    fn spread<X: Stored, T: Send>(&self, x: &[X], out: &mut [T], batch: usize) {
        let (input, output) = (self.rows.input * self.channels, self.pixels() * self.channels);
        assert_eq!(out.len(), batch * output, "the output is as long as the result");
        assert!(x.len() >= batch * input, "x holds its pixels");
        if output == 0 {
            return;
        }
        for (i, out) in out.chunks_exact_mut(output).enumerate() {
            let (x, behind) = x[i * input..].split_at(input);
            #[cfg(target_arch = "x86_64")]
            {
                let stride = self.channels * size_of::<X>();
                let (bytes, behind) = (size_of_val(x), size_of_val(behind));
                let image = Image { start: x.as_ptr() as usize, stride, bytes, behind };
                let stride = self.channels * size_of::<T>();
                let target =
                    Target { start: out.as_mut_ptr().cast(), stride, channels: self.channels };
                // SAFETY: X is the type that the element names and T that of the output (`run`), every row lies
                // within x, `out` holds the image; `new` has checked the CPU.
                if unsafe { self.packed.image(&self.rows, &self.finish, image, target) } {
                    continue;
                }
            }
            if alone(self.multiplications() / LANES) {
                self.task(x, 0, out);
                continue;
            }
            let fair = self.pixels().div_ceil(2 * rayon::current_num_threads());
            let task = fair.min(TASK);
            let tasks = out.par_chunks_mut(task * self.channels).enumerate();
            tasks.for_each(|(i, out)| self.task(x, i * task, out));
        }
    }

    fn task<X: Stored, T>(&self, x: &[X], first: usize, out: &mut [T]) {
        let pixels = out.len() / self.channels;
        let rows = self.rows.of(first..first + pixels);
        let stride = self.channels * size_of::<T>();
        #[cfg(target_arch = "x86_64")]
        if let Packed::Avx512(packed) = &self.packed {
            let start = out.as_mut_ptr().cast();
            let target = Target { start, stride, channels: self.channels };
            // SAFETY: X is the type that the element names (`run`), every row lies within x; the target is `out`, of
            // the type of the output; `new` has checked the CPU.
            unsafe {
                let x = x.as_ptr().cast();
                return packed.run(&self.finish, x, rows, self.rows.taps, target);
            }
        }
        let mut sums = [0i32; BLOCK];
        for (pixel, rows) in rows.chunks_exact(self.rows.taps).enumerate() {
            for block in (0..self.channels).step_by(BLOCK) {
                let count = BLOCK.min(self.channels - block);
                on(self.isa, Sums { depthwise: self, x, rows, block, sums: &mut sums[..count] });
                let target = Target {
                    start: out[pixel * self.channels + block..].as_mut_ptr().cast(),
                    stride,
                    channels: count,
                };
                for first in (0..count).step_by(LANES) {
                    let lanes: &[i32; LANES] = sums[first..][..LANES].try_into().expect("so many");
                    // SAFETY: the target is `out`, of the type of the output.
                    unsafe { target.write(&self.finish.from(block), 0, first, lanes) };
                }
            }
        }
    }
}

/// The sums of one pixel and the channels from `block` on.
struct Sums<'a, X> {
    depthwise: &'a Depthwise,
    x: &'a [X],
    rows: &'a [u32],
    block: usize,
    sums: &'a mut [i32],
}

impl<X: Stored> Loop for Sums<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Depthwise { channels, weights, zero, .. } = self.depthwise;
        self.sums.fill(0);
        for (tap, &at) in self.rows.iter().enumerate() {
            let weights = &weights[tap * channels + self.block..][..self.sums.len()];
            if at == Rows::PADDING {
                let add =
                    |(sum, &w): (&mut i32, &i16)| *sum = sum.wrapping_add(zero * i32::from(w));
                self.sums.iter_mut().zip(weights).for_each(add);
                continue;
            }
            let x = &self.x[at as usize * channels + self.block..][..self.sums.len()];
            for ((sum, &w), &x) in self.sums.iter_mut().zip(weights).zip(x) {
                *sum = sum.wrapping_add(x.widen() * i32::from(w));
            }
        }
    }
}
