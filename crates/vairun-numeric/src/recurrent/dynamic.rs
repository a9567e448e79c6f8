use std::borrow::Cow;

use super::activation::Activation;
use super::direction::Sequence;
use crate::contraction::{Codes, MatMulShape, Operand, matmul};
use crate::linear::dynamic_quantize;
use crate::qlinear::{logistic_all, tanh_all, to_float};
use crate::spread::Spread;
use crate::vector::{Loop, widest};

/// Weights of a gate product, `[terms, 4 · hidden]`, the gates in the order i, o, f, c.
pub trait Weights {
    /// `[rows, 4 · hidden]`: `f32(f32(Σ (q - zero_point) · (w - zw)) · f32(scale · sw))` of codes `[rows, terms]`.
    fn times(&self, codes: &[u8], rows: usize, scale: f32, zero_point: u8) -> Vec<f32>;
}

/// Weights as codes: `[terms, 4 · hidden]`, the gates in the order i, o, f, c.
#[derive(Clone, Copy, Debug)]
pub struct CodedWeights<'a> {
    /// int8 or uint8, row-major.
    pub codes: Codes<'a>,
    /// The code of 0.
    pub zero_point: i32,
    /// One, or one for each column.
    pub scales: &'a [f32],
}

/// One direction of `com.microsoft::DynamicQuantizeLSTM`: an LSTM whose inputs and states are quantized as they come.
///
/// The whole of X makes one range, and at each step the states of all sequences do. A product is
/// `f32(f32(sum) · f32(s·sw))`; that with the state is added to that with X, then the peephole's, then the sum of both
/// biases. Sigmoid and Tanh are onnxruntime's own. (onnxruntime cuts the batch into as many ranges as it has threads; here
/// as with one thread.)
///
/// Source: `dynamic_quantize_lstm.cc`, `core/providers/cpu/rnn/uni_directional_lstm.cc` of onnxruntime 1.28.
#[derive(Clone, Debug)]
pub struct DynamicLstm<'a, W> {
    /// `[input, 4 · hidden]`
    pub w: W,
    /// `[hidden, 4 · hidden]`
    pub r: W,
    /// `[8 · hidden]`
    pub bias: Option<&'a [f32]>,
    /// `[3 · hidden]`: the weights of the cell in the gates i, o, f.
    pub peephole: Option<&'a [f32]>,
    /// The activations of the gates, of what enters the cell, and of the cell.
    pub activations: [Activation; 3],
    /// Sums are cut to `-clip..=clip` before the activations.
    pub clip: Option<f32>,
    /// The forget gate is `1 - i`.
    pub input_forget: bool,
    /// From the last step to the first.
    pub reverse: bool,
}

impl Weights for CodedWeights<'_> {
    fn times(&self, codes: &[u8], rows: usize, scale: f32, zero_point: u8) -> Vec<f32> {
        let terms = codes.len() / rows.max(1);
        let columns = self.codes.len() / terms.max(1);
        let shape =
            MatMulShape { m: rows, k: terms, n: columns, a_transposed: false, b_transposed: false };
        let a = Operand { codes: Codes::U8(codes), zero_points: &[zero_point.into()] };
        let b = Operand { codes: self.codes, zero_points: &[self.zero_point] };
        let sums = matmul(shape, &a, &b).expect("sums of 8-bit codes fit").into_wrapped_i32();
        let scales: Vec<f32> = self.scales.iter().map(|w| scale * w).collect();
        let spread = match scales.len() {
            1 => Spread::Tensor,
            _ => Spread::Axis { length: columns, inner: 1 },
        };
        to_float(&sums, &scales, None, spread)
    }
}

/// `rows` real rows, quantized, times the weights.
fn product(x: &[f32], rows: usize, weights: &impl Weights) -> Vec<f32> {
    let (codes, scale, zero_point) = dynamic_quantize(x);
    weights.times(&codes, rows, scale, zero_point)
}

