//! Functions of one code, computed: a formula of its number instead of a table of all codes.

use std::ops::Range;

use super::dispatch::on;
use super::elementwise::{Grid, Stored, in_tasks, quantize};
use super::isa::Isa;
use super::narrow::{Division, Narrow};
use crate::float::{Binary, Other, Unary, binary, unary};
use crate::vector::Loop;

/// Numbers that go through all steps before the next ones: what stands between the steps stays in the nearest cache.
const BLOCK: usize = 512;

/// Values that are needed at the same time at most.
const REGISTERS: usize = 6;

/// One value of a [`Formula`], by values before it. Value 0 is the number of the code; the first term makes value 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// A function of a value.
    Unary(Unary, usize),
    /// A function of a value and a number; of the number first where `swapped`.
    Beside {
        /// The function.
        f: Binary,
        /// The value.
        x: usize,
        /// The number.
        y: f32,
        /// Whether the number comes first.
        swapped: bool,
    },
    /// A function of two values.
    Pair(Binary, usize, usize),
    /// The number of the code of a value: quantized and dequantized.
    Rounded(Narrow, Grid, usize),
}

impl Term {
    /// What it takes, in simple operations of a vector.
    pub fn cost(self) -> usize {
        match self {
            Self::Unary(f, _) if f.is_short() => 1,
            Self::Unary(..) => 32,
            Self::Beside { f: Binary::Divide, .. } | Self::Pair(Binary::Divide, ..) => 3,
            Self::Beside { .. } | Self::Pair(..) => 1,
            Self::Rounded(..) => 4,
        }
    }

    fn arguments(self) -> [Option<usize>; 2] {
        match self {
            Self::Unary(_, x) | Self::Beside { x, .. } | Self::Rounded(.., x) => [Some(x), None],
            Self::Pair(_, a, b) => [Some(a), Some(b)],
        }
    }
}

/// A function of one stored code in float32, by the operations that are named, each rounded once. The last term is the
/// result; without a term it is the number of the code.
#[derive(Clone, Debug)]
pub struct Formula {
    grid: Grid,
    steps: Vec<Step>,
    /// The register of the result.
    result: usize,
}

/// What happens to a register.
#[derive(Clone, Copy, Debug)]
enum Step {
    Copy { from: usize, to: usize },
    Unary(Unary, usize),
    Beside { f: Binary, x: usize, y: f32, swapped: bool },
    Pair { f: Binary, x: usize, y: usize, swapped: bool },
    Rounded(Narrow, Grid, usize),
}

impl Formula {
    /// From the grid of the codes and the terms; `None` where too many values are needed at the same time.
    ///
    /// # Panics
    /// Where a term names a value that is not before it.
    pub fn new(grid: Grid, terms: &[Term]) -> Option<Self> {
        let mut steps = Vec::with_capacity(terms.len());
        let mut registers = Registers::of(terms);
        for (i, &term) in terms.iter().enumerate() {
            let [x, y] = term.arguments();
            let x = x?;
            assert!(x.max(y.unwrap_or(0)) <= i, "a term is of values before it");
            // A function of two values is written over one that nobody needs afterwards, the other way round if need be.
            let swapped = y.is_some_and(|y| registers.lives(x, i) && !registers.lives(y, i));
            let (x, y) = if swapped { (y?, Some(x)) } else { (x, y) };
            let with = y.and_then(|y| registers.of_value(y));
            let (from, to) = registers.written(x, i)?;
            steps.extend((from != to).then_some(Step::Copy { from, to }));
            steps.push(match term {
                Term::Unary(f, _) => Step::Unary(f, to),
                Term::Beside { f, y, swapped, .. } => Step::Beside { f, x: to, y, swapped },
                Term::Pair(f, ..) => Step::Pair { f, x: to, y: with?, swapped },
                Term::Rounded(narrow, grid, _) => Step::Rounded(narrow, grid, to),
            });
            registers.free(y, i);
        }
        let result = registers.of_value(terms.len())?;
        Some(Self { grid, steps, result })
    }

    /// The codes of the results for the codes x.
    ///
    /// # Panics
    /// Where the result is not as long as x.
    pub fn codes<X: Stored, C: Stored>(&self, isa: Isa, narrow: &Narrow, x: &[X], out: &mut [C]) {
        self.each(isa, x, out, |numbers, out| quantize(isa, narrow, numbers, out));
    }

