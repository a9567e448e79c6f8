//! The tile with AVX-512 VNNI: 16 channels to a register, four bytes or two words to a lane.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::finish::{LANES, Output, Part};
use super::kind::{CHECKED, DIVISION, EXACT, HALF_AWAY, HALF_UP, ROUNDING, by_kind, rounding};
use super::narrow::{Division, Narrow};
use super::tile::{Target, Tile};
use super::weights::Element;
use crate::round::Round;

/// Computes the tile.
///
/// # Safety
/// The CPU has what [`super::Isa::Avx512`] names; the rows and the target are as [`Tile::scalar`] wants them.
pub(super) unsafe fn run(tile: &Tile, target: Target) {
    // SAFETY: as the caller promises.
    unsafe {
        match tile.element {
            Element::Byte => by_width::<false>(tile, target),
            Element::Word => by_width::<true>(tile, target),
        }
    }
}

/// Pixels that one pass over the weights serves, by vectors of channels: as many sums as registers hold.
pub(super) const fn pixels(vectors: usize) -> usize {
    match vectors {
        1 => 14,
        2 => 12,
        3 => 8,
        _ => 6,
    }
}

unsafe fn by_width<const WORDS: bool>(tile: &Tile, target: Target) {
    macro_rules! by_pixels {
        ($vectors:literal: $($pixels:literal)*) => {
            match tile.pixels {
                $($pixels => unsafe { run_tile::<$pixels, $vectors, WORDS>(tile, target) },)*
                _ => unreachable!("the caller makes tiles of at most `pixels(vectors)`"),
            }
        };
    }
    match target.channels.div_ceil(LANES) {
        1 => by_pixels!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        2 => by_pixels!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
        3 => by_pixels!(3: 1 2 3 4 5 6 7 8),
        _ => by_pixels!(4: 1 2 3 4 5 6),
    }
}

/// # Safety
/// As [`run`]; the tile has `PIXELS` pixels and its block `VECTORS` vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn run_tile<const PIXELS: usize, const VECTORS: usize, const WORDS: bool>(
    tile: &Tile,
    target: Target,
) {
    let mut sums = [[_mm512_setzero_si512(); VECTORS]; PIXELS];
    let mut w = tile.weights.as_ptr();
    let mut rows = tile.rows.as_ptr();
    // SAFETY: `rows` holds PIXELS pointers for each tap, each readable for 4 · steps bytes; the weights hold VECTORS
    // vectors for each tap and step.
    unsafe {
        for _ in 0..tile.taps {
            let mut row = [std::ptr::null(); PIXELS];
            for m in 0..PIXELS {
                row[m] = *rows.add(m);
            }
            rows = rows.add(PIXELS);
            for step in 0..tile.steps {
                let mut weights = [_mm512_setzero_si512(); VECTORS];
                for n in 0..VECTORS {
                    weights[n] = _mm512_loadu_si512(w.add(64 * n).cast());
                }
                w = w.add(64 * VECTORS);
                for m in 0..PIXELS {
                    let x = row[m].add(4 * step).cast::<i32>().read_unaligned();
                    let x = _mm512_set1_epi32(x);
                    for n in 0..VECTORS {
                        sums[m][n] = match WORDS {
                            true => _mm512_dpwssd_epi32(sums[m][n], x, weights[n]),
                            false => _mm512_dpbusd_epi32(sums[m][n], x, weights[n]),
                        };
                    }
                }
            }
        }
    }
    // The sums are indexed by constants alone, so that they stay in registers until here.
    let mut spilled = Spilled([0; 24 * LANES]);
    for n in 0..VECTORS {
        for m in 0..PIXELS {
            let at = spilled.0[(n * PIXELS + m) * LANES..][..LANES].as_mut_ptr();
            // SAFETY: LANES elements of room.
            unsafe { _mm512_storeu_si512(at.cast(), sums[m][n]) };
        }
    }
    // SAFETY: as the caller promises.
    unsafe {
        match (tile.finish.merged, tile.finish.output) {
            (Some(merged), Output::Codes8(narrow)) => {
                by_kind!(narrow, KIND => merged8::<VECTORS, KIND>(
                    &tile.finish, merged, &narrow, target, PIXELS, &spilled.0,
                ));
            }
            _ => finish(&tile.finish, target, PIXELS, &spilled.0),
        }
    }
}

