//! The ops on integers of compiled files. One of them is what the compiler has fused: a sum, a nonlinear function, and
//! the cut to the codes of its tensor. Here they become the nodes that the quantized file had.
//!
//! Source: `eltwise-fix` and others are equal to the ops of the quantized file bit for bit; see the tests. No file with a
//! source to compare with is known for `pool-fix` of type AVG and for the functions other than RELU: they follow the
//! vendor's reference implementation (Apache-2.0, `conv2d_fix.cpp`, `pool_fix.cpp` of its CPU runner). That one drops
//! the digits of an addend whose fix position is more than two above the smallest; here sums are exact.

use super::elementwise::{aligned_codes, product_codes, push_clip, push_leaky_relu};
use super::grid::{Codes, Grid, Kind};
use super::movement;
use super::pool::dpu_factor;
use super::quantize::{self, Quantizer};
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope, declared_shape};
use super::sums::{self, repeated};
use super::window::Window;
use crate::proto::OpNode;

/// The slope of every leaky ReLU of a DPU.
const SLOPE: f32 = 26.0 / 256.0;

/// `conv2d-fix` and its kin.
pub(super) fn conv(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["in_dim", "out_dim", "bias_term"]);
    let mut edges = vec![scope.input(op, "input")?, scope.input(op, "weights")?];
    edges.extend(scope.optional(op, "bias")?);
    let op_type = op.op_type.trim_end_matches("-fix");
    let (draft, codes) = sums::conv_draft(op, reader, edges, op_type)?;
    let sum = first_stage(scope, op, draft, Kind::Codes(codes))?;
    finish(scope, op, reader, sum)
}

/// `eltwise-fix`, `depthwise-fix`.
pub(super) fn eltwise(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edges = scope.inputs(op, "input")?;
    let codes = edges.iter().map(Edge::codes).collect::<Result<Vec<_>, _>>()?;
    let default = if op.op_type == "eltwise-fix" { "ADD" } else { "MUL" };
    let (op_type, codes) = match reader.text("type")?.unwrap_or(default) {
        "ADD" => ("add", aligned_codes(&codes, true)?),
        "MUL" => ("mul", product_codes(&codes)?),
        other => return Err(format!("`type` {other} is not supported")),
    };
    let draft = Draft::new(op, edges).with_type(op_type);
    let result = first_stage(scope, op, draft, Kind::Codes(codes))?;
    finish(scope, op, reader, result)
}

/// `concat-fix`.
pub(super) fn concat(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let axis = reader.required_int("axis")?;
    let edges = scope.inputs(op, "input")?;
    let codes = edges.iter().map(Edge::codes).collect::<Result<Vec<_>, _>>()?;
    let own = Quantizer::of(op)?.codes();
    if codes.iter().all(|codes| codes.grid == own.grid && codes.dtype == own.dtype) {
        return movement::push_concat(scope, op, edges, axis, op.tensor_name(), Kind::Codes(own));
    }
    let kind = Kind::Codes(aligned_codes(&codes, false)?);
    let name = first_name(scope, op);
    let joined = movement::push_concat(scope, op, edges, axis, &name, kind)?;
    cut(scope, op, joined)
}

/// `pool-fix`.
pub(super) fn pool(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let codes = edge.codes()?;
    let window = Window::of(op, reader, &edge.shape)?;
    let draft = window.write(Draft::new(op, vec![edge]));
    let pooled = match reader.required_text("type")? {
        "MAX" => first_stage(scope, op, draft.with_type("maxpool2d"), Kind::Codes(codes))?,
        "AVG" => {
            let (factor, shift) = dpu_factor(window.kernel[1], window.kernel[0]);
            let grid =
                codes.grid.times(Grid::of(shift.cast_signed())).ok_or("its grid is too fine")?;
            let count =
                usize::try_from(window.taps() * factor).map_err(|_| "its kernel is too large")?;
            let sums = repeated(codes, count, grid)?;
            first_stage(scope, op, draft.int("factor", factor), Kind::Codes(sums))?
        }
        other => return Err(format!("`type` {other} is not supported")),
    };
    cut(scope, op, pooled)
}

/// `hard-sigmoid-fix`.
pub(super) fn hard_sigmoid(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let fix_point = i64::from(edge.codes()?.grid.fix_point);
    let out = i64::from(Quantizer::of(op)?.codes().grid.fix_point);
    let said = (reader.int("hsigmoid_in")?, reader.int("shift_hsigmoid")?);
    if said != (Some(fix_point), Some(14 + fix_point - out)) {
        return Err(format!(
            "`hsigmoid_in` and `shift_hsigmoid` are {said:?} for fix positions {fix_point} → {out}"
        ));
    }
    let name = first_name(scope, op);
    let result = push_sigmoid(scope, op, edge, &name)?;
    cut(scope, op, result)
}

/// `upsample-fix`, `downsample-fix`.
pub(super) fn resize(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let (draft, kind) = super::resize::draft(op, reader, edge)?;
    let resized = first_stage(scope, op, draft, kind)?;
    cut(scope, op, resized)
}

/// `pixel-shuffle-fix`, `reorg-fix`, `tile-fix`.
pub(super) fn blocks(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let op_type = match op.op_type.as_str() {
        "tile-fix" => "gstiling",
        other => other.trim_end_matches("-fix"),
    };
    movement::push_blocks(scope, op, reader, op_type)
}

