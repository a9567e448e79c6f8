//! `RoiAlign`: regions of an image in one size, by bilinear sampling.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | `[n, c, h, w]` |
//! | 1 | `rois` | as `X` | `[r, 4]`: `x1, y1, x2, y2` |
//! | 2 | `batch_indices` | int64 | `[r]` |
//! | → | `Y` | as `X` | `[r, c, output_height, output_width]` |
//!
//! Attributes: `mode` (`avg`, `max`; `avg`), `output_height`, `output_width` (int, 1), `sampling_ratio` (int, 0: the size of
//! a bin, rounded up), `spatial_scale` (float, 1), `coordinate_transformation_mode` (`half_pixel`,
//! `output_half_pixel`; `half_pixel`; opset 16).
//!
//! `max` takes the largest of the four weighted neighbours of all samples, as onnxruntime and the reference do.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__RoiAlign.html>, onnxruntime 1.32
//! `core/providers/cpu/object_detection/roialign.cc`.

use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::types::{FLOATS, INDICES};

/// `RoiAlign`.
pub static DEF: OpDef = OpDef {
    names: &[("", "RoiAlign")],
    opsets: 10..=LATEST,
    summary: "regions of an image in one size, by bilinear sampling",
    types: "float16, bfloat16, float32, float64; batch_indices int64",
    grade: Grade::Within(1, "computed in float64, rounded once"),
    build,
};

struct RoiAlign {
    max: bool,
    size: [usize; 2],
    samples: usize,
    scale: f64,
    half_pixel: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=3)?;
    let max = match attrs.string("mode")?.as_deref() {
        None | Some("avg") => false,
        Some("max") => true,
        Some(other) => return Err(Attrs::value("mode", other, "avg or max")),
    };
    let size = |name: &'static str, default: i64| {
        let n = attrs.int(name)?.unwrap_or(default);
        let limited = usize::try_from(n).ok().filter(|&n| n <= 1 << 16);
        limited.ok_or_else(|| Attrs::value(name, n, "0 or more"))
    };
    let half_pixel = if spec.op.opset >= 16 {
        match attrs.string("coordinate_transformation_mode")?.as_deref() {
            None | Some("half_pixel") => true,
            Some("output_half_pixel") => false,
            Some(other) => {
                let expected = "half_pixel or output_half_pixel";
                return Err(Attrs::value("coordinate_transformation_mode", other, expected));
            }
        }
    } else {
        false
    };
    Ok(Box::new(RoiAlign {
        max,
        size: [size("output_height", 1)?, size("output_width", 1)?],
        samples: size("sampling_ratio", 0)?,
        scale: attrs.float("spatial_scale")?.unwrap_or(1.0).into(),
        half_pixel,
    }))
}

