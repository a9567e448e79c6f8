//! The tile of a block of no more than eight channels: one sum for each pixel. As [`super::tile`], in half of the
//! instructions.

#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::*;

use super::pack::{Block, ORDERS};
use super::tile::{Form, PIXELS, Sources, order_of, row};
use crate::kernel::finish::LANES;

/// The tiles, from one pixel to [`PIXELS`]. The sums of the other channels are left as they are.
pub(super) const FORMS: [Form; PIXELS] = [half1, half2, half3, half4, half5];

/// Adds the sums of a pair of steps; their weights in `{a}` and `{b}`.
macro_rules! multiply_pair {
    ($($row:ident $s:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + {p}]\n",
            "vpbroadcastd {y}, dword ptr [{", stringify!($row), "} + {q}]\n",
            "vpmaddubsw {x}, {x}, {a}\n",
            "vpmaddubsw {y}, {y}, {b}\n",
            "vpaddw {x}, {x}, {y}\n",
            "vpmaddwd {x}, {x}, {one}\n",
            "vpaddd {", stringify!($s), "}, {", stringify!($s), "}, {x}\n",
        )*)
    };
}

/// Adds the sums of a single step, whose codes change places first where that is told; its weights in `{a}`.
macro_rules! multiply_single {
    ($change:tt; $($row:ident $s:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + {p}]\n",
            $change,
            "vpmaddubsw {x}, {x}, {a}\n",
            "vpmaddwd {x}, {x}, {one}\n",
            "vpaddd {", stringify!($s), "}, {", stringify!($s), "}, {x}\n",
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
        $($row:ident $s:ident)*
    ) => {
        // SAFETY: a turn reads 4 bytes of each row, 32 bytes of weights and a place, of which the block has as many as it
        // counts.
        unsafe {
            asm!(
                "2:",
                "mov {p:e}, dword ptr [{at}]",
                "vmovdqu {a}, ymmword ptr [{w}]",
                multiply_single!($change; $($row $s)*),
                "add {at}, 4",
                "add {w}, 32",
                "dec {n}",
                "jnz 2b",
                $($row = in(reg) $row, $s = inout(ymm_reg) $s,)*
                $($operand)*
                w = inout(reg) $w, at = inout(reg) $at, one = in(ymm_reg) $one,
                n = inout(reg) u64::from($count) => _,
                p = out(reg) _, a = out(ymm_reg) _, x = out(ymm_reg) _,
                options(nostack, readonly),
            );
        }
    };
}

/// Adds the sums of a step of words; its weights in `{a}` and `{b}`.
macro_rules! multiply_words {
    ($($row:ident $s:ident)*) => {
        concat!($(
            "vpbroadcastd {x}, dword ptr [{", stringify!($row), "} + 2 * {p}]\n",
            "vpbroadcastd {y}, dword ptr [{", stringify!($row), "} + 2 * {p} + 4]\n",
            "vpmaddwd {x}, {x}, {a}\n",
            "vpmaddwd {y}, {y}, {b}\n",
            "vpaddd {", stringify!($s), "}, {", stringify!($s), "}, {x}\n",
            "vpaddd {", stringify!($s), "}, {", stringify!($s), "}, {y}\n",
        )*)
    };
}

/// A tile of some pixels: its number, row and sum for each.
macro_rules! form {
    ($name:ident $pixels:literal; $($m:literal $row:ident $s:ident)*) => {
        /// # Safety
        /// As [`Form`].
        #[target_feature(enable = "avx2")]
        unsafe fn $name(block: &Block, sources: Sources, out: *mut i32) {
            $(let mut $s = _mm256_setzero_si256();)*
            let one = _mm256_set1_epi16(1);
            let (mut w, mut at) = (block.weights.as_ptr(), block.places.as_ptr());
            let Sources { mut stored, mut words } = sources;
            for counts in &block.counts {
                $(let $row = row!(stored, $m);)*
                stored = stored.wrapping_add($pixels);
                if counts.pairs > 0 {
                    // SAFETY: a turn reads 4 bytes at two places of each row, 64 bytes of weights and two places, of which
                    // the block has as many as it counts.
                    unsafe {
                        asm!(
                            "2:",
                            "mov {p:e}, dword ptr [{at}]",
                            "mov {q:e}, dword ptr [{at} + 4]",
                            "vmovdqu {a}, ymmword ptr [{w}]",
                            "vmovdqu {b}, ymmword ptr [{w} + 32]",
                            multiply_pair!($($row $s)*),
                            "add {at}, 8",
                            "add {w}, 64",
                            "dec {n}",
                            "jnz 2b",
                            $($row = in(reg) $row, $s = inout(ymm_reg) $s,)*
                            w = inout(reg) w, at = inout(reg) at, one = in(ymm_reg) one,
                            n = inout(reg) u64::from(counts.pairs) => _,
                            p = out(reg) _, q = out(reg) _, a = out(ymm_reg) _, b = out(ymm_reg) _,
                            x = out(ymm_reg) _, y = out(ymm_reg) _,
                            options(nostack, readonly),
                        );
                    }
                }
                if counts.singles > 0 {
                    single_steps!(counts.singles; w at one; $($row $s)*);
                }
                for (&count, order) in counts.crossed.iter().zip(&ORDERS) {
                    if count > 0 {
                        let order = order_of(order);
                        single_steps!(count; w at one, order; $($row $s)*);
                    }
                }
                if counts.wide > 0 {
                    $(let $row = row!(words, $m);)*
                    // SAFETY: a turn reads 4 words of each row, 32 bytes of weights and a place, as above.
                    unsafe {
                        asm!(
                            "2:",
                            "mov {p:e}, dword ptr [{at}]",
                            "vpmovsxbw {a}, xmmword ptr [{w}]",
                            "vpmovsxbw {b}, xmmword ptr [{w} + 16]",
                            multiply_words!($($row $s)*),
                            "add {at}, 4",
                            "add {w}, 32",
                            "dec {n}",
                            "jnz 2b",
                            $($row = in(reg) $row, $s = inout(ymm_reg) $s,)*
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
            unsafe { $(_mm256_storeu_si256(out.add($m * LANES).cast(), $s);)* }
        }
    };
}

form!(half1 1; 0 r0 s0);
form!(half2 2; 0 r0 s0 1 r1 s1);
form!(half3 3; 0 r0 s0 1 r1 s1 2 r2 s2);
form!(half4 4; 0 r0 s0 1 r1 s1 2 r2 s2 3 r3 s3);
form!(half5 5; 0 r0 s0 1 r1 s1 2 r2 s2 3 r3 s3 4 r4 s4);
