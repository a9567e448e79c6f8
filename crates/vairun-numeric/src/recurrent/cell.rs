use super::activation::Activation;
use super::dense::add_product;

/// One step of a recurrence.
pub trait Cell {
    /// How many blocks of `hidden` rows the weights have.
    fn gates(&self) -> usize;

    /// From `gates`, `[gates · hidden]`, the products with x and their bias, and the states `h` and `c`, `[hidden]`, the
    /// states after the step. `gates` is working memory afterwards.
    fn step(&self, gates: &mut [f32], r: &[f32], rb: Option<&[f32]>, h: &mut [f32], c: &mut [f32]);
}

/// Adds the product with the state, and its bias.
fn add_recurrence(gates: &mut [f32], r: &[f32], rb: Option<&[f32]>, h: &[f32]) {
    add_product(gates, r, h);
    if let Some(rb) = rb {
        gates.iter_mut().zip(rb).for_each(|(gate, b)| *gate += b);
    }
}

/// The activation of sums that are cut first.
fn activate(x: &mut [f32], activation: Activation, clip: Option<f32>) {
    if let Some(clip) = clip {
        x.iter_mut().for_each(|x| *x = x.max(-clip).min(clip));
    }
    activation.apply(x);
}

/// `h = f(W·x + R·h + b)`
#[derive(Clone, Debug)]
pub struct Rnn {
    /// The activation.
    pub f: Activation,
    /// Sums are cut to `-clip..=clip` before the activation.
    pub clip: Option<f32>,
}

impl Cell for Rnn {
    fn gates(&self) -> usize {
        1
    }

    fn step(&self, gates: &mut [f32], r: &[f32], rb: Option<&[f32]>, h: &mut [f32], _: &mut [f32]) {
        add_recurrence(gates, r, rb, h);
        activate(gates, self.f, self.clip);
        h.copy_from_slice(gates);
    }
}

/// `z = f(W·x + R·h + b)`, `r` alike, `n = g(W·x + R·(r∘h) + b)`, `h = (1 - z)∘n + z∘h`
#[derive(Clone, Debug)]
pub struct Gru {
    /// The activation of z and r.
    pub f: Activation,
    /// The activation of n.
    pub g: Activation,
    /// Sums are cut to `-clip..=clip` before the activations.
    pub clip: Option<f32>,
    /// `n = g(W·x + b + r∘(R·h + b))` instead.
    pub linear_before_reset: bool,
}

impl Cell for Gru {
    fn gates(&self) -> usize {
        3
    }

    fn step(&self, gates: &mut [f32], r: &[f32], rb: Option<&[f32]>, h: &mut [f32], _: &mut [f32]) {
        let hidden = h.len();
        let (first, last) = gates.split_at_mut(2 * hidden);
        let (r_first, r_last) = r.split_at(2 * hidden * hidden);
        let (rb_first, rb_last) =
            rb.map_or((None, None), |rb| (Some(&rb[..2 * hidden]), Some(&rb[2 * hidden..])));
        add_recurrence(first, r_first, rb_first, h);
        activate(first, self.f, self.clip);
        let (z, reset) = first.split_at(hidden);
        if self.linear_before_reset {
            let mut product = vec![0.0; hidden];
            add_recurrence(&mut product, r_last, rb_last, h);
            last.iter_mut().zip(reset.iter().zip(product)).for_each(|(n, (r, p))| *n += r * p);
        } else {
            let kept: Vec<f32> = reset.iter().zip(&*h).map(|(r, h)| r * h).collect();
            add_recurrence(last, r_last, rb_last, &kept);
        }
        activate(last, self.g, self.clip);
        for (h, (n, z)) in h.iter_mut().zip(last.iter().zip(z)) {
            *h = (1.0 - z) * n + z * *h;
        }
    }
}

/// `i, o, f = f(W·x + R·h + p∘c + b)`, `n = g(W·x + R·h + b)`, `c = f∘c + i∘n`, `h = o∘h(c)`
#[derive(Clone, Debug)]
pub struct Lstm<'a> {
    /// The activation of the gates i, o and f.
    pub f: Activation,
    /// The activation of what enters the cell.
    pub g: Activation,
    /// The activation of the cell.
    pub h: Activation,
    /// Sums are cut to `-clip..=clip` before the activations of the gates.
    pub clip: Option<f32>,
    /// The forget gate is `1 - i`.
    pub input_forget: bool,
    /// `[3 · hidden]`: the weights of the cell in the gates i, o, f.
    pub peephole: Option<&'a [f32]>,
}

impl Cell for Lstm<'_> {
    fn gates(&self) -> usize {
        4
    }

    fn step(&self, gates: &mut [f32], r: &[f32], rb: Option<&[f32]>, h: &mut [f32], c: &mut [f32]) {
        let n = h.len();
        add_recurrence(gates, r, rb, h);
        let (i, rest) = gates.split_at_mut(n);
        let (o, rest) = rest.split_at_mut(n);
        let (forget, enter) = rest.split_at_mut(n);
        self.gate(0, i, c);
        match self.input_forget {
            true => forget.iter_mut().zip(&*i).for_each(|(forget, i)| *forget = 1.0 - i),
            false => self.gate(2, forget, c),
        }
        activate(enter, self.g, self.clip);
        for (c, ((forget, i), enter)) in c.iter_mut().zip(forget.iter().zip(&*i).zip(&*enter)) {
            *c = forget * *c + i * enter;
        }
        self.gate(1, o, c);
        h.copy_from_slice(c);
        self.h.apply(h);
        h.iter_mut().zip(&*o).for_each(|(h, o)| *h *= o);
    }
}

