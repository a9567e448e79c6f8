//! Functions of one real number without attributes: roots, exponentials, circular and hyperbolic functions, rounding.
//!
//! | | name | type                                | shape  |
//! |-|------|-------------------------------------|--------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | any    |
//! | → | `Y` | as `X`                              | as `X` |
//!
//! float32: the functions of the mathematics library are evaluated in float64 and rounded once, so that the result is
//! the correctly rounded one but for one argument in a million, and the same on every machine. NaN stays NaN.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::float::Unary;
use vairun_numeric::transcendental;

use crate::attrs::Attrs;
use crate::common::LATEST;
use crate::def::{Grade, OpDef};
use crate::elementwise::map::{MapReal, RealFunction, expect_unary};
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// One line for each operator: its static, its name, the first opset, a summary, the function in float32 and float64.
macro_rules! functions {
    ($($id:ident $name:ident $since:literal $summary:literal, $f32:expr, $f64:expr $(, $kernel:ident)?;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "float16, bfloat16, float32, float64",
            grade: Grade::Within(1, "onnxruntime uses approximations in float32; here the rounded real number"),
            build: {
                fn build(
                    spec: &NodeSpec,
                    attrs: &Attrs,
                ) -> Result<Box<dyn Operator>, BuildError> {
                    expect_unary(spec, attrs)?;
                    Ok(Box::new(MapReal($name)))
                }
                build
            },
        };

        struct $name;

        impl RealFunction for $name {
            fn f32(&self, x: f32) -> f32 {
                $f32(x)
            }
            fn f64(&self, x: f64) -> f64 {
                $f64(x)
            }
            $(fn kernel(&self) -> Option<Unary> {
                Some(Unary::$kernel)
            })?
        }
    )*};
}

/// A function of float64 for a float32.
fn through_f64(f: impl Fn(f64) -> f64) -> impl Fn(f32) -> f32 {
    move |x| f(f64::from(x)) as f32
}

functions! {
    ACOS Acos 7 "the arc cosine", through_f64(libm::acos), libm::acos;
    ACOSH Acosh 9 "the inverse hyperbolic cosine", through_f64(libm::acosh), libm::acosh;
    ASIN Asin 7 "the arc sine", through_f64(libm::asin), libm::asin;
    ASINH Asinh 9 "the inverse hyperbolic sine", through_f64(libm::asinh), libm::asinh;
    ATAN Atan 7 "the arc tangent", through_f64(libm::atan), libm::atan;
    ATANH Atanh 9 "the inverse hyperbolic tangent", through_f64(libm::atanh), libm::atanh;
    CEIL Ceil 1 "the next integer up", f32::ceil, f64::ceil;
    COS Cos 7 "the cosine", through_f64(libm::cos), libm::cos;
    COSH Cosh 9 "the hyperbolic cosine", through_f64(libm::cosh), libm::cosh;
    ERF Erf 9 "the error function", vairun_numeric::erf::erf, libm::erf, Erf;
    EXP Exp 1 "e to the power of x", transcendental::exp, libm::exp, Exp;
    FLOOR Floor 1 "the next integer down", f32::floor, f64::floor;
    LOG Log 1 "the natural logarithm", through_f64(libm::log), libm::log;
    RECIPROCAL Reciprocal 1 "1 / x", |x: f32| 1.0 / x, |x: f64| 1.0 / x;
    ROUND Round 11 "the nearest integer, ties to even", f32::round_ties_even, f64::round_ties_even;
    SIGMOID Sigmoid 1 "1 / (1 + e^-x)", transcendental::sigmoid, |x: f64| 1.0 / (1.0 + libm::exp(-x)), Sigmoid;
    SIN Sin 7 "the sine", through_f64(libm::sin), libm::sin;
    SINH Sinh 9 "the hyperbolic sine", through_f64(libm::sinh), libm::sinh;
    SOFTPLUS Softplus 1 "log(e^x + 1)", through_f64(softplus), softplus;
    SOFTSIGN Softsign 1 "x / (1 + |x|)", |x: f32| x / (1.0 + x.abs()), |x: f64| x / (1.0 + x.abs());
    SQRT Sqrt 1 "the square root", f32::sqrt, f64::sqrt, SquareRoot;
    TAN Tan 7 "the tangent", through_f64(libm::tan), libm::tan;
    TANH Tanh 1 "the hyperbolic tangent", transcendental::tanh, libm::tanh, Tanh;
}

