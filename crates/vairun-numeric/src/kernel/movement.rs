//! Moving codes without looking at them.

use rayon::prelude::*;

use super::dispatch::alone;
use super::transpose::Moved;

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
pub fn gather<T: Moved>(x: &[T], width: usize, map: &[i32], filler: T, out: &mut [T]) {
    assert_eq!(out.len(), map.len() * width, "a run for each place");
    if width == 0 {
        return;
    }
    if alone(out.len()) {
        return T::runs(x, width, map, filler, out);
    }
    let task = 4096usize.div_ceil(width);
    let tasks = out.par_chunks_mut(task * width).zip(map.par_chunks(task));
    tasks.for_each(|(out, map)| T::runs(x, width, map, filler, out));
}

/// As [`gather`], on one thread. Short runs are moved in registers: a call for each would take longer than they do.
#[inline(always)]
pub(super) fn runs<T: Copy>(x: &[T], width: usize, map: &[i32], filler: T, out: &mut [T]) {
    match width {
        1 => short::<T, 1>(x, map, filler, out),
        2 => short::<T, 2>(x, map, filler, out),
        3 => short::<T, 3>(x, map, filler, out),
        4 => short::<T, 4>(x, map, filler, out),
        8 => short::<T, 8>(x, map, filler, out),
        16 => short::<T, 16>(x, map, filler, out),
        _ => out.chunks_mut(width).zip(map).for_each(|(out, &from)| match usize::try_from(from) {
            Ok(from) => out.copy_from_slice(&x[from * width..][..width]),
            Err(_) => out.fill(filler),
        }),
    }
}

#[inline(always)]
fn short<T: Copy, const WIDTH: usize>(x: &[T], map: &[i32], filler: T, out: &mut [T]) {
    let (x, _) = x.as_chunks::<WIDTH>();
    let (out, _) = out.as_chunks_mut::<WIDTH>();
    for (out, &from) in out.iter_mut().zip(map) {
        *out = usize::try_from(from).map_or([filler; WIDTH], |from| x[from]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_every_width_go_where_the_map_says() {
        let x: Vec<i32> = (0..40 * 20).collect();
        for width in 1..20 {
            let map: Vec<i32> = (0..1000).map(|i| i * 7 % 41 - 1).collect();
            let mut out = vec![0; map.len() * width];
            gather(&x, width, &map, -5, &mut out);
            for (run, &from) in out.chunks(width).zip(&map) {
                let want =
                    (0..width).map(|i| if from < 0 { -5 } else { x[from as usize * width + i] });
                assert!(run.iter().copied().eq(want), "{width}: {run:?} from {from}");
            }
        }
    }
}
