//! Weights in the order in which the AVX2 tile takes them.
//!
//! `vpmaddubsw` multiplies bytes, twice as many an instruction as `vpmaddwd` multiplies words, but its sums of two
//! products saturate at 16 bits. With codes up to 255 that cannot happen where the positive weights of a sum, and the
//! negative ones, come to 128 at most. So the steps (four terms of sixteen channels) of a block are sorted, once:
//!
//! - *pairs*: two steps whose sums of four products still fit 16 bits, so that they are added there;
//! - *singles*: steps whose sums of two products fit;
//! - *crossed*: steps of which that is so when their terms are added in other pairs ([`ORDERS`]);
//! - *wide*: the others. Their codes and weights are widened to words, where every product fits.
//!
//! A weight beyond 8 bits is a sum of two: a step more at the same place holds what is left of it.
//!
//! Integer sums do not depend on their order, so all of them give the exact sum.
//!
//! With AVX-VNNI, `vpdpbusd` adds four products to 32 bits: all steps are *dots*, in their own order.

use std::collections::BTreeMap;

use crate::kernel::finish::LANES;
use crate::kernel::weights::{Element, Weights};

/// Terms of one step: four bytes, or two words.
pub(super) const STEP: usize = 4;
/// The weights of a step: `LANES` channels.
type Step = [[i8; STEP]; LANES];
/// Of each channel and pair of terms of a step, the sum of the positive weights and that of the negative ones.
type Loads = [u8; 4 * LANES];
/// Times 255 that is within 16 bits.
const LIMIT: u8 = 128;
/// How many steps are looked at for a partner.
const PARTNERS: usize = 32;

/// In which order the terms of a step may be taken, so that others are added in 16 bits.
pub(super) const ORDERS: [[u8; STEP]; 2] = [[0, 2, 1, 3], [0, 3, 1, 2]];

/// How many steps of each kind a line has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Pairs of steps.
    pub(super) pairs: u32,
    pub(super) singles: u32,
    /// Single steps in each of [`ORDERS`].
    pub(super) crossed: [u32; 2],
    pub(super) wide: u32,
    /// Steps for AVX-VNNI; then there are no others.
    pub(super) dots: u32,
}

/// The weights of `LANES` output channels, or of half as many.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Of each line of taps.
    pub(super) counts: Vec<Counts>,
    /// Codes from the start of a row to the first term of each step, in the order of the weights; not of dots, and not of
    /// words.
    pub(super) places: Vec<u32>,
    /// Codes from the start of a row to the first term.
    pub(super) start: usize,
    /// Whether there are no more than half of the channels; not of dots, and not of words.
    pub(super) half: bool,
    /// Bytes: `[channel, 4 terms]` of a pair's, single, crossed or dot step; `[2 terms, channel, 2 terms]` of a wide one, as i8; half of the
    /// channels in a half block.
    /// Words: `[step, channel, 2 terms]`, as i16.
    pub(super) weights: Vec<i8>,
}

impl Block {
    /// The output channels from `first` on, of weights `[lines, terms]` each, for rows whose first term is code `start`;
    /// bytes as dots or not.
    pub(super) fn new(
        weights: &Weights,
        first: usize,
        [lines, terms, start]: [usize; 3],
        dot: bool,
    ) -> Self {
        let few = weights.out_channels - first <= LANES / 2;
        let half = few && weights.element == Element::Byte && !dot;
        let mut block = Self { counts: vec![], places: vec![], start, half, weights: vec![] };
        let steps_of_all = lines * terms.div_ceil(weights.element.terms());
        block.weights.reserve_exact(steps_of_all * block.channels() * STEP);
        if weights.element == Element::Byte && !dot {
            block.places.reserve_exact(steps_of_all);
        }
        for line in 0..lines {
            let at = line * terms;
            match weights.element {
                Element::Byte if dot => block.push_dots(&steps(weights, first, at, terms)),
                Element::Byte => block.push_bytes(&placed(weights, first, at, terms)),
                Element::Word => block.push_words(&steps(weights, first, at, terms)),
            }
        }
        block
    }

    /// Whether a step needs codes widened to words.
    pub(super) fn is_wide(&self) -> bool {
        self.counts.iter().any(|counts| counts.wide > 0)
    }

