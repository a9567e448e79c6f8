use rayon::prelude::*;

use super::code::Code;

/// Codes that are combined at once: two buffers of them stay in the first cache.
const CHUNK: usize = 1 << 10;

/// Chunks of one task at least.
const TASK: usize = 32;

/// Integers to combine, whatever their type.
pub trait Source: Sync {
    /// Those from `start` on, as many as `out` holds.
    fn fill(&self, start: usize, out: &mut [i64]);
}

/// Codes on the way to a finer grid: each times `multiplier`.
#[derive(Clone, Copy, Debug)]
pub struct Scaled<'a, T> {
    /// The codes.
    pub codes: &'a [T],
    /// The caller knows that no product overflows.
    pub multiplier: i64,
}

impl<T: Code> Source for Scaled<'_, T> {
    fn fill(&self, start: usize, out: &mut [i64]) {
        let codes = &self.codes[start..][..out.len()];
        match self.multiplier {
            1 => out.iter_mut().zip(codes).for_each(|(out, code)| *out = code.widen()),
            m => out.iter_mut().zip(codes).for_each(|(out, code)| *out = code.widen() * m),
        }
    }
}

/// `finish(combine(combine(a, b), c) …)` for each of `len` places; the caller knows that every result fits `S`.
///
/// Panics where a source has fewer than `len` codes, or there is none.
pub fn fold<S: Code>(
    len: usize,
    sources: &[&dyn Source],
    combine: impl Fn(&mut [i64], &[i64]) + Sync,
    finish: impl Fn(&mut [i64]) + Sync,
) -> Vec<S> {
    let (first, rest) = sources.split_first().expect("something to combine");
    let mut out = vec![S::default(); len];
    out.par_chunks_mut(CHUNK).with_min_len(TASK).enumerate().for_each(|(chunk, out)| {
        let (start, n) = (chunk * CHUNK, out.len());
        let (mut all, mut next) = ([0; CHUNK], [0; CHUNK]);
        first.fill(start, &mut all[..n]);
        for source in rest {
            source.fill(start, &mut next[..n]);
            combine(&mut all[..n], &next[..n]);
        }
        finish(&mut all[..n]);
        out.iter_mut().zip(&all).for_each(|(out, &code)| *out = S::narrow(code));
    });
    out
}

/// `f(code)` for each code; the caller knows that every result fits `S`.
pub fn map<S: Code>(len: usize, source: &dyn Source, f: impl Fn(i64) -> i64 + Sync) -> Vec<S> {
    fold(len, &[source], |_, _| (), |codes| codes.iter_mut().for_each(|code| *code = f(*code)))
}

/// `max(code, 0)` in place.
pub fn relu<T: Code>(codes: &mut [T]) {
    let chunks = codes.par_chunks_mut(CHUNK * TASK);
    chunks.for_each(|codes| codes.iter_mut().for_each(|code| *code = (*code).max(T::default())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_different_types_are_combined_from_left_to_right() {
        let (a, b): (Vec<i8>, Vec<i32>) =
            ((0..3000).map(|i| (i % 100) as i8).collect(), (0..3000).collect());
        let sources: [&dyn Source; 2] =
            [&Scaled { codes: &a, multiplier: 2 }, &Scaled { codes: &b, multiplier: 1 }];
        let subtract = |all: &mut [i64], next: &[i64]| {
            all.iter_mut().zip(next).for_each(|(all, next)| *all -= next);
        };
        let got: Vec<i32> =
            fold(3000, &sources, subtract, |all| all.iter_mut().for_each(|x| *x += 1));
        let want: Vec<i32> = (0..3000).map(|i| 2 * (i % 100) - i + 1).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn one_source_is_mapped() {
        let codes = [-1i16, 5];
        let got: Vec<i64> = map(2, &Scaled { codes: &codes, multiplier: 1 }, |code| code.max(0));
        assert_eq!(got, [0, 5]);
        let mut codes = codes;
        relu(&mut codes);
        assert_eq!(codes, [0, 5]);
    }
}