/// Finishes and writes sums `[vectors, pixels, lanes]` as codes of 8 bits, by the factors of `Finish::merged`.
///
/// # Safety
/// As [`finish`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn merged8<const VECTORS: usize, const KIND: u8>(
    part: &Part,
    merged: &[f32],
    narrow: &Narrow,
    target: Target,
    pixels: usize,
    sums: &[i32],
) {
    let mask = u64::MAX >> (64 - target.channels.min(64));
    let (low, high) = narrow.range();
    let (low, high) = (_mm512_set1_epi8(low as i8), _mm512_set1_epi8(high as i8));
    let zero = _mm512_set1_epi16(narrow.zero() as i16);
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let tie = _mm512_set1_ps(0.5 - Division::MARGIN);
    let mut add = [_mm512_setzero_si512(); VECTORS];
    let mut factor = [_mm512_setzero_ps(); VECTORS];
    // SAFETY: the parameters are padded by a block; the target is writable for the channels of the mask; `sums` holds
    // LANES elements for each vector and pixel.
    unsafe {
        for n in 0..VECTORS {
            add[n] = _mm512_loadu_si512(part.add.as_ptr().add(n * LANES).cast());
            factor[n] = _mm512_loadu_ps(merged.as_ptr().add(n * LANES));
        }
        for m in 0..pixels {
            let mut numbers = [_mm512_setzero_ps(); VECTORS];
            let mut quotient = [_mm512_setzero_ps(); VECTORS];
            let mut farthest = _mm512_setzero_ps();
            for n in 0..VECTORS {
                let sum = _mm512_loadu_si512(sums.as_ptr().add((n * pixels + m) * LANES).cast());
                numbers[n] = _mm512_cvtepi32_ps(_mm512_add_epi32(sum, add[n]));
                quotient[n] = _mm512_mul_ps(numbers[n], factor[n]);
                if KIND & DIVISION == CHECKED {
                    // 0b11: the larger of the magnitudes; 0b10 in the upper bits: without its sign.
                    let distance = _mm512_reduce_ps::<0>(quotient[n]);
                    farthest = _mm512_range_ps::<0b1011>(farthest, distance);
                }
            }
            if KIND & DIVISION == CHECKED && _mm512_cmp_ps_mask::<_CMP_GE_OQ>(farthest, tie) != 0 {
                for n in 0..VECTORS {
                    let factor = _mm512_loadu_ps(part.scale.as_ptr().add(n * LANES));
                    quotient[n] = divided(narrow, numbers[n], factor, quotient[n]);
                }
            }
            let code = |n: usize| match n < VECTORS {
                true => rounded_small::<KIND>(quotient[n]),
                false => _mm512_setzero_si512(),
            };
            let lower = _mm512_adds_epi16(_mm512_packs_epi32(code(0), code(1)), zero);
            let upper = match VECTORS > 2 {
                true => _mm512_adds_epi16(_mm512_packs_epi32(code(2), code(3)), zero),
                false => zero,
            };
            let bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(lower, upper));
            let bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, low), high);
            _mm512_mask_storeu_epi8(target.start.add(m * target.stride).cast(), mask, bytes);
        }
    }
}

/// `number · scale / step` in the order of the definition, where that is small; else `quotient`, which is clamped.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn divided(narrow: &Narrow, number: __m512, scale: __m512, quotient: __m512) -> __m512 {
    let exact = _mm512_div_ps(_mm512_mul_ps(number, scale), _mm512_set1_ps(narrow.scale()));
    let small = _mm512_set1_ps(1024.0);
    let near = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(quotient), small);
    _mm512_mask_blend_ps(near, quotient, exact)
}

/// `x`, of magnitude below 2^31, rounded by the rule of `KIND`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn rounded_small<const KIND: u8>(x: __m512) -> __m512i {
    const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    const TO_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
    let half = _mm512_set1_ps(0.5);
    match KIND & ROUNDING {
        // The sum is at least the integer n where x is at least n - 1/2: rounding it down crosses no integer.
        HALF_UP => _mm512_cvt_roundps_epi32::<DOWN>(_mm512_add_round_ps::<DOWN>(x, half)),
        HALF_AWAY => {
            let sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0));
            _mm512_cvttps_epi32(_mm512_add_round_ps::<TO_ZERO>(x, _mm512_or_ps(half, sign)))
        }
        _ => _mm512_cvtps_epi32(x),
    }
}

