//! `fix`: numbers to codes of `bit_width` bits, `round(x · 2^output_fix_point)` kept between the least and the greatest.
//!
//! | attribute    | what                                                                 |
//! |--------------|----------------------------------------------------------------------|
//! | `bit_width`  | 1 to 32                                                              |
//! | `if_signed`  | 1: from -2^(bits - 1) to 2^(bits - 1) - 1; 0: from 0 to 2^bits - 1   |
//! | `round_mode` | `DPU_ROUND` ties toward +∞, `STD_ROUND` away from zero, `PY3_ROUND` to even |
//!
//! Codes are rounded once, as rational numbers. NaN is an error; infinities saturate.

use vairun_numeric::fixed::Requantize;
use vairun_numeric::round::Round;
use vairun_tensor::{DType, Tensor};

use super::codes::{as_i32, codes, with_code};
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `fix`.
pub static DEF: OpDef =
    def(&[("xir", "fix")], "numbers to codes of a fixed-point grid", EXECUTOR, build);

struct Fix {
    round: Round,
    low: i64,
    high: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let missing = |name: &str| BuildError::MissingAttribute(name.into());
    let bits = attrs.int("bit_width")?.ok_or_else(|| missing("bit_width"))?;
    let signed = attrs.flag("if_signed")?.ok_or_else(|| missing("if_signed"))?;
    if !(1..=32).contains(&bits) {
        return Err(Attrs::value("bit_width", bits, "1 to 32"));
    }
    let mode = attrs.string("round_mode")?.ok_or_else(|| missing("round_mode"))?;
    let round = round_of(&mode)
        .ok_or_else(|| Attrs::value("round_mode", &mode, "DPU_ROUND, STD_ROUND or PY3_ROUND"))?;
    let (low, high) =
        if signed { (-1 << (bits - 1), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    let fits = attrs.dtype("output_type")?.and_then(DType::integer_range);
    if !fits.is_some_and(|(least, most)| least <= low.into() && i128::from(high) <= most) {
        return Err(Attrs::value("bit_width", bits, "as many bits as `output_type` has"));
    }
    node(spec, attrs, Fix { round, low, high })
}

/// The rule of that name.
pub(crate) fn round_of(mode: &str) -> Option<Round> {
    match mode {
        "DPU_ROUND" => Some(Round::HalfUp),
        "STD_ROUND" => Some(Round::HalfAway),
        "PY3_ROUND" => Some(Round::HalfEven),
        _ => None,
    }
}

impl Compute for Fix {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let Self { round, low, high } = *self;
        let output = grids.output()?;
        let x = inputs.tensor(0, "input")?;
        if x.dtype() == DType::F32 {
            let rule = Requantize { shift: -output.fix_point, divisor: 1, round, low, high };
            return with_code!(grids.dtype(), S => {
                let made = rule.map_real::<S>(x.as_slice()?).ok_or_else(nan)?;
                codes(grids.dtype(), x.shape(), made)
            });
        }
        let input = grids.input(0);
        let shift = input.fix_point - output.fix_point;
        let rule = Requantize { shift, divisor: input.divisor, round, low, high };
        with_code!(grids.dtype(), S => {
            let made = match x.dtype() {
                DType::I64 => rule.map::<i64, S>(x.as_slice()?),
                DType::I32 => rule.map::<i32, S>(x.as_slice()?),
                // Codes that were cut before: few, and seldom.
                _ => rule.map::<i32, S>(&as_i32(x, "input")?),
            };
            codes(grids.dtype(), x.shape(), made)
        })
    }
}

fn nan() -> OpError {
    OpError::Value { input: "input".into(), got: "NaN".into(), expected: "numbers".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xir::testing::*;

    fn fix(mode: &str) -> Case {
        xir("fix")
            .codes_out(DType::I8, 1)
            .int("bit_width", 8)
            .int("if_signed", 1)
            .text("round_mode", mode)
    }

    #[test]
    fn the_modes_differ_in_ties() {
        let x = || floats(&[4], &[-1.25, -0.25, 0.25, 1.25]);
        for (mode, want) in [
            ("DPU_ROUND", [-2, 0, 1, 3]),
            ("STD_ROUND", [-3, -1, 1, 3]),
            ("PY3_ROUND", [-2, 0, 0, 2]),
        ] {
            assert_eq!(fix(mode).run([x()]).as_slice::<i8>().unwrap(), want, "{mode}");
        }
    }

    #[test]
    fn codes_are_shifted_and_kept_within_their_bits() {
        let y = fix("DPU_ROUND").codes_in(&[4]).run([tensor(&[4], &[4i32, -4, 5000, -5000])]);
        assert_eq!(y.as_slice::<i8>().unwrap(), [1, 0, 127, -128]);
    }

    #[test]
    fn a_divisor_is_divided_by_before_the_only_rounding() {
        // 9 / 3 / 2 = 1.5 on a grid of halves: 3.
        let y = fix("PY3_ROUND")
            .codes_in(&[2])
            .ints("input_divisors", &[3])
            .run([tensor(&[1], &[18i64])]);
        assert_eq!(y.as_slice::<i8>().unwrap(), [3]);
    }

    #[test]
    fn nan_is_refused() {
        assert_eq!(
            fix("DPU_ROUND").error([floats(&[1], &[f32::NAN])]),
            "input is NaN, expected numbers"
        );
    }
}
