//! Products of two matrices of codes in f64: what does not fit the words of [`super::pairs`].

use super::dispatch::on;
use super::elementwise::Stored;
use super::isa::Isa;
use crate::vector::Loop;

/// Rows and columns whose sums stay in registers.
const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// Memory that products keep.
#[derive(Default)]
pub(super) struct Scratch {
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Scratch {
    /// `f32(Σ (a - za) · (b - zb)) · scale` of codes `[m, k]` and `[k, n]`, whose sums f64 holds.
    pub(super) fn product<A: Stored, B: Stored>(
        &mut self,
        isa: Isa,
        (a, b): (&[A], &[B]),
        ([m, k, n], zeros, scale): ([usize; 3], [i32; 2], f32),
        out: &mut [f32],
    ) {
        let rows = m.next_multiple_of(ROWS);
        let columns = n.next_multiple_of(COLUMNS);
        self.a.resize(rows * k, 0.0);
        self.b.resize(k * columns, 0.0);
        on(isa, Centred { codes: a, zero: zeros[0], length: k, width: k, out: &mut self.a });
        on(isa, Centred { codes: b, zero: zeros[1], length: n, width: columns, out: &mut self.b });
        on(isa, Product { a: &self.a, b: &self.b, sizes: [m, k, n], scale, out });
    }
}

/// Codes `[rows, length]` less their zero as `[rows, width]`; what is behind a row is whatever it was.
struct Centred<'a, T> {
    codes: &'a [T],
    zero: i32,
    length: usize,
    width: usize,
    out: &'a mut [f64],
}

impl<T: Stored> Loop for Centred<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { codes, zero, length, width, out } = self;
        if length == 0 {
            return;
        }
        for (out, codes) in out.chunks_exact_mut(width).zip(codes.chunks_exact(length)) {
            out.iter_mut()
                .zip(codes)
                .for_each(|(out, &code)| *out = f64::from(code.widen() - zero));
        }
    }
}

/// Rows `[m, k]`, made whole tiles, times `[k, n]`, made whole columns of tiles.
struct Product<'a> {
    a: &'a [f64],
    b: &'a [f64],
    sizes: [usize; 3],
    scale: f32,
    out: &'a mut [f32],
}

impl Loop for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, b, sizes: [m, k, n], scale, out } = self;
        let width = n.next_multiple_of(COLUMNS);
        for row in (0..m).step_by(ROWS) {
            let a = &a[row * k..][..ROWS * k];
            for column in (0..n).step_by(COLUMNS) {
                let sums = tile(a, &b[column..], k, width);
                let count = COLUMNS.min(n - column);
                for (i, sums) in sums.iter().enumerate().take(m - row) {
                    let out = &mut out[(row + i) * n + column..][..count];
                    out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum as f32 * scale);
                }
            }
        }
    }
}

/// The sums of a tile. Products and sums are exact, so that no order of them matters.
#[inline(always)]
fn tile(a: &[f64], b: &[f64], k: usize, width: usize) -> [[f64; COLUMNS]; ROWS] {
    let mut sums = [[0.0; COLUMNS]; ROWS];
    let mut b = b;
    for term in 0..k {
        for (row, sums) in sums.iter_mut().enumerate() {
            let a = a[row * k + term];
            sums.iter_mut().zip(&b[..COLUMNS]).for_each(|(sum, &b)| *sum += a * b);
        }
        b = b.get(width..).unwrap_or(&[]);
    }
    sums
}