/// The sums of a tile, `[vectors, pixels, lanes]`; 14 pixels of one vector, 24 registers else.
#[repr(align(64))]
struct Spilled([i32; 24 * LANES]);

/// Finishes and writes sums `[vectors, pixels, lanes]`.
///
/// # Safety
/// The target is writable for the pixels and its channels; the CPU has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn finish(finish: &Part, target: Target, pixels: usize, sums: &[i32]) {
    macro_rules! codes {
        ($narrow:ident, $write:ident) => {
            by_kind!($narrow, KIND => real(finish, target, pixels, sums, |x| codes::<KIND>(&$narrow, x), $write))
        };
    }
    // SAFETY: as the caller promises.
    unsafe {
        match finish.output {
            Output::Codes8(narrow) => codes!(narrow, write8),
            Output::Codes16(narrow) => codes!(narrow, write16),
            Output::Real => real(finish, target, pixels, sums, |x| _mm512_castps_si512(x), write32),
            Output::Sums => each(finish, target, pixels, sums, |_, sums| sums, write32),
        }
    }
}

/// Calls `each` with sums made real numbers.
///
/// # Safety
/// As [`finish`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn real(
    finish: &Part,
    target: Target,
    pixels: usize,
    sums: &[i32],
    then: impl Fn(__m512) -> __m512i,
    write: unsafe fn(*mut u8, __mmask16, __m512i),
) {
    // SAFETY: the parameters are padded by a block; the rest as the caller promises.
    unsafe {
        match finish.bias {
            None => {
                let convert = |first: usize, sums| {
                    let scale = _mm512_loadu_ps(finish.scale.as_ptr().add(first));
                    then(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale))
                };
                each(finish, target, pixels, sums, convert, write);
            }
            Some(bias) => {
                let convert = |first: usize, sums| {
                    let scale = _mm512_loadu_ps(finish.scale.as_ptr().add(first));
                    let bias = _mm512_loadu_ps(bias.as_ptr().add(first));
                    then(_mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), scale), bias))
                };
                each(finish, target, pixels, sums, convert, write);
            }
        }
    }
}