    /// The results for the codes x.
    ///
    /// # Panics
    /// Where the result is not as long as x.
    pub fn numbers<X: Stored>(&self, isa: Isa, x: &[X], out: &mut [f32]) {
        self.each(isa, x, out, |numbers, out| out.copy_from_slice(numbers));
    }

    fn each<X: Stored, T: Send>(
        &self,
        isa: Isa,
        x: &[X],
        out: &mut [T],
        finish: impl Fn(&[f32], &mut [T]) + Sync,
    ) {
        assert_eq!(x.len(), out.len(), "as many codes as results");
        in_tasks(x, out, |x, out| {
            let mut registers = [[0.0; BLOCK]; REGISTERS];
            for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
                on(isa, Reals { grid: self.grid, x, out: &mut registers[0][..x.len()] });
                self.steps.iter().for_each(|step| step.run(isa, &mut registers, 0..x.len()));
                finish(&registers[self.result][..x.len()], out);
            }
        });
    }
}

impl Step {
    fn run(self, isa: Isa, registers: &mut [[f32; BLOCK]; REGISTERS], all: Range<usize>) {
        match self {
            Self::Copy { from, to } => registers[to] = registers[from],
            Self::Unary(f, x) => unary(f, &mut registers[x][all]),
            Self::Beside { f, x, y, swapped } => {
                binary(f, &mut registers[x][all], Other::One(y), swapped);
            }
            Self::Pair { f, x, y, swapped } => match registers.get_disjoint_mut([x, y]) {
                Ok([x, y]) => binary(f, &mut x[all.clone()], Other::Each(&y[all]), swapped),
                Err(_) => {
                    let y = registers[y];
                    binary(f, &mut registers[x][all.clone()], Other::Each(&y[all]), swapped);
                }
            },
            Self::Rounded(narrow, grid, x) => {
                on(isa, Rounded { narrow, grid, x: &mut registers[x][all] });
            }
        }
    }
}

/// The numbers of stored codes.
struct Reals<'a, X> {
    grid: Grid,
    x: &'a [X],
    out: &'a mut [f32],
}

impl<X: Stored> Loop for Reals<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let numbers = self.x.iter().map(|x| self.grid.real(x.widen()));
        self.out.iter_mut().zip(numbers).for_each(|(out, number)| *out = number);
    }
}

/// The numbers of the codes of numbers, in their place.
struct Rounded<'a> {
    narrow: Narrow,
    grid: Grid,
    x: &'a mut [f32],
}

impl Loop for Rounded<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { narrow, grid, x } = self;
        let (low, high, before, after) = narrow.bounds();
        let (inverse, scale) = (narrow.inverse(), narrow.scale());
        let exact = matches!(narrow.division(), Division::Exact(_));
        // Codes and their differences are integers below 2^24: exact.
        let shift = (after - grid.zero) as f32;
        crate::round::by_round!(narrow.round(), f32, round => {
            for x in x {
                let quotient = if exact { *x * inverse } else { *x / scale } + before;
                let above = if quotient > low { quotient } else { low };
                let clamped = if above < high { above } else { high };
                *x = (round(clamped) + shift) * grid.scale;
            }
        });
    }
}

/// Which value stands in which register.
struct Registers {
    /// Of each value the last term that reads it; the result is read behind all terms.
    last: Vec<usize>,
    values: [Option<usize>; REGISTERS],
}

impl Registers {
    fn of(terms: &[Term]) -> Self {
        let mut last = vec![0; terms.len() + 1];
        for (i, term) in terms.iter().enumerate() {
            term.arguments().into_iter().flatten().for_each(|value| last[value] = i);
        }
        last[terms.len()] = terms.len();
        let mut values = [None; REGISTERS];
        values[0] = Some(0);
        Self { last, values }
    }

    /// Whether a term behind term `i` reads the value.
    fn lives(&self, value: usize, i: usize) -> bool {
        self.last[value] > i
    }

    fn of_value(&self, value: usize) -> Option<usize> {
        self.values.iter().position(|&held| held == Some(value))
    }

    /// The register of `x`, and the one where term `i` makes its value of it: the same where nobody reads `x` later.
    fn written(&mut self, x: usize, i: usize) -> Option<(usize, usize)> {
        let from = self.of_value(x)?;
        let to = match self.lives(x, i) {
            true => self.values.iter().position(Option::is_none)?,
            false => from,
        };
        self.values[to] = Some(i + 1);
        Some((from, to))
    }

