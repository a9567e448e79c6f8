/// Where an image is read when one dimension is resized.
///
/// Output `o` reads the place `o · r`, or `(o + 1/2) · r - 1/2` with half-pixel centers, where
/// `r = (input - 1) / (output - 1)` if corners are aligned and there is more than one output, else `input / output`. Places are
/// rational numbers: nothing is rounded.
///
/// Source: the definition of `resize` in `xir/op` (Xilinx/Vitis-AI b2b2279), which every .xmodel file carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Length of the image.
    pub input: usize,
    /// Length of the result.
    pub output: usize,
    /// The first and the last pixel stay where they are.
    pub align_corners: bool,
    /// Pixels are read at their centers.
    pub half_pixel_centers: bool,
}

/// Two neighbours and how much the second counts: `x[low] · (denominator - weight) + x[high] · weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// The pixel before the place, or at it.
    pub low: usize,
    /// The pixel after it.
    pub high: usize,
    /// Of `high`, in units of 1 / denominator.
    pub weight: i64,
}

/// Lengths beyond this are refused: products of two fit i64 with room to spare.
const LARGEST: usize = 1 << 28;

impl Sampling {
    /// The place that output `o` reads, as numerator and denominator; `None` for lengths of 0 or beyond 2^28.
    fn place(&self, o: usize) -> Option<(i64, i64)> {
        if !(1..=LARGEST).contains(&self.input) || !(1..=LARGEST).contains(&self.output) {
            return None;
        }
        let (o, input, output) = (o as i64, self.input as i64, self.output as i64);
        let (num, den) = if self.align_corners && output > 1 {
            (input - 1, output - 1)
        } else {
            (input, output)
        };
        Some(match self.half_pixel_centers {
            true => ((2 * o + 1) * num - den, 2 * den),
            false => (o * num, den),
        })
    }

    fn places(&self) -> Option<Vec<(i64, i64)>> {
        (0..self.output)
            .map(|o| self.place(o))
            .collect::<Option<Vec<_>>>()
            .filter(|p| !p.is_empty())
    }

    /// The pixel that each output takes: the one before the place; with aligned corners the nearest, halves away from zero.
    pub fn nearest(&self) -> Option<Vec<usize>> {
        let pixel = |(num, den): (i64, i64)| {
            let place = match self.align_corners {
                true if num < 0 => -((-2 * num + den).div_euclid(2 * den)),
                true => (2 * num + den).div_euclid(2 * den),
                false => num.div_euclid(den),
            };
            place.clamp(0, self.input as i64 - 1) as usize
        };
        Some(self.places()?.into_iter().map(pixel).collect())
    }

    /// The denominator of all weights: the smallest number that every one is a fraction of.
    pub fn denominator(&self) -> Option<i64> {
        let mut common = 1i64;
        for (num, den) in self.places()? {
            let rest = num.max(0).rem_euclid(den);
            let own = den / gcd(rest, den);
            common = (common / gcd(common, own)).checked_mul(own)?;
        }
        Some(common)
    }

    /// The denominator and the two neighbours of each output; places before the first pixel are at it.
    pub fn linear(&self) -> Option<(i64, Vec<Tap>)> {
        let denominator = self.denominator()?;
        let last = self.input - 1;
        let tap = |(num, den): (i64, i64)| {
            let num = num.max(0);
            let low = ((num / den) as usize).min(last);
            // Whole: every weight is a fraction of the common denominator.
            let weight = (i128::from(num % den) * i128::from(denominator) / i128::from(den)) as i64;
            Tap { low, high: (low + 1).min(last), weight }
        };
        Some((denominator, self.places()?.into_iter().map(tap).collect()))
    }
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(input: usize, output: usize, align_corners: bool, half: bool) -> Sampling {
        Sampling { input, output, align_corners, half_pixel_centers: half }
    }

    fn weights(sampling: Sampling) -> (i64, Vec<(usize, usize, i64)>) {
        let (denominator, taps) = sampling.linear().unwrap();
        (denominator, taps.iter().map(|t| (t.low, t.high, t.weight)).collect())
    }

    #[test]
    fn half_pixels_double() {
        let (denominator, taps) = weights(sampling(2, 4, false, true));
        assert_eq!(denominator, 4);
        assert_eq!(taps, [(0, 1, 0), (0, 1, 1), (0, 1, 3), (1, 1, 1)]);
    }

    #[test]
    fn aligned_corners_keep_both_ends() {
        let (denominator, taps) = weights(sampling(3, 5, true, false));
        assert_eq!(denominator, 2);
        assert_eq!(taps, [(0, 1, 0), (0, 1, 1), (1, 2, 0), (1, 2, 1), (2, 2, 0)]);
        assert_eq!(sampling(4, 6, true, false).denominator(), Some(5));
    }

    #[test]
    fn a_length_of_one_aligns_no_corners() {
        assert_eq!(weights(sampling(4, 1, true, false)), (1, vec![(0, 1, 0)]));
    }

    #[test]
    fn nearest_takes_the_pixel_before() {
        assert_eq!(sampling(2, 5, false, false).nearest().unwrap(), [0, 0, 0, 1, 1]);
        assert_eq!(sampling(3, 5, true, false).nearest().unwrap(), [0, 1, 1, 2, 2]);
        assert_eq!(sampling(4, 2, false, true).nearest().unwrap(), [0, 2]);
    }

    #[test]
    fn the_weights_are_the_real_ones() {
        for (input, output) in [(7, 3), (3, 7), (10, 15), (16, 2), (1, 4)] {
            for (align, half) in [(false, false), (false, true), (true, false)] {
                let s = sampling(input, output, align, half);
                let (denominator, taps) = s.linear().unwrap();
                for (o, tap) in taps.iter().enumerate() {
                    let r = if align && output > 1 {
                        (input as f64 - 1.0) / (output as f64 - 1.0)
                    } else {
                        input as f64 / output as f64
                    };
                    let o = o as f64;
                    let place = if half { (o + 0.5) * r - 0.5 } else { o * r }.max(0.0);
                    let got = tap.low as f64 + tap.weight as f64 / denominator as f64;
                    assert!((got - place).abs() < 1e-9, "{s:?}: {got}, expected {place}");
                }
            }
        }
    }

    #[test]
    fn lengths_without_sense_have_no_places() {
        assert_eq!(sampling(0, 3, false, false).denominator(), None);
        assert_eq!(sampling(3, 0, false, false).linear(), None);
        assert_eq!(sampling(usize::MAX, 3, false, false).nearest(), None);
    }
}
