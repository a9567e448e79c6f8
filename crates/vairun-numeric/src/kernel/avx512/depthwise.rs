//! Depthwise convolution: the bytes of four taps side by side in a lane.
//!
//! 64 channels at a time. Interleaving the rows of four taps within each 128-bit part of a register gives four
//! registers; register j holds in part l the channels `16 l + 4 j ..`. Packing the codes back interleaves the same
//! way, so that they come out in order.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::codes::{divided, rounded_product, rounded_small};
use super::columns::{self, Columns};
use super::finish::finish;
use crate::kernel::finish::{Finish, LANES, Output};
use crate::kernel::kind::{CHECKED, DIVISION, by_merging_kind};
use crate::kernel::narrow::{Division, Narrow};
use crate::kernel::rows::Rows;
use crate::kernel::tile::Target;
use crate::kernel::weights::{BLOCK, Element};

/// Weights and parameters in the order of the registers.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Packed {
    element: Element,
    /// `[blocks, groups of taps, 4 registers]`, 64 bytes each.
    weights: Vec<i8>,
    /// Those of 3×3 taps in another order too, where x is of bytes.
    columns: Option<Columns>,
    add: Vec<i32>,
    factor: Vec<f32>,
    scale: Vec<f32>,
    /// Codes of zero points, one block.
    padding: Vec<u8>,
}

/// Whether the channels fill registers so far that sharing columns between pixels, sixteen channels at a time as with AVX2,
/// takes longer. The numbers are times of a 3×3 kernel.
pub(in crate::kernel) fn fills(element: Element, channels: usize) -> bool {
    element == Element::Byte && 20 * channels.div_ceil(BLOCK) < 7 * channels.div_ceil(LANES)
}

/// The channel of its block that element `i` of the four registers belongs to.
pub(super) fn channel(i: usize) -> usize {
    let (register, lane) = (i / LANES, i % LANES);
    16 * (lane / 4) + 4 * register + lane % 4
}

/// Taps whose codes share a lane.
fn together(element: Element) -> usize {
    match element {
        Element::Byte => 4,
        Element::Word => 2,
    }
}

impl Packed {
    /// `weights` are `[taps, channels]`.
    pub(in crate::kernel) fn new(
        element: Element,
        weights: &[i16],
        channels: usize,
        rows: &Rows,
        (finish, zero): (&Finish, i32),
    ) -> Self {
        let taps = weights.len() / channels.max(1);
        let (blocks, part) = (channels.div_ceil(BLOCK), finish.from(0));
        let mut packed = Vec::new();
        for block in 0..blocks {
            for group in 0..taps.div_ceil(together(element)) {
                for i in 0..BLOCK {
                    let c = block * BLOCK + channel(i);
                    for tap in group * together(element)..(group + 1) * together(element) {
                        let w = if c < channels && tap < taps {
                            weights[tap * channels + c]
                        } else {
                            0
                        };
                        match element {
                            Element::Byte => packed.push(w as i8),
                            Element::Word => packed.extend(w.to_le_bytes().map(|byte| byte as i8)),
                        }
                    }
                }
            }
        }
        let place = |i: usize| i / BLOCK * BLOCK + channel(i % BLOCK);
        // The parameters are padded by a block.
        let ordered = |of: &[f32]| (0..blocks * BLOCK).map(|i| of[place(i)]).collect::<Vec<f32>>();
        let padding = element.repeated(zero, BLOCK);
        Self {
            element,
            weights: packed,
            columns: match (element, rows.stride) {
                (Element::Byte, 1) => Columns::new(weights, channels),
                _ => None,
            },
            add: (0..blocks * BLOCK).map(|i| part.add[place(i)]).collect(),
            factor: part.merged.map(&ordered).unwrap_or_default(),
            scale: ordered(part.scale),
            padding,
        }
    }

