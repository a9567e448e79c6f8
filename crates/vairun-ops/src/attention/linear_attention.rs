//! `LinearAttention`: attention through a state that is updated step by step.
//!
//! `S ← S · e^decay + k ⊗ v`, `y = scale · q · S`; with a delta rule `v` is first `beta · (v - k · S)`.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `query` | float16, bfloat16, float32 | `[b, t, q_num_heads·d]` |
//! | 1, 2 | `key`, `value` | as `query` | `[b, t, kv_num_heads·d]`, `[b, t, kv_num_heads·e]` |
//! | 3 | `past_state` | a float type | `[b, kv_num_heads, d, e]`, optional: 0 |
//! | 4 | `decay` | a float type | `[b, t, kv_num_heads]` or `[b, t, kv_num_heads·d]`; for `gated` rules |
//! | 5 | `beta` | a float type | `[b, t, kv_num_heads]` or `[b, t, 1]`; for `delta` rules |
//! | → 0 | `output` | as `query` | `[b, t, q_num_heads·e]` |
//! | → 1 | `present_state` | as `past_state` | as `past_state` |
//!
//! Attributes: `q_num_heads`, `kv_num_heads` (int, required), `update_rule` (`linear`, `gated`, `delta`, `gated_delta`;
//! `gated_delta`), `scale` (float, 1/√d), `chunk_size` (int, ignored: it changes no result). Computed in float32.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__LinearAttention.html>, `onnx/reference/ops/op_linear_attention.py`.

use super::floats::{narrowed, widened};
use crate::common::prelude::*;
use crate::common::types::FLOATS;

/// `LinearAttention`.
pub static DEF: OpDef = OpDef {
    names: &[("", "LinearAttention")],
    opsets: 27..=LATEST,
    summary: "attention through a state that is updated step by step",
    types: "float16, bfloat16, float32",
    grade: Grade::Within(4, "sums in another order than the reference's"),
    build,
};

struct LinearAttention {
    heads: usize,
    kv_heads: usize,
    scale: Option<f32>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=6)?;
    let heads = |name: &'static str| {
        let n = attrs.int(name)?.ok_or_else(|| BuildError::MissingAttribute(name.into()))?;
        let positive = usize::try_from(n).ok().filter(|&n| n > 0);
        positive.ok_or_else(|| Attrs::value(name, n, "1 or more"))
    };
    let (gated, delta) = match attrs.string("update_rule")?.as_deref() {
        None | Some("gated_delta") => (true, true),
        Some("gated") => (true, false),
        Some("delta") => (false, true),
        Some("linear") => (false, false),
        Some(other) => {
            return Err(Attrs::value("update_rule", other, "linear, gated, delta or gated_delta"));
        }
    };
    for (input, needed, name) in [(4, gated, "decay"), (5, delta, "beta")] {
        if spec.has_input(input) != needed {
            let verb = if needed { "needs" } else { "has no" };
            return Err(BuildError::Malformed(format!("this update_rule {verb} `{name}`")));
        }
    }
    attrs.int("chunk_size")?;
    let (q, kv) = (heads("q_num_heads")?, heads("kv_num_heads")?);
    if !q.is_multiple_of(kv) {
        return Err(Attrs::value("q_num_heads", q, &format!("a multiple of {kv}")));
    }
    let scale = attrs.float("scale")?.filter(|&scale| scale != 0.0);
    Ok(Box::new(LinearAttention { heads: q, kv_heads: kv, scale }))
}

