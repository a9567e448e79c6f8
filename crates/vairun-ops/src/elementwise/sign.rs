//! `Abs`, `Neg`, `Sign`, `Relu` and `BitwiseNot`: functions that integers have too.
//!
//! | | name | type                                     | shape  |
//! |-|------|------------------------------------------|--------|
//! | 0 | `X` | numbers (BitwiseNot: integers)          | any    |
//! | → | `Y` | as `X`                                  | as `X` |
//!
//! NaN stays NaN. `Relu(-0.0)` is -0.0, as in onnxruntime. `Abs` and `Neg` of the smallest integer wrap to itself.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::float::Unary;
use vairun_tensor::DType;

use crate::arithmetic::Arithmetic;
use crate::attrs::Attrs;
use crate::common::dispatch::{with_integer, with_number};
use crate::common::number::Number;
use crate::common::types::{INTEGERS, NUMBERS};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::float32;
use crate::elementwise::map::expect_unary;
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

macro_rules! functions {
    ($($id:ident $name:ident $since:literal $summary:literal $types:ident $with:ident, $f:expr $(, $kernel:ident)?;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "numbers",
            grade: Grade::Exact("onnxruntime 1.32"),
            build: {
                fn build(
                    spec: &NodeSpec,
                    attrs: &Attrs,
                ) -> Result<Box<dyn Operator>, BuildError> {
                    expect_unary(spec, attrs)?;
                    Ok(Box::new($name))
                }
                build
            },
        };

        struct $name;

        impl $name {
            const KERNEL: Option<Unary> = [$(Some(Unary::$kernel),)? None][0];
        }

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                let x = inputs.take(0, "X")?;
                one($with!(x.dtype(), "X", T => float32::map::<T>($name::KERNEL, x, $f))?)
            }

            fn output_dtypes(
                &self,
                inputs: &[Option<DType>],
            ) -> Result<Vec<Option<DType>>, OpError> {
                Ok(vec![$types.check(inputs, 0, "X")?])
            }

            fn arithmetic(&self, _: &Inputs) -> Option<Arithmetic> {
                Self::KERNEL.map(Arithmetic::Unary)
            }
        }
    )*};
}

functions! {
    ABS Abs 1 "the absolute value" NUMBERS with_number, Number::abs, Absolute;
    BITWISE_NOT BitwiseNot 18 "every bit inverted" INTEGERS with_integer, |x| !x;
    NEG Neg 1 "-x" NUMBERS with_number, Number::neg, Negative;
    RELU Relu 1 "x where it is positive, else 0" NUMBERS with_number, relu, Relu;
    SIGN Sign 9 "-1, 0 or 1" NUMBERS with_number, Number::sign;
}

fn relu<T: Number>(x: T) -> T {
    if x < T::default() { T::default() } else { x }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn relu_keeps_nan_and_the_sign_of_zero() {
        let y = node("Relu").run([floats(&[5], &[f32::NAN, -0.0, -1.0, 2.0, f32::NEG_INFINITY])]);
        assert_tensor(&y, &floats(&[5], &[f32::NAN, -0.0, 0.0, 2.0, 0.0]));
    }

    #[test]
    fn the_smallest_integer_wraps() {
        let x = || Tensor::vector(vec![i8::MIN, -1, 1]);
        assert_tensor(&node("Abs").run([x()]), &Tensor::vector(vec![i8::MIN, 1, 1]));
        assert_tensor(&node("Neg").run([x()]), &Tensor::vector(vec![i8::MIN, 1, -1]));
        assert_tensor(&node("Sign").run([x()]), &Tensor::vector(vec![-1i8, -1, 1]));
    }

    #[test]
    fn zero_changes_its_sign() {
        assert_tensor(&node("Neg").run([floats(&[1], &[0.0])]), &floats(&[1], &[-0.0]));
        assert_tensor(&node("Abs").run([floats(&[1], &[-0.0])]), &floats(&[1], &[0.0]));
    }

    #[test]
    fn bits_are_inverted_in_integers_only() {
        assert_tensor(&node("BitwiseNot").run([Tensor::scalar(5u8)]), &Tensor::scalar(250u8));
        assert!(node("BitwiseNot").try_run([count_up(&[1])]).is_err());
    }
}
