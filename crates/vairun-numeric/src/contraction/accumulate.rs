use std::ops::AddAssign;

use super::centre::Centred;
use super::operand::Sums;

/// How products are summed without loss.
pub(super) trait Accumulate: Copy + Send + Sync {
    type In: Copy + Default + Send + Sync;
    type Out: Copy + Default + Send + Sync + AddAssign;

    /// `Σ a[i] · rows[j][i]` for four rows of the length of `a`.
    fn dot4(self, a: &[Self::In], rows: [&[Self::In]; 4]) -> [Self::Out; 4];

    /// `a · b`.
    fn product(self, a: Self::In, b: Self::In) -> Self::Out;

    fn sums(out: Vec<Self::Out>) -> Sums;
}

/// `i16` values whose sums fit `i32`.
#[derive(Clone, Copy)]
pub(super) struct Narrow;

/// `i16` values of which sums of so many products fit `i32`.
#[derive(Clone, Copy)]
pub(super) struct Chunked(usize);

/// `i32` values.
#[derive(Clone, Copy)]
pub(super) struct Wide;

fn dot4_narrow(a: &[i16], [r0, r1, r2, r3]: [&[i16]; 4]) -> [i32; 4] {
    let n = a.len();
    let (r0, r1, r2, r3) = (&r0[..n], &r1[..n], &r2[..n], &r3[..n]);
    let mut sums = [0i32; 4];
    for i in 0..n {
        let x = i32::from(a[i]);
        sums[0] += x * i32::from(r0[i]);
        sums[1] += x * i32::from(r1[i]);
        sums[2] += x * i32::from(r2[i]);
        sums[3] += x * i32::from(r3[i]);
    }
    sums
}

impl Accumulate for Narrow {
    type In = i16;
    type Out = i32;

    fn dot4(self, a: &[i16], rows: [&[i16]; 4]) -> [i32; 4] {
        dot4_narrow(a, rows)
    }

    fn product(self, a: i16, b: i16) -> i32 {
        i32::from(a) * i32::from(b)
    }

    fn sums(out: Vec<i32>) -> Sums {
        Sums::I32(out)
    }
}

impl Accumulate for Chunked {
    type In = i16;
    type Out = i64;

    fn dot4(self, a: &[i16], rows: [&[i16]; 4]) -> [i64; 4] {
        let mut sums = [0i64; 4];
        for (chunk, a) in a.chunks(self.0).enumerate() {
            let part = dot4_narrow(a, rows.map(|row| &row[chunk * self.0..][..a.len()]));
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += i64::from(part));
        }
        sums
    }

    fn product(self, a: i16, b: i16) -> i64 {
        i64::from(i32::from(a) * i32::from(b))
    }

    fn sums(out: Vec<i64>) -> Sums {
        Sums::I64(out)
    }
}

impl Accumulate for Wide {
    type In = i32;
    type Out = i64;

    fn dot4(self, a: &[i32], rows: [&[i32]; 4]) -> [i64; 4] {
        rows.map(|row| a.iter().zip(row).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum())
    }

    fn product(self, a: i32, b: i32) -> i64 {
        i64::from(a) * i64::from(b)
    }

    fn sums(out: Vec<i64>) -> Sums {
        Sums::I64(out)
    }
}

/// A contraction, whatever sums it.
pub(super) trait Contract {
    fn run<A: Accumulate>(self, accumulate: A, x: Vec<A::In>, w: Vec<A::In>) -> Vec<A::Out>;
}

/// Runs `contract` with the narrowest sums that hold `terms` products of the largest values.
///
/// `None` where even `i64` could overflow.
pub(super) fn dispatch(
    contract: impl Contract,
    terms: usize,
    x: Option<Centred>,
    w: Option<Centred>,
) -> Option<Sums> {
    let (x, w) = (x?, w?);
    let product = x.magnitude().checked_mul(w.magnitude())?;
    let bound = product.checked_mul(i64::try_from(terms).ok()?)?;
    match (x, w) {
        (Centred::I16(x), Centred::I16(w)) if bound <= i64::from(i32::MAX) => {
            Some(Narrow::sums(contract.run(Narrow, x, w)))
        }
        // 0 for a product of 2^31 or more cannot be: the factors are i16, so it is at most 2^30.
        (Centred::I16(x), Centred::I16(w)) => {
            let terms = usize::try_from(i64::from(i32::MAX) / product).unwrap_or(usize::MAX);
            Some(Chunked::sums(contract.run(Chunked(terms), x, w)))
        }
        (x, w) => Some(Wide::sums(contract.run(Wide, x.widen(), w.widen()))),
    }
}

/// `out[i][j] = Σ a[i][l] · b[j][l]`; `a` is `[m, k]`, `b` is `[n, k]`, `out` has rows of `stride` of which the first
/// `n` are written.
pub(super) fn rows_by_rows<A: Accumulate>(
    accumulate: A,
    a: &[A::In],
    b: &[A::In],
    k: usize,
    out: &mut [A::Out],
    stride: usize,
) {
    if k == 0 {
        return;
    }
    let n = b.len() / k;
    let last = n.saturating_sub(1);
    // Four rows of b stay in the first cache while the rows of a pass by.
    for j in (0..n).step_by(4) {
        let rows = [0, 1, 2, 3].map(|d| &b[(j + d).min(last) * k..][..k]);
        for (a, out) in a.chunks_exact(k).zip(out.chunks_mut(stride)) {
            let sums = accumulate.dot4(a, rows);
            let out = &mut out[j..n.min(j + 4)];
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}
