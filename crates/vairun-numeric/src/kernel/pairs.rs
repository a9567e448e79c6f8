//! Products of two matrices of codes of the run: neither is packed beforehand.

#![allow(unsafe_code)]

use std::cell::RefCell;

use rayon::prelude::*;

use super::dispatch::{alone, on};
use super::elementwise::{Stored, quantize};
use super::finish::Output;
use super::isa::Isa;
use super::narrow::Narrow;
use super::product::{Codes, Written};
use super::{digits, doubles};
use crate::vector::Loop;

/// Columns of a block of b.
pub(super) const COLUMNS: usize = 16;

/// In what the codes of two matrices are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Words, to sums of 32 bits.
    Words,
    /// f64, which holds every product and sum exactly; with vectors of words, words by digits.
    Doubles,
}

impl Width {
    /// What holds sums of `k` products of codes so far from their zeros; `None` where that is beyond f64.
    pub fn of(k: usize, reach: [i64; 2]) -> Option<Self> {
        let [a, b] = reach;
        let sum = a.checked_mul(b)?.checked_mul(i64::try_from(k).ok()?)?;
        match a.max(b) <= i16::MAX.into() && sum <= i32::MAX.into() {
            true => Some(Self::Words),
            false => (sum <= 1 << f64::MANTISSA_DIGITS).then_some(Self::Doubles),
        }
    }
}

/// Products `[m, k] · [k, n]` of stored codes: `f32(Σ (a - za) · (b - zb)) · scale`, then perhaps a code.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Rows of a.
    pub m: usize,
    /// Terms of a sum.
    pub k: usize,
    /// Columns of b.
    pub n: usize,
    /// The stored codes of 0.
    pub zeros: [i32; 2],
    /// What sums are multiplied with.
    pub scale: f32,
    /// What is written: codes or real numbers.
    pub output: Output,
    /// What holds the sums.
    pub width: Width,
    /// The instruction set.
    pub isa: Isa,
}

/// Memory that tasks keep.
#[derive(Default)]
struct Scratch {
    a: Vec<i16>,
    b: Vec<i16>,
    sums: Vec<i32>,
    digits: digits::Scratch,
    doubles: doubles::Scratch,
    numbers: Vec<f32>,
}

impl Pairs {
    /// One product for each pair of places in a and b, in elements; the results lie one after the other.
    ///
    /// Panics where a matrix does not lie within its operand, or `out` is of another length or type than the results.
    pub fn run(&self, places: &[(usize, usize)], a: Codes, b: Codes, out: Written) {
        match (a, b) {
            (Codes::U8(a), Codes::U8(b)) => self.of(places, a, b, out),
            (Codes::U8(a), Codes::I16(b)) => self.of(places, a, b, out),
            (Codes::I16(a), Codes::U8(b)) => self.of(places, a, b, out),
            (Codes::I16(a), Codes::I16(b)) => self.of(places, a, b, out),
        }
    }

    fn of<A: Stored, B: Stored>(&self, places: &[(usize, usize)], a: &[A], b: &[B], out: Written) {
        match (out, self.output) {
            (Written::U8(out), Output::Codes8(narrow)) => {
                self.each(places, a, b, out, |numbers, out| self.narrow(&narrow, numbers, out));
            }
            (Written::I16(out), Output::Codes16(narrow)) => {
                self.each(places, a, b, out, |numbers, out| self.narrow(&narrow, numbers, out));
            }
            (Written::F32(out), Output::Real) => {
                self.each(places, a, b, out, |numbers, out| out.copy_from_slice(numbers));
            }
            _ => panic!("the output is of the type that is written"),
        }
    }

    fn narrow<C: Stored>(&self, narrow: &Narrow, numbers: &[f32], out: &mut [C]) {
        quantize(self.isa, narrow, numbers, out);
    }

    fn each<A: Stored, B: Stored, C: Send>(
        &self,
        places: &[(usize, usize)],
        a: &[A],
        b: &[B],
        out: &mut [C],
        write: impl Fn(&[f32], &mut [C]) + Sync,
    ) {
        let &Self { m, k, n, .. } = self;
        assert_eq!(out.len(), places.len() * m * n, "room for all products");
        if m * n == 0 {
            return;
        }
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        let product = |(out, &(at, bt)): (&mut [C], &(usize, usize))| {
            let (a, b) = (&a[at..][..m * k], &b[bt..][..k * n]);
            let mut scratch = SCRATCH.take();
            self.product(&mut scratch, a, b);
            write(&scratch.numbers[..m * n], out);
            SCRATCH.set(scratch);
        };
        match alone(places.len() * m * n * k / 8) {
            true => out.chunks_exact_mut(m * n).zip(places).for_each(product),
            false => out.par_chunks_exact_mut(m * n).zip(places).for_each(product),
        }
    }

