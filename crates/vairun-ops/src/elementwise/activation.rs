//! Activations with attributes, and those made of several steps.
//!
//! | | name | type                                | shape  |
//! |-|------|-------------------------------------|--------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | any    |
//! | → | `Y` | as `X`                              | as `X` |
//!
//! Every step is one operation in the type of the calculation, in the order of the formula. NaN as in onnxruntime: it
//! passes through all of them but ThresholdedRelu, which gives 0.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::float::Unary;
use vairun_numeric::transcendental as f32_functions;

use crate::attrs::Attrs;
use crate::common::LATEST;
use crate::common::number::Number;
use crate::def::{Grade, OpDef};
use crate::elementwise::map::{MapReal, RealFunction, expect_unary};
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// The functions that both types of calculation have, under one name.
mod f64_functions {
    pub(super) use libm::exp;

    pub(super) fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + exp(-x))
    }
}

/// One line for each operator. The formula is written once and compiled for float32 and for float64.
macro_rules! activations {
    ($($id:ident $name:ident $since:literal $summary:literal
        { $($attribute:ident = $default:expr),* }, |$x:ident, $real:ident, $m:ident| $formula:expr $(, $kernel:expr)?;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "float16, bfloat16, float32, float64",
            grade: Grade::Within(1, "functions are rounded correctly here, approximated in onnxruntime"),
            build: {
                fn build(
                    spec: &NodeSpec,
                    attrs: &Attrs,
                ) -> Result<Box<dyn Operator>, BuildError> {
                    expect_unary(spec, attrs)?;
                    $(let $attribute = attrs.float(stringify!($attribute))?.unwrap_or($default);)*
                    Ok(Box::new(MapReal($name { $($attribute),* })))
                }
                build
            },
        };

        struct $name { $($attribute: f32),* }

        impl RealFunction for $name {
            #[inline(always)]
            fn f32(&self, $x: f32) -> f32 {
                type $real = f32;
                #[allow(unused_imports)] // some formulas need no function
                use f32_functions as $m;
                $(let $attribute = $real::from(self.$attribute);)*
                $formula
            }
            #[inline(always)]
            fn f64(&self, $x: f64) -> f64 {
                type $real = f64;
                #[allow(unused_imports)] // some formulas need no function
                use f64_functions as $m;
                $(let $attribute = $real::from(self.$attribute);)*
                $formula
            }
            $(fn kernel(&self) -> Option<Unary> {
                let kernel: fn(&Self) -> Unary = $kernel;
                Some(kernel(self))
            })?
        }
    )*};
}

activations! {
    CELU Celu 12 "max(0, x) + min(0, alpha · (e^(x/alpha) - 1))" { alpha = 1.0 }, |x, Real, m| {
        let above: Real = if x < 0.0 { 0.0 } else { x };
        let below = alpha * (m::exp(x / alpha) - 1.0);
        above + if below > 0.0 { 0.0 } else { below }
    };
    ELU Elu 1 "alpha · (e^x - 1) below 0" { alpha = 1.0 }, |x, Real, m| {
        let below: Real = alpha * (m::exp(x) - 1.0);
        if x < 0.0 { below } else { x }
    }, |Self { alpha }| Unary::Elu { alpha: *alpha };
    HARD_SIGMOID HardSigmoid 1 "max(0, min(1, alpha · x + beta))" { alpha = 0.2, beta = 0.5 },
        |x, Real, m| {
        let line: Real = alpha * x + beta;
        unit(line)
    }, |Self { alpha, beta }| Unary::HardSigmoid { alpha: *alpha, beta: *beta };
    HARD_SWISH HardSwish 14 "x · max(0, min(1, x/6 + 0.5))" {}, |x, Real, m| {
        // The function's definition in ONNX is x · HardSigmoid(x) with alpha = 1/6, a float32.
        let line: Real = Real::from(1f32 / 6.0) * x + 0.5;
        x * unit(line)
    }, |_| Unary::HardSwish { alpha: 1.0 / 6.0, beta: 0.5 };
    LEAKY_RELU LeakyRelu 1 "alpha · x below 0" { alpha = 0.01 }, |x, Real, m| {
        let below: Real = alpha * x;
        if x < 0.0 { below } else { x }
    }, |Self { alpha }| Unary::LeakyRelu { alpha: *alpha };
    MISH Mish 18 "x · tanh(log(e^x + 1))" {}, |x, Real, m| {
        #[allow(clippy::useless_conversion)] // of float64
        let wide = f64::from(x);
        mish(wide) as Real
    };
    SELU Selu 6 "gamma · (alpha · e^x - alpha) below 0, gamma · x above"
        { alpha = 1.673_263_2, gamma = 1.050_701 }, |x, Real, m| {
        let below: Real = gamma * (alpha * m::exp(x) - alpha);
        if x > 0.0 { gamma * x } else { below }
    };
    SHRINK Shrink 9 "x + bias below -lambd, x - bias above lambd, else 0" { bias = 0.0, lambd = 0.5 },
        |x, Real, m| {
        let zero: Real = 0.0;
        if x < -lambd { x + bias } else if x > lambd { x - bias } else { zero }
    };
    SWISH Swish 24 "x · sigmoid(alpha · x)" { alpha = 1.0 }, |x, Real, m| {
        let scaled: Real = alpha * x;
        x * m::sigmoid(scaled)
    }, |Self { alpha }| Unary::Swish { alpha: *alpha };
    THRESHOLDED_RELU ThresholdedRelu 10 "x above alpha, else 0" { alpha = 1.0 }, |x, Real, m| {
        let zero: Real = 0.0;
        if x > alpha { x } else { zero }
    };
}

