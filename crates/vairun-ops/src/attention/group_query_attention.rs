//! `com.microsoft::GroupQueryAttention`: causal attention with a cache, several heads for one of keys and values.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `query` | float16, bfloat16, float32 | `[b, s, num_heads·d]`, or with keys and values behind it |
//! | 1, 2 | `key`, `value` | as `query` | `[b, s, kv_num_heads·d]`; absent where packed |
//! | 3, 4 | `past_key`, `past_value` | as `query` | `[b, kv_num_heads, p, d]`, optional |
//! | 5 | `seqlens_k` | int32 | `[b]`: keys of each batch, the new ones included, less one |
//! | 6 | `total_sequence_length` | int32 | one element: the largest number of keys |
//! | 7, 8 | `cos_cache`, `sin_cache` | as `query` | `[positions, r/2]`, with `do_rotary` |
//! | 9 | `position_ids` | int64 | `[b, s]`, optional |
//! | 10 | `attention_bias` | as `query` | broadcasts to `[b, num_heads, s, keys]`, optional |
//! | → 0 | `output` | as `query` | `[b, s, num_heads·d]` |
//! | → 1, 2 | `present_key`, `present_value` | as `query` | `[b, kv_num_heads, max(p, total), d]`; 0 behind the keys |
//!
//! Attributes: `num_heads`, `kv_num_heads` (int, required), `scale` (float, 1/√d), `softcap` (float, 0), `do_rotary`,
//! `rotary_interleaved` (int, 0), `local_window_size` (int, -1: no limit). Smooth softmax, quantized caches and scores as an
//! output are refused.
//!
//! Source: onnxruntime 1.32 `contrib_ops/cpu/bert/group_query_attention.cc`, `gqa_attention_base.h`.

use super::attention::{flat, split_heads};
use super::core::{Problem, Scores, attend};
use super::floats::{narrowed, rounding, widened};
use super::mask::{Mask, Window};
use super::rotary_embedding::turn;
use crate::common::parameters::{integers, one_element};
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::stack::block;
use crate::common::types::FLOATS;

/// `GroupQueryAttention`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "GroupQueryAttention")],
    opsets: 1..=i64::MAX,
    summary: "causal attention with a cache, several heads for one of keys and values",
    types: "float16, bfloat16, float32, float64; lengths int32",
    grade: Grade::Within(4, "sums in another order than onnxruntime's"),
    build,
};

struct GroupQueryAttention {
    heads: usize,
    kv_heads: usize,
    scale: Option<f32>,
    softcap: f32,
    rotary: bool,
    interleaved: bool,
    window: Option<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(7..=14)?;
    for index in 11..spec.inputs.len() {
        if spec.has_input(index) {
            let name = ["head_sink", "k_scale", "v_scale"][index - 11];
            return Err(BuildError::Unsupported(format!("input `{name}`")));
        }
    }
    if spec.has_output(3) {
        return Err(BuildError::Unsupported("scores as an output".into()));
    }
    let heads = |name: &'static str| {
        let n = attrs.int(name)?.ok_or_else(|| BuildError::MissingAttribute(name.into()))?;
        let positive = usize::try_from(n).ok().filter(|&n| n > 0);
        positive.ok_or_else(|| Attrs::value(name, n, "1 or more"))
    };
    for name in ["smooth_softmax", "qk_output", "kv_cache_bit_width"] {
        if let Some(other) = attrs.int(name)?.filter(|&value| value > 0) {
            return Err(Attrs::value(name, other, "0"));
        }
    }
    for name in ["k_quant_type", "v_quant_type"] {
        if let Some(other) = attrs.string(name)?.filter(|value| value != "NONE") {
            return Err(Attrs::value(name, other, "NONE"));
        }
    }
    let (q, kv) = (heads("num_heads")?, heads("kv_num_heads")?);
    if !q.is_multiple_of(kv) {
        return Err(Attrs::value("num_heads", q, &format!("a multiple of {kv}")));
    }
    Ok(Box::new(GroupQueryAttention {
        heads: q,
        kv_heads: kv,
        scale: attrs.float("scale")?.filter(|&scale| scale != 0.0),
        softcap: attrs.float("softcap")?.unwrap_or(0.0),
        rotary: attrs.flag("do_rotary")?.unwrap_or(false),
        interleaved: attrs.flag("rotary_interleaved")?.unwrap_or(false),
        window: window(attrs)?,
    }))
}

