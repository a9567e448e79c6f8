use vairun_graph::Attributes;
use vairun_numeric::pool::{Pool, PoolAxis};
use vairun_tensor::{DType, Tensor, bf16, f16};

use crate::attrs::Attrs;
use crate::common::sizes::result_len;
use crate::contraction::{AutoPad, lengths_of};
use crate::error::{BuildError, OpError};

/// The windows of `MaxPool` or `AveragePool` with these attributes over a tensor of `shape`, `[n, c, …]`, and the shape
/// of the result; `None` where they do not fit.
pub fn geometry(attributes: &Attributes, shape: &[usize]) -> Option<(Pool, Vec<usize>)> {
    Windows::read(&Attrs::new(attributes)).ok()?.over(DType::F32, shape).ok()
}

/// The attributes that say how a window moves: auto_pad, ceil_mode, dilations, kernel_shape, pads and strides.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    auto_pad: AutoPad,
    ceil_mode: bool,
    kernel: Vec<usize>,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
}

impl Windows {
    pub(crate) fn read(attrs: &Attrs) -> Result<Self, BuildError> {
        let windows = Self {
            auto_pad: AutoPad::read(attrs)?,
            ceil_mode: attrs.flag("ceil_mode")?.unwrap_or(false),
            kernel: lengths_of(attrs, "kernel_shape", 1)?
                .ok_or_else(|| BuildError::MissingAttribute("kernel_shape".into()))?,
            strides: lengths_of(attrs, "strides", 1)?,
            dilations: lengths_of(attrs, "dilations", 1)?,
            pads: lengths_of(attrs, "pads", 0)?,
        };
        windows.check()?;
        Ok(windows)
    }

    fn check(&self) -> Result<(), BuildError> {
        let n = self.kernel.len();
        let lists = [
            ("strides", &self.strides, n),
            ("dilations", &self.dilations, n),
            ("pads", &self.pads, 2 * n),
        ];
        for (name, list, expected) in lists {
            if let Some(list) = list.as_ref().filter(|list| list.len() != expected) {
                let expected =
                    format!("{expected} numbers, for the kernel_shape {:?}", self.kernel);
                return Err(Attrs::value(name, format!("{list:?}"), &expected));
            }
        }
        if n == 0 {
            return Err(Attrs::value("kernel_shape", "[]", "at least one number"));
        }
        Ok(())
    }

    /// The windows over a tensor of `shape`, `[n, c, …]`, and the shape of the result.
    pub(crate) fn over(
        &self,
        dtype: DType,
        shape: &[usize],
    ) -> Result<(Pool, Vec<usize>), OpError> {
        let wrong =
            |expected: String| OpError::Shape { input: "X".into(), got: shape.to_vec(), expected };
        if shape.len() != self.kernel.len() + 2 {
            return Err(wrong(format!(
                "{} dimensions, for the kernel_shape {:?}",
                self.kernel.len() + 2,
                self.kernel
            )));
        }
        let axes = shape[2..].iter().enumerate().map(|(d, &input)| {
            self.axis(d, input).ok_or_else(|| {
                wrong(format!("at least the window {:?} with its padding", self.kernel))
            })
        });
        let axes = axes.collect::<Result<Vec<PoolAxis>, _>>()?;
        let output = shape[..2]
            .iter()
            .copied()
            .chain(axes.iter().map(|axis| axis.output))
            .collect::<Vec<_>>();
        result_len(dtype, &output)?;
        Ok((Pool { planes: shape[0] * shape[1], axes }, output))
    }

    /// `None` where the window does not fit, or a number is none.
    fn axis(&self, d: usize, input: usize) -> Option<PoolAxis> {
        let at = |list: &Option<Vec<usize>>, d: usize, default| {
            list.as_ref().map_or(default, |list| list[d])
        };
        let kernel = self.kernel[d];
        let (stride, dilation) = (at(&self.strides, d, 1), at(&self.dilations, d, 1));
        let extent = (kernel - 1).checked_mul(dilation)?.checked_add(1)?;
        let (pad_begin, pad_end) = match self.auto_pad {
            AutoPad::NotSet => (at(&self.pads, d, 0), at(&self.pads, d + self.kernel.len(), 0)),
            AutoPad::Valid => (0, 0),
            AutoPad::SameUpper | AutoPad::SameLower => self.same_pads(input, stride, extent)?,
        };
        let padded = input.checked_add(pad_begin)?.checked_add(pad_end)?;
        let steps = padded.checked_sub(extent)?;
        let whole = steps / stride + 1;
        // A window that would start in the padding at the end sees nothing: it is left out.
        // <https://github.com/onnx/onnx/pull/5741>
        let one_more = self.ceil_mode && steps % stride != 0 && whole * stride < input + pad_begin;
        let output = whole + usize::from(one_more);
        Some(PoolAxis { input, output, kernel, stride, dilation, pad_begin, pad_end })
    }

    /// Padding with which there is one output for each step over the input.
    fn same_pads(&self, input: usize, stride: usize, extent: usize) -> Option<(usize, usize)> {
        let steps = input.div_ceil(stride).saturating_sub(1);
        let total = steps.checked_mul(stride)?.checked_add(extent)?.saturating_sub(input);
        let (less, more) = (total / 2, total - total / 2);
        Some(if self.auto_pad == AutoPad::SameLower { (more, less) } else { (less, more) })
    }
}

/// The elements of a tensor of real numbers after `f32` or `f64`, whichever holds its type, in the type of the tensor.
/// float16 and bfloat16 are computed in float32 and rounded once.
pub(super) fn real(
    x: &Tensor,
    shape: &[usize],
    f32: impl Fn(&[f32]) -> Vec<f32>,
    f64: impl Fn(&[f64]) -> Vec<f64>,
) -> Result<Tensor, OpError> {
    Ok(match x.dtype() {
        DType::F32 => Tensor::new(shape, f32(x.as_slice()?))?,
        DType::F64 => Tensor::new(shape, f64(x.as_slice()?))?,
        DType::F16 => {
            let wide: Vec<f32> = x.as_slice::<f16>()?.iter().map(|x| x.to_f32()).collect();
            Tensor::new(shape, f32(&wide).into_iter().map(f16::from_f32).collect())?
        }
        _ => {
            let wide: Vec<f32> = x.as_slice::<bf16>()?.iter().map(|x| x.to_f32()).collect();
            Tensor::new(shape, f32(&wide).into_iter().map(bf16::from_f32).collect())?
        }
    })
}