    /// Whether its steps are for AVX-VNNI.
    pub(super) fn is_dots(&self) -> bool {
        self.counts.first().is_some_and(|counts| counts.dots > 0)
    }

    fn push_words(&mut self, steps: &[Step]) {
        self.weights.extend(steps.as_flattened().as_flattened());
        self.counts.push(Counts { wide: steps.len() as u32, ..Counts::default() });
    }

    fn push_dots(&mut self, steps: &[Step]) {
        self.weights.extend(steps.as_flattened().as_flattened());
        self.counts.push(Counts { dots: steps.len() as u32, ..Counts::default() });
    }

    /// Steps and their places.
    fn push_bytes(&mut self, steps: &[(usize, Step)]) {
        let loads: Vec<Loads> = steps.iter().map(|(_, step)| loads(step)).collect();
        let (narrow, mut wide): (Vec<_>, Vec<_>) =
            (0..steps.len()).partition(|&i| is_narrow(&loads[i]));
        let (pairs, singles) = matched(narrow, &loads);
        for &i in pairs.iter().chain(&singles) {
            self.push_step(steps[i].0, &steps[i].1);
        }
        let crossed = ORDERS.map(|order| {
            let before = wide.len();
            wide.retain(|&i| {
                let crossed = steps[i].1.map(|w| order.map(|place| w[usize::from(place)]));
                let fits = is_narrow(&self::loads(&crossed));
                if fits {
                    self.push_step(steps[i].0, &crossed);
                }
                !fits
            });
            (before - wide.len()) as u32
        });
        for &i in &wide {
            let (at, step) = &steps[i];
            let step = &step[..self.channels()];
            let terms = |half: usize| step.iter().flat_map(move |w| [w[half], w[half + 1]]);
            self.push_place(*at);
            self.weights.extend(terms(0).chain(terms(2)));
        }
        self.counts.push(Counts {
            pairs: pairs.len() as u32 / 2,
            singles: singles.len() as u32,
            crossed,
            wide: wide.len() as u32,
            ..Counts::default()
        });
    }

    fn push_step(&mut self, step: usize, weights: &Step) {
        self.push_place(step);
        self.weights.extend_from_slice(weights[..self.channels()].as_flattened());
    }

    fn push_place(&mut self, step: usize) {
        self.places.push((self.start + STEP * step) as u32);
    }

    /// Channels of a step.
    fn channels(&self) -> usize {
        if self.half { LANES / 2 } else { LANES }
    }
}

/// The steps of `terms` terms from term `at` on; terms and channels past the last are 0.
fn steps(weights: &Weights, first: usize, at: usize, terms: usize) -> Vec<Step> {
    let (together, channels) = (weights.element.terms(), weights.channels);
    let count = terms.div_ceil(together);
    if terms == channels || (channels.is_multiple_of(together) && terms.is_multiple_of(channels)) {
        let steps = channels.div_ceil(together);
        let step = |i: usize| weights.step(first, at / channels + i / steps, i % steps);
        return (0..count).map(step).collect();
    }
    let mut steps = vec![Step::default(); count];
    let bytes = STEP / together;
    for term in 0..terms {
        for (channel, w) in steps[term / together].iter_mut().enumerate() {
            let weight = weights.get(first + channel, at + term).to_le_bytes();
            let place = term % together * bytes;
            w[place..place + bytes].copy_from_slice(&weight.map(|byte| byte as i8)[..bytes]);
        }
    }
    steps
}

/// The same with their places, and the rests of weights beyond 8 bits behind them.
fn placed(weights: &Weights, first: usize, at: usize, terms: usize) -> Vec<(usize, Step)> {
    let mut rests = BTreeMap::<usize, Step>::new();
    for (channel, term, w) in weights.rests(first, at, terms) {
        rests.entry(term / STEP).or_default()[channel][term % STEP] = w;
    }
    steps(weights, first, at, terms).into_iter().enumerate().chain(rests).collect()
}

