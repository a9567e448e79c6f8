//! `com.microsoft::MultiHeadAttention`: attention over projected queries, keys and values.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `query` | float16, float32 | `[b, q, heads·d]` |
//! | 1, 2 | `key`, `value` | as `query` | `[b, k, heads·d]`, or `[b, heads, k, d]` |
//! | 3 | `bias` | as `query` | `[3·heads·d]`, optional |
//! | 4 | `key_padding_mask` | int32 | `[b, keys]`: 0 is masked, or `[b]`: keys that count; optional |
//! | 5 | `attention_bias` | as `query` | broadcasts to `[b, heads, q, keys]`, optional |
//! | 6, 7 | `past_key`, `past_value` | as `query` | `[b, heads, past, d]`, optional |
//! | → 0 | `output` | as `query` | `[b, q, heads·d]` |
//! | → 1, 2 | `present_key`, `present_value` | as `query` | `[b, heads, keys, d]` |
//!
//! Attributes: `num_heads` (int, required), `scale` (float, 1/√d), `mask_filter_value` (float, -10000),
//! `unidirectional` (int, 0). Packed inputs (without `key`) are refused.
//!
//! Source: onnxruntime 1.32 `contrib_ops/cpu/bert/multihead_attention.cc`.

use vairun_numeric::float::Binary;
use vairun_tensor::Value;

use super::attention::{flat, joined, split_heads};
use super::core::{Problem, Scores, attend};
use super::floats::{narrowed, rounding, widened};
use super::mask::{Mask, Window};
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::stack::block;
use crate::common::types::FLOATS;
use crate::elementwise::float32;

/// `MultiHeadAttention`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "MultiHeadAttention")],
    opsets: 1..=i64::MAX,
    summary: "attention over projected queries, keys and values",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(4, "sums in another order than onnxruntime's"),
    build,
};

struct MultiHeadAttention {
    heads: usize,
    scale: Option<f32>,
    filter: f32,
    causal: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=8)?;
    if !spec.has_input(1) || !spec.has_input(2) {
        return Err(BuildError::Unsupported("packed query, key and value in one input".into()));
    }
    let heads = attrs.int("num_heads")?;
    let heads = heads.ok_or_else(|| BuildError::MissingAttribute("num_heads".into()))?;
    let heads = usize::try_from(heads)
        .ok()
        .filter(|&heads| heads > 0)
        .ok_or_else(|| Attrs::value("num_heads", heads, "1 or more"))?;
    Ok(Box::new(MultiHeadAttention {
        heads,
        scale: attrs.float("scale")?.filter(|&scale| scale != 0.0),
        filter: attrs.float("mask_filter_value")?.unwrap_or(-10000.0),
        causal: attrs.flag("unidirectional")?.unwrap_or(false),
    }))
}

impl Operator for MultiHeadAttention {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let q = self.operand(&mut inputs, 0, "query")?;
        let k = self.operand(&mut inputs, 1, "key")?;
        let v = self.operand(&mut inputs, 2, "value")?;
        let past = inputs.optional(6)?.map_or(0, |past| past.shape().get(2).copied().unwrap_or(0));
        let (k, v) = (joined(inputs.optional(6)?, k)?, joined(inputs.optional(7)?, v)?);
        let (&[batch, heads, q_length, dim], &[_, _, kv_length, v_dim]) = (q.shape(), v.shape())
        else {
            return Err(wrong_shape("value", v.shape(), "rank 3 or 4"));
        };
        if k.shape() != [batch, heads, kv_length, dim] || v.shape()[..2] != [batch, heads] {
            let expected = format!("a batch and heads as those of query, {:?}", q.shape());
            return Err(wrong_shape("key", k.shape(), expected));
        }
        let limits = [batch, heads, q_length, kv_length];
        let added = inputs.optional(5)?.map(|bias| Mask::new(bias, limits)).transpose()?;
        let padding =
            inputs.optional(4)?.map(|mask| padding(mask, batch, kv_length)).transpose()?;
        let window = Window { causal: self.causal, ..Window::default() };
        let bias = |b: usize, h: usize, i: usize, row: &mut [f32]| {
            if let Some(added) = &added {
                added.add([b, h, i], row);
            }
            window.add(i, past as i64, row);
            if let Some(padding) = &padding {
                let counts = &padding[b * kv_length..][..kv_length];
                let masked = row.iter_mut().zip(counts).filter(|(_, counts)| !**counts);
                masked.for_each(|(x, _)| *x += self.filter);
            }
        };
        let scale = self.scale.unwrap_or(1.0 / (dim as f32).sqrt());
        let mut scaled = widened(&q, "query")?;
        scaled.iter_mut().for_each(|x| *x *= scale);
        let problem = Problem {
            q: &scaled,
            k: &widened(&k, "key")?,
            v: &widened(&v, "value")?,
            batch,
            heads,
            kv_heads: heads,
            q_length,
            kv_length,
            dim,
            v_dim,
            softcap: 0.0,
            round: rounding(q.dtype()),
            round_sums: false,
        };
        let (y, _) = attend(&problem, &bias, Scores::None);
        let y = flat(&narrowed(y, &[batch, heads, q_length, v_dim], q.dtype())?)?;
        Ok(vec![y.into(), k.into(), v.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "query")?; 3])
    }
}

