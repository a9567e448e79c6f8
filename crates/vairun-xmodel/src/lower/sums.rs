//! Sums of products: convolutions, matrix products, per-channel scaling.

use super::grid::{Codes, Grid, Kind};
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope, declared_shape};
use super::window::Window;
use crate::proto::OpNode;

/// What is added of products, and what for each result.
struct Sum {
    x: Codes,
    w: Codes,
    /// Products in one sum.
    terms: usize,
    bias: Option<Codes>,
}

impl Sum {
    /// The sums on the grid of the products, or of the bias where that is finer.
    fn codes(&self) -> Result<Codes, String> {
        let exact = || {
            let products = self.x.grid.times(self.w.grid)?;
            let bound = i128::from(self.x.bound) * i128::from(self.w.bound);
            let bound = bound.checked_mul(i128::try_from(self.terms).ok()?)?;
            let Some(bias) = self.bias else { return Codes::sums(products, bound) };
            let grid = products.joined(bias.grid)?;
            let scaled = bound.checked_mul(products.multiplier(grid)?.into())?;
            Codes::sums(grid, scaled.checked_add(bias.bound_on(grid)?)?)
        };
        exact().ok_or_else(|| "its sums may need more than 64 bits".into())
    }
}

/// The codes of an operand; they are multiplied in pairs of 32 bits.
fn factor(edge: &Edge) -> Result<Codes, String> {
    let codes = edge.codes()?;
    match i32::try_from(codes.bound) {
        Ok(_) => Ok(codes),
        Err(_) => Err("it multiplies numbers of more than 32 bits".into()),
    }
}

/// Data, weights and bias of an op.
fn operands(scope: &Scope, op: &OpNode) -> Result<Vec<Edge>, String> {
    let mut edges = vec![scope.input(op, "input")?, scope.input(op, "weights")?];
    edges.extend(scope.optional(op, "bias")?);
    Ok(edges)
}

fn sum(edges: &[Edge], terms: usize) -> Result<Codes, String> {
    let bias = edges.get(2).map(Edge::codes).transpose()?;
    Sum { x: factor(&edges[0])?, w: factor(&edges[1])?, terms, bias }.codes()
}

/// Every convolution; `weights` is `[out, kernel…, in / group]`, for depthwise ones `[multiplier, kernel…, in]`.
pub(super) fn conv(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["in_dim", "out_dim", "bias_term"]);
    let edges = operands(scope, op)?;
    let (draft, codes) = conv_draft(op, reader, edges, &op.op_type)?;
    scope.push_op(op, draft, Kind::Codes(codes))
}

/// The node of a convolution of type `op_type`, and what it makes.
pub(super) fn conv_draft(
    op: &OpNode,
    reader: &Reader,
    edges: Vec<Edge>,
    op_type: &str,
) -> Result<(Draft, Codes), String> {
    let group = reader.int("group")?.unwrap_or(1);
    let window = Window::of(op, reader, &edges[0].shape)?;
    let output = declared_shape(op)?;
    let terms = check_weights(op_type, &edges, &window, &output, group)?;
    let codes = sum(&edges, terms)?;
    let draft = window.write(Draft::new(op, edges).with_type(op_type));
    // Depthwise operators have no groups.
    let draft = if op_type.contains("depthwise") { draft } else { draft.int("group", group) };
    Ok((draft, codes))
}

/// Checks the shapes of weights and bias; the number of products in a sum.
fn check_weights(
    op_type: &str,
    edges: &[Edge],
    window: &Window,
    output: &[usize],
    group: i64,
) -> Result<usize, String> {
    let channels = *edges[0].shape.last().ok_or("its input has no channels")?;
    let out_channels = *output.last().ok_or("its tensor has no channels")?;
    let taps = usize::try_from(window.taps()).map_err(|_| "its kernel is too large")?;
    let group = usize::try_from(group)
        .ok()
        .filter(|&g| g > 0 && channels % g == 0 && out_channels % g == 0);
    let group = group
        .ok_or_else(|| format!("`group` does not divide {channels} and {out_channels} channels"))?;
    // Shapes have height first, attributes width.
    let mut kernel: Vec<usize> =
        window.kernel.iter().map(|&k| usize::try_from(k).expect("at least 1")).collect();
    if kernel.len() > 1 {
        kernel.swap(0, 1);
    }
    let depthwise = op_type.contains("depthwise");
    let (first, last) = match depthwise {
        true => (out_channels / channels.max(1), channels),
        false => (out_channels, channels / group),
    };
    let expected: Vec<usize> = [first].into_iter().chain(kernel).chain([last]).collect();
    if edges[1].shape != expected || (depthwise && first * channels != out_channels) {
        return Err(format!("its weights are {:?}, expected {expected:?}", edges[1].shape));
    }
    check_bias(edges, out_channels)?;
    Ok(if depthwise { taps } else { taps * last })
}

