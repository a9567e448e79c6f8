//! Moving codes without looking at them.

#![allow(unsafe_code)]

use rayon::prelude::*;

use super::dispatch::alone;

/// `[batch, rows, columns]` → `[batch, columns, rows]`.
pub fn transpose<T: Copy + Send + Sync>(x: &[T], rows: usize, columns: usize, out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "as many elements");
    let image = rows * columns;
    if image == 0 {
        return;
    }
    if rows == 1 || columns == 1 {
        return out.copy_from_slice(x);
    }
    for (x, out) in x.chunks_exact(image).zip(out.chunks_exact_mut(image)) {
        match rows {
            2 => interleave::<T, 2>(x, columns, out),
            3 => interleave::<T, 3>(x, columns, out),
            4 => interleave::<T, 4>(x, columns, out),
            _ => tiles(x, rows, columns, out),
        }
    }
}

/// A few long rows side by side.
fn interleave<T: Copy + Send + Sync, const ROWS: usize>(x: &[T], columns: usize, out: &mut [T]) {
    const TASK: usize = 1 << 14;
    each_part(out, TASK * ROWS, |task, out| {
        let (pixels, _) = out.as_chunks_mut::<ROWS>();
        let rows: [&[T]; ROWS] =
            std::array::from_fn(|row| &x[row * columns + task * TASK..][..pixels.len()]);
        for (i, pixel) in pixels.iter_mut().enumerate() {
            *pixel = std::array::from_fn(|row| rows[row][i]);
        }
    });
}

/// Tile after tile, so that rows and columns are near each other.
fn tiles<T: Copy + Send + Sync>(x: &[T], rows: usize, columns: usize, out: &mut [T]) {
    const TILE: usize = 16;
    each_part(out, TILE * rows, |tile, out| {
        let c0 = tile * TILE;
        for r0 in (0..rows).step_by(TILE) {
            let end = rows.min(r0 + TILE);
            if end - r0 == TILE && out.len() == TILE * rows {
                let from = &x[r0 * columns + c0..];
                turn::<T>(from, columns, &mut out[r0..], rows);
                continue;
            }
            for (c, out) in out.chunks_exact_mut(rows).enumerate() {
                let from = x[r0 * columns..].iter().skip(c0 + c).step_by(columns);
                out[r0..end].iter_mut().zip(from).for_each(|(out, &x)| *out = x);
            }
        }
    });
}

/// Transposes a tile of 16 × 16; `from` and `to` are the distances of rows.
fn turn<T: Copy>(x: &[T], from: usize, out: &mut [T], to: usize) {
    const SIDE: usize = 16;
    // The last row holds a whole one.
    assert!(x.len() >= 15 * from + SIDE && out.len() >= 15 * to + SIDE, "a tile is inside");
    let side = || 0..SIDE;
    #[cfg(target_arch = "x86_64")]
    match size_of::<T>() {
        4 => {
            for (r, c) in side().step_by(4).flat_map(|r| side().step_by(4).map(move |c| (r, c))) {
                // SAFETY: T has 4 bytes; a block of 4 × 4 of the tile, which is inside.
                unsafe {
                    let x = x.as_ptr().add(r * from + c).cast();
                    sse::turn4(x, from, out.as_mut_ptr().add(c * to + r).cast(), to);
                }
            }
            return;
        }
        1 => {
            for (r, c) in side().step_by(8).flat_map(|r| side().step_by(8).map(move |c| (r, c))) {
                // SAFETY: T has 1 byte; a block of 8 × 8 of the tile, which is inside.
                unsafe {
                    let x = x.as_ptr().add(r * from + c).cast();
                    sse::turn8(x, from, out.as_mut_ptr().add(c * to + r).cast(), to);
                }
            }
            return;
        }
        _ => {}
    }
    for c in side() {
        side().for_each(|r| out[c * to + r] = x[r * from + c]);
    }
}

/// Blocks with SSE2, which every x86-64 has.
#[cfg(target_arch = "x86_64")]
mod sse {
    use std::arch::x86_64::*;

