//! `Shape`: the dimensions of a tensor.
//!
//! `shape = dims[start..end]`, both ends clamped to the rank; negative ones count from the end.
//!
//! | | name    | type  | shape |
//! |-|---------|-------|-------|
//! | 0 | `data`  | any   | any   |
//! | → | `shape` | int64 | `[n]` |
//!
//! Attributes (opset 15): `start` (int, 0), `end` (int, the rank).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Shape.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Shape`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Shape")],
    opsets: 1..=LATEST,
    summary: "the dimensions of a tensor",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Shape {
    start: i64,
    end: Option<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let slices = spec.op.opset >= 15;
    let start = if slices { attrs.int("start")? } else { None };
    let end = if slices { attrs.int("end")? } else { None };
    Ok(Box::new(Shape { start: start.unwrap_or(0), end }))
}

impl Operator for Shape {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let shape = inputs.tensor(0, "data")?.shape();
        let start = clamp(self.start, shape.len());
        let end = self.end.map_or(shape.len(), |end| clamp(end, shape.len()));
        let dims = shape.get(start..end).unwrap_or_default();
        one(Tensor::vector(dims.iter().map(|&dim| dim as i64).collect()))
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(DType::I64)])
    }
}

fn clamp(place: i64, rank: usize) -> usize {
    let rank = rank as i64;
    let place = if place < 0 { place.saturating_add(rank) } else { place };
    place.clamp(0, rank) as usize
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_whole_shape_by_default() {
        assert_tensor(&node("Shape").run([count_up(&[2, 3, 4])]), &ints(&[2, 3, 4]));
        assert_tensor(&node("Shape").run([count_up(&[])]), &ints(&[]));
    }

    #[test]
    fn both_ends_are_clamped() {
        let part = |start, end| {
            node("Shape").int("start", start).int("end", end).run([count_up(&[2, 3, 4])])
        };
        assert_tensor(&part(1, 2), &ints(&[3]));
        assert_tensor(&part(-1, 9), &ints(&[4]));
        assert_tensor(&part(-9, -1), &ints(&[2, 3]));
        assert_tensor(&part(2, 1), &ints(&[]));
    }

    #[test]
    fn older_opsets_have_no_ends() {
        let old = node("Shape").opset(13).int("start", 1);
        assert!(old.build(&[Some(count_up(&[2]).into())]).is_err());
    }
}
