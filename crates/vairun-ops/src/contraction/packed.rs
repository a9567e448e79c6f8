use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::kernel::{
    Codes, Depthwise, Element, Finish as KernelFinish, Isa, Output, Product, Rows, Split, Weights,
    Written,
};
use vairun_tensor::Tensor;

use super::conv::{channel_axis, output_shape};
use super::epilogue::Epilogue;
use super::finish::Finish;
use super::matmul::Shapes;
use super::side::Side;
use super::window::WindowAttributes;
use crate::error::OpError;

/// The left operand of a contraction as the kernels read it: stored codes, channels last.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedInput {
    /// The shape of the tensor, `[n, c, …]` or `[…, k]`.
    pub shape: Vec<usize>,
    /// How codes are stored.
    pub element: Element,
    /// The grid's step.
    pub scale: f32,
    /// The stored code of 0.
    pub zero: i32,
    /// The least and the largest stored code.
    pub range: (i32, i32),
}

impl PackedInput {
    /// How far a code is from 0 at most.
    pub(super) fn reach(&self) -> i64 {
        let (low, high) = self.range;
        i64::from((low - self.zero).abs().max((high - self.zero).abs()))
    }
}

/// A contraction with packed weights, ready to run on x of one shape.
#[derive(Debug)]
pub struct Packed {
    kernel: Kernel,
    element: Element,
    shape: Vec<usize>,
    batch: usize,
    channels: usize,
    largest: f32,
}

#[derive(Debug)]
enum Kernel {
    Product(Product),
    Split(Split),
    Depthwise(Depthwise),
}

impl Packed {
    /// The shape of the result, `[n, c, …]` or `[…, n]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How x is to be stored; [`Element::Word`] where the weights need it, even for codes of 8 bits.
    pub fn element(&self) -> Element {
        self.element
    }

    /// No result is larger than this in magnitude.
    pub fn largest(&self) -> f32 {
        self.largest
    }

    /// Multiply-accumulates of a run.
    pub fn multiplications(&self) -> usize {
        self.batch
            * match &self.kernel {
                Kernel::Product(product) => product.multiplications(),
                Kernel::Split(split) => split.multiplications(),
                Kernel::Depthwise(depthwise) => depthwise.multiplications(),
            }
    }

    /// Computes the result, channels last. `x` has 4 bytes more than its codes.
    ///
    /// # Panics
    /// Where `x` or `out` are of another type or length than planned.
    pub fn run(&self, x: Codes, out: Written) {
        match &self.kernel {
            Kernel::Product(product) => {
                let stride = product.out_channels();
                product.run(x, self.channels, out, stride, self.batch);
            }
            Kernel::Split(split) => split.run(x, self.channels, out, self.batch),
            Kernel::Depthwise(depthwise) => depthwise.run(x, out, self.batch),
        }
    }

    /// The same weights for a matrix x of so many rows; `None` where this is no plain matrix product.
    pub(crate) fn of_rows(&self, rows: usize) -> Option<Self> {
        let Kernel::Product(product) = &self.kernel else { return None };
        let kernel = Kernel::Product(product.of_rows(rows)?);
        let shape = vec![rows, *self.shape.last()?];
        Some(Self { kernel, shape, ..*self })
    }

    /// As [`Packed::run`], of one that was packed for its sums; they end as `finish` says.
    ///
    /// # Panics
    /// As there, and where it was packed for another output.
    pub(crate) fn run_with(&self, finish: &KernelFinish, x: Codes, out: Written) {
        match &self.kernel {
            Kernel::Product(product) => {
                let stride = product.out_channels();
                product.run_with(finish, x, self.channels, out, stride, self.batch);
            }
            Kernel::Depthwise(depthwise) => {
                let mut sums = vec![0; self.shape.iter().product()];
                depthwise.run(x, Written::I32(&mut sums), self.batch);
                finish.apply(&sums, out);
            }
            Kernel::Split(_) => panic!("sums are not split"),
        }
    }
}