impl MultiHeadAttention {
    /// Operand `which` with its part of the bias, `[batch, heads, length, dim]`.
    fn operand(
        &self,
        inputs: &mut Inputs,
        which: usize,
        name: &'static str,
    ) -> Result<Tensor, OpError> {
        let mut x = inputs.take(which, name)?;
        if x.rank() == 4 {
            return Ok(x);
        }
        let &[b, length, hidden] = x.shape() else {
            return Err(wrong_shape(name, x.shape(), "rank 3 or 4"));
        };
        if !hidden.is_multiple_of(self.heads) {
            return Err(wrong_shape(
                name,
                x.shape(),
                format!("a multiple of {} heads", self.heads),
            ));
        }
        if let Some(bias) = inputs.value(3).map(Value::as_tensor).transpose()? {
            let start = which * hidden;
            if bias.rank() != 1 || bias.len() < start + hidden {
                return Err(wrong_shape("bias", bias.shape(), format!("[{}]", 3 * hidden)));
            }
            let part =
                block(bias, 0, if which == 2 { bias.len() - hidden } else { start }, hidden)?;
            x = with_float!(x.dtype(), name, T => float32::combine::<T>(Some(Binary::Add), x, part, Number::add))?;
        }
        split_heads(&x, [b, length, self.heads, hidden / self.heads])
    }
}

/// Whether each key of each batch counts.
fn padding(mask: &Tensor, batch: usize, keys: usize) -> Result<Vec<bool>, OpError> {
    let numbers = integers(mask, "key_padding_mask")?;
    match *mask.shape() {
        [b, k] if b == batch && k == keys => Ok(numbers.iter().map(|&n| n != 0).collect()),
        [b] if b == batch => {
            let counts = |n: i64| (0..keys as i64).map(move |key| key < n);
            Ok(numbers.into_iter().flat_map(counts).collect())
        }
        _ => {
            let expected = format!("[{batch}, {keys}] or [{batch}]");
            Err(wrong_shape("key_padding_mask", mask.shape(), expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn padded_keys_do_not_count() {
        let zeros = || floats(&[1, 2, 1], &[0.0, 0.0]);
        let inputs = vec![
            Some(zeros().into()),
            Some(zeros().into()),
            Some(floats(&[1, 2, 1], &[1.0, 3.0]).into()),
            Some(floats(&[3], &[0.0, 0.0, 1.0]).into()),
            Some(tensor(&[1, 2], &[1i32, 0]).into()),
        ];
        let y = node_in(("com.microsoft", "MultiHeadAttention"))
            .int("num_heads", 1)
            .try_run_values(inputs)
            .unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[1, 2, 1], &[2.0, 2.0]));
        let _: &Tensor = y[1].as_tensor().unwrap();
    }

    #[test]
    fn packed_inputs_are_refused() {
        let case = node_in(("com.microsoft", "MultiHeadAttention")).int("num_heads", 1);
        assert!(case.build(&[Some(count_up(&[1, 1, 1, 3, 1]).into())]).is_err());
    }
}
