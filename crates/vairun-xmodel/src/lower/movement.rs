//! Ops that move elements and change none.

use super::elementwise::aligned_codes;
use super::grid::{Codes, Kind};
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope, declared_shape};
use crate::proto::OpNode;

/// A dimension, counted from the end where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    let known = usize::try_from(from_start).ok().filter(|&axis| axis < rank);
    known.ok_or_else(|| format!("axis {axis} of {rank} dimensions"))
}

/// What several tensors become together: the same codes where they have the same grid.
fn together(edges: &[Edge]) -> Result<Kind, String> {
    let codes: Option<Vec<Codes>> = edges.iter().map(|edge| edge.codes().ok()).collect();
    let Some(codes) = codes else { return Ok(Kind::Real) };
    let first = codes.first().ok_or("it reads nothing")?;
    if codes.iter().all(|codes| codes.grid == first.grid && codes.dtype == first.dtype) {
        let bound = codes.iter().map(|codes| codes.bound).max().unwrap_or(0);
        return Ok(Kind::Codes(Codes { bound, factor: 1, ..*first }));
    }
    aligned_codes(&codes, false).map(Kind::Codes)
}

/// `concat`.
pub(super) fn concat(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let axis = reader.required_int("axis")?;
    let edges = scope.inputs(op, "input")?;
    let kind = together(&edges)?;
    push_concat(scope, op, edges, axis, op.tensor_name(), kind)
}

/// Adds a concatenation that makes the value `name` in the shape of `op`.
pub(super) fn push_concat(
    scope: &mut Scope,
    op: &OpNode,
    edges: Vec<Edge>,
    along: i64,
    name: &str,
    kind: Kind,
) -> Lowered {
    let output = declared_shape(op)?;
    let along = axis(along, output.len())?;
    let mut expected = output.clone();
    let mut length = 0;
    for edge in &edges {
        expected[along] = edge.shape.get(along).copied().unwrap_or(0);
        if edge.shape != expected {
            return Err(format!("it joins {:?} to {output:?} along axis {along}", edge.shape));
        }
        length += expected[along];
    }
    if length != output[along] {
        return Err(format!(
            "its inputs have {length} along axis {along}, its tensor {}",
            output[along]
        ));
    }
    let draft = Draft::new(op, edges).with_type("concat").int("axis", along as i64);
    scope.push(draft, name, output, kind)
}

/// `stack`: along a new dimension.
pub(super) fn stack(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let along = reader.required_int("axis")?;
    let edges = scope.inputs(op, "input")?;
    let kind = together(&edges)?;
    let output = declared_shape(op)?;
    let along = axis(along, output.len())?;
    let mut part = output.clone();
    part.remove(along);
    if edges.iter().any(|edge| edge.shape != part) || edges.len() != output[along] {
        return Err(format!("it stacks {} tensors to {output:?} along axis {along}", edges.len()));
    }
    scope.push_op(op, Draft::new(op, edges).int("axis", along as i64), kind)
}

/// `reshape`, `flatten`, `squeeze`: the shape that the file declares.
pub(super) fn reshape(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["shape", "axis", "start_axis", "end_axis", "start_dim", "end_dim"]);
    let edge = scope.input(op, "input")?;
    let shape = declared_shape(op)?;
    let (from, to): (usize, usize) = (edge.shape.iter().product(), shape.iter().product());
    if from != to {
        return Err(format!("it reshapes {:?} to {shape:?}", edge.shape));
    }
    let kind = edge.kind;
    let sizes: Vec<i64> = shape.iter().map(|&dim| dim as i64).collect();
    let draft = Draft::new(op, vec![edge]).with_type("reshape").ints("shape", &sizes);
    scope.push(draft, op.tensor_name(), shape, kind)
}

/// `identity`, `placeholder`, `upload`, `download`.
pub(super) fn identity(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let shape = declared_shape(op)?;
    if shape != edge.shape {
        return Err(format!("it passes {:?} on as {shape:?}", edge.shape));
    }
    let kind = edge.kind;
    scope.push_op(op, Draft::new(op, vec![edge]).with_type("identity"), kind)
}

