//! `NonZero`: where the elements stand that are not zero.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | numbers, bool | any |
//! | → | `Y` | int64 | `[rank, n]`: one row for each axis, in row-major order |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__NonZero.html>.

use crate::common::axes::strides;
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::{NUMBERS, Types};

/// `NonZero`.
pub static DEF: OpDef = OpDef {
    names: &[("", "NonZero")],
    opsets: 9..=LATEST,
    summary: "where the elements stand that are not zero",
    types: "numbers, bool",
    grade: Grade::Exact("ONNX"),
    build,
};

const TYPES: Types =
    Types::new("a number or bool", |dtype| dtype == DType::Bool || NUMBERS.contains(dtype));

struct NonZero;

fn build(spec: &NodeSpec, _: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(NonZero))
}

impl Operator for NonZero {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let places = places(x)?;
        let strides = strides(x.shape());
        let along = |(&dim, &stride): (&usize, &usize)| {
            places.iter().map(move |place| (place / stride % dim.max(1)) as i64)
        };
        let rows = x.shape().iter().zip(&strides).flat_map(along).collect();
        one(Tensor::new(&[x.rank(), places.len()], rows)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        TYPES.check(inputs, 0, "X")?;
        Ok(vec![Some(DType::I64)])
    }
}

fn places(x: &Tensor) -> Result<Vec<usize>, OpError> {
    if x.dtype() == DType::Bool {
        return Ok(where_true(x.as_slice::<bool>()?, |&x| x));
    }
    with_number!(x.dtype(), "X", T => {
        Ok(where_true(x.as_slice::<T>()?, |x| x.to_f64() != 0.0))
    })
}

fn where_true<T>(x: &[T], holds: impl Fn(&T) -> bool) -> Vec<usize> {
    x.iter().enumerate().filter(|(_, x)| holds(x)).map(|(i, _)| i).collect()
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn one_row_for_each_axis() {
        let y = node("NonZero").run([tensor(&[2, 2], &[true, false, true, true])]);
        assert_tensor(&y, &tensor(&[2, 3], &[0i64, 1, 1, 0, 0, 1]));
        let y = node("NonZero").run([floats(&[3], &[-0.0, f32::NAN, 0.1])]);
        assert_tensor(&y, &tensor(&[1, 2], &[1i64, 2]));
        let y = node("NonZero").run([Tensor::scalar(1f32)]);
        assert_eq!(y.shape(), [0, 1]);
    }
}
