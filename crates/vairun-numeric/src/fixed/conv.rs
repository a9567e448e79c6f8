use rayon::prelude::*;

use super::code::Code;
use crate::contraction::ConvGeometry;
use crate::kernel::{self, Element, Finish, Isa, Output, Product, Rows, Weights, Written};

/// Pixels of the result that one task computes in the plain form.
const TASK: usize = 64;

/// A convolution or transposed convolution over images whose channels lie last, of codes on grids.
///
/// `(Σ x · w) · multiplier + bias`, exact; a padded position contributes 0.
#[derive(Clone, Debug)]
pub struct Conv {
    geometry: ConvGeometry,
    rows: Rows,
    output: Vec<usize>,
    /// `[out_channels, taps, channels / groups]`; depthwise: `[taps, out_channels]`.
    weights: Vec<i32>,
    bias: Vec<i64>,
    multiplier: i64,
    /// For x of 8 and of 16 bits, where the kernels can.
    fast: Option<Fast>,
}

/// The packed form.
#[derive(Clone, Debug)]
struct Fast {
    product: Product,
    element: Element,
}

/// The types that sums are added in.
trait Sum: Code {
    fn add_product(self, x: i32, w: i32) -> Self;
}

impl Sum for i32 {
    #[inline(always)]
    fn add_product(self, x: i32, w: i32) -> Self {
        // The caller has proven that the sum of the magnitudes fits.
        self.wrapping_add(x.wrapping_mul(w))
    }
}

impl Sum for i64 {
    #[inline(always)]
    fn add_product(self, x: i32, w: i32) -> Self {
        self.wrapping_add(Self::from(x) * Self::from(w))
    }
}

/// What x is, which decides how weights are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CodeType {
    I8,
    U8,
    I16,
    Other,
}

impl CodeType {
    /// The packed element and the stored code that means 0.
    fn stored(self) -> Option<(Element, i32)> {
        match self {
            Self::I8 => Some((Element::Byte, 128)),
            Self::U8 => Some((Element::Byte, 0)),
            Self::I16 => Some((Element::Word, 0)),
            Self::Other => None,
        }
    }
}

/// What a convolution is made of; see [`Conv::new`].
#[derive(Clone, Debug)]
pub struct ConvParts {
    /// The sizes.
    pub geometry: ConvGeometry,
    /// Whether it is transposed: the tap at the end of the kernel meets the input first.
    pub transposed: bool,
    /// `[out_channels, taps, channels / groups]`, for a transposed one too.
    pub weights: Vec<i32>,
    /// One for each output channel, on the grid of the result.
    pub bias: Vec<i64>,
    /// From the grid of the products to that of the result.
    pub multiplier: i64,
    /// What x is.
    pub x: CodeType,
    /// The instruction set of the kernels.
    pub isa: Isa,
}

impl Conv {
    /// `None` where a kernel does not fit its image, or the tables would not fit memory.
    ///
    /// Panics where weights and bias do not fill the geometry.
    pub fn new(parts: ConvParts) -> Option<Self> {
        let ConvParts { geometry, transposed, mut weights, bias, multiplier, x, isa } = parts;
        let per_group = geometry.channels / geometry.groups;
        assert_eq!(weights.len(), geometry.out_channels * geometry.taps() * per_group);
        assert_eq!(bias.len(), geometry.out_channels, "one bias for each channel");
        let (rows, output) = match transposed {
            true => {
                reverse_taps(&mut weights, geometry.taps(), per_group);
                (Rows::conv_transpose(&geometry)?, geometry.transposed_output()?)
            }
            false => (Rows::conv(&geometry)?, geometry.output()?),
        };
        let mut conv = Self { geometry, rows, output, weights, bias, multiplier, fast: None };
        if conv.is_depthwise() {
            conv.weights = by_tap(&conv.weights, conv.geometry.taps());
        } else {
            conv.fast = conv.packed(x, isa);
        }
        Some(conv)
    }