/// The shape of the result of a Conv or ConvTranspose.
pub(super) fn conv_shape(
    attributes: &WindowAttributes,
    transposed: bool,
    x: &[usize],
    w: &[usize],
) -> Result<Option<Vec<usize>>, OpError> {
    let geometry = match transposed {
        true => attributes.conv_transpose(x, w)?,
        false => attributes.conv(x, w)?,
    };
    geometry.map_or(Ok(None), |geometry| output_shape(&geometry, transposed))
}

/// Conv and ConvTranspose.
pub(super) fn conv(
    attributes: &WindowAttributes,
    transposed: bool,
    x: &PackedInput,
    (w, bias): (&Tensor, Option<&Tensor>),
    output: Output,
    isa: Isa,
) -> Result<Option<Packed>, OpError> {
    let Some(terms) = Terms::of(w, channel_axis(transposed)) else { return Ok(None) };
    let plan = Plan { x, rule: Rule::Numbers { bias, alpha: 1.0 }, output, isa };
    plan.conv(attributes, transposed, (w.shape(), &terms))
}

/// MatMul with one matrix on the right.
pub(super) fn matmul(
    x: &PackedInput,
    w: &Tensor,
    output: Output,
    isa: Isa,
) -> Result<Option<Packed>, OpError> {
    let shapes = Shapes::new(&x.shape, w.shape())?;
    let Some(m) = shapes.tall(w.rank()) else { return Ok(None) };
    let matrix = Matrix { m, k: shapes.k, n: shapes.n, transposed: false };
    let Some(terms) = Terms::of(w, w.rank() - 1) else { return Ok(None) };
    let plan = Plan { x, rule: Rule::Numbers { bias: None, alpha: 1.0 }, output, isa };
    Ok(plan.matrix(&matrix, &terms, &shapes.shape))
}

/// A product of `[m, k]` with constant `[k, n]`, or its transpose.
pub(crate) struct Matrix {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) transposed: bool,
}

/// The weights as integers less their zero points, and their scales.
pub(super) struct Terms<'a> {
    side: Side<'a>,
    codes: Vec<i32>,
}

impl<'a> Terms<'a> {
    /// `None` where the scales or zero points run along another dimension than that of the output channels.
    pub(super) fn of(w: &'a Tensor, channel_axis: usize) -> Option<Self> {
        let side = Side::new(w)?;
        let usable = side.axis.is_none_or(|axis| axis == channel_axis);
        usable.then(|| Self::new(side))
    }

    /// Of codes, with a zero point and a scale for each output channel, or one for all.
    pub(super) fn of_codes(
        w: &'a Tensor,
        zero_points: &'a [i32],
        scales: &'a [f32],
    ) -> Option<Self> {
        Side::of_codes(w, zero_points, scales).map(Self::new)
    }

    fn new(side: Side<'a>) -> Self {
        Self { codes: side.integers(), side }
    }

    /// Weight `at`, of output channel `o`.
    fn term(&self, at: usize, o: usize) -> i32 {
        // What does not fit is refused by the packing.
        self.codes[at].checked_sub(self.side.zero_point(o)).unwrap_or(i32::MAX)
    }

    fn scale(&self, o: usize) -> f32 {
        self.side.scale(o)
    }

    /// `[m, c/g, taps]` → for each group `[m/g, taps, c/g]`.
    fn groups(&self, geometry: &ConvGeometry) -> Vec<Vec<i32>> {
        let (taps, channels) = (geometry.taps(), geometry.channels / geometry.groups);
        let out = geometry.out_channels / geometry.groups;
        let group = |g: usize| {
            let mut terms = Vec::with_capacity(out * taps * channels);
            for o in g * out..(g + 1) * out {
                for tap in 0..taps {
                    let at = |c: usize| (o * channels + c) * taps + tap;
                    terms.extend((0..channels).map(|c| self.term(at(c), o)));
                }
            }
            terms
        };
        (0..geometry.groups).map(group).collect()
    }