/// `log(e^x + 1)`, written so that neither e^x overflows nor its last bits get lost.
fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + libm::log1p(libm::exp(-x)) } else { libm::log1p(libm::exp(x)) }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, bf16, f16};

    use crate::common::testing::*;

    fn at(op_type: &str, x: f32) -> f32 {
        *node(op_type).run([Tensor::scalar(x)]).as_scalar::<f32>().unwrap()
    }

    #[test]
    fn values_from_tables() {
        for (name, x, want) in [
            ("Acos", 0.25, 1.318_116_1),
            ("Acosh", 2.0, 1.316_958),
            ("Asin", 0.25, 0.252_680_24),
            ("Asinh", 1.0, 0.881_373_6),
            ("Atan", 2.0, 1.107_148_8),
            ("Atanh", 0.5, 0.549_306_15),
            ("Ceil", -0.5, -0.0),
            ("Cos", 1.0, 0.540_302_3),
            ("Cosh", 1.0, 1.543_080_7),
            ("Erf", 0.5, 0.520_499_9),
            ("Exp", 1.0, 2.718_281_7),
            ("Floor", -0.5, -1.0),
            ("Log", 3.0, 1.098_612_3),
            ("Reciprocal", 3.0, 0.333_333_34),
            ("Round", 2.5, 2.0),
            ("Round", -0.4, -0.0),
            ("Sigmoid", 1.0, 0.731_058_6),
            ("Sin", 1.0, 0.841_470_96),
            ("Sinh", 1.0, 1.175_201_2),
            ("Softplus", 1.0, 1.313_261_6),
            ("Softplus", 100.0, 100.0),
            ("Softsign", -3.0, -0.75),
            ("Sqrt", 3.0, 1.732_050_8),
            ("Tan", 1.0, 1.557_407_7),
            ("Tanh", 0.5, 0.462_117_16),
        ] {
            let got = at(name, x);
            assert_eq!(
                got.to_bits(),
                f32::to_bits(want),
                "{name}({x}) = {got:?}, expected {want:?}"
            );
        }
    }

    #[test]
    fn outside_of_the_domain_is_nan() {
        for (name, x) in [("Sqrt", -1.0), ("Log", -1.0), ("Asin", 2.0), ("Acosh", 0.5)] {
            assert!(at(name, x).is_nan(), "{name}({x})");
        }
        assert_eq!(at("Log", 0.0), f32::NEG_INFINITY);
    }

    #[test]
    fn halves_are_computed_in_float32() {
        let y = node("Exp").run([Tensor::scalar(f16::from_f32(1.0))]);
        assert_eq!(*y.as_scalar::<f16>().unwrap(), f16::from_f32(2.718_281_7));
        let y = node("Sqrt").run([Tensor::scalar(bf16::from_f32(2.0))]);
        assert_eq!(*y.as_scalar::<bf16>().unwrap(), bf16::from_f32(std::f32::consts::SQRT_2));
    }

    #[test]
    fn a_tensor_that_others_hold_is_left_alone() {
        let x = floats(&[2], &[1.0, 4.0]);
        node("Sqrt").run([x.clone()]);
        assert_tensor(&x, &floats(&[2], &[1.0, 4.0]));
    }

    #[test]
    fn integers_are_refused() {
        assert!(node("Exp").error([ints(&[1])]).starts_with("X is int64, expected float16"));
    }
}
