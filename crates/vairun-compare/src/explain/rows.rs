//! The first rows of a part: a change that does not explain these explains nothing.
//!
//! What lies further down reaches only the last of the rows that are computed. How far is seen from the model's own
//! tensor, and of the rows that are right the lower half is left out as well.

use vairun_graph::Graph;
use vairun_numeric::variation::Variation;
use vairun_tensor::{Dequantized, Tensor, Value};

use super::case::Case;
use super::part::Part;
use crate::check::Prepared;

/// Where pictures have their rows.
const AXIS: usize = 2;

/// This part of the rows is computed.
const PART: usize = 4;

/// The first rows of what a part starts from, and of the golden.
pub(super) struct Rows {
    part: Part,
    count: usize,
    want: Tensor,
}

impl Rows {
    /// `None` where the part has no rows, where others depend on all of them, or too few of them differ.
    pub(super) fn of(case: &Case) -> Option<Self> {
        let part = case.part.as_ref()?;
        if case.got.shape() != case.want.shape() {
            return None;
        }
        let crop = |value: &Value| first_part(value.as_tensor().ok()?).map(Value::from);
        let inputs = part.inputs.iter().map(crop).collect::<Option<Vec<_>>>()?;
        if inputs.is_empty() {
            return None;
        }
        let part = Part::new(part.graph.clone(), inputs);
        let made = part.made(case.engine())?;
        let count = equal_rows(&made, &case.got)? / 2;
        let want = rows(&case.want, count)?;
        let rows = Self { part, count, want };
        let differing = rows.left(case, made)?;
        (!case.holds(differing)).then_some(rows)
    }

    /// Elements of these rows that differ when the part is changed.
    pub(super) fn left_changed(&self, case: &Case, changed: &Graph) -> Option<u64> {
        self.left(case, self.part.evaluate_changed(case.engine(), changed)?)
    }

    /// Elements of these rows that differ when every quantizer deviates.
    pub(super) fn left_varied(&self, case: &Case, variation: &Variation) -> Option<u64> {
        self.left(case, self.part.varied(case.engine(), variation)?)
    }

    /// Elements of these rows that differ when the part is given another tensor at `place`.
    pub(super) fn left_of_input(
        &self,
        case: &Case,
        ready: &dyn Prepared,
        place: usize,
        input: &Tensor,
    ) -> Option<u64> {
        let first = rows(input, self.part.inputs[place].as_tensor().ok()?.shape()[AXIS])?;
        self.left(case, self.part.of_input(ready, place, first)?)
    }

    fn left(&self, case: &Case, made: Tensor) -> Option<u64> {
        case.beyond(&rows(&made, self.count)?, &self.want)
    }
}

impl Part {
    /// The tensor where the part is given another one at `place`.
    pub(super) fn of_input(
        &self,
        ready: &dyn Prepared,
        place: usize,
        input: Tensor,
    ) -> Option<Tensor> {
        let mut inputs = self.inputs.clone();
        inputs[place] = input.into();
        ready.run(inputs).ok()?.into_iter().next()?.into_tensor().ok()
    }
}

/// A part of the rows, the same of all tensors that a part starts from.
fn first_part(tensor: &Tensor) -> Option<Tensor> {
    let &count = tensor.shape().get(AXIS)?;
    (count >= 4 * PART && count.is_multiple_of(PART)).then(|| rows(tensor, count / PART))?
}

/// The first `count` rows on the same grid.
fn rows(tensor: &Tensor, count: usize) -> Option<Tensor> {
    let mut shape = tensor.shape().to_vec();
    if count == 0 || shape.len() != 4 || shape[AXIS] < count {
        return None;
    }
    let inner = shape[AXIS + 1] * tensor.dtype().carrier().bytes()?;
    let all = shape[AXIS] * inner;
    shape[AXIS] = count;
    let bytes = tensor.as_bytes().filter(|_| all > 0)?;
    let first: Vec<u8> =
        bytes.chunks(all).flat_map(|plane| &plane[..count * inner]).copied().collect();
    let first = Tensor::from_le_bytes(tensor.dtype(), &shape, &first).ok()?;
    Some(match tensor.dequantized() {
        None => first,
        Some(Dequantized { axis: Some(AXIS), .. }) => return None,
        Some(Dequantized { scale, zero_point, axis, .. }) => {
            first.with_dequantized(Dequantized::on_grid(scale.clone(), zero_point.clone(), *axis))
        }
    })
}

/// How many rows of `made` are those of `got`.
fn equal_rows(made: &Tensor, got: &Tensor) -> Option<usize> {
    let &count = made.shape().get(AXIS).filter(|_| made.rank() == 4)?;
    let got = rows(got, count)?;
    if made.shape() != got.shape() || made.dtype() != got.dtype() {
        return None;
    }
    let inner = made.shape()[AXIS + 1] * made.dtype().carrier().bytes()?;
    let (made, got) = (made.as_bytes()?, got.as_bytes()?);
    let planes = || made.chunks(count * inner).zip(got.chunks(count * inner));
    let equal = |row: usize| {
        let row = row * inner..(row + 1) * inner;
        planes().all(|(a, b)| a[row.clone()] == b[row.clone()])
    };
    Some((0..count).take_while(|&row| equal(row)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: usize) -> Tensor {
        Tensor::new(&[1, 2, rows, 2], (0..rows * 4).map(|i| i as f32).collect()).unwrap()
    }

    #[test]
    fn rows_are_taken_from_every_plane() {
        let first = rows(&picture(3), 1).unwrap();
        assert_eq!(first.shape(), [1, 2, 1, 2]);
        assert_eq!(first.as_slice::<f32>().unwrap(), [0., 1., 6., 7.]);
        assert!(rows(&picture(3), 4).is_none());
        assert!(first_part(&picture(15)).is_none() && first_part(&picture(16)).is_some());
    }

    #[test]
    fn rows_are_equal_as_far_as_those_of_all_planes_are() {
        let whole = picture(4);
        let mut data = whole.as_slice::<f32>().unwrap().to_vec();
        data[12] += 1.0;
        let other = Tensor::new(whole.shape(), data).unwrap();
        assert_eq!(equal_rows(&whole, &whole), Some(4));
        assert_eq!(equal_rows(&other, &whole), Some(2));
        assert_eq!(equal_rows(&rows(&other, 3).unwrap(), &whole), Some(2));
        assert_eq!(equal_rows(&picture(4).reshaped(&[16]).unwrap(), &whole), None);
    }
}
