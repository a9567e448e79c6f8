//! From one element type to another.
//!
//! Floating-point numbers become integers by dropping their fraction; what does not fit, and NaN, becomes what the
//! conversion instructions of x86 make of it, as in onnxruntime and numpy there, and is cut to the lower bits for narrower
//! types. Integers that do not fit wrap. Numbers become floating-point numbers by rounding to the nearest, ties to even, once.
//! Everything but zero is true.

use vairun_numeric::narrow::{Narrow, Overflow, PowerRound, decode_e8m0, encode_e8m0};
use vairun_numeric::round::{i32_x86, i64_x86};
use vairun_tensor::{DType, Element, Tensor, bf16, f16};

use super::text;
use crate::common::dispatch::with_number;
use crate::common::number::to_odd_f32;
use crate::error::OpError;

/// What the attributes of `Cast` say of the narrow floating-point types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// `saturate`.
    pub(crate) overflow: Overflow,
    /// `round_mode`, for float8e8m0.
    pub(crate) power_round: PowerRound,
}

/// The narrow floating-point type of that name.
pub(crate) fn narrow(dtype: DType) -> Option<Narrow> {
    Some(match dtype {
        DType::F8E4M3FN => Narrow::Float8E4M3FN,
        DType::F8E4M3FNUZ => Narrow::Float8E4M3FNUZ,
        DType::F8E5M2 => Narrow::Float8E5M2,
        DType::F8E5M2FNUZ => Narrow::Float8E5M2FNUZ,
        DType::F4E2M1 => Narrow::Float4E2M1,
        _ => return None,
    })
}

/// The elements of `x` as `to`.
///
/// # Errors
/// [`OpError::Value`] for a string that is no number.
pub(crate) fn convert(x: &Tensor, to: DType, rules: Rules) -> Result<Tensor, OpError> {
    let (from, shape) = (x.dtype(), x.shape());
    if from == to {
        return Ok(x.clone().without_dequantized());
    }
    if let Some(narrow) = narrow(from) {
        return from_numbers(&narrow.decode_slice(x.as_slice()?), shape, to, rules);
    }
    match from {
        DType::F8E8M0 => {
            let numbers: Vec<f32> =
                x.as_slice::<u8>()?.iter().map(|&code| decode_e8m0(code)).collect();
            from_numbers(&numbers, shape, to, rules)
        }
        DType::Bool if to == DType::String => text::write(x.as_slice::<bool>()?, shape),
        DType::Bool => {
            let numbers: Vec<u8> = x.as_slice::<bool>()?.iter().map(|&x| x.into()).collect();
            from_numbers(&numbers, shape, to, rules)
        }
        DType::I2 | DType::I4 => from_numbers(x.as_slice::<i8>()?, shape, to, rules),
        DType::U2 | DType::U4 => from_numbers(x.as_slice::<u8>()?, shape, to, rules),
        DType::String if to.is_integer() => {
            from_numbers(&text::integers(x.as_slice()?, to)?, shape, to, rules)
        }
        DType::String => from_numbers(&text::floats(x.as_slice()?, to)?, shape, to, rules),
        _ => with_number!(from, "input", T => {
            from_numbers(x.as_slice::<T>()?, shape, to, rules)
        }),
    }
}

fn from_numbers<T: Source>(
    x: &[T],
    shape: &[usize],
    to: DType,
    rules: Rules,
) -> Result<Tensor, OpError> {
    fn each<T: Source, U: Element>(
        x: &[T],
        shape: &[usize],
        to: DType,
        f: impl Fn(T) -> U,
    ) -> Result<Tensor, OpError> {
        Ok(Tensor::with_dtype(to, shape, x.iter().map(|&x| f(x)).collect())?)
    }
    // Four and two bits in two's complement, the sign carried up.
    let signed = |x: T, bits: u32| ((x.low32() << (32 - bits)) >> (32 - bits)) as i8;
    if let Some(narrow) = narrow(to) {
        return each(x, shape, to, |x| narrow.encode(x.odd_f32(), rules.overflow));
    }
    match to {
        DType::Bool => each(x, shape, to, |x| !x.is_zero()),
        DType::I2 => each(x, shape, to, |x| signed(x, 2)),
        DType::I4 => each(x, shape, to, |x| signed(x, 4)),
        DType::U2 => each(x, shape, to, |x| (x.low32() & 3) as u8),
        DType::U4 => each(x, shape, to, |x| (x.low32() & 15) as u8),
        DType::I8 => each(x, shape, to, |x| x.low32() as i8),
        DType::U8 => each(x, shape, to, |x| x.low32() as u8),
        DType::I16 => each(x, shape, to, |x| x.low32() as i16),
        DType::U16 => each(x, shape, to, |x| x.low32() as u16),
        DType::I32 => each(x, shape, to, Source::low32),
        DType::U32 => each(x, shape, to, |x| x.low64() as u32),
        DType::I64 => each(x, shape, to, Source::low64),
        DType::U64 => each(x, shape, to, Source::unsigned64),
        DType::F16 => each(x, shape, to, |x| f16::from_f32(x.odd_f32())),
        DType::BF16 => each(x, shape, to, |x| bf16::from_f32(x.odd_f32())),
        DType::F32 => each(x, shape, to, Source::f32),
        DType::F64 => each(x, shape, to, Source::f64),
        DType::F8E8M0 => {
            each(x, shape, to, |x| encode_e8m0(x.f32(), rules.power_round, rules.overflow))
        }
        DType::String => text::write(x, shape),
        other => Err(OpError::DType {
            input: "to".into(),
            got: other,
            expected: "a type that numbers become".into(),
        }),
    }
}