impl Lstm<'_> {
    /// A gate, `place` among those of the peephole, from its sums and the cell.
    fn gate(&self, place: usize, x: &mut [f32], c: &[f32]) {
        match self.peephole.map(|p| &p[place * c.len()..][..c.len()]) {
            Some(peek) => x.iter_mut().zip(peek.iter().zip(c)).for_each(|(x, (p, c))| *x += p * c),
            // What a peephole of zeros does to -0.
            None => x.iter_mut().for_each(|x| *x += 0.0),
        }
        activate(x, self.f, self.clip);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, Sequence};
    use super::*;

    const IDENTITY: Activation = Activation::Affine { alpha: 1.0, beta: 0.0 };

    fn states(
        cell: &dyn Cell,
        x: &[f32],
        w: &[f32],
        r: &[f32],
        bias: Option<&[f32]>,
        reverse: bool,
    ) -> Vec<f32> {
        let sequence = Sequence { x, steps: x.len(), batch: 1, input: 1, lengths: None };
        let mut seen = vec![0.0; x.len()];
        let direction = Direction { w, r, bias, reverse };
        direction.run(&sequence, cell, &mut [0.0], &mut [0.0], |step, _, h| seen[step] = h[0]);
        seen
    }

    #[test]
    fn a_linear_rnn_adds_up_what_it_has_seen() {
        let sum = Rnn { f: IDENTITY, clip: None };
        assert_eq!(states(&sum, &[1., 2., 3.], &[1.], &[1.], None, false), [1., 3., 6.]);
        assert_eq!(states(&sum, &[1., 2., 3.], &[1.], &[1.], None, true), [6., 5., 3.]);
        assert_eq!(states(&sum, &[1., 2.], &[1.], &[1.], Some(&[10., 100.]), false), [111., 223.]);
        let cut = Rnn { f: IDENTITY, clip: Some(4.) };
        assert_eq!(states(&cut, &[1., 2., 3.], &[1.], &[1.], None, false), [1., 3., 4.]);
    }

    #[test]
    fn a_gru_keeps_or_takes() {
        let gru =
            |linear_before_reset| Gru { f: IDENTITY, g: IDENTITY, clip: None, linear_before_reset };
        // z = 0 takes the new state, z = 1 keeps the old one.
        assert_eq!(states(&gru(false), &[5., 7.], &[0., 0., 1.], &[0.; 3], None, false), [5., 7.]);
        let keep = [1., 0., 0., 0., 0., 0.];
        assert_eq!(
            states(&gru(false), &[5., 7.], &[0., 0., 1.], &[0.; 3], Some(&keep), false),
            [0., 0.]
        );
        // n = x + r·(h + 10) against x + (r·h + 10), with r = 2.
        let bias = [0., 2., 0., 0., 0., 10.];
        assert_eq!(
            states(&gru(true), &[1., 1.], &[0., 0., 1.], &[0., 0., 1.], Some(&bias), false),
            [21., 63.]
        );
        assert_eq!(
            states(&gru(false), &[1., 1.], &[0., 0., 1.], &[0., 0., 1.], Some(&bias), false),
            [11., 33.]
        );
    }

    #[test]
    fn an_lstm_fills_its_cell() {
        let plain = Lstm {
            f: IDENTITY,
            g: IDENTITY,
            h: IDENTITY,
            clip: None,
            input_forget: false,
            peephole: None,
        };
        // i = 1, o = 2, f = 1 by bias; the cell adds x.
        let bias = [1., 2., 1., 0., 0., 0., 0., 0.];
        let w = [0., 0., 0., 1.];
        assert_eq!(states(&plain, &[1., 2., 3.], &w, &[0.; 4], Some(&bias), false), [2., 6., 12.]);
        // f = 1 - i = 0: the cell forgets.
        let coupled = Lstm { input_forget: true, ..plain.clone() };
        assert_eq!(states(&coupled, &[1., 2., 3.], &w, &[0.; 4], Some(&bias), false), [2., 4., 6.]);
        // The output gate sees the cell after the step: o = 2 + c.
        let peephole = Lstm { peephole: Some(&[0., 1., 0.]), ..plain };
        assert_eq!(states(&peephole, &[1., 2.], &w, &[0.; 4], Some(&bias), false), [3., 15.]);
    }

    #[test]
    fn a_short_sequence_ends_early_and_is_reversed_within_itself() {
        let sum = Rnn { f: IDENTITY, clip: None };
        let sequence = Sequence {
            x: &[1., 10., 2., 20.],
            steps: 2,
            batch: 2,
            input: 1,
            lengths: Some(&[2, 1]),
        };
        let direction = Direction { w: &[1.], r: &[1.], bias: None, reverse: true };
        let (mut h, mut seen) = ([0.0; 2], [0.0; 4]);
        direction.run(&sequence, &sum, &mut h, &mut [], |step, b, h| seen[step * 2 + b] = h[0]);
        assert_eq!((h, seen), ([3., 10.], [3., 10., 2., 0.]));
    }
}
