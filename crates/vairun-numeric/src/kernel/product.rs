//! The driver: tiles over pixels and blocks of output channels.

#![allow(unsafe_code)]

use rayon::prelude::*;

use super::finish::{Finish, LANES, Output};
use super::isa::Isa;
use super::rows::Rows;
use super::tile::{PIXELS, Target, Tile};
use super::weights::{BLOCK, Element, Weights};

/// Pixels of the result that one task computes.
const TASK: usize = 96;

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

/// A convolution, transposed convolution or matrix product of x with constant weights, ready to run.
#[derive(Clone, Debug)]
pub struct Product {
    /// One for each group of channels.
    groups: Vec<Weights>,
    /// Channels of x in a group.
    channels: usize,
    rows: Rows,
    finish: Finish,
    /// A pixel of zero points.
    padding: Vec<u8>,
    isa: Isa,
    /// What [`Isa::Avx2`] takes instead of the groups' own weights.
    #[cfg(target_arch = "x86_64")]
    avx2: Option<super::avx2::Packed>,
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
        let bytes = groups.len() * channels * element.bytes() + 64;
        let padding = match element {
            Element::Byte => vec![zero as u8; bytes],
            Element::Word => (zero as i16).to_le_bytes().into_iter().cycle().take(bytes).collect(),
        };
        #[cfg(target_arch = "x86_64")]
        let (avx2, groups) = match isa {
            Isa::Avx2 => {
                let packed = super::avx2::Packed::new(&groups, channels, &rows, zero);
                (Some(packed), groups.into_iter().map(Weights::emptied).collect())
            }
            _ => (None, groups),
        };
        Self {
            groups,
            channels,
            rows,
            finish,
            padding,
            isa,
            #[cfg(target_arch = "x86_64")]
            avx2,
        }
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
        self.rows.table.len() * self.channels * self.out_channels()
    }

    /// Writes the result for `batch` images: pixel p of the result starts at element `p · out_stride`.
    ///
    /// Panics where x does not hold `batch` images of pixels of `x_stride` codes and 4 bytes more, or `out` is not as
    /// long as `batch` images of the result, or of another type than the output.
    pub fn run(&self, x: Codes, x_stride: usize, out: Written, out_stride: usize, batch: usize) {
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
        let x = Image { start: x as usize, stride, bytes: self.rows.input * stride };
        match (out, self.finish.output()) {
            (Written::U8(out), Output::Codes8(_)) => self.spread(x, out, out_stride, batch),
            (Written::I16(out), Output::Codes16(_)) => self.spread(x, out, out_stride, batch),
            (Written::F32(out), Output::Real) => self.spread(x, out, out_stride, batch),
            (Written::I32(out), Output::Sums) => self.spread(x, out, out_stride, batch),
            _ => panic!("the output is of the type that is written"),
        }
    }

    fn spread<T: Send>(&self, x: Image, out: &mut [T], out_stride: usize, batch: usize) {
        let image = self.pixels() * out_stride;
        assert_eq!(out.len(), batch * image, "the output is as long as the result");
        if image == 0 {
            return;
        }
        for (i, out) in out.chunks_exact_mut(image).enumerate() {
            let x = Image { start: x.start + i * x.bytes, ..x };
            #[cfg(target_arch = "x86_64")]
            if let Some(packed) = &self.avx2 {
                let target = Target {
                    start: out.as_mut_ptr().cast(),
                    stride: out_stride * size_of::<T>(),
                    channels: self.out_channels(),
                };
                // SAFETY: `run` has checked x, `new` the CPU; `out` is of the type of the output and holds the image.
                unsafe { packed.image(&self.rows, &self.finish, x, target) };
                continue;
            }
            let tasks = out.par_chunks_mut(TASK * out_stride).enumerate();
            tasks.for_each(|(task, out)| self.task(x, task * TASK, out, out_stride));
        }
    }

    /// The pixels of the result from `first` on, as many as `out` holds.
    fn task<T>(&self, x: Image, first: usize, out: &mut [T], out_stride: usize) {
        let pixels = out.len() / out_stride;
        let mut rows = Vec::with_capacity(PIXELS * self.rows.taps);
        let mut channel = 0;
        for (group, weights) in self.groups.iter().enumerate() {
            let offset = group * self.channels * weights.element.bytes();
            for block in (0..weights.out_channels).step_by(BLOCK) {
                let channels = (weights.out_channels - block).min(BLOCK);
                let most = self.tile_pixels(channels);
                let tiles = pixels.div_ceil(most);
                for i in 0..tiles {
                    // Tiles of nearly one size: none is left with a single pixel.
                    let (start, end) = (pixels * i / tiles, pixels * (i + 1) / tiles);
                    self.gather(x, offset, first + start, end - start, &mut rows);
                    let tile = Tile {
                        element: weights.element,
                        rows: &rows,
                        pixels: end - start,
                        taps: weights.taps,
                        steps: weights.steps,
                        weights: weights.block(block),
                        finish: self.finish.from(channel + block),
                    };
                    let target = Target {
                        start: out[start * out_stride + channel + block..].as_mut_ptr().cast(),
                        stride: out_stride * size_of::<T>(),
                        channels,
                    };
                    // SAFETY: `gather` gives rows of x or of the padding, each with 4 bytes behind the last channel;
                    // the target is within `out`, of which T is the type that the output has; `new` has checked the
                    // CPU.
                    unsafe {
                        match self.isa {
                            #[cfg(target_arch = "x86_64")]
                            Isa::Avx512 => super::tile_avx512::run(&tile, target),
                            _ => tile.scalar(target),
                        }
                    }
                }
            }
            channel += weights.out_channels;
        }
    }

    fn tile_pixels(&self, channels: usize) -> usize {
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => super::tile_avx512::pixels(channels.div_ceil(LANES)),
            _ => 4,
        }
    }

    /// The rows of a tile, tap by tap.
    fn gather(
        &self,
        x: Image,
        offset: usize,
        first: usize,
        pixels: usize,
        rows: &mut Vec<*const u8>,
    ) {
        rows.clear();
        let taps = self.rows.taps;
        let table = &self.rows.table[first * taps..][..pixels * taps];
        for tap in 0..taps {
            for pixel in 0..pixels {
                let row = match table[pixel * taps + tap] {
                    Rows::PADDING => self.padding[offset..].as_ptr(),
                    at => (x.start + at as usize * x.stride + offset) as *const u8,
                };
                rows.push(row);
            }
        }
    }
}

/// One image of x: an address, so that tasks may share it.
#[derive(Clone, Copy)]
pub(super) struct Image {
    pub(super) start: usize,
    /// Bytes from one pixel to the next.
    pub(super) stride: usize,
    pub(super) bytes: usize,
}
