//! `Reshape`: the same elements under another shape.
//!
//! In `shape`, 0 copies the dimension of the input at that place (with `allowzero` it is a dimension of 0), and one -1
//! stands for what is left.
//!
//! | | name       | type      | shape   |
//! |-|------------|-----------|---------|
//! | 0 | `data`     | any       | any     |
//! | 1 | `shape`    | int64     | `[n]`   |
//! | → | `reshaped` | as `data` | `shape` |
//!
//! Attributes: `allowzero` (int, 0; opset 14). In opset 1 `shape` is an attribute.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Reshape.html>.

use vairun_tensor::DType;

use crate::attrs::Attrs;
use crate::common::parameters::Ints;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Reshape`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Reshape")],
    opsets: 1..=LATEST,
    summary: "the same elements under another shape",
    types: "any; shape int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Reshape {
    shape: Ints,
    allow_zero: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    if spec.op.opset < 5 {
        spec.expect_inputs(1..=1)?;
        attrs.get("consumed_inputs");
        let shape = Ints::Attribute(attrs.ints("shape")?.map(<[i64]>::to_vec));
        return Ok(Box::new(Reshape { shape, allow_zero: false }));
    }
    spec.expect_inputs(2..=2)?;
    let allow_zero = spec.op.opset >= 14 && attrs.flag("allowzero")?.unwrap_or(false);
    Ok(Box::new(Reshape { shape: Ints::Input(1), allow_zero }))
}

impl Operator for Reshape {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let wanted = self.shape.read(&inputs, "shape")?.ok_or(OpError::Missing("shape"))?;
        let data = inputs.take(0, "data")?;
        let shape = resolve(data.shape(), data.len(), &wanted, self.allow_zero)?;
        one(data.reshaped(&shape)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// The shape that `wanted` stands for.
fn resolve(
    from: &[usize],
    len: usize,
    wanted: &[i64],
    allow_zero: bool,
) -> Result<Vec<usize>, OpError> {
    let wrong = |expected: String| OpError::Value {
        input: "shape".into(),
        got: format!("{wanted:?}"),
        expected,
    };
    let mut left_open = None;
    let mut shape = Vec::with_capacity(wanted.len());
    for (i, &dim) in wanted.iter().enumerate() {
        shape.push(match dim {
            0 if !allow_zero => *from.get(i).ok_or_else(|| {
                wrong(format!("a 0 only where the input, {from:?}, has a dimension"))
            })?,
            -1 if left_open.replace(i).is_some() => return Err(wrong("at most one -1".into())),
            -1 => 1,
            dim => usize::try_from(dim).map_err(|_| wrong("-1 or more in each place".into()))?,
        });
    }
    let given = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
    let given = given.ok_or_else(|| wrong(format!("{len} elements")))?;
    if let Some(place) = left_open {
        if given == 0 || !len.is_multiple_of(given) {
            return Err(wrong(format!("a shape that {len} elements fill")));
        }
        shape[place] = len / given;
    } else if given != len {
        return Err(wrong(format!("a shape of {len} elements, the input is {from:?}")));
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    fn shape(from: &[usize], wanted: &[i64]) -> Vec<usize> {
        node("Reshape").run([count_up(from), ints(wanted)]).shape().to_vec()
    }

    #[test]
    fn zero_copies_and_minus_one_is_the_rest() {
        assert_eq!(shape(&[2, 3, 4], &[0, -1]), [2, 12]);
        assert_eq!(shape(&[2, 3, 4], &[4, 0, -1]), [4, 3, 2]);
        assert_eq!(shape(&[1], &[]), [0usize; 0]);
    }

    #[test]
    fn with_allowzero_a_zero_is_a_zero() {
        let y = node("Reshape").int("allowzero", 1).run([count_up(&[0, 3]), ints(&[3, 0])]);
        assert_eq!(y.shape(), [3, 0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = |wanted: &[i64]| node("Reshape").error([count_up(&[2, 3]), ints(wanted)]);
        assert_eq!(
            error(&[4]),
            "shape is [4], expected a shape of 6 elements, the input is [2, 3]"
        );
        assert_eq!(error(&[-1, -1]), "shape is [-1, -1], expected at most one -1");
        assert_eq!(error(&[-1, 4]), "shape is [-1, 4], expected a shape that 6 elements fill");
        assert!(error(&[2, 3, 0]).ends_with("a 0 only where the input, [2, 3], has a dimension"));
        assert!(error(&[-2]).contains("-1 or more"));
        assert!(error(&[i64::MAX, i64::MAX]).contains("6 elements"));
    }

    #[test]
    fn opset_1_has_the_shape_as_an_attribute() {
        let y = node("Reshape").opset(1).ints("shape", &[-1]).run([count_up(&[2, 3])]);
        assert_eq!(y.shape(), [6]);
    }

    #[test]
    fn a_minus_one_beside_a_zero_dimension_cannot_be_known() {
        assert!(resolve(&[0, 3], 0, &[0, -1], false).is_err());
    }
}