impl<W: Weights> DynamicLstm<'_, W> {
    /// Runs over the sequence. `h` and `c`, `[batch, hidden]`, are the states before and after; `emit(step, batch, h)`
    /// receives each hidden state; steps beyond a sequence's length have none.
    ///
    /// # Panics
    /// Where the slices do not fill the shapes.
    pub fn run(
        &self,
        sequence: &Sequence,
        h: &mut [f32],
        c: &mut [f32],
        mut emit: impl FnMut(usize, usize, &[f32]),
    ) {
        let batch = sequence.batch;
        let hidden = h.len().checked_div(batch).unwrap_or(0);
        let lengths: Vec<usize> =
            sequence.lengths.map_or_else(|| vec![sequence.steps; batch], <[usize]>::to_vec);
        let steps = lengths.iter().copied().max().unwrap_or(0);
        if steps * hidden == 0 {
            return;
        }
        let bias = self.bias.map(sum_of_halves);
        let mut gates = match sequence.input {
            0 => vec![0.0; steps * batch * 4 * hidden],
            _ => product(&self.ordered(sequence, &lengths, steps), steps * batch, &self.w),
        };
        // A sequence that has ended shows zeros to the range of the others.
        let mut shown = h.to_vec();
        for (i, gates) in gates.chunks_exact_mut(batch * 4 * hidden).enumerate() {
            let recurrent = product(&shown, batch, &self.r);
            add(gates, &recurrent);
            for (b, gates) in gates.chunks_exact_mut(4 * hidden).enumerate() {
                let states = b * hidden..(b + 1) * hidden;
                if i >= lengths[b] {
                    shown[states].fill(0.0);
                    continue;
                }
                let (h, c) = (&mut h[states.clone()], &mut c[states.clone()]);
                self.rule().step(gates, bias.as_deref(), h, c);
                shown[states].copy_from_slice(h);
                emit(if self.reverse { lengths[b] - 1 - i } else { i }, b, h);
            }
        }
    }

    fn rule(&self) -> Rule<'_> {
        let Self { peephole, activations, clip, input_forget, .. } = *self;
        Rule { peephole, activations, clip, input_forget }
    }

    /// The first `steps` steps of x in the order in which they are read.
    fn ordered<'x>(
        &self,
        sequence: &Sequence<'x>,
        lengths: &[usize],
        steps: usize,
    ) -> Cow<'x, [f32]> {
        let Sequence { x, batch, input, .. } = *sequence;
        if !self.reverse {
            return x[..steps * batch * input].into();
        }
        let place = |i: usize, b: usize| match lengths[b].checked_sub(i + 1) {
            Some(step) => (step * batch + b) * input,
            None => (i * batch + b) * input,
        };
        let mut ordered = Vec::with_capacity(steps * batch * input);
        for (i, b) in (0..steps).flat_map(|i| (0..batch).map(move |b| (i, b))) {
            ordered.extend_from_slice(&x[place(i, b)..][..input]);
        }
        ordered.into()
    }
}

/// What a step does to the sums of the gates; of no type of weights, so that its loops are compiled once, here.
#[derive(Clone, Copy)]
struct Rule<'a> {
    peephole: Option<&'a [f32]>,
    activations: [Activation; 3],
    clip: Option<f32>,
    input_forget: bool,
}

impl Rule<'_> {
    #[inline(never)]
    fn step(&self, gates: &mut [f32], bias: Option<&[f32]>, h: &mut [f32], c: &mut [f32]) {
        widest(Step { rule: self, gates, bias, h, c });
    }
}

#[inline(never)]
fn add(sums: &mut [f32], more: &[f32]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// One step of one sequence.
struct Step<'a> {
    rule: &'a Rule<'a>,
    /// `[4 · hidden]`, working memory afterwards.
    gates: &'a mut [f32],
    bias: Option<&'a [f32]>,
    h: &'a mut [f32],
    c: &'a mut [f32],
}

