//! Which code of a quantizer's epilogue is taken: a loop is compiled for each.

use super::narrow::{Division, Narrow};
use crate::round::Round;

/// Evaluates `$body` for the [`kind`] of a quantizer as a constant.
macro_rules! by_kind {
    ($narrow:ident, $kind:ident => $body:expr) => {
        $crate::kernel::kind::by_kind!(@ $narrow, $kind => $body; 0 1 2 4 5 6 8 9 10 12 13 14)
    };
    (@ $narrow:ident, $kind:ident => $body:expr; $($value:literal)*) => {
        match $crate::kernel::kind::kind(&$narrow) {
            $($value => {
                const $kind: u8 = $value;
                $body
            })*
            _ => unreachable!("the kinds are listed"),
        }
    };
}

/// As [`by_kind`], of a quantizer that `Narrow::can_merge`.
macro_rules! by_merging_kind {
    ($narrow:ident, $kind:ident => $body:expr) => {
        $crate::kernel::kind::by_kind!(@ $narrow, $kind => $body; 0 1 4 5 8 9)
    };
}

pub(super) use {by_kind, by_merging_kind};

/// How the quotient is computed, with [`DIVISION`] as mask.
pub(super) const EXACT: u8 = 0;
pub(super) const CHECKED: u8 = 1;
const PLAIN: u8 = 2;
pub(super) const DIVISION: u8 = 3;

/// How it is rounded, with [`ROUNDING`] as mask.
pub(super) const HALF_EVEN: u8 = 0;
pub(super) const HALF_UP: u8 = 4;
pub(super) const HALF_AWAY: u8 = 8;
const OTHER: u8 = 12;
pub(super) const ROUNDING: u8 = 12;

/// Division and rounding of a quantizer as one number.
pub(super) fn kind(narrow: &Narrow) -> u8 {
    let division = match narrow.division() {
        Division::Exact(_) => EXACT,
        Division::Checked(_) => CHECKED,
        Division::Plain => PLAIN,
    };
    division
        | match narrow.round() {
            Round::HalfEven => HALF_EVEN,
            Round::HalfUp => HALF_UP,
            Round::HalfAway => HALF_AWAY,
            _ => OTHER,
        }
}

/// The rule of a kind; `narrow` names it where the kind does not.
#[inline(always)]
pub(super) fn rounding<const KIND: u8>(narrow: &Narrow) -> Round {
    match KIND & ROUNDING {
        HALF_EVEN => Round::HalfEven,
        HALF_UP => Round::HalfUp,
        HALF_AWAY => Round::HalfAway,
        _ => narrow.round(),
    }
}
