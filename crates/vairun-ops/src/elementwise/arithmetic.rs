//! `Add`, `Sub`, `Mul`, `Div`, `Mod`, `Pow`, `PRelu` and the bitwise operators.
//!
//! | | name | type                            | shape     |
//! |-|------|---------------------------------|-----------|
//! | 0 | `A` | numbers (bitwise: integers)    | broadcast |
//! | 1 | `B` | as `A` (Pow: any number)       | broadcast |
//! | → | `C` | as `A`                         | the common shape |
//!
//! Integers wrap. Integer division truncates toward zero; by zero it is an error.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::float::{Binary, Unary};
use vairun_tensor::{DType, Tensor};

use crate::arithmetic::Arithmetic;
use crate::attrs::Attrs;
use crate::common::dispatch::{with_float, with_integer, with_number};
use crate::common::number::Number;
use crate::common::types::{INTEGERS, NUMBERS, Types};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::binary::{Alignment, combine};
use crate::elementwise::float32;
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// One line for each operator: its static, its name, the first opset, a summary, its types and the function.
macro_rules! operators {
    ($($id:ident $name:ident $since:literal $summary:literal $types:ident $with:ident, $f:expr $(, $kernel:ident)?;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "numbers, all of one type",
            grade: Grade::Exact("onnxruntime 1.32"),
            build: {
                fn build(
                    spec: &NodeSpec,
                    attrs: &Attrs,
                ) -> Result<Box<dyn Operator>, BuildError> {
                    Ok(Box::new($name(Alignment::read(spec, attrs)?)))
                }
                build
            },
        };

        struct $name(Alignment);

        impl $name {
            const KERNEL: Option<Binary> = [$(Some(Binary::$kernel),)? None][0];
        }

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                let (a, b) = self.0.take(&mut inputs)?;
                one($with!(a.dtype(), "A", T => float32::combine::<T>($name::KERNEL, a, b, $f))?)
            }

            fn output_dtypes(
                &self,
                inputs: &[Option<DType>],
            ) -> Result<Vec<Option<DType>>, OpError> {
                Ok(vec![$types.check_same(inputs, 0)?])
            }

            fn arithmetic(&self, _: &Inputs) -> Option<Arithmetic> {
                Self::KERNEL.map(Arithmetic::Binary)
            }
        }
    )*};
}

operators! {
    ADD Add 1 "A + B" NUMBERS with_number, Number::add, Add;
    SUB Sub 1 "A - B" NUMBERS with_number, Number::sub, Subtract;
    MUL Mul 1 "A · B" NUMBERS with_number, Number::mul, Multiply;
    BITWISE_AND BitwiseAnd 18 "the bits that both have" INTEGERS with_integer, |a, b| a & b;
    BITWISE_OR BitwiseOr 18 "the bits that one of them has" INTEGERS with_integer, |a, b| a | b;
    BITWISE_XOR BitwiseXor 18 "the bits in which they differ" INTEGERS with_integer, |a, b| a ^ b;
}

/// `Div`.
pub static DIV: OpDef = OpDef {
    names: &[("", "Div")],
    opsets: 1..=LATEST,
    summary: "A / B; integers truncate toward zero",
    types: "numbers, all of one type",
    grade: Grade::Exact("onnxruntime 1.32"),
    build: |spec, attrs| Ok(Box::new(Div(Alignment::read(spec, attrs)?))),
};

struct Div(Alignment);

impl Operator for Div {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (a, b) = self.0.take(&mut inputs)?;
        one(with_number!(a.dtype(), "A", T => {
            refuse_zeros::<T>(&b)?;
            float32::combine::<T>(Some(Binary::Divide), a, b, Number::div)
        })?)
    }

    fn arithmetic(&self, _: &Inputs) -> Option<Arithmetic> {
        Some(Arithmetic::Binary(Binary::Divide))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![NUMBERS.check_same(inputs, 0)?])
    }
}

/// That integers are not divided by zero.
fn refuse_zeros<T: Number>(divisor: &Tensor) -> Result<(), OpError> {
    if T::FLOAT || divisor.dtype() != T::DTYPE || !divisor.as_slice::<T>()?.contains(&T::default())
    {
        return Ok(());
    }
    Err(OpError::Value {
        input: "B".into(),
        got: "0".into(),
        expected: "integers to divide by that are not 0".into(),
    })
}