impl<'a> Loop for Step<'a> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { rule, gates, bias, h, c } = self;
        let n = h.len();
        let [f, g, out] = rule.activations;
        let (i, rest) = gates.split_at_mut(n);
        let (o, rest) = rest.split_at_mut(n);
        let (forget, enter) = rest.split_at_mut(n);
        let part = |all: Option<&'a [f32]>, at: usize| all.map(|all| &all[at * n..][..n]);
        let (peephole, clip) = (rule.peephole, rule.clip);
        gate(i, part(peephole, 0), c, part(bias, 0), clip);
        apply(f, i);
        if rule.input_forget {
            forget.iter_mut().zip(&*i).for_each(|(forget, i)| *forget = 1.0 - i);
        } else {
            gate(forget, part(peephole, 2), c, part(bias, 2), clip);
            apply(f, forget);
        }
        gate(enter, None, c, part(bias, 3), clip);
        apply(g, enter);
        for (c, ((forget, i), enter)) in c.iter_mut().zip(forget.iter().zip(&*i).zip(&*enter)) {
            *c = *c * forget + i * enter;
        }
        gate(o, part(peephole, 1), c, part(bias, 1), clip);
        apply(f, o);
        h.copy_from_slice(c);
        apply(out, h);
        h.iter_mut().zip(&*o).for_each(|(h, o)| *h *= o);
    }
}

/// The sums of a gate: with what it sees of the cell, its bias, and cut.
#[inline(always)]
fn gate(x: &mut [f32], peek: Option<&[f32]>, c: &[f32], bias: Option<&[f32]>, clip: Option<f32>) {
    if let Some(peek) = peek {
        x.iter_mut().zip(peek.iter().zip(c)).for_each(|(x, (p, c))| *x += p * c);
    }
    if let Some(bias) = bias {
        x.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
    }
    if let Some(clip) = clip {
        x.iter_mut().for_each(|x| *x = x.min(clip).max(-clip));
    }
}

/// The activation of each, Sigmoid and Tanh as onnxruntime approximates them.
#[inline(always)]
fn apply(activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Sigmoid => logistic_all(x),
        Activation::Tanh => tanh_all(x),
        other => x.iter_mut().for_each(|x| *x = other.at(*x)),
    }
}

fn sum_of_halves(bias: &[f32]) -> Vec<f32> {
    let (w, r) = bias.split_at(bias.len() / 2);
    w.iter().zip(r).map(|(w, r)| w + r).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Activation = Activation::Affine { alpha: 1.0, beta: 0.0 };

    fn lstm<'a>(bias: &'a [f32], reverse: bool) -> DynamicLstm<'a, CodedWeights<'a>> {
        let weights =
            |codes| CodedWeights { codes: Codes::I8(codes), zero_point: 0, scales: &[1.0] };
        DynamicLstm {
            w: weights(&[0, 0, 0, 1]),
            r: weights(&[0; 4]),
            bias: Some(bias),
            peephole: None,
            activations: [IDENTITY; 3],
            clip: None,
            input_forget: false,
            reverse,
        }
    }

    fn run(
        lstm: &DynamicLstm<CodedWeights>,
        x: &[f32],
        batch: usize,
        lengths: Option<&[usize]>,
    ) -> Vec<f32> {
        let sequence = Sequence { x, steps: x.len() / batch, batch, input: 1, lengths };
        let (mut h, mut c) = (vec![0.0; batch], vec![0.0; batch]);
        let mut seen = vec![0.0; x.len()];
        lstm.run(&sequence, &mut h, &mut c, |step, b, h| seen[step * batch + b] = h[0]);
        seen
    }

    #[test]
    fn the_cell_adds_up_what_it_has_seen() {
        // i = 1, o = 1, f = 1, half of each from either bias; the range 0 to 255 has a step of 1.
        let bias = [0.5, 0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 0.0];
        let x = [1.0, 2.0, 255.0];
        assert_eq!(run(&lstm(&bias, false), &x, 1, None), [1.0, 3.0, 258.0]);
        assert_eq!(run(&lstm(&bias, true), &x, 1, None), [258.0, 257.0, 255.0]);
    }

    #[test]
    fn inputs_are_quantized_in_one_range() {
        let bias = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(run(&lstm(&bias, false), &[0.4, 0.6, 255.0], 1, None), [0.0, 1.0, 255.0]);
    }

    #[test]
    fn a_short_sequence_ends_early() {
        let bias = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let y = run(&lstm(&bias, true), &[1.0, 10.0, 255.0, 20.0], 2, Some(&[2, 1]));
        assert_eq!(y, [256.0, 10.0, 255.0, 0.0]);
    }
}