    /// The spatial dimensions of the result.
    pub fn output(&self) -> &[usize] {
        &self.output
    }

    /// The shape of the result, `[batch, spatial…, out_channels]`.
    pub fn shape(&self) -> Vec<usize> {
        let g = &self.geometry;
        [g.batch].iter().chain(&self.output).chain(&[g.out_channels]).copied().collect()
    }

    /// Whether [`Conv::fast_sums`] can give sums.
    pub fn has_fast_form(&self) -> bool {
        self.fast.is_some()
    }

    /// One channel of x for each sum.
    fn is_depthwise(&self) -> bool {
        self.geometry.groups == self.geometry.channels
    }

    fn packed(&self, x: CodeType, isa: Isa) -> Option<Fast> {
        let (element, zero) = x.stored()?;
        let g = &self.geometry;
        let (per_group, outs) = (g.channels / g.groups, g.out_channels / g.groups);
        let length = outs * g.taps() * per_group;
        let (mut groups, mut add) = (Vec::new(), Vec::new());
        for group in 0..g.groups {
            let w = self.weights[group * length..][..length].iter();
            let w: Vec<i16> = w.map(|&w| w.try_into().ok()).collect::<Option<_>>()?;
            let weights = Weights::new(element, outs, g.taps(), per_group, &w)?;
            add.extend(weights.corrections(zero, &self.bias[group * outs..][..outs])?);
            groups.push(weights);
        }
        let finish = Finish::new(add, vec![1.0; g.out_channels], None, Output::Sums);
        let product = Product::new(groups, per_group, self.rows.clone(), zero, finish, isa);
        (self.multiplier == 1).then_some(Fast { product, element })
    }

    /// The sums for x of 8 or 16 bits in `i32`; `None` where the packed form cannot.
    ///
    /// Panics where x does not fill the geometry.
    pub fn fast_sums(&self, x: Stored) -> Option<Vec<i32>> {
        let Fast { product, element } = self.fast.as_ref()?;
        let g = &self.geometry;
        let length: usize = self.output.iter().product();
        let mut out = vec![0i32; g.batch * length * g.out_channels];
        let run = |codes, out: &mut [i32]| {
            product.run(codes, g.channels, Written::I32(out), g.out_channels, g.batch);
        };
        match (x, element) {
            (Stored::Bytes(x), Element::Byte) => run(kernel::Codes::U8(&x), &mut out),
            (Stored::Words(x), Element::Word) => run(kernel::Codes::I16(&x), &mut out),
            _ => return None,
        }
        Some(out)
    }

    /// The sums for x of any type in `i32`; the caller knows that none overflows.
    pub fn sums_i32<X: Code>(&self, x: &[X]) -> Vec<i32> {
        self.sums(x)
    }

    /// As [`Conv::sums_i32`] in `i64`.
    pub fn sums_i64<X: Code>(&self, x: &[X]) -> Vec<i64> {
        self.sums(x)
    }

    fn sums<X: Code, S: Sum>(&self, x: &[X]) -> Vec<S> {
        let g = &self.geometry;
        let length: usize = self.output.iter().product();
        let (pixels, outs) = (g.pixels(), g.out_channels);
        assert_eq!(x.len(), g.batch * pixels * g.channels, "x fills its shape");
        let mut out = vec![S::default(); g.batch * length * outs];
        if out.is_empty() {
            return out;
        }
        for (batch, out) in out.chunks_exact_mut(length * outs).enumerate() {
            let x = &x[batch * pixels * g.channels..][..pixels * g.channels];
            out.par_chunks_mut(TASK * outs).enumerate().for_each(|(task, out)| {
                for (pixel, out) in out.chunks_exact_mut(outs).enumerate() {
                    self.pixel(x, task * TASK + pixel, out);
                    self.finish(out);
                }
            });
        }
        out
    }