fn check_bias(edges: &[Edge], channels: usize) -> Result<(), String> {
    match edges.get(2) {
        Some(bias) if bias.shape.iter().product::<usize>() != channels => {
            Err(format!("its bias is {:?}, expected [{channels}]", bias.shape))
        }
        _ => Ok(()),
    }
}

/// `matmul`: the second of the two inputs may be a weight.
pub(super) fn matmul(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let (transpose_a, transpose_b) = (reader.flag("transpose_a")?, reader.flag("transpose_b")?);
    let mut edges = scope.inputs(op, "input")?;
    if edges.len() != 2 {
        return Err(format!("it multiplies {} matrices, expected 2", edges.len()));
    }
    edges.extend(scope.optional(op, "bias")?);
    let (a, b) = (&edges[0].shape, &edges[1].shape);
    let ([.., a_rows, a_columns], [.., b_rows, b_columns]) = (&a[..], &b[..]) else {
        return Err(format!("it multiplies {a:?} and {b:?}, expected at least 2 dimensions"));
    };
    let (terms, rows) = if transpose_a { (a_rows, a_columns) } else { (a_columns, a_rows) };
    let (inner, columns) = if transpose_b { (b_columns, b_rows) } else { (b_rows, b_columns) };
    let output = declared_shape(op)?;
    if terms != inner || !output.ends_with(&[*rows, *columns]) {
        return Err(format!("it multiplies {a:?} and {b:?} to {output:?}, which does not fit"));
    }
    check_bias(&edges, *columns)?;
    let codes = sum(&edges, *terms)?;
    let draft = Draft::new(op, edges)
        .int("transpose_a", transpose_a.into())
        .int("transpose_b", transpose_b.into());
    scope.push_op(op, draft, Kind::Codes(codes))
}

/// `inner-product`: the dimensions from `axis` on are one.
pub(super) fn inner_product(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let axis = reader.required_int("axis")?;
    let edges = operands(scope, op)?;
    let shape = &edges[0].shape;
    let axis = super::movement::axis(axis, shape.len())?;
    let terms: usize = shape[axis..].iter().product();
    let weights = &edges[1].shape;
    let outputs = weights.first().copied().unwrap_or(0);
    if weights.iter().skip(1).product::<usize>() != terms {
        return Err(format!("its weights are {weights:?} for inputs of {terms} elements"));
    }
    check_bias(&edges, outputs)?;
    let codes = sum(&edges, terms)?;
    scope.push_op(op, Draft::new(op, edges).int("axis", axis as i64), Kind::Codes(codes))
}

/// `scale`: an unfolded batch normalization, `input · scale + bias` along `axis`.
pub(super) fn scale(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let axis = reader.int("axis")?.unwrap_or(-1);
    let mut edges = vec![scope.input(op, "input")?, scope.input(op, "scale")?];
    edges.extend(scope.optional(op, "bias")?);
    let axis = super::movement::axis(axis, edges[0].shape.len())?;
    let length = edges[0].shape[axis];
    if edges[1..].iter().any(|edge| edge.shape.iter().product::<usize>() != length) {
        return Err(format!("scale and bias do not have the {length} elements of axis {axis}"));
    }
    let codes = sum(&edges, 1)?;
    let draft = Draft::new(op, edges).int("axis", axis as i64);
    scope.push_op(op, draft, Kind::Codes(codes))
}

/// The grid of `x` times `n`, for sums of `n` equal terms.
pub(super) fn repeated(x: Codes, n: usize, grid: Grid) -> Result<Codes, String> {
    let bound = i128::from(x.bound).checked_mul(i128::try_from(n).unwrap_or(i128::MAX));
    bound
        .and_then(|bound| Codes::sums(grid, bound))
        .ok_or_else(|| "its sums may need more than 64 bits".into())
}
