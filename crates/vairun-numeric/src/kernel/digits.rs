//! Products of two matrices of codes whose sums leave 32 bits, by digits: the codes of b are `256 · high + low`, and sums
//! with either of them fit.

use std::ops::Range;

use super::dispatch::on;
use super::elementwise::Stored;
use super::isa::Isa;
use super::pairs::COLUMNS;
use crate::vector::Loop;

/// Terms of which a sum fits 32 bits: a digit is at most 128 in magnitude and a code 2^15, so that 511 of them do.
const TERMS: usize = 480;

/// Terms up to which f64 holds what is added for zeros below 2^18, too.
pub(super) const LONGEST: usize = 1 << 16;

/// Rows of a whose sums are held at a time.
const BAND: usize = 48;

/// Memory that products keep.
#[derive(Default)]
pub(super) struct Scratch {
    a: Vec<i16>,
    /// Of the high digits and the low ones: `[parts of k, blocks of columns, pairs of terms, COLUMNS, 2]`.
    b: [Vec<i16>; 2],
    /// Of both digits, `[rows of a band, blocks of columns]`.
    sums: [Vec<i32>; 2],
    totals: Vec<f64>,
    /// What the zeros add to each sum of a column.
    columns: Vec<f64>,
}

/// Writes to `sums`, `[m, blocks · COLUMNS]`, what rows `[m, pairs, 2]` and blocks `[blocks, pairs, COLUMNS, 2]` make.
pub(super) type Sums = fn(a: &[i16], b: &[i16], pairs: usize, sums: &mut [i32]);

impl Scratch {
    /// `f32(Σ (a - za) · (b - zb)) · scale` of codes `[m, k]` and `[k, n]`, whose sums f64 holds.
    pub(super) fn product<A: Stored, B: Stored>(
        &mut self,
        kernel: (Isa, Sums),
        (a, b): (&[A], &[B]),
        ([m, k, n], zeros, scale): ([usize; 3], [i32; 2], f32),
        out: &mut [f32],
    ) {
        assert_eq!(out.len(), m * n, "a number for each row and column");
        if k == 0 {
            return out.fill(0.0);
        }
        let (isa, zero) = (kernel.0, zeros[1]);
        self.pack(isa, b, [k, n]);
        self.columns.clear();
        self.columns.resize(n, 0.0);
        on(isa, Corrections { codes: b, zeros, terms: k, out: &mut self.columns });
        for (codes, out) in a.chunks(BAND * k).zip(out.chunks_mut(BAND * n)) {
            self.band(kernel, codes, [k, n]);
            let (totals, columns) = (&self.totals, &self.columns);
            on(isa, Numbers { codes, zero, totals, columns, scale, out });
        }
    }

    /// The digits of b.
    fn pack<B: Stored>(&mut self, isa: Isa, b: &[B], [k, n]: [usize; 2]) {
        let all = parts(k, n).map(|part| part.place.len()).sum();
        self.b.iter_mut().for_each(|digits| digits.resize(all, 0));
        let [high, low] = &mut self.b;
        for Part { terms, place } in parts(k, n) {
            let codes = &b[terms.start * n..terms.end * n];
            let (high, low) = (&mut high[place.clone()], &mut low[place]);
            on(isa, Digits { codes, columns: n, high, low });
        }
    }

    /// The sums of some rows of a, as the codes are stored.
    fn band<A: Stored>(&mut self, (isa, sums_of): (Isa, Sums), a: &[A], [k, n]: [usize; 2]) {
        let (rows, width) = (a.len() / k, n.next_multiple_of(COLUMNS));
        self.totals.clear();
        self.totals.resize(rows * n, 0.0);
        for Part { terms, place } in parts(k, n) {
            let pairs = terms.len().div_ceil(2);
            self.a.resize(rows * 2 * pairs, 0);
            on(isa, Rows { codes: a, length: k, terms, out: &mut self.a });
            for (digits, sums) in self.b.iter().zip(&mut self.sums) {
                sums.resize(rows * width, 0);
                sums_of(&self.a, &digits[place.clone()], pairs, sums);
            }
            let [high, low] = &self.sums;
            on(isa, Totals { high, low, width, columns: n, totals: &mut self.totals });
        }
    }
}

/// Some terms of the sums, and where their digits of b are.
struct Part {
    terms: Range<usize>,
    place: Range<usize>,
}

fn parts(k: usize, n: usize) -> impl Iterator<Item = Part> {
    let mut end = 0;
    (0..k).step_by(TERMS).map(move |first| {
        let terms = first..k.min(first + TERMS);
        let start = end;
        end += terms.len().next_multiple_of(2) * n.next_multiple_of(COLUMNS);
        Part { terms, place: start..end }
    })
}

