//! From scales, sizes and regions to axes.

use vairun_numeric::resize::{Axis, Coordinates};

use super::{Policy, Resize};
use crate::common::axes::axes;
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::dim;

impl Resize {
    /// Every axis of X, those that are not resized with a scale of 1.
    pub(super) fn resolved(&self, shape: &[usize], inputs: &Inputs) -> Result<Vec<Axis>, OpError> {
        let all = || (0..shape.len() as i64).collect();
        let named = axes(&self.axes.clone().unwrap_or_else(all), shape.len())?;
        let whole = |&input: &usize| Axis {
            input,
            output: input,
            scale: 1.0,
            coordinates: self.coordinates,
        };
        let mut resolved: Vec<_> = shape.iter().map(whole).collect();
        let targets = match (some(inputs, 2)?, some(inputs, 3)?) {
            (Some(scales), None) => scaled(scales, &named, shape)?,
            (None, Some(sizes)) => self.sized(sizes, &named, shape)?,
            (None, None) => return Err(wrong_value("scales", "absent", "scales or sizes")),
            _ => return Err(wrong_value("scales", "given with sizes", "one of them")),
        };
        for (&axis, (scale, output)) in named.iter().zip(targets) {
            resolved[axis] = Axis { scale, output, ..resolved[axis] };
        }
        self.crop(&named, inputs, &mut resolved)?;
        let nothing = |axis: &&Axis| axis.input == 0 && axis.output != 0;
        if let Some(axis) = resolved.iter().find(nothing) {
            let expected = format!("elements to make {} from", axis.output);
            return Err(wrong_shape("X", shape, expected));
        }
        Ok(resolved)
    }

    /// The scale and the length of each of the axes, by `sizes`.
    fn sized(
        &self,
        sizes: &Tensor,
        named: &[usize],
        shape: &[usize],
    ) -> Result<Vec<(f32, usize)>, OpError> {
        let sizes = integers(sizes, "sizes")?;
        expect_count("sizes", sizes.len(), named.len())?;
        let sizes =
            sizes.into_iter().map(|size| dim(size, "sizes")).collect::<Result<Vec<_>, _>>()?;
        let scale = |(&axis, &size): (&usize, &usize)| match shape[axis] {
            0 => 1.0,
            input => size as f32 / input as f32,
        };
        let scales = named.iter().zip(&sizes).map(scale);
        let common = match self.policy {
            Policy::Stretch => return Ok(scales.zip(sizes.iter().copied()).collect()),
            Policy::NotLarger => scales.reduce(f32::min),
            Policy::NotSmaller => scales.reduce(f32::max),
        };
        let scale = common.unwrap_or(1.0);
        // The conversion saturates; the length is checked with the whole result.
        let length = |&axis: &usize| (scale, (scale * shape[axis] as f32).round() as usize);
        Ok(named.iter().map(length).collect())
    }

    /// Reads the region of each axis.
    fn crop(&self, named: &[usize], inputs: &Inputs, axes: &mut [Axis]) -> Result<(), OpError> {
        let crops = matches!(self.coordinates, Coordinates::TfCropAndResize { .. });
        let Some(roi) = some(inputs, 1)?.filter(|_| crops) else { return Ok(()) };
        let roi: Vec<f32> = with_float!(roi.dtype(), "roi", T => {
            Ok::<_, OpError>(roi.as_slice::<T>()?.iter().map(|x| x.to_f64() as f32).collect())
        })?;
        expect_count("roi", roi.len(), 2 * named.len())?;
        let (starts, ends) = roi.split_at(named.len());
        for ((&axis, &start), &end) in named.iter().zip(starts).zip(ends) {
            axes[axis].coordinates = Coordinates::TfCropAndResize { start, end };
        }
        Ok(())
    }
}

/// An input that has elements.
fn some(inputs: &Inputs, index: usize) -> Result<Option<&Tensor>, OpError> {
    Ok(inputs.optional(index)?.filter(|tensor| !tensor.is_empty()))
}

fn expect_count(name: &str, got: usize, expected: usize) -> Result<(), OpError> {
    if got == expected {
        return Ok(());
    }
    Err(wrong_shape(name, &[got], format!("[{expected}]")))
}

/// The scale and the length of each of the axes, by `scales`.
fn scaled(scales: &Tensor, named: &[usize], shape: &[usize]) -> Result<Vec<(f32, usize)>, OpError> {
    let scales = scales.as_slice::<f32>()?;
    expect_count("scales", scales.len(), named.len())?;
    let target = |(&axis, &scale): (&usize, &f32)| {
        if scale > 0.0 && scale.is_finite() {
            // The conversion saturates; the length is checked with the whole result.
            return Ok((scale, (scale * shape[axis] as f32) as usize));
        }
        Err(wrong_value("scales", scale, "numbers above 0"))
    };
    named.iter().zip(scales).map(target).collect()
}