    fn pixel<X: Code, S: Sum>(&self, x: &[X], pixel: usize, out: &mut [S]) {
        let (g, taps) = (&self.geometry, self.geometry.taps());
        for tap in 0..taps {
            let Some(at) = self.rows.source(pixel, tap) else { continue };
            let x = &x[at * g.channels..][..g.channels];
            match self.is_depthwise() {
                true => depthwise(x, &self.weights[tap * out.len()..][..out.len()], out),
                false => self.grouped(x, tap, out),
            }
        }
    }

    fn grouped<X: Code, S: Sum>(&self, x: &[X], tap: usize, out: &mut [S]) {
        let (g, taps) = (&self.geometry, self.geometry.taps());
        let (per_group, outs) = (g.channels / g.groups, g.out_channels / g.groups);
        for (o, out) in out.iter_mut().enumerate() {
            let x = &x[o / outs * per_group..][..per_group];
            let w = &self.weights[(o * taps + tap) * per_group..][..per_group];
            *out = x.iter().zip(w).fold(*out, |sum, (x, &w)| sum.add_product(x.widen() as i32, w));
        }
    }

    fn finish<S: Sum>(&self, out: &mut [S]) {
        for (out, &bias) in out.iter_mut().zip(&self.bias) {
            *out = S::narrow(out.widen() * self.multiplier + bias);
        }
    }
}

/// `out[c · m + q] += x[c] · w[c · m + q]`
fn depthwise<X: Code, S: Sum>(x: &[X], w: &[i32], out: &mut [S]) {
    match w.len() / x.len().max(1) {
        1 => {
            for ((out, x), &w) in out.iter_mut().zip(x).zip(w) {
                *out = out.add_product(x.widen() as i32, w);
            }
        }
        m => {
            for ((i, out), &w) in out.iter_mut().enumerate().zip(w) {
                *out = out.add_product(x[i / m].widen() as i32, w);
            }
        }
    }
}

/// Codes of 8 or 16 bits as the kernels store them.
#[derive(Debug)]
pub enum Stored {
    /// From `i8` or `u8`.
    Bytes(Vec<u8>),
    /// From `i16`.
    Words(Vec<i16>),
}

/// Codes that the kernels may read behind the last one.
const SLACK: usize = 4;

impl Stored {
    /// Signed bytes have 128 added.
    pub fn from_i8(x: &[i8]) -> Self {
        Self::Bytes(with_slack(x.iter().map(|&code| code.cast_unsigned() ^ 0x80), x.len()))
    }

    /// Unsigned bytes stay.
    pub fn from_u8(x: &[u8]) -> Self {
        Self::Bytes(with_slack(x.iter().copied(), x.len()))
    }

    /// Words stay.
    pub fn from_i16(x: &[i16]) -> Self {
        Self::Words(with_slack(x.iter().copied(), x.len()))
    }
}

fn with_slack<T: Default>(codes: impl Iterator<Item = T>, n: usize) -> Vec<T> {
    let mut stored = Vec::with_capacity(n + SLACK);
    stored.extend(codes);
    stored.resize_with(n + SLACK, T::default);
    stored
}

/// The taps of each output channel in reverse order.
fn reverse_taps(weights: &mut [i32], taps: usize, channels: usize) {
    for row in weights.chunks_exact_mut((taps * channels).max(1)) {
        let reversed: Vec<i32> = row.chunks_exact(channels).rev().flatten().copied().collect();
        row.copy_from_slice(&reversed);
    }
}

