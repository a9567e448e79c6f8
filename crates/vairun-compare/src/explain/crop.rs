//! The golden is a part of the model's tensor, the model's a part of the golden, or one is shifted.

use super::case::Case;
use super::numbers::same;
use crate::measure::lanes;
use crate::report::Explanation;

/// How far a shift is looked for.
const FURTHEST: isize = 4;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let (got, want) = (case.got.shape(), case.want.shape());
    if got.len() != want.len() || got.is_empty() {
        return None;
    }
    if got == want {
        return shifted(case);
    }
    let within = |small: &[usize], large: &[usize]| small.iter().zip(large).all(|(s, l)| s <= l);
    if within(want, got) {
        part(case, true)
    } else if within(got, want) {
        part(case, false)
    } else {
        None
    }
}

/// One of the tensors is a part of the other, from its first element or its middle on.
fn part(case: &Case, golden_is_part: bool) -> Option<Explanation> {
    let (small, large) =
        if golden_is_part { (&case.want, &case.got) } else { (&case.got, &case.want) };
    let (a, b) = (lanes::to_f64(small)?, lanes::to_f64(large)?);
    let pairs = || small.shape().iter().zip(large.shape());
    let first = vec![0; small.rank()];
    let middle: Vec<usize> = pairs().map(|(s, l)| (l - s) / 2).collect();
    let last: Vec<usize> = pairs().map(|(s, l)| l - s).collect();
    let from = [first, middle, last].into_iter().find(|from| {
        (0..a.len()).all(|i| {
            let place = place_in(i, small.shape(), large.shape(), from);
            same(case.record.kind, a[i], b[place])
        })
    })?;
    let batch = small.shape()[1..] == large.shape()[1..];
    let (who, whose) = if golden_is_part {
        ("the golden", "the model's tensor")
    } else {
        ("the model's tensor", "the golden")
    };
    case.explanation(if batch { "batch" } else { "crop" }, 0, None, || {
        format!(
            "{who} {:?} is the part of {whose} {:?} from {from:?} on",
            small.shape(),
            large.shape()
        )
    })
}

fn place_in(mut i: usize, small: &[usize], large: &[usize], from: &[usize]) -> usize {
    let (mut place, mut stride) = (0, 1);
    for axis in (0..small.len()).rev() {
        place += (i % small[axis] + from[axis]) * stride;
        i /= small[axis];
        stride *= large[axis];
    }
    place
}

/// The same picture, moved by some rows or columns.
fn shifted(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    let shape = case.got.shape();
    let (rows, columns) = (*shape.get(shape.len().checked_sub(2)?)?, *shape.last()?);
    if shape.len() < 3 || rows < 4 || columns < 4 {
        return None;
    }
    let mut shifts: Vec<(isize, isize)> =
        (-FURTHEST..=FURTHEST).flat_map(|y| (-FURTHEST..=FURTHEST).map(move |x| (y, x))).collect();
    shifts.retain(|&shift| shift != (0, 0));
    shifts.sort_by_key(|(y, x)| y.abs() + x.abs());
    let (y, x) = shifts.into_iter().find(|&shift| {
        fits(shift, (rows, columns))
            && overlap_is_same(case, &numbers.got, &numbers.want, (rows, columns), shift)
    })?;
    let text = format!(
        "the golden is the model's tensor shifted by {y} rows and {x} columns: another crop or padding"
    );
    case.explanation("crop", 0, None, || text)
}

/// Whether most of the picture is left to compare.
fn fits((y, x): (isize, isize), (rows, columns): (usize, usize)) -> bool {
    y.unsigned_abs() * 2 < rows && x.unsigned_abs() * 2 < columns
}

fn overlap_is_same(
    case: &Case,
    got: &[f64],
    want: &[f64],
    (rows, columns): (usize, usize),
    (y, x): (isize, isize),
) -> bool {
    let mut varied = false;
    for plane in 0..got.len() / (rows * columns) {
        let base = plane * rows * columns;
        for row in 0..rows {
            for column in 0..columns {
                let (Some(r), Some(c)) = (row.checked_add_signed(y), column.checked_add_signed(x))
                else {
                    continue;
                };
                if r >= rows || c >= columns {
                    continue;
                }
                let (a, b) = (got[base + row * columns + column], want[base + r * columns + c]);
                if !same(case.record.kind, a, b) {
                    return false;
                }
                varied |= a != got[base];
            }
        }
    }
    varied
}
