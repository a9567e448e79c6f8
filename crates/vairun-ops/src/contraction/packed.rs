use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::kernel::{
    Codes, Depthwise, Element, Finish as KernelFinish, Isa, Output, Product, Rows, Weights, Written,
};
use vairun_tensor::Tensor;

use super::conv::{channel_axis, output_shape};
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
    fn reach(&self) -> i64 {
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
            Kernel::Depthwise(depthwise) => depthwise.run(x, out, self.batch),
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
    let geometry = match transposed {
        true => attributes.conv_transpose(&x.shape, w.shape())?,
        false => attributes.conv(&x.shape, w.shape())?,
    };
    let Some(geometry) = geometry else { return Ok(None) };
    let Some(shape) = output_shape(&geometry, transposed)? else { return Ok(None) };
    let rows = match transposed {
        true => Rows::conv_transpose(&geometry),
        false => Rows::conv(&geometry),
    };
    if bias.is_some_and(|bias| bias.shape() != [geometry.out_channels]) {
        return Ok(None);
    }
    let Some(rows) = rows else { return Ok(None) };
    let axis = channel_axis(transposed);
    Ok(Terms::of(w, axis).and_then(|terms| {
        let groups = match transposed {
            true => terms.transposed_groups(&geometry),
            false => terms.groups(&geometry),
        };
        // The scales of a transposed convolution run over the channels of one group and are shared by the groups.
        let count = w.shape()[axis];
        let scale = |o: usize| terms.scale(o % count);
        let plan = Plan { x, bias, output, isa, alpha: 1.0 };
        let batch = geometry.batch;
        plan.pack(groups, geometry.channels / geometry.groups, rows, scale, batch, shape)
    }))
}

/// MatMul with one matrix on the right.
pub(super) fn matmul(
    x: &PackedInput,
    w: &Tensor,
    output: Output,
    isa: Isa,
) -> Result<Option<Packed>, OpError> {
    let shapes = Shapes::new(&x.shape, w.shape())?;
    if w.rank() < 2 || shapes.b.iter().any(|&d| d != 1) || shapes.out != shapes.a {
        return Ok(None);
    }
    let m = shapes.m * shapes.a.iter().product::<usize>();
    let matrix = Matrix { m, k: shapes.k, n: shapes.n, transposed: false };
    Ok(matrix.pack(x, (w, None), 1.0, &shapes.shape, output, isa))
}

/// A product of `[m, k]` with constant `[k, n]`, or its transpose.
pub(super) struct Matrix {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) transposed: bool,
}

impl Matrix {
    pub(super) fn pack(
        &self,
        x: &PackedInput,
        (w, bias): (&Tensor, Option<&Tensor>),
        alpha: f32,
        shape: &[usize],
        output: Output,
        isa: Isa,
    ) -> Option<Packed> {
        let &Self { m, k, n, transposed } = self;
        let terms = Terms::of(w, if transposed { w.rank() - 2 } else { w.rank() - 1 })?;
        let at = |o: usize, c: usize| if transposed { o * k + c } else { c * n + o };
        let mut matrix = Vec::with_capacity(n * k);
        for o in 0..n {
            matrix.extend((0..k).map(|c| terms.term(at(o, c), o)));
        }
        let rows = Rows::matrix(m)?;
        let plan = Plan { x, bias, output, isa, alpha };
        plan.pack(vec![matrix], k, rows, |o| terms.scale(o), 1, shape.to_vec())
    }
}

/// The weights as integers less their zero points, and their scales.
struct Terms<'a> {
    side: Side<'a>,
}

impl<'a> Terms<'a> {
    /// `None` where the scales or zero points run along another dimension than that of the output channels.
    fn of(w: &'a Tensor, channel_axis: usize) -> Option<Self> {
        let side = Side::new(w)?;
        let usable = side.axis.is_none_or(|axis| axis == channel_axis);
        usable.then_some(Self { side })
    }

