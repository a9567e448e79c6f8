//! `Attention`: scaled dot-product attention, multi-head, grouped or multi-query.
//!
//! `Y = softmax(softcap(Q·√s · (K·√s)ᵀ) + bias) · V`
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `Q` | float16, bfloat16, float32, float64 | `[b, heads, q, d]`, or `[b, q, heads·d]` |
//! | 1, 2 | `K`, `V` | a float type | `[b, kv_heads, k, d]`, or `[b, k, kv_heads·d]` |
//! | 3 | `attn_mask` | bool, or as `Q` | broadcasts to `[b, heads, q, keys]`, optional |
//! | 4, 5 | `past_key`, `past_value` | as `K`, `V` | `[b, kv_heads, past, d]`, optional |
//! | 6 | `nonpad_kv_seqlen` | int64 | `[b]`: keys that count, optional (opset 24) |
//! | → 0 | `Y` | as `Q` | as `Q`, with the dimension of V |
//! | → 1, 2 | `present_key`, `present_value` | as `K`, `V` | `[b, kv_heads, keys, d]` |
//! | → 3 | `qk_matmul_output` | as `Q` | `[b, heads, q, keys]` |
//!
//! Attributes: `is_causal` (int, 0), `q_num_heads`, `kv_num_heads` (int; required for rank 3), `scale` (float, 1/√d),
//! `softcap` (float, 0), `qk_matmul_output_mode` (int, 0), `softmax_precision` (int, ignored: float32 at least, or that of
//! the halves as the reference), `left_window_size`, `right_window_size` (int, -1: no limit; opset 25).
//!
//! A causal query stands behind all past keys. Sums are in float32; softmax of float32 is in float64.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Attention.html>, `onnx/reference/ops/op_attention.py` of onnx 1.23.

use super::core::{Problem, Scores, attend};
use super::floats::{narrowed, rounding, widened};
use super::mask::{Mask, Window};
use crate::common::movement::rearranged;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::movement::concat::concat;

/// `Attention`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Attention")],
    opsets: 23..=LATEST,
    summary: "scaled dot-product attention",
    types: "float16, bfloat16, float32, float64; attn_mask bool too",
    grade: Grade::Within(4, "sums in another order than the reference's"),
    build,
};

struct Attention {
    window: Window,
    heads: Option<[usize; 2]>,
    scale: Option<f32>,
    softcap: f32,
    scores: Scores,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=7)?;
    let size = |name: &'static str| {
        let got = attrs.int(name)?;
        let size = got.map(|n| usize::try_from(n).ok().filter(|&n| n > 0).ok_or(n)).transpose();
        size.map_err(|n| Attrs::value(name, n, "1 or more"))
    };
    let limit = |name: &'static str| match attrs.int(name)? {
        None | Some(-1) => Ok(None),
        Some(n) if n >= 0 => Ok(Some(n)),
        Some(n) => Err(Attrs::value(name, n, "-1 or more")),
    };
    let has_window = spec.op.opset >= 25;
    let window = Window {
        causal: attrs.flag("is_causal")?.unwrap_or(false),
        left: if has_window { limit("left_window_size")? } else { None },
        right: if has_window { limit("right_window_size")? } else { None },
    };
    attrs.dtype("softmax_precision")?;
    let scores = match attrs.int("qk_matmul_output_mode")?.unwrap_or(0) {
        _ if !spec.has_output(3) => Scores::None,
        0 | 1 => Scores::Raw,
        2 => Scores::Biased,
        3 => Scores::Probabilities,
        other => return Err(Attrs::value("qk_matmul_output_mode", other, "0 to 3")),
    };
    let heads = size("q_num_heads")?.zip(size("kv_num_heads")?).map(|(q, kv)| [q, kv]);
    Ok(Box::new(Attention {
        window,
        heads,
        scale: attrs.float("scale")?,
        softcap: attrs.float("softcap")?.unwrap_or(0.0),
        scores,
    }))
}

