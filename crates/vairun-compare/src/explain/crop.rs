//! The golden is a part of the model's tensor, the model's a part of the golden, or one is shifted.

use super::case::Case;
use super::numbers::same;
use crate::measure::lanes;
use crate::report::Explanation;

/// How far a shift is looked for.
const FURTHEST: isize = 4;

/// More places for a part than this are not tried.
const MOST: usize = 1 << 14;

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
    let from = places(small.shape(), large.shape()).into_iter().find(|from| {
        (0..a.len()).all(|i| {
            let place = place_in(i, small.shape(), large.shape(), from);
            same(case.record.kind, a[i], b[place])
        })
    })?;
    let batch = small.rank() > 1 && small.shape()[1..] == large.shape()[1..];
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

/// Where the smaller one may begin in the larger one: the first place, the middle, the last, then any.
fn places(small: &[usize], large: &[usize]) -> Vec<Vec<usize>> {
    let room: Vec<usize> = small.iter().zip(large).map(|(s, l)| l - s).collect();
    let mut places =
        vec![vec![0; room.len()], room.iter().map(|free| free / 2).collect(), room.clone()];
    let count = room.iter().try_fold(1usize, |n, free| n.checked_mul(free + 1));
    if count.is_some_and(|count| count <= MOST) {
        let mut all = vec![Vec::new()];
        for free in room {
            let longer = |place: Vec<usize>| {
                (0..=free).map(move |at| place.iter().copied().chain([at]).collect())
            };
            all = all.into_iter().flat_map(longer).collect::<Vec<Vec<usize>>>();
        }
        places.extend(all);
    }
    places
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

/// A tensor as pictures: how many, their rows and columns, and the elements at each place.
#[derive(Clone, Copy)]
struct Pictures {
    count: usize,
    rows: usize,
    columns: usize,
    depth: usize,
}

impl Pictures {
    /// Channels before height and width, or behind them.
    fn of(shape: &[usize]) -> Vec<Self> {
        let mut found = Vec::new();
        if let [count @ .., rows, columns] = shape
            && !count.is_empty()
        {
            let (rows, columns) = (*rows, *columns);
            found.push(Self { count: count.iter().product(), rows, columns, depth: 1 });
        }
        if let [count, rows, columns, depth] = *shape {
            found.push(Self { count, rows, columns, depth });
        }
        found.retain(|pictures| pictures.rows >= 4 && pictures.columns >= 4);
        found
    }

    fn place(&self, picture: usize, row: usize, column: usize) -> usize {
        ((picture * self.rows + row) * self.columns + column) * self.depth
    }
}

/// The same picture, moved by some rows or columns.
fn shifted(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    let mut shifts: Vec<(isize, isize)> =
        (-FURTHEST..=FURTHEST).flat_map(|y| (-FURTHEST..=FURTHEST).map(move |x| (y, x))).collect();
    shifts.retain(|&shift| shift != (0, 0));
    shifts.sort_by_key(|(y, x)| y.abs() + x.abs());
    let (y, x) = Pictures::of(case.got.shape()).into_iter().find_map(|pictures| {
        let mut shifts = shifts.iter().copied();
        shifts.find(|&shift| {
            fits(shift, &pictures)
                && overlap_is_same(case, &numbers.got, &numbers.want, &pictures, shift)
        })
    })?;
    let text = format!(
        "the golden is the model's tensor shifted by {y} rows and {x} columns: another crop or padding"
    );
    case.explanation("crop", 0, None, || text)
}

/// Whether most of the picture is left to compare.
fn fits((y, x): (isize, isize), pictures: &Pictures) -> bool {
    y.unsigned_abs() * 2 < pictures.rows && x.unsigned_abs() * 2 < pictures.columns
}

fn overlap_is_same(
    case: &Case,
    got: &[f64],
    want: &[f64],
    pictures: &Pictures,
    (y, x): (isize, isize),
) -> bool {
    let mut varied = false;
    for picture in 0..pictures.count {
        let first = got[pictures.place(picture, 0, 0)];
        for row in 0..pictures.rows {
            let Some(r) = row.checked_add_signed(y).filter(|r| *r < pictures.rows) else {
                continue;
            };
            for column in 0..pictures.columns {
                let c = column.checked_add_signed(x).filter(|c| *c < pictures.columns);
                let Some(c) = c else { continue };
                let (from, to) =
                    (pictures.place(picture, row, column), pictures.place(picture, r, c));
                for k in 0..pictures.depth {
                    if !same(case.record.kind, got[from + k], want[to + k]) {
                        return false;
                    }
                    varied |= got[from + k] != first;
                }
            }
        }
    }
    varied
}