    /// The numbers of one product.
    fn product<A: Stored, B: Stored>(&self, scratch: &mut Scratch, a: &[A], b: &[B]) {
        let &Self { m, k, n, zeros, scale, isa, .. } = self;
        if self.width == Width::Doubles {
            scratch.numbers.resize(m * n, 0.0);
            let (out, sizes) = (&mut scratch.numbers, ([m, k, n], zeros, scale));
            return match sums_of(isa).filter(|_| k <= digits::LONGEST) {
                Some(sums) => scratch.digits.product((isa, sums), (a, b), sizes, out),
                None => scratch.doubles.product(isa, (a, b), sizes, out),
            };
        }
        let (pairs, blocks) = (k.div_ceil(2), n.div_ceil(COLUMNS));
        scratch.a.resize(m * pairs * 2, 0);
        scratch.b.resize(blocks * pairs * 2 * COLUMNS, 0);
        scratch.sums.resize(m * blocks * COLUMNS, 0);
        scratch.numbers.resize(m * n, 0.0);
        on(isa, Rows { codes: a, zero: zeros[0], terms: k, out: &mut scratch.a });
        on(isa, Blocks { codes: b, zero: zeros[1], columns: n, out: &mut scratch.b });
        let Scratch { a, b, sums, numbers, .. } = scratch;
        sums_of(isa).unwrap_or(plain)(a, b, pairs, sums);
        on(isa, Numbers { sums, width: blocks * COLUMNS, columns: n, scale, out: numbers });
    }
}

/// The sums of rows and blocks in vectors, as [`plain`] has them.
fn sums_of(isa: Isa) -> Option<digits::Sums> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Some(|a, b, pairs, sums| {
            // SAFETY: as below.
            unsafe { super::avx512::pairs::sums(a, b, pairs, sums) };
        }),
        #[cfg(target_arch = "x86_64")]
        isa if isa.has_avx2() => Some(|a, b, pairs, sums| {
            // SAFETY: the CPU has AVX2, as whoever chooses an instruction set has asked it.
            unsafe { super::avx2::pairs::sums(a, b, pairs, sums) };
        }),
        _ => None,
    }
}

/// Codes `[rows, terms]` less their zero, the terms made an even number with 0.
struct Rows<'a, T> {
    codes: &'a [T],
    zero: i32,
    terms: usize,
    out: &'a mut [i16],
}

impl<T: Stored> Loop for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, zero, terms, out } = self;
        if terms == 0 {
            return;
        }
        let rows = out.chunks_exact_mut(terms.next_multiple_of(2)).zip(codes.chunks_exact(terms));
        for (out, codes) in rows {
            out.iter_mut().zip(codes).for_each(|(out, &code)| *out = (code.widen() - zero) as i16);
            out[terms..].fill(0);
        }
    }
}

/// Codes `[terms, columns]` less their zero as `[blocks of columns, pairs of terms, columns of a block, 2]`; what is
/// missing is 0.
struct Blocks<'a, T> {
    codes: &'a [T],
    zero: i32,
    columns: usize,
    out: &'a mut [i16],
}

impl<T: Stored> Loop for Blocks<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, zero, columns, out } = self;
        let pairs = codes.len().div_ceil(2 * columns);
        if pairs == 0 {
            return;
        }
        for (block, out) in out.chunks_exact_mut(pairs * 2 * COLUMNS).enumerate() {
            let first = block * COLUMNS;
            let count = COLUMNS.min(columns - first);
            for (rows, out) in codes.chunks(2 * columns).zip(out.chunks_exact_mut(2 * COLUMNS)) {
                out.fill(0);
                for (i, row) in rows.chunks_exact(columns).enumerate() {
                    for (c, &code) in row[first..][..count].iter().enumerate() {
                        out[2 * c + i] = (code.widen() - zero) as i16;
                    }
                }
            }
        }
    }
}

/// Sums `[rows, width]` as numbers `[rows, columns]`.
struct Numbers<'a> {
    sums: &'a [i32],
    width: usize,
    columns: usize,
    scale: f32,
    out: &'a mut [f32],
}

impl Loop for Numbers<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { sums, width, columns, scale, out } = self;
        for (out, sums) in out.chunks_exact_mut(columns).zip(sums.chunks_exact(width)) {
            out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum as f32 * scale);
        }
    }
}

