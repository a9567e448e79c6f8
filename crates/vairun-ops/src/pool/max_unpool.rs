//! `MaxUnpool`: elements put back to where MaxPool found them, zeros elsewhere.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | numbers | `[n, c, ..]` |
//! | 1 | `I` | int64 | as `X`: places in the flattened image of all batches and channels |
//! | 2 | `output_shape` | int64 | `[rank]`, optional: at least what the pooling suggests |
//! | → | `output` | as `X` | `output_shape`, or `(n - 1)·stride - pads + kernel` along each axis |
//!
//! Attributes: `kernel_shape` (ints, required), `strides` (ints, 1s), `pads` (ints, 0s).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__MaxUnpool.html>, onnxruntime 1.32 `core/providers/cpu/nn/unpool.cc`: places
//! are those of `output_shape` where it is given.

use crate::common::dispatch::with_number;
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::{INDICES, NUMBERS};
use crate::movement::center_crop_pad::at_the_start;

/// `MaxUnpool`.
pub static DEF: OpDef = OpDef {
    names: &[("", "MaxUnpool")],
    opsets: 9..=LATEST,
    summary: "elements put back to where MaxPool found them",
    types: "X numbers; I int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct MaxUnpool {
    kernel: Vec<i64>,
    strides: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=3)?;
    let missing = || BuildError::MissingAttribute("kernel_shape".into());
    Ok(Box::new(MaxUnpool {
        kernel: attrs.ints("kernel_shape")?.ok_or_else(missing)?.to_vec(),
        strides: attrs.ints("strides")?.map(<[i64]>::to_vec),
        pads: attrs.ints("pads")?.map(<[i64]>::to_vec),
    }))
}

impl Operator for MaxUnpool {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, places) = (inputs.tensor(0, "X")?, inputs.tensor(1, "I")?);
        if x.shape() != places.shape() {
            return Err(wrong_shape("I", places.shape(), format!("{:?} as X", x.shape())));
        }
        let inner = self.shape(x.shape())?;
        let shape = match inputs.optional(2)? {
            Some(wanted) => integers(wanted, "output_shape")?
                .iter()
                .map(|&n| dim(n, "output_shape"))
                .collect::<Result<Vec<_>, _>>()?,
            None => inner.clone(),
        };
        if shape.len() != inner.len() || shape.iter().zip(&inner).any(|(have, least)| have < least)
        {
            return Err(wrong_value(
                "output_shape",
                format!("{shape:?}"),
                format!("{inner:?} or more"),
            ));
        }
        let len = result_len(x.dtype(), &inner)?;
        result_len(x.dtype(), &shape)?;
        let places = crate::movement::gather::places(&integers(places, "I")?, len)?;
        with_number!(x.dtype(), "X", T => {
            let mut y = vec![T::default(); len];
            for (&x, place) in x.as_slice::<T>()?.iter().zip(places) {
                y[place] = x;
            }
            one(at_the_start(Tensor::new(&inner, y)?, &shape)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "I")?;
        INDICES.check(inputs, 2, "output_shape")?;
        Ok(vec![NUMBERS.check(inputs, 0, "X")?])
    }
}

impl MaxUnpool {
    fn shape(&self, x: &[usize]) -> Result<Vec<usize>, OpError> {
        let k = self.kernel.len();
        let strides = self.strides.clone().unwrap_or_else(|| vec![1; k]);
        let pads = self.pads.clone().unwrap_or_else(|| vec![0; 2 * k]);
        if x.len() != k + 2 || strides.len() != k || pads.len() != 2 * k {
            let expected = format!("[n, c, ..] with {k} more, as kernel_shape, strides and pads");
            return Err(wrong_shape("X", x, expected));
        }
        let mut shape = x[..2].to_vec();
        for i in 0..k {
            let grown =
                (x[i + 2] as i64 - 1).saturating_mul(strides[i]).saturating_add(self.kernel[i]);
            shape.push(dim(grown.saturating_sub(pads[i]).saturating_sub(pads[k + i]), "X")?);
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn elements_return_to_their_places() {
        let case = || node("MaxUnpool").ints("kernel_shape", &[2]).ints("strides", &[2]);
        let inputs = || [floats(&[1, 1, 2], &[5.0, 7.0]), tensor(&[1, 1, 2], &[1i64, 2])];
        let y = case().run(inputs());
        assert_tensor(&y, &floats(&[1, 1, 4], &[0.0, 5.0, 7.0, 0.0]));
        let y = case().run(inputs().into_iter().chain([ints(&[1, 1, 5])]));
        assert_tensor(&y, &floats(&[1, 1, 5], &[0.0, 5.0, 7.0, 0.0, 0.0]));
    }

    #[test]
    fn places_outside_are_refused() {
        let case = node("MaxUnpool").ints("kernel_shape", &[1]);
        assert!(case.try_run([count_up(&[1, 1, 1]), tensor(&[1, 1, 1], &[1i64])]).is_err());
    }
}