/// `transpose`.
pub(super) fn transpose(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let order = reader.required_ints("order")?;
    let edge = scope.input(op, "input")?;
    let rank = edge.shape.len();
    let axes = order.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let moved: Vec<usize> = axes.iter().map(|&axis| edge.shape[axis]).collect();
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) || declared_shape(op)? != moved {
        return Err(format!(
            "it transposes {:?} by {order:?} to {:?}",
            edge.shape,
            declared_shape(op)?
        ));
    }
    let order: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let kind = edge.kind;
    scope.push_op(op, Draft::new(op, vec![edge]).ints("order", &order), kind)
}

/// `strided_slice`, with TensorFlow's masks for begins and ends that are left out.
pub(super) fn strided_slice(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let rank = edge.shape.len();
    for mask in ["ellipsis_mask", "new_axis_mask", "shrink_axis_mask"] {
        if reader.int(mask)?.is_some_and(|mask| mask != 0) {
            return Err(format!("attribute `{mask}` is not supported"));
        }
    }
    let (begin, end) = (reader.required_ints("begin")?, reader.required_ints("end")?);
    let strides = reader.ints("strides")?.unwrap_or_else(|| vec![1; rank]);
    let masked =
        |mask: Option<i64>, d: usize| mask.is_some_and(|mask| d < 63 && mask >> d & 1 == 1);
    let (begin_mask, end_mask) = (reader.int("begin_mask")?, reader.int("end_mask")?);
    if begin.len() > rank || end.len() != begin.len() || strides.len() < begin.len() {
        return Err(format!("it slices {rank} dimensions by {begin:?}, {end:?}, {strides:?}"));
    }
    let mut slices = (Vec::new(), Vec::new(), Vec::new());
    for (d, &length) in edge.shape.iter().enumerate() {
        let length = length as i64;
        let step = if d < begin.len() { strides[d] } else { 1 };
        if step == 0 || step == i64::MIN {
            return Err(format!("a stride of {step}"));
        }
        let from_end = |place: i64| if place < 0 { place.saturating_add(length) } else { place };
        let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let open_begin = d >= begin.len() || masked(begin_mask, d);
        let open_end = d >= end.len() || masked(end_mask, d);
        let first = if open_begin {
            if step > 0 { 0 } else { length - 1 }
        } else {
            from_end(begin[d]).clamp(low, high)
        };
        let last = if open_end {
            if step > 0 { length } else { -1 }
        } else {
            from_end(end[d]).clamp(low, high)
        };
        let distance = if step > 0 { last - first } else { first - last };
        slices.0.push(first);
        slices.1.push(step);
        slices.2.push((distance.max(0) + step.abs() - 1) / step.abs());
    }
    let (begin, steps, lengths) = slices;
    let output = declared_shape(op)?;
    if !lengths.iter().map(|&n| n as usize).eq(output.iter().copied()) {
        return Err(format!("it slices {:?} to {lengths:?}, its tensor is {output:?}", edge.shape));
    }
    let kind = edge.kind;
    let draft = Draft::new(op, vec![edge]).with_type("strided_slice");
    scope.push_op(
        op,
        draft.ints("begin", &begin).ints("strides", &steps).ints("shape", &lengths),
        kind,
    )
}

/// `pad`.
pub(super) fn pad(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let values = reader.floats("constant_values")?.unwrap_or_default();
    let value = values.first().copied().unwrap_or(0.0);
    if values.iter().any(|&other| other != value) {
        return Err(format!("`constant_values` are {values:?}, expected one value"));
    }
    push_pad(scope, op, reader, edge, value)
}

