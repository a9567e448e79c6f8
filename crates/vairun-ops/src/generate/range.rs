//! `Range`: `start`, `start + delta`, … before `limit`.
//!
//! `output[i] = start + i · delta`, `max(ceil((limit - start) / delta), 0)` elements.
//!
//! | | name    | type       | shape |
//! |-|---------|------------|-------|
//! | 0 | `start` | int16, int32, int64, float16, bfloat16, float32, float64 | one element |
//! | 1 | `limit` | as `start` | one element |
//! | 2 | `delta` | as `start` | one element, not 0 |
//! | → | `output`| as `start` | `[n]` |
//!
//! Attributes: `stash_type` (int, 1; opset 27): float16 and bfloat16 are computed in float32, whatever it says of
//! float64.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Range.html>. float32 is computed as onnxruntime does, `start + i · delta`
//! in float32.

use vairun_tensor::{DType, Element, Tensor};

use crate::attrs::Attrs;
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::parameters::one_element;
use crate::common::sizes::result_len;
use crate::common::types::{NUMBERS, same_type};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Range`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Range")],
    opsets: 11..=LATEST,
    summary: "equally spaced numbers",
    types: "numbers",
    grade: Grade::Exact("onnxruntime 1.32"),
    build,
};

struct Range;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    if spec.op.opset >= 27 {
        match attrs.int("stash_type")? {
            None | Some(1) => {}
            Some(other) => return Err(Attrs::value("stash_type", other, "1 (float32)")),
        }
    }
    Ok(Box::new(Range))
}

impl Operator for Range {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (start, limit) = (inputs.tensor(0, "start")?, inputs.tensor(1, "limit")?);
        let delta = inputs.tensor(2, "delta")?;
        same_type(start, limit, "limit")?;
        same_type(start, delta, "delta")?;
        let tensor = with_number!(start.dtype(), "start", T => range::<T>(
            scalar(start, "start")?,
            scalar(limit, "limit")?,
            scalar(delta, "delta")?,
        ))?;
        one(tensor)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![NUMBERS.check_same(inputs, 0)?])
    }
}

fn scalar<T: Element + Copy>(tensor: &Tensor, name: &str) -> Result<T, OpError> {
    tensor.as_scalar::<T>().copied().ok_or_else(|| one_element(tensor, name))
}

fn range<T: Number + Progression>(start: T, limit: T, delta: T) -> Result<Tensor, OpError> {
    let count = T::count(start, limit, delta).ok_or_else(|| OpError::Value {
        input: "start, limit, delta".into(),
        got: format!("{}, {}, {}", start.to_f64(), limit.to_f64(), delta.to_f64()),
        expected: "finite numbers and a delta that is not 0".into(),
    })?;
    result_len(T::DTYPE, &[count])?;
    Ok(Tensor::vector((0..count).map(|i| T::at(start, delta, i)).collect()))
}

/// A type that can be counted through.
trait Progression: Sized {
    /// The number of elements; `None` where it is not defined.
    fn count(start: Self, limit: Self, delta: Self) -> Option<usize>;
    /// `start + i · delta`.
    fn at(start: Self, delta: Self, i: usize) -> Self;
}

macro_rules! integers {
    ($($rust:ty),*) => {$(
        impl Progression for $rust {
            fn count(start: Self, limit: Self, delta: Self) -> Option<usize> {
                let (distance, delta) = (i128::from(limit) - i128::from(start), i128::from(delta));
                if delta == 0 {
                    return None;
                }
                let short = distance % delta != 0 && (distance < 0) == (delta < 0);
                let up = distance / delta + i128::from(short);
                Some(usize::try_from(up.max(0)).unwrap_or(usize::MAX))
            }
            fn at(start: Self, delta: Self, i: usize) -> Self {
                start.wrapping_add(delta.wrapping_mul(i as Self))
            }
        }
    )*};
}

integers! { i8, i16, i32, i64, u8, u16, u32, u64 }

fn count_f64(start: f64, limit: f64, delta: f64) -> Option<usize> {
    let count = ((limit - start) / delta).ceil();
    (delta != 0.0 && !count.is_nan()).then_some(count.max(0.0) as usize)
}

macro_rules! floats {
    ($($rust:ty),*) => {$(
        impl Progression for $rust {
            fn count(start: Self, limit: Self, delta: Self) -> Option<usize> {
                count_f64(start.to_f64(), limit.to_f64(), delta.to_f64())
            }
            fn at(start: Self, delta: Self, i: usize) -> Self {
                start + delta * i as Self
            }
        }
    )*};
}

floats! { f32, f64 }

macro_rules! halves {
    ($($rust:ty),*) => {$(
        impl Progression for $rust {
            fn count(start: Self, limit: Self, delta: Self) -> Option<usize> {
                count_f64(start.to_f64(), limit.to_f64(), delta.to_f64())
            }
            fn at(start: Self, delta: Self, i: usize) -> Self {
                Self::from_f32(start.to_f32() + delta.to_f32() * i as f32)
            }
        }
    )*};
}

halves! { vairun_tensor::f16, vairun_tensor::bf16 }

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn integers(start: i64, limit: i64, delta: i64) -> Tensor {
        node("Range").run([start, limit, delta].map(Tensor::scalar))
    }

    #[test]
    fn the_limit_is_not_reached() {
        assert_tensor(&integers(1, 7, 2), &ints(&[1, 3, 5]));
        assert_tensor(&integers(1, 6, 2), &ints(&[1, 3, 5]));
        assert_tensor(&integers(5, 0, -2), &ints(&[5, 3, 1]));
        assert_tensor(&integers(6, 0, -2), &ints(&[6, 4, 2]));
    }

    #[test]
    fn the_wrong_direction_gives_nothing() {
        assert_tensor(&integers(1, 7, -1), &ints(&[]));
        assert_tensor(&integers(7, 1, 1), &ints(&[]));
    }

    #[test]
    fn floats_count_up_rounded() {
        let y = node("Range").run([0f32, 1.0, 0.3].map(Tensor::scalar));
        assert_tensor(&y, &floats(&[4], &[0.0, 0.3, 0.6, 0.3 * 3.0]));
    }

    #[test]
    fn a_delta_of_zero_and_hostile_counts_are_refused() {
        let error = |values: [i64; 3]| node("Range").error(values.map(Tensor::scalar));
        assert!(error([0, 1, 0]).contains("a delta that is not 0"));
        assert!(error([i64::MIN, i64::MAX, 1]).contains("more than memory can hold"));
    }
}