/// `max(0, min(1, x))`, NaN for NaN.
#[inline(always)]
fn unit<T: Number>(x: T) -> T {
    let (zero, one) = (T::default(), T::from_f64(1.0));
    if x < zero {
        zero
    } else if x > one {
        one
    } else {
        x
    }
}

/// `x · tanh(log(e^x + 1))`. With `n = e^x`, the hyperbolic tangent is `(n² + 2n) / (n² + 2n + 2)`.
fn mish(x: f64) -> f64 {
    if x > 40.0 {
        return x;
    }
    let n = libm::exp(x);
    let product = n * (n + 2.0);
    x * (product / (product + 2.0))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn values(case: Case, x: &[f32]) -> Vec<f32> {
        let y = case.run([Tensor::vector(x.to_vec())]);
        y.as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn pieces_meet_where_the_formula_says() {
        assert_eq!(values(node("LeakyRelu"), &[-2.0, 3.0]), [-0.02, 3.0]);
        assert_eq!(values(node("LeakyRelu").float("alpha", 0.5), &[-2.0]), [-1.0]);
        assert_eq!(values(node("ThresholdedRelu"), &[1.0, 1.5]), [0.0, 1.5]);
        assert_eq!(
            values(node("Shrink").float("bias", 0.25), &[-0.75, 0.5, 0.75]),
            [-0.5, 0.0, 0.5]
        );
        assert_eq!(values(node("HardSigmoid"), &[-9.0, 1.0, 9.0]), [0.0, 0.7, 1.0]);
        assert_eq!(values(node("HardSwish"), &[-4.0, 0.0, 4.0]), [-0.0, 0.0, 4.0]);
        assert_eq!(values(node("Elu"), &[-1.0, 2.0]), [-0.632_120_55, 2.0]);
        assert_eq!(values(node("Selu"), &[-1.0, 2.0]), [-1.111_330_6, 2.101_402]);
        assert_eq!(values(node("Celu").float("alpha", 2.0), &[-1.0, 2.0]), [-0.786_938_67, 2.0]);
        assert_eq!(values(node("Swish"), &[1.0]), [0.731_058_6]);
        assert_eq!(values(node("Mish"), &[1.0, 100.0]), [0.865_098_4, 100.0]);
    }

    #[test]
    fn nan_passes_through_all_but_thresholded_relu() {
        for name in
            ["LeakyRelu", "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu", "Swish", "Mish"]
        {
            assert!(values(node(name), &[f32::NAN])[0].is_nan(), "{name}");
        }
        assert_eq!(values(node("ThresholdedRelu"), &[f32::NAN]), [0.0]);
    }

    #[test]
    fn zero_keeps_its_sign_where_it_does_in_onnxruntime() {
        for name in ["LeakyRelu", "Elu", "HardSwish"] {
            assert_eq!(values(node(name), &[-0.0])[0].to_bits(), (-0f32).to_bits(), "{name}");
        }
        for name in ["Selu", "Celu"] {
            assert_eq!(values(node(name), &[-0.0])[0].to_bits(), 0, "{name}");
        }
    }

    #[test]
    fn float64_is_computed_in_float64() {
        let y = node("HardSigmoid").run([Tensor::scalar(1f64)]);
        assert_eq!(*y.as_scalar::<f64>().unwrap(), f64::from(0.2f32) + 0.5);
    }
}
