//! `Tile`: a tensor repeated along each axis.
//!
//! | | name      | type    | shape |
//! |-|-----------|---------|-------|
//! | 0 | `input`   | any   | any   |
//! | 1 | `repeats` | int64 | `[rank]`, each 0 or more |
//! | → | `output`  | as `input` | `dims · repeats` |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Tile.html>.

use crate::common::axes::strides;
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry, strided};
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::INDICES;

/// `Tile`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Tile")],
    opsets: 6..=LATEST,
    summary: "a tensor repeated along each axis",
    types: "input any; repeats int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Tile;

fn build(spec: &NodeSpec, _: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(Tile))
}

impl Operator for Tile {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let repeats = integers(inputs.tensor(1, "repeats")?, "repeats")?;
        let repeats = repeats.iter().map(|&n| dim(n, "repeats")).collect::<Result<Vec<_>, _>>()?;
        if repeats.len() != x.rank() {
            return Err(wrong_shape("repeats", &[repeats.len()], format!("[{}]", x.rank())));
        }
        one(tile(x, &repeats)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "repeats")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

fn tile(x: &Tensor, repeats: &[usize]) -> Result<Tensor, OpError> {
    let dims = || x.shape().iter().zip(repeats);
    let shape: Vec<_> = dims().map(|(&dim, &n)| dim.saturating_mul(n)).collect();
    let len = result_len(x.dtype(), &shape)?;
    let view: Vec<_> = dims().flat_map(|(&dim, &n)| [n, dim]).collect();
    let steps: Vec<_> =
        strides(x.shape()).into_iter().flat_map(|step| [0, step as isize]).collect();
    let y = with_element!(x.dtype(), T => {
        let repeated = match len {
            0 => Vec::new(),
            _ => strided(x.as_slice::<T>()?, 0, &view, &steps, len),
        };
        Tensor::with_dtype(x.dtype(), &shape, repeated)?
    });
    let axis_after = |axis| if repeats[axis] == 1 { AxisAfter::At(axis) } else { AxisAfter::Lost };
    Ok(carry(x, axis_after, y))
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn each_axis_for_itself() {
        let y = node("Tile").run([count_up(&[2, 2]), ints(&[2, 2])]);
        let row = [[0.0, 1.0, 0.0, 1.0], [2.0, 3.0, 2.0, 3.0]].concat();
        assert_tensor(&y, &floats(&[4, 4], &[row.clone(), row].concat()));
        assert_eq!(node("Tile").run([count_up(&[2]), ints(&[0])]).shape(), [0]);
    }

    #[test]
    fn one_number_for_each_axis() {
        let error = node("Tile").error([count_up(&[2, 2]), ints(&[2])]);
        assert_eq!(error, "repeats has shape [1], expected [2]");
        assert!(node("Tile").error([count_up(&[2]), ints(&[i64::MAX])]).contains("memory"));
    }
}