/// A number that becomes another.
pub(super) trait Source: Copy + text::Written {
    /// Whether it is 0 or -0.
    fn is_zero(self) -> bool;
    /// The lower 32 bits of the integer part.
    fn low32(self) -> i32;
    /// The lower 64 bits of the integer part.
    fn low64(self) -> i64;
    /// The integer part, for unsigned numbers of 64 bits.
    fn unsigned64(self) -> u64;
    /// Rounded once.
    fn f32(self) -> f32;
    /// Rounded once.
    fn f64(self) -> f64;
    /// A float32 that rounds to narrower types as the number itself.
    fn odd_f32(self) -> f32;
}

macro_rules! integers {
    ($($rust:ty),*) => {$(
        impl Source for $rust {
            fn is_zero(self) -> bool {
                self == 0
            }
            fn low32(self) -> i32 {
                self as i32
            }
            fn low64(self) -> i64 {
                self as i64
            }
            fn unsigned64(self) -> u64 {
                self as u64
            }
            fn f32(self) -> f32 {
                self as f32
            }
            fn f64(self) -> f64 {
                self as f64
            }
            // numpy and onnxruntime round 64 bits to float32 first.
            fn odd_f32(self) -> f32 {
                self as f32
            }
        }
    )*};
}

integers! { i8, i16, i32, i64, u8, u16, u32, u64 }

macro_rules! floats {
    ($($rust:ty, $f32:expr, $f64:expr, $odd:expr;)*) => {$(
        impl Source for $rust {
            fn is_zero(self) -> bool {
                $f64(self) == 0.0
            }
            fn low32(self) -> i32 {
                i32_x86($f64(self))
            }
            fn low64(self) -> i64 {
                i64_x86($f64(self))
            }
            fn unsigned64(self) -> u64 {
                unsigned_x86($f64(self))
            }
            fn f32(self) -> f32 {
                $f32(self)
            }
            fn f64(self) -> f64 {
                $f64(self)
            }
            fn odd_f32(self) -> f32 {
                $odd(self)
            }
        }
    )*};
}

floats! {
    f16, f16::to_f32, f16::to_f64, f16::to_f32;
    bf16, bf16::to_f32, bf16::to_f64, bf16::to_f32;
    f32, |x| x, f64::from, |x| x;
    f64, |x| x as f32, |x| x, to_odd_f32;
}

/// `(unsigned long)x` as compilers for x86 write it: by the signed conversion, above 2^63 moved down and up again.
fn unsigned_x86(x: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if x >= HALF { i64_x86(x - HALF) as u64 ^ (1 << 63) } else { i64_x86(x) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    const RULES: Rules = Rules { overflow: Overflow::Saturate, power_round: PowerRound::Up };

    fn to(x: Tensor, dtype: DType) -> Tensor {
        convert(&x, dtype, RULES).unwrap()
    }

    #[test]
    fn fractions_are_dropped() {
        let y = to(floats(&[4], &[1.9, -1.9, -0.5, 2.5]), DType::I8);
        assert_tensor(&y, &Tensor::vector(vec![1i8, -1, 0, 2]));
    }

    #[test]
    fn what_does_not_fit_becomes_what_x86_makes_of_it() {
        let x = || floats(&[4], &[300.0, -1.0, f32::NAN, 3e9]);
        assert_tensor(&to(x(), DType::U8), &Tensor::vector(vec![44u8, 255, 0, 0]));
        assert_tensor(&to(x(), DType::I32), &Tensor::vector(vec![300i32, -1, i32::MIN, i32::MIN]));
        assert_tensor(
            &to(x(), DType::U32),
            &Tensor::vector(vec![300u32, u32::MAX, 0, 3_000_000_000]),
        );
        let y = to(Tensor::scalar(1e19f64), DType::U64);
        assert_tensor(&y, &Tensor::scalar(10_000_000_000_000_000_000u64));
    }

    #[test]
    fn integers_wrap() {
        let y = to(ints(&[256, -129, 130]), DType::I8);
        assert_tensor(&y, &Tensor::vector(vec![0i8, 127, -126]));
        let y = to(ints(&[8, -9, 7]), DType::I4);
        assert_eq!(y.as_slice::<i8>().unwrap(), [-8, 7, 7]);
        let y = to(ints(&[17, -1]), DType::U4);
        assert_eq!(y.as_slice::<u8>().unwrap(), [1, 15]);
    }

    #[test]
    fn doubles_round_once() {
        // Just above the middle of two float16; float32 would lose what is above.
        let x = 1.0 + f64::exp2(-11.0) + f64::exp2(-40.0);
        let y = to(Tensor::scalar(x), DType::F16);
        assert_eq!(y.as_scalar::<f16>().unwrap().to_bits(), 0x3c01);
    }

    #[test]
    fn everything_but_zero_is_true() {
        let y = to(floats(&[4], &[0.0, -0.0, 0.1, f32::NAN]), DType::Bool);
        assert_tensor(&y, &Tensor::vector(vec![false, false, true, true]));
        assert_tensor(&to(y, DType::F32), &floats(&[4], &[0.0, 0.0, 1.0, 1.0]));
    }

    #[test]
    fn narrow_floats_go_through_float32() {
        let y = to(floats(&[2], &[500.0, 0.3]), DType::F8E4M3FN);
        assert_eq!(y.as_slice::<u8>().unwrap(), [0x7e, 0x2a]);
        assert_tensor(&to(y, DType::F32), &floats(&[2], &[448.0, 0.3125]));
    }
}
