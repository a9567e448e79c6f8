//! `strided_slice`: `shape` elements from `begin` on, `strides` apart. Masks and ends were resolved by the lowering.

use vairun_tensor::Tensor;

use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::axes::strides;
use crate::common::dispatch::with_element;
use crate::common::movement::strided;
use crate::common::sizes::result_len;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `strided_slice`.
pub static DEF: OpDef = def(
    &[("xir", "strided_slice")],
    "elements at regular distances",
    Grade::Exact("ONNX's Slice"),
    build,
);

struct StridedSlice {
    begin: Vec<i64>,
    strides: Vec<i64>,
    shape: Vec<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let list = |name| {
        let values =
            attrs.ints(name)?.ok_or_else(|| BuildError::MissingAttribute(name.to_string()))?;
        Ok::<_, BuildError>(values.to_vec())
    };
    let (begin, strides, shape) = (list("begin")?, list("strides")?, list("shape")?);
    node(spec, attrs, StridedSlice { begin, strides, shape })
}

impl StridedSlice {
    /// The lengths, where every element that is asked for is in a tensor of shape `x`.
    fn lengths(&self, x: &[usize]) -> Option<Vec<usize>> {
        let fits =
            [&self.begin, &self.strides, &self.shape].iter().all(|list| list.len() == x.len());
        let length = |axis: usize| {
            let (begin, stride, length) = (self.begin[axis], self.strides[axis], self.shape[axis]);
            let inside = |at: i64| (0..x[axis] as i64).contains(&at);
            let last = begin.checked_add(stride.checked_mul(length - 1)?)?;
            (length == 0 || (length > 0 && inside(begin) && inside(last)))
                .then_some(length as usize)
        };
        if fits { (0..x.len()).map(length).collect() } else { None }
    }
}

impl Compute for StridedSlice {
    fn compute(&self, _: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let shape = self.lengths(x.shape()).ok_or_else(|| OpError::Shape {
            input: "input".into(),
            got: x.shape().to_vec(),
            expected: format!(
                "{:?} elements from {:?} on by {:?}",
                self.shape, self.begin, self.strides
            ),
        })?;
        let count = result_len(x.dtype(), &shape)?;
        let pitch = strides(x.shape());
        let start = if count == 0 {
            0
        } else {
            (0..pitch.len()).map(|d| self.begin[d] as usize * pitch[d]).sum()
        };
        let steps: Vec<isize> = pitch
            .iter()
            .zip(&self.strides)
            .map(|(&pitch, &stride)| pitch as isize * stride as isize)
            .collect();
        with_element!(x.dtype(), T => {
            let y = strided(x.as_slice::<T>()?, start, &shape, &steps, count);
            Ok(Tensor::with_dtype(x.dtype(), &shape, y)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    fn case(begin: i64, stride: i64, length: i64) -> Case {
        xir("strided_slice")
            .ints("begin", &[begin])
            .ints("strides", &[stride])
            .ints("shape", &[length])
            .codes_in(&[0])
            .codes_out(DType::I8, 0)
    }

    #[test]
    fn strides_go_both_ways() {
        let x = || [tensor(&[5], &[0i8, 1, 2, 3, 4])];
        assert_tensor(&case(1, 2, 2).run(x()), &tensor(&[2], &[1i8, 3]));
        assert_tensor(&case(4, -2, 3).run(x()), &tensor(&[3], &[4i8, 2, 0]));
        assert!(case(1, 2, 3).error(x()).contains("elements from"));
    }
}
