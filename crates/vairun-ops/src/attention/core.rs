//! `softmax(softcap(q·kᵀ) + bias) · v`, each head of each batch for itself.

use rayon::prelude::*;

use vairun_numeric::softmax::softmax;

/// The operands, `[batch, heads, length, dim]` each, and what is done to them.
pub(super) struct Problem<'a> {
    /// Scaled already.
    pub(super) q: &'a [f32],
    /// Scaled already.
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) batch: usize,
    pub(super) heads: usize,
    /// Divides `heads`; neighbouring heads share one.
    pub(super) kv_heads: usize,
    pub(super) q_length: usize,
    pub(super) kv_length: usize,
    pub(super) dim: usize,
    pub(super) v_dim: usize,
    /// `softcap · tanh(x / softcap)` where it is above 0.
    pub(super) softcap: f32,
    /// To the type of the elements; what is computed in float32 is left as it is.
    pub(super) round: Option<fn(f32) -> f32>,
    /// Whether each step of the sum under softmax rounds too, as the reference's does for bfloat16.
    pub(super) round_sums: bool,
}

/// Which scores are wanted beside the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scores {
    None,
    /// Products, after `softcap`.
    Raw,
    /// With the bias.
    Biased,
    /// After softmax.
    Probabilities,
}

/// Adds to the scores of query `i` of head `h` of batch `b`: called with `(b, h, i, scores)`.
pub(super) type Bias<'a> = &'a (dyn Fn(usize, usize, usize, &mut [f32]) + Sync);

/// `[batch, heads, q_length, v_dim]`, and the wanted scores, `[batch, heads, q_length, kv_length]`.
///
/// `bias` writes the bias of a row over zeros. A row whose bias is -∞ everywhere has nothing to attend to: 0.
pub(super) fn attend(problem: &Problem, bias: Bias, wanted: Scores) -> (Vec<f32>, Vec<f32>) {
    let Problem { batch, heads, q_length, kv_length, v_dim, .. } = *problem;
    let mut y = vec![0f32; batch * heads * q_length * v_dim];
    let kept = if wanted == Scores::None { 0 } else { q_length * kv_length };
    let mut scores = vec![0f32; batch * heads * kept];
    if y.is_empty() {
        return (y, scores);
    }
    // One piece for each head, also where no scores are kept.
    let mut pieces: Vec<&mut [f32]> = Vec::with_capacity(batch * heads);
    let mut rest = &mut scores[..];
    for _ in 0..batch * heads {
        let (piece, others) = rest.split_at_mut(kept);
        pieces.push(piece);
        rest = others;
    }
    y.par_chunks_mut(q_length * v_dim)
        .zip(pieces)
        .enumerate()
        .for_each(|(i, (y, scores))| problem.head(i / heads, i % heads, y, scores, bias, wanted));
    (y, scores)
}

impl Problem<'_> {
    fn head(
        &self,
        b: usize,
        h: usize,
        y: &mut [f32],
        scores: &mut [f32],
        bias: Bias,
        wanted: Scores,
    ) {
        let kv = b * self.kv_heads + h / (self.heads / self.kv_heads);
        let block = |x: &'_ [f32], i: usize, length: usize, dim: usize| {
            let start = i * length * dim;
            start..(start + length * dim).min(x.len())
        };
        let q = &self.q[block(self.q, b * self.heads + h, self.q_length, self.dim)];
        let k = &self.k[block(self.k, kv, self.kv_length, self.dim)];
        let v = &self.v[block(self.v, kv, self.kv_length, self.v_dim)];
        let (mut row, mut added) = (vec![0f32; self.kv_length], vec![0f32; self.kv_length]);
        for (i, y) in y.chunks_exact_mut(self.v_dim).enumerate() {
            let mut keep = |which: Scores, row: &[f32]| {
                if wanted == which {
                    scores[i * self.kv_length..][..self.kv_length].copy_from_slice(row);
                }
            };
            self.products(&q[i * self.dim..][..self.dim], k, &mut row);
            keep(Scores::Raw, &row);
            added.fill(0.0);
            bias(b, h, i, &mut added);
            row.iter_mut().zip(&added).for_each(|(x, &bias)| *x = self.rounded(*x + bias));
            keep(Scores::Biased, &row);
            if added.iter().all(|&bias| bias == f32::NEG_INFINITY) {
                row.fill(0.0);
            } else {
                self.softmax(&mut row);
            }
            keep(Scores::Probabilities, &row);
            for (&p, v) in row.iter().zip(v.chunks_exact(self.v_dim)) {
                y.iter_mut().zip(v).for_each(|(y, &v)| *y += p * v);
            }
            y.iter_mut().for_each(|y| *y = self.rounded(*y));
        }
    }

    fn products(&self, q: &[f32], k: &[f32], row: &mut [f32]) {
        for (j, x) in row.iter_mut().enumerate() {
            *x = self.rounded(dot(q, &k[j * self.dim..][..self.dim]));
        }
        if self.softcap > 0.0 {
            let cap = |x: f32| {
                self.rounded(self.rounded(f64::from(x / self.softcap).tanh() as f32) * self.softcap)
            };
            row.iter_mut().for_each(|x| *x = cap(*x));
        }
    }

    fn rounded(&self, x: f32) -> f32 {
        self.round.map_or(x, |round| round(x))
    }

    fn softmax(&self, row: &mut [f32]) {
        if self.round.is_none() {
            let mut wide: Vec<f64> = row.iter().map(|&x| x.into()).collect();
            softmax(&mut wide);
            row.iter_mut().zip(wide).for_each(|(x, wide)| *x = wide as f32);
            return;
        }
        // Each step in the type of the elements, as the reference.
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|x| *x = self.rounded(self.rounded(*x - largest).exp()));
        let total = if self.round_sums {
            row.iter().fold(0.0, |sum, &x| self.rounded(sum + x))
        } else {
            self.rounded(row.iter().sum())
        };
        row.iter_mut().for_each(|x| *x = self.rounded(*x / total));
    }
}

/// Eight sums side by side, added in a fixed order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bias: Bias, wanted: Scores) -> (Vec<f32>, Vec<f32>) {
        let problem = Problem {
            q: &[0.0, 0.0],
            k: &[1.0, 2.0, 3.0, 4.0],
            v: &[1.0, 3.0],
            batch: 1,
            heads: 1,
            kv_heads: 1,
            q_length: 1,
            kv_length: 2,
            dim: 2,
            v_dim: 1,
            softcap: 0.0,
            round: None,
            round_sums: false,
        };
        attend(&problem, bias, wanted)
    }

    #[test]
    fn equal_scores_give_the_mean() {
        assert_eq!(run(&|_, _, _, _| {}, Scores::Probabilities), (vec![2.0], vec![0.5, 0.5]));
    }

    #[test]
    fn a_masked_key_does_not_count_and_no_key_gives_zero() {
        let masked = |_, _, _, row: &mut [f32]| row[0] = f32::NEG_INFINITY;
        assert_eq!(run(&masked, Scores::None).0, [3.0]);
        let nothing = |_, _, _, row: &mut [f32]| row.fill(f32::NEG_INFINITY);
        assert_eq!(run(&nothing, Scores::None).0, [0.0]);
    }
}
