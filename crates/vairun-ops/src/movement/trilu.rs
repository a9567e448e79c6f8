//! `Trilu`: the upper or lower triangle of matrices, zeros elsewhere.
//!
//! | | name     | type  | shape |
//! |-|----------|-------|-------|
//! | 0 | `input`  | any | `[.., n, m]` |
//! | 1 | `k`      | int64 | one element, optional: 0. The diagonal that the triangle ends at; positive ones lie above |
//! | → | `output` | as `input` | as `input` |
//!
//! Attributes: `upper` (int, 1).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Trilu.html>.

use crate::common::dispatch::with_element;
use crate::common::parameters::{integers, one_element};
use crate::common::prelude::*;
use crate::common::types::INDICES;

/// `Trilu`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Trilu")],
    opsets: 14..=LATEST,
    summary: "the upper or lower triangle of matrices",
    types: "input any; k int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Trilu {
    upper: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=2)?;
    Ok(Box::new(Trilu { upper: attrs.flag("upper")?.unwrap_or(true) }))
}

impl Operator for Trilu {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let k = match inputs.optional(1)? {
            Some(k) => match integers(k, "k")?[..] {
                [k] => k,
                _ => return Err(one_element(k, "k")),
            },
            None => 0,
        };
        let x = inputs.take(0, "input")?;
        let &[.., _, columns] = x.shape() else {
            return Err(wrong_shape("input", x.shape(), "matrices"));
        };
        one(self.triangle(x, columns, k)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "k")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

impl Trilu {
    fn triangle(&self, x: Tensor, columns: usize, k: i64) -> Result<Tensor, OpError> {
        let rows = x.shape()[x.rank() - 2];

        let mut y = x;
        with_element!(y.dtype(), T => {
            for (i, row) in y.make_mut::<T>()?.chunks_exact_mut(columns.max(1)).enumerate() {
                let row_index = (i % rows.max(1)) as i64;
                // The first column of the upper triangle; the lower one ends with it.
                let first = row_index.saturating_add(k).saturating_add(i64::from(!self.upper));
                let first = first.clamp(0, columns as i64) as usize;
                let cleared = if self.upper { 0..first } else { first..columns };
                row[cleared].fill(T::default());
            }
        });

        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn upper_and_lower() {
        let of = |upper: i64, k: i64| {
            let y = node("Trilu")
                .int("upper", upper)
                .run([floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ints(&[k])]);
            y.as_slice::<f32>().unwrap().to_vec()
        };
        assert_eq!(of(1, 0), [1.0, 2.0, 3.0, 0.0, 5.0, 6.0]);
        assert_eq!(of(1, 1), [0.0, 2.0, 3.0, 0.0, 0.0, 6.0]);
        assert_eq!(of(0, 0), [1.0, 0.0, 0.0, 4.0, 5.0, 0.0]);
        assert_eq!(of(0, -1), [0.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
        assert_eq!(of(1, i64::MIN), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(of(0, i64::MAX), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn a_vector_has_no_triangle() {
        assert_eq!(node("Trilu").error([count_up(&[2])]), "input has shape [2], expected matrices");
    }
}
