//! Codes on one grid from codes on another.

#![allow(unsafe_code)]

use super::dispatch::on;
use super::elementwise::{Grid, Stored, in_tasks};
use super::isa::Isa;
use super::narrow::Narrow;
use crate::vector::Loop;

/// `out = narrow(grid(x))` on codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requantize {
    /// Of x.
    pub grid: Grid,
    /// Of the result.
    pub narrow: Narrow,
}

impl Requantize {
    /// The codes of x on the grid of the result.
    ///
    /// # Panics
    /// Where the result is not as long as x.
    pub fn run<X: Stored, C: Stored>(&self, isa: Isa, x: &[X], out: &mut [C]) {
        assert_eq!(x.len(), out.len(), "as many codes as results");
        in_tasks(x, out, |x, out| match isa {
            // SAFETY: whoever chooses the instruction set has asked the CPU.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { super::avx512::elementwise::requantize(self, x, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            _ if isa.has_avx2() => unsafe { super::avx2::elementwise::requantize(self, x, out) },
            _ => on(isa, Each(self, x, out)),
        });
    }
}

struct Each<'a, X, C>(&'a Requantize, &'a [X], &'a mut [C]);

impl<X: Stored, C: Stored> Loop for Each<'_, X, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(&Requantize { grid, narrow }, x, out) = self;
        narrow.each(x.iter().map(|x| grid.real(x.widen())), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::NarrowParts;
    use crate::round::Round;

    #[test]
    fn every_code_becomes_that_of_its_number() {
        let all: Vec<i16> = (0..1 << 16).map(|i| (i - 32768) as i16).collect();
        for round in Round::ALL {
            for (from, to) in [(0.25, 0.25), (0.25, 0.3), (1e-3, 0.037), (0.7, 64.0)] {
                let grid = Grid { scale: from, zero: -1234 };
                let (low, high) = (-20_000, 30_000);
                let parts =
                    NarrowParts { scale: to, zero: 77, low, high, round, zero_inside: None };
                let narrow = Narrow::new(parts).unwrap();
                let code = |&x: &i16| narrow.code((i32::from(x) + 1234) as f32 * from) as i16;
                let expected: Vec<i16> = all.iter().map(code).collect();
                for isa in Isa::available() {
                    let mut out = vec![0i16; all.len()];
                    Requantize { grid, narrow }.run(isa, &all, &mut out);
                    assert!(out == expected, "{isa} {round:?} from {from} to {to}");
                    // Not a whole number of vectors.
                    Requantize { grid, narrow }.run(isa, &all[..29], &mut out[7..36]);
                    assert_eq!(out[7..36], expected[..29]);
                }
            }
        }
    }
}