impl Operator for RoiAlign {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, rois) = (inputs.tensor(0, "X")?, inputs.tensor(1, "rois")?);
        let &[n, c, h, w] = x.shape() else {
            return Err(wrong_shape("X", x.shape(), "[n, c, h, w]"));
        };
        let batches = integers(inputs.tensor(2, "batch_indices")?, "batch_indices")?;
        if rois.shape() != [batches.len(), 4] {
            return Err(wrong_shape("rois", rois.shape(), format!("[{}, 4]", batches.len())));
        }
        let shape = [batches.len(), c, self.size[0], self.size[1]];
        let len = result_len(x.dtype(), &shape)?;
        with_float!(x.dtype(), "X", T => {
            let planes = x.as_slice::<T>()?;
            let rois: Vec<f64> = rois.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect();
            let mut y: Vec<T> = Vec::with_capacity(len);
            for (roi, &batch) in rois.chunks_exact(4).zip(&batches) {
                let batch = usize::try_from(batch).ok().filter(|&batch| batch < n);
                let batch = batch.ok_or_else(|| {
                    wrong_value("batch_indices", format!("{batches:?}"), format!("batches of {n}"))
                })?;
                let axes = [self.axis(roi[1], roi[3], 0)?, self.axis(roi[0], roi[2], 1)?];
                for channel in 0..c {
                    let plane = &planes[(batch * c + channel) * h * w..][..h * w];
                    y.extend(self.region(plane, [h, w], &axes).into_iter().map(<T as Number>::from_f64));
                }
            }
            one(Tensor::new(&shape, y)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 2, "batch_indices")?;
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

/// Where the samples of a region lie along an axis.
struct Samples {
    start: f64,
    bin: f64,
    count: usize,
}

impl RoiAlign {
    fn axis(&self, low: f64, high: f64, axis: usize) -> Result<Samples, OpError> {
        let offset = if self.half_pixel { 0.5 } else { 0.0 };
        let start = low * self.scale - offset;
        let mut size = high * self.scale - offset - start;
        if !self.half_pixel {
            size = size.max(1.0);
        }
        let bin = size / self.size[axis] as f64;
        let count = if self.samples > 0 { self.samples } else { bin.ceil().max(0.0) as usize };
        if !start.is_finite() || !bin.is_finite() || count > 1 << 14 {
            return Err(wrong_value(
                "rois",
                format!("{low} to {high}"),
                "a region of sensible size",
            ));
        }
        Ok(Samples { start, bin, count })
    }

    fn region<T: Number>(&self, plane: &[T], dims: [usize; 2], axes: &[Samples; 2]) -> Vec<f64> {
        let mut y = Vec::with_capacity(self.size[0] * self.size[1]);
        for row in 0..self.size[0] {
            for column in 0..self.size[1] {
                y.push(self.bin(plane, dims, axes, [row, column]));
            }
        }
        y
    }

    fn bin<T: Number>(
        &self,
        plane: &[T],
        dims: [usize; 2],
        axes: &[Samples; 2],
        at: [usize; 2],
    ) -> f64 {
        let count = axes[0].count * axes[1].count;
        let (mut sum, mut largest) = (0.0, None::<f64>);
        for i in 0..axes[0].count {
            for j in 0..axes[1].count {
                let place = |axis: usize, sample: usize| {
                    let Samples { start, bin, count } = axes[axis];
                    start + at[axis] as f64 * bin + (sample as f64 + 0.5) * bin / count as f64
                };
                let terms = bilinear(plane, dims, place(0, i), place(1, j));
                sum += terms.iter().sum::<f64>();
                let best = terms.into_iter().fold(f64::NEG_INFINITY, f64::max);
                largest = Some(largest.map_or(best, |largest| largest.max(best)));
            }
        }
        if self.max { largest.unwrap_or(0.0) } else { sum / count.max(1) as f64 }
    }
}

/// The four weighted neighbours; zeros outside.
fn bilinear<T: Number>(plane: &[T], [h, w]: [usize; 2], y: f64, x: f64) -> [f64; 4] {
    let outside = |at: f64, size: usize| !(-1.0..=size as f64).contains(&at);
    if outside(y, h) || outside(x, w) || h == 0 || w == 0 {
        return [0.0; 4];
    }
    let split = |at: f64, size: usize| {
        let at = at.max(0.0);
        let low = (at as usize).min(size - 1);
        if low + 1 >= size { (size - 1, size - 1, 0.0) } else { (low, low + 1, at - low as f64) }
    };
    let ((top, bottom, v), (left, right, u)) = (split(y, h), split(x, w));
    let value = |row: usize, column: usize| plane[row * w + column].to_f64();
    [
        (1.0 - v) * (1.0 - u) * value(top, left),
        (1.0 - v) * u * value(top, right),
        v * (1.0 - u) * value(bottom, left),
        v * u * value(bottom, right),
    ]
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_middle_of_a_pixel_is_the_pixel() {
        let y = node("RoiAlign").int("sampling_ratio", 1).run([
            count_up(&[1, 1, 3, 3]),
            floats(&[1, 4], &[1.0, 1.0, 2.0, 2.0]),
            ints(&[0]),
        ]);
        assert_tensor(&y, &floats(&[1, 1, 1, 1], &[4.0]));
    }

    #[test]
    fn hostile_regions_and_batches_are_refused() {
        let run = |roi: &[f32], batch| {
            node("RoiAlign").try_run([
                count_up(&[1, 1, 1, 1]),
                floats(&[1, 4], roi),
                ints(&[batch]),
            ])
        };
        assert!(run(&[0.0, 0.0, 1e30, 1e30], 0).is_err());
        assert!(run(&[0.0, 0.0, 1.0, 1.0], 1).is_err());
    }
}
