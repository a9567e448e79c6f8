//! A quantizer whose rounding ONNX's does not have, in ONNX's float operators.
//!
//! `c = Clip(Div(x, scale) + zero_point, valmin, valmax)`, then by the method, then a Cast:
//!
//! | method | |
//! |---|---|
//! | 2 half up | `Where(c - Floor(c) ≥ 0.5, Ceil(c), Floor(c))` |
//! | 3 half away from zero | the same of `\|c\|`, times `Sign(c)` |
//! | 4, 7 | `Floor(c)`, `Ceil(c)` |
//! | 5 half up below 0, else to even | `Where(c < 0, half up, Round(c))` |
//! | 6 half toward zero | as 3 with `> 0.5` |
//! | 8 half to even | `Round(c)` |
//!
//! Exact for finite numbers. `Floor(c + 0.5)` would not be: of 0.49999997 it makes 1.

use vairun_graph::{Node, ValueId};
use vairun_tensor::{DType, Tensor};

use super::vai::Codes;
use super::write::Writer;

/// Writes the nodes. `step` and `zero` are the scale and the zero point.
pub(super) fn quantize(
    writer: &mut Writer,
    node: &Node,
    codes: &Codes,
    (step, zero): (f32, i64),
) -> Result<(), String> {
    if writer.opset < 12 {
        return Err(format!("rounding by method {} is spelled out from opset 12 on", codes.method));
    }
    if !(2..=8).contains(&codes.method) {
        return Err(format!("there is no method {}", codes.method));
    }
    let x = node.inputs[0].ok_or("it reads nothing")?;
    let output = node.writes().next().ok_or("it makes nothing")?;
    let mut speller = Speller { base: writer.source().name_of(output).to_owned(), writer };
    let scale = speller.number("scale", step);
    let mut t = speller.op("Div", vec![x, scale]);
    if zero != 0 {
        let zero = speller.number("zero_point", zero as f32);
        t = speller.op("Add", vec![t, zero]);
    }
    let low = speller.number("valmin", codes.low as f32);
    let high = speller.number("valmax", codes.high as f32);
    let c = speller.op("Clip", vec![t, low, high]);
    let rounded = speller.rounded(c, codes.method);
    let to = vairun_graph::dtype_to_onnx(codes.dtype);
    writer.node(node.name.clone(), "Cast", vec![rounded], output, &[("to", to)]);
    writer.declare(output, codes.dtype);
    writer.counts.spelled += 1;
    Ok(())
}

struct Speller<'w, 'a> {
    writer: &'w mut Writer<'a>,
    /// What names begin with.
    base: String,
}

impl Speller<'_, '_> {
    fn number(&mut self, what: &str, value: f32) -> ValueId {
        let name = format!("{}/{what}", self.base);
        self.writer.initializer(&name, Tensor::scalar(value))
    }

    fn op(&mut self, op_type: &str, inputs: Vec<ValueId>) -> ValueId {
        let is_bool = matches!(op_type, "GreaterOrEqual" | "Greater" | "Less");
        let dtype = if is_bool { DType::Bool } else { DType::F32 };
        let name = format!("{}/{op_type}", self.base);
        let output = self.writer.value(&name, dtype);
        self.writer.node(name, op_type, inputs, output, &[]);
        output
    }

    fn rounded(&mut self, c: ValueId, method: i64) -> ValueId {
        match method {
            2 => self.halves(c, "GreaterOrEqual"),
            3 => self.of_magnitude(c, "GreaterOrEqual"),
            4 => self.op("Floor", vec![c]),
            5 => {
                let zero = self.number("zero", 0.0);
                let below = self.op("Less", vec![c, zero]);
                let up = self.halves(c, "GreaterOrEqual");
                let even = self.op("Round", vec![c]);
                self.op("Where", vec![below, up, even])
            }
            6 => self.of_magnitude(c, "Greater"),
            7 => self.op("Ceil", vec![c]),
            _ => self.op("Round", vec![c]),
        }
    }

    /// Up where the fraction compares so with a half, else down.
    fn halves(&mut self, c: ValueId, compare: &str) -> ValueId {
        let floor = self.op("Floor", vec![c]);
        let fraction = self.op("Sub", vec![c, floor]);
        let half = self.number("half", 0.5);
        let up = self.op(compare, vec![fraction, half]);
        let ceil = self.op("Ceil", vec![c]);
        self.op("Where", vec![up, ceil, floor])
    }

    fn of_magnitude(&mut self, c: ValueId, compare: &str) -> ValueId {
        let sign = self.op("Sign", vec![c]);
        let magnitude = self.op("Abs", vec![c]);
        let rounded = self.halves(magnitude, compare);
        self.op("Mul", vec![sign, rounded])
    }
}