/// Converts and writes vector after vector.
///
/// # Safety
/// As [`finish`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn each(
    finish: &Part,
    target: Target,
    pixels: usize,
    sums: &[i32],
    convert: impl Fn(usize, __m512i) -> __m512i,
    write: unsafe fn(*mut u8, __mmask16, __m512i),
) {
    for (n, sums) in sums.chunks_exact(pixels * LANES).enumerate() {
        let first = n * LANES;
        if first >= target.channels {
            break;
        }
        let mask = (u32::MAX >> (32 - LANES.min(target.channels - first) as u32)) as __mmask16;
        // SAFETY: the parameters are padded by a block; the target is writable for the channels of the mask.
        unsafe {
            let add = _mm512_loadu_si512(finish.add.as_ptr().add(first).cast());
            let mut at = target.start.add(first * finish.output.bytes());
            for sums in sums.chunks_exact(LANES) {
                let sums = _mm512_add_epi32(_mm512_loadu_si512(sums.as_ptr().cast()), add);
                write(at, mask, convert(first, sums));
                at = at.add(target.stride);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn write8(at: *mut u8, mask: __mmask16, codes: __m512i) {
    // SAFETY: the caller's target is writable for the channels of the mask.
    unsafe { _mm_mask_storeu_epi8(at.cast(), mask, _mm512_cvtepi32_epi8(codes)) };
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn write16(at: *mut u8, mask: __mmask16, codes: __m512i) {
    // SAFETY: as `write8`.
    unsafe { _mm256_mask_storeu_epi16(at.cast(), mask, _mm512_cvtepi32_epi16(codes)) };
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn write32(at: *mut u8, mask: __mmask16, values: __m512i) {
    // SAFETY: as `write8`.
    unsafe { _mm512_mask_storeu_epi32(at.cast(), mask, values) };
}

/// [`Narrow::code`] of 16 numbers, for a quantizer of that [`kind`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn codes<const KIND: u8>(narrow: &Narrow, x: __m512) -> __m512i {
    const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    let scale = _mm512_set1_ps(narrow.scale());
    let quotient = match KIND & DIVISION {
        EXACT => _mm512_mul_ps(x, _mm512_set1_ps(narrow.inverse())),
        CHECKED => {
            let quotient = _mm512_mul_ps(x, _mm512_set1_ps(narrow.inverse()));
            let distance =
                _mm512_abs_ps(_mm512_sub_ps(quotient, _mm512_roundscale_ps::<NEAREST>(quotient)));
            let tie = _mm512_set1_ps(0.5 - Division::MARGIN);
            match _mm512_cmp_ps_mask::<_CMP_GE_OQ>(distance, tie) {
                0 => quotient,
                _ => _mm512_div_ps(x, scale),
            }
        }
        _ => _mm512_div_ps(x, scale),
    };
    let (low, high, before, after) = narrow.bounds();
    // Adding 0 does not change how a number rounds.
    let quotient = match KIND & DIVISION {
        CHECKED => quotient,
        _ => _mm512_add_ps(quotient, _mm512_set1_ps(before)),
    };
    let clamped = _mm512_min_ps(_mm512_max_ps(quotient, _mm512_set1_ps(low)), _mm512_set1_ps(high));
    _mm512_add_epi32(rounded(rounding::<KIND>(narrow), clamped), _mm512_set1_epi32(after))
}

/// `x`, of magnitude below 2^22, rounded.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn rounded(round: Round, x: __m512) -> __m512i {
    const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    const UP: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
    let half = _mm512_set1_ps(0.5);
    let one = _mm512_set1_ps(1.0);
    // Below 2^22 the fraction is exact.
    match round {
        Round::HalfEven => _mm512_cvtps_epi32(x),
        Round::HalfUp => {
            let floor = _mm512_roundscale_ps::<DOWN>(x);
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_sub_ps(x, floor), half);
            _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one))
        }
        Round::HalfAway => {
            let magnitude = _mm512_abs_ps(x);
            let floor = _mm512_roundscale_ps::<DOWN>(magnitude);
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_sub_ps(magnitude, floor), half);
            let rounded = _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one));
            let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
            _mm512_mask_sub_epi32(rounded, negative, _mm512_setzero_si512(), rounded)
        }
        Round::Floor => _mm512_cvtps_epi32(_mm512_roundscale_ps::<DOWN>(x)),
        Round::Ceil => _mm512_cvtps_epi32(_mm512_roundscale_ps::<UP>(x)),
        Round::HalfTowardZero => {
            let magnitude = _mm512_abs_ps(x);
            let floor = _mm512_roundscale_ps::<DOWN>(magnitude);
            let up = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_sub_ps(magnitude, floor), half);
            let rounded = _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one));
            let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
            _mm512_mask_sub_epi32(rounded, negative, _mm512_setzero_si512(), rounded)
        }
        Round::HalfUpBelowZeroElseEven => {
            let floor = _mm512_roundscale_ps::<DOWN>(x);
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_sub_ps(x, floor), half);
            let half_up = _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one));
            let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
            _mm512_mask_blend_epi32(negative, _mm512_cvtps_epi32(x), half_up)
        }
    }
}

/// `out[i] = table[x[i]]`.
pub(super) fn map_bytes(table: &[u8; 256], x: &[u8], out: &mut [u8]) {
    assert_eq!(x.len(), out.len());
    // SAFETY: whoever chooses the instruction set has asked the CPU, VBMI included.
    unsafe { permuted(table, x, out) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn permuted(table: &[u8; 256], x: &[u8], out: &mut [u8]) {
    // SAFETY: 64 bytes each.
    let part = |i: usize| unsafe { _mm512_loadu_si512(table[64 * i..][..64].as_ptr().cast()) };
    let parts = [part(0), part(1), part(2), part(3)];
    for (out, x) in out.chunks_mut(64).zip(x.chunks(64)) {
        let mask = u64::MAX >> (64 - x.len());
        // SAFETY: the mask names the bytes of the chunk.
        unsafe {
            let codes = _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast());
            let lower = _mm512_permutex2var_epi8(parts[0], codes, parts[1]);
            let upper = _mm512_permutex2var_epi8(parts[2], codes, parts[3]);
            let values = _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), lower, upper);
            _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, values);
        }
    }
}