/// Keys before a query that it sees: `local_window_size` counts the query's own.
fn window(attrs: &Attrs) -> Result<Option<i64>, BuildError> {
    match attrs.int("local_window_size")? {
        None | Some(-1) => Ok(None),
        Some(size) if size > 0 => Ok(Some(size - 1)),
        Some(other) => Err(Attrs::value("local_window_size", other, "-1, or 1 or more")),
    }
}

/// How many keys each batch has, and how many of them are new.
struct Lengths {
    total: Vec<usize>,
    new: usize,
    first: bool,
}

impl Lengths {
    /// Keys of batch `b` that were there before.
    fn past(&self, b: usize) -> usize {
        if self.first { 0 } else { self.total[b] - self.new }
    }
}

impl Operator for GroupQueryAttention {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let dtype = inputs.tensor(0, "query")?.dtype();
        let [q, k, v] = self.operands(&inputs)?;
        let &[batch, _, length, dim] = q.shape() else {
            return Err(wrong_shape("query", q.shape(), "rank 3"));
        };
        let total = inputs.tensor(6, "total_sequence_length")?;
        let &[total] = &integers(total, "total_sequence_length")?[..] else {
            return Err(one_element(total, "total_sequence_length"));
        };
        let total = crate::common::sizes::dim(total, "total_sequence_length")?;
        let lengths = lengths(inputs.tensor(5, "seqlens_k")?, batch, length, total)?;
        let (mut q_wide, mut k_wide) = (widened(&q, "query")?, widened(&k, "key")?);
        if self.rotary {
            let places = places(&inputs, &lengths, batch)?;
            let cos = inputs.tensor(7, "cos_cache")?;
            let sin = inputs.tensor(8, "sin_cache")?;
            for (x, heads) in [(&mut q_wide, self.heads), (&mut k_wide, self.kv_heads)] {
                turn(x, [heads, length, dim], &places, [cos, sin], self.interleaved)?;
            }
            let round = rounding(dtype);
            if let Some(round) = round {
                q_wide.iter_mut().chain(&mut k_wide).for_each(|x| *x = round(*x));
            }
        }
        let past = inputs.optional(3)?.map_or(0, |past| past.shape().get(2).copied().unwrap_or(0));
        let present = past.max(total);
        let cached = [batch, self.kv_heads, present, dim];
        result_len(dtype, &cached)?;
        let k = self.cache(inputs.optional(3)?, &k_wide, &lengths, cached)?;
        let v = self.cache(inputs.optional(4)?, &widened(&v, "value")?, &lengths, cached)?;
        let limits = [batch, self.heads, length, present];
        let added = inputs.optional(10)?.map(|bias| Mask::new(bias, limits)).transpose()?;
        let window = Window { causal: true, left: self.window, right: None };
        let bias = |b: usize, h: usize, i: usize, row: &mut [f32]| {
            if let Some(added) = &added {
                added.add([b, h, i], row);
            }
            window.add(i, lengths.past(b) as i64, row);
        };
        let scale = self.scale.unwrap_or(1.0 / (dim as f32).sqrt());
        q_wide.iter_mut().for_each(|x| *x *= scale);
        let problem = Problem {
            q: &q_wide,
            k: &k,
            v: &v,
            batch,
            heads: self.heads,
            kv_heads: self.kv_heads,
            q_length: length,
            kv_length: present,
            dim,
            v_dim: dim,
            softcap: self.softcap,
            round: None,
            round_sums: false,
        };
        let (y, _) = attend(&problem, &bias, Scores::None);
        let y = flat(&narrowed(y, &[batch, self.heads, length, dim], dtype)?)?;
        Ok(vec![y.into(), narrowed(k, &cached, dtype)?.into(), narrowed(v, &cached, dtype)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "query")?; 3])
    }
}