    /// Transposes 4 × 4 elements of 4 bytes.
    ///
    /// # Safety
    /// Four elements of four rows `from` and `to` apart are readable and writable.
    #[inline]
    pub(super) unsafe fn turn4(x: *const f32, from: usize, out: *mut f32, to: usize) {
        // SAFETY: as the caller promises; shuffles leave the bits alone.
        unsafe {
            let row = |i: usize| _mm_loadu_ps(x.add(i * from));
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            _mm_storeu_ps(out, _mm_movelh_ps(ab_low, cd_low));
            _mm_storeu_ps(out.add(to), _mm_movehl_ps(cd_low, ab_low));
            _mm_storeu_ps(out.add(2 * to), _mm_movelh_ps(ab_high, cd_high));
            _mm_storeu_ps(out.add(3 * to), _mm_movehl_ps(cd_high, ab_high));
        }
    }

    /// Transposes 8 × 8 bytes.
    ///
    /// # Safety
    /// Eight bytes of eight rows `from` and `to` apart are readable and writable.
    #[inline]
    pub(super) unsafe fn turn8(x: *const u8, from: usize, out: *mut u8, to: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            let row = |i: usize| _mm_loadl_epi64(x.add(i * from).cast());
            let pair = |i: usize| _mm_unpacklo_epi8(row(2 * i), row(2 * i + 1));
            let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
            let (ab_low, ab_high) = (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
            let (cd_low, cd_high) = (_mm_unpacklo_epi16(c, d), _mm_unpackhi_epi16(c, d));
            let columns = [
                _mm_unpacklo_epi32(ab_low, cd_low),
                _mm_unpackhi_epi32(ab_low, cd_low),
                _mm_unpacklo_epi32(ab_high, cd_high),
                _mm_unpackhi_epi32(ab_high, cd_high),
            ];
            for (i, two) in columns.into_iter().enumerate() {
                _mm_storel_epi64(out.add(2 * i * to).cast(), two);
                _mm_storel_epi64(out.add((2 * i + 1) * to).cast(), _mm_unpackhi_epi64(two, two));
            }
        }
    }
}

/// Calls `each` with the parts of the result and their numbers.
fn each_part<T: Send>(out: &mut [T], part: usize, each: impl Fn(usize, &mut [T]) + Sync) {
    match alone(out.len()) {
        true => out.chunks_mut(part).enumerate().for_each(|(i, out)| each(i, out)),
        false => out.par_chunks_mut(part).enumerate().for_each(|(i, out)| each(i, out)),
    }
}

/// Writes the rows of x, `width` elements each, `stride` apart, from element `offset` of `out` on.
pub fn spread_rows<T: Copy + Send + Sync>(
    x: &[T],
    width: usize,
    out: &mut [T],
    stride: usize,
    offset: usize,
) {
    if width == 0 {
        return;
    }
    let rows = out.chunks_exact_mut(stride).zip(x.chunks_exact(width));
    rows.for_each(|(out, x)| out[offset..offset + width].copy_from_slice(x));
}

/// Moves runs of `width` elements: run i of the result is run `map[i]` of x, or `filler` where that is negative.
pub fn gather<T: Copy + Send + Sync>(x: &[T], width: usize, map: &[i32], filler: T, out: &mut [T]) {
    assert_eq!(out.len(), map.len() * width, "a run for each place");
    if width == 0 {
        return;
    }
    let run = |out: &mut [T], from: i32| match usize::try_from(from) {
        Ok(from) => out.copy_from_slice(&x[from * width..][..width]),
        Err(_) => out.fill(filler),
    };
    if alone(out.len()) {
        return out.chunks_mut(width).zip(map).for_each(|(out, &from)| run(out, from));
    }
    let tasks = out.par_chunks_mut(width).zip(map).with_min_len(4096usize.div_ceil(width));
    tasks.for_each(|(out, &from)| run(out, from));
}
