//! `Where`: elements of one tensor where a condition holds, else of another.
//!
//! | | name        | type   | shape |
//! |-|-------------|--------|-------|
//! | 0 | `condition` | bool   | broadcast |
//! | 1 | `X`         | any    | broadcast |
//! | 2 | `Y`         | as `X` | broadcast |
//! | → | `output`    | as `X` | the common shape |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Where.html>.

use vairun_tensor::{DType, Element, Tensor};

use crate::attrs::Attrs;
use crate::common::broadcast::{Runs, broadcast_shape};
use crate::common::dispatch::with_element;
use crate::common::sizes::result_len;
use crate::common::types::{ANY, BOOL, same_type};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Where`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Where")],
    opsets: 9..=LATEST,
    summary: "elements of one tensor where a condition holds, else of another",
    types: "condition bool; X, Y any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Where;

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    Ok(Box::new(Where))
}

impl Operator for Where {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let condition = inputs.tensor(0, "condition")?;
        one(select(condition, inputs.tensor(1, "X")?, inputs.tensor(2, "Y")?)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        BOOL.check(inputs, 0, "condition")?;
        Ok(vec![ANY.check_same(inputs, 1)?])
    }
}

/// Elements of `x` where `condition` holds, else of `y`; all three broadcast.
pub(crate) fn select(condition: &Tensor, x: &Tensor, y: &Tensor) -> Result<Tensor, OpError> {
    BOOL.check_tensor(condition, "condition")?;
    same_type(x, y, "Y")?;
    let shape = broadcast_shape(&[condition.shape(), x.shape(), y.shape()])?;
    let len = result_len(x.dtype(), &shape)?;
    let runs = Runs::new(&shape, [condition.shape(), x.shape(), y.shape()]);
    let condition = condition.as_slice::<bool>()?;
    with_element!(x.dtype(), T => {
        let chosen = choose::<T>(condition, x.as_slice()?, y.as_slice()?, &runs, len);
        Ok(Tensor::with_dtype(x.dtype(), &shape, chosen)?)
    })
}

fn choose<T: Element>(condition: &[bool], x: &[T], y: &[T], runs: &Runs<3>, len: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(len);
    let [c_step, x_step, y_step] = runs.step;
    runs.for_each(|[c, i, j]| {
        out.extend((0..runs.len).map(|k| {
            let chosen =
                if condition[c + k * c_step] { &x[i + k * x_step] } else { &y[j + k * y_step] };
            chosen.clone()
        }));
    });
    out
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn all_three_broadcast() {
        let y = node("Where").run([
            tensor(&[2, 1], &[true, false]),
            floats(&[2], &[1.0, 2.0]),
            Tensor::scalar(-0f32),
        ]);
        assert_tensor(&y, &floats(&[2, 2], &[1.0, 2.0, -0.0, -0.0]));
    }

    #[test]
    fn strings_can_be_chosen() {
        let text = |s: &str| Tensor::scalar(s.to_owned());
        let y = node("Where").run([Tensor::scalar(false), text("a"), text("b")]);
        assert_tensor(&y, &text("b"));
    }

    #[test]
    fn a_condition_that_is_no_bool_is_refused() {
        let error = node("Where").error([ints(&[1]), count_up(&[1]), count_up(&[1])]);
        assert_eq!(error, "condition is int64, expected bool");
    }
}
