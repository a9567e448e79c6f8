//! The rules for rounding a real number to an integer, each once, and the conversions of C on x86.
//!
//! The rules are plain arithmetic without branches or library calls, so that loops over them vectorise on any CPU. A
//! result of zero carries the sign of its argument, NaN and infinities come back as they are; the tests compare each
//! with a slow definition.

/// A rule for rounding a real number to an integer. All but `Floor` and `Ceil` round to the nearest integer and differ
/// in ties alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Round {
    /// Ties toward +∞: -2.5 → -2, 2.5 → 3. XIR's `DPU_ROUND`, vai's `half_up`.
    HalfUp,
    /// Ties away from zero: -2.5 → -3, 2.5 → 3. C's `round`, XIR's `STD_ROUND`, vai's `std_round`.
    HalfAway,
    /// The next integer toward -∞.
    Floor,
    /// Ties toward +∞ below zero, to even above: -2.5 → -2, -3.5 → -3, 2.5 → 2, 3.5 → 4. Only vai's method 5.
    HalfUpBelowZeroElseEven,
    /// Ties toward zero: -2.5 → -2, 2.5 → 2. vai's `half_down`.
    HalfTowardZero,
    /// The next integer toward +∞.
    Ceil,
    /// Ties to the even neighbour: -2.5 → -2, 3.5 → 4. IEEE 754, ONNX, XIR's `PY3_ROUND`, vai's `half_even`.
    HalfEven,
}

impl Round {
    /// Every rule, in the order of vai's codes 2 to 8.
    pub const ALL: [Self; 7] = [
        Self::HalfUp,
        Self::HalfAway,
        Self::Floor,
        Self::HalfUpBelowZeroElseEven,
        Self::HalfTowardZero,
        Self::Ceil,
        Self::HalfEven,
    ];

    /// The rule that the vai family calls `code` (2 to 8).
    ///
    /// Source: `src/vai_quantizer/vai_q_pytorch/include/cpu/nndct_fix_kernels_cpu.h` in Xilinx/Vitis-AI b2b2279.
    pub fn from_vai(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code.checked_sub(2)?).ok()?).copied()
    }

    /// The name of the rule for users: `half-up`, `half-even`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half-up",
            Self::HalfAway => "half-away",
            Self::Floor => "floor",
            Self::HalfUpBelowZeroElseEven => "mixed",
            Self::HalfTowardZero => "half-zero",
            Self::Ceil => "ceil",
            Self::HalfEven => "half-even",
        }
    }

    /// The rule of that name; the names that others use (`dpu`, `std`, `py3`) and vai's codes are known too.
    pub fn from_name(name: &str) -> Option<Self> {
        let other = match name {
            "dpu" => "half-up",
            "std" => "half-away",
            "py3" | "onnx" => "half-even",
            "half-down" => "half-zero",
            own => own,
        };
        let code = || Self::from_vai(name.parse().ok()?);
        Self::ALL.into_iter().find(|round| round.name() == other).or_else(code)
    }

    /// The code of the rule in the vai family; the inverse of [`Round::from_vai`].
    pub fn vai_code(self) -> i8 {
        2 + self as i8
    }

    /// `x` rounded by this rule.
    #[inline]
    pub fn f32(self, x: f32) -> f32 {
        by_round!(self, f32, round => round(x))
    }

    /// `x` rounded by this rule.
    #[inline]
    pub fn f64(self, x: f64) -> f64 {
        by_round!(self, f64, round => round(x))
    }
}

/// Evaluates `$body` with `$f` bound to the function of a [`Round`], so that a loop in it is compiled for each rule.
macro_rules! by_round {
    ($round:expr, $module:ident, $f:ident => $body:expr) => {
        match $round {
            $crate::round::Round::HalfUp => {
                let $f = $crate::round::$module::half_up;
                $body
            }
            $crate::round::Round::HalfAway => {
                let $f = $crate::round::$module::half_away;
                $body
            }
            $crate::round::Round::Floor => {
                let $f = $crate::round::$module::floor;
                $body
            }
            $crate::round::Round::HalfUpBelowZeroElseEven => {
                let $f = $crate::round::$module::half_up_below_zero_else_even;
                $body
            }
            $crate::round::Round::HalfTowardZero => {
                let $f = $crate::round::$module::half_toward_zero;
                $body
            }
            $crate::round::Round::Ceil => {
                let $f = $crate::round::$module::ceil;
                $body
            }
            $crate::round::Round::HalfEven => {
                let $f = $crate::round::$module::half_even;
                $body
            }
        }
    };
}
pub(crate) use by_round;

