//! `STFT`: the spectra of the frames of a signal.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `signal` | float16, bfloat16, float32, float64 | `[b, n]`, `[b, n, 1]` real, or `[b, n, 2]` complex |
//! | 1 | `frame_step` | int32, int64 | one element |
//! | 2 | `window` | as `signal` | `[frame_length]`, optional: ones |
//! | 3 | `frame_length` | int32, int64 | one element, optional: that of the window |
//! | → | `output` | as `signal` | `[b, frames, bins, 2]` |
//!
//! Attributes: `onesided` (int, 1): the first half and one of the frequencies.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__STFT.html>. Computed in float64, rounded once.

use super::dft::number;
use super::fourier::{Complex, transform};
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::types::{FLOATS, INDICES};

/// `STFT`.
pub static DEF: OpDef = OpDef {
    names: &[("", "STFT")],
    opsets: 17..=LATEST,
    summary: "the spectra of the frames of a signal",
    types: "float16, bfloat16, float32, float64; frame_step, frame_length int32, int64",
    grade: Grade::Within(1, "computed in float64, rounded once"),
    build,
};

struct Stft {
    onesided: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=4)?;
    Ok(Box::new(Stft { onesided: attrs.flag("onesided")?.unwrap_or(true) }))
}

impl Operator for Stft {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "signal")?;
        let (batch, n, parts) = match *x.shape() {
            [batch, n] => (batch, n, 1),
            [batch, n, parts @ (1 | 2)] => (batch, n, parts),
            _ => return Err(wrong_shape("signal", x.shape(), "[b, n], [b, n, 1] or [b, n, 2]")),
        };
        let positive = |value: Option<i64>, name: &str| match value {
            Some(value) => usize::try_from(value)
                .ok()
                .filter(|&n| n > 0)
                .map(Some)
                .ok_or_else(|| wrong_value(name, value, "1 or more")),
            None => Ok(None),
        };
        let step = positive(number(&inputs, 1, "frame_step")?, "frame_step")?;
        let step = step.ok_or(OpError::Missing("frame_step"))?;
        let window = inputs.optional(2)?;
        let length = positive(number(&inputs, 3, "frame_length")?, "frame_length")?;
        let length = length.or(window.map(Tensor::len)).unwrap_or(n);
        if let Some(window) = window.filter(|window| window.shape() != [length]) {
            return Err(wrong_shape("window", window.shape(), format!("[{length}]")));
        }
        if length > n || length == 0 {
            return Err(wrong_value(
                "frame_length",
                length,
                format!("1 to {n}, the signal's length"),
            ));
        }
        let frames = 1 + (n - length) / step;
        let bins = if self.onesided { length / 2 + 1 } else { length };
        let shape = [batch, frames, bins, 2];
        let len = result_len(x.dtype(), &shape)?;
        with_float!(x.dtype(), "signal", T => {
            let signal = x.as_slice::<T>()?;
            let window: Vec<f64> = match window {
                Some(window) => window.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect(),
                None => vec![1.0; length],
            };
            let mut y: Vec<T> = Vec::with_capacity(len);
            for b in 0..batch {
                for frame in 0..frames {
                    let sample = |i: usize| -> Complex {
                        let at = (b * n + frame * step + i) * parts;
                        let part = |k: usize| signal[at + k].to_f64() * window[i];
                        [part(0), if parts == 2 { part(1) } else { 0.0 }]
                    };
                    let spectrum = transform(&(0..length).map(sample).collect::<Vec<_>>(), false);
                    y.extend(spectrum[..bins].iter().flatten().map(|&x| <T as Number>::from_f64(x)));
                }
            }
            one(Tensor::new(&shape, y)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "frame_step")?;
        INDICES.check(inputs, 3, "frame_length")?;
        Ok(vec![FLOATS.check(inputs, 0, "signal")?])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn frames_of_a_constant() {
        let y = node("STFT").run([
            floats(&[1, 6, 1], &[1.0; 6]),
            Tensor::scalar(2i64),
            floats(&[4], &[1.0; 4]),
        ]);
        let frame = [4.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_tensor(&y, &floats(&[1, 2, 3, 2], &[frame, frame].concat()));
    }

    #[test]
    fn hostile_lengths_are_refused() {
        let run = |step: i64, length: i64| {
            let case = node("STFT");
            case.try_run_values(vec![
                Some(count_up(&[1, 4]).into()),
                Some(Tensor::scalar(step).into()),
                None,
                Some(Tensor::scalar(length).into()),
            ])
        };
        assert!(run(0, 2).is_err() && run(1, 5).is_err() && run(1, -1).is_err());
    }
}
