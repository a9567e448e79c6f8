//! The tile with AVX2 or AVX-VNNI: up to [`PIXELS`] pixels times sixteen channels, in registers.
//!
//! The loops are assembly: of loops that may have no turn at all, the compiler copies every sum at the end of each
//! turn, which halves the speed.

#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::*;

use super::half;
use super::pack::{Block, ORDERS, STEP};
use crate::kernel::finish::LANES;
use crate::kernel::weights::Element;

/// Pixels of a tile at most: two sums for each, two weights, two codes and a vector of ones fill the registers.
pub(super) const PIXELS: usize = 5;

/// What a tile reads: for each line of taps, a row for each pixel.
#[derive(Clone, Copy)]
pub(super) struct Sources {
    /// Rows of the codes as they are stored.
    pub(super) stored: *const *const u8,
    /// Rows of the codes as words; the same places, none where no block asks for them.
    pub(super) words: *const *const i16,
}

/// Writes the sums `[pixels, LANES]` of a tile of one number of pixels.
///
/// # Safety
/// The CPU has AVX2, and AVX-VNNI where the block has dots; there is a row for each line of the block and pixel, readable
/// for its steps; there is room for the sums.
pub(super) type Form = unsafe fn(&Block, Sources, *mut i32);

/// The tiles of a block, from one pixel to [`PIXELS`].
pub(super) fn forms(element: Element, block: &Block) -> &'static [Form; PIXELS] {
    match element {
        Element::Byte if block.is_dots() => &[dots1, dots2, dots3, dots4, dots5],
        Element::Byte if block.half => &half::FORMS,
        Element::Byte => &[bytes1, bytes2, bytes3, bytes4, bytes5],
        Element::Word => &[words1, words2, words3, words4, words5],
    }
}

/// The row of pixel `m`.
macro_rules! row {
    ($rows:ident, $m:literal) => {
        // SAFETY: there is a row for each pixel of the line.
        unsafe { *$rows.add($m) }
    };
}
pub(super) use row;

/// Adds `x · w` of two words a lane: x of each row at `[row + place · 2]`, w in `{a}` and `{b}`.
macro_rules! multiply_words {
    ($displacement:literal; $($row:ident $s0:ident $s1:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + 2 * {p} + ", $displacement, "]\n",
            "vpmaddwd {y}, {x}, {a}\n",
            "vpmaddwd {x}, {x}, {b}\n",
            "vpaddd {", stringify!($s0), "}, {", stringify!($s0), "}, {y}\n",
            "vpaddd {", stringify!($s1), "}, {", stringify!($s1), "}, {x}\n",
        )*)
    };
}

/// Adds the sums of a pair of steps; the first weights in `{a}`, the others behind them.
macro_rules! multiply_pair {
    ($($row:ident $s0:ident $s1:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + {p}]\n",
            "vpbroadcastd {y}, dword ptr [{", stringify!($row), "} + {q}]\n",
            "vpmaddubsw {t}, {x}, {a}\n",
            "vpmaddubsw {x}, {x}, ymmword ptr [{w} + 32]\n",
            "vpmaddubsw {u}, {y}, ymmword ptr [{w} + 64]\n",
            "vpmaddubsw {y}, {y}, ymmword ptr [{w} + 96]\n",
            "vpaddw {t}, {t}, {u}\n",
            "vpaddw {x}, {x}, {y}\n",
            "vpmaddwd {t}, {t}, {one}\n",
            "vpmaddwd {x}, {x}, {one}\n",
            "vpaddd {", stringify!($s0), "}, {", stringify!($s0), "}, {t}\n",
            "vpaddd {", stringify!($s1), "}, {", stringify!($s1), "}, {x}\n",
        )*)
    };
}

/// Adds the sums of a single step, whose codes change places first where that is told; its weights in `{a}` and `{b}`.
macro_rules! multiply_single {
    ($change:tt; $($row:ident $s0:ident $s1:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + {p}]\n",
            $change,
            "vpmaddubsw {y}, {x}, {a}\n",
            "vpmaddubsw {x}, {x}, {b}\n",
            "vpmaddwd {y}, {y}, {one}\n",
            "vpmaddwd {x}, {x}, {one}\n",
            "vpaddd {", stringify!($s0), "}, {", stringify!($s0), "}, {y}\n",
            "vpaddd {", stringify!($s1), "}, {", stringify!($s1), "}, {x}\n",
        )*)
    };
}

