//! Functions of each number for itself, and of pairs of numbers.

use rayon::prelude::*;

use crate::erf::{erf_all, gelu_all};
use crate::transcendental;
use crate::vector::{Loop, widest};

/// A function of two numbers; each is one operation, rounded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a · b`
    Multiply,
    /// `a / b`
    Divide,
    /// The larger; NaN where one is NaN, `b` of equal ones.
    Larger,
    /// The smaller; NaN where one is NaN, `b` of equal ones.
    Smaller,
    /// `a · b` where `a` is below 0, else `a`.
    Slope,
}

/// A function of one number. NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// 0 below 0; -0 stays -0.
    Relu,
    /// `low` below it, then `high` above it; an infinite bound bounds nothing, and neither does NaN.
    Clip {
        /// The lower bound.
        low: f32,
        /// The upper bound.
        high: f32,
    },
    /// `alpha · x` below 0.
    LeakyRelu {
        /// The slope.
        alpha: f32,
    },
    /// `alpha · x + beta`, rounded twice, within 0 and 1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// `x` times its [`Unary::HardSigmoid`].
    HardSwish {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// `-x`
    Negative,
    /// The absolute value.
    Absolute,
    /// The square root.
    SquareRoot,
    /// `x · x`
    Square,
    /// [`crate::erf::erf`]
    Erf,
    /// [`crate::transcendental::exp`]
    Exp,
    /// [`crate::erf::gelu`]
    Gelu,
    /// [`crate::transcendental::sigmoid`]
    Sigmoid,
    /// [`crate::transcendental::tanh`]
    Tanh,
    /// `x · sigmoid(alpha · x)`
    Swish {
        /// The factor.
        alpha: f32,
    },
    /// `alpha · (e^x - 1)` below 0.
    Elu {
        /// The factor.
        alpha: f32,
    },
}

impl Unary {
    /// Whether it takes a few operations for each number, and no series.
    pub(crate) fn is_short(self) -> bool {
        use Unary::{Elu, Erf, Exp, Gelu, Sigmoid, Swish, Tanh};
        !matches!(self, Elu { .. } | Erf | Exp | Gelu | Sigmoid | Swish { .. } | Tanh)
    }
}

/// What stands beside a slice of numbers.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// A number for each.
    Each(&'a [f32]),
    /// The same number for all.
    One(f32),
}

/// Elements of a task where threads share the work.
const TASK: usize = 1 << 14;

/// `x = f(x, y)` for every number of `x`; `f(y, x)` where `swapped`.
///
/// # Panics
/// Where there is not a `y` for each `x`.
pub fn binary(f: Binary, x: &mut [f32], y: Other, swapped: bool) {
    match y {
        Other::Each(y) => {
            assert_eq!(x.len(), y.len(), "a number for each");
            in_tasks(x, |i, x| {
                let y = &y[i..i + x.len()];
                widest(Pairs { f, x, y, swapped });
            });
        }
        Other::One(y) => in_tasks(x, |_, x| widest(Beside { f, x, y, swapped })),
    }
}

/// `x = f(x)` for every number of `x`.
pub fn unary(f: Unary, x: &mut [f32]) {
    in_tasks(x, |_, x| widest(Each { f, x }));
}

fn in_tasks(x: &mut [f32], task: impl Fn(usize, &mut [f32]) + Sync) {
    if x.len() < 4 * TASK || rayon::current_num_threads() == 1 {
        return task(0, x);
    }
    x.par_chunks_mut(TASK).enumerate().for_each(|(i, x)| task(i * TASK, x));
}

/// Evaluates `$body` with `$g` bound to the function, so that each of them has a loop of its own.
macro_rules! by_binary {
    ($f:expr, $swapped:expr, $g:ident => $body:expr) => {
        match ($f, $swapped) {
            (Binary::Add, _) => by_binary!(|a: f32, b: f32| a + b, $g => $body),
            (Binary::Subtract, false) => by_binary!(|a: f32, b: f32| a - b, $g => $body),
            (Binary::Subtract, true) => by_binary!(|a: f32, b: f32| b - a, $g => $body),
            (Binary::Multiply, _) => by_binary!(|a: f32, b: f32| a * b, $g => $body),
            (Binary::Divide, false) => by_binary!(|a: f32, b: f32| a / b, $g => $body),
            (Binary::Divide, true) => by_binary!(|a: f32, b: f32| b / a, $g => $body),
            (Binary::Larger, false) => by_binary!(stored(larger), $g => $body),
            (Binary::Larger, true) => by_binary!(stored(|a, b| larger(b, a)), $g => $body),
            (Binary::Smaller, false) => by_binary!(stored(smaller), $g => $body),
            (Binary::Smaller, true) => by_binary!(stored(|a, b| smaller(b, a)), $g => $body),
            (Binary::Slope, false) => by_binary!(slope, $g => $body),
            (Binary::Slope, true) => by_binary!(|a, b| slope(b, a), $g => $body),
        }
    };
    ($value:expr, $g:ident => $body:expr) => {{
        let $g = $value;
        $body
    }};
}