    /// Frees the register of a value that nobody reads behind term `i`.
    fn free(&mut self, value: Option<usize>, i: usize) {
        let dead = value.filter(|&value| !self.lives(value, i));
        if let Some(register) = dead.and_then(|value| self.of_value(value)) {
            self.values[register] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::NarrowParts;
    use crate::round::Round;

    const GRID: Grid = Grid { scale: 1.0 / 4096.0, zero: -300 };

    fn narrow(scale: f32) -> Narrow {
        let (zero, low, high) = (5, -32768, 32767);
        let round = Round::HalfEven;
        Narrow::new(NarrowParts { scale, zero, low, high, round, zero_inside: None }).unwrap()
    }

    /// The result for one code, value after value.
    fn plain(terms: &[Term], code: i16) -> f32 {
        let mut values = vec![GRID.real(code.into())];
        for &term in terms {
            values.push(match term {
                Term::Unary(f, x) => alone(values[x], |x| unary(f, x)),
                Term::Beside { f, x, y, swapped } => {
                    alone(values[x], |x| binary(f, x, Other::One(y), swapped))
                }
                Term::Pair(f, a, b) => {
                    alone(values[a], |x| binary(f, x, Other::One(values[b]), false))
                }
                Term::Rounded(narrow, grid, x) => grid.real(narrow.code(values[x])),
            });
        }
        values[terms.len()]
    }

    fn alone(x: f32, f: impl Fn(&mut [f32])) -> f32 {
        let mut x = [x];
        f(&mut x);
        x[0]
    }

    fn term(values: usize) -> impl Strategy<Value = Term> {
        let binary = || {
            prop::sample::select(vec![
                Binary::Add,
                Binary::Subtract,
                Binary::Multiply,
                Binary::Larger,
                Binary::Slope,
            ])
        };
        let unary = prop::sample::select(vec![
            Unary::Relu,
            Unary::HardSwish { alpha: 0.2, beta: 0.5 },
            Unary::Sigmoid,
            Unary::Negative,
        ]);
        let grid = Grid { scale: 0.01, zero: 5 };
        prop_oneof![
            (unary, 0..values).prop_map(|(f, x)| Term::Unary(f, x)),
            (binary(), 0..values, -2f32..2.0, any::<bool>())
                .prop_map(|(f, x, y, swapped)| Term::Beside { f, x, y, swapped }),
            (binary(), 0..values, 0..values).prop_map(|(f, a, b)| Term::Pair(f, a, b)),
            (0..values).prop_map(move |x| Term::Rounded(narrow(0.01), grid, x)),
        ]
    }

    fn terms() -> impl Strategy<Value = Vec<Term>> {
        (0usize..9).prop_flat_map(|n| (0..n).map(|i| term(i + 1)).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_block_is_its_numbers_one_by_one(terms in terms(), start in any::<i16>()) {
            // Not a whole number of blocks, nor of vectors.
            let x: Vec<i16> = (0..2 * BLOCK as i16 + 13).map(|i| start.wrapping_add(i)).collect();
            let Some(formula) = Formula::new(GRID, &terms) else { return Ok(()) };
            let expected: Vec<f32> = x.iter().map(|&code| plain(&terms, code)).collect();
            for isa in Isa::available() {
                let (mut out, mut codes) = (vec![0.0; x.len()], vec![0i16; x.len()]);
                formula.numbers(isa, &x, &mut out);
                formula.codes(isa, &narrow(0.003), &x, &mut codes);
                for ((got, code), &want) in out.iter().zip(codes).zip(&expected) {
                    prop_assert_eq!(got.to_bits(), want.to_bits(), "{} {:?}", isa, &terms);
                    prop_assert_eq!(i32::from(code), narrow(0.003).code(want));
                }
            }
        }
    }

    #[test]
    fn without_terms_it_is_the_number_of_the_code() {
        let formula = Formula::new(GRID, &[]).unwrap();
        let mut out = [0.0; 3];
        formula.numbers(Isa::best(), &[-300i16, 3796, -4396], &mut out);
        assert_eq!(out, [0.0, 1.0, -1.0]);
    }

    #[test]
    fn too_many_values_at_a_time_are_refused() {
        let squares = |n: usize| (0..n).map(|_| Term::Unary(Unary::Square, 0));
        let sums = |n: usize| (0..n).map(move |i| Term::Pair(Binary::Add, i + 1, n + i));
        let of = |n: usize| Formula::new(GRID, &squares(n).chain(sums(n)).collect::<Vec<_>>());
        assert!(of(REGISTERS).is_some());
        assert!(of(REGISTERS + 1).is_none());
    }
}