    /// Weight `at`, of output channel `o`.
    fn term(&self, at: usize, o: usize) -> i32 {
        let term = self.side.code(at) - i64::from(self.side.zero_point(o));
        // What does not fit is refused by the packing.
        i32::try_from(term).unwrap_or(i32::MAX)
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
struct Plan<'a> {
    x: &'a PackedInput,
    bias: Option<&'a Tensor>,
    output: Output,
    isa: Isa,
    alpha: f32,
}

impl Plan<'_> {
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
        let fits_byte = groups.iter().flatten().all(|&w| i8::try_from(w).is_ok());
        let element = if fits_byte { self.x.element } else { Element::Word };
        let zero = self.x.zero;
        let weights: Vec<Weights> = groups
            .iter()
            .map(|group| Weights::new(element, out, rows.taps(), channels, group))
            .collect::<Option<_>>()?;
        let scales: Vec<f32> =
            (0..out * groups.len()).map(|o| self.scale(w_scale(o))).collect::<Option<_>>()?;
        let (finish, largest) = self.finish(&weights, zero, &scales)?;
        let depthwise = channels == 1 && out == 1 && groups.len() > 1;
        let kernel = match depthwise {
            true => Kernel::Depthwise(Depthwise::new(
                element,
                &groups.concat(),
                rows,
                zero,
                finish,
                self.isa,
            )?),
            false => Kernel::Product(Product::new(weights, channels, rows, zero, finish, self.isa)),
        };
        let channels = channels * groups.len();
        Some(Packed { kernel, element, shape, batch, channels, largest })
    }

    /// `f32(sx · sw) · alpha`, by the rule of `Side::product`.
    fn scale(&self, w: f32) -> Option<f32> {
        let product = self.x.scale * w;
        let zero = product == 0.0 && (self.x.scale == 0.0 || w == 0.0);
        let scaled = product * self.alpha;
        ((product.is_normal() || zero) && (scaled.is_normal() || scaled == 0.0)).then_some(scaled)
    }

    fn finish(
        &self,
        weights: &[Weights],
        zero: i32,
        scales: &[f32],
    ) -> Option<(KernelFinish, f32)> {
        let finishes = Finish::all(scales, self.bias)?;
        let magnitudes = weights.iter().flat_map(|group| group.magnitudes());
        let bounds =
            magnitudes.map(|m| m.checked_mul(self.x.reach())).collect::<Option<Vec<_>>>()?;
        let parts = finishes.iter().zip(&bounds).map(|(finish, &bound)| finish.unshifted(bound));
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let mut add = Vec::with_capacity(parts.len());
        for group in weights {
            let first = add.len();
            let biases: Vec<i64> =
                parts[first..][..group.magnitudes().len()].iter().map(|part| part.0).collect();
            add.extend(group.corrections_within(zero, &biases, self.x.reach())?);
        }
        let scale: Vec<f32> = parts.iter().map(|part| part.1).collect();
        let bias = parts.iter().any(|part| part.2.is_some());
        // A product of -0 plus 0 would be 0: channels without a bias are left alone by -0.
        let bias =
            bias.then(|| parts.iter().map(|part| part.2.unwrap_or(-0.0)).collect::<Vec<_>>());
        let mut largest = 0f32;
        for (&(add, scale, bias), &bound) in parts.iter().zip(&bounds) {
            let sum = (bound + add.abs()) as f32 * scale.abs() + bias.unwrap_or(0.0).abs();
            // NaN stays NaN here, and is refused below.
            largest = if sum > largest || sum.is_nan() { sum } else { largest };
        }
        let bounded = largest.is_finite() && bias.iter().flatten().all(|bias| bias.is_finite());
        bounded.then(|| (KernelFinish::new(add, scale, bias, self.output), largest))
    }
}

/// Output channels of a group; `None` where there is nothing to compute.
fn out_channels(groups: &[Vec<i32>], rows: &Rows, channels: usize) -> Option<usize> {
    let terms = rows.taps().checked_mul(channels).filter(|&terms| terms > 0)?;
    let out = groups.first()?.len() / terms;
    (out > 0).then_some(out)
}
