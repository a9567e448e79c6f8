//! Pooling and reductions.

use super::grid::{Codes, Kind, gcd};
use super::reader::Reader;
use super::scope::{Draft, Lowered, Scope, declared_shape};
use super::sums::repeated;
use super::window::Window;
use crate::proto::OpNode;

/// `maxpool1d`, `maxpool2d`, `avgpool2d`.
pub(super) fn pool(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let edge = scope.input(op, "input")?;
    let window = Window::of(op, reader, &edge.shape)?;
    let output = declared_shape(op)?;
    if output.last() != edge.shape.last() {
        return Err(format!("it pools {:?} to {output:?}", edge.shape));
    }
    if op.op_type != "avgpool2d" {
        let kind = edge.kind;
        return scope.push_op(op, window.write(Draft::new(op, vec![edge])), kind);
    }
    let count_pad = reader.int("count_include_pad")?.is_none_or(|flag| flag != 0);
    let count_invalid = reader.int("count_include_invalid")?.is_none_or(|flag| flag != 0);
    let codes = edge.codes()?;
    let counts = Counts { window: &window, count_pad, count_invalid };
    let divisor = counts.common_multiple(&edge.shape, &output)?;
    let grid = codes.grid.divided(divisor).ok_or("its divisors are too large")?;
    let bound = repeated(codes, usize::try_from(divisor).unwrap_or(usize::MAX), grid)?;
    let draft = window
        .write(Draft::new(op, vec![edge]))
        .ints("given_after", &window.given_after)
        .int("count_include_pad", count_pad.into())
        .int("count_include_invalid", count_invalid.into());
    scope.push_op(op, draft, Kind::Codes(bound))
}

/// How many elements the windows of a mean have.
struct Counts<'a> {
    window: &'a Window,
    count_pad: bool,
    count_invalid: bool,
}

impl Counts<'_> {
    /// A number that every count divides.
    fn common_multiple(&self, input: &[usize], output: &[usize]) -> Result<i64, String> {
        // Width, then height: shapes have them the other way around.
        let along = |d: usize| -> Vec<i64> {
            let mut counts: Vec<i64> =
                (0..output[2 - d] as i64).map(|o| self.along(d, o, input[2 - d] as i64)).collect();
            counts.sort_unstable();
            counts.dedup();
            counts
        };
        let (widths, heights) = (along(0), along(1));
        let mut common: i64 = 1;
        for count in widths.iter().flat_map(|w| heights.iter().map(move |h| w * h)) {
            if count == 0 {
                return Err("one of its windows lies outside of the input".into());
            }
            common = (common / gcd(common, count))
                .checked_mul(count)
                .ok_or("its divisors are too large")?;
        }
        Ok(common)
    }

    /// How many elements of the window at `o` count, along dimension `d`.
    fn along(&self, d: usize, o: i64, input: i64) -> i64 {
        let Window { kernel, stride, pad, given_after, .. } = self.window;
        let begin = o * stride[d] - pad[2 * d];
        let end = begin + kernel[d];
        let after = input + given_after[d];
        // Beyond the padding that the file gives lies what a rounded-up length adds.
        let invalid = if self.count_invalid { (end - after.max(begin)).max(0) } else { 0 };
        let (low, high) = if self.count_pad { (-pad[2 * d], after) } else { (0, input) };
        (end.min(high) - begin.max(low)).max(0) + invalid
    }
}

/// `reduction_max`, `reduction_mean`, `reduction_sum`.
pub(super) fn reduction(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    let axes = reader.required_ints("axis")?;
    let keep_dims = reader.flag("keep_dims")?;
    let edge = scope.input(op, "input")?;
    let rank = edge.shape.len();
    let axes =
        axes.iter().map(|&a| super::movement::axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let count: usize = axes.iter().map(|&axis| edge.shape[axis]).product();
    let kept = |axis: usize| (!axes.contains(&axis)).then(|| edge.shape[axis]);
    let reduced: Vec<usize> = match keep_dims {
        true => (0..rank).map(|axis| kept(axis).unwrap_or(1)).collect(),
        false => (0..rank).filter_map(kept).collect(),
    };
    let output = declared_shape(op)?;
    // A tensor without dimensions is stored as [1].
    if output != reduced && !(reduced.is_empty() && output == [1]) {
        return Err(format!("its tensor is {output:?}, expected {reduced:?}"));
    }
    if count == 0 {
        return Err("it reduces no elements".into());
    }
    let kind = match op.op_type.as_str() {
        "reduction_max" => edge.kind,
        "reduction_sum" => {
            let codes = edge.codes()?;
            Kind::Codes(repeated(codes, count, codes.grid)?)
        }
        _ => Kind::Codes(mean(edge.codes()?, count)?),
    };
    let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let draft = Draft::new(op, vec![edge]).ints("axis", &axes).int("keep_dims", keep_dims.into());
    scope.push_op(op, draft, kind)
}

fn mean(codes: Codes, count: usize) -> Result<Codes, String> {
    let divisor = i64::try_from(count).ok();
    let grid = divisor.and_then(|n| codes.grid.divided(n)).ok_or("it has too many elements")?;
    repeated(codes, count, grid)
}

/// The factor and the shift that the DPU puts for `1 / (height · width)`: `(N, M)` of `N / 2^M`.
///
/// Source: a table for common sizes, else the best approximation below `2^ceil(log2(128 · height · width))`:
/// `pytorch_nndct/nn/modules/avgpool.py` (Xilinx/Vitis-AI b2b2279); the table is also in the runner of the vendor's
/// reference implementation.
pub(super) fn dpu_factor(height: i64, width: i64) -> (i64, u32) {
    match (height, width) {
        (3, 3) => (7, 6),
        (5, 5) => (10, 8),
        (6, 6) => (7, 8),
        (7, 7) => (21, 10),
        (14, 14) => (21, 12),
        _ => search(height * width),
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // areas of kernels
fn search(area: i64) -> (i64, u32) {
    let limit = ((128 * area) as f64).log2().ceil() as u32;
    let target = 1.0 / area as f64;
    let mut best = (f64::INFINITY, (1, 0));
    for m in 0..limit {
        let n = (f64::from(m).exp2() / area as f64).round_ties_even();
        let error = (n / f64::from(m).exp2() - target).abs();
        if error < best.0 {
            best = (error, (n as i64, m));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_of_the_vendor() {
        assert_eq!(dpu_factor(3, 3), (7, 6));
        assert_eq!(dpu_factor(2, 2), (1, 2));
        assert_eq!(dpu_factor(8, 8), (1, 6));
        // A mean over 9 elements is searched for: 57 / 512, not the 7 / 64 of a 3 × 3 pool.
        assert_eq!(search(9), (57, 9));
    }

    #[test]
    fn windows_count_what_the_flags_say() {
        let window = Window {
            kernel: vec![3, 3],
            stride: vec![2, 2],
            dilation: vec![1, 1],
            pad: vec![1, 2, 1, 2],
            given_after: vec![1, 1],
        };
        // Input 4 long: windows at -1..2, 1..4, 3..6; the padding ends at 5.
        let counts = |count_pad, count_invalid| {
            let counts = Counts { window: &window, count_pad, count_invalid };
            [0, 1, 2].map(|o| counts.along(0, o, 4))
        };
        assert_eq!(counts(true, true), [3, 3, 3]);
        assert_eq!(counts(true, false), [3, 3, 2]);
        assert_eq!(counts(false, false), [2, 3, 1]);
    }
}
