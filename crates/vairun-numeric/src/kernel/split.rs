use super::dispatch::on;
use super::elementwise::quantize;
use super::finish::{Finish, Output, Part};
use super::isa::Isa;
use super::product::{Codes, Product, Written};
use crate::vector::Loop;

/// A product whose sums leave 32 bits: the channels of x are parted, or the weights into digits, and the sums over the
/// parts, which fit, are added in f64.
///
/// Digit i of a weight counts `256^i`.
#[derive(Clone, Debug)]
pub struct Split {
    /// Its groups are the parts, each with all output channels of the first digit, then of the second …; it writes sums.
    parts: Product,
    digits: usize,
    /// A wide one.
    finish: Finish,
    isa: Isa,
}

impl Split {
    /// `parts` writes the sums of as many groups as there are parts, of all digits, and `finish` is wide; that all sums
    /// over the parts fit i32, and their own sum f64, is the caller's to prove.
    pub fn new(parts: Product, digits: usize, finish: Finish, isa: Isa) -> Self {
        assert!(parts.out_channels().is_multiple_of(digits * finish.channels()), "whole parts");
        Self { parts, digits, finish, isa }
    }

    /// The same with [`Finish::sloped`].
    #[must_use]
    pub fn sloped(self, slopes: Vec<f32>) -> Self {
        Self { finish: self.finish.sloped(slopes), ..self }
    }

    /// Digit `i` of a weight: from -128 to 127, the last one what is left.
    pub fn digit(w: i16, i: usize, digits: usize) -> i16 {
        let low = i16::from(w as i8);
        match i {
            _ if digits == 1 => w,
            0 => low,
            // What is left is a multiple of 256, from -2^15 to 2^15.
            _ => Self::digit(((i32::from(w) - i32::from(low)) >> 8) as i16, i - 1, digits - 1),
        }
    }

    /// Products of one image.
    pub fn multiplications(&self) -> usize {
        // Each group of the product has the channels of its part.
        self.parts.multiplications()
    }

    /// As [`Product::run`], the pixels of x without gaps.
    pub fn run(&self, x: Codes, x_stride: usize, out: Written, batch: usize) {
        let mut sums = vec![0; batch * self.parts.pixels() * self.parts.out_channels()];
        let stride = self.parts.out_channels();
        self.parts.run(x, x_stride, Written::I32(&mut sums), stride, batch);
        let numbers = |out: &mut [f32]| on(self.isa, self.numbers(&sums, out));
        let made = || {
            let mut made = vec![0.0; batch * self.parts.pixels() * self.finish.channels()];
            numbers(&mut made);
            made
        };
        match (out, self.finish.output()) {
            (Written::U8(out), Output::Codes8(narrow)) => quantize(self.isa, &narrow, &made(), out),
            (Written::I16(out), Output::Codes16(narrow)) => {
                quantize(self.isa, &narrow, &made(), out);
            }
            (Written::F32(out), Output::Real) => numbers(out),
            _ => panic!("the output is of the type that is written"),
        }
    }

    fn numbers<'a>(&'a self, sums: &'a [i32], out: &'a mut [f32]) -> Numbers<'a> {
        let channels = self.finish.channels();
        assert_eq!(out.len() * self.parts.out_channels(), sums.len() * channels, "as planned");
        let digits = self.digits;
        Numbers { sums, channels, digits, part: self.finish.from(0), out }
    }
}

/// The sums of pixels, `[pixels, parts, digits, channels]`, and the numbers that they become.
struct Numbers<'a> {
    sums: &'a [i32],
    channels: usize,
    digits: usize,
    part: Part<'a>,
    out: &'a mut [f32],
}

impl Loop for Numbers<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { sums, channels, digits, part, out } = self;
        if out.is_empty() {
            return;
        }
        let pixel = sums.len() / (out.len() / channels);
        // Slopes have a loop of their own: a choice in the first one keeps it from being vectors.
        let straight = Part { slopes: None, ..part };
        let mut totals = vec![0f64; channels];
        for (sums, out) in sums.chunks_exact(pixel).zip(out.chunks_exact_mut(channels)) {
            totals.fill(0.0);
            for part in sums.chunks_exact(digits * channels) {
                let mut step = 1.0;
                for sums in part.chunks_exact(channels) {
                    let each = totals.iter_mut().zip(sums);
                    each.for_each(|(total, &sum)| *total += f64::from(sum) * step);
                    step *= 256.0;
                }
            }
            for (c, (number, &total)) in out.iter_mut().zip(&totals).enumerate() {
                *number = straight.real_of(c, total);
            }
            for (number, &slope) in out.iter_mut().zip(part.slopes.unwrap_or_default()) {
                *number *= if *number < 0.0 { slope } else { 1.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_make_the_weight() {
        for w in -32768..=32767 {
            let [low, high] = [0, 1].map(|i| Split::digit(w, i, 2));
            assert_eq!(i32::from(low) + 256 * i32::from(high), i32::from(w));
            assert!((-128..=127).contains(&low) && (-128..=128).contains(&high), "{w}");
            assert_eq!(Split::digit(w, 0, 1), w);
        }
    }
}