    /// The pixels that `rows` holds `taps` places for.
    ///
    /// # Safety
    /// The CPU has what [`crate::kernel::Isa::Avx512`] names; every row lies within x; the target is writable for all its
    /// channels and as many pixels.
    pub(in crate::kernel) unsafe fn run(
        &self,
        finish: &Finish,
        x: *const u8,
        rows: &[u32],
        taps: usize,
        target: Target,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            let fixed = finish.from(0).fixed;
            match (self.element, finish.from(0).merged, finish.output()) {
                (Element::Byte, Some(_), Output::Codes8(narrow)) => {
                    by_merging_kind!(narrow, KIND => self.merged::<KIND>((&narrow, fixed), x, rows, taps, target));
                }
                (Element::Byte, ..) => self.any::<false>(finish, x, rows, taps, target),
                (Element::Word, ..) => self.any::<true>(finish, x, rows, taps, target),
            }
        }
    }

    /// Where pixel `at` of x lies, from channel `first` on.
    #[inline]
    fn row(&self, x: *const u8, at: u32, first: usize, channels: usize) -> *const u8 {
        match at {
            Rows::PADDING => self.padding.as_ptr(),
            at => x.wrapping_add((at as usize * channels + first) * self.element.bytes()),
        }
    }

    /// # Safety
    /// As [`Packed::run`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn sums<const WORDS: bool>(
        &self,
        x: *const u8,
        rows: &[u32],
        block: usize,
        channels: usize,
    ) -> [__m512i; 4] {
        let first = block * BLOCK;
        let lanes = BLOCK.min(channels - first);
        let mut sums = [_mm512_setzero_si512(); 4];
        let groups = rows.len().div_ceil(together(self.element));
        let mut w = self.weights[block * groups * 4 * BLOCK..][..groups * 4 * BLOCK].as_ptr();
        // SAFETY: as the caller promises; the weights hold four registers for each group.
        unsafe {
            let row = |tap: usize| {
                self.row(x, rows.get(tap).copied().unwrap_or(Rows::PADDING), first, channels)
            };
            for group in 0..groups {
                let parts = if WORDS {
                    let (lower, upper) = (lanes.min(32), lanes.saturating_sub(32));
                    let load = |tap, skip: usize, count: usize| {
                        let mask = (u64::MAX >> (64 - count.max(1))) as u32 * u32::from(count > 0);
                        _mm512_maskz_loadu_epi16(mask, row(tap).add(skip * 2).cast())
                    };
                    words(
                        [load(2 * group, 0, lower), load(2 * group, 32, upper)],
                        [load(2 * group + 1, 0, lower), load(2 * group + 1, 32, upper)],
                    )
                } else {
                    let mask = u64::MAX >> (64 - lanes);
                    let load = |tap| _mm512_maskz_loadu_epi8(mask, row(4 * group + tap).cast());
                    interleaved([load(0), load(1), load(2), load(3)])
                };
                for j in 0..4 {
                    let weights = _mm512_loadu_si512(w.cast());
                    w = w.add(64);
                    sums[j] = match WORDS {
                        true => _mm512_dpwssd_epi32(sums[j], parts[j], weights),
                        false => _mm512_dpbusd_epi32(sums[j], parts[j], weights),
                    };
                }
            }
        }
        sums
    }

    /// # Safety
    /// As [`Packed::run`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn merged<const KIND: u8>(
        &self,
        (narrow, fixed): (&Narrow, bool),
        x: *const u8,
        rows: &[u32],
        taps: usize,
        target: Target,
    ) {
        let end = End::new(narrow, fixed);
        for block in 0..target.channels.div_ceil(BLOCK) {
            let first = block * BLOCK;
            let start = target.start.wrapping_add(first);
            let channels = BLOCK.min(target.channels - first);
            let to = Target { start, channels, ..target };
            // SAFETY: as the caller promises.
            unsafe {
                match &self.columns {
                    Some(columns) => {
                        self.shared::<KIND>(columns, &end, x, rows, (block, target.channels), to);
                    }
                    None => self.singly::<KIND>(&end, x, rows, taps, (block, target.channels), to),
                }
            }
        }
    }

    /// A block of pixels, one after the other.
    ///
    /// # Safety
    /// As [`Packed::run`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn singly<const KIND: u8>(
        &self,
        end: &End,
        x: *const u8,
        rows: &[u32],
        taps: usize,
        (block, channels): (usize, usize),
        target: Target,
    ) {
        let mask = u64::MAX >> (64 - target.channels);
        for (pixel, rows) in rows.chunks_exact(taps).enumerate() {
            // SAFETY: as the caller promises.
            unsafe {
                let sums = self.sums::<false>(x, rows, block, channels);
                let codes = self.codes::<KIND>(end, sums, block * BLOCK);
                let to = target.start.add(pixel * target.stride);
                _mm512_mask_storeu_epi8(to.cast(), mask, codes);
            }
        }
    }

    /// A block of pixels whose neighbours share columns, where they do.
    ///
    /// # Safety
    /// As [`Packed::run`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn shared<const KIND: u8>(
        &self,
        columns: &Columns,
        end: &End,
        x: *const u8,
        rows: &[u32],
        (block, channels): (usize, usize),
        target: Target,
    ) {
        let (first, mask) = (block * BLOCK, u64::MAX >> (64 - target.channels));
        let row = |at: u32| self.row(x, at, first, channels);
        let (mut rows, mut target) = (rows, target);
        while !rows.is_empty() {
            let some = &rows[..rows.len().min(columns::PIXELS * columns::TAPS)];
            let pixels = if Columns::serve(some) { columns::PIXELS } else { 1 };
            // SAFETY: as the caller promises.
            unsafe {
                if pixels == 1 {
                    let one = &some[..columns::TAPS];
                    let place = (block, channels);
                    self.singly::<KIND>(end, x, one, columns::TAPS, place, target);
                } else {
                    let sums = columns.sums(row, some, block, mask);
                    // Written out: a loop would take the sums from memory.
                    macro_rules! store {
                        ($($pixel:literal)*) => {$(
                            let codes = self.codes::<KIND>(end, sums[$pixel], first);
                            let to = target.start.add($pixel * target.stride);
                            _mm512_mask_storeu_epi8(to.cast(), mask, codes);
                        )*};
                    }
                    store!(0 1 2 3);
                }
            }
            rows = &rows[pixels * columns::TAPS..];
            target.start = target.start.wrapping_add(pixels * target.stride);
        }
    }

    /// The codes of the sums of the block that starts with channel `first`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn codes<const KIND: u8>(&self, end: &End, mut sums: [__m512i; 4], first: usize) -> __m512i {
        let tie = _mm512_set1_ps(0.5 - Division::MARGIN);
        let [factor, scale] = [&self.factor, &self.scale].map(|of| of[first..][..BLOCK].as_ptr());
        let add = self.add[first..][..BLOCK].as_ptr();
        let mut code = [_mm512_setzero_si512(); 4];
        let mut farthest = _mm512_setzero_ps();
        // SAFETY: the parameters of a block.
        unsafe {
            for j in 0..4 {
                sums[j] = _mm512_add_epi32(sums[j], _mm512_loadu_si512(add.add(j * LANES).cast()));
                let factor = _mm512_loadu_ps(factor.add(j * LANES));
                let distance;
                (code[j], distance) = rounded_product::<KIND>(sums[j], factor, end.fixed);
                if KIND & DIVISION == CHECKED {
                    // 0b11: the larger of the magnitudes; 0b10 in the upper bits: without its sign.
                    farthest = _mm512_range_ps::<0b1011>(farthest, distance);
                }
            }
            if KIND & DIVISION == CHECKED && _mm512_cmp_ps_mask::<_CMP_GE_OQ>(farthest, tie) != 0 {
                for j in 0..4 {
                    let factor = _mm512_loadu_ps(factor.add(j * LANES));
                    let scale = _mm512_loadu_ps(scale.add(j * LANES));
                    let number = _mm512_cvtepi32_ps(sums[j]);
                    let quotient =
                        divided(end.narrow, number, scale, _mm512_mul_ps(number, factor));
                    code[j] = rounded_small::<KIND>(quotient);
                }
            }
        }
        let lower = _mm512_adds_epi16(_mm512_packs_epi32(code[0], code[1]), end.zero);
        let upper = _mm512_adds_epi16(_mm512_packs_epi32(code[2], code[3]), end.zero);
        let bytes = _mm512_max_epu8(_mm512_packus_epi16(lower, upper), end.low);
        _mm512_min_epu8(bytes, end.high)
    }

    /// # Safety
    /// As [`Packed::run`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn any<const WORDS: bool>(
        &self,
        parameters: &Finish,
        x: *const u8,
        rows: &[u32],
        taps: usize,
        target: Target,
    ) {
        for block in 0..target.channels.div_ceil(BLOCK) {
            let first = block * BLOCK;
            let part = parameters.from(first);
            for (pixel, rows) in rows.chunks_exact(taps).enumerate() {
                // SAFETY: as the caller promises; a register fills 16 elements of 64.
                unsafe {
                    let sums = self.sums::<WORDS>(x, rows, block, target.channels);
                    let mut ordered = [0i32; BLOCK];
                    for (i, sums) in in_order(sums).into_iter().enumerate() {
                        let add = part.add[i * LANES..][..LANES].as_ptr();
                        let sums = _mm512_add_epi32(sums, _mm512_loadu_si512(add.cast()));
                        _mm512_storeu_si512(ordered[i * LANES..].as_mut_ptr().cast(), sums);
                    }
                    let bytes = parameters.output().bytes();
                    let start = target.start.add(pixel * target.stride + first * bytes);
                    let channels = BLOCK.min(target.channels - first);
                    let target = Target { start, stride: target.stride, channels };
                    finish(&part, target, 1, &ordered);
                }
            }
        }
    }
}