/// `[out_channels, taps]` → `[taps, out_channels]`
fn by_tap(weights: &[i32], taps: usize) -> Vec<i32> {
    let outs = weights.len() / taps.max(1);
    (0..weights.len()).map(|i| weights[i % outs * taps + i / outs]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contraction::Window;

    /// Every output for itself, from the definition.
    fn plain(parts: &ConvParts, x: &[i64]) -> Vec<i64> {
        let g = &parts.geometry;
        let output = match parts.transposed {
            true => g.transposed_output().unwrap(),
            false => g.output().unwrap(),
        };
        let (h, w) = (&g.windows[0], &g.windows[1]);
        let (per_group, outs) = (g.channels / g.groups, g.out_channels / g.groups);
        let taps = g.taps();
        let mut out = Vec::new();
        for n in 0..g.batch {
            for (oy, ox) in (0..output[0]).flat_map(|y| (0..output[1]).map(move |x| (y, x))) {
                for o in 0..g.out_channels {
                    let mut sum = 0;
                    for (ky, kx) in (0..h.kernel).flat_map(|y| (0..w.kernel).map(move |x| (y, x))) {
                        let place = |window: &Window, o: usize, k: usize| match parts.transposed {
                            // A plain correlation with the input spread by the stride and padded by (k - 1) · d - pad.
                            true => {
                                let pad = (window.kernel - 1) * window.dilation;
                                let at = (o + window.pad_begin + k * window.dilation)
                                    .checked_sub(pad)?;
                                (at % window.stride == 0 && at / window.stride < window.input)
                                    .then_some(at / window.stride)
                            }
                            false => window.source(o, k),
                        };
                        let (Some(y), Some(x_at)) = (place(h, oy, ky), place(w, ox, kx)) else {
                            continue;
                        };
                        for c in 0..per_group {
                            let pixel = (n * h.input + y) * w.input + x_at;
                            let code = x[pixel * g.channels + o / outs * per_group + c];
                            let tap = ky * w.kernel + kx;
                            sum +=
                                code * i64::from(parts.weights[(o * taps + tap) * per_group + c]);
                        }
                    }
                    out.push(sum * parts.multiplier + parts.bias[o]);
                }
            }
        }
        out
    }

    fn window(input: usize, kernel: usize, stride: usize, dilation: usize, pad: usize) -> Window {
        Window {
            input,
            kernel,
            stride,
            dilation,
            pad_begin: pad,
            pad_end: pad / 2,
            output_padding: 0,
        }
    }

    proptest! {
        #[test]
        fn every_form_is_the_definition(
            (groups, per_group, outs, batch) in (1usize..4, 1usize..6, 1usize..5, 1usize..3),
            (kernel, stride, dilation, pad) in (1usize..4, 1usize..3, 1usize..3, 0usize..2),
            (transposed, wide, seed) in any::<(bool, bool, u32)>(),
        ) {
            let windows = vec![window(7, kernel, stride, dilation, pad), window(8, kernel, 1, 1, pad)];
            let channels = groups * per_group;
            let geometry = ConvGeometry { batch, channels, out_channels: groups * outs, groups, windows };
            let fits = match transposed {
                true => geometry.transposed_output().is_some_and(|o| o.iter().all(|&n| n > 0)),
                false => geometry.output().is_some(),
            };
            prop_assume!(fits);
            let mut state = u64::from(seed) | 1;
            let mut byte = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8 as i8
            };
            let x: Vec<i8> = (0..batch * geometry.pixels() * channels).map(|_| byte()).collect();
            let weights = (0..geometry.out_channels * geometry.taps() * per_group).map(|_| byte().into()).collect();
            let bias = (0..geometry.out_channels).map(|_| i64::from(byte()) << 4).collect();
            let multiplier = if wide { 4 } else { 1 };
            let parts = ConvParts { geometry, transposed, weights, bias, multiplier, x: CodeType::I8, isa: Isa::best() };
            let wide_x: Vec<i64> = x.iter().map(|&code| code.into()).collect();
            let want = plain(&parts, &wide_x);
            let conv = Conv::new(parts).unwrap();
            prop_assert_eq!(&conv.sums_i64(&x), &want);
            let narrow: Vec<i64> = conv.sums_i32(&x).into_iter().map(i64::from).collect();
            prop_assert_eq!(&narrow, &want);
            if let Some(sums) = conv.fast_sums(Stored::from_i8(&x)) {
                let fast: Vec<i64> = sums.into_iter().map(i64::from).collect();
                prop_assert_eq!(&fast, &want);
            }
        }
    }
}
