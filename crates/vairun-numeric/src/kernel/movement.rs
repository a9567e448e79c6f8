//! Moving codes without looking at them.

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
            for (c, out) in out.chunks_exact_mut(rows).enumerate() {
                let end = rows.min(r0 + TILE);
                let from = x[r0 * columns..].iter().skip(c0 + c).step_by(columns);
                out[r0..end].iter_mut().zip(from).for_each(|(out, &x)| *out = x);
            }
        }
    });
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
