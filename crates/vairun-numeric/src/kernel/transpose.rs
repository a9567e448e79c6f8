//! Exchanging rows and columns.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use rayon::prelude::*;

use super::dispatch::alone;
use super::movement::runs;

/// An element that changes its place: an integer of 8, 16 or 32 bits or an `f32`.
pub trait Moved: Copy + Default + Send + Sync + PartialEq + std::fmt::Debug {
    /// Writes the columns from `first` on that `out` has room for, as rows.
    #[doc(hidden)]
    fn columns(x: &[Self], shape: [usize; 2], first: usize, out: &mut [Self]);

    /// Runs of `width` elements by a map, as [`super::gather`].
    #[doc(hidden)]
    fn runs(x: &[Self], width: usize, map: &[i32], filler: Self, out: &mut [Self]);
}

/// `[batch, rows, columns]` → `[batch, columns, rows]`.
pub fn transpose<T: Moved>(x: &[T], rows: usize, columns: usize, out: &mut [T]) {
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
fn interleave<T: Moved, const ROWS: usize>(x: &[T], columns: usize, out: &mut [T]) {
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

/// Columns of a task.
const TILE: usize = 16;

/// Tile after tile, so that rows and columns are near each other.
fn tiles<T: Moved>(x: &[T], rows: usize, columns: usize, out: &mut [T]) {
    each_part(out, TILE * rows, |tile, out| T::columns(x, [rows, columns], tile * TILE, out));
}

/// Writes the columns from `first` on that `out` has room for.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain<T: Moved>(x: &[T], [rows, columns]: [usize; 2], first: usize, out: &mut [T]) {
    for r0 in (0..rows).step_by(TILE) {
        for (c, out) in out.chunks_exact_mut(rows).enumerate() {
            let end = rows.min(r0 + TILE);
            let from = x[r0 * columns..].iter().skip(first + c).step_by(columns);
            out[r0..end].iter_mut().zip(from).for_each(|(out, &x)| *out = x);
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

/// As [`plain`], by squares of `N` registers of `N` elements.
#[cfg(target_arch = "x86_64")]
fn registers<B: Moved, const N: usize>(
    x: &[B],
    [rows, columns]: [usize; 2],
    first: usize,
    out: &mut [B],
) where
    [B; N]: Square<B>,
{
    let end = first + out.len() / rows;
    assert!(end <= columns && x.len() >= rows * columns, "columns of x");
    for c0 in (first..end).step_by(N) {
        let out = &mut out[(c0 - first) * rows..];
        if rows >= N && c0 + N <= end {
            // The last square overlaps the one before.
            for r0 in (0..rows).step_by(N).map(|r0| r0.min(rows - N)) {
                // SAFETY: N rows of N elements lie in x from there on, and N columns of as many in the result.
                unsafe {
                    let (from, to) = (x.as_ptr().add(r0 * columns + c0), out.as_mut_ptr().add(r0));
                    <[B; N]>::transpose((from, columns), (to, rows));
                }
            }
            continue;
        }
        // A register that is longer than what is left of a column writes into the next one. So what is left comes before
        // all that would be written over.
        let short = rows - rows % N;
        for r0 in (short < rows).then_some(short).into_iter().chain((0..short).step_by(N)) {
            let mut square = [[B::default(); N]; N];
            for (i, row) in square.iter_mut().enumerate() {
                let from = &x[(r0 + i).min(rows - 1) * columns + c0..];
                match from.first_chunk() {
                    Some(whole) => *row = *whole,
                    None => row[..from.len()].copy_from_slice(from),
                }
            }
            let place = square.as_flattened_mut().as_mut_ptr();
            // SAFETY: the square holds its rows.
            unsafe { <[B; N]>::transpose((place, N), (place, N)) };
            for (j, column) in square.iter().take(end - c0).enumerate() {
                let to = &mut out[j * rows + r0..];
                match to.first_chunk_mut() {
                    Some(whole) => *whole = *column,
                    None => to[..rows - r0].copy_from_slice(&column[..rows - r0]),
                }
            }
        }
    }
}

/// A row of a square that registers exchange with the columns.
#[cfg(target_arch = "x86_64")]
trait Square<B> {
    /// Writes the rows as columns, each `step` elements from the one before; all are read first.
    ///
    /// # Safety
    /// The places hold them.
    unsafe fn transpose(from: (*const B, usize), to: (*mut B, usize));
}

/// Pairs of rows are interleaved until each register holds a column.
macro_rules! square {
    ($element:ty, $lanes:literal, $low:ident, $high:ident) => {
        impl Moved for $element {
            fn columns(x: &[Self], shape: [usize; 2], first: usize, out: &mut [Self]) {
                #[cfg(target_arch = "x86_64")]
                registers::<$element, $lanes>(x, shape, first, out);
                #[cfg(not(target_arch = "x86_64"))]
                plain(x, shape, first, out);
            }

            fn runs(x: &[Self], width: usize, map: &[i32], filler: Self, out: &mut [Self]) {
                runs(x, width, map, filler, out);
            }
        }

        #[cfg(target_arch = "x86_64")]
        impl Square<$element> for [$element; $lanes] {
            #[inline(always)]
            unsafe fn transpose(
                (from, from_step): (*const $element, usize),
                (to, to_step): (*mut $element, usize),
            ) {
                type Registers = [__m128i; $lanes];
                // SAFETY: as the caller promises; each row is 16 bytes.
                let row = |i: usize| unsafe { _mm_loadu_si128(from.add(i * from_step).cast()) };
                let rows: Registers = std::array::from_fn(row);
                let round = |rows: Registers| -> Registers {
                    std::array::from_fn(|i| {
                        let (a, b) = (rows[i / 2], rows[i / 2 + $lanes / 2]);
                        // SAFETY: SSE2 is part of the target.
                        unsafe { if i % 2 == 0 { $low(a, b) } else { $high(a, b) } }
                    })
                };
                // Written out: in a loop the registers would go through memory.
                let rows = round(round(rows));
                let rows = if $lanes > 4 { round(rows) } else { rows };
                let rows = if $lanes > 8 { round(rows) } else { rows };
                for (j, column) in rows.into_iter().enumerate() {
                    // SAFETY: as the caller promises; each column is 16 bytes.
                    unsafe { _mm_storeu_si128(to.add(j * to_step).cast(), column) };
                }
            }
        }
    };
}

square!(i8, 16, _mm_unpacklo_epi8, _mm_unpackhi_epi8);
square!(u8, 16, _mm_unpacklo_epi8, _mm_unpackhi_epi8);
square!(i16, 8, _mm_unpacklo_epi16, _mm_unpackhi_epi16);
square!(u16, 8, _mm_unpacklo_epi16, _mm_unpackhi_epi16);
square!(i32, 4, _mm_unpacklo_epi32, _mm_unpackhi_epi32);
square!(f32, 4, _mm_unpacklo_epi32, _mm_unpackhi_epi32);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Moved>(element: impl Fn(u8) -> T) {
        for rows in [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 33, 48, 700] {
            for columns in [1, 2, 5, 8, 10, 15, 16, 17, 31, 32, 33, 700] {
                let image = rows * columns;
                let x: Vec<T> = (0..2 * image).map(|i| element((i * 7 % 251) as u8)).collect();
                let mut out = x.clone();
                transpose(&x, rows, columns, &mut out);
                let expected: Vec<T> = x
                    .chunks_exact(image)
                    .flat_map(|x| {
                        let mut out = x.to_vec();
                        plain(x, [rows, columns], 0, &mut out);
                        out
                    })
                    .collect();
                assert_eq!(out, expected, "{rows} rows and {columns} columns");
                assert_eq!(out[rows - 1], x[(rows - 1) * columns], "the first column");
            }
        }
    }

    #[test]
    fn elements_of_all_widths_change_places() {
        check::<u8>(|i| i);
        check::<i16>(|i| -i16::from(i));
        check::<i32>(|i| i32::from(i) << 20);
        check::<f32>(f32::from);
    }
}
