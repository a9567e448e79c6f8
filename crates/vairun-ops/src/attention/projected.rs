//! Attention of many heads over projections that stand side by side: what `Attention` and `QAttention` share.
//!
//! `output = softmax(scale · Q·Kᵀ + mask) · V` for each head, in float32; the K and V of the past come before those of
//! the input. The score of a step with a later one is the least float32 where the attention is causal, and
//! `mask_filter_value` is added to those that the mask hides.
//!
//! Source: `attention_cpu_base.h` of onnxruntime 1.28.

use rayon::prelude::*;
use vairun_numeric::dense::{product, transposed};
use vairun_numeric::transcendental::exp;

use super::mask::Mask as Added;
use super::mask_index::Mask;
use crate::common::prelude::{Attrs, BuildError, DType, OpError, Outputs, Tensor, wrong_shape};
use crate::common::sizes::result_len;

/// What the attributes of both operators say.
pub(crate) struct Heads {
    pub(crate) heads: usize,
    causal: bool,
    filter: f32,
    scale: Option<f32>,
}

/// Inputs beside the projections.
pub(crate) struct Beside<'a> {
    pub(crate) mask_index: Option<&'a Tensor>,
    pub(crate) past: Option<&'a Tensor>,
    pub(crate) attention_bias: Option<&'a Tensor>,
}

/// `[batch, steps, heads · (size + size + v_size)]`: Q, K, V, the heads one after another.
pub(crate) struct Projections {
    pub(crate) values: Vec<f32>,
    pub(crate) batch: usize,
    pub(crate) steps: usize,
    /// Elements of a head of Q or K.
    pub(crate) size: usize,
    /// Elements of a head of V.
    pub(crate) v_size: usize,
}

impl Heads {
    /// Reads `num_heads`, `unidirectional`, `mask_filter_value` and `scale`; refuses rotary embedding and a buffer that past
    /// and present share.
    pub(crate) fn new(attrs: &Attrs) -> Result<Self, BuildError> {
        let heads = attrs.int("num_heads")?;
        let heads = heads.ok_or_else(|| BuildError::MissingAttribute("num_heads".into()))?;
        for name in ["do_rotary", "past_present_share_buffer"] {
            if attrs.flag(name)? == Some(true) {
                return Err(Attrs::value(name, 1, "0"));
            }
        }
        Ok(Self {
            heads: usize::try_from(heads)
                .ok()
                .filter(|&heads| heads > 0)
                .ok_or_else(|| Attrs::value("num_heads", heads, "1 or more"))?,
            causal: attrs.flag("unidirectional")?.unwrap_or(false),
            filter: attrs.float("mask_filter_value")?.unwrap_or(-10000.0),
            scale: attrs.float("scale")?.filter(|&scale| scale != 0.0),
        })
    }

    /// `output`, `[batch, steps, heads · v_size]`, and `present`, `[2, batch, heads, before + steps, size]`.
    pub(crate) fn run(
        &self,
        projections: &Projections,
        beside: &Beside,
    ) -> Result<Outputs, OpError> {
        let sizes = Sizes { heads: self.heads, before: before(beside.past), projections };
        let past = beside.past.map(|past| sizes.past(past)).transpose()?;
        let mask = beside.mask_index.map(|mask| Mask::new(mask, &sizes.masked())).transpose()?;
        let Projections { batch, steps, v_size, .. } = *projections;
        let limits = [batch, self.heads, steps, sizes.total()];
        let added = beside.attention_bias.map(|bias| Added::new(bias, limits)).transpose()?;
        let length = result_len(DType::F32, &[batch, steps, self.heads * v_size])?;
        let heads: Vec<(usize, usize)> =
            (0..batch).flat_map(|batch| (0..self.heads).map(move |head| (batch, head))).collect();
        let done: Vec<Head> = heads
            .par_iter()
            .map(|&(batch, head)| {
                let [q, k, v] = [0, 1, 2].map(|part| sizes.head(part, batch, head));
                let [k, v] = [(0, k), (1, v)].map(|(part, new)| match past {
                    Some(past) => [sizes.before(past, part, batch, head), &new].concat(),
                    None => new,
                });
                let bias = |step: usize, row: &mut [f32]| {
                    if let Some(added) = &added {
                        added.add([batch, head, step], row);
                    }
                    self.hide(&sizes, mask.as_ref(), batch, step, row);
                };
                Head { output: self.attend(&sizes, &q, &k, &v, bias), k, v }
            })
            .collect();
        let mut output = vec![0.0; length];
        for (&(batch, head), done) in heads.iter().zip(&done) {
            sizes.place(&mut output, batch, head, &done.output);
        }
        let output = Tensor::new(&[batch, steps, self.heads * v_size], output)?;
        let present = |part: fn(&Head) -> &Vec<f32>| done.iter().flat_map(part).copied();
        let present: Vec<f32> = present(|head| &head.k).chain(present(|head| &head.v)).collect();
        match projections.size == v_size {
            true => Ok(vec![output.into(), Tensor::new(&sizes.present(), present)?.into()]),
            // One tensor cannot hold heads of two sizes.
            false => Ok(vec![output.into()]),
        }
    }