/// What makes quotients codes of 8 bits.
struct End<'a> {
    narrow: &'a Narrow,
    /// `Part::fixed`
    fixed: bool,
    zero: __m512i,
    low: __m512i,
    high: __m512i,
}

impl<'a> End<'a> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(narrow: &'a Narrow, fixed: bool) -> Self {
        let zero = _mm512_set1_epi16(narrow.zero() as i16);
        let (low, high) = narrow.range();
        let [low, high] = [low, high].map(|bound| _mm512_set1_epi8(bound as i8));
        Self { narrow, fixed, zero, low, high }
    }
}

/// The registers in the order of the channels: part `l` of register `j` becomes part `j` of register `l`.
#[inline]
#[target_feature(enable = "avx512f")]
fn in_order(sums: [__m512i; 4]) -> [__m512i; 4] {
    let [a, b, c, d] = sums;
    let lower = [_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0x44>(c, d)];
    let upper = [_mm512_shuffle_i32x4::<0xee>(a, b), _mm512_shuffle_i32x4::<0xee>(c, d)];
    [
        _mm512_shuffle_i32x4::<0x88>(lower[0], lower[1]),
        _mm512_shuffle_i32x4::<0xdd>(lower[0], lower[1]),
        _mm512_shuffle_i32x4::<0x88>(upper[0], upper[1]),
        _mm512_shuffle_i32x4::<0xdd>(upper[0], upper[1]),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn interleaved(rows: [__m512i; 4]) -> [__m512i; 4] {
    let ab = [_mm512_unpacklo_epi8(rows[0], rows[1]), _mm512_unpackhi_epi8(rows[0], rows[1])];
    let cd = [_mm512_unpacklo_epi8(rows[2], rows[3]), _mm512_unpackhi_epi8(rows[2], rows[3])];
    [
        _mm512_unpacklo_epi16(ab[0], cd[0]),
        _mm512_unpackhi_epi16(ab[0], cd[0]),
        _mm512_unpacklo_epi16(ab[1], cd[1]),
        _mm512_unpackhi_epi16(ab[1], cd[1]),
    ]
}

/// Two rows of 64 words, each in two registers, side by side in the order that [`channel`] names.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn words(a: [__m512i; 2], b: [__m512i; 2]) -> [__m512i; 4] {
    // Within a register of 32 words: part l holds the channels 8 l .. 8 l + 7; lower halves are 8 l .. 8 l + 3.
    let lower = [_mm512_unpacklo_epi16(a[0], b[0]), _mm512_unpacklo_epi16(a[1], b[1])];
    let upper = [_mm512_unpackhi_epi16(a[0], b[0]), _mm512_unpackhi_epi16(a[1], b[1])];
    // Register j wants the channels 16 l + 4 j: even parts for j < 2, odd parts for the others.
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(lower[0], lower[1]),
        _mm512_shuffle_i32x4::<0b10_00_10_00>(upper[0], upper[1]),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(lower[0], lower[1]),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(upper[0], upper[1]),
    ]
}
