//! Between real numbers and codes: `fix`, `float2fix`, `fix2float`, and the quantizer behind each op of a compiled file.

use super::RoundMode;
use super::grid::{Codes, FIX_POINTS, Kind};
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope, declared_shape};
use crate::proto::OpNode;

/// How numbers become codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantizer {
    codes: Codes,
    bits: i64,
    signed: bool,
    round_mode: RoundMode,
}

impl Quantizer {
    /// From the attributes of an op, else of its tensor.
    pub(super) fn of(op: &OpNode) -> Result<Self, String> {
        let int = |name: &str| {
            op.quantizer_int(name).ok_or_else(|| format!("attribute `{name}` is missing"))
        };
        let fix_point = int("fix_point")?;
        let bits = int("bit_width")?;
        let signed = int("if_signed")? != 0;
        let name = op.quantizer_str("round_mode").ok_or("attribute `round_mode` is missing")?;
        let round_mode = RoundMode::from_name(name).ok_or_else(|| {
            format!("`round_mode` is {name}, expected DPU_ROUND, STD_ROUND or PY3_ROUND")
        })?;
        if !FIX_POINTS.contains(&fix_point) {
            return Err(format!("`fix_point` is {fix_point}, expected {FIX_POINTS:?}"));
        }
        let codes = u32::try_from(bits).ok().and_then(|bits| {
            Codes::quantized(i32::try_from(fix_point).expect("checked above"), bits, signed)
        });
        let codes = codes.ok_or_else(|| format!("`bit_width` is {bits}, expected 1 to 32"))?;
        Ok(Self { codes, bits, signed, round_mode })
    }

    /// What it makes.
    pub(super) fn codes(&self) -> Codes {
        self.codes
    }
}

/// Checks that the codes of an op are on the grid that its tensor declares.
pub(super) fn check(op: &OpNode, edge: Edge) -> Lowered {
    let declared = op.output_tensor.as_ref().and_then(|t| t.tensor_attr.get("fix_point")?.as_int());
    match (declared, edge.kind) {
        (Some(fix_point), Kind::Codes(codes))
            if codes.grid.divisor != 1 || fix_point != i64::from(codes.grid.fix_point) =>
        {
            Err(format!(
                "its tensor has fix_point {fix_point}, its codes have {}",
                codes.grid.fix_point
            ))
        }
        _ => Ok(edge),
    }
}

/// `fix`, `float2fix`.
pub(super) fn fix(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["fix_point", "bit_width", "if_signed", "round_mode"]);
    let input = scope.input(op, "input")?;
    let quantizer = Quantizer::of(op)?;
    push(scope, op, input, &quantizer)
}

/// Adds the `fix` that makes the tensor of `op` from `input`.
pub(super) fn push(scope: &mut Scope, op: &OpNode, input: Edge, quantizer: &Quantizer) -> Lowered {
    let shape = declared_shape(op)?;
    // Constants are on their grid: the rounding of activations must not change them.
    let chosen = scope.options.round_mode.filter(|_| !input.fixed);
    let round_mode = chosen.unwrap_or(quantizer.round_mode);
    let draft = Draft::new(op, vec![input])
        .with_type("fix")
        .int("bit_width", quantizer.bits)
        .int("if_signed", quantizer.signed.into())
        .text("round_mode", round_mode.name());
    scope.push(draft, op.tensor_name(), shape, Kind::Codes(quantizer.codes))
}

/// `fix2float`: the numbers of codes.
pub(super) fn fix2float(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["fix_point", "bit_width", "if_signed", "round_mode"]);
    let input = scope.input(op, "input")?;
    let codes = input.codes()?;
    let said = op.quantizer_int("fix_point");
    if said != Some(codes.grid.fix_point.into()) || codes.grid.divisor != 1 {
        return Err(format!("`fix_point` is {said:?}, that of its input {}", codes.grid.fix_point));
    }
    scope.push_op(op, Draft::new(op, vec![input]), Kind::Real)
}
