//! A tile: some pixels of the result times one block of output channels. Here its plain form.

#![allow(unsafe_code)]

use super::finish::{LANES, Output, Part};
use super::weights::Element;

/// What a tile reads.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) element: Element,
    /// `[pixels, taps]`: the pixel of x that a pixel of the result reads.
    pub(super) rows: &'a [*const u8],
    /// Bytes from there to the first channel that is meant, of which at least `4 · steps` bytes are readable.
    pub(super) offset: usize,
    pub(super) pixels: usize,
    pub(super) taps: usize,
    pub(super) steps: usize,
    /// A block of packed weights.
    pub(super) weights: &'a [i8],
    /// Of the channels of the block.
    pub(super) finish: Part<'a>,
}

/// Where a tile writes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// The first channel of the block in the first pixel.
    pub(super) start: *mut u8,
    /// Bytes from one pixel to the next.
    pub(super) stride: usize,
    /// Channels that are written, at most those of the block.
    pub(super) channels: usize,
}

impl Tile<'_> {
    /// Output channels of the block, unused ones included.
    pub(super) fn width(&self) -> usize {
        self.weights.len() / (self.taps * self.steps * 4)
    }

    /// The sums of one pixel and [`LANES`] channels of the block from `first` on.
    ///
    /// # Safety
    /// The rows are readable as [`Tile::rows`] says.
    #[inline(always)]
    unsafe fn sums(&self, pixel: usize, first: usize) -> [i32; LANES] {
        let width = self.width();
        let mut sums = [0i32; LANES];
        for tap in 0..self.taps {
            let row = self.rows[pixel * self.taps + tap].wrapping_add(self.offset);
            for step in 0..self.steps {
                // SAFETY: a row holds 4 · steps bytes.
                let x = unsafe { row.add(4 * step).cast::<[u8; 4]>().read_unaligned() };
                let w =
                    &self.weights[((tap * self.steps + step) * width + first) * 4..][..4 * LANES];
                for (sum, w) in sums.iter_mut().zip(w.chunks_exact(4)) {
                    *sum = sum.wrapping_add(match self.element {
                        Element::Byte => (0..4).map(|i| i32::from(x[i]) * i32::from(w[i])).sum(),
                        Element::Word => {
                            let word =
                                |i: usize| i32::from(i16::from_le_bytes([x[2 * i], x[2 * i + 1]]));
                            let weight = |i: usize| {
                                let bytes = [w[2 * i] as u8, w[2 * i + 1] as u8];
                                i32::from(i16::from_le_bytes(bytes))
                            };
                            (word(0) * weight(0)).wrapping_add(word(1) * weight(1))
                        }
                    });
                }
            }
        }
        sums
    }

    /// Computes the tile.
    ///
    /// # Safety
    /// The rows are readable as [`Tile::rows`] says; `target` is writable for every pixel and channel.
    pub(super) unsafe fn scalar(&self, target: Target) {
        for pixel in 0..self.pixels {
            for first in (0..target.channels).step_by(LANES) {
                // SAFETY: as the caller promises.
                unsafe {
                    let sums = self.sums(pixel, first);
                    target.write(&self.finish, pixel, first, &sums);
                }
            }
        }
    }
}

impl Target {
    /// Finishes and writes the sums of one pixel and up to [`LANES`] channels from `first` on.
    ///
    /// # Safety
    /// The target is writable for the pixel and its channels.
    #[inline(always)]
    pub(super) unsafe fn write(
        &self,
        finish: &Part,
        pixel: usize,
        first: usize,
        sums: &[i32; LANES],
    ) {
        let count = LANES.min(self.channels - first);
        let bytes = finish.output.bytes();
        // SAFETY: within the pixel, as the caller promises.
        let at = unsafe { self.start.add(pixel * self.stride + first * bytes) };
        for (i, &sum) in sums.iter().take(count).enumerate() {
            let real = finish.real(first + i, sum);
            // SAFETY: element i of count.
            unsafe {
                match finish.output {
                    Output::Codes8(narrow) => at.add(i).write(narrow.code(real) as u8),
                    Output::Codes16(narrow) => {
                        at.add(2 * i).cast::<i16>().write_unaligned(narrow.code(real) as i16);
                    }
                    Output::Real => at.add(4 * i).cast::<f32>().write_unaligned(real),
                    Output::Sums => {
                        let sum = sum.wrapping_add(finish.add[first + i]);
                        at.add(4 * i).cast::<i32>().write_unaligned(sum);
                    }
                }
            }
        }
    }
}
