use super::cell::Cell;
use super::dense::add_product;

/// What is read, step by step.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// `[steps, batch, input]`
    pub x: &'a [f32],
    /// Steps.
    pub steps: usize,
    /// Sequences side by side.
    pub batch: usize,
    /// Elements of x at one step.
    pub input: usize,
    /// The length of each sequence, at most `steps`; `None`: all have `steps`.
    pub lengths: Option<&'a [usize]>,
}

/// The weights of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Direction<'a> {
    /// `[gates · hidden, input]`
    pub w: &'a [f32],
    /// `[gates · hidden, hidden]`
    pub r: &'a [f32],
    /// `[2 · gates · hidden]`: what is added to the product with w, then what is added to that with r.
    pub bias: Option<&'a [f32]>,
    /// From the last step to the first.
    pub reverse: bool,
}

impl Direction<'_> {
    /// Runs `cell` over the sequence. `h` and `c`, `[batch, hidden]`, are the states before and after; `c` is unused by
    /// cells without one. `emit(step, batch, h)` receives each hidden state; steps beyond a sequence's length have none.
    pub fn run(
        &self,
        sequence: &Sequence,
        cell: &dyn Cell,
        h: &mut [f32],
        c: &mut [f32],
        mut emit: impl FnMut(usize, usize, &[f32]),
    ) {
        let hidden = h.len().checked_div(sequence.batch).unwrap_or(0);
        let rows = cell.gates() * hidden;
        let (wb, rb) =
            self.bias.map_or((None, None), |bias| (Some(&bias[..rows]), Some(&bias[rows..])));
        let mut gates = vec![0.0; rows];
        for b in 0..sequence.batch {
            let states = b * hidden..(b + 1) * hidden;
            let (h, c) = (&mut h[states.clone()], c.get_mut(states).unwrap_or_default());
            let length = sequence.lengths.map_or(sequence.steps, |lengths| lengths[b]);
            for i in 0..length {
                let step = if self.reverse { length - 1 - i } else { i };
                let at = (step * sequence.batch + b) * sequence.input;
                gates.fill(0.0);
                add_product(&mut gates, self.w, &sequence.x[at..at + sequence.input]);
                if let Some(wb) = wb {
                    gates.iter_mut().zip(wb).for_each(|(gate, b)| *gate += b);
                }
                cell.step(&mut gates, self.r, rb, h, c);
                emit(step, b, h);
            }
        }
    }
}
