//! `Max`, `Min`, `Sum` and `Mean` of any number of tensors.
//!
//! `f(f(x0, x1), x2) …`; Mean divides the sum by their number. Max and Min are NaN where one of them is NaN.
//!
//! | | name      | type                                   | shape     |
//! |-|-----------|----------------------------------------|-----------|
//! | 0… | `data_0` | numbers (Sum, Mean: floats), one type | broadcast (equal before opset 8) |
//! | → |           | as the inputs                          | the common shape |
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::float::Binary;
use vairun_tensor::{DType, Tensor};

use crate::arithmetic::Arithmetic;
use crate::common::dispatch::{with_float, with_number};
use crate::common::number::Number;
use crate::common::types::{FLOATS, NUMBERS};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::float32;
use crate::elementwise::map::{ignore_consumed_inputs, map};
use crate::error::OpError;
use crate::operator::{Context, Inputs, Operator, Outputs};

macro_rules! operators {
    ($($id:ident $name:ident $summary:literal $types:ident $with:ident, $f:expr, $kernel:ident $(, then $finish:ident)?;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: 1..=LATEST,
            summary: $summary,
            types: "numbers, all of one type",
            grade: Grade::Exact("onnxruntime 1.32"),
            build: |spec, attrs| {
                spec.expect_inputs(1..=usize::MAX)?;
                ignore_consumed_inputs(spec, attrs);
                Ok(Box::new($name { broadcasts: spec.op.opset >= 8 }))
            },
        };

        struct $name {
            broadcasts: bool,
        }

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                let count = inputs.len();
                let first = inputs.take(0, "data_0")?;
                let total = $with!(first.dtype(), "data_0", T => {
                    let mut total = first;
                    for index in 1..count {
                        let next = inputs.take(index, "data_0")?;
                        self.check(&total, &next, index)?;
                        total = float32::combine::<T>(Some(Binary::$kernel), total, next, $f)?;
                    }
                    $(let total = $finish(total, count)?;)?
                    Ok::<_, OpError>(total)
                })?;
                one(total.without_dequantized())
            }

            fn output_dtypes(
                &self,
                inputs: &[Option<DType>],
            ) -> Result<Vec<Option<DType>>, OpError> {
                Ok(vec![$types.check_same(inputs, 0)?])
            }

            fn arithmetic(&self, parameters: &Inputs) -> Option<Arithmetic> {
                let alone = [$(stringify!($finish),)? ""][0].is_empty() && parameters.len() == 2;
                alone.then_some(Arithmetic::Binary(Binary::$kernel))
            }
        }

        impl $name {
            fn check(&self, total: &Tensor, next: &Tensor, index: usize) -> Result<(), OpError> {
                if self.broadcasts || total.shape() == next.shape() {
                    return Ok(());
                }
                Err(OpError::Shape {
                    input: format!("input {index}"),
                    got: next.shape().to_vec(),
                    expected: format!("{:?} as the others", total.shape()),
                })
            }
        }
    )*};
}

operators! {
    MAX Max "the largest of the tensors' elements" NUMBERS with_number, Number::larger, Larger;
    MIN Min "the smallest of the tensors' elements" NUMBERS with_number, Number::smaller, Smaller;
    SUM Sum "the sum of the tensors" FLOATS with_float, Number::add, Add;
    MEAN Mean "the mean of the tensors" FLOATS with_float, Number::add, Add, then mean;
}

fn mean(sum: Tensor, count: usize) -> Result<Tensor, OpError> {
    with_float!(sum.dtype(), "data_0", T => {
        let count = <T as Number>::from_f64(count as f64);
        map::<T>(sum, |x| x.div(count))
    })
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn three_tensors_of_three_shapes() {
        let inputs = || [count_up(&[2, 1]), floats(&[2], &[0.5, -0.5]), floats(&[], &[0.25])];
        let of = |op: &str| node(op).run(inputs());
        assert_tensor(&of("Max"), &floats(&[2, 2], &[0.5, 0.25, 1.0, 1.0]));
        assert_tensor(&of("Min"), &floats(&[2, 2], &[0.0, -0.5, 0.25, -0.5]));
        assert_tensor(&of("Sum"), &floats(&[2, 2], &[0.75, -0.25, 1.75, 0.75]));
        assert_tensor(&of("Mean"), &floats(&[2, 2], &[0.25, -0.25 / 3.0, 1.75 / 3.0, 0.25]));
    }

    #[test]
    fn one_tensor_is_its_own_sum() {
        assert_tensor(&node("Sum").run([count_up(&[2])]), &count_up(&[2]));
    }

    #[test]
    fn nan_wins() {
        for op in ["Max", "Min"] {
            let y = node(op).run([floats(&[2], &[f32::NAN, 1.0]), floats(&[2], &[1.0, f32::NAN])]);
            assert!(y.as_slice::<f32>().unwrap().iter().all(|x| x.is_nan()), "{op}");
        }
    }

    #[test]
    fn before_opset_8_shapes_are_equal() {
        let error = node("Sum").opset(6).error([count_up(&[2]), count_up(&[1])]);
        assert_eq!(error, "input 1 has shape [1], expected [2] as the others");
    }
}