    /// `[c, m/g, taps]` → for each group `[m/g, taps, c/g]`.
    fn transposed_groups(&self, geometry: &ConvGeometry) -> Vec<Vec<i32>> {
        let (taps, channels) = (geometry.taps(), geometry.channels / geometry.groups);
        let out = geometry.out_channels / geometry.groups;
        let group = |g: usize| {
            let mut terms = Vec::with_capacity(out * taps * channels);
            for o in 0..out {
                for tap in 0..taps {
                    let at = |c: usize| ((g * channels + c) * out + o) * taps + tap;
                    terms.extend((0..channels).map(|c| self.term(at(c), o)));
                }
            }
            terms
        };
        (0..geometry.groups).map(group).collect()
    }
}

/// What is the same for every kind of contraction.
pub(super) struct Plan<'a> {
    pub(super) x: &'a PackedInput,
    pub(super) rule: Rule<'a>,
    pub(super) output: Output,
    pub(super) isa: Isa,
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(super) enum Rule<'a> {
    /// Numbers of dequantized operands: `f32(sum) · f32(sx · sw) · alpha`, and a real bias by the rule of [`Finish`].
    Numbers { bias: Option<&'a Tensor>, alpha: f32 },
    /// `f32(sum + bias) · scale`, the scales being those of the terms; one bias for each channel.
    Codes { bias: Option<&'a [i32]> },
}

impl Rule<'_> {
    fn fits(&self, channels: usize) -> bool {
        match self {
            Self::Numbers { bias, .. } => bias.is_none_or(|bias| bias.shape() == [channels]),
            Self::Codes { bias } => bias.is_none_or(|bias| bias.len() == channels),
        }
    }
}