impl Operator for Attention {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let given = inputs.tensor(0, "Q")?;
        let q = self.by_head(given, 0, "Q")?;
        let k = joined(inputs.optional(4)?, self.by_head(inputs.tensor(1, "K")?, 1, "K")?)?;
        let v = joined(inputs.optional(5)?, self.by_head(inputs.tensor(2, "V")?, 1, "V")?)?;
        let (&[batch, heads, q_length, dim], &[_, kv_heads, kv_length, _]) = (q.shape(), k.shape())
        else {
            return Err(wrong_shape("K", k.shape(), "rank 4"));
        };
        let v_dim = v.shape()[3];
        let fits = k.shape() == [batch, kv_heads, kv_length, dim]
            && v.shape() == [batch, kv_heads, kv_length, v_dim]
            && kv_heads > 0
            && heads.is_multiple_of(kv_heads);
        if !fits {
            let expected = format!(
                "with K {:?} a batch, a divisor of the heads, a length and a dimension as Q's, {:?}",
                k.shape(),
                q.shape()
            );
            return Err(wrong_shape("V", v.shape(), expected));
        }
        let past = inputs.optional(4)?.map_or(0, |past| past.shape()[2] as i64);
        let lengths = inputs.optional(6)?.map(|x| integers(x, "nonpad_kv_seqlen")).transpose()?;
        if let Some(lengths) = lengths.as_ref().filter(|lengths| lengths.len() != batch) {
            return Err(wrong_shape("nonpad_kv_seqlen", &[lengths.len()], format!("[{batch}]")));
        }
        let limits = [batch, heads, q_length, kv_length];
        let mask = inputs.optional(3)?.map(|mask| Mask::new(mask, limits)).transpose()?;
        let bias = |b: usize, h: usize, i: usize, row: &mut [f32]| {
            if let Some(mask) = &mask {
                mask.add([b, h, i], row);
            }
            let offset = match &lengths {
                Some(lengths) if past == 0 => lengths[b] - q_length as i64,
                _ => past,
            };
            self.window.add(i, offset, row);
            if let Some(lengths) = &lengths {
                let end = usize::try_from(lengths[b]).unwrap_or(0).min(row.len());
                row[end..].fill(f32::NEG_INFINITY);
            }
        };
        let round = rounding(q.dtype());
        let scale = self.scale.map_or(1.0 / (dim as f64).sqrt(), f64::from).sqrt() as f32;
        let scale = round.map_or(scale, |round| round(scale));
        let scaled = |x: &Tensor, name: &str| {
            let mut x = widened(x, name)?;
            x.iter_mut().for_each(|x| *x = round.map_or(*x * scale, |round| round(*x * scale)));
            Ok::<_, OpError>(x)
        };
        let problem = Problem {
            q: &scaled(&q, "Q")?,
            k: &scaled(&k, "K")?,
            v: &widened(&v, "V")?,
            batch,
            heads,
            kv_heads,
            q_length,
            kv_length,
            dim,
            v_dim,
            softcap: self.softcap,
            round,
            round_sums: q.dtype() == DType::BF16,
        };
        let (y, scores) = attend(&problem, &bias, self.scores);
        let y = narrowed(y, &[batch, heads, q_length, v_dim], q.dtype())?;
        let y = if given.rank() == 3 { flat(&y)? } else { y };
        let mut outputs = vec![y.into(), k.into(), v.into()];
        if self.scores != Scores::None {
            outputs.push(narrowed(scores, &limits, q.dtype())?.into());
        }
        Ok(outputs)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let q = FLOATS.check(inputs, 0, "Q")?;
        Ok(vec![q, FLOATS.check(inputs, 1, "K")?, FLOATS.check(inputs, 2, "V")?, q])
    }
}