/// The sums of rows `[m, pairs, 2]` with blocks `[blocks, pairs, COLUMNS, 2]`: `[m, blocks · COLUMNS]`.
fn plain(a: &[i16], b: &[i16], pairs: usize, sums: &mut [i32]) {
    if pairs == 0 {
        return sums.fill(0);
    }
    let blocks = b.len() / (pairs * 2 * COLUMNS);
    for (a, sums) in a.chunks_exact(2 * pairs).zip(sums.chunks_exact_mut(blocks * COLUMNS)) {
        let blocks = b.chunks_exact(pairs * 2 * COLUMNS);
        for (b, sums) in blocks.zip(sums.chunks_exact_mut(COLUMNS)) {
            sums.fill(0);
            for (a, b) in a.chunks_exact(2).zip(b.chunks_exact(2 * COLUMNS)) {
                for (sum, b) in sums.iter_mut().zip(b.chunks_exact(2)) {
                    *sum += i32::from(a[0]) * i32::from(b[0]) + i32::from(a[1]) * i32::from(b[1]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::NarrowParts;
    use crate::round::Round;

    /// Sums near each other and far apart, as stored codes `[m, k]` twice and `[k, n]`.
    fn all_forms_give_the_definition(width: Width, largest: i32, zeros: [i32; 2]) {
        for (m, k, n) in [(1, 1, 1), (5, 7, 17), (13, 64, 48), (6, 3, 16), (2, 0, 3)] {
            let codes = |count: i32, step: i32| -> Vec<i32> {
                (0..count).map(|i| i * step % largest).collect()
            };
            let (a, b) = (codes(2 * m * k, 9973), codes(k * n, 7919));
            let real = |at: i32, i: i32, j: i32| {
                let term = |c: i32| {
                    let codes = [a[(at + i * k + c) as usize], b[(c * n + j) as usize]];
                    i64::from(codes[0] - zeros[0]) * i64::from(codes[1] - zeros[1])
                };
                (0..k).map(term).sum::<i64>() as f32 * 0.01
            };
            let [m_, k_, n_] = [m, k, n].map(|size| size as usize);
            let places = [(m_ * k_, 0), (0, 0)];
            let narrow = Narrow::new(NarrowParts {
                scale: 0.7,
                zero: 3,
                low: 0,
                high: 255,
                round: Round::HalfEven,
                zero_inside: None,
            });
            let narrow = narrow.unwrap();
            let want: Vec<f32> = [m * k, 0]
                .iter()
                .flat_map(|&at| (0..m * n).map(move |i| (at, i)))
                .map(|(at, i)| real(at, i / n, i % n))
                .collect();
            let bytes = [&a, &b].map(|x| x.iter().map(|&x| x as u8).collect::<Vec<_>>());
            let words = [&a, &b].map(|x| x.iter().map(|&x| x as i16).collect::<Vec<_>>());
            let codes = |i: usize| match largest < 256 {
                true => Codes::U8(&bytes[i]),
                false => Codes::I16(&words[i]),
            };
            for isa in Isa::available() {
                let (m, k, n) = (m_, k_, n_);
                let pairs = |output| Pairs { m, k, n, zeros, scale: 0.01, output, width, isa };
                let mut numbers = vec![0f32; want.len()];
                pairs(Output::Real).run(&places, codes(0), codes(1), Written::F32(&mut numbers));
                assert_eq!(numbers, want, "{isa} {m}x{k}x{n}");
                let mut bytes = vec![0u8; want.len()];
                let output = Output::Codes8(narrow);
                pairs(output).run(&places, codes(0), codes(1), Written::U8(&mut bytes));
                let codes: Vec<u8> = want.iter().map(|&x| narrow.code(x) as u8).collect();
                assert_eq!(bytes, codes, "{isa} {m}x{k}x{n}");
            }
        }
    }

    #[test]
    fn sums_of_words_are_those_of_the_definition() {
        all_forms_give_the_definition(Width::Words, 251, [128, 77]);
    }

    #[test]
    fn sums_beyond_32_bits_are_those_of_the_definition() {
        all_forms_give_the_definition(Width::Doubles, 251, [128, 77]);
        all_forms_give_the_definition(Width::Doubles, 32749, [-32768, -32000]);
    }

    /// More rows and terms than are held at a time, of the largest codes, all of one sign.
    #[test]
    fn long_sums_of_the_largest_codes_are_exact() {
        let (m, k, n) = (50, 1000, 3);
        let (a, b) = (vec![-32768i16; m * k], vec![32767i16; k * n]);
        let output = Output::Real;
        for zeros in [[0, 0], [32767, -32768]] {
            let term = i64::from(-32768 - zeros[0]) * i64::from(32767 - zeros[1]);
            let want = (term * k as i64) as f32 * 0.5;
            for isa in Isa::available() {
                let width = Width::Doubles;
                let pairs = Pairs { m, k, n, zeros, scale: 0.5, output, width, isa };
                let mut numbers = vec![0f32; m * n];
                let out = Written::F32(&mut numbers);
                pairs.run(&[(0, 0)], Codes::I16(&a), Codes::I16(&b), out);
                assert_eq!(numbers, vec![want; m * n], "{isa}");
            }
        }
    }

    #[test]
    fn the_width_holds_every_sum() {
        assert_eq!(Width::of(64, [255, 255]), Some(Width::Words));
        assert_eq!(Width::of(1, [40_000, 1]), Some(Width::Doubles));
        assert_eq!(Width::of(100_000, [255, 255]), Some(Width::Doubles));
        assert_eq!(Width::of(1 << 21, [65_535, 65_535]), Some(Width::Doubles));
        assert_eq!(Width::of(1 << 22, [65_535, 65_535]), None);
        assert_eq!(Width::of(usize::MAX, [i64::MAX, 2]), None);
    }
}
