use super::coordinates::Axis;

/// How neighbours are weighted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// By distance, two neighbours.
    Linear,
    /// Four neighbours, `a` being `cubic_coeff_a`.
    Cubic {
        /// Usually -0.75 or -0.5.
        a: f32,
    },
}

impl Kernel {
    /// How far it reaches on either side.
    fn reach(self) -> f32 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic { .. } => 2.0,
        }
    }

    /// The weight of an element at distance `x`.
    ///
    /// <https://github.com/onnx/onnx/blob/v1.19.0/onnx/reference/ops/op_resize.py>, `_linear_coeffs_antialias` and
    /// `_cubic_coeffs_antialias`
    fn at(self, x: f32) -> f32 {
        let x = x.abs();
        match self {
            Self::Linear => (1.0 - x).max(0.0),
            Self::Cubic { a } if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Self::Cubic { a } if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Self::Cubic { .. } => 0.0,
        }
    }
}

/// For each output of an axis the input elements it is made from, with their weights.
#[derive(Clone, Debug)]
pub struct Taps {
    /// The same number for each output.
    width: usize,
    indices: Vec<usize>,
    weights: Vec<f32>,
    /// What the weights of each output are to be divided by.
    divisors: Vec<f32>,
}

impl Taps {
    /// Those of `axis`. With `antialias` the kernel is widened where the axis shrinks; with `exclude_outside` elements
    /// beyond the input have no weight, else the border is repeated.
    ///
    /// The weights of an output add up to 1 by their making, or are divided by their sum where they need not.
    pub fn new(axis: &Axis, kernel: Kernel, antialias: bool, exclude_outside: bool) -> Self {
        let stretch = if antialias && axis.scale < 1.0 { axis.scale } else { 1.0 };
        let reach = kernel.reach() / stretch;
        // `reach` may be huge for a tiny scale: no more elements than the input has, and the repeated borders, count.
        let side = (reach.ceil() as usize).min(axis.input + 2);
        let mut taps = Self { width: 2 * side, indices: vec![], weights: vec![], divisors: vec![] };
        for o in 0..axis.output {
            taps.push(axis, kernel, axis.source(o), stretch, exclude_outside);
        }
        taps
    }

    fn push(&mut self, axis: &Axis, kernel: Kernel, x: f32, stretch: f32, exclude_outside: bool) {
        let last = axis.input as i64 - 1;
        let before = x.floor();
        let ratio = x - before;
        let start = self.weights.len();
        for k in 0..self.width as i64 {
            let step = k + 1 - self.width as i64 / 2;
            let i = (before as i64).saturating_add(step);
            let excluded = exclude_outside && !(0..=last).contains(&i);
            self.indices.push(i.clamp(0, last) as usize);
            self.weights.push(match (excluded, kernel) {
                (true, _) => 0.0,
                (false, Kernel::Cubic { a }) if stretch == 1.0 => keys(a, ratio, step),
                (false, _) => kernel.at((step as f32 - ratio) * stretch),
            });
        }
        let sum = || self.weights[start..].iter().sum();
        self.divisors.push(if exclude_outside || stretch != 1.0 { sum() } else { 1.0 });
    }

    /// The same with every weight divided now; else products are divided, as onnxruntime does in cubic mode along rows.
    #[must_use]
    pub fn divided(mut self) -> Self {
        for (weights, divisor) in self.weights.chunks_mut(self.width).zip(&mut self.divisors) {
            weights.iter_mut().for_each(|weight| *weight /= *divisor);
            *divisor = 1.0;
        }
        self
    }

    /// The elements that output `o` is made from, with their weights, which [`Taps::divisor`] is still to divide.
    #[inline(always)]
    pub(super) fn of(&self, o: usize) -> impl Iterator<Item = (usize, f32)> + Clone {
        let range = o * self.width..(o + 1) * self.width;
        self.indices[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }

    #[inline(always)]
    pub(super) fn divisor(&self, o: usize) -> f32 {
        self.divisors[o]
    }

    pub(super) fn outputs(&self) -> usize {
        self.divisors.len()
    }
}

/// The weight of the neighbour `step` behind the one before an output that lies `s` behind that one, rounded as
/// onnxruntime does (`GetCubicCoeffs`).
fn keys(a: f32, s: f32, step: i64) -> f32 {
    let far = |x: f32| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    let near = |x: f32| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    match step {
        -1 => far(s + 1.0),
        0 => near(s),
        1 => near(1.0 - s),
        _ => far(2.0 - s),
    }
}
