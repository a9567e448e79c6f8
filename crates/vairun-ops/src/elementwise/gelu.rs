//! `Gelu`, ONNX's and onnxruntime's, with `FastGelu`, `BiasGelu` and `QuickGelu`.
//!
//! | name | result |
//! |------|--------|
//! | `Gelu` | `x/2 · (1 + erf(x/√2))`; with `approximate` `tanh`: as FastGelu |
//! | `com.microsoft::Gelu`, `BiasGelu` | `x/2 · (1 + erf(x/√2))` of `x + bias` |
//! | `com.microsoft::FastGelu` | `x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))` of `x + bias` |
//! | `com.microsoft::QuickGelu` | `x / (1 + e^(-alpha·x))` |
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | any |
//! | 1 | `bias` | as `X` | `[n]`, the last dimension of `X`; BiasGelu, and FastGelu optionally |
//! | → | `Y` | as `X` | as `X` |
//!
//! Attributes: `approximate` (`none`, `tanh`; `none`) of ONNX's, `alpha` (float, 1.702) of QuickGelu. Evaluated in float64
//! and rounded once.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Gelu.html>, onnxruntime 1.32 `contrib_ops/cpu/bert/bias_gelu.cc`,
//! `contrib_ops/cpu/activations.h`.

use vairun_numeric::float::{Binary, Unary};

use crate::arithmetic::Arithmetic;
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::elementwise::float32;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Erf,
    Tanh,
    Sigmoid(f64),
}

const GRADE: Grade = Grade::Within(1, "rounded correctly here, approximated in onnxruntime");

macro_rules! microsoft {
    ($($id:ident $name:literal $summary:literal $inputs:expr, $kind:expr;)*) => {$(
        #[doc = concat!("com.microsoft's `", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("com.microsoft", $name)],
            opsets: 1..=i64::MAX,
            summary: $summary,
            types: "float16, bfloat16, float32, float64",
            grade: GRADE,
            build: |spec, attrs| {
                spec.expect_inputs($inputs)?;
                let kind: fn(&Attrs) -> Result<Kind, BuildError> = $kind;
                Ok(Box::new(Gelu(kind(attrs)?)))
            },
        };
    )*};
}

microsoft! {
    MICROSOFT "Gelu" "x where it is positive, smoothly" 1..=1, |_| Ok(Kind::Erf);
    BIAS "BiasGelu" "Gelu of a sum" 2..=2, |_| Ok(Kind::Erf);
    FAST "FastGelu" "Gelu through tanh" 1..=2, |_| Ok(Kind::Tanh);
    QUICK "QuickGelu" "x · sigmoid(alpha · x)" 1..=1, |attrs| {
        Ok(Kind::Sigmoid(attrs.float("alpha")?.unwrap_or(1.702).into()))
    };
}

/// `Gelu`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Gelu")],
    opsets: 20..=LATEST,
    summary: "x where it is positive, smoothly",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| {
        spec.expect_inputs(1..=1)?;
        let kind = match attrs.string("approximate")?.as_deref() {
            None | Some("none") => Kind::Erf,
            Some("tanh") => Kind::Tanh,
            Some(other) => return Err(Attrs::value("approximate", other, "none or tanh")),
        };
        Ok(Box::new(Gelu(kind)))
    },
};

struct Gelu(Kind);

impl Operator for Gelu {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut x = inputs.take(0, "X")?;
        let bias = inputs.take_value(1).map(vairun_tensor::Value::into_tensor).transpose()?;
        with_float!(x.dtype(), "X", T => {
            if let Some(bias) = bias {
                if bias.rank() != 1 || x.shape().last() != bias.shape().first() {
                    let expected = format!("the last dimension of X, {:?}", x.shape());
                    return Err(wrong_shape("bias", bias.shape(), expected));
                }
                x = float32::combine::<T>(Some(Binary::Add), x, bias, Number::add)?;
            }
            one(float32::map::<T>(self.0.kernel(), x, |x| T::from_f64(self.0.of(x.to_f64())))?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check_same(inputs, 0)?])
    }

    fn arithmetic(&self, parameters: &Inputs) -> Option<Arithmetic> {
        let alone = parameters.len() == 1;
        self.0.kernel().filter(|_| alone).map(Arithmetic::Unary)
    }
}

impl Kind {
    /// The same for float32, in the vectors of the CPU.
    fn kernel(self) -> Option<Unary> {
        matches!(self, Self::Erf).then_some(Unary::Gelu)
    }

    fn of(self, x: f64) -> f64 {
        const ROOT: f64 = 0.797_884_560_802_865_4; // √(2/π)
        match self {
            Self::Erf => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Tanh => 0.5 * x * (1.0 + libm::tanh(ROOT * (x + 0.044_715 * x * x * x))),
            Self::Sigmoid(alpha) => x / (1.0 + libm::exp(-alpha * x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn values_of_each_form() {
        let x = || floats(&[3], &[-1.0, 0.0, 1.0]);
        let y = node("Gelu").run([x()]);
        assert_tensor(&y, &floats(&[3], &[-0.158_655_26, 0.0, 0.841_344_8]));
        let y = node("Gelu").text("approximate", "tanh").run([x()]);
        assert_tensor(&y, &floats(&[3], &[-0.158_808_01, 0.0, 0.841_192]));
        let y = node_in(("com.microsoft", "QuickGelu")).run([x()]);
        assert_tensor(&y, &floats(&[3], &[-0.154_204_23, 0.0, 0.845_795_75]));
    }

    #[test]
    fn a_bias_is_added_first() {
        let y = node_in(("com.microsoft", "BiasGelu"))
            .run([floats(&[1, 2], &[0.0, 1.0]), floats(&[2], &[1.0, -1.0])]);
        assert_tensor(&y, &floats(&[1, 2], &[0.841_344_8, 0.0]));
    }
}