/// `Mod`.
///
/// Without `fmod` the result has the sign of B, and only integers are allowed before opset 28; with it that of A, as C's
/// `fmod`.
pub static MOD: OpDef = OpDef {
    names: &[("", "Mod")],
    opsets: 10..=LATEST,
    summary: "the remainder of a division",
    types: "numbers, all of one type",
    grade: Grade::Exact("onnxruntime 1.32"),
    build: |spec, attrs| {
        spec.expect_inputs(2..=2)?;
        let fmod = attrs.flag("fmod")?.unwrap_or(false);
        Ok(Box::new(Mod { fmod, floats: fmod || spec.op.opset >= 28 }))
    },
};

struct Mod {
    fmod: bool,
    /// Whether floats are defined.
    floats: bool,
}

impl Operator for Mod {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (a, b) = Alignment::Broadcast.take(&mut inputs)?;
        one(with_number!(a.dtype(), "A", T => {
            refuse_zeros::<T>(&b)?;
            match self.fmod {
                true => combine::<T>(a, b, Remainder::truncated),
                false => combine::<T>(a, b, Remainder::floored),
            }
        })?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let types = if self.floats { NUMBERS } else { INTEGERS };
        Ok(vec![types.check_same(inputs, 0)?])
    }
}

/// The two remainders.
trait Remainder: Number {
    /// With the sign of the dividend.
    fn truncated(self, divisor: Self) -> Self;

    /// With the sign of the divisor.
    fn floored(self, divisor: Self) -> Self {
        let zero = Self::default();
        let rest = self.truncated(divisor);
        if rest == zero {
            // A zero has the sign of the divisor too.
            return if divisor < zero { zero.neg() } else { zero };
        }
        if (rest < zero) != (divisor < zero) { rest.add(divisor) } else { rest }
    }
}

macro_rules! remainder {
    ($($rust:ty, |$a:ident, $b:ident| $rest:expr);* $(;)?) => {$(
        impl Remainder for $rust {
            fn truncated(self, divisor: Self) -> Self {
                let ($a, $b) = (self, divisor);
                $rest
            }
        }
    )*};
}

remainder! {
    i8, |a, b| a.wrapping_rem(b); i16, |a, b| a.wrapping_rem(b); i32, |a, b| a.wrapping_rem(b);
    i64, |a, b| a.wrapping_rem(b); u8, |a, b| a % b; u16, |a, b| a % b; u32, |a, b| a % b;
    u64, |a, b| a % b; f32, |a, b| a % b; f64, |a, b| a % b;
    vairun_tensor::f16, |a, b| Self::from_f32(a.to_f32() % b.to_f32());
    vairun_tensor::bf16, |a, b| Self::from_f32(a.to_f32() % b.to_f32());
}

/// `PRelu`: `slope · x` below 0; the slope broadcasts to x, not the other way round.
pub static PRELU: OpDef = OpDef {
    names: &[("", "PRelu")],
    opsets: 1..=LATEST,
    summary: "slope · x below 0",
    types: "numbers, all of one type",
    grade: Grade::Exact("onnxruntime 1.32"),
    build: |spec, attrs| {
        spec.expect_inputs(2..=2)?;
        super::map::ignore_consumed_inputs(spec, attrs);
        // Before opset 7 a slope of one dimension runs along the channels.
        Ok(Box::new(PRelu { by_channel: spec.op.opset < 7 }))
    },
};

struct PRelu {
    by_channel: bool,
}

impl Operator for PRelu {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, mut slope) = Alignment::Broadcast.take(&mut inputs)?;
        if self.by_channel && slope.len() > 1 && slope.rank() == 1 && x.rank() > 2 {
            let mut shape = vec![1; x.rank() - 1];
            shape[0] = slope.len();
            slope = slope.reshaped(&shape)?;
        }
        one(with_number!(x.dtype(), "X", T => {
            let zero = T::default();
            let below = |x: T, slope: T| if x < zero { x.mul(slope) } else { x };
            float32::combine::<T>(Some(Binary::Slope), x, slope, below)
        })?)
    }

    fn arithmetic(&self, _: &Inputs) -> Option<Arithmetic> {
        Some(Arithmetic::Binary(Binary::Slope))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![NUMBERS.check_same(inputs, 0)?])
    }
}

/// `Pow`: `x^y` in the type of x.
pub static POW: OpDef = OpDef {
    names: &[("", "Pow")],
    opsets: 1..=LATEST,
    summary: "X to the power of Y",
    types: "X int32, int64, floats; Y numbers",
    grade: Grade::Within(1, "powers are rounded correctly here, the C library's in onnxruntime"),
    build: |spec, attrs| Ok(Box::new(Pow(Alignment::read(spec, attrs)?))),
};