fn loads(step: &Step) -> Loads {
    let (w, _) = step.as_flattened().as_chunks::<2>();
    let mut loads = [0; 4 * LANES];
    let (above, below) = loads.split_at_mut(2 * LANES);
    // Two magnitudes are 256 at most: saturated, that is still beyond the limit.
    let narrow = |sum: i16| sum.min(255) as u8;
    for ((above, below), &[a, b]) in above.iter_mut().zip(below).zip(w) {
        let (a, b) = (i16::from(a), i16::from(b));
        *above = narrow(a.max(0) + b.max(0));
        *below = narrow(-(a.min(0) + b.min(0)));
    }
    loads
}

/// Whether no sum of two products can saturate.
fn is_narrow(loads: &Loads) -> bool {
    loads.iter().fold(0, |most: u8, &load| most.max(load)) <= LIMIT
}

/// Pairs of steps, side by side, whose sums may be added before they are widened, and the steps without a partner.
fn matched(steps: Vec<usize>, loads: &[Loads]) -> (Vec<usize>, Vec<usize>) {
    let (mut pairs, mut singles) = (vec![], vec![]);
    let mut left = steps;
    left.reverse();
    while let Some(step) = left.pop() {
        let fits = |&at: &usize| fit(&loads[step], &loads[left[at]]);
        let nearest = (left.len().saturating_sub(PARTNERS)..left.len()).rev();
        match nearest.into_iter().find(fits) {
            Some(at) => pairs.extend([step, left.remove(at)]),
            None => singles.push(step),
        }
    }
    (pairs, singles)
}

fn fit(a: &Loads, b: &Loads) -> bool {
    let largest = a.iter().zip(b).map(|(a, b)| a.saturating_add(*b));
    largest.fold(0, u8::max) <= LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(w: [i16; 8]) -> Block {
        Block::new(&Weights::new(Element::Byte, 1, 1, 8, &w).unwrap(), 0, [1, 8, 0], false)
    }

    #[test]
    fn steps_are_sorted_by_what_their_sums_may_reach() {
        let counts = |w| {
            let Counts { pairs, singles, crossed: [a, b], wide, .. } = block(w).counts[0];
            [pairs, singles, a, b, wide]
        };
        assert_eq!(counts([64, -64, 64, -64, 64, -64, 64, -64]), [1, 0, 0, 0, 0]);
        assert_eq!(counts([64, 64, 1, 1, 1, 0, 1, 1]), [0, 2, 0, 0, 0]);
        assert_eq!(counts([64, 65, 1, 1, 1, 0, 1, 1]), [0, 1, 1, 0, 0]);
        assert_eq!(counts([100, 60, 50, 3, 1, 0, 1, 1]), [0, 1, 0, 1, 0]);
        assert_eq!(counts([64, 65, 65, 65, 1, 0, 1, 1]), [0, 1, 0, 0, 1]);
        assert_eq!(counts([-128, 127, 1, 0, -1, -128, 0, 0]), [0, 1, 1, 0, 0]);
    }

    #[test]
    fn a_crossed_step_has_its_weights_in_the_order_of_the_codes() {
        let block = block([1, 1, 1, 1, 100, 60, 50, 3]);
        assert_eq!((block.counts[0].crossed, &block.places[..]), ([0, 1], &[0, 4][..]));
        assert_eq!((block.half, &block.weights[2 * LANES..][..4]), (true, &[100, 3, 60, 50][..]));
    }

    #[test]
    fn dots_stay_in_order() {
        let weights = Weights::new(Element::Byte, 1, 1, 5, &[100, 101, 102, 103, -128]).unwrap();
        let block = Block::new(&weights, 0, [1, 5, 0], true);
        assert_eq!((block.counts[0].dots, block.is_dots(), block.is_wide()), (2, true, false));
        assert_eq!(block.weights[..4], [100, 101, 102, 103]);
        assert_eq!(block.weights[4 * LANES..][..4], [-128, 0, 0, 0]);
    }

    #[test]
    fn a_weight_beyond_8_bits_is_two() {
        let w = [200, 1, 1, 1, 1, 1, 1, -200];
        let block = Block::new(&Weights::of_two(1, 1, 8, &w).unwrap(), 0, [1, 8, 0], false);
        let mut places = block.places.clone();
        places.sort_unstable();
        assert_eq!(places, [0, 0, 4, 4]);
    }

    #[test]
    fn a_wide_step_comes_last_and_knows_its_place() {
        assert_eq!(block([100, 100, 100, 0, 1, 1, 1, 1]).places, [4, 0]);
    }
}
