//! The driver: tiles over pixels and blocks of output channels.

#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use super::dispatch::in_parts;
use super::finish::{Finish, LANES, Output};
use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::packed::Packed;
use super::rows::Rows;
use super::tile::{Target, Tile};
use super::weights::{BLOCK, Element, Weights};

/// Pixels of the result that one task computes at most.
const TASK: usize = 96;
/// Pixels of a tile at most.
const PIXELS: usize = 4;

/// Stored codes of x, `[batch, pixels, stride]`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Codes<'a> {
    U8(&'a [u8]),
    I16(&'a [i16]),
}

/// What is written, `[batch, pixels, stride]`.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Written<'a> {
    U8(&'a mut [u8]),
    I16(&'a mut [i16]),
    F32(&'a mut [f32]),
    I32(&'a mut [i32]),
}

/// A convolution, transposed convolution or matrix product of x with constant weights, ready to run. Clones share the
/// weights.
#[derive(Clone, Debug)]
pub struct Product {
    /// One for each group of channels.
    groups: Arc<Vec<Weights>>,
    /// Channels of x in a group.
    channels: usize,
    blocks: Vec<Placed>,
    rows: Rows,
    finish: Finish,
    /// A pixel of zero points.
    padding: Vec<u8>,
    /// What an instruction set takes instead of the groups' own weights.
    #[cfg(target_arch = "x86_64")]
    packed: Option<Packed>,
}

/// A block of output channels and its place.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) group: usize,
    /// The first channel of the group.
    pub(super) first: usize,
    /// The same channel of the result.
    pub(super) channel: usize,
}

pub(super) fn placed(groups: &[Weights]) -> Vec<Placed> {
    let mut blocks = vec![];
    let mut before = 0;
    for (group, weights) in groups.iter().enumerate() {
        let place = |first| Placed { group, first, channel: before + first };
        blocks.extend((0..weights.out_channels).step_by(BLOCK).map(place));
        before += weights.out_channels;
    }
    blocks
}

impl Product {
    /// `groups` have `channels` channels of x each; the stored code of x that means 0 is `zero`.
    pub fn new(
        groups: Vec<Weights>,
        channels: usize,
        rows: Rows,
        zero: i32,
        finish: Finish,
        isa: Isa,
    ) -> Self {
        assert!(isa.is_available(), "the CPU has {isa}");
        let element = groups[0].element;
        let out_channels: usize = groups.iter().map(|weights| weights.out_channels).sum();
        assert_eq!(out_channels, finish.channels(), "parameters for each output channel");
        assert!(
            groups.iter().all(|weights| weights.element == element && weights.taps == rows.taps)
        );
        let rests = groups.iter().any(Weights::has_rests);
        assert!(!rests || Weights::are_split_by(isa), "an instruction set for split weights");
        let codes = groups.len() * channels + 64;
        let padding = element.repeated(zero, codes);
        let blocks = placed(&groups);
        let magnitudes = groups.iter().flat_map(Weights::magnitudes);
        let finish = finish.reaching(magnitudes.map(|m| m.saturating_mul(element.largest())));
        #[cfg(target_arch = "x86_64")]
        let (packed, groups, rows) = Packed::new(groups, channels, rows, zero, isa);
        Self {
            groups: Arc::new(groups),
            channels,
            blocks,
            rows,
            finish,
            padding,
            #[cfg(target_arch = "x86_64")]
            packed,
        }
    }

    /// The same with [`Finish::sloped`].
    #[must_use]
    pub fn sloped(self, slopes: Vec<f32>) -> Self {
        Self { finish: self.finish.sloped(slopes), ..self }
    }

    /// The same weights for a matrix x of so many rows; `None` where this is no matrix product, or they are too many.
    pub fn of_rows(&self, rows: usize) -> Option<Self> {
        let matrix = self.rows.taps == 1 && self.rows.input == self.rows.pixels();
        let rows = Rows::matrix(rows).filter(|_| matrix)?;
        #[cfg(target_arch = "x86_64")]
        let packed = self.packed.as_ref().map(|packed| packed.of_rows(&rows));
        Some(Self {
            rows,
            #[cfg(target_arch = "x86_64")]
            packed,
            ..self.clone()
        })
    }

    /// Pixels of one image of the result.
    pub fn pixels(&self) -> usize {
        self.rows.pixels()
    }

    /// Channels of the result.
    pub fn out_channels(&self) -> usize {
        self.finish.channels()
    }

    /// Products of one image.
    pub fn multiplications(&self) -> usize {
        self.rows.reads() * self.channels * self.out_channels()
    }

    /// The sum of the weights of each output channel.
    pub fn weight_sums(&self) -> Vec<i64> {
        self.groups.iter().flat_map(Weights::sums).copied().collect()
    }

    /// Writes the result for `batch` images: pixel p of the result starts at element `p · out_stride`.
    ///
    /// Panics where x does not hold `batch` images of pixels of `x_stride` codes and 4 bytes more, or `out` is not as
    /// long as `batch` images of the result, or of another type than the output.
    pub fn run(&self, x: Codes, x_stride: usize, out: Written, out_stride: usize, batch: usize) {
        self.run_with(&self.finish, x, x_stride, out, out_stride, batch);
    }

    /// As [`Product::run`] with another end of as many channels.
    pub fn run_with(
        &self,
        finish: &Finish,
        x: Codes,
        x_stride: usize,
        out: Written,
        out_stride: usize,
        batch: usize,
    ) {
        assert_eq!(finish.channels(), self.out_channels(), "parameters for each output channel");
        let (x, x_bytes) = match (x, self.groups[0].element) {
            (Codes::U8(x), Element::Byte) => (x.as_ptr(), x.len()),
            (Codes::I16(x), Element::Word) => (x.as_ptr().cast(), 2 * x.len()),
            _ => panic!("x is of the type that the weights are packed for"),
        };
        let stride = x_stride * self.groups[0].element.bytes();
        assert!(x_stride >= self.groups.len() * self.channels, "a pixel holds the channels of x");
        assert!(
            x_bytes >= batch * self.rows.input * stride + 4,
            "x holds its pixels and 4 bytes more"
        );
        assert!(out_stride >= self.out_channels(), "a pixel holds the channels of the result");
        let bytes = self.rows.input * stride;
        let x = Image { start: x as usize, stride, bytes, behind: 4 };
        let sizes = (out_stride, batch);
        match (out, finish.output()) {
            (Written::U8(out), Output::Codes8(_)) => self.spread(finish, x, out, sizes),
            (Written::I16(out), Output::Codes16(_)) => self.spread(finish, x, out, sizes),
            (Written::F32(out), Output::Real) => self.spread(finish, x, out, sizes),
            (Written::I32(out), Output::Sums) => self.spread(finish, x, out, sizes),
            _ => panic!("the output is of the type that is written"),
        }
    }

    fn spread<T: Send>(
        &self,
        finish: &Finish,
        x: Image,
        out: &mut [T],
        (out_stride, batch): (usize, usize),
    ) {
        let image = self.pixels() * out_stride;
        assert_eq!(out.len(), batch * image, "the output is as long as the result");
        if image == 0 {
            return;
        }
        for (i, out) in out.chunks_exact_mut(image).enumerate() {
            let x = Image { start: x.start + i * x.bytes, ..x };
            let target = Target {
                start: out.as_mut_ptr().cast(),
                stride: out_stride * size_of::<T>(),
                channels: self.out_channels(),
            };
            #[cfg(target_arch = "x86_64")]
            if let Some(packed) = &self.packed {
                // SAFETY: `run` has checked x, `new` the CPU; `out` is of the type of the output and holds the image.
                unsafe { packed.image(&self.rows, finish, x, target) };
                continue;
            }
            // SAFETY: as above.
            unsafe { self.image(finish, x, target) };
        }
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// `x` is an image that the rows may read, with 4 bytes behind it; the target starts at the first pixel of the
    /// result and is writable for all of them.
    unsafe fn image(&self, finish: &Finish, x: Image, target: Target) {
        let pixels = self.pixels();
        let start = target.start as usize;
        let (work, sizes) = (self.multiplications() / LANES, [pixels, self.blocks.len()]);
        in_parts(work, sizes, [pixels.div_ceil(TASK), PIXELS], |pixels, blocks| {
            let start = (start + pixels.start * target.stride) as *mut u8;
            let rows = self.sources(x, pixels);
            for placed in &self.blocks[blocks] {
                // SAFETY: as the caller promises; no two tasks write the same channels of the same pixels.
                unsafe { self.block(finish, placed, &rows, Target { start, ..target }) };
            }
        });
    }

    /// Computes a block of the pixels that read `rows`.
    ///
    /// # Safety
    /// As [`Product::image`]; the target starts at the first of the pixels.
    unsafe fn block(&self, finish: &Finish, placed: &Placed, rows: &[*const u8], target: Target) {
        let &Placed { group, first, channel } = placed;
        let (weights, taps) = (&self.groups[group], self.rows.taps);
        let channels = (weights.out_channels - first).min(BLOCK);
        let start = target.start.wrapping_add(channel * finish.output().bytes());
        let pixels = rows.len() / taps;
        let tiles = pixels.div_ceil(PIXELS);
        for i in 0..tiles {
            // Tiles of nearly one size: none is left with a single pixel.
            let (from, to) = (pixels * i / tiles, pixels * (i + 1) / tiles);
            let tile = Tile {
                element: weights.element,
                rows: &rows[from * taps..to * taps],
                offset: group * self.channels * weights.element.bytes(),
                pixels: to - from,
                taps,
                steps: weights.steps,
                weights: weights.block(first),
                finish: finish.from(channel),
            };
            let start = start.wrapping_add(from * target.stride);
            let target = Target { start, stride: target.stride, channels };
            // SAFETY: `sources` gives rows of x or of the padding, each with 4 bytes behind the last channel; the
            // target as the caller promises.
            unsafe { tile.scalar(target) };
        }
    }

    /// `[pixels, taps]`: where pixels of the result read.
    fn sources(&self, x: Image, pixels: Range<usize>) -> Vec<*const u8> {
        let row = |&at: &u32| match at {
            Rows::PADDING => self.padding.as_ptr(),
            at => (x.start + at as usize * x.stride) as *const u8,
        };
        self.rows.of(pixels).iter().map(row).collect()
    }
}

/// One image of x: an address, so that tasks may share it.
#[derive(Clone, Copy)]
pub(super) struct Image {
    pub(super) start: usize,
    /// Bytes from one pixel to the next.
    pub(super) stride: usize,
    pub(super) bytes: usize,
    /// Bytes that are readable behind them.
    pub(super) behind: usize,
}
