//! The modes, on tensors that are not empty.

use vairun_numeric::resize::{
    Axis, Coordinates, Kernel, Nearest, Sample, Taps, fill_outside, interpolate,
};
use vairun_tensor::{Element, bf16, f16};

use super::Resize;
use crate::common::dispatch::{with_element, with_number};
use crate::common::movement::{AxisAfter, carry};
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::sizes::result_len;

impl Resize {
    /// Each output the nearest element.
    pub(super) fn nearest(
        &self,
        x: &Tensor,
        axes: &[Axis],
        mode: Nearest,
    ) -> Result<Tensor, OpError> {
        let crops = matches!(self.coordinates, Coordinates::TfCropAndResize { .. });
        if crops {
            return with_number!(x.dtype(), "X", T => {
                let outside = T::from_f64(self.extrapolation.into());
                moved::<T>(x, axes, mode, outside)
            });
        }
        let y = with_element!(x.dtype(), T => moved::<T>(x, axes, mode, T::default()))?;
        let axis_after = |axis: usize| match axes[axis].is_identity() {
            true => AxisAfter::At(axis),
            false => AxisAfter::Lost,
        };
        Ok(carry(x, axis_after, y))
    }

    /// Each output a weighted sum of its neighbours.
    pub(super) fn weighted(
        &self,
        x: &Tensor,
        axes: &[Axis],
        kernel: Kernel,
    ) -> Result<Tensor, OpError> {
        let shape: Vec<_> = axes.iter().map(|axis| axis.output).collect();
        let outside = self.extrapolation;
        match x.dtype() {
            DType::U8 => self.integers(x, axes, &shape, outside as u8),
            DType::I8 => self.integers(x, axes, &shape, outside as i8),
            DType::I32 => self.integers(x, axes, &shape, outside as i32),
            DType::F16 => {
                let wide: Vec<_> = x.as_slice::<f16>()?.iter().map(|x| x.to_f32()).collect();
                let y = self.floats(&wide, axes, kernel)?;
                Ok(Tensor::new(&shape, y.into_iter().map(f16::from_f32).collect())?)
            }
            DType::BF16 => {
                let wide: Vec<_> = x.as_slice::<bf16>()?.iter().map(|x| x.to_f32()).collect();
                let y = self.floats(&wide, axes, kernel)?;
                Ok(Tensor::new(&shape, y.into_iter().map(bf16::from_f32).collect())?)
            }
            _ => Ok(Tensor::new(&shape, self.floats(x.as_slice::<f32>()?, axes, kernel)?)?),
        }
    }

    fn floats(&self, x: &[f32], axes: &[Axis], kernel: Kernel) -> Result<Vec<f32>, OpError> {
        match self.is_linear_at_once().then(|| at_once_of(x, axes, self.extrapolation)).flatten() {
            Some(y) => Ok(y),
            None => self.one_after_the_other(x, axes, kernel),
        }
    }

    fn integers<T: Sample + Element>(
        &self,
        x: &Tensor,
        axes: &[Axis],
        shape: &[usize],
        outside: T,
    ) -> Result<Tensor, OpError> {
        let x = x.as_slice::<T>()?;
        let plain = !self.exclude_outside;
        let y = match plain.then(|| at_once_of(x, axes, outside)).flatten() {
            Some(y) => y,
            None => {
                let wide: Vec<_> = x.iter().map(|x| x.to_f32()).collect();
                let y = self.one_after_the_other(&wide, axes, Kernel::Linear)?;
                y.into_iter().map(T::from_f32).collect()
            }
        };
        Ok(Tensor::new(shape, y)?)
    }