    /// Adds to the scores of a step what hides others from it.
    fn hide(&self, sizes: &Sizes, mask: Option<&Mask>, batch: usize, step: usize, row: &mut [f32]) {
        for (at, x) in row.iter_mut().enumerate() {
            if self.causal && at > sizes.before + step {
                *x += f32::MIN;
            } else if mask.is_some_and(|mask| !mask.shows(batch, step, at)) {
                *x += self.filter;
            }
        }
    }

    /// `softmax(scale · q·kᵀ + bias) · v`, `[steps, v_size]`.
    fn attend(
        &self,
        sizes: &Sizes,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        bias: impl Fn(usize, &mut [f32]),
    ) -> Vec<f32> {
        let Projections { steps, size, v_size, .. } = *sizes.projections;
        let total = sizes.total();
        let scale = self.scale.unwrap_or_else(|| 1.0 / (size as f32).sqrt());
        let mut scores = product(q, &transposed(k, total, size), (steps, size, total));
        for (step, row) in scores.chunks_exact_mut(total.max(1)).enumerate() {
            row.iter_mut().for_each(|score| *score *= scale);
            bias(step, row);
            softmax(row);
        }
        product(&scores, v, (steps, total, v_size))
    }
}

/// Steps of the past.
fn before(past: Option<&Tensor>) -> usize {
    past.and_then(|past| past.shape().get(3).copied()).unwrap_or(0)
}

/// What one head gives.
struct Head {
    output: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Sizes<'a> {
    heads: usize,
    /// Steps of the past.
    before: usize,
    projections: &'a Projections,
}

impl Sizes<'_> {
    fn total(&self) -> usize {
        self.before + self.projections.steps
    }

    /// What a mask covers: `[batch, steps, all steps]`.
    fn masked(&self) -> [usize; 3] {
        [self.projections.batch, self.projections.steps, self.total()]
    }

    fn present(&self) -> [usize; 5] {
        [2, self.projections.batch, self.heads, self.total(), self.projections.size]
    }

    fn past<'t>(&self, past: &'t Tensor) -> Result<&'t [f32], OpError> {
        let Projections { batch, size, v_size, .. } = *self.projections;
        let expected = [2, batch, self.heads, self.before, size];
        if past.shape() != expected || size != v_size {
            return Err(wrong_shape("past", past.shape(), format!("{expected:?}")));
        }
        Ok(past.as_slice()?)
    }

    /// The rows of Q, K or V that belong to a head: `[steps, size]`.
    fn head(&self, part: usize, batch: usize, head: usize) -> Vec<f32> {
        let Projections { steps, size, v_size, .. } = *self.projections;
        let width = self.heads * (2 * size + v_size);
        let rows = &self.projections.values[batch * steps * width..][..steps * width];
        let own = if part == 2 { v_size } else { size };
        let from = part * self.heads * size + head * own;
        let row = |row: usize| &rows[row * width + from..][..own];
        (0..steps).flat_map(row).copied().collect()
    }

    /// The K or V of the past of a head: `[before, size]`.
    fn before<'t>(&self, past: &'t [f32], part: usize, batch: usize, head: usize) -> &'t [f32] {
        let length = self.before * self.projections.size;
        &past[((part * self.projections.batch + batch) * self.heads + head) * length..][..length]
    }

    /// Puts `[steps, v_size]` of a head where it belongs in `[batch, steps, heads, v_size]`.
    fn place(&self, output: &mut [f32], batch: usize, head: usize, rows: &[f32]) {
        let Projections { steps, v_size, .. } = *self.projections;
        for (step, row) in rows.chunks_exact(v_size.max(1)).enumerate() {
            let at = ((batch * steps + step) * self.heads + head) * v_size;
            output[at..at + v_size].copy_from_slice(row);
        }
    }
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = exp(*x - max));
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}