/// `f`, whose result is stored even where it is what stood there: of a branch that keeps that the compiler makes a masked
/// store, which takes ten times as long.
#[inline(always)]
fn stored(f: impl Fn(f32, f32) -> f32) -> impl Fn(f32, f32) -> f32 {
    // Nothing, and the compiler does not know it.
    let nothing = std::hint::black_box(0u32);
    move |a, b| f32::from_bits(f(a, b).to_bits() ^ nothing)
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() | (a > b) { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a.is_nan() | (a < b) { a } else { b }
}

#[inline(always)]
fn slope(a: f32, b: f32) -> f32 {
    // One product, for the reason of `stored`.
    a * if a < 0.0 { b } else { 1.0 }
}

struct Pairs<'a> {
    f: Binary,
    x: &'a mut [f32],
    y: &'a [f32],
    swapped: bool,
}

impl Loop for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        by_binary!(self.f, self.swapped, f => {
            self.x.iter_mut().zip(self.y).for_each(|(x, &y)| *x = f(*x, y));
        });
    }
}

struct Beside<'a> {
    f: Binary,
    x: &'a mut [f32],
    y: f32,
    swapped: bool,
}

impl Loop for Beside<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let y = self.y;
        by_binary!(self.f, self.swapped, f => self.x.iter_mut().for_each(|x| *x = f(*x, y)));
    }
}

struct Each<'a> {
    f: Unary,
    x: &'a mut [f32],
}

impl Loop for Each<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.f {
            Unary::Relu => {
                // A bound that the compiler does not know, for the reason of `stored`.
                let high = std::hint::black_box(f32::INFINITY);
                each(self.x, |x| within(x, 0.0, high));
            }
            Unary::Clip { low, high } => each(self.x, |x| within(x, low, high)),
            Unary::LeakyRelu { alpha } => each(self.x, |x| slope(x, alpha)),
            Unary::HardSigmoid { alpha, beta } => {
                each(self.x, |x| within(alpha * x + beta, 0.0, 1.0));
            }
            Unary::HardSwish { alpha, beta } => {
                each(self.x, |x| x * within(alpha * x + beta, 0.0, 1.0));
            }
            Unary::Negative => each(self.x, |x| -x),
            Unary::Absolute => each(self.x, f32::abs),
            Unary::SquareRoot => each(self.x, f32::sqrt),
            Unary::Square => each(self.x, |x| x * x),
            Unary::Erf => erf_all(self.x),
            Unary::Exp => each(self.x, transcendental::exp),
            Unary::Gelu => gelu_all(self.x),
            Unary::Sigmoid => each(self.x, transcendental::sigmoid),
            Unary::Tanh => each(self.x, transcendental::tanh),
            Unary::Swish { alpha } => each(self.x, |x| x * transcendental::sigmoid(alpha * x)),
            Unary::Elu { alpha } => each(self.x, |x| {
                let below = alpha * (transcendental::exp(x) - 1.0);
                if x < 0.0 { below } else { x }
            }),
        }
    }
}

#[inline(always)]
fn each(x: &mut [f32], f: impl Fn(f32) -> f32) {
    x.iter_mut().for_each(|x| *x = f(*x));
}

