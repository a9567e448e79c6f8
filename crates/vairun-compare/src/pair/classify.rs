use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use vairun_graph::Node;

use super::sites::{int, int_of};

/// Why codes differ, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// Codes that were compared.
    pub compared: u64,
    /// The number lies exactly between two codes, and the rounding rules differ.
    pub tie: u64,
    /// The number lies beyond the codes of one side.
    pub saturation: u64,
    /// Off by one, and the number lies so close to the middle of two codes that a float sum may have crossed it.
    pub accumulation: u64,
    /// Everything else.
    pub real: u64,
    /// The largest difference of two codes.
    pub largest: u64,
}

impl Differences {
    /// All that differ.
    pub fn total(&self) -> u64 {
        self.tie + self.saturation + self.accumulation + self.real
    }

    /// What differs, by class: `3 real, 12 ties`; empty where all is equal.
    pub fn classes(&self) -> String {
        let classes = [
            (self.real, "real"),
            (self.tie, "ties"),
            (self.saturation, "saturation"),
            (self.accumulation, "float accumulation"),
        ];
        let named = classes.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}"));
        named.collect::<Vec<_>>().join(", ")
    }

    /// Both together.
    pub fn join(&mut self, other: Self) {
        self.compared += other.compared;
        self.tie += other.tie;
        self.saturation += other.saturation;
        self.accumulation += other.accumulation;
        self.real += other.real;
        self.largest = self.largest.max(other.largest);
    }

    pub(super) fn add(&mut self, class: Option<Class>, delta: u64) {
        self.compared += 1;
        self.largest = self.largest.max(delta);
        match class {
            None => {}
            Some(Class::Tie) => self.tie += 1,
            Some(Class::Saturation) => self.saturation += 1,
            Some(Class::Accumulation) => self.accumulation += 1,
            Some(Class::Real) => self.real += 1,
        }
    }
}

impl fmt::Display for Differences {
    /// `all equal`; `12 of 3136 differ: 12 ties`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total() == 0 {
            return f.write_str("all equal");
        }
        write!(f, "{} of {} differ: {}", self.total(), self.compared, self.classes())
    }
}

/// Why a code differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Tie,
    Saturation,
    Accumulation,
    Real,
}

/// A float sum may be this part of a step from the exact one. float32 has 24 bits and codes at most 8, so its errors are
/// a hundred times smaller; a fault moves most codes by more.
const CLOSE: i64 = 1 << 10;

/// As [`CLOSE`] for interpolations and functions: float32 holds places in a large image to a part of 2^14 of a pixel,
/// and neighbours may be 2^8 codes apart.
const CLOSE_PLACES: i64 = 1 << 5;

/// How a `fix` node makes codes: the exact number before it, and its range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounding {
    /// Binary digits that are dropped; negative: added.
    shift: i64,
    divisor: i64,
    /// For real numbers: codes in one.
    per_one: f64,
    low: i64,
    high: i64,
    close: i64,
}