/// Adds the sums of so many single steps, whose codes are put into an order first where one is named.
macro_rules! single_steps {
    ($count:expr; $w:ident $at:ident $one:ident; $($rows:tt)*) => {
        single_steps!(@ $count; $w $at $one; "" {}; $($rows)*)
    };
    ($count:expr; $w:ident $at:ident $one:ident, $order:ident; $($rows:tt)*) => {
        single_steps!(
            @ $count; $w $at $one; "vpshufb {x}, {x}, {order}\n" { order = in(ymm_reg) $order, }; $($rows)*
        )
    };
    (
        @ $count:expr; $w:ident $at:ident $one:ident; $change:tt { $($operand:tt)* };
        $($row:ident $s0:ident $s1:ident)*
    ) => {
        // SAFETY: a turn reads 4 bytes of each row, 64 bytes of weights and a place, of which the block has as many as it
        // counts.
        unsafe {
            asm!(
                "2:",
                "mov {p:e}, dword ptr [{at}]",
                "vmovdqu {a}, ymmword ptr [{w}]",
                "vmovdqu {b}, ymmword ptr [{w} + 32]",
                multiply_single!($change; $($row $s0 $s1)*),
                "add {at}, 4",
                "add {w}, 64",
                "dec {n}",
                "jnz 2b",
                $($row = in(reg) $row, $s0 = inout(ymm_reg) $s0, $s1 = inout(ymm_reg) $s1,)*
                $($operand)*
                w = inout(reg) $w, at = inout(reg) $at, one = in(ymm_reg) $one,
                n = inout(reg) u64::from($count) => _,
                p = out(reg) _, a = out(ymm_reg) _, b = out(ymm_reg) _,
                x = out(ymm_reg) _, y = out(ymm_reg) _,
                options(nostack, readonly),
            );
        }
    };
}

/// Adds the sums of a step; its weights in `{a}` and `{b}`.
macro_rules! multiply_dots {
    ($($row:ident $s0:ident $s1:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + {p}]\n",
            "{{vex}} vpdpbusd {", stringify!($s0), "}, {x}, {a}\n",
            "{{vex}} vpdpbusd {", stringify!($s1), "}, {x}, {b}\n",
        )*)
    };
}

/// A tile of some pixels: its number, row and two sums for each.
macro_rules! forms {
    ($bytes:ident $dots:ident $words:ident $pixels:literal; $($m:literal $row:ident $s0:ident $s1:ident)*) => {
        /// # Safety
        /// As [`Form`].
        #[target_feature(enable = "avx2")]
        unsafe fn $bytes(block: &Block, sources: Sources, out: *mut i32) {
            $(let (mut $s0, mut $s1) = (_mm256_setzero_si256(), _mm256_setzero_si256());)*
            let one = _mm256_set1_epi16(1);
            let (mut w, mut at) = (block.weights.as_ptr(), block.places.as_ptr());
            let Sources { mut stored, mut words } = sources;
            for counts in &block.counts {
                $(let $row = row!(stored, $m);)*
                stored = stored.wrapping_add($pixels);
                if counts.pairs > 0 {
                    // SAFETY: a turn reads 4 bytes at two places of each row, 128 bytes of weights and two places, of
                    // which the block has as many as it counts.
                    unsafe {
                        asm!(
                            "2:",
                            "mov {p:e}, dword ptr [{at}]",
                            "mov {q:e}, dword ptr [{at} + 4]",
                            "vmovdqu {a}, ymmword ptr [{w}]",
                            multiply_pair!($($row $s0 $s1)*),
                            "add {at}, 8",
                            "sub {w}, -128",
                            "dec {n}",
                            "jnz 2b",
                            $($row = in(reg) $row, $s0 = inout(ymm_reg) $s0, $s1 = inout(ymm_reg) $s1,)*
                            w = inout(reg) w, at = inout(reg) at, one = in(ymm_reg) one,
                            n = inout(reg) u64::from(counts.pairs) => _,
                            p = out(reg) _, q = out(reg) _, a = out(ymm_reg) _,
                            x = out(ymm_reg) _, y = out(ymm_reg) _, t = out(ymm_reg) _, u = out(ymm_reg) _,
                            options(nostack, readonly),
                        );
                    }
                }
                if counts.singles > 0 {
                    single_steps!(counts.singles; w at one; $($row $s0 $s1)*);
                }
                for (&count, order) in counts.crossed.iter().zip(&ORDERS) {
                    if count > 0 {
                        let order = order_of(order);
                        single_steps!(count; w at one, order; $($row $s0 $s1)*);
                    }
                }
                if counts.wide > 0 {
                    $(let $row = row!(words, $m);)*
                    // SAFETY: a turn reads 4 words of each row, 64 bytes of weights and a place, as above.
                    unsafe {
                        asm!(
                            "2:",
                            "mov {p:e}, dword ptr [{at}]",
                            "vpmovsxbw {a}, xmmword ptr [{w}]",
                            "vpmovsxbw {b}, xmmword ptr [{w} + 16]",
                            multiply_words!("0"; $($row $s0 $s1)*),
                            "vpmovsxbw {a}, xmmword ptr [{w} + 32]",
                            "vpmovsxbw {b}, xmmword ptr [{w} + 48]",
                            multiply_words!("4"; $($row $s0 $s1)*),
                            "add {at}, 4",
                            "add {w}, 64",
                            "dec {n}",
                            "jnz 2b",
                            $($row = in(reg) $row, $s0 = inout(ymm_reg) $s0, $s1 = inout(ymm_reg) $s1,)*
                            w = inout(reg) w, at = inout(reg) at,
                            n = inout(reg) u64::from(counts.wide) => _,
                            p = out(reg) _, a = out(ymm_reg) _, b = out(ymm_reg) _,
                            x = out(ymm_reg) _, y = out(ymm_reg) _,
                            options(nostack, readonly),
                        );
                    }
                }
                words = words.wrapping_add($pixels);
            }
            // SAFETY: there is room for the sums of each pixel.
            unsafe { $(store([$s0, $s1], out.add($m * LANES));)* }
        }

        /// # Safety
        /// As [`Form`].
        #[target_feature(enable = "avx2")]
        unsafe fn $dots(block: &Block, sources: Sources, out: *mut i32) {
            $(let (mut $s0, mut $s1) = (_mm256_setzero_si256(), _mm256_setzero_si256());)*
            let mut w = block.weights.as_ptr();
            let mut stored = sources.stored;
            for counts in &block.counts {
                $(let $row = row!(stored, $m);)*
                stored = stored.wrapping_add($pixels);
                if counts.dots > 0 {
                    // SAFETY: a turn reads 4 bytes of each row and 64 bytes of weights, of which the block has as many
                    // as it counts.
                    unsafe {
                        asm!(
                            "2:",
                            "vmovdqu {a}, ymmword ptr [{w}]",
                            "vmovdqu {b}, ymmword ptr [{w} + 32]",
                            multiply_dots!($($row $s0 $s1)*),
                            "add {p}, 4",
                            "add {w}, 64",
                            "dec {n}",
                            "jnz 2b",
                            $($row = in(reg) $row, $s0 = inout(ymm_reg) $s0, $s1 = inout(ymm_reg) $s1,)*
                            w = inout(reg) w, p = inout(reg) block.start => _,
                            n = inout(reg) u64::from(counts.dots) => _,
                            a = out(ymm_reg) _, b = out(ymm_reg) _, x = out(ymm_reg) _,
                            options(nostack, readonly),
                        );
                    }
                }
            }
            // SAFETY: there is room for the sums of each pixel.
            unsafe { $(store([$s0, $s1], out.add($m * LANES));)* }
        }

        /// # Safety
        /// As [`Form`].
        #[target_feature(enable = "avx2")]
        unsafe fn $words(block: &Block, sources: Sources, out: *mut i32) {
            $(let (mut $s0, mut $s1) = (_mm256_setzero_si256(), _mm256_setzero_si256());)*
            let mut w = block.weights.as_ptr();
            let mut words = sources.words;
            for counts in &block.counts {
                $(let $row = row!(words, $m);)*
                words = words.wrapping_add($pixels);
                if counts.wide > 0 {
                    // SAFETY: a turn reads 2 words of each row and 64 bytes of weights, of which the block has as many
                    // as it counts.
                    unsafe {
                        asm!(
                            "2:",
                            "vmovdqu {a}, ymmword ptr [{w}]",
                            "vmovdqu {b}, ymmword ptr [{w} + 32]",
                            multiply_words!("0"; $($row $s0 $s1)*),
                            "add {p}, 2",
                            "add {w}, 64",
                            "dec {n}",
                            "jnz 2b",
                            $($row = in(reg) $row, $s0 = inout(ymm_reg) $s0, $s1 = inout(ymm_reg) $s1,)*
                            w = inout(reg) w, p = inout(reg) block.start => _,
                            n = inout(reg) u64::from(counts.wide) => _,
                            a = out(ymm_reg) _, b = out(ymm_reg) _,
                            x = out(ymm_reg) _, y = out(ymm_reg) _,
                            options(nostack, readonly),
                        );
                    }
                }
            }
            // SAFETY: there is room for the sums of each pixel.
            unsafe { $(store([$s0, $s1], out.add($m * LANES));)* }
        }
    };
}