macro_rules! rules {
    ($float:ident, $fraction_bits:literal) => {
        /// The rules on one floating-point type.
        pub mod $float {
            /// The least number from which on every number is an integer.
            const ALL_INTEGERS: $float = (1u64 << $fraction_bits) as $float;

            /// The magnitude of `x` to the nearest integer, ties to even; right below `ALL_INTEGERS`.
            #[inline(always)]
            fn nearest(magnitude: $float) -> $float {
                // The sum has no bits below one, so the addition itself rounds as IEEE 754 does: ties to even.
                (magnitude + ALL_INTEGERS) - ALL_INTEGERS
            }

            /// The magnitude's integer part and the rest, both exact.
            #[inline(always)]
            fn split(magnitude: $float) -> ($float, $float) {
                let nearest = nearest(magnitude);
                let whole = nearest - <$float>::from(nearest > magnitude);
                (whole, magnitude - whole)
            }

            /// `magnitude` with the sign of `x`; `x` itself where it is an integer anyway, infinite or NaN.
            #[inline(always)]
            fn signed(magnitude: $float, x: $float) -> $float {
                if x.abs() < ALL_INTEGERS { magnitude.copysign(x) } else { x }
            }

            /// The integer toward zero, or the next one away from it where what lies between exceeds `above` (for
            /// positive `x`) or `below` (for negative `x`). All rules but ties to even are of this kind.
            #[inline(always)]
            fn away_beyond(x: $float, below: $float, above: $float) -> $float {
                let (whole, rest) = split(x.abs());
                let threshold = if x > 0.0 { above } else { below };
                signed(whole + <$float>::from(rest > threshold), x)
            }

            /// The largest number below a half: more than it is a half or more, as the rest is exact.
            const UNDER_HALF: $float = (0.5 as $float).next_down();
            /// More than any rest.
            const NEVER: $float = 1.0;

            // <https://github.com/onnx/onnx/blob/v1.19.0/onnx/reference/ops/op_quantize_linear.py> (`np.rint`)
            /// [`Round::HalfEven`](super::Round::HalfEven)
            #[inline(always)]
            pub fn half_even(x: $float) -> $float {
                signed(nearest(x.abs()), x)
            }

            // <https://github.com/Xilinx/Vitis-AI/blob/b2b2279/src/vai_runtime/xir/src/xir/util/tool_function.cpp>
            // (`DPU_ROUND`); `nndct_fix_kernels_cpu.h`, method 2
            /// [`Round::HalfUp`](super::Round::HalfUp)
            #[inline(always)]
            pub fn half_up(x: $float) -> $float {
                away_beyond(x, 0.5, UNDER_HALF)
            }

            // C17 7.12.9.6 `round`: XIR's `STD_ROUND`; `nndct_fix_kernels_cpu.h`, method 3
            /// [`Round::HalfAway`](super::Round::HalfAway)
            #[inline(always)]
            pub fn half_away(x: $float) -> $float {
                away_beyond(x, UNDER_HALF, UNDER_HALF)
            }

            // `nndct_fix_kernels_cpu.h`, method 4
            /// [`Round::Floor`](super::Round::Floor)
            #[inline(always)]
            pub fn floor(x: $float) -> $float {
                away_beyond(x, 0.0, NEVER)
            }

            // `nndct_fix_kernels_cpu.h`, method 5
            /// [`Round::HalfUpBelowZeroElseEven`](super::Round::HalfUpBelowZeroElseEven)
            #[inline(always)]
            pub fn half_up_below_zero_else_even(x: $float) -> $float {
                let (below, above) = (half_toward_zero(x), half_even(x));
                if x < 0.0 { below } else { above }
            }

            // `nndct_fix_kernels_cpu.h`, method 6
            /// [`Round::HalfTowardZero`](super::Round::HalfTowardZero)
            #[inline(always)]
            pub fn half_toward_zero(x: $float) -> $float {
                away_beyond(x, 0.5, 0.5)
            }

            // `nndct_fix_kernels_cpu.h`, method 7
            /// [`Round::Ceil`](super::Round::Ceil)
            #[inline(always)]
            pub fn ceil(x: $float) -> $float {
                away_beyond(x, NEVER, 0.0)
            }
        }
    };
}
rules!(f32, 23);
rules!(f64, 52);

/// `(int)x` as x86 computes it: the integer part, and `i32::MIN` for NaN and whatever does not fit.
///
/// Source: Intel SDM, `CVTTSD2SI`: "the indefinite integer value (80000000H)". f32 arguments convert to f64 exactly.
#[inline(always)]
pub fn i32_x86(x: f64) -> i32 {
    if x > -2147483649.0 && x < 2147483648.0 { x as i32 } else { i32::MIN }
}

