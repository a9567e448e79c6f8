//! `RotaryEmbedding`, ONNX's and onnxruntime's: pairs of elements turned by an angle that grows with the position.
//!
//! `(a, b) → (a·cos - b·sin, a·sin + b·cos)` for the first `rotary_embedding_dim` elements of each head; a and b are
//! neighbours with `interleaved`, else the halves.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | `[b, heads, length, d]`, or `[b, length, heads·d]` |
//! | 1, 2 | `cos_cache`, `sin_cache` | as `X` | `[positions, r/2]`, or without `position_ids` `[b, length, r/2]` |
//! | 3 | `position_ids` | int64 | `[b, length]`, optional. com.microsoft: input 1, `[1]` too: the first position |
//! | → | `Y` | as `X` | as `X` |
//!
//! Attributes: `interleaved` (int, 0), `num_heads` (int; required for rank 3, but com.microsoft's may take it from the
//! caches), `rotary_embedding_dim` (int, 0: all).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html>, onnxruntime 1.32
//! `contrib_ops/cpu/bert/rotary_embedding.cc`.

use super::attention::{flat, split_heads};
use super::floats::{narrowed, widened};
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::types::FLOATS;

/// `RotaryEmbedding`.
pub static DEF: OpDef = OpDef {
    names: &[("", "RotaryEmbedding")],
    opsets: 23..=LATEST,
    summary: "pairs of elements turned by their position",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "computed in float32, rounded once"),
    build: |spec, attrs| build(false, spec, attrs),
};

/// com.microsoft's `RotaryEmbedding`.
pub static MICROSOFT: OpDef = OpDef {
    names: &[("com.microsoft", "RotaryEmbedding")],
    opsets: 1..=i64::MAX,
    summary: "pairs of elements turned by their position",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "computed in float32, rounded once"),
    build: |spec, attrs| build(true, spec, attrs),
};

struct RotaryEmbedding {
    microsoft: bool,
    interleaved: bool,
    heads: usize,
    dim: usize,
}

fn build(microsoft: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=4)?;
    let size = |name: &'static str| {
        let n = attrs.int(name)?.unwrap_or(0);
        usize::try_from(n).map_err(|_| Attrs::value(name, n, "0 or more"))
    };
    if microsoft {
        for name in ["scale", "is_packed_batching"] {
            let plain = match attrs.get(name) {
                None | Some(vairun_graph::Attribute::Int(0)) => true,
                Some(vairun_graph::Attribute::Float(scale)) => *scale == 1.0,
                _ => false,
            };
            if !plain {
                return Err(BuildError::Unsupported(format!("`{name}` other than its default")));
            }
        }
    }
    Ok(Box::new(RotaryEmbedding {
        microsoft,
        interleaved: attrs.flag("interleaved")?.unwrap_or(false),
        heads: size("num_heads")?,
        dim: size("rotary_embedding_dim")?,
    }))
}

