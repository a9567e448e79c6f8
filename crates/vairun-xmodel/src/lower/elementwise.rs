//! Functions of single elements, of one tensor or several.

use super::grid::{Codes, Grid, Kind, gcd};
use super::reader::Reader;
use super::scope::{Draft, Edge, Lowered, Scope, declared_shape};
use super::source;
use crate::proto::OpNode;

const TOO_LARGE: &str = "its results may need more than 64 bits";

/// The codes of all edges; `None` where one of them is real.
fn all_codes(edges: &[Edge]) -> Option<Vec<Codes>> {
    edges.iter().map(|edge| edge.codes().ok()).collect()
}

/// The coarsest grid that has the numbers of all.
pub(super) fn joined(codes: &[Codes]) -> Result<Grid, String> {
    let (first, rest) = codes.split_first().ok_or("it reads nothing")?;
    let join = |grid: Grid, next: &Codes| grid.joined(next.grid);
    rest.iter().try_fold(first.grid, join).ok_or_else(|| TOO_LARGE.into())
}

/// Checks that the inputs broadcast to the declared shape.
fn check_broadcast(op: &OpNode, edges: &[Edge]) -> Result<(), String> {
    let output = declared_shape(op)?;
    for edge in edges {
        let fits = edge.shape.len() <= output.len()
            && edge.shape.iter().rev().zip(output.iter().rev()).all(|(&a, &b)| a == b || a == 1);
        if !fits {
            return Err(format!("{:?} does not broadcast to {output:?}", edge.shape));
        }
    }
    Ok(())
}

/// `add`, `sub`, `min`, `max`: on one grid.
pub(super) fn aligned(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edges = scope.inputs(op, "input")?;
    let adds = matches!(op.op_type.as_str(), "add" | "sub");
    push_aligned(scope, op, edges, adds)
}

fn push_aligned(scope: &mut Scope, op: &OpNode, edges: Vec<Edge>, adds: bool) -> Lowered {
    check_broadcast(op, &edges)?;
    let kind = match all_codes(&edges) {
        None => Kind::Real,
        Some(codes) => Kind::Codes(aligned_codes(&codes, adds)?),
    };
    scope.push_op(op, Draft::new(op, edges), kind)
}

/// What sums (`adds`) or choices among `codes` are.
pub(super) fn aligned_codes(codes: &[Codes], adds: bool) -> Result<Codes, String> {
    let grid = joined(codes)?;
    let bounds = codes.iter().map(|codes| codes.bound_on(grid));
    let bounds = bounds.collect::<Option<Vec<_>>>().ok_or(TOO_LARGE)?;
    let bound = if adds { bounds.iter().sum() } else { bounds.into_iter().max().unwrap_or(0) };
    Codes::sums(grid, bound).ok_or_else(|| TOO_LARGE.into())
}

/// `mul`.
pub(super) fn product(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edges = scope.inputs(op, "input")?;
    check_broadcast(op, &edges)?;
    let kind = match all_codes(&edges) {
        None => Kind::Real,
        Some(codes) => Kind::Codes(product_codes(&codes)?),
    };
    scope.push_op(op, Draft::new(op, edges), kind)
}

/// What products of a number of each are. A divisor that divides every code of another factor (`sum / 9 · 63 / 64`) is
/// taken away.
pub(super) fn product_codes(codes: &[Codes]) -> Result<Codes, String> {
    let exact = || {
        let (first, rest) = codes.split_first()?;
        let mut grid = first.grid;
        let mut bound = i128::from(first.bound);
        let mut factor = first.factor;
        for next in rest {
            grid = grid.times(next.grid)?;
            bound = bound.checked_mul(next.bound.into())?;
            factor = factor.checked_mul(next.factor)?;
        }
        let common = gcd(grid.divisor, factor);
        grid.divisor /= common;
        Codes::sums(grid, bound / i128::from(common))
    };
    exact().ok_or_else(|| TOO_LARGE.into())
}

