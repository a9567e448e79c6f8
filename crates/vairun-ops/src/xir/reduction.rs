//! `reduction_max`, `reduction_sum`, `reduction_mean` over the dimensions `axis`; means are exact on their grid.

use vairun_tensor::{DType, Tensor};

use super::codes::{as_i64, with_code};
use super::grids::{Grids, multiplier};
use super::matmul::narrowed;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::axes::axes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::movement::transpose::transpose;
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `reduction_max`, `reduction_sum`, `reduction_mean`.
pub static DEF: OpDef = def(
    &[("xir", "reduction_mean"), ("xir", "reduction_max"), ("xir", "reduction_sum")],
    "sums, means and maxima over dimensions",
    Grade::Exact("ONNX's reductions, on quantized networks of this project"),
    build,
);

struct Reduction {
    kind: Kind,
    axis: Vec<i64>,
    keep_dims: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Max,
    Sum,
    Mean,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let axis = attrs.ints("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
    let kind = match spec.op.op_type.as_str() {
        "reduction_max" => Kind::Max,
        "reduction_sum" => Kind::Sum,
        _ => Kind::Mean,
    };
    let keep_dims = attrs.flag("keep_dims")?.unwrap_or(false);
    node(spec, attrs, Reduction { kind, axis: axis.to_vec(), keep_dims })
}

impl Compute for Reduction {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let reduced = axes(&self.axis, x.rank())?;
        let kept = (0..x.rank()).filter(|axis| !reduced.contains(axis));
        let perm: Vec<usize> = kept.clone().chain(reduced.iter().copied()).collect();
        let count: usize = reduced.iter().map(|&axis| x.shape()[axis]).product();
        if count == 0 {
            return Err(OpError::Shape {
                input: "input".into(),
                got: x.shape().to_vec(),
                expected: "elements to reduce".into(),
            });
        }
        let shape = self.shape(x.shape(), &reduced);
        let rows = transpose(x, &perm)?;
        if self.kind == Kind::Max {
            return largest(&rows, count, &shape);
        }
        let factor = match self.kind {
            Kind::Mean => mean_factor(grids, count)?,
            _ => grids.multiplier(0)?,
        };
        let rows = as_i64(&rows, 1)?;
        let sums = rows.chunks_exact(count).map(|row| row.iter().sum::<i64>() * factor).collect();
        narrowed(grids, &shape, sums)
    }
}

impl Reduction {
    /// A tensor without dimensions is stored with one of 1.
    fn shape(&self, x: &[usize], reduced: &[usize]) -> Vec<usize> {
        let left = |axis: usize| match (reduced.contains(&axis), self.keep_dims) {
            (false, _) => Some(x[axis]),
            (true, keep) => keep.then_some(1),
        };
        let shape: Vec<usize> = (0..x.len()).filter_map(left).collect();
        if shape.is_empty() { vec![1] } else { shape }
    }
}

fn mean_factor(grids: &Grids, count: usize) -> Result<i64, OpError> {
    let mean = i64::try_from(count).ok().and_then(|count| grids.input(0).divided(count));
    multiplier(mean.unwrap_or(grids.input(0)), grids.output()?)
}

fn largest(rows: &Tensor, count: usize, shape: &[usize]) -> Result<Tensor, OpError> {
    if rows.dtype() == DType::F32 {
        let larger = |a: f32, &b: &f32| if a.is_nan() || a > b { a } else { b };
        let row = |row: &[f32]| row.iter().fold(f32::NEG_INFINITY, larger);
        let y = rows.as_slice::<f32>()?.chunks_exact(count).map(row).collect();
        return Ok(Tensor::new(shape, y)?);
    }
    with_code!(rows.dtype(), T => {
        let row = |row: &[T]| row.iter().copied().max().expect("rows have elements");
        let y = rows.as_slice::<T>()?.chunks_exact(count).map(row).collect();
        Ok(Tensor::with_dtype(rows.dtype(), shape, y)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xir::testing::*;

    #[test]
    fn dimensions_are_reduced_in_exact_integers() {
        let x = || [tensor(&[1, 3, 2], &[1i8, 2, 3, 4, 6, -5])];
        let case = |op, dtype| xir(op).ints("axis", &[1]).codes_in(&[0]).codes_out(dtype, 0);
        assert_tensor(&case("reduction_max", DType::I8).run(x()), &tensor(&[1, 2], &[6i8, 4]));
        let sum = case("reduction_sum", DType::I32).int("keep_dims", 1);
        assert_tensor(&sum.run(x()), &tensor(&[1, 1, 2], &[10i32, 1]));
        let mean = case("reduction_mean", DType::I32).int("output_divisor", 3);
        assert_tensor(&mean.run(x()), &tensor(&[1, 2], &[10i32, 1]));
    }

    #[test]
    fn all_dimensions_leave_one() {
        let case =
            xir("reduction_sum").ints("axis", &[0, 1]).codes_in(&[0]).codes_out(DType::I32, 0);
        assert_tensor(&case.run([tensor(&[2, 1], &[3i8, 4])]), &tensor(&[1], &[7i32]));
    }
}
