//! The largest codes of windows with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernel::elementwise::Stored;
use crate::kernel::rows::Rows;

/// Bytes of a register.
const BYTES: usize = 32;

/// As [`crate::kernel::max_pool`], one task of it.
///
/// # Safety
/// The CPU has AVX2; T is u8 or i16.
#[target_feature(enable = "avx2")]
pub(in crate::kernel) unsafe fn largest<T: Stored>(
    x: &[T],
    rows: &[u32],
    taps: usize,
    channels: usize,
    out: &mut [T],
) {
    let lanes = BYTES / size_of::<T>();
    let done = match channels < lanes {
        // SAFETY: the CPU has AVX2; the channels are fewer than a register holds.
        true => unsafe { beyond(x, rows, taps, channels, out) },
        false => 0,
    };
    let (rows, out) = (&rows[done * taps..], &mut out[done * channels..]);
    let mut sources: Vec<&[T]> = Vec::with_capacity(taps);
    for (out, places) in out.chunks_exact_mut(channels).zip(rows.chunks_exact(taps)) {
        sources.clear();
        let inside = places.iter().filter(|&&at| at != Rows::PADDING);
        sources.extend(inside.map(|&at| &x[at as usize * channels..][..channels]));
        if channels < lanes {
            // SAFETY: the CPU has AVX2.
            unsafe { few(&sources, out) };
            continue;
        }
        // The last register overlaps the one before.
        for c in (0..channels).step_by(lanes).map(|c| c.min(channels - lanes)) {
            // SAFETY: a register of codes from c on lies within each source and the result.
            unsafe {
                let mut largest = load(sources[0], c);
                for source in &sources[1..] {
                    let codes = load(source, c);
                    largest = match size_of::<T>() {
                        1 => _mm256_max_epu8(largest, codes),
                        _ => _mm256_max_epi16(largest, codes),
                    };
                }
                _mm256_storeu_si256(out.as_mut_ptr().add(c).cast(), largest);
            }
        }
    }
}

/// The first pixels of few channels, by a register each: what it holds beyond the channels is written over by the
/// next pixel. Ends where something would lie beyond x or the result; gives the number of pixels.
///
/// # Safety
/// The CPU has AVX2; a register holds more than the channels.
#[target_feature(enable = "avx2")]
unsafe fn beyond<T: Stored>(
    x: &[T],
    rows: &[u32],
    taps: usize,
    channels: usize,
    out: &mut [T],
) -> usize {
    let lanes = BYTES / size_of::<T>();
    let Some(last) = x.len().checked_sub(lanes).map(|room| room / channels) else { return 0 };
    for (pixel, places) in rows.chunks_exact(taps).enumerate() {
        let fits = |&at: &u32| at == Rows::PADDING || at as usize <= last;
        if pixel * channels + lanes > out.len() || !places.iter().all(fits) {
            return pixel;
        }
        let mut inside = places.iter().filter(|&&at| at != Rows::PADDING);
        // SAFETY: a register lies within x from each of these places on, and within the result from the pixel on.
        unsafe {
            let load =
                |&at: &u32| _mm256_loadu_si256(x.as_ptr().add(at as usize * channels).cast());
            let mut largest = load(inside.next().expect("a window that touches x"));
            for at in inside {
                largest = match size_of::<T>() {
                    1 => _mm256_max_epu8(largest, load(at)),
                    _ => _mm256_max_epi16(largest, load(at)),
                };
            }
            _mm256_storeu_si256(out.as_mut_ptr().add(pixel * channels).cast(), largest);
        }
    }
    rows.len() / taps
}

/// The largest codes of fewer channels than a register holds.
///
/// # Safety
/// The CPU has AVX2; the sources are as long as the result.
#[target_feature(enable = "avx2")]
unsafe fn few<T: Stored>(sources: &[&[T]], out: &mut [T]) {
    let (channels, half) = (out.len(), BYTES / 2 / size_of::<T>());
    if channels < half {
        out.copy_from_slice(sources[0]);
        for source in &sources[1..] {
            out.iter_mut().zip(*source).for_each(|(out, &x)| *out = (*out).max(x));
        }
        return;
    }
    for c in [0, channels - half] {
        // SAFETY: half a register of codes from c on lies within each source and the result.
        unsafe {
            let load = |source: &[T]| _mm_loadu_si128(source.as_ptr().add(c).cast());
            let mut largest = load(sources[0]);
            for source in &sources[1..] {
                largest = match size_of::<T>() {
                    1 => _mm_max_epu8(largest, load(source)),
                    _ => _mm_max_epi16(largest, load(source)),
                };
            }
            _mm_storeu_si128(out.as_mut_ptr().add(c).cast(), largest);
        }
    }
}

/// # Safety
/// The CPU has AVX2; a register of codes lies within `codes` from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load<T>(codes: &[T], at: usize) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_loadu_si256(codes.as_ptr().add(at).cast()) }
}
