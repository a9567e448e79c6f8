//! `com.microsoft::QLinearReduceMean`: the mean of codes along axes.
//!
//! `reduced = saturate(round_half_even(f32(mean / s)) + z)`, the mean that of the dequantized codes with an exact sum.
//!
//! | | name                                | type   | shape       |
//! |-|-------------------------------------|--------|-------------|
//! | 0 | `data`                            | i8, u8 | any         |
//! | 1, 3 | `data_scale`, `reduced_scale`  | f32    | one element |
//! | 2, 4 | `data_zero_point`, `reduced_zero_point` | as `data` | one element; may be left out |
//! | → | `reduced`                         | as `data` | 1, or nothing, at each of the axes |
//!
//! Attributes: `axes` (INTS, all axes), `keepdims` (INT, 1).
//!
//! Source: the specification, `ContribOperators.md` of onnxruntime 1.28, which has no kernel for it.

use vairun_numeric::qlinear::reduce_mean;
use vairun_tensor::{DType, Tensor};

use super::codes::{Coded, Names, affine, check, check_grid, grid, with_code};
use crate::attrs::Attrs;
use crate::common::axes::axes;
use crate::common::one;
use crate::common::sizes::result_len;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::movement::transpose::transpose;
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearReduceMean`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearReduceMean")],
    opsets: 1..=i64::MAX,
    summary: "the mean of codes along axes, from an exact sum",
    types: "data, reduced int8, uint8; scales float32",
    grade: Grade::Runs,
    build,
};

const X: Names = Names("data", "data_scale", "data_zero_point");
const Y: Names = Names("reduced", "reduced_scale", "reduced_zero_point");

struct QLinearReduceMean {
    axes: Option<Vec<i64>>,
    keep: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=5)?;
    Ok(Box::new(QLinearReduceMean {
        axes: attrs.ints("axes")?.filter(|axes| !axes.is_empty()).map(<[i64]>::to_vec),
        keep: attrs.flag("keepdims")?.unwrap_or(true),
    }))
}

impl Operator for QLinearReduceMean {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = Coded::read(&inputs, 0, X)?;
        let (dtype, rank) = (x.codes.dtype(), x.codes.rank());
        let y = affine(grid(&inputs, 3, Y, dtype)?, dtype);
        let reduced =
            self.axes.as_ref().map_or(Ok((0..rank).collect()), |list| axes(list, rank))?;
        let (kept, shape) = self.shape(x.codes.shape(), &reduced);
        let perm = [&kept[..], &reduced[..]].concat();
        let rows = result_len(dtype, &shape)?;
        let length = reduced.iter().map(|&axis| x.codes.shape()[axis]).product();
        let codes = transpose(x.codes, &perm)?;
        with_code!(dtype, "data", C => {
            let means = reduce_mean::<C>((codes.as_slice()?, x.grid), (rows, length), y);
            one(Tensor::new(&shape, means)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let x = check(inputs, 0, X)?;
        Ok(vec![check_grid(inputs, 3, Y, x)?])
    }
}

impl QLinearReduceMean {
    /// The axes that stay, and the shape of the result.
    fn shape(&self, shape: &[usize], reduced: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !reduced.contains(axis)).collect();
        let result = match self.keep {
            true => (0..shape.len())
                .map(|axis| if reduced.contains(&axis) { 1 } else { shape[axis] })
                .collect(),
            false => kept.iter().map(|&axis| shape[axis]).collect(),
        };
        (kept, result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lookup::testing::codes;
    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    #[test]
    fn any_axes_are_reduced() {
        let x = || codes(tensor(&[2, 2], &[1u8, 3, 5, 7]), 1.0, 1.0);
        let run = |case: crate::common::testing::Case| case.try_run_values(x()).unwrap().remove(0);
        let y = run(node_in(DEF.names[0]).ints("axes", &[0]));
        assert_tensor(y.as_tensor().unwrap(), &tensor(&[1, 2], &[3u8, 5]));
        let y = run(node_in(DEF.names[0]).ints("axes", &[-1]).int("keepdims", 0));
        assert_tensor(y.as_tensor().unwrap(), &tensor(&[2], &[2u8, 6]));
        let y = run(node_in(DEF.names[0]));
        assert_tensor(y.as_tensor().unwrap(), &tensor(&[1, 1], &[4u8]));
    }
}
