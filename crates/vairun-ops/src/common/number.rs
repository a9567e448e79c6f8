//! Arithmetic of the element types.

use vairun_numeric::normalize;
use vairun_tensor::{Element, bf16, f16};

/// An element to calculate with.
///
/// Integers wrap. float16 and bfloat16 are computed in float32 and rounded once.
pub(crate) trait Number: Element + Copy + PartialOrd + Default {
    /// Whether a result may take the place of an operand; worth its code for the common type only.
    const IN_PLACE: bool = false;
    /// Whether it is a floating-point number.
    const FLOAT: bool = false;

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// Truncates integers; the divisor of integers must not be 0.
    fn div(self, other: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    /// -1, 0 or 1; NaN stays NaN.
    fn sign(self) -> Self;
    /// Whether it is a NaN.
    fn is_nan(self) -> bool;
    /// From a float64: floats round once, integers truncate and saturate.
    fn from_f64(value: f64) -> Self;
    /// Exact except for integers beyond 2^53.
    fn to_f64(self) -> f64;

    /// [`Number::to_f64`] of each, in the place of what was there.
    fn all_to_f64(x: &[Self], wide: &mut Vec<f64>) {
        wide.clear();
        wide.extend(x.iter().map(|x| x.to_f64()));
    }

    /// [`Number::from_f64`] of each.
    fn all_from_f64(wide: &[f64], x: &mut [Self]) {
        x.iter_mut().zip(wide).for_each(|(x, &wide)| *x = Self::from_f64(wide));
    }

    /// The larger; NaN where one is NaN.
    fn larger(self, other: Self) -> Self {
        if self.is_nan() || self > other { self } else { other }
    }

    /// The smaller; NaN where one is NaN.
    fn smaller(self, other: Self) -> Self {
        if self.is_nan() || self < other { self } else { other }
    }
}

macro_rules! float {
    ($($rust:ty { $($own:item)* })*) => {$(
        impl Number for $rust {
            $($own)*

            const IN_PLACE: bool = size_of::<Self>() == 4;
            const FLOAT: bool = true;

            fn add(self, other: Self) -> Self {
                self + other
            }
            fn sub(self, other: Self) -> Self {
                self - other
            }
            fn mul(self, other: Self) -> Self {
                self * other
            }
            fn div(self, other: Self) -> Self {
                self / other
            }
            fn neg(self) -> Self {
                -self
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn sign(self) -> Self {
                if self > 0.0 {
                    1.0
                } else if self < 0.0 {
                    -1.0
                } else if self == 0.0 {
                    0.0
                } else {
                    self
                }
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
        }
    )*};
}

float! {
    f32 {
        fn all_to_f64(x: &[Self], wide: &mut Vec<f64>) {
            normalize::widen(x, wide);
        }
        fn all_from_f64(wide: &[f64], x: &mut [Self]) {
            normalize::narrow(wide, x);
        }
    }
    f64 {}
}

/// A float32 that rounds to float16, bfloat16 or a narrower type as `x` itself does: what the 24 bits cannot hold is
/// remembered in the last of them, so that no tie is seen where there is none.
pub(crate) fn to_odd_f32(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) == x || x.is_nan() {
        return nearest;
    }
    let away = f64::from(nearest).abs() > x.abs();
    f32::from_bits((nearest.to_bits() - u32::from(away)) | 1)
}

macro_rules! half {
    ($($rust:ty),*) => {$(
        impl Number for $rust {
            const FLOAT: bool = true;

            fn add(self, other: Self) -> Self {
                Self::from_f32(self.to_f32() + other.to_f32())
            }
            fn sub(self, other: Self) -> Self {
                Self::from_f32(self.to_f32() - other.to_f32())
            }
            fn mul(self, other: Self) -> Self {
                Self::from_f32(self.to_f32() * other.to_f32())
            }
            fn div(self, other: Self) -> Self {
                Self::from_f32(self.to_f32() / other.to_f32())
            }
            fn neg(self) -> Self {
                Self::from_bits(self.to_bits() ^ 0x8000)
            }
            fn abs(self) -> Self {
                Self::from_bits(self.to_bits() & 0x7fff)
            }
            fn sign(self) -> Self {
                Self::from_f32(self.to_f32().sign())
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn from_f64(value: f64) -> Self {
                Self::from_f32(to_odd_f32(value))
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
        }
    )*};
}

half! { f16, bf16 }

macro_rules! integer {
    ($($rust:ty, $abs:expr, $sign:expr);* $(;)?) => {$(
        impl Number for $rust {
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn div(self, other: Self) -> Self {
                self.wrapping_div(other)
            }
            fn neg(self) -> Self {
                self.wrapping_neg()
            }
            fn abs(self) -> Self {
                $abs(self)
            }
            fn sign(self) -> Self {
                $sign(self)
            }
            fn is_nan(self) -> bool {
                false
            }
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

integer! {
    i8, i8::wrapping_abs, i8::signum; i16, i16::wrapping_abs, i16::signum;
    i32, i32::wrapping_abs, i32::signum; i64, i64::wrapping_abs, i64::signum;
    u8, |x| x, |x: u8| x.min(1); u16, |x| x, |x: u16| x.min(1);
    u32, |x| x, |x: u32| x.min(1); u64, |x| x, |x: u64| x.min(1);
}

/// A floating-point number whose functions are evaluated in a wider or the same type.
pub(crate) trait Real: Number {
    /// Applies the function of the type that the calculation is done in.
    fn apply(self, in_f32: impl Fn(f32) -> f32, in_f64: impl Fn(f64) -> f64) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn apply(self, in_f32: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> Self {
        in_f32(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn apply(self, _: impl Fn(f32) -> f32, in_f64: impl Fn(f64) -> f64) -> Self {
        in_f64(self)
    }
}

impl Real for f16 {
    #[inline(always)]
    fn apply(self, in_f32: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> Self {
        Self::from_f32(in_f32(self.to_f32()))
    }
}

impl Real for bf16 {
    #[inline(always)]
    fn apply(self, in_f32: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> Self {
        Self::from_f32(in_f32(self.to_f32()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_wins_on_either_side() {
        assert!(Number::larger(f32::NAN, 1.0).is_nan() && Number::larger(1.0, f32::NAN).is_nan());
        assert!(Number::smaller(f32::NAN, 1.0).is_nan() && Number::smaller(1.0, f32::NAN).is_nan());
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(Number::add(i8::MAX, 1), i8::MIN);
        assert_eq!(Number::div(i32::MIN, -1), i32::MIN);
        assert_eq!(Number::div(-7, 2), -3);
    }

    #[test]
    fn halves_round_once() {
        // 2049 is a tie between 2048 and 2050; half-even takes 2048.
        let sum = Number::add(f16::from_f32(2048.0), f16::from_f32(1.0));
        assert_eq!(sum.to_f32(), 2048.0);
    }

    #[test]
    fn sign_keeps_nan() {
        assert!(Number::sign(f32::NAN).is_nan());
        assert_eq!(Number::sign(-3i8), -1);
        assert_eq!(Number::sign(9u8), 1);
    }
}