/// Adds the padding that makes the tensor of `op`.
pub(super) fn push_pad(
    scope: &mut Scope,
    op: &OpNode,
    reader: &Reader,
    edge: Edge,
    value: f64,
) -> Lowered {
    let paddings = reader.required_ints("paddings")?;
    let mode = reader.required_text("mode")?;
    let output = declared_shape(op)?;
    if !["CONSTANT", "REFLECT", "SYMMETRIC"].contains(&mode) {
        return Err(format!("`mode` is {mode}, expected CONSTANT, REFLECT or SYMMETRIC"));
    }
    let fits = |(d, (&from, &to)): (usize, (&usize, &usize))| {
        let (before, after) = (paddings[2 * d], paddings[2 * d + 1]);
        // A reflection does not repeat the edge, a symmetric one does.
        let most = match mode {
            "REFLECT" => from as i64 - 1,
            "SYMMETRIC" => from as i64,
            _ => i64::from(u32::MAX),
        };
        (0..=most).contains(&before)
            && (0..=most).contains(&after)
            && from as i64 + before + after == to as i64
    };
    let sizes = || edge.shape.iter().zip(&output).enumerate();
    if paddings.len() != 2 * edge.shape.len()
        || output.len() != edge.shape.len()
        || !sizes().all(fits)
    {
        return Err(format!("it pads {:?} by {paddings:?} ({mode}) to {output:?}", edge.shape));
    }
    #[allow(clippy::cast_possible_truncation)] // it is a float32 in the file
    let value = value as f32;
    let kind = match edge.kind {
        Kind::Codes(codes) if mode == "CONSTANT" => Kind::Codes(with_value(codes, value)?),
        kind => kind,
    };
    let draft = Draft::new(op, vec![edge]).with_type("pad");
    let draft = draft.ints("paddings", &paddings).text("mode", mode);
    let draft = if mode == "CONSTANT" { draft.float("value", value) } else { draft };
    scope.push_op(op, draft, kind)
}

/// `codes` and the number `value`, on a grid that has both.
fn with_value(codes: Codes, value: f32) -> Result<Codes, String> {
    if value == 0.0 {
        return Ok(codes);
    }
    let padding = super::source::on_grid(&vairun_tensor::Tensor::vector(vec![value]));
    let (_, padding) = padding.ok_or_else(|| format!("it pads integers with {value}"))?;
    aligned_codes(&[codes, Codes { factor: 1, ..padding }], false)
}

/// `pixel-shuffle`, `reorg`, `gstiling`: blocks of pixels to channels or back.
pub(super) fn blocks(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    push_blocks(scope, op, reader, &op.op_type)
}

/// Adds the node of type `op_type`. Whether pixels become channels or the reverse is seen in the shapes.
pub(super) fn push_blocks(
    scope: &mut Scope,
    op: &OpNode,
    reader: &Reader,
    op_type: &str,
) -> Lowered {
    reader.ignore(&["upscale", "reverse"]);
    let edge = scope.input(op, "input")?;
    let name = if op_type == "gstiling" { "stride" } else { "scale" };
    let scale = reader.required_int(name)?;
    let output = declared_shape(op)?;
    let s = usize::try_from(scale).ok().filter(|&s| s > 0 && s < 1 << 16);
    let s = s.ok_or_else(|| format!("`{name}` is {scale}"))?;
    let up = |from: &[usize], to: &[usize]| match (from, to) {
        (&[n, h, w, c], &[n2, h2, w2, c2]) => {
            n == n2 && h2 == h * s && w2 == w * s && c == c2 * s * s
        }
        _ => false,
    };
    let upscale = up(&edge.shape, &output);
    // Rows of a reorg come in groups of scale².
    let tall = if upscale { output[1] } else { edge.shape.get(1).copied().unwrap_or(0) };
    if !(upscale || up(&output, &edge.shape)) || (op_type == "reorg" && tall % (s * s) != 0) {
        return Err(format!("it takes {:?} to {output:?} by {s}", edge.shape));
    }
    let kind = edge.kind;
    let draft = Draft::new(op, vec![edge]).with_type(op_type);
    scope.push_op(op, draft.int("scale", scale).int("upscale", upscale.into()), kind)
}

/// `PPScatterV2`: pillars to a picture, both with their channels second.
pub(super) fn pp_scatter(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["shape", "data_type"]);
    let edges = scope.inputs(op, "input")?;
    let [features, places] = &edges[..] else {
        return Err(format!("it reads {} tensors, expected 2", edges.len()));
    };
    let output = declared_shape(op)?;
    let fits = match (&features.shape[..], &places.shape[..], &output[..]) {
        (&[1, c, n, 1], &[1, m, 4], &[1, c2, _, _]) => n == m && c == c2,
        _ => false,
    };
    if !fits {
        return Err(format!(
            "it scatters {:?} at {:?} to {output:?}, expected [1, c, n, 1], [1, n, 4], [1, c, y, x]",
            features.shape, places.shape
        ));
    }
    let size: Vec<i64> = output[2..].iter().map(|&dim| dim as i64).collect();
    let kind = features.kind;
    scope.push_op(op, Draft::new(op, edges).ints("size", &size), kind)
}
