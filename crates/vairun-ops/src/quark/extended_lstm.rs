//! `com.amd.quark::ExtendedLSTM`: a bidirectional LSTM in 16-bit fixed point with float32 gates.
//!
//! The inputs are quantized to uint16 by [`super::extended_quantize_linear`]'s rule, the codes of the output
//! dequantized. Details: [`vairun_numeric::quark_lstm`].
//!
//! | | name | type | shape                |
//! |-|------|------|----------------------|
//! | 0 | `X` | f32  | `[steps, 1, input]`  |
//! | 1 | `W` | f32  | `[2, 4·hidden, input]`, gates i, o, f, c |
//! | 2 | `R` | f32  | `[2, 4·hidden, hidden]` |
//! | 3 | `B` | f32  | `[2, 8·hidden]`      |
//! | → | `Y` | f32  | `[steps, 2, 1, hidden]` |
//!
//! Attributes: `hidden_size` (int); `x_scale`, `w_scale`, `r_scale`, `b_scale`, `y_scale` (float); `x_zero_point`, …
//! (int, of uint16), all required; `direction` (string, only `bidirectional`), `input_forget` (int, only 0), `layout`
//! (int, only 0).
//!
//! Scales that lead to shifts by more than a word are refused: the reference's result is undefined there.
//!
//! Source: `src/custom_op_lstm.cc` of amd-quark 0.13. Vectors: `golden/quark`, module `quark` of the integration tests.