impl Operator for RotaryEmbedding {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let given = inputs.tensor(0, "X")?;
        let caches = if self.microsoft { [2, 3] } else { [1, 2] };
        let cos = inputs.tensor(caches[0], "cos_cache")?;
        let sin = inputs.tensor(caches[1], "sin_cache")?;
        let x = self.by_head(given, cos)?;
        let &[b, _, length, dim] = x.shape() else {
            return Err(wrong_shape("X", x.shape(), "rank 4"));
        };
        let turned = if self.dim == 0 { dim } else { self.dim };
        if turned > dim || cos.shape().last() != Some(&(turned / 2)) {
            return Err(wrong_shape("cos_cache", cos.shape(), format!("[.., {}]", turned / 2)));
        }
        let ids = if self.microsoft { inputs.optional(1)? } else { inputs.optional(3)? };
        let rows = cos.len().checked_div(turned / 2).unwrap_or(0);
        let positions = positions(ids, b, length, rows)?;
        let mut y = widened(&x, "X")?;
        let heads = x.shape()[1];
        turn(&mut y, [heads, length, dim], &positions, [cos, sin], self.interleaved)?;
        let y = narrowed(y, x.shape(), x.dtype())?;
        one(if given.rank() == 3 { flat(&y)? } else { y })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

impl RotaryEmbedding {
    fn by_head(&self, x: &Tensor, cos: &Tensor) -> Result<Tensor, OpError> {
        let &[b, length, hidden] = x.shape() else { return Ok(x.clone()) };
        let from_cache = || hidden.checked_div(2 * cos.shape().last().copied().unwrap_or(0));
        let heads = match self.heads {
            0 if self.microsoft => from_cache().unwrap_or(0),
            heads => heads,
        };
        if heads == 0 || !hidden.is_multiple_of(heads) {
            return Err(wrong_shape("X", x.shape(), format!("a multiple of {heads} heads")));
        }
        split_heads(x, [b, length, heads, hidden / heads])
    }
}

/// Turns the first elements of each row of `[batch, heads, length, dim]`; `positions` has one for each batch and length, the
/// caches a row for each position.
pub(super) fn turn(
    x: &mut [f32],
    [heads, length, dim]: [usize; 3],
    positions: &[usize],
    [cos, sin]: [&Tensor; 2],
    interleaved: bool,
) -> Result<(), OpError> {
    let half = cos.shape().last().copied().unwrap_or(0);
    if cos.shape() != sin.shape() || 2 * half > dim {
        let expected = format!("{:?} as cos_cache, at most {} last", cos.shape(), dim / 2);
        return Err(wrong_shape("sin_cache", sin.shape(), expected));
    }
    let (cos, sin) = (widened(cos, "cos_cache")?, widened(sin, "sin_cache")?);
    let rows = cos.len().checked_div(half).unwrap_or(usize::MAX);
    if let Some(outside) = positions.iter().find(|&&at| at >= rows) {
        return Err(wrong_value("position_ids", outside, format!("a position of {rows}")));
    }
    for (i, row) in x.chunks_exact_mut(dim.max(1)).enumerate() {
        let at = positions[i / (heads * length) * length + i % length] * half;
        let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
        for k in 0..half {
            let (i, j) = if interleaved { (2 * k, 2 * k + 1) } else { (k, k + half) };
            let (a, b) = (row[i], row[j]);
            row[i] = a * cos[k] - b * sin[k];
            row[j] = a * sin[k] + b * cos[k];
        }
    }
    Ok(())
}

/// The row of the caches for each place of each batch.
fn positions(
    ids: Option<&Tensor>,
    b: usize,
    length: usize,
    rows: usize,
) -> Result<Vec<usize>, OpError> {
    let count = b * length;
    let ids: Vec<i64> = match ids {
        None => (0..count as i64).collect(),
        Some(ids) if ids.len() == 1 && count != 1 => {
            let first = integers(ids, "position_ids")?[0];
            (0..count).map(|i| first.saturating_add((i % length) as i64)).collect()
        }
        Some(ids) => integers(ids, "position_ids")?,
    };
    let inside = |&id: &i64| usize::try_from(id).ok().filter(|&id| id < rows);
    let found: Option<Vec<usize>> = ids.iter().map(inside).collect();
    found.filter(|found| found.len() == count).ok_or_else(|| {
        let expected = format!("{count} positions of {rows} in the caches");
        wrong_value("position_ids", format!("{} numbers", ids.len()), expected)
    })
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn turn(case: Case) -> Tensor {
        let quarter = [floats(&[1, 1], &[0.0]), floats(&[1, 1], &[1.0])];
        let [cos, sin] = quarter;
        case.run([floats(&[1, 1, 1, 2], &[1.0, 2.0]), cos, sin, tensor(&[1, 1], &[0i64])])
    }

    #[test]
    fn a_quarter_turn() {
        assert_tensor(&turn(node("RotaryEmbedding")), &floats(&[1, 1, 1, 2], &[-2.0, 1.0]));
    }

    #[test]
    fn positions_lie_in_the_caches() {
        let one = || floats(&[1, 1], &[1.0]);
        let x = floats(&[1, 1, 1, 2], &[1.0, 2.0]);
        let error = node("RotaryEmbedding").error([x, one(), one(), tensor(&[1, 1], &[1i64])]);
        assert!(error.contains("1 positions of 1 in the caches"), "{error}");
    }
}
