//! Every convolution: `conv1d` to `conv3d`, depthwise, transposed, and transposed depthwise ones, with an optional bias.
//!
//! | | name      | shape                                                                             |
//! |-|-----------|-----------------------------------------------------------------------------------|
//! | 0 | `input`   | `[batch, height, width, depth, channels]`                                       |
//! | 1 | `weights` | `[out, kernel…, channels / group]`; depthwise: `[multiplier, kernel…, channels]` |
//! | 2 | `bias`    | one for each output channel; optional                                           |
//!
//! Transposed: the input is spread by `stride` and padded by `(kernel - 1) · dilation - pad`, then correlated with the
//! weights as they lie (the exporter has flipped the kernel). Channel `c · multiplier + q` of a depthwise one is
//! channel `c` with `weights[q, …, c]`.

use std::sync::OnceLock;

use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::fixed::{self, CodeType, ConvParts, Stored};
use vairun_numeric::kernel::Isa;
use vairun_tensor::{Carrier, DType, Tensor};

use super::codes::{as_i32, as_i64, codes, no_codes, with_code};
use super::grids::{Grids, multiplier};
use super::window::{Windows, does_not_fit};
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::sizes::result_len;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// Every convolution.
pub static DEF: OpDef = def(
    &[
        ("xir", "conv2d"),
        ("xir", "depthwise-conv2d"),
        ("xir", "transposed-conv2d"),
        ("xir", "transposed-depthwise-conv2d"),
        ("xir", "conv1d"),
        ("xir", "conv3d"),
        ("xir", "depthwise-conv3d"),
        ("xir", "transposed-conv3d"),
        ("xir", "transposed-depthwise-conv3d"),
    ],
    "sums of products over a moving window",
    EXECUTOR,
    build,
);

struct Conv {
    windows: Windows,
    group: usize,
    depthwise: bool,
    transposed: bool,
    isa: Isa,
    /// For the weights of the first run, which are those of every run.
    prepared: OnceLock<Prepared>,
}

/// A convolution and what it was made for.
struct Prepared {
    weights: Tensor,
    bias: Option<Tensor>,
    x: (DType, Vec<usize>),
    conv: fixed::Conv,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=3)?;
    let group = attrs.int("group")?.unwrap_or(1);
    let group = usize::try_from(group).ok().filter(|&group| group > 0);
    let group = group.ok_or_else(|| {
        Attrs::value("group", attrs.int("group").ok().flatten().unwrap_or(0), "at least 1")
    })?;
    let conv = Conv {
        windows: Windows::read(attrs)?,
        group,
        depthwise: spec.op.op_type.contains("depthwise"),
        transposed: spec.op.op_type.starts_with("transposed"),
        isa: spec.isa,
        prepared: OnceLock::new(),
    };
    node(spec, attrs, conv)
}

impl Compute for Conv {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (x, weights) = (inputs.tensor(0, "input")?, inputs.tensor(1, "weights")?);
        let bias = inputs.optional(2)?;
        if let Some(prepared) = self.prepared.get().filter(|p| p.is_for(x, weights, bias)) {
            return run(&prepared.conv, grids, x);
        }
        let conv = self.prepare(grids, x, weights, bias)?;
        let y = run(&conv, grids, x)?;
        let x = (x.dtype(), x.shape().to_vec());
        let prepared = Prepared { weights: weights.clone(), bias: bias.cloned(), x, conv };
        // Where another run was first, its convolution stays.
        let _ = self.prepared.set(prepared);
        Ok(y)
    }
}

impl Prepared {
    fn is_for(&self, x: &Tensor, weights: &Tensor, bias: Option<&Tensor>) -> bool {
        let same_bias = match (&self.bias, bias) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same_storage(b),
            _ => false,
        };
        let same_x = self.x.0 == x.dtype() && self.x.1 == x.shape();
        same_x
            && same_bias
            && self.weights.same_storage(weights)
            && self.weights.shape() == weights.shape()
    }
}