/// `div`: real.
pub(super) fn quotient(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edges = scope.inputs(op, "input")?;
    check_broadcast(op, &edges)?;
    scope.push_op(op, Draft::new(op, edges), Kind::Real)
}

/// `relu`, `neg`: on the grid of the input.
pub(super) fn same_grid(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let kind = match edge.kind {
        // -(-128) does not fit 8 bits.
        Kind::Codes(codes) if op.op_type == "neg" => {
            Kind::Codes(Codes::sums(codes.grid, codes.bound.into()).ok_or(TOO_LARGE)?)
        }
        kind => kind,
    };
    scope.push_op(op, Draft::new(op, vec![edge]), kind)
}

/// `relu6`, `hard-tanh`: between two integers.
pub(super) fn clip(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let (low, high) = if op.op_type == "relu6" { (0, 6) } else { (-1, 1) };
    push_clip(scope, Draft::new(op, vec![edge.clone()]), edge, op.tensor_name(), (low, high))
}

/// Adds a clip to `low` and `high` that makes the value `name`.
pub(super) fn push_clip(
    scope: &mut Scope,
    draft: Draft,
    edge: Edge,
    name: &str,
    (low, high): (i64, i64),
) -> Lowered {
    let kind = match edge.kind {
        Kind::Real => Kind::Real,
        Kind::Codes(codes) => Kind::Codes(clipped(codes, low.abs().max(high))?),
    };
    let draft = draft.int("low", low).int("high", high);
    scope.push(draft, name, edge.shape, kind)
}

/// Numbers of a grid between -`limit` and `limit`, on a grid that has the integers.
fn clipped(codes: Codes, limit: i64) -> Result<Codes, String> {
    let exact = || {
        let grid = codes.grid.joined(Grid::of(0))?;
        let limit = i128::from(limit) * i128::from(Grid::of(0).multiplier(grid)?);
        let bound = codes.bound_on(grid)?;
        // The product itself is computed before it is clipped.
        Codes::sums(grid, bound)?;
        Codes::sums(grid, bound.min(limit))
    };
    exact().ok_or_else(|| TOO_LARGE.into())
}

/// `leaky-relu`: exact where alpha is a short binary number, which the quantizer sees to (26/256).
pub(super) fn leaky_relu(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let alpha = reader.float("alpha")?.ok_or("attribute `alpha` is missing")?;
    let edge = scope.input(op, "input")?;
    #[allow(clippy::cast_possible_truncation)] // it is a float32 in the file
    let alpha = alpha as f32;
    push_leaky_relu(scope, Draft::new(op, vec![edge.clone()]), edge, op.tensor_name(), alpha)
}

/// Adds a leaky ReLU that makes the value `name`.
pub(super) fn push_leaky_relu(
    scope: &mut Scope,
    draft: Draft,
    edge: Edge,
    name: &str,
    alpha: f32,
) -> Lowered {
    let kind = match edge.kind {
        Kind::Real => Kind::Real,
        Kind::Codes(codes) => leaky(codes, alpha).map_or(Kind::Real, Kind::Codes),
    };
    scope.push(draft.float("alpha", alpha), name, edge.shape, kind)
}

fn leaky(codes: Codes, alpha: f32) -> Option<Codes> {
    let alpha = vairun_tensor::Tensor::vector(vec![alpha]);
    let (_, slope) = source::on_grid(&alpha)?;
    let grid = codes.grid.times(slope.grid)?.joined(codes.grid)?;
    let product = codes.grid.times(slope.grid)?;
    let steep = i128::from(codes.bound) * i128::from(slope.bound);
    let steep = steep.checked_mul(product.multiplier(grid)?.into())?;
    Codes::sums(grid, steep.max(codes.bound_on(grid)?))
}