impl Rounding {
    /// Of the `fix` of a site that these operations lie before.
    pub(super) fn of(node: &Node, operations: &BTreeSet<&'static str>) -> Option<Self> {
        let imprecise = ["resize", "softmax", "sigmoid", "tanh", "div"];
        let close = if imprecise.iter().any(|name| operations.contains(name)) {
            CLOSE_PLACES
        } else {
            CLOSE
        };
        let (bits, signed) = (int(node, "bit_width")?, int(node, "if_signed")? != 0);
        let output = int(node, "output_fix_point")?;
        let input = int_of(node, "input_fix_points", 0).unwrap_or(0);
        let (low, high) =
            if signed { (-1 << (bits - 1), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
        Some(Self {
            shift: input - output,
            divisor: int_of(node, "input_divisors", 0).unwrap_or(1),
            per_one: (output as f64).exp2(),
            low,
            high,
            close,
        })
    }

    /// Why the code `got` is not `want`, the rounded `input`, an integer on its grid.
    pub(super) fn of_code(&self, input: i64, got: i64, want: i64) -> Class {
        let (up, down) = (self.shift.min(0).unsigned_abs().min(62), self.shift.clamp(0, 60));
        let numerator = i128::from(input) << up;
        let denominator = i128::from(self.divisor) << down;
        let floor = numerator.div_euclid(denominator);
        let twice = 2 * numerator.rem_euclid(denominator) - denominator;
        self.class(
            floor,
            twice.signum(),
            twice.abs() * i128::from(self.close) <= 2 * denominator,
            got,
            want,
        )
    }

    /// As [`Rounding::of_code`] for a real number.
    pub(super) fn of_real(&self, input: f32, got: i64, want: i64) -> Class {
        let scaled = f64::from(input) * self.per_one;
        let floor = scaled.floor();
        let beyond = scaled - floor - 0.5;
        let sign = if beyond == 0.0 {
            0
        } else if beyond > 0.0 {
            1
        } else {
            -1
        };
        self.class(floor as i128, sign, beyond.abs() * self.close as f64 <= 1.0, got, want)
    }

    /// `side` of the middle between `floor` and the next: -1, 0, 1.
    fn class(&self, floor: i128, side: i128, close: bool, got: i64, want: i64) -> Class {
        let clamp = |code: i128| code.clamp(self.low.into(), self.high.into());
        let neighbour = i128::from(got) == floor || i128::from(got) == floor + 1;
        let rounded = if side > 0 { floor + 1 } else { floor };
        if side == 0
            && (neighbour || i128::from(got) == clamp(floor) || i128::from(got) == clamp(floor + 1))
        {
            return Class::Tie;
        }
        let (low, high) = (i128::from(want).min(rounded), i128::from(want).max(rounded));
        if clamp(rounded) != rounded && (low..=high).contains(&i128::from(got)) {
            return Class::Saturation;
        }
        if close && neighbour && (got - want).abs() == 1 {
            Class::Accumulation
        } else {
            Class::Real
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounding(shift: i64) -> Rounding {
        Rounding { shift, divisor: 1, per_one: 1.0, low: -8, high: 7, close: CLOSE }
    }

    #[test]
    fn halves_are_ties_and_nothing_else_is() {
        assert_eq!(rounding(1).of_code(5, 2, 3), Class::Tie);
        assert_eq!(rounding(1).of_code(-5, -3, -2), Class::Tie);
        assert_eq!(rounding(2).of_code(11, 2, 3), Class::Real);
        assert_eq!(rounding(1).of_code(5, 4, 3), Class::Real);
        assert_eq!(rounding(0).of_real(2.5, 2, 3), Class::Tie);
    }

    #[test]
    fn a_number_next_to_a_half_may_have_crossed_it() {
        assert_eq!(rounding(20).of_code((5 << 19) + 3, 2, 3), Class::Accumulation);
        assert_eq!(rounding(20).of_code((5 << 19) + 3, 1, 3), Class::Real);
        assert_eq!(rounding(4).of_code(41, 2, 3), Class::Real);
    }

    #[test]
    fn beyond_the_range_the_other_side_may_have_more_codes() {
        assert_eq!(rounding(0).of_code(100, 100, 7), Class::Saturation);
        assert_eq!(rounding(0).of_code(100, 50, 7), Class::Saturation);
        assert_eq!(rounding(0).of_code(100, -50, 7), Class::Real);
        assert_eq!(rounding(0).of_code(5, 4, 5), Class::Real);
    }

    #[test]
    fn a_rational_tie_is_a_tie() {
        // 9 / 3 / 2 = 1.5
        let third = Rounding { divisor: 3, ..rounding(1) };
        assert_eq!(third.of_code(9, 1, 2), Class::Tie);
        assert_eq!(third.of_code(10, 1, 2), Class::Real);
    }
}