    fn one_after_the_other(
        &self,
        x: &[f32],
        axes: &[Axis],
        kernel: Kernel,
    ) -> Result<Vec<f32>, OpError> {
        let mut shape: Vec<_> = axes.iter().map(|axis| axis.input).collect();
        let mut y: Option<Vec<f32>> = None;
        let image = self.cubic_image(axes, kernel);
        let moves = |(i, axis): &(usize, &Axis)| image.contains(i) || !axis.is_identity();
        for (i, axis) in axes.iter().enumerate().rev().filter(moves) {
            shape[i] = axis.output;
            result_len(DType::F32, &shape)?;
            let (outer, inner) = (shape[..i].iter().product(), shape[i + 1..].iter().product());
            let taps = Taps::new(axis, kernel, self.antialias, self.exclude_outside);
            let rows = image.contains(&i) && i + 1 < axes.len();
            let taps = if rows { taps } else { taps.divided() };
            y = Some(interpolate(y.as_deref().unwrap_or(x), outer, inner, &taps));
        }
        let mut y = y.unwrap_or_else(|| x.to_vec());
        for (i, axis) in axes.iter().enumerate() {
            let inner: usize = shape[i + 1..].iter().product();
            if let outside = axis.outside()
                && outside.contains(&true)
            {
                fill_outside(&mut y, inner, &outside, self.extrapolation);
            }
        }
        Ok(y)
    }

    /// The axes along which onnxruntime interpolates in cubic mode even where the scale is 1: weights that are 0 by their
    /// formula need not be 0 in float32.
    fn cubic_image(&self, axes: &[Axis], kernel: Kernel) -> std::ops::Range<usize> {
        let rank = axes.len();
        let image = matches!(rank, 2 | 4) && axes[..rank - 2].iter().all(Axis::is_identity);
        match kernel {
            Kernel::Cubic { .. } if image && !self.antialias => rank - 2..rank,
            _ => 0..0,
        }
    }
}

/// Linear interpolation along the axes that onnxruntime takes at once; `None` for others.
fn at_once_of<T: Sample>(x: &[T], axes: &[Axis], outside: T) -> Option<Vec<T>> {
    let whole = |axes: &[Axis]| axes.iter().all(Axis::is_identity);
    match axes {
        [_, _] | [_, _, _] => Some(T::linear(x, axes, outside)),
        [n, c, image @ ..] if matches!(image.len(), 2 | 3) && whole(&[*n, *c]) => {
            Some(T::linear(x, image, outside))
        }
        [n, h, w, c] if whole(&[*n, *c]) => {
            Some(T::linear_channels_last(x, &[*h, *w], c.input, outside))
        }
        _ => None,
    }
}

/// Elements moved along one axis after the other, the last first: where rows move, they move as a whole.
fn moved<T: Element>(
    x: &Tensor,
    axes: &[Axis],
    mode: Nearest,
    outside: T,
) -> Result<Tensor, OpError> {
    let mut shape = x.shape().to_vec();
    let mut y: Option<Vec<T>> = None;
    for (i, axis) in axes.iter().enumerate().rev().filter(|(_, axis)| !axis.is_identity()) {
        let inner: usize = shape[i + 1..].iter().product();
        shape[i] = axis.output;
        let len = result_len(x.dtype(), &shape)?;
        let from = match &y {
            Some(y) => y.as_slice(),
            None => x.as_slice::<T>()?,
        };
        y = Some(along(from, inner, axis.input, &axis.nearest(mode), len, &outside));
    }
    let y = y.map_or_else(|| Ok::<_, OpError>(x.as_slice::<T>()?.to_vec()), Ok)?;
    Ok(Tensor::with_dtype(x.dtype(), &shape, y)?)
}

/// The elements at `places` along an axis of `length` in blocks of `inner`.
fn along<T: Clone>(
    x: &[T],
    inner: usize,
    length: usize,
    places: &[Option<usize>],
    len: usize,
    outside: &T,
) -> Vec<T> {
    let mut y = Vec::with_capacity(len);
    for x in x.chunks_exact((length * inner).max(1)) {
        if inner == 1 {
            y.extend(places.iter().map(|place| place.map_or(outside, |i| &x[i]).clone()));
            continue;
        }
        for place in places {
            match place {
                Some(i) => y.extend_from_slice(&x[i * inner..][..inner]),
                None => y.resize(y.len() + inner, outside.clone()),
            }
        }
    }
    y
}