/// Digits of the codes `[terms, columns]` in the order of [`Scratch::b`]; what is missing is 0.
struct Digits<'a, T> {
    codes: &'a [T],
    columns: usize,
    high: &'a mut [i16],
    low: &'a mut [i16],
}

impl<T: Stored> Loop for Digits<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, columns, high, low } = self;
        let pairs = codes.len().div_ceil(2 * columns);
        let block = pairs * 2 * COLUMNS;
        let blocks = high.chunks_exact_mut(block).zip(low.chunks_exact_mut(block));
        for (first, (high, low)) in (0..).step_by(COLUMNS).zip(blocks) {
            let count = COLUMNS.min(columns - first);
            let outs = high.as_chunks_mut::<{ 2 * COLUMNS }>().0.iter_mut();
            let outs = outs.zip(low.as_chunks_mut::<{ 2 * COLUMNS }>().0);
            for (rows, (high, low)) in codes.chunks(2 * columns).zip(outs) {
                let mut terms = [[0; COLUMNS]; 2];
                for (term, row) in terms.iter_mut().zip(rows.chunks_exact(columns)) {
                    let row = row[first..][..count].iter();
                    term.iter_mut().zip(row).for_each(|(term, &code)| *term = code.widen());
                }
                for c in 0..COLUMNS {
                    for i in 0..2 {
                        let digit = terms[i][c] as i8;
                        low[2 * c + i] = digit.into();
                        high[2 * c + i] = ((terms[i][c] - i32::from(digit)) >> 8) as i16;
                    }
                }
            }
        }
    }
}

/// Some terms of rows `[rows, length]`, made an even number with 0.
struct Rows<'a, T> {
    codes: &'a [T],
    length: usize,
    terms: Range<usize>,
    out: &'a mut [i16],
}

impl<T: Stored> Loop for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, length, terms, out } = self;
        let even = terms.len().next_multiple_of(2);
        for (out, codes) in out.chunks_exact_mut(even).zip(codes.chunks_exact(length)) {
            let codes = &codes[terms.clone()];
            out.iter_mut().zip(codes).for_each(|(out, &code)| *out = code.widen() as i16);
            out[codes.len()..].fill(0);
        }
    }
}

/// What the zeros add to each sum, but for that of a row: `k · za · zb - za · Σ b`.
struct Corrections<'a, T> {
    codes: &'a [T],
    zeros: [i32; 2],
    terms: usize,
    out: &'a mut [f64],
}

impl<T: Stored> Loop for Corrections<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, zeros, terms, out } = self;
        for row in codes.chunks_exact(out.len()) {
            out.iter_mut().zip(row).for_each(|(sum, &code)| *sum += f64::from(code.widen()));
        }
        let [a, b] = zeros.map(f64::from);
        out.iter_mut().for_each(|sum| *sum = (terms as f64 * b - *sum) * a);
    }
}

/// Adds the sums of both digits.
struct Totals<'a> {
    high: &'a [i32],
    low: &'a [i32],
    width: usize,
    columns: usize,
    totals: &'a mut [f64],
}

impl Loop for Totals<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { high, low, width, columns, totals } = self;
        let sums = high.chunks_exact(width).zip(low.chunks_exact(width));
        for (totals, (high, low)) in totals.chunks_exact_mut(columns).zip(sums) {
            for ((total, &high), &low) in totals.iter_mut().zip(high).zip(low) {
                *total += f64::from(high) * 256.0 + f64::from(low);
            }
        }
    }
}

/// The numbers of totals, which lack what the zeros add. All sums are integers that f64 holds.
struct Numbers<'a, T> {
    /// The rows of a.
    codes: &'a [T],
    /// That of b.
    zero: i32,
    totals: &'a [f64],
    columns: &'a [f64],
    scale: f32,
    out: &'a mut [f32],
}

impl<T: Stored> Loop for Numbers<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, zero, totals, columns, scale, out } = self;
        let n = columns.len();
        let terms = codes.len() * n / totals.len();
        let rows = out.chunks_exact_mut(n).zip(totals.chunks_exact(n));
        for ((out, totals), codes) in rows.zip(codes.chunks_exact(terms)) {
            let sum: i64 = codes.iter().map(|code| i64::from(code.widen())).sum();
            let row = -(sum as f64) * f64::from(zero);
            for ((out, &total), &column) in out.iter_mut().zip(totals).zip(columns) {
                *out = (total + row + column) as f32 * scale;
            }
        }
    }
}