const BASES: Types = Types::new("int32, int64, float16, bfloat16, float32 or float64", |dtype| {
    NUMBERS.contains(dtype) && (dtype.is_float() || matches!(dtype, DType::I32 | DType::I64))
});

struct Pow(Alignment);

impl Operator for Pow {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, y) = self.0.take(&mut inputs)?;
        BASES.check_tensor(&x, "X")?;
        one(match x.dtype() {
            DType::I32 => power::<i32>(x, y),
            DType::I64 => power::<i64>(x, y),
            _ => with_float!(x.dtype(), "X", T => power::<T>(x, y)),
        }?)
    }

    fn arithmetic(&self, parameters: &Inputs) -> Option<Arithmetic> {
        let exponent = single(parameters.value(1)?.as_tensor().ok()?).ok()??;
        (exponent == 2.0).then_some(Arithmetic::Unary(Unary::Square))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        NUMBERS.check(inputs, 1, "Y")?;
        Ok(vec![BASES.check(inputs, 0, "X")?])
    }
}

fn power<T: Number>(x: Tensor, y: Tensor) -> Result<Tensor, OpError> {
    if let Some(exponent) = single(&y)?
        && exponent == 2.0
        && T::FLOAT
        && y.rank() <= x.rank()
    {
        // x · x is x² rounded once, as x^2 is.
        return float32::map::<T>(Some(Unary::Square), x, |x| x.mul(x));
    }
    match exponents(&y)? {
        Exponents::Integers(y) if T::FLOAT => {
            super::binary::compare(&x, &y, |&x: &T, &y: &i64| real_power(x, y as f64))
        }
        Exponents::Integers(y) => {
            super::binary::compare(&x, &y, |&x: &T, &y: &i64| integer_power(x, y))
        }
        Exponents::Reals(y) => super::binary::compare(&x, &y, |&x: &T, &y: &f64| real_power(x, y)),
    }
}

/// Exponents in the two types that hold all of them exactly, so that not every type meets every other.
enum Exponents {
    Integers(Tensor),
    Reals(Tensor),
}

/// uint64 beyond int64 is taken for the largest int64: no power of a number above 1 fits its type there.
fn exponents(y: &Tensor) -> Result<Exponents, OpError> {
    let shape = y.shape();
    Ok(match y.dtype() {
        DType::I64 => Exponents::Integers(y.clone()),
        DType::F64 => Exponents::Reals(y.clone()),
        DType::U64 => {
            let data = y.as_slice::<u64>()?;
            let data = data.iter().map(|&y| i64::try_from(y).unwrap_or(i64::MAX)).collect();
            Exponents::Integers(Tensor::new(shape, data)?)
        }
        dtype => {
            let data = with_number!(dtype, "Y", T => {
                Ok(y.as_slice::<T>()?.iter().map(|y| y.to_f64()).collect::<Vec<f64>>())
            })?;
            match dtype.is_float() {
                true => Exponents::Reals(Tensor::new(shape, data)?),
                false => {
                    let data = data.into_iter().map(|y| y as i64).collect();
                    Exponents::Integers(Tensor::new(shape, data)?)
                }
            }
        }
    })
}

/// The only element as a float64.
fn single(tensor: &Tensor) -> Result<Option<f64>, OpError> {
    with_number!(tensor.dtype(), "Y", T => Ok(tensor.as_scalar::<T>().map(|&value| value.to_f64())))
}

fn real_power<T: Number>(x: T, y: f64) -> T {
    T::from_f64(libm::pow(x.to_f64(), y))
}