impl Plan<'_> {
    /// Conv and ConvTranspose with weights of a shape.
    pub(super) fn conv(
        &self,
        attributes: &WindowAttributes,
        transposed: bool,
        (w, terms): (&[usize], &Terms),
    ) -> Result<Option<Packed>, OpError> {
        let geometry = match transposed {
            true => attributes.conv_transpose(&self.x.shape, w)?,
            false => attributes.conv(&self.x.shape, w)?,
        };
        let Some(geometry) = geometry else { return Ok(None) };
        self.conv_in(&geometry, transposed, terms)
    }

    /// The same with known sizes.
    pub(super) fn conv_in(
        &self,
        geometry: &ConvGeometry,
        transposed: bool,
        terms: &Terms,
    ) -> Result<Option<Packed>, OpError> {
        let Some(shape) = output_shape(geometry, transposed)? else { return Ok(None) };
        let rows = match transposed {
            true => Rows::conv_transpose(geometry),
            false => Rows::conv(geometry),
        };
        let Some(rows) = rows.filter(|_| self.rule.fits(geometry.out_channels)) else {
            return Ok(None);
        };
        let groups = match transposed {
            true => terms.transposed_groups(geometry),
            false => terms.groups(geometry),
        };
        // The scales of a transposed convolution run over the channels of one group and are shared by the groups.
        let count = match transposed {
            true => geometry.out_channels / geometry.groups,
            false => geometry.out_channels,
        };
        let scale = |o: usize| terms.scale(o % count);
        let channels = geometry.channels / geometry.groups;
        Ok(self.pack(groups, channels, rows, scale, geometry.batch, shape))
    }

    /// A matrix product; `shape` is that of the result.
    pub(super) fn matrix(&self, matrix: &Matrix, terms: &Terms, shape: &[usize]) -> Option<Packed> {
        let &Matrix { m, k, n, transposed } = matrix;
        let at = |o: usize, c: usize| if transposed { o * k + c } else { c * n + o };
        let mut weights = Vec::with_capacity(n * k);
        for o in 0..n {
            weights.extend((0..k).map(|c| terms.term(at(o, c), o)));
        }
        let rows = Rows::matrix(m)?;
        self.pack(vec![weights], k, rows, |o| terms.scale(o), 1, shape.to_vec())
    }

    /// `groups` are `[out_channels, taps, channels]` each.
    fn pack(
        &self,
        groups: Vec<Vec<i32>>,
        channels: usize,
        rows: Rows,
        w_scale: impl Fn(usize) -> f32,
        batch: usize,
        shape: Vec<usize>,
    ) -> Option<Packed> {
        let out = out_channels(&groups, &rows, channels)?;
        let depthwise = channels == 1 && out == 1 && groups.len() > 1;
        let zero = self.x.zero;
        let weights = self.weights(&groups, [out, rows.taps(), channels], depthwise)?;
        let element = weights[0].element();
        let scales: Vec<f32> =
            (0..out * groups.len()).map(|o| self.scale(w_scale(o))).collect::<Option<_>>()?;
        let finishes = match self.rule {
            Rule::Numbers { bias, .. } => Finish::all(&scales, bias)?,
            Rule::Codes { bias } => Finish::of_codes(&scales, bias),
        };
        let wraps = matches!(self.rule, Rule::Codes { .. });
        let epilogue = Epilogue { x: self.x, finishes: &finishes, output: self.output, wraps };
        let (kernel, largest) = match epilogue.whole(&weights) {
            Some((finish, largest)) if depthwise => {
                let weights = groups.concat();
                let kernel = Depthwise::new(element, &weights, rows, zero, finish, self.isa)?;
                (Kernel::Depthwise(kernel), largest)
            }
            Some((finish, largest)) => {
                let product = Product::new(weights, channels, rows, zero, finish, self.isa);
                (Kernel::Product(product), largest)
            }
            None => {
                let [group] = &groups[..] else { return None };
                let (split, largest) = epilogue.split(element, group, channels, rows, self.isa)?;
                (Kernel::Split(split), largest)
            }
        };
        let channels = channels * groups.len();
        Some(Packed { kernel, element, shape, batch, channels, largest })
    }

    /// The packed weights of the groups, in the narrowest form that holds them.
    fn weights(
        &self,
        groups: &[Vec<i32>],
        [out, taps, channels]: [usize; 3],
        depthwise: bool,
    ) -> Option<Vec<Weights>> {
        let all = |w: &dyn Fn(&[i32]) -> Option<Weights>| groups.iter().map(|g| w(g)).collect();
        let plain = |element| all(&|group| Weights::new(element, out, taps, channels, group));
        let bytes = self.x.element == Element::Byte;
        if !groups.iter().flatten().all(|&w| i8::try_from(w).is_ok()) {
            let split = bytes && !depthwise && Weights::are_split_by(self.isa);
            let two = || all(&|group| Weights::of_two(out, taps, channels, group));
            return split.then(two).flatten().or_else(|| plain(Element::Word));
        }
        plain(self.x.element)
    }

    /// `f32(sx · sw) · alpha`, by the rule of `Side::product`.
    fn scale(&self, w: f32) -> Option<f32> {
        let Rule::Numbers { alpha, .. } = self.rule else { return Some(w) };
        let product = self.x.scale * w;
        let zero = product == 0.0 && (self.x.scale == 0.0 || w == 0.0);
        let scaled = product * alpha;
        ((product.is_normal() || zero) && (scaled.is_normal() || scaled == 0.0)).then_some(scaled)
    }
}

/// Output channels of a group; `None` where there is nothing to compute.
fn out_channels(groups: &[Vec<i32>], rows: &Rows, channels: usize) -> Option<usize> {
    let terms = rows.taps().checked_mul(channels).filter(|&terms| terms > 0)?;
    let out = groups.first()?.len() / terms;
    (out > 0).then_some(out)
}
