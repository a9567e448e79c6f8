//! `Clip`: numbers limited to an interval.
//!
//! `y = min(max(x, min), max)`, so that `max` wins where the interval is empty. NaN stays NaN; a bound that is NaN
//! bounds nothing, and a zero keeps its sign, both as in onnxruntime.
//!
//! | | name    | type       | shape |
//! |-|---------|------------|-------|
//! | 0 | `input` | numbers  | any   |
//! | 1 | `min`   | as `input` | one element, optional |
//! | 2 | `max`   | as `input` | one element, optional |
//! | → | `output`| as `input` | as `input` |
//!
//! Before opset 11 `min` and `max` are attributes.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Clip.html>.

use vairun_numeric::float::Unary;
use vairun_tensor::{DType, Tensor};

use crate::arithmetic::Arithmetic;
use crate::attrs::Attrs;
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::parameters::one_element;
use crate::common::types::{NUMBERS, same_type};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::float32;
use crate::elementwise::map::ignore_consumed_inputs;
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Clip`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Clip")],
    opsets: 1..=LATEST,
    summary: "numbers limited to an interval",
    types: "numbers, all of one type",
    grade: Grade::Exact("onnxruntime 1.32"),
    build,
};

struct Clip {
    /// The attributes of old opsets; later they are inputs.
    bounds: Option<[Option<f32>; 2]>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    if spec.op.opset >= 11 {
        spec.expect_inputs(1..=3)?;
        return Ok(Box::new(Clip { bounds: None }));
    }
    spec.expect_inputs(1..=1)?;
    ignore_consumed_inputs(spec, attrs);
    Ok(Box::new(Clip { bounds: Some([attrs.float("min")?, attrs.float("max")?]) }))
}

impl Operator for Clip {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.take(0, "input")?;
        one(with_number!(x.dtype(), "input", T => {
            let (low, high) = match self.bounds {
                Some([low, high]) => {
                    let number = |bound: f32| <T as Number>::from_f64(bound.into());
                    (low.map(number), high.map(number))
                }
                None => (bound(&inputs, 1, "min", &x)?, bound(&inputs, 2, "max", &x)?),
            };
            clip::<T>(x, low, high)
        })?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![NUMBERS.check_same(inputs, 0)?])
    }

    fn arithmetic(&self, parameters: &Inputs) -> Option<Arithmetic> {
        let [low, high] = match self.bounds {
            Some(bounds) => bounds,
            None => {
                let bound = |index| {
                    let bound = parameters.optional(index).ok()?;
                    bound.map_or(Some(None), |bound| bound.as_scalar::<f32>().copied().map(Some))
                };
                [bound(1)?, bound(2)?]
            }
        };
        Some(Arithmetic::Unary(unary(low, high)))
    }
}

fn bound<T: Number>(
    inputs: &Inputs,
    index: usize,
    name: &str,
    x: &Tensor,
) -> Result<Option<T>, OpError> {
    let Some(bound) = inputs.optional(index)? else { return Ok(None) };
    same_type(x, bound, name)?;
    bound.as_scalar::<T>().copied().map(Some).ok_or_else(|| one_element(bound, name))
}

fn clip<T: Number>(x: Tensor, low: Option<T>, high: Option<T>) -> Result<Tensor, OpError> {
    let above = |x: T, low: T| if x < low { low } else { x };
    let below = |x: T, high: T| if x > high { high } else { x };
    let wide = |bound: T| bound.to_f64() as f32;
    let kernel = Some(unary(low.map(wide), high.map(wide)));
    match (low, high) {
        (Some(low), Some(high)) => float32::map(kernel, x, |x| below(above(x, low), high)),
        (Some(low), None) => float32::map(kernel, x, |x| above(x, low)),
        (None, Some(high)) => float32::map(kernel, x, |x| below(x, high)),
        (None, None) => Ok(x),
    }
}

/// The kernel for float32: infinite bounds bound nothing.
fn unary(low: Option<f32>, high: Option<f32>) -> Unary {
    let (low, high) = (low.unwrap_or(f32::NEG_INFINITY), high.unwrap_or(f32::INFINITY));
    Unary::Clip { low, high }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use crate::common::testing::*;

    fn clip(x: &[f32], low: f32, high: f32) -> Vec<u32> {
        let y = node("Clip").run([
            Tensor::vector(x.to_vec()),
            Tensor::scalar(low),
            Tensor::scalar(high),
        ]);
        y.as_slice::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn numbers_stay_between_the_bounds() {
        assert_eq!(clip(&[-2.0, 0.5, 7.0], 0.0, 6.0), bits(&[0.0, 0.5, 6.0]));
        assert_eq!(clip(&[1.0, 2.0, 9.0], 5.0, 3.0), bits(&[3.0, 3.0, 3.0]));
    }

    #[test]
    fn nan_and_zeros_as_in_onnxruntime() {
        assert_eq!(clip(&[f32::NAN, -0.0], 0.0, 1.0), bits(&[f32::NAN, -0.0]));
        assert_eq!(clip(&[1.0, 2.0], f32::NAN, 1.0), bits(&[1.0, 1.0]));
        assert_eq!(clip(&[1.0, 2.0], 0.0, f32::NAN), bits(&[1.0, 2.0]));
    }

    #[test]
    fn a_bound_may_be_left_out() {
        let inputs =
            [Some(floats(&[2], &[-1.0, 9.0]).into()), None, Some(Tensor::scalar(6f32).into())];
        let y = node("Clip").try_run_values(inputs.to_vec()).unwrap();
        let Value::Tensor(y) = &y[0] else { panic!("a tensor") };
        assert_tensor(y, &floats(&[2], &[-1.0, 6.0]));
    }

    #[test]
    fn before_opset_11_the_bounds_are_attributes() {
        let y = node("Clip").opset(6).float("min", 0.0).run([floats(&[2], &[-1.0, 9.0])]);
        assert_tensor(&y, &floats(&[2], &[0.0, 9.0]));
    }

    #[test]
    fn integers_and_bounds_that_do_not_fit() {
        let y = node("Clip").run([ints(&[-5, 5]), Tensor::scalar(-1i64), Tensor::scalar(1i64)]);
        assert_tensor(&y, &ints(&[-1, 1]));
        assert!(
            node("Clip").error([count_up(&[1]), ints(&[1, 2])]).contains("float32 as the others")
        );
        let two = floats(&[2], &[0.0, 1.0]);
        assert_eq!(
            node("Clip").error([count_up(&[1]), two]),
            "min has shape [2], expected one element"
        );
    }
}