/// By squaring, wrapping; the reciprocal, truncated, for negative exponents.
fn integer_power<T: Number>(x: T, y: i64) -> T {
    if y < 0 {
        return real_power(x, y as f64);
    }
    let (mut base, mut power, mut rest) = (x, T::from_f64(1.0), y);
    while rest > 0 {
        if rest & 1 == 1 {
            power = power.mul(base);
        }
        base = base.mul(base);
        rest >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Element, f16};

    use super::*;
    use crate::common::testing::*;

    fn integers<T: Element>(op_type: &str, a: &[T], b: &[T]) -> Tensor {
        node(op_type).run([a, b].map(|data| Tensor::vector(data.to_vec())))
    }

    #[test]
    fn integers_wrap_and_truncate() {
        assert_tensor(&integers("Add", &[127i8], &[1]), &Tensor::vector(vec![-128i8]));
        assert_tensor(&integers("Mul", &[16u8], &[17]), &Tensor::vector(vec![16u8]));
        assert_tensor(&integers("Div", &[-7i32, 7], &[2, -2]), &Tensor::vector(vec![-3i32, -3]));
    }

    #[test]
    fn integers_are_not_divided_by_zero_and_floats_are() {
        for op in ["Div", "Mod"] {
            let error = node(op).error([ints(&[1]), ints(&[0])]);
            assert_eq!(error, "B is 0, expected integers to divide by that are not 0");
        }
        let y = node("Div").run([floats(&[2], &[1.0, 0.0]), floats(&[1], &[0.0])]);
        assert_eq!(y.as_slice::<f32>().unwrap()[0], f32::INFINITY);
        assert!(y.as_slice::<f32>().unwrap()[1].is_nan());
    }

    #[test]
    fn division_is_division_and_not_a_product_with_the_reciprocal() {
        let y = node("Div").run([floats(&[1], &[5.0]), floats(&[1], &[49.0])]);
        assert_tensor(&y, &floats(&[1], &[5.0 / 49.0]));
        assert_ne!(5.0f32 / 49.0, 5.0 * (1.0 / 49.0));
    }

    #[test]
    fn halves_round_after_each_operation() {
        let half = |x: f32| Tensor::scalar(f16::from_f32(x));
        assert_tensor(
            &node("Mul").run([half(0.1), half(3.0)]),
            &half(f16::from_f32(0.1).to_f32() * 3.0),
        );
    }

    #[test]
    fn mod_has_the_sign_of_the_divisor_and_fmod_that_of_the_dividend() {
        let (a, b) = ([-4i64, 7, 5, 4, -7, 8], [2i64, -3, 8, -2, 3, 5]);
        assert_tensor(&integers("Mod", &a, &b), &ints(&[0, -2, 5, 0, 2, 3]));
        let y = node("Mod").int("fmod", 1).run([ints(&a), ints(&b)]);
        assert_tensor(&y, &ints(&[0, 1, 5, 0, -1, 3]));
        let y = node("Mod").int("fmod", 1).run([floats(&[1], &[-4.3]), floats(&[1], &[2.1])]);
        assert_tensor(&y, &floats(&[1], &[-4.3 % 2.1]));
        let y = node("Mod")
            .run([floats(&[3], &[-4.0, 4.0, 1.0]), floats(&[3], &[3.0, -2.0, f32::NEG_INFINITY])]);
        assert_tensor(&y, &floats(&[3], &[2.0, -0.0, f32::NEG_INFINITY]));
        assert!(node("Mod").opset(13).try_run([count_up(&[1]), floats(&[1], &[1.0])]).is_err());
    }

    #[test]
    fn the_slope_counts_below_zero_only() {
        let y = node("PRelu").run([floats(&[3], &[-2.0, -0.0, 3.0]), floats(&[1], &[0.5])]);
        assert_tensor(&y, &floats(&[3], &[-1.0, -0.0, 3.0]));
    }

    #[test]
    fn before_opset_7_slopes_run_along_the_channels() {
        let x = floats(&[1, 2, 1], &[-1.0, -1.0]);
        let y = node("PRelu").opset(6).run([x, floats(&[2], &[2.0, 3.0])]);
        assert_tensor(&y, &floats(&[1, 2, 1], &[-2.0, -3.0]));
    }

    #[test]
    fn powers_take_the_type_of_the_base() {
        let y = node("Pow").run([floats(&[2], &[3.0, 4.0]), Tensor::scalar(2i64)]);
        assert_tensor(&y, &floats(&[2], &[9.0, 16.0]));
        let y = node("Pow").run([ints(&[3, 2]), ints(&[39, -1])]);
        assert_tensor(&y, &ints(&[3i64.pow(39), 0]));
        let y = node("Pow").run([floats(&[1], &[2.0]), floats(&[1], &[0.5])]);
        assert_tensor(&y, &floats(&[1], &[std::f32::consts::SQRT_2]));
        assert!(node("Pow").try_run([Tensor::scalar(1u8), Tensor::scalar(1u8)]).is_err());
    }

    #[test]
    fn two_types_are_refused() {
        let error = node("Add").error([count_up(&[1]), ints(&[1])]);
        assert_eq!(error, "input 1 is int64, expected float32 as the others");
    }
}
