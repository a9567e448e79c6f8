//! Weights on their way to the kernels.

use super::transpose::transpose;
use crate::contraction::{Codes, Operand};
use crate::spread::Spread;
use crate::vector::{Loop, widest};

/// What a sum takes of an operand: its codes less their zero points, and of each matrix `[rows, columns]` among them the
/// columns as rows. A difference beyond i32 is its nearest end, which no kernel takes.
///
/// # Panics
/// Where the zero points are not as many as `spread` says, or the codes are not whole matrices.
pub fn terms(operand: &Operand, spread: Spread, [rows, columns]: [usize; 2]) -> Vec<i32> {
    let mut terms = wide(operand.codes);
    if operand.zero_points.iter().any(|&zero| zero != 0) {
        spread.map_in_place(&mut terms, operand.zero_points, i32::saturating_sub);
    }
    assert!(terms.is_empty() || terms.len().is_multiple_of(rows * columns), "whole matrices");
    if rows <= 1 || columns <= 1 {
        return terms;
    }
    let mut turned = vec![0; terms.len()];
    transpose(&terms, rows, columns, &mut turned);
    turned
}

fn wide(codes: Codes) -> Vec<i32> {
    fn from<C: Copy + Into<i32>>(codes: &[C]) -> Vec<i32> {
        let mut terms = vec![0; codes.len()];
        widest(Wide(codes, &mut terms));
        terms
    }
    match codes {
        Codes::I8(codes) => from(codes),
        Codes::U8(codes) => from(codes),
        Codes::I16(codes) => from(codes),
        Codes::U16(codes) => from(codes),
        Codes::I32(codes) => codes.to_vec(),
    }
}

struct Wide<'a, C>(&'a [C], &'a mut [i32]);

impl<C: Copy + Into<i32>> Loop for Wide<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(term, &code)| *term = code.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_points_are_taken_away_and_matrices_turned() {
        let codes = Codes::U8(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let operand = Operand { codes, zero_points: &[1, 10] };
        let of = |spread, sizes| terms(&operand, spread, sizes);
        assert_eq!(
            of(Spread::axis(&[2, 2, 3], 0), [2, 3]),
            [0, 3, 1, 4, 2, 5, -3, 0, -2, 1, -1, 2]
        );
        assert_eq!(of(Spread::axis(&[6, 2], 1), [1, 2])[..4], [0, -8, 2, -6]);
    }

    #[test]
    fn a_difference_beyond_i32_is_saturated() {
        let operand = Operand { codes: Codes::I32(&[i32::MIN, 0]), zero_points: &[1] };
        assert_eq!(terms(&operand, Spread::Tensor, [1, 2]), [i32::MIN, -1]);
    }

    #[test]
    fn nothing_has_no_terms() {
        let operand = Operand { codes: Codes::I8(&[]), zero_points: &[0] };
        assert!(terms(&operand, Spread::Tensor, [0, 3]).is_empty());
    }
}