use vairun_numeric::contraction::Codes;
use vairun_numeric::extended::quantize;
use vairun_numeric::linear::{Grid, dequantize};
use vairun_numeric::quark_lstm::{Lstm, LstmGrid, LstmGrids, LstmWeights};
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.amd.quark::ExtendedLSTM`.
pub static DEF: OpDef = OpDef {
    names: &[("com.amd.quark", "ExtendedLSTM"), ("com.vai.quantize", "VitisLSTM")],
    opsets: 1..=i64::MAX,
    summary: "a bidirectional LSTM in 16-bit fixed point",
    types: "X, W, R, B float32",
    grade: Grade::Exact("amd-quark 0.13"),
    build,
};

struct ExtendedLstm {
    hidden: usize,
    /// Of X, W, R, B, Y, for unsigned codes.
    grids: [Grid; 5],
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=4)?;
    expect_int(attrs, "input_forget", 0)?;
    expect_int(attrs, "layout", 0)?;
    if let Some(direction) = attrs.string("direction")?.filter(|name| name != "bidirectional") {
        return Err(Attrs::value("direction", direction, "bidirectional"));
    }
    let hidden = required(attrs.int("hidden_size")?, "hidden_size")?;
    let hidden = usize::try_from(hidden).ok().filter(|hidden| (1..1 << 20).contains(hidden));
    Ok(Box::new(ExtendedLstm {
        hidden: hidden.ok_or_else(|| Attrs::value("hidden_size", "out of range", "1 to 2^20"))?,
        grids: [
            grid(attrs, "x_scale", "x_zero_point")?,
            grid(attrs, "w_scale", "w_zero_point")?,
            grid(attrs, "r_scale", "r_zero_point")?,
            grid(attrs, "b_scale", "b_zero_point")?,
            grid(attrs, "y_scale", "y_zero_point")?,
        ],
    }))
}

impl Operator for ExtendedLstm {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let hidden = self.hidden;
        let x = inputs.tensor(0, "X")?;
        let &[steps, 1, input] = x.shape() else {
            let (got, expected) = (x.shape().to_vec(), "[steps, 1, input]".into());
            return Err(OpError::Shape { input: "X".into(), got, expected });
        };
        let [x_grid, w_grid, r_grid, b_grid, y_grid] = self.grids;
        let x = codes(x, "X", &[steps, 1, input], x_grid)?;
        let w = codes(inputs.tensor(1, "W")?, "W", &[2, 4 * hidden, input], w_grid)?;
        let r = codes(inputs.tensor(2, "R")?, "R", &[2, 4 * hidden, hidden], r_grid)?;
        let b = codes(inputs.tensor(3, "B")?, "B", &[2, 8 * hidden], b_grid)?;
        if input == 0 {
            let (got, expected) = (vec![steps, 1, 0], "at least one input".into());
            return Err(OpError::Shape { input: "X".into(), got, expected });
        }
        let lstm = self.fixed_point(input)?;
        let direction = |i: usize| {
            let half = |codes: &'_ [i16]| (codes.len() / 2 * i, codes.len() / 2);
            let part = |(at, n): (usize, usize), codes: &[i16]| codes[at..at + n].to_vec();
            let [w, r, b] = [&w, &r, &b].map(|codes| part(half(codes), codes));
            lstm.run(&x, LstmWeights { w: &w, r: &r, b: &b }, i == 1)
        };
        let (there, back) = (direction(0), direction(1));
        let both = there.chunks(hidden).zip(back.chunks(hidden));
        let y: Vec<u16> = both.flat_map(|(a, b)| a.iter().chain(b)).map(|&y| unsigned(y)).collect();
        let y = dequantize(Codes::U16(&y), &[y_grid], Spread::Tensor);
        Ok(vec![Tensor::new(&[steps, 2, 1, hidden], y)?.into()])
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(DType::F32)])
    }
}

impl ExtendedLstm {
    fn fixed_point(&self, input: usize) -> Result<Lstm, OpError> {
        let [x, w, r, b, y] = self.grids.map(|Grid { scale, zero_point }| LstmGrid {
            scale,
            zero_point: i16::try_from(zero_point - 32768).expect("a zero point of uint16"),
        });
        let grids = LstmGrids { x, w, r, b, y };
        Lstm::new(input, self.hidden, grids).ok_or_else(|| OpError::Value {
            input: "the scales".into(),
            got: format!("{:?}", self.grids.map(|grid| grid.scale)),
            expected: "scales whose products fit the 16-bit fixed point".into(),
        })
    }
}

fn codes(x: &Tensor, name: &str, shape: &[usize], grid: Grid) -> Result<Vec<i16>, OpError> {
    if x.shape() != shape {
        let (got, expected) = (x.shape().to_vec(), format!("{shape:?}"));
        return Err(OpError::Shape { input: name.into(), got, expected });
    }
    let codes: Vec<u16> = quantize(x.as_slice()?, &[grid], (0, 65535), Spread::Tensor);
    Ok(codes.into_iter().map(|code| (code ^ 0x8000).cast_signed()).collect())
}

fn unsigned(code: i16) -> u16 {
    code.cast_unsigned() ^ 0x8000
}

fn grid(attrs: &Attrs, scale: &'static str, zero_point: &'static str) -> Result<Grid, BuildError> {
    let value = required(attrs.int(zero_point)?, zero_point)?;
    let code = u16::try_from(value).map_err(|_| Attrs::value(zero_point, value, "0 to 65535"))?;
    Ok(Grid { scale: required(attrs.float(scale)?, scale)?, zero_point: code.into() })
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, BuildError> {
    value.ok_or_else(|| BuildError::MissingAttribute(name.into()))
}

fn expect_int(attrs: &Attrs, name: &'static str, only: i64) -> Result<(), BuildError> {
    match attrs.int(name)? {
        Some(value) if value != only => Err(Attrs::value(name, value, &only.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{Case, node_in};

    fn case() -> Case {
        let case = node_in(DEF.names[0]).int("hidden_size", 1);
        ["x", "w", "r", "b", "y"].into_iter().fold(case, |case, name| {
            case.float(&format!("{name}_scale"), 1.0 / 32768.0)
                .int(&format!("{name}_zero_point"), 32768)
        })
    }

    fn zeros(shape: &[usize]) -> Tensor {
        Tensor::new(shape, vec![0f32; shape.iter().product()]).unwrap()
    }

    #[test]
    fn nothing_in_nothing_out() {
        let y =
            case().run([zeros(&[3, 1, 2]), zeros(&[2, 4, 2]), zeros(&[2, 4, 1]), zeros(&[2, 8])]);
        assert_eq!(y.shape(), [3, 2, 1, 1]);
        assert_eq!(y.as_slice::<f32>().unwrap(), [0.0; 6]);
    }

    #[test]
    fn one_batch_only() {
        let error =
            case().error([zeros(&[3, 2, 2]), zeros(&[2, 4, 2]), zeros(&[2, 4, 1]), zeros(&[2, 8])]);
        assert_eq!(error, "X has shape [3, 2, 2], expected [steps, 1, input]");
    }

    #[test]
    fn scales_beyond_the_fixed_point_are_refused() {
        let case = case().float("y_scale", 1.0);
        let inputs = [zeros(&[3, 1, 2]), zeros(&[2, 4, 2]), zeros(&[2, 4, 1]), zeros(&[2, 8])];
        assert!(case.error(inputs).starts_with("the scales is "));
    }
}