impl Conv {
    fn prepare(
        &self,
        grids: &Grids,
        x: &Tensor,
        weights: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<fixed::Conv, OpError> {
        let geometry = self.geometry(x.shape(), weights.shape())?;
        let w = as_i32(weights, "weights")?;
        let w = if self.depthwise { by_channel(&w, geometry.channels) } else { w };
        let (numerator, divisor) = grids.product_ratio(0..2)?;
        if divisor != 1 {
            return Err(multiplier(grids.input(0), grids.output()?)
                .err()
                .unwrap_or_else(|| does_not_fit(x.shape())));
        }
        let bias = match bias {
            Some(bias) => as_i64(bias, grids.multiplier(2)?)?,
            None => vec![0; geometry.out_channels],
        };
        if bias.len() != geometry.out_channels {
            let expected = format!("one for each of {} channels", geometry.out_channels);
            return Err(OpError::Shape { input: "bias".into(), got: vec![bias.len()], expected });
        }
        let x_type = match x.dtype().carrier() {
            Carrier::I8 => CodeType::I8,
            Carrier::U8 => CodeType::U8,
            Carrier::I16 => CodeType::I16,
            _ => CodeType::Other,
        };
        let &Self { transposed, isa, .. } = self;
        let (weights, multiplier) = (w, numerator);
        let parts = ConvParts { geometry, transposed, weights, bias, multiplier, x: x_type, isa };
        fixed::Conv::new(parts).ok_or_else(|| does_not_fit(x.shape()))
    }

    fn geometry(&self, x: &[usize], w: &[usize]) -> Result<ConvGeometry, OpError> {
        let windows = self.windows.over(x)?;
        let channels = x[x.len() - 1];
        let (first, last) = (w.first().copied().unwrap_or(0), w.last().copied().unwrap_or(0));
        let (groups, out_channels, per_group) = match self.depthwise {
            true => (channels, first * channels, channels),
            false => (self.group, first, channels / self.group),
        };
        let kernel = self.windows.kernel();
        let fits =
            w.len() == x.len() && w[1..w.len() - 1] == kernel[..] && last == per_group && first > 0;
        if !fits
            || channels == 0
            || !channels.is_multiple_of(groups)
            || !out_channels.is_multiple_of(groups)
        {
            let expected = format!(
                "[out, {kernel:?}, {per_group}] for {channels} channels in {groups} groups"
            );
            return Err(OpError::Shape { input: "weights".into(), got: w.to_vec(), expected });
        }
        let geometry = ConvGeometry { batch: x[0], channels, out_channels, groups, windows };
        let output = if self.transposed { geometry.transposed_output() } else { geometry.output() };
        let mut shape = output.ok_or_else(|| does_not_fit(x))?;
        shape.extend([x[0], out_channels]);
        result_len(DType::I64, &shape)?;
        Ok(geometry)
    }
}

/// `[multiplier, taps, channels]` → `[channels · multiplier, taps]`
fn by_channel(w: &[i32], channels: usize) -> Vec<i32> {
    let m = w.len() / channels.max(1);
    // Of w as `[multiplier · taps, channels]`: one row of taps for each channel and multiplier.
    (0..channels).flat_map(|c| (0..m).map(move |i| w[i * channels + c])).collect()
}

fn run(conv: &fixed::Conv, grids: &Grids, x: &Tensor) -> Result<Tensor, OpError> {
    let shape = conv.shape();
    if grids.dtype() == DType::I64 {
        return with_code!(x.dtype(), T => Ok(Tensor::new(&shape, conv.sums_i64(x.as_slice::<T>()?))?));
    }
    if grids.dtype() != DType::I32 {
        return Err(no_codes(grids.dtype()));
    }
    let stored = match x.dtype().carrier() {
        Carrier::I8 if conv.has_fast_form() => Some(Stored::from_i8(x.as_slice()?)),
        Carrier::U8 if conv.has_fast_form() => Some(Stored::from_u8(x.as_slice()?)),
        Carrier::I16 if conv.has_fast_form() => Some(Stored::from_i16(x.as_slice()?)),
        _ => None,
    };
    if let Some(sums) = stored.and_then(|stored| conv.fast_sums(stored)) {
        return codes(DType::I32, &shape, sums);
    }
    with_code!(x.dtype(), T => Ok(Tensor::new(&shape, conv.sums_i32(x.as_slice::<T>()?))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xir::testing::*;

    fn window(op_type: &str, kernel: &[i64], stride: i64, pad: &[i64]) -> Case {
        let n = kernel.len();
        xir(op_type)
            .ints("kernel", kernel)
            .ints("stride", &vec![stride; n])
            .ints("dilation", &vec![1; n])
            .ints("pad", pad)
    }

    #[test]
    fn a_bias_on_a_coarser_grid_is_aligned() {
        let case = window("conv2d", &[2, 1], 1, &[0, 0, 0, 0])
            .codes_in(&[2, 3, 4])
            .codes_out(DType::I32, 5);
        let (x, w) = (tensor(&[1, 1, 3, 1], &[1i8, 2, -3]), tensor(&[1, 1, 2, 1], &[4i8, 5]));
        let y = case.run([x, w, tensor(&[1], &[10i8])]);
        assert_tensor(&y, &tensor(&[1, 1, 2, 1], &[14 + 20i32, -7 + 20]));
    }

    #[test]
    fn width_comes_first_in_attributes() {
        // Kernel 2 wide and 1 high, padded by 1 on the left only.
        let case =
            window("conv2d", &[2, 1], 1, &[1, 0, 0, 0]).codes_in(&[0, 0]).codes_out(DType::I32, 0);
        let y = case.run([tensor(&[1, 1, 2, 1], &[1i8, 2]), tensor(&[1, 1, 2, 1], &[10i8, 1])]);
        assert_tensor(&y, &tensor(&[1, 1, 2, 1], &[1i32, 12]));
    }

    #[test]
    fn a_depthwise_multiplier_makes_neighbouring_channels() {
        let case = window("depthwise-conv2d", &[1, 1], 1, &[0; 4])
            .codes_in(&[0, 0])
            .codes_out(DType::I32, 0);
        let y =
            case.run([tensor(&[1, 1, 1, 2], &[3i8, 5]), tensor(&[2, 1, 1, 2], &[1i8, 2, 10, 20])]);
        assert_tensor(&y, &tensor(&[1, 1, 1, 4], &[3i32, 30, 10, 100]));
    }

    #[test]
    fn a_transposed_one_spreads_its_input() {
        let case = window("transposed-conv2d", &[2, 1], 2, &[0; 4])
            .codes_in(&[0, 0])
            .codes_out(DType::I32, 0);
        // Each pixel meets the last element of the kernel first.
        let y = case.run([tensor(&[1, 1, 2, 1], &[1i8, 2]), tensor(&[1, 1, 2, 1], &[3i8, 5])]);
        assert_tensor(&y, &tensor(&[1, 1, 4, 1], &[5i32, 3, 10, 6]));
    }

    #[test]
    fn words_and_wide_sums() {
        let case = || window("conv1d", &[1], 1, &[0, 0]).codes_in(&[0, 0]);
        let (x, w) = (tensor(&[1, 1, 2], &[i16::MIN; 2]), tensor(&[1, 1, 2], &[i16::MIN; 2]));
        let y = case().codes_out(DType::I64, 0).run([x, w]);
        assert_tensor(&y, &tensor(&[1, 1, 1], &[1i64 << 31]));
        let (x, w) = (tensor(&[1, 1, 2], &[300i16, -7]), tensor(&[1, 1, 2], &[100i16, 1]));
        assert_tensor(
            &case().codes_out(DType::I32, 0).run([x, w]),
            &tensor(&[1, 1, 1], &[29993i32]),
        );
    }

    #[test]
    fn weights_of_another_shape_are_named() {
        let case = window("conv2d", &[2, 1], 1, &[0; 4]).codes_in(&[0, 0]).codes_out(DType::I32, 0);
        let error =
            case.error([tensor(&[1, 1, 3, 1], &[1i8; 3]), tensor(&[1, 2, 1, 1], &[1i8; 2])]);
        assert!(error.starts_with("weights has shape [1, 2, 1, 1], expected"), "{error}");
    }
}
