//! `add`, `sub`, `min`, `max`: from left to right, on one grid, with broadcasting.

use vairun_numeric::fixed::{Source, fold};
use vairun_tensor::Tensor;

use super::codes::{broadcast, codes, reals, source, with_code};
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `add`, `sub`, `min`, `max`.
pub static DEF: OpDef = def(
    &[("xir", "add"), ("xir", "sub"), ("xir", "min"), ("xir", "max")],
    "sums and choices of elements",
    EXECUTOR,
    build,
);

#[derive(Clone, Copy)]
enum Aligned {
    Add,
    Sub,
    Min,
    Max,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    let function = match spec.op.op_type.as_str() {
        "add" => Aligned::Add,
        "sub" => Aligned::Sub,
        "min" => Aligned::Min,
        _ => Aligned::Max,
    };
    node(spec, attrs, function)
}

impl Aligned {
    fn integers(self, a: i64, b: i64) -> i64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }

    fn reals(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

impl Compute for Aligned {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (shape, tensors) = broadcast(inputs)?;
        if grids.is_real() {
            return fold_reals(grids, &shape, &tensors, |a, b| self.reals(a, b));
        }
        let sources =
            tensors.iter().enumerate().map(|(i, tensor)| source(tensor, grids.multiplier(i)?));
        let sources: Vec<_> = sources.collect::<Result<_, OpError>>()?;
        let sources: Vec<&dyn Source> = sources.iter().map(AsRef::as_ref).collect();
        let combine = |all: &mut [i64], next: &[i64]| {
            all.iter_mut().zip(next).for_each(|(a, &b)| *a = self.integers(*a, b));
        };
        with_code!(grids.dtype(), S => {
            codes::<S>(grids.dtype(), &shape, fold(shape.iter().product(), &sources, combine, |_| ()))
        })
    }
}

/// `f(f(a, b), c) …` of the numbers of tensors of one shape.
pub(super) fn fold_reals(
    grids: &Grids,
    shape: &[usize],
    tensors: &[Tensor],
    f: impl Fn(f32, f32) -> f32,
) -> Result<Tensor, OpError> {
    let numbers = |i: usize| reals(&tensors[i], grids.input(i));
    let mut all = numbers(0)?.into_vec::<f32>()?;
    for i in 1..tensors.len() {
        let next = numbers(i)?;
        all.iter_mut().zip(next.as_slice::<f32>()?).for_each(|(a, &b)| *a = f(*a, b));
    }
    Ok(Tensor::new(shape, all)?)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn summands_come_to_one_grid_and_broadcast() {
        let case = |op| xir(op).codes_in(&[1, 2]).codes_out(DType::I32, 2);
        let inputs = || [tensor(&[2, 2], &[1i8, 2, 3, -4]), tensor(&[2], &[10i8, -10])];
        for (op, want) in [
            ("add", [12, -6, 16, -18]),
            ("sub", [-8, 14, -4, 2]),
            ("min", [2, -10, 6, -10]),
            ("max", [10, 4, 10, -8]),
        ] {
            assert_tensor(&case(op).run(inputs()), &tensor(&[2, 2], &want.map(i32::from)));
        }
    }

    #[test]
    fn real_numbers_are_added_in_float32() {
        let y = xir("add").codes_in(&[3, 0]).run([tensor(&[1], &[4i8]), floats(&[1], &[0.1])]);
        assert_tensor(&y, &floats(&[1], &[0.6]));
    }
}