#[inline(always)]
fn within(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erf::{erf, gelu};

    const BINARY: [Binary; 7] = [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Larger,
        Binary::Smaller,
        Binary::Slope,
    ];

    fn plain(f: Binary, a: f32, b: f32) -> f32 {
        match f {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Larger if a.is_nan() || a > b => a,
            Binary::Smaller if a.is_nan() || a < b => a,
            Binary::Slope if a < 0.0 => a * b,
            Binary::Slope => a,
            Binary::Larger | Binary::Smaller => b,
        }
    }

    /// NaN, infinities, zeros of both signs, a denormal, and numbers, in all pairs.
    fn pairs() -> (Vec<f32>, Vec<f32>) {
        let numbers =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40, -2.5, 3.0, 0.7];
        let at = |i: usize| numbers[i % numbers.len()];
        (0..1000).map(|i| (at(i), at(i / numbers.len()))).unzip()
    }

    /// All NaN are one.
    fn bits(x: f32) -> u32 {
        if x.is_nan() { u32::MAX } else { x.to_bits() }
    }

    #[test]
    fn every_pair_is_the_operation_written_out() {
        let (a, b) = pairs();
        for f in BINARY {
            for swapped in [false, true] {
                let mut y = a.clone();
                binary(f, &mut y, Other::Each(&b), swapped);
                for ((&a, &b), y) in a.iter().zip(&b).zip(y) {
                    let expected = if swapped { plain(f, b, a) } else { plain(f, a, b) };
                    assert_eq!(bits(y), bits(expected), "{f:?} of {a} and {b}, {swapped}");
                }
                for &b in &b[..81] {
                    let mut one = a.clone();
                    binary(f, &mut one, Other::One(b), swapped);
                    let mut each = a.clone();
                    binary(f, &mut each, Other::Each(&vec![b; a.len()]), swapped);
                    assert!(one.iter().zip(each).all(|(&x, y)| bits(x) == bits(y)), "{f:?}, {b}");
                }
            }
        }
    }

    #[test]
    fn threads_share_what_is_long() {
        let mut x: Vec<f32> = (0..5 * TASK + 3).map(|i| i as f32).collect();
        let y = x.clone();
        binary(Binary::Subtract, &mut x, Other::Each(&y), false);
        assert!(x.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn vectors_of_exponentials_have_the_bits_of_single_ones() {
        let single = |kernel, x| match kernel {
            Unary::Erf => erf(x),
            Unary::Exp => transcendental::exp(x),
            Unary::Gelu => gelu(x),
            Unary::Sigmoid => transcendental::sigmoid(x),
            Unary::Tanh => transcendental::tanh(x),
            _ => x * transcendental::sigmoid(1.5 * x),
        };
        let x: Vec<f32> = (0..4099).map(|i| f32::from_bits(i * 0x0010_4001)).collect();
        let swish = Unary::Swish { alpha: 1.5 };
        use Unary::{Erf, Exp, Gelu, Sigmoid, Tanh};
        for kernel in [Erf, Exp, Gelu, Sigmoid, Tanh, swish] {
            let mut y = x.clone();
            unary(kernel, &mut y);
            for (&x, y) in x.iter().zip(y) {
                assert_eq!(bits(y), bits(single(kernel, x)), "{kernel:?} of {x}");
            }
        }
    }

    #[test]
    fn functions_of_one_number() {
        let of = |f, x: [f32; 4]| {
            let mut y = x;
            unary(f, &mut y);
            y.map(bits)
        };
        let x = [-2.0, -0.0, 0.5, 9.0];
        assert_eq!(of(Unary::Relu, x), [0.0, -0.0, 0.5, 9.0].map(bits));
        assert_eq!(of(Unary::Clip { low: 0.0, high: 6.0 }, x), [0.0, -0.0, 0.5, 6.0].map(bits));
        assert_eq!(of(Unary::Clip { low: 5.0, high: 3.0 }, x), [3f32; 4].map(bits));
        assert_eq!(of(Unary::LeakyRelu { alpha: 0.5 }, x), [-1.0, -0.0, 0.5, 9.0].map(bits));
        let line = Unary::HardSigmoid { alpha: 0.5, beta: 0.5 };
        assert_eq!(of(line, x), [0.0, 0.5, 0.75, 1.0].map(bits));
        let swish = Unary::HardSwish { alpha: 0.5, beta: 0.5 };
        assert_eq!(of(swish, x), [-0.0, -0.0, 0.375, 9.0].map(bits));
        assert_eq!(of(Unary::Negative, x), [2.0, 0.0, -0.5, -9.0].map(bits));
        assert_eq!(of(Unary::Absolute, x), [2.0, 0.0, 0.5, 9.0].map(bits));
        assert_eq!(of(Unary::Square, x), [4.0, 0.0, 0.25, 81.0].map(bits));
        assert_eq!(of(Unary::SquareRoot, [4.0, 9.0, -0.0, 0.25]), [2.0, 3.0, -0.0, 0.5].map(bits));
        for f in [Unary::Relu, Unary::Clip { low: 0.0, high: 1.0 }, line, swish] {
            assert!(of(f, [f32::NAN; 4]).iter().all(|&x| x == u32::MAX), "{f:?}");
        }
    }
}