/// `(long)x` as x86 computes it: the integer part, and `i64::MIN` for NaN and whatever does not fit.
///
/// Source: Intel SDM, `CVTTSD2SI` with a 64-bit destination. f32 arguments convert to f64 exactly.
#[inline(always)]
pub fn i64_x86(x: f64) -> i64 {
    if (-9223372036854775808.0..9223372036854775808.0).contains(&x) { x as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definitions, word for word, on f64 (exact for every f32).
    fn oracle(round: Round, x: f64) -> f64 {
        let (low, high) = (x.floor(), x.ceil());
        let tie = |to: f64| if x - low == 0.5 { to } else { x.round() };
        let even = if low % 2.0 == 0.0 { low } else { high };
        let rounded = match round {
            Round::HalfUp => tie(high),
            Round::HalfAway => x.round(),
            Round::Floor => low,
            Round::HalfUpBelowZeroElseEven => tie(if x < 0.0 { high } else { even }),
            Round::HalfTowardZero => tie(x.trunc()),
            Round::Ceil => high,
            Round::HalfEven => tie(even),
        };
        rounded.copysign(x)
    }

    fn check(x: f32) {
        for round in Round::ALL {
            let (got, got_f64) = (round.f32(x), round.f64(f64::from(x)));
            let want = if x.is_nan() { x } else { oracle(round, f64::from(x)) as f32 };
            assert!(got.to_bits() == want.to_bits(), "{round:?}({x}) = {got}, expected {want}");
            assert!(got_f64 as f32 == want || x.is_nan(), "{round:?}({x}f64) = {got_f64}");
        }
    }

    #[test]
    fn the_rules_differ_in_ties_alone() {
        #[rustfmt::skip]
        let table = [
            (-3.5, [-3., -4., -4., -3., -3., -3., -4.]),
            (-2.5, [-2., -3., -3., -2., -2., -2., -2.]),
            (-1.3, [-1., -1., -2., -1., -1., -1., -1.]),
            (-0.5, [-0., -1., -1., -0., -0., -0., -0.]),
            ( 0.5, [ 1.,  1.,  0.,  0.,  0.,  1.,  0.]),
            ( 1.7, [ 2.,  2.,  1.,  2.,  2.,  2.,  2.]),
            ( 2.5, [ 3.,  3.,  2.,  2.,  2.,  3.,  2.]),
            ( 3.5, [ 4.,  4.,  3.,  4.,  3.,  4.,  4.]),
        ];
        for (x, expected) in table {
            assert_eq!(Round::ALL.map(|round| round.f32(x)), expected, "{x}");
        }
    }

    #[test]
    fn neighbours_of_ties_and_the_largest_fractions_are_exact() {
        for base in [0.5f32, 1.5, 2.5, 126.5, 127.5, 32767.5, 4194303.5, 4194304.5, 8388607.5] {
            for x in [base, base.next_up(), base.next_down()] {
                check(x);
                check(-x);
            }
        }
        for x in [0.49999997f32, 8388608.0, 8388609.0, 16777217.0, 1e38, f32::MAX, 1e-45] {
            check(x);
            check(-x);
        }
    }

    #[test]
    fn nan_and_infinities_come_back() {
        for bits in [0x7fc0_0000u32, 0xffc0_0001, 0x7f80_0000, 0xff80_0000, 0, 0x8000_0000] {
            check(f32::from_bits(bits));
        }
    }

    #[test]
    fn every_exponent_and_many_fractions_agree_with_the_definition() {
        // An odd stride, so that all low bits occur.
        (0..=u32::MAX).step_by(4099).for_each(|bits| check(f32::from_bits(bits)));
        // Every multiple of 1/8 up to 2^12.
        (-(1 << 15)..1 << 15).for_each(|eighths| check(eighths as f32 / 8.0));
    }

    #[test]
    fn f64_keeps_fractions_that_f32_has_not() {
        let x = 2147483646.5f64;
        assert_eq!(Round::HalfEven.f64(x), 2147483646.0);
        assert_eq!(Round::HalfUp.f64(x), 2147483647.0);
        assert_eq!(Round::HalfAway.f64(4503599627370495.5), 4503599627370496.0);
    }

    #[test]
    fn vai_codes_run_from_2_to_8() {
        for round in Round::ALL {
            assert_eq!(Round::from_vai(i64::from(round.vai_code())), Some(round));
        }
        for code in [i64::MIN, -1, 0, 1, 9, i64::MAX] {
            assert_eq!(Round::from_vai(code), None, "{code}");
        }
    }

    #[test]
    fn x86_gives_the_minimum_for_what_does_not_fit() {
        for (x, expected) in [
            (f64::NAN, i32::MIN),
            (f64::INFINITY, i32::MIN),
            (f64::NEG_INFINITY, i32::MIN),
            (2147483648.0, i32::MIN),
            (2147483647.9, i32::MAX),
            (-2147483648.9, i32::MIN),
            (-2147483649.0, i32::MIN),
            (-7.9, -7),
        ] {
            assert_eq!(i32_x86(x), expected, "{x}");
        }
        assert_eq!(i64_x86(9223372036854775808.0), i64::MIN);
        assert_eq!(i64_x86(9223372036854774784.0), 9223372036854774784);
        assert_eq!(i64_x86(f64::NAN), i64::MIN);
        assert_eq!(i64_x86(-3.7), -3);
    }
}
