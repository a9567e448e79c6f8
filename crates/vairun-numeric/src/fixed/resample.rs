use rayon::prelude::*;

use super::code::Code;
use super::sampling::Sampling;

/// Resizes dimension `axis` of `shape` by taking the nearest codes; `None` for lengths without sense.
pub fn nearest<T: Code>(
    x: &[T],
    shape: &[usize],
    axis: usize,
    sampling: Sampling,
) -> Option<Vec<T>> {
    let inner: usize = shape[axis + 1..].iter().product();
    let sources = sampling.nearest()?;
    let mut out = vec![T::default(); x.len() / shape[axis].max(1) * sources.len()];
    if out.is_empty() {
        return Some(out);
    }
    out.par_chunks_mut(inner).enumerate().for_each(|(i, out)| {
        let (outer, o) = (i / sources.len(), i % sources.len());
        out.copy_from_slice(&x[(outer * shape[axis] + sources[o]) * inner..][..inner]);
    });
    Some(out)
}

/// Resizes dimension `axis` of `shape` linearly: the weighted sums, whose denominator is [`Sampling::denominator`]; `None`
/// for lengths without sense. The caller knows that no sum overflows.
pub fn linear<T: Code>(
    x: &[T],
    shape: &[usize],
    axis: usize,
    sampling: Sampling,
) -> Option<Vec<i64>> {
    let inner: usize = shape[axis + 1..].iter().product();
    let (denominator, taps) = sampling.linear()?;
    let mut out = vec![0i64; x.len() / shape[axis].max(1) * taps.len()];
    if out.is_empty() {
        return Some(out);
    }
    out.par_chunks_mut(inner).enumerate().for_each(|(i, out)| {
        let (outer, tap) = (i / taps.len(), taps[i % taps.len()]);
        let row = |at: usize| &x[(outer * shape[axis] + at) * inner..][..inner];
        let (low, high) = (row(tap.low), row(tap.high));
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            *out = low.widen() * (denominator - tap.weight) + high.widen() * tap.weight;
        }
    });
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dimension_is_resized_and_the_others_stay() {
        let sampling =
            Sampling { input: 2, output: 4, align_corners: false, half_pixel_centers: true };
        // [2, 2, 1]: two rows of two pixels.
        let x = [0i8, 4, 8, 12];
        assert_eq!(nearest(&x, &[2, 2, 1], 1, sampling).unwrap(), [0, 0, 0, 4, 8, 8, 8, 12]);
        assert_eq!(linear(&x, &[2, 2, 1], 1, sampling).unwrap(), [0, 4, 12, 16, 32, 36, 44, 48]);
        assert_eq!(linear(&x, &[2, 2, 1], 0, sampling).unwrap(), [0, 16, 8, 24, 24, 40, 32, 48]);
    }
}