forms!(bytes1 dots1 words1 1; 0 r0 s00 s01);
forms!(bytes2 dots2 words2 2; 0 r0 s00 s01 1 r1 s10 s11);
forms!(bytes3 dots3 words3 3; 0 r0 s00 s01 1 r1 s10 s11 2 r2 s20 s21);
forms!(bytes4 dots4 words4 4; 0 r0 s00 s01 1 r1 s10 s11 2 r2 s20 s21 3 r3 s30 s31);
forms!(bytes5 dots5 words5 5; 0 r0 s00 s01 1 r1 s10 s11 2 r2 s20 s21 3 r3 s30 s31 4 r4 s40 s41);

/// An order of the codes of a step, for each of them in a register.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn order_of(order: &[u8; STEP]) -> __m256i {
    let step = _mm256_set1_epi32(i32::from_le_bytes(*order));
    _mm256_add_epi8(
        step,
        _mm256_setr_epi32(0, FOUR, 2 * FOUR, 3 * FOUR, 0, FOUR, 2 * FOUR, 3 * FOUR),
    )
}

/// Four in each byte.
const FOUR: i32 = 0x0404_0404;

/// Writes the sums of a pixel.
///
/// # Safety
/// There is room for [`LANES`] sums; the CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store(sums: [__m256i; 2], out: *mut i32) {
    // SAFETY: as the caller promises.
    unsafe {
        _mm256_storeu_si256(out.cast(), sums[0]);
        _mm256_storeu_si256(out.add(LANES / 2).cast(), sums[1]);
    }
}