impl Attention {
    /// `[batch, heads, length, dim]`.
    fn by_head(&self, x: &Tensor, which: usize, name: &str) -> Result<Tensor, OpError> {
        match *x.shape() {
            [_, _, _, _] => Ok(x.clone()),
            [b, length, hidden] => {
                let heads = self.heads.map(|heads| heads[which]);
                let heads = heads.filter(|&heads| hidden.is_multiple_of(heads));
                let heads = heads.ok_or_else(|| {
                    wrong_shape(name, x.shape(), "rank 4, or a multiple of the attribute of heads")
                })?;
                split_heads(x, [b, length, heads, hidden / heads])
            }
            _ => Err(wrong_shape(name, x.shape(), "rank 3 or 4")),
        }
    }
}

/// `[batch, length, heads·dim]` as `[batch, heads, length, dim]`.
pub(super) fn split_heads(x: &Tensor, view: [usize; 4]) -> Result<Tensor, OpError> {
    let [b, length, heads, dim] = view;
    rearranged(x, &view, &[0, 2, 1, 3], &[b, heads, length, dim])
}

/// `[batch, heads, length, dim]` as `[batch, length, heads·dim]`.
pub(super) fn flat(y: &Tensor) -> Result<Tensor, OpError> {
    let &[b, heads, length, dim] = y.shape() else {
        return Err(wrong_shape("Y", y.shape(), "rank 4"));
    };
    rearranged(y, y.shape(), &[0, 2, 1, 3], &[b, length, heads * dim])
}

/// What came before, then what is new.
pub(super) fn joined(past: Option<&Tensor>, new: Tensor) -> Result<Tensor, OpError> {
    match past {
        None => Ok(new),
        Some(past) if past.rank() == 4 => concat(&[past, &new], 2),
        Some(past) => Err(wrong_shape("past", past.shape(), "rank 4")),
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn attention(case: Case, extra: Vec<Option<Tensor>>) -> Vec<Tensor> {
        let zeros = || floats(&[1, 1, 2, 1], &[0.0, 0.0]);
        let v = floats(&[1, 1, 2, 1], &[1.0, 3.0]);
        let inputs = [Some(zeros()), Some(zeros()), Some(v)].into_iter().chain(extra);
        let inputs = inputs.map(|x| x.map(Into::into)).collect();
        let y = case.try_run_values(inputs).unwrap();
        y.into_iter().map(|y| y.into_tensor().unwrap()).collect()
    }

    #[test]
    fn causal_queries_see_what_came_before() {
        let y = attention(node("Attention"), vec![]);
        assert_tensor(&y[0], &floats(&[1, 1, 2, 1], &[2.0, 2.0]));
        let y = attention(node("Attention").int("is_causal", 1), vec![]);
        assert_tensor(&y[0], &floats(&[1, 1, 2, 1], &[1.0, 2.0]));
    }

    #[test]
    fn masks_past_and_scores() {
        let mask = tensor(&[2, 2], &[false, true, true, true]);
        let y = attention(node("Attention"), vec![Some(mask)]);
        assert_tensor(&y[0], &floats(&[1, 1, 2, 1], &[3.0, 2.0]));
        let past = || Some(floats(&[1, 1, 1, 1], &[0.0]));
        let case = node("Attention").int("is_causal", 1).int("qk_matmul_output_mode", 3).outputs(4);
        let y = attention(case, vec![None, past(), past()]);
        assert_tensor(&y[0], &floats(&[1, 1, 2, 1], &[0.5, 4.0 / 3.0]));
        assert_eq!(y[3].as_slice::<f32>().unwrap()[..3], [0.5, 0.5, 0.0]);
        assert_eq!(y[1].shape(), [1, 1, 3, 1]);
    }

    #[test]
    fn heads_of_rank_3_are_named() {
        let x = || count_up(&[1, 2, 4]);
        let y = node("Attention").int("q_num_heads", 2).int("kv_num_heads", 2).run([x(), x(), x()]);
        assert_eq!(y.shape(), [1, 2, 4]);
        assert!(node("Attention").try_run([x(), x(), x()]).is_err());
    }
}
