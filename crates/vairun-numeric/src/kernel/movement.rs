//! Moving codes without looking at them.

use rayon::prelude::*;

use super::dispatch::alone;

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