impl Operator for LinearAttention {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (q, k, v) =
            (inputs.tensor(0, "query")?, inputs.tensor(1, "key")?, inputs.tensor(2, "value")?);
        let &[batch, time, _] = q.shape() else {
            return Err(wrong_shape("query", q.shape(), "rank 3"));
        };
        let dim = self.dim(q, "query", self.heads, [batch, time])?;
        let key_dim = self.dim(k, "key", self.kv_heads, [batch, time])?;
        let v_dim = self.dim(v, "value", self.kv_heads, [batch, time])?;
        if key_dim != dim {
            return Err(wrong_shape("key", k.shape(), format!("{dim} a head as query")));
        }
        let state_shape = [batch, self.kv_heads, dim, v_dim];
        let past = inputs.optional(3)?;
        let mut state = match past {
            Some(past) if past.shape() == state_shape => widened(past, "past_state")?,
            Some(past) => {
                return Err(wrong_shape("past_state", past.shape(), format!("{state_shape:?}")));
            }
            None => vec![0.0; state_shape.iter().product()],
        };
        let gate = |index: usize, name: &'static str, wide: usize| {
            let Some(x) = inputs.optional(index)? else { return Ok::<_, OpError>(None) };
            let per_head = match *x.shape() {
                [b, t, n] if [b, t] == [batch, time] && n == self.kv_heads => Some((1, 1)),
                [b, t, n] if [b, t] == [batch, time] && n == self.kv_heads * wide => {
                    Some((wide, 1))
                }
                [b, t, 1] if [b, t] == [batch, time] && wide == 1 => Some((1, 0)),
                _ => None,
            };
            let per_head = per_head.ok_or_else(|| {
                wrong_shape(name, x.shape(), format!("[{batch}, {time}, {}]", self.kv_heads))
            })?;
            Ok(Some((widened(x, name)?, per_head)))
        };
        let (decay, beta) = (gate(4, "decay", dim)?, gate(5, "beta", 1)?);
        let (qs, ks, vs) = (widened(q, "query")?, widened(k, "key")?, widened(v, "value")?);
        let scale = self.scale.unwrap_or(1.0 / (dim as f32).sqrt());
        let group = self.heads / self.kv_heads;
        let mut y = vec![0f32; batch * time * self.heads * v_dim];
        let mut written = vec![0f32; v_dim];
        for row in 0..batch * time {
            for head in 0..self.kv_heads {
                let block = dim * v_dim;
                let state = &mut state[(row / time * self.kv_heads + head) * block..][..block];
                let key = &ks[(row * self.kv_heads + head) * dim..][..dim];
                written.copy_from_slice(&vs[(row * self.kv_heads + head) * v_dim..][..v_dim]);
                if let Some((decay, (width, _))) = &decay {
                    for (d, line) in state.chunks_exact_mut(v_dim.max(1)).enumerate() {
                        let g = decay[(row * self.kv_heads + head) * width + d % width];
                        line.iter_mut().for_each(|x| *x *= g.exp());
                    }
                }
                if let Some((beta, (_, per_head))) = &beta {
                    let width = if *per_head == 0 { 1 } else { self.kv_heads };
                    let beta = beta[row * width + head * per_head];
                    let known = read(key, state, v_dim);
                    written.iter_mut().zip(known).for_each(|(v, known)| *v = beta * (*v - known));
                }
                for (&k, line) in key.iter().zip(state.chunks_exact_mut(v_dim.max(1))) {
                    line.iter_mut().zip(&written).for_each(|(x, &v)| *x += k * v);
                }
                for q_head in head * group..(head + 1) * group {
                    let at = row * self.heads + q_head;
                    let seen = read(&qs[at * dim..][..dim], state, v_dim);
                    let into = &mut y[at * v_dim..][..v_dim];
                    into.iter_mut().zip(seen).for_each(|(y, seen)| *y = scale * seen);
                }
            }
        }
        let y = narrowed(y, &[batch, time, self.heads * v_dim], q.dtype())?;
        let state_type = past.map_or(q.dtype(), Tensor::dtype);
        Ok(vec![y.into(), narrowed(state, &state_shape, state_type)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let q = FLOATS.check(inputs, 0, "query")?;
        Ok(vec![q, FLOATS.check(inputs, 3, "past_state")?])
    }
}

impl LinearAttention {
    fn dim(
        &self,
        x: &Tensor,
        name: &str,
        heads: usize,
        rows: [usize; 2],
    ) -> Result<usize, OpError> {
        match *x.shape() {
            [b, t, hidden] if [b, t] == rows && hidden.is_multiple_of(heads) => Ok(hidden / heads),
            _ => {
                let expected = format!("[{}, {}, a multiple of {heads}]", rows[0], rows[1]);
                Err(wrong_shape(name, x.shape(), expected))
            }
        }
    }
}

/// `Σ x[d] · state[d]`.
fn read(x: &[f32], state: &[f32], v_dim: usize) -> Vec<f32> {
    let mut y = vec![0f32; v_dim];
    for (&x, line) in x.iter().zip(state.chunks_exact(v_dim.max(1))) {
        y.iter_mut().zip(line).for_each(|(y, &s)| *y += x * s);
    }
    y
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_state_adds_up() {
        let x = || floats(&[1, 2, 1], &[1.0, 2.0]);
        let y = node("LinearAttention")
            .int("q_num_heads", 1)
            .int("kv_num_heads", 1)
            .text("update_rule", "linear")
            .outputs(2)
            .try_run_values(vec![Some(x().into()), Some(x().into()), Some(x().into())])
            .unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[1, 2, 1], &[1.0, 10.0]));
        assert_tensor(y[1].as_tensor().unwrap(), &floats(&[1, 1, 1, 1], &[5.0]));
    }

    #[test]
    fn a_rule_has_its_inputs() {
        let x = || Some(count_up(&[1, 1, 1]).into());
        let case = node("LinearAttention").int("q_num_heads", 1).int("kv_num_heads", 1);
        let error = case.build(&[x(), x(), x()]).err().unwrap().to_string();
        assert_eq!(error, "this update_rule needs `decay`");
    }
}
