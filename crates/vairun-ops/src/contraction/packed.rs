use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::kernel::{
    Codes, Depthwise, Element, Finish as KernelFinish, Isa, Output, Product, Rows, Split, Weights,
    Written, terms,
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

    /// With a slope for each output channel: a number `x` below 0 becomes `x · slope` before it is a code.
    #[must_use]
    pub fn sloped(self, slopes: &[f32]) -> Self {
        let steepest = slopes.iter().fold(1f32, |most, slope| most.max(slope.abs()));
        let slopes = slopes.to_vec();
        let kernel = match self.kernel {
            Kernel::Product(product) => Kernel::Product(product.sloped(slopes)),
            Kernel::Split(split) => Kernel::Split(split.sloped(slopes)),
            Kernel::Depthwise(depthwise) => Kernel::Depthwise(depthwise.sloped(slopes)),
        };
        Self { kernel, largest: self.largest * steepest, ..self }
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

    /// `Σ (w - zw)` of each output channel; `None` where the weights are digits.
    pub(crate) fn weight_sums(&self) -> Option<Vec<i64>> {
        match &self.kernel {
            Kernel::Product(product) => Some(product.weight_sums()),
            Kernel::Depthwise(depthwise) => Some(depthwise.weight_sums()),
            Kernel::Split(_) => None,
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

/// The weights: integers with zero points and scales.
pub(super) struct Terms<'a>(Side<'a>);

impl<'a> Terms<'a> {
    /// `None` where the scales or zero points run along another dimension than that of the output channels.
    pub(super) fn of(w: &'a Tensor, channel_axis: usize) -> Option<Self> {
        let side = Side::new(w)?;
        let usable = side.axis.is_none_or(|axis| axis == channel_axis);
        usable.then_some(Self(side))
    }

    /// Of codes, with a zero point and a scale for each output channel, or one for all.
    pub(super) fn of_codes(
        w: &'a Tensor,
        zero_points: &'a [i32],
        scales: &'a [f32],
    ) -> Option<Self> {
        Side::of_codes(w, zero_points, scales).map(Self)
    }

    fn scale(&self, o: usize) -> f32 {
        self.0.scale(o)
    }

    /// `[m, c/g, taps]` → `[m, taps, c/g]`.
    fn conv(&self, geometry: &ConvGeometry) -> Option<Vec<i16>> {
        let (taps, channels) = (geometry.taps(), geometry.channels / geometry.groups);
        self.turned((geometry.out_channels, channels * taps), [channels, taps])
    }

    /// `[c, m/g, taps]` → `[m, taps, c/g]`.
    fn conv_transpose(&self, geometry: &ConvGeometry) -> Option<Vec<i16>> {
        let (taps, channels) = (geometry.taps(), geometry.channels / geometry.groups);
        let out = geometry.out_channels / geometry.groups;
        self.turned((out, channels * taps), [channels, out * taps])
    }

    /// → `[n, k]`.
    fn matrix(&self, &Matrix { k, n, transposed, .. }: &Matrix) -> Option<Vec<i16>> {
        match transposed {
            true => self.turned((n, k), [1, k]),
            false => self.turned((n, k), [k, n]),
        }
    }

    /// With matrices `[rows, columns]` turned, and then less zero points, which have `inner` weights each; `None` where
    /// there are neither one nor `length` of them, or a weight has more than 16 bits.
    fn turned(&self, (length, inner): (usize, usize), matrix: [usize; 2]) -> Option<Vec<i16>> {
        let zero_points = self.0.zero_points.len();
        let known = zero_points == 1 || zero_points == length;
        known.then(|| terms(&self.0.operand(), inner, matrix))?
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
        let weights = match transposed {
            true => terms.conv_transpose(geometry),
            false => terms.conv(geometry),
        };
        let Some(weights) = weights else { return Ok(None) };
        // The scales of a transposed convolution run over the channels of one group and are shared by the groups.
        let count = match transposed {
            true => geometry.out_channels / geometry.groups,
            false => geometry.out_channels,
        };
        let scale = |o: usize| terms.scale(o % count);
        let groups = Groups {
            weights,
            count: geometry.groups,
            channels: geometry.channels / geometry.groups,
        };
        Ok(self.pack(&groups, rows, scale, geometry.batch, shape))
    }

    /// A matrix product; `shape` is that of the result.
    pub(super) fn matrix(&self, matrix: &Matrix, terms: &Terms, shape: &[usize]) -> Option<Packed> {
        let rows = Rows::matrix(matrix.m)?;
        let groups = Groups { weights: terms.matrix(matrix)?, count: 1, channels: matrix.k };
        self.pack(&groups, rows, |o| terms.scale(o), 1, shape.to_vec())
    }

    fn pack(
        &self,
        groups: &Groups,
        rows: Rows,
        w_scale: impl Fn(usize) -> f32,
        batch: usize,
        shape: Vec<usize>,
    ) -> Option<Packed> {
        let &Groups { count, channels, .. } = groups;
        let out = groups.out_channels(rows.taps())?;
        let depthwise = channels == 1 && out == 1 && count > 1;
        let zero = self.x.zero;
        let weights = self.weights(groups, [out, rows.taps(), channels], depthwise)?;
        let element = weights[0].element();
        // Padding is the code of 0, which numbers whose codes were found need not have among those of their type.
        if rows.any_padding() && !element.holds(zero) {
            return None;
        }
        let scales: Vec<f32> =
            (0..out * count).map(|o| self.scale(w_scale(o))).collect::<Option<_>>()?;
        let finishes = match self.rule {
            Rule::Numbers { bias, .. } => Finish::all(&scales, bias)?,
            Rule::Codes { bias } => Finish::of_codes(&scales, bias),
        };
        let wraps = matches!(self.rule, Rule::Codes { .. });
        let epilogue = Epilogue { x: self.x, finishes: &finishes, output: self.output, wraps };
        let (kernel, largest) = match epilogue.whole(&weights) {
            Some((finish, largest)) if depthwise => {
                let weights = &groups.weights;
                let kernel = Depthwise::new(element, weights, rows, zero, finish, self.isa)?;
                (Kernel::Depthwise(kernel), largest)
            }
            Some((finish, largest)) => {
                let product = Product::new(weights, channels, rows, zero, finish, self.isa);
                (Kernel::Product(product), largest)
            }
            None if count == 1 => {
                let weights = &groups.weights;
                let (split, largest) =
                    epilogue.split(element, weights, channels, rows, self.isa)?;
                (Kernel::Split(split), largest)
            }
            None => return None,
        };
        let channels = channels * count;
        Some(Packed { kernel, element, shape, batch, channels, largest })
    }

    /// The packed weights of the groups, in the narrowest form that holds them.
    fn weights(
        &self,
        groups: &Groups,
        [out, taps, channels]: [usize; 3],
        depthwise: bool,
    ) -> Option<Vec<Weights>> {
        let all = |w: &dyn Fn(&[i16]) -> Option<Weights>| {
            groups.weights.chunks_exact(out * taps * channels).map(w).collect()
        };
        let plain = |element| all(&|group| Weights::new(element, out, taps, channels, group));
        let two = || all(&|group| Weights::of_two(out, taps, channels, group));
        let split = self.x.element == Element::Byte && !depthwise;
        let split = split && Weights::are_split_by(self.isa);
        let narrow: Option<Vec<Weights>> = plain(self.x.element);
        narrow.or_else(|| split.then(two)?).or_else(|| plain(Element::Word))
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

/// The weights of all groups, `[groups, out_channels, taps, channels]`.
struct Groups {
    weights: Vec<i16>,
    count: usize,
    /// Those of a group.
    channels: usize,
}

impl Groups {
    /// Those of a group; `None` where there is nothing to compute.
    fn out_channels(&self, taps: usize) -> Option<usize> {
        let terms = taps.checked_mul(self.channels)?.checked_mul(self.count)?;
        let out = self.weights.len().checked_div(terms)?;
        (out > 0).then_some(out)
    }
}
