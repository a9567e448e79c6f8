//! `ArgMax` and `ArgMin`: where the largest or smallest element along an axis stands.
//!
//! | | name      | type    | shape |
//! |-|-----------|---------|-------|
//! | 0 | `data`  | numbers | any   |
//! | → | `reduced` | int64 | `data` with `axis` of 1, or without it |
//!
//! Attributes: `axis` (int, 0), `keepdims` (int, 1), `select_last_index` (int, 0; opset 12): the last of equal elements
//! instead of the first. The first NaN wins over numbers, as in numpy; onnxruntime leaves it open.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__ArgMax.html>.

use vairun_tensor::{DType, Tensor};

use super::Reduced;
use crate::attrs::Attrs;
use crate::common::axes::{around, axis};
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::types::NUMBERS;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

macro_rules! operators {
    ($($id:ident $name:literal $largest:literal $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: 1..=LATEST,
            summary: $summary,
            types: "numbers",
            grade: Grade::Exact("ONNX"),
            build: |spec, attrs| build($largest, spec, attrs),
        };
    )*};
}

operators! {
    MAX "ArgMax" true "where the largest element along an axis stands";
    MIN "ArgMin" false "where the smallest element along an axis stands";
}

struct Arg {
    largest: bool,
    axis: i64,
    keep: bool,
    last: bool,
}

fn build(largest: bool, spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let last = spec.op.opset >= 12 && attrs.flag("select_last_index")?.unwrap_or(false);
    Ok(Box::new(Arg {
        largest,
        axis: attrs.int("axis")?.unwrap_or(0),
        keep: attrs.flag("keepdims")?.unwrap_or(true),
        last,
    }))
}

impl Operator for Arg {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.tensor(0, "data")?;
        let axis = axis(self.axis, data.rank())?;
        let reduced = Reduced::new(data.shape(), Some(&[axis as i64]))?;
        if data.shape()[axis] == 0 {
            return Err(OpError::Shape {
                input: "data".into(),
                got: data.shape().to_vec(),
                expected: format!("elements along axis {axis}"),
            });
        }
        let (_, length, inner) = around(data.shape(), axis);
        let places = with_number!(data.dtype(), "data", T => {
            Ok(self.places(data.as_slice::<T>()?, length, inner))
        })?;
        one(Tensor::new(&reduced.result_shape(self.keep), places)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        NUMBERS.check(inputs, 0, "data")?;
        Ok(vec![Some(DType::I64)])
    }
}

impl Arg {
    fn places<T: Number>(&self, x: &[T], length: usize, inner: usize) -> Vec<i64> {
        let mut places = Vec::with_capacity(x.len() / length);
        for block in x.chunks_exact((length * inner).max(1)) {
            let mut best = block[..inner].to_vec();
            let mut at = vec![0i64; inner];
            for (i, row) in (0i64..).zip(block.chunks_exact(inner)).skip(1) {
                for ((best, at), &x) in best.iter_mut().zip(&mut at).zip(row) {
                    if self.wins(x, *best) {
                        (*best, *at) = (x, i);
                    }
                }
            }
            places.extend(at);
        }
        places
    }

    fn wins<T: Number>(&self, x: T, best: T) -> bool {
        let better = if self.largest { x > best } else { x < best };
        better || (x.is_nan() && !best.is_nan()) || (self.last && x == best)
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_first_or_the_last_of_equal_elements() {
        let x = || floats(&[2, 3], &[1.0, 2.0, 2.0, 5.0, 5.0, 4.0]);
        let of = |op: &str, last: i64| {
            node(op).int("axis", 1).int("keepdims", 0).int("select_last_index", last).run([x()])
        };
        assert_tensor(&of("ArgMax", 0), &ints(&[1, 0]));
        assert_tensor(&of("ArgMax", 1), &ints(&[2, 1]));
        assert_tensor(&of("ArgMin", 0), &ints(&[0, 2]));
    }

    #[test]
    fn along_an_outer_axis() {
        let y = node("ArgMax").run([floats(&[2, 2], &[1.0, 4.0, 3.0, 2.0])]);
        assert_tensor(&y, &tensor(&[1, 2], &[1i64, 0]));
    }

    #[test]
    fn nan_wins() {
        let y = node("ArgMin").run([floats(&[3], &[1.0, f32::NAN, 0.0])]);
        assert_tensor(&y, &ints(&[1]));
    }

    #[test]
    fn an_empty_axis_has_no_largest_element() {
        let error = node("ArgMax").error([count_up(&[0, 2])]);
        assert_eq!(error, "data has shape [0, 2], expected elements along axis 0");
    }
}
