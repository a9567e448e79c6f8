use rayon::prelude::*;

use super::accumulate::{Accumulate, Contract, dispatch, rows_by_rows};
use super::centre::{Centred, Layout, transposed};
use super::operand::{Operand, Sums};

/// Rows that one task computes.
const ROWS: usize = 16;

/// The sizes of one matrix product `[m, k] × [k, n]`, and which operands lie transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMulShape {
    /// Rows of the result.
    pub m: usize,
    /// Terms of a sum.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
    /// Whether a lies as `[k, m]`.
    pub a_transposed: bool,
    /// Whether b lies as `[n, k]`.
    pub b_transposed: bool,
}

/// `Σ_k (a[m, k] - a_zero_point[m]) · (b[k, n] - b_zero_point[n])`, `[m, n]`.
///
/// The zero points of a: one, or one for each row; of b: one, or one for each column. `None` where a sum might not fit
/// `i64`. Panics where the slices do not fill the shape.
pub fn matmul(shape: MatMulShape, a: &Operand, b: &Operand) -> Option<Sums> {
    let MatMulShape { m, k, n, .. } = shape;
    let a_layout = match shape.a_transposed {
        true => Layout { outer: k, axis: m, inner: 1 },
        false => Layout { outer: 1, axis: m, inner: k },
    };
    let b_layout = match shape.b_transposed {
        true => Layout { outer: 1, axis: n, inner: k },
        false => Layout { outer: k, axis: n, inner: 1 },
    };
    dispatch(shape, k, Centred::new(a, a_layout), Centred::new(b, b_layout))
}

impl Contract for MatMulShape {
    fn run<A: Accumulate>(self, accumulate: A, a: Vec<A::In>, b: Vec<A::In>) -> Vec<A::Out> {
        let Self { m, k, n, .. } = self;
        let a = if self.a_transposed { transposed(&a, 1, k, m) } else { a };
        let b = if self.b_transposed { b } else { transposed(&b, 1, k, n) };
        let mut out = vec![A::Out::default(); m * n];
        if k > 0 && n > 0 {
            let tasks = out.par_chunks_mut(ROWS * n).zip(a.par_chunks(ROWS * k));
            tasks.for_each(|(out, a)| rows_by_rows(accumulate, a, &b, k, out, n));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contraction::Codes;

    fn plain(shape: MatMulShape, a: &[i64], az: &[i32], b: &[i64], bz: &[i32]) -> Vec<i64> {
        let MatMulShape { m, k, n, .. } = shape;
        let zero = |z: &[i32], i: usize| i64::from(z[if z.len() == 1 { 0 } else { i }]);
        let term = |i: usize, j: usize, l: usize| {
            let a = a[if shape.a_transposed { l * m + i } else { i * k + l }];
            let b = b[if shape.b_transposed { j * k + l } else { l * n + j }];
            (a - zero(az, i)) * (b - zero(bz, j))
        };
        (0..m * n).map(|at| (0..k).map(|l| term(at / n, at % n, l)).sum()).collect()
    }

    #[test]
    fn the_largest_16_bit_sums_leave_i32() {
        let shape = MatMulShape { m: 1, k: 3, n: 1, a_transposed: false, b_transposed: false };
        let a = Operand { codes: Codes::I16(&[i16::MIN; 3]), zero_points: &[0] };
        assert_eq!(matmul(shape, &a, &a), Some(Sums::I64(vec![3 << 30])));
    }

    #[test]
    fn codes_less_zero_points_may_need_more_than_16_bits() {
        let shape = MatMulShape { m: 1, k: 1, n: 1, a_transposed: false, b_transposed: false };
        let a = Operand { codes: Codes::U16(&[65535]), zero_points: &[0] };
        assert_eq!(matmul(shape, &a, &a), Some(Sums::I64(vec![65535 * 65535])));
    }

    #[test]
    fn a_sum_that_could_overflow_is_refused() {
        let shape = MatMulShape { m: 1, k: 2, n: 1, a_transposed: false, b_transposed: false };
        let a = Operand { codes: Codes::I32(&[i32::MIN; 2]), zero_points: &[0] };
        assert_eq!(matmul(shape, &a, &a), None);
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let shape = MatMulShape { m: 2, k: 0, n: 1, a_transposed: false, b_transposed: false };
        let a = Operand { codes: Codes::U8(&[]), zero_points: &[3] };
        assert_eq!(matmul(shape, &a, &a), Some(Sums::I32(vec![0, 0])));
    }

    proptest! {
        #[test]
        fn any_shape_and_type_equals_the_plain_sum(
            (m, k, n) in (1usize..20, 0usize..40, 1usize..9),
            (a_transposed, b_transposed, per_row, wide) in any::<(bool, bool, bool, bool)>(),
            seed in any::<[u8; 16]>(),
        ) {
            let shape = MatMulShape { m, k, n, a_transposed, b_transposed };
            let byte = |i: usize| seed[i % 16].wrapping_mul(i as u8).wrapping_add(seed[i % 13]);
            let a: Vec<u8> = (0..m * k).map(byte).collect();
            let b: Vec<i16> = (0..k * n)
                .map(|i| if wide { i16::from_le_bytes([byte(i), byte(i + 1)]) } else { byte(i).into() })
                .collect();
            let az: Vec<i32> = (0..if per_row { m } else { 1 }).map(|i| byte(i).into()).collect();
            let bz: Vec<i32> = (0..if per_row { n } else { 1 }).map(|i| byte(i).into()).collect();
            let got = matmul(
                shape,
                &Operand { codes: Codes::U8(&a), zero_points: &az },
                &Operand { codes: Codes::I16(&b), zero_points: &bz },
            );
            let wide = |v: &[u8]| v.iter().map(|&v| i64::from(v)).collect::<Vec<_>>();
            let b: Vec<i64> = b.iter().map(|&v| v.into()).collect();
            prop_assert_eq!(got.unwrap().to_i64(), plain(shape, &wide(&a), &az, &b, &bz));
        }
    }
}
