use super::activation::Activation;
use super::direction::Sequence;
use crate::contraction::{Codes, MatMulShape, Operand, matmul};
use crate::linear::dynamic_quantize;
use crate::qlinear::{logistic, tanh, to_float};
use crate::spread::Spread;

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
pub struct DynamicLstm<'a> {
    /// `[input, 4 · hidden]`
    pub w: CodedWeights<'a>,
    /// `[hidden, 4 · hidden]`
    pub r: CodedWeights<'a>,
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

/// `rows` real rows, quantized, times the weights; `None` where the weights do not fill the shape.
fn product(x: &[f32], rows: usize, weights: &CodedWeights) -> Vec<f32> {
    let (codes, scale, zero_point) = dynamic_quantize(x);
    let terms = x.len() / rows.max(1);
    let columns = weights.codes.len() / terms.max(1);
    let shape =
        MatMulShape { m: rows, k: terms, n: columns, a_transposed: false, b_transposed: false };
    let a = Operand { codes: Codes::U8(&codes), zero_points: &[zero_point.into()] };
    let b = Operand { codes: weights.codes, zero_points: &[weights.zero_point] };
    let sums = matmul(shape, &a, &b).expect("sums of 8-bit codes fit").into_wrapped_i32();
    let scales: Vec<f32> = weights.scales.iter().map(|w| scale * w).collect();
    let spread = match scales.len() {
        1 => Spread::Tensor,
        _ => Spread::Axis { length: columns, inner: 1 },
    };
    to_float(&sums, &scales, None, spread)
}

impl DynamicLstm<'_> {
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
            gates.iter_mut().zip(&recurrent).for_each(|(gate, r)| *gate += r);
            for (b, gates) in gates.chunks_exact_mut(4 * hidden).enumerate() {
                let states = b * hidden..(b + 1) * hidden;
                if i >= lengths[b] {
                    shown[states].fill(0.0);
                    continue;
                }
                let (h, c) = (&mut h[states.clone()], &mut c[states.clone()]);
                self.step(gates, bias.as_deref(), h, c);
                shown[states].copy_from_slice(h);
                emit(if self.reverse { lengths[b] - 1 - i } else { i }, b, h);
            }
        }
    }

    /// The first `steps` steps of x in the order in which they are read.
    fn ordered(&self, sequence: &Sequence, lengths: &[usize], steps: usize) -> Vec<f32> {
        let Sequence { x, batch, input, .. } = *sequence;
        if !self.reverse {
            return x[..steps * batch * input].to_vec();
        }
        let place = |i: usize, b: usize| match lengths[b].checked_sub(i + 1) {
            Some(step) => (step * batch + b) * input,
            None => (i * batch + b) * input,
        };
        let rows = (0..steps).flat_map(|i| (0..batch).map(move |b| (i, b)));
        rows.flat_map(|(i, b)| &x[place(i, b)..][..input]).copied().collect()
    }

    /// One step of one sequence.
    fn step(&self, gates: &[f32], bias: Option<&[f32]>, h: &mut [f32], c: &mut [f32]) {
        let n = h.len();
        let [f, g, out] = self.activations;
        let sum = |gate: usize, k: usize, peek: Option<(usize, f32)>| {
            let mut x = gates[gate * n + k];
            if let (Some(p), Some((part, c))) = (self.peephole, peek) {
                x += p[part * n + k] * c;
            }
            let x = bias.map_or(x, |bias| x + bias[gate * n + k]);
            self.clip.map_or(x, |clip| x.min(clip).max(-clip))
        };
        for k in 0..n {
            let before = c[k];
            let i = at(f, sum(0, k, Some((0, before))));
            let forget = match self.input_forget {
                true => 1.0 - i,
                false => at(f, sum(2, k, Some((2, before)))),
            };
            let enter = at(g, sum(3, k, None));
            c[k] = before * forget + i * enter;
            let o = at(f, sum(1, k, Some((1, c[k]))));
            h[k] = at(out, c[k]) * o;
        }
    }
}

/// The activation as onnxruntime approximates it.
fn at(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Sigmoid => logistic(x),
        Activation::Tanh => tanh(x),
        other => other.at(x),
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

    fn lstm<'a>(bias: &'a [f32], reverse: bool) -> DynamicLstm<'a> {
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

    fn run(lstm: &DynamicLstm, x: &[f32], batch: usize, lengths: Option<&[usize]>) -> Vec<f32> {
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