/// `prelu`: a slope for each channel, or one.
pub(super) fn prelu(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edges = vec![scope.input(op, "input")?, scope.input(op, "weight")?];
    check_broadcast(op, &edges)?;
    let kind = match all_codes(&edges).as_deref() {
        Some(&[x, w]) => {
            let exact = || {
                let product = x.grid.times(w.grid)?;
                let grid = product.joined(x.grid)?;
                let steep = i128::from(x.bound) * i128::from(w.bound);
                let steep = steep.checked_mul(product.multiplier(grid)?.into())?;
                Codes::sums(grid, steep.max(x.bound_on(grid)?))
            };
            Kind::Codes(exact().ok_or(TOO_LARGE)?)
        }
        _ => Kind::Real,
    };
    scope.push_op(op, Draft::new(op, edges), kind)
}

/// `hard-sigmoid`: `relu6(x + 3) / 6`.
pub(super) fn hard_sigmoid(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let kind = match edge.kind {
        Kind::Real => Kind::Real,
        Kind::Codes(codes) => Kind::Codes(sigmoid(codes)?),
    };
    scope.push_op(op, Draft::new(op, vec![edge]), kind)
}

/// What hard sigmoids are: the code of 1 is six times that on a grid of the input with all integers.
pub(super) fn sigmoid(codes: Codes) -> Result<Codes, String> {
    let exact = || {
        let whole = codes.grid.joined(Grid::of(0))?;
        let grid = whole.divided(6)?;
        let six = i128::from(Grid::of(0).multiplier(whole)?).checked_mul(6)?;
        // x + 3 is computed before it is clipped.
        Codes::sums(grid, codes.bound_on(whole)?.checked_add(six)?)?;
        Codes::sums(grid, six)
    };
    exact().ok_or_else(|| TOO_LARGE.into())
}

/// `hard-swish`: `x · relu6(x + 3) / 6`.
pub(super) fn hard_swish(scope: &mut Scope, op: &OpNode, _: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let kind = match edge.kind {
        Kind::Real => Kind::Real,
        Kind::Codes(codes) => Kind::Codes(product_codes(&[codes, sigmoid(codes)?])?),
    };
    scope.push_op(op, Draft::new(op, vec![edge]), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(fix_point: i32, bound: i64) -> Codes {
        Codes::sums(Grid::of(fix_point), bound.into()).unwrap()
    }

    #[test]
    fn the_factor_behind_a_mean_takes_the_divisor_away() {
        let mean = Codes { grid: Grid::of(5).divided(9).unwrap(), ..codes(0, 9 * 128) };
        let factor = Codes { factor: 63, ..codes(6, 63) };
        let product = product_codes(&[mean, factor]).unwrap();
        assert_eq!(product.grid, Grid::of(11));
        assert_eq!(product.bound, 9 * 128 * 63 / 9);
    }

    #[test]
    fn a_hard_sigmoid_times_its_factor_is_on_a_binary_grid() {
        let sigmoid = sigmoid(codes(4, 128)).unwrap();
        assert_eq!(sigmoid.grid, Grid { fix_point: 5, divisor: 3 });
        assert_eq!(sigmoid.bound, 6 << 4);
        // 6 · 2731 / 2^14 = 8193 / 2^13, and 8193 = 3 · 2731.
        let factor = Codes { factor: 8193, ..codes(13, 8193) };
        assert_eq!(product_codes(&[sigmoid, factor]).unwrap().grid, Grid::of(18));
    }

    #[test]
    fn a_short_slope_is_exact_and_a_long_one_is_not() {
        assert_eq!(leaky(codes(4, 128), 26.0 / 256.0).unwrap().grid, Grid::of(11));
        assert_eq!(leaky(codes(4, 128), 0.1), None);
    }

    #[test]
    fn sums_and_choices_have_the_finest_grid() {
        let (a, b) = (codes(4, 128), codes(6, 128));
        assert_eq!(aligned_codes(&[a, b], true).unwrap().bound, 128 * 4 + 128);
        assert_eq!(aligned_codes(&[a, b], false).unwrap().bound, 128 * 4);
    }
}