impl GroupQueryAttention {
    /// Queries, keys and values, `[b, heads, s, d]` each.
    fn operands(&self, inputs: &Inputs) -> Result<[Tensor; 3], OpError> {
        let query = inputs.tensor(0, "query")?;
        let &[b, s, hidden] = query.shape() else {
            return Err(wrong_shape("query", query.shape(), "rank 3"));
        };
        let packed = inputs.optional(1)?.is_none();
        let all = if packed { self.heads + 2 * self.kv_heads } else { self.heads };
        if !hidden.is_multiple_of(all) {
            return Err(wrong_shape("query", query.shape(), format!("a multiple of {all} heads")));
        }
        let dim = hidden / all;
        let part = |start: usize, heads: usize| {
            split_heads(&block(query, 2, start * dim, heads * dim)?, [b, s, heads, dim])
        };
        let other = |index: usize, name: &'static str| {
            let x = inputs.tensor(index, name)?;
            if x.shape() != [b, s, self.kv_heads * dim] {
                let expected = format!("[{b}, {s}, {}]", self.kv_heads * dim);
                return Err(wrong_shape(name, x.shape(), expected));
            }
            split_heads(x, [b, s, self.kv_heads, dim])
        };
        let q = part(0, self.heads)?;
        Ok(match packed {
            true => [
                q,
                part(self.heads, self.kv_heads)?,
                part(self.heads + self.kv_heads, self.kv_heads)?,
            ],
            false => [q, other(1, "key")?, other(2, "value")?],
        })
    }

    /// What was there before, then what is new, for each batch and head; zeros behind.
    fn cache(
        &self,
        past: Option<&Tensor>,
        new: &[f32],
        lengths: &Lengths,
        [batch, heads, present, dim]: [usize; 4],
    ) -> Result<Vec<f32>, OpError> {
        let mut cache = vec![0f32; batch * heads * present * dim];
        let held = match past {
            Some(past) => match *past.shape() {
                [b, h, p, d] if [b, h, d] == [batch, heads, dim] => {
                    Some((widened(past, "past")?, p))
                }
                _ => {
                    let expected = format!("[{batch}, {heads}, past, {dim}]");
                    return Err(wrong_shape("past_key", past.shape(), expected));
                }
            },
            None => None,
        };
        for (i, into) in cache.chunks_exact_mut((present * dim).max(1)).enumerate() {
            let before = lengths.past(i / heads);
            if let Some((held, p)) = &held {
                let kept = before.min(*p) * dim;
                into[..kept].copy_from_slice(&held[i * p * dim..][..kept]);
            }
            let count = lengths.new.min(present - before.min(present)) * dim;
            into[before * dim..][..count].copy_from_slice(&new[i * lengths.new * dim..][..count]);
        }
        Ok(cache)
    }
}

fn lengths(seqlens: &Tensor, batch: usize, new: usize, total: usize) -> Result<Lengths, OpError> {
    let numbers = integers(seqlens, "seqlens_k")?;
    let first = new == total;
    let one = |&n: &i64| {
        let keys = usize::try_from(n.saturating_add(1)).ok();
        keys.filter(|&keys| keys <= total && (first || keys >= new))
    };
    let all: Option<Vec<usize>> = numbers.iter().map(one).collect();
    let all = all.filter(|all| all.len() == batch).ok_or_else(|| {
        let expected = format!("{batch} numbers of {new} to {total} keys, less one");
        wrong_value("seqlens_k", format!("{numbers:?}"), expected)
    })?;
    Ok(Lengths { total: all, new, first })
}

/// The position of each new key.
fn places(inputs: &Inputs, lengths: &Lengths, batch: usize) -> Result<Vec<usize>, OpError> {
    if let Some(ids) = inputs.optional(9)? {
        let ids = integers(ids, "position_ids")?;
        let ids: Option<Vec<usize>> = ids.iter().map(|&id| usize::try_from(id).ok()).collect();
        let wrong = || wrong_value("position_ids", "other numbers", "a position for each query");
        return ids.filter(|ids| ids.len() == batch * lengths.new).ok_or_else(wrong);
    }
    let each = |b: usize| (0..lengths.new).map(move |s| lengths.past(b) + s);
    Ok((0..batch).flat_map(each).collect())
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, Value};

    use crate::common::testing::*;

    fn run(past: Option<[f32; 1]>, value: f32, total: i32) -> Vec<Tensor> {
        let x = |x: f32| Some(Value::from(floats(&[1, 1, 1], &[x])));
        let cache = |x: f32| past.map(|_| Value::from(floats(&[1, 1, 1, 1], &[x])));
        let inputs = vec![
            x(0.0),
            x(0.0),
            x(value),
            cache(0.0),
            cache(past.unwrap_or_default()[0]),
            Some(Tensor::vector(vec![total - 1]).into()),
            Some(Tensor::scalar(total).into()),
        ];
        let case = node_in(("com.microsoft", "GroupQueryAttention"));
        let case = case.int("num_heads", 1).int("kv_num_heads", 1).outputs(3);
        let y = case.try_run_values(inputs).unwrap();
        y.into_iter().map(|y| y.into_tensor().unwrap()).collect()
    }

    #[test]
    fn the_cache_grows() {
        let first = run(None, 4.0, 1);
        assert_tensor(&first[0], &floats(&[1, 1, 1], &[4.0]));
        let second = run(Some([4.0]), 2.0, 2);
        assert_tensor(&second[0], &floats(&[1, 1, 1], &[3.0]));
        assert_tensor(&second[2], &floats(&[1, 1, 2, 1], &[4.0, 2.0]));
    }
}
