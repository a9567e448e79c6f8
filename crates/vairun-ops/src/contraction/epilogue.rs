use vairun_numeric::kernel::{
    Element, Finish as KernelFinish, Isa, Output, Product, Rows, Split, Weights,
};

use super::finish::Finish;
use super::packed::PackedInput;

/// From the sums of kernels to the result, in the form that the kernels can compute exactly.
pub(super) struct Epilogue<'a> {
    pub(super) x: &'a PackedInput,
    /// One for each output channel.
    pub(super) finishes: &'a [Finish],
    pub(super) output: Output,
    /// Whether sums that leave 32 bits wrap around: then they must not.
    pub(super) wraps: bool,
}

/// Whole numbers up to here are exact in f64.
const EXACT: i64 = 1 << 53;

/// Parts of the channels and digits of the weights that a sum is split into, the cheapest first.
const WAYS: [(usize, usize); 14] = [
    (2, 1),
    (3, 1),
    (4, 1),
    (1, 2),
    (2, 2),
    (3, 2),
    (4, 2),
    (5, 1),
    (6, 1),
    (7, 1),
    (8, 1),
    (8, 2),
    (16, 1),
    (16, 2),
];

impl Epilogue<'_> {
    /// For sums that fit 32 bits, and the largest result; `None` where they do not.
    pub(super) fn whole(&self, weights: &[Weights]) -> Option<(KernelFinish, f32)> {
        let bounds = self.bounds(weights)?;
        self.narrow(weights, &bounds).or_else(|| self.wide(weights, &bounds))
    }

    /// How far the sums of each channel are from 0 at most.
    fn bounds(&self, weights: &[Weights]) -> Option<Vec<i64>> {
        let magnitudes = weights.iter().flat_map(|group| group.magnitudes());
        magnitudes.map(|m| m.checked_mul(self.x.reach())).collect()
    }

    /// What the kernels add to the sums of all groups, beside `biases`; `None` where one leaves i32.
    fn corrections(&self, weights: &[Weights], biases: &[i64]) -> Option<Vec<i32>> {
        let mut add = Vec::with_capacity(biases.len());
        for group in weights {
            let biases = &biases[add.len()..][..group.magnitudes().len()];
            add.extend(group.corrections_within(self.x.zero, biases, self.x.reach())?);
        }
        Some(add)
    }

    /// Sums and biases together fit 32 bits.
    fn narrow(&self, weights: &[Weights], bounds: &[i64]) -> Option<(KernelFinish, f32)> {
        let parts = self.finishes.iter().zip(bounds);
        let parts = parts.map(|(finish, &bound)| finish.unshifted(bound));
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let biases: Vec<i64> = parts.iter().map(|part| part.0).collect();
        let add = self.corrections(weights, &biases)?;
        let scale = parts.iter().map(|part| part.1).collect();
        let bias: Vec<_> = parts.iter().map(|part| part.2).collect();
        let sizes = parts.iter().zip(bounds);
        let sizes = sizes.map(|(&(add, scale, bias), &bound)| (bound + add.abs(), scale, bias));
        let largest = largest(sizes)?;
        Some((KernelFinish::new(add, scale, biases_of(&bias), self.output), largest))
    }

    /// Sums fit 32 bits; shifted and with their biases they fit 53.
    fn wide(&self, weights: &[Weights], bounds: &[i64]) -> Option<(KernelFinish, f32)> {
        if self.wraps {
            return None;
        }
        let add = self.corrections(weights, &vec![0; bounds.len()])?;
        self.widened(add, bounds)
    }

    fn widened(&self, add: Vec<i32>, bounds: &[i64]) -> Option<(KernelFinish, f32)> {
        let parts: Vec<_> = self.finishes.iter().map(|finish| finish.wide()).collect();
        let size = |((shift, add, scale, bias), &bound): (&(u32, i64, f32, Option<f32>), &i64)| {
            let size = bound.checked_mul(1 << shift)?.checked_add(add.checked_abs()?)?;
            (size <= EXACT).then_some((size, *scale, *bias))
        };
        let sizes = parts.iter().zip(bounds).map(size).collect::<Option<Vec<_>>>()?;
        let largest = largest(sizes.into_iter())?;
        let scale = parts.iter().map(|part| part.2).collect();
        let bias: Vec<_> = parts.iter().map(|part| part.3).collect();
        let finish = KernelFinish::new(add, scale, biases_of(&bias), self.output);
        let factors = parts.iter().map(|part| (1u64 << part.0) as f64).collect();
        let terms = parts.iter().map(|part| part.1 as f64).collect();
        Some((finish.widened(factors, terms), largest))
    }

    /// For sums that leave 32 bits, but not when taken over some of the channels of x, or over digits of the weights;
    /// `weights` are `[out_channels, taps, channels]`.
    pub(super) fn split(
        &self,
        element: Element,
        weights: &[i16],
        channels: usize,
        rows: Rows,
        isa: Isa,
    ) -> Option<(Split, f32)> {
        if self.wraps {
            return None;
        }
        let (taps, out) = (rows.taps(), self.finishes.len());
        let whole = Weights::new(element, out, taps, channels, weights)?;
        let bounds = self.bounds(&[whole])?;
        let sizes = [out, taps, channels];
        let ways = WAYS.into_iter().filter(|(parts, _)| channels.is_multiple_of(*parts));
        let (parts, digits, add) = ways.into_iter().find_map(|(parts, digits)| {
            let parts = parted(element, weights, sizes, (parts, digits))?;
            let add = self.corrections(&parts, &vec![0; parts.len() * digits * out])?;
            Some((parts, digits, add))
        })?;
        let count = add.len();
        let sums = KernelFinish::new(add, vec![1.0; count], None, Output::Sums);
        let width = channels / parts.len();
        let product = Product::new(parts, width, rows, self.x.zero, sums, isa);
        let (finish, largest) = self.widened(vec![0; out], &bounds)?;
        Some((Split::new(product, digits, finish, isa), largest))
    }
}

/// The weights of each part of the channels, `[digits · out_channels, taps, channels of a part]`.
fn parted(
    element: Element,
    weights: &[i16],
    [out, taps, channels]: [usize; 3],
    (parts, digits): (usize, usize),
) -> Option<Vec<Weights>> {
    let width = channels / parts;
    let part = |i: usize| {
        let digit = |d: usize| {
            let pixels = weights.chunks_exact(channels);
            let weights = pixels.flat_map(move |w| &w[i * width..][..width]);
            weights.map(move |&w| Split::digit(w, d, digits))
        };
        let part: Vec<i16> = (0..digits).flat_map(digit).collect();
        Weights::new(element, digits * out, taps, width, &part)
    };
    (0..parts).map(part).collect()
}

/// A product of -0 plus 0 would be 0: channels without a bias are left alone by -0.
fn biases_of(bias: &[Option<f32>]) -> Option<Vec<f32>> {
    let any = bias.iter().any(Option::is_some);
    any.then(|| bias.iter().map(|bias| bias.unwrap_or(-0.0)).collect())
}

/// The largest result of sums of such sizes, scales and biases; `None` where one is not finite.
fn largest(channels: impl Iterator<Item = (i64, f32, Option<f32>)>) -> Option<f32> {
    let mut largest = 0f32;
    for (size, scale, bias) in channels {
        let bias = bias.unwrap_or(0.0);
        let number = size as f32 * scale.abs() + bias.abs();
        if !number.is_finite() {
            return None;
        }
        largest = largest.max(number);
    }
    Some(largest)
}
