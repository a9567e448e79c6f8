//! Weights on their way to the kernels.

use std::borrow::Cow;

use super::transpose::{Moved, transpose};
use crate::contraction::{Codes, Operand};
use crate::vector::{Loop, widest};

/// What a sum takes of an operand: of each matrix `[rows, columns]` among its codes the columns as rows, and then each
/// code less its zero point, which is that of the next output channel after every `inner` codes. `None` where a
/// difference has more than 16 bits, which no kernel takes.
///
/// # Panics
/// Where the codes are not whole matrices.
pub fn terms(operand: &Operand, inner: usize, matrix: [usize; 2]) -> Option<Vec<i16>> {
    let zero_points = operand.zero_points;
    let narrow = |code: i32, zero: i32| code.wrapping_sub(zero);
    match operand.codes {
        Codes::I8(codes) => Turned::new(codes, inner, matrix, zero_points)?.less(narrow),
        Codes::U8(codes) => Turned::new(codes, inner, matrix, zero_points)?.less(narrow),
        Codes::I16(codes) => Turned::new(codes, inner, matrix, zero_points)?.less(narrow),
        Codes::U16(codes) => Turned::new(codes, inner, matrix, zero_points)?.less(narrow),
        Codes::I32(codes) => {
            Turned::new(codes, inner, matrix, zero_points)?.less(i32::saturating_sub)
        }
    }
}

/// Codes in the order of the sums.
struct Turned<'a, C: Moved> {
    codes: Cow<'a, [C]>,
    inner: usize,
    zero_points: &'a [i32],
}

impl<'a, C: Moved + Into<i32>> Turned<'a, C> {
    fn new(
        codes: &'a [C],
        inner: usize,
        [rows, columns]: [usize; 2],
        zero_points: &'a [i32],
    ) -> Option<Self> {
        assert!(codes.is_empty() || codes.len().is_multiple_of(rows * columns), "whole matrices");
        let mut codes = Cow::Borrowed(codes);
        if rows > 1 && columns > 1 {
            let mut turned = vec![C::default(); codes.len()];
            transpose(&codes, rows, columns, &mut turned);
            codes = turned.into();
        }
        Some(Self { codes, inner: inner.max(1), zero_points })
    }

    /// By a difference that is never within 16 bits where the true one is not.
    fn less(self, difference: impl Fn(i32, i32) -> i32) -> Option<Vec<i16>> {
        let mut terms = vec![0; self.codes.len()];
        widest(Less { from: &self, difference, terms: &mut terms }).then_some(terms)
    }
}

struct Less<'a, C: Moved, D> {
    from: &'a Turned<'a, C>,
    difference: D,
    terms: &'a mut [i16],
}

impl<C: Moved + Into<i32>, D: Fn(i32, i32) -> i32> Loop for Less<'_, C, D> {
    /// Whether all fit.
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { from: &Turned { ref codes, inner, zero_points }, difference, terms } = self;
        let channels = terms.chunks_mut(inner).zip(codes.chunks(inner));
        let (mut low, mut high) = (0, 0);
        for ((terms, codes), &zero) in channels.zip(zero_points.iter().cycle()) {
            for (term, &code) in terms.iter_mut().zip(codes) {
                let exact = difference(code.into(), zero);
                (low, high) = (exact.min(low), exact.max(high));
                *term = exact as i16;
            }
        }
        i16::try_from(low).is_ok() && i16::try_from(high).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_turned_and_zero_points_taken_away() {
        let codes = Codes::U8(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let operand = Operand { codes, zero_points: &[1, 10] };
        let of = |inner, sizes| terms(&operand, inner, sizes).unwrap();
        assert_eq!(of(6, [2, 3]), [0, 3, 1, 4, 2, 5, -3, 0, -2, 1, -1, 2]);
        assert_eq!(of(3, [2, 3])[..6], [0, 3, 1, -5, -7, -4]);
        assert_eq!(of(1, [1, 2])[..4], [0, -8, 2, -6]);
        let operand = Operand { codes, zero_points: &[1] };
        assert_eq!(terms(&operand, 5, [1, 12]).unwrap(), (0..12).collect::<Vec<i16>>());
    }

    #[test]
    fn a_difference_of_more_than_16_bits_is_refused() {
        let of = |codes, zero| terms(&Operand { codes, zero_points: &[zero] }, 1, [1, 1]);
        assert_eq!(of(Codes::U16(&[65535]), 32768), Some(vec![32767]));
        assert_eq!(of(Codes::U16(&[65535]), 32767), None);
        assert_eq!(of(Codes::I16(&[-32768]), 1), None);
        assert_eq!(of(Codes::U8(&[0]), i32::MIN), None);
        assert_eq!(of(Codes::I32(&[i32::MIN]), i32::MAX), None);
        assert_eq!(of(Codes::I32(&[i32::MIN]), i32::MIN), Some(vec![0]));
    }

    #[test]
    fn nothing_has_no_terms() {
        let operand = Operand { codes: Codes::I8(&[]), zero_points: &[0] };
        assert!(terms(&operand, 0, [0, 3]).unwrap().is_empty());
    }
}