/// Ops that compute on codes what they compute on numbers.
pub(super) fn moved(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    match op.op_type.as_str() {
        "strided_slice-fix" => movement::strided_slice(scope, op, reader),
        "pad-fix" => movement::pad(scope, op, reader),
        _ => super::pool::reduction(scope, op, reader),
    }
}

/// Adds the first node of an op: the only one where nothing follows.
fn first_stage(scope: &mut Scope, op: &OpNode, draft: Draft, kind: Kind) -> Lowered {
    let name = first_name(scope, op);
    let shape = declared_shape(op)?;
    scope.push(draft, &name, shape, kind)
}

/// What the first of the fused ops makes: the op has kept its name.
fn first_name(scope: &Scope, op: &OpNode) -> String {
    scope.intermediate_name(op.op_name.clone())
}

/// Nonlinear function and cut.
fn finish(scope: &mut Scope, op: &OpNode, reader: &Reader, edge: Edge) -> Lowered {
    reader.ignore(&["hsigmoid_in", "shift_hsigmoid", "shift_hswish"]);
    let name = function_name(scope, op);
    let draft = |edge: &Edge| Draft::new(op, vec![edge.clone()]);
    let edge = match reader.text("nonlinear")?.unwrap_or("NONE") {
        "NONE" | "" => edge,
        "RELU" => {
            let (shape, kind) = (edge.shape.clone(), edge.kind);
            scope.push(draft(&edge).with_type("relu"), &name, shape, kind)?
        }
        "RELU6" => push_clip(scope, draft(&edge).with_type("relu6"), edge, &name, (0, 6))?,
        "LEAKYRELU" => {
            push_leaky_relu(scope, draft(&edge).with_type("leaky-relu"), edge, &name, SLOPE)?
        }
        "HSIGMOID" => {
            let (_, sigmoid) = rounded_sigmoid(scope, op, reader, edge, &name)?;
            sigmoid
        }
        "HSWISH" => hard_swish(scope, op, reader, edge, &name)?,
        other => return Err(format!("`nonlinear` {other} is not supported")),
    };
    cut(scope, op, edge)
}

/// The name that the last of the fused ops had before its `fix`.
fn function_name(scope: &Scope, op: &OpNode) -> String {
    let name = op.tensor_name();
    scope.intermediate_name(name.strip_suffix("_fix").unwrap_or(name).to_owned())
}

/// The cut of `edge` to the codes of the tensor of `op`.
fn cut(scope: &mut Scope, op: &OpNode, edge: Edge) -> Lowered {
    quantize::push(scope, op, edge, &Quantizer::of(op)?)
}

/// `edge` rounded to `fix_point` without being narrowed: between the steps of a fused function the DPU keeps 32 bits.
fn rounded(scope: &mut Scope, op: &OpNode, edge: Edge, fix_point: i32) -> Lowered {
    let name = scope.intermediate_name(format!("{}_rounded", op.tensor_name()));
    let codes = Codes::quantized(fix_point, 32, true).expect("32 bits");
    let shape = edge.shape.clone();
    let draft = Draft::new(op, vec![edge])
        .with_type("fix")
        .int("bit_width", 32)
        .int("if_signed", 1)
        .text("round_mode", super::RoundMode::Dpu.name());
    scope.push(draft, &name, shape, Kind::Codes(codes))
}

fn attribute(reader: &Reader, name: &'static str) -> Result<i32, String> {
    let value = reader.required_int(name)?;
    let small = i32::try_from(value).ok().filter(|value| value.abs() < 128);
    small.ok_or_else(|| format!("`{name}` is {value}"))
}

/// `edge` rounded to the fix position of the function, and the hard sigmoid of that.
fn rounded_sigmoid(
    scope: &mut Scope,
    op: &OpNode,
    reader: &Reader,
    edge: Edge,
    name: &str,
) -> Result<(Edge, Edge), String> {
    let x = rounded(scope, op, edge, attribute(reader, "hsigmoid_in")?)?;
    let sigmoid = push_sigmoid(scope, op, x.clone(), name)?;
    Ok((x, sigmoid))
}

/// `relu6(x + 3) · 2731 / 2^14`.
fn push_sigmoid(scope: &mut Scope, op: &OpNode, edge: Edge, name: &str) -> Lowered {
    let codes = edge.codes()?;
    let exact = || {
        let grid = codes.grid.joined(Grid::of(0))?.times(Grid::of(14))?;
        let one = i128::from(Grid::of(0).multiplier(grid)?);
        Codes::sums(grid, one.checked_mul(2)?)
    };
    let codes = exact().ok_or("its results may need more than 64 bits")?;
    let shape = edge.shape.clone();
    let draft = Draft::new(op, vec![edge]).with_type("hard-sigmoid-fix");
    scope.push(draft, name, shape, Kind::Codes(codes))
}

fn hard_swish(scope: &mut Scope, op: &OpNode, reader: &Reader, edge: Edge, name: &str) -> Lowered {
    let inner = scope.intermediate_name(format!("{}_hsigmoid", op.tensor_name()));
    let (x, sigmoid) = rounded_sigmoid(scope, op, reader, edge, &inner)?;
    let shift = attribute(reader, "shift_hsigmoid")?;
    let fix_point = sigmoid.codes()?.grid.fix_point - shift;
    let sigmoid = rounded(scope, op, sigmoid, fix_point)?;
    let codes = product_codes(&[x.codes()?, Codes { bound: 2 << 14, ..sigmoid.codes()? }])?;
    let shape = x.shape.clone();
    let draft = Draft::new(op, vec![x, sigmoid]).with_type("mul");
    scope.push(draft, name, shape, Kind::Codes(codes))
}
