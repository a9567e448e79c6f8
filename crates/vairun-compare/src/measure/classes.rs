use vairun_tensor::Tensor;

use super::lanes;
use crate::metrics::Classes;

/// Beyond this many scores it is not a choice of classes.
const MOST_SCORES: usize = 1 << 22;

/// How far the rows choose the same classes; `None` where the shape is not `[rows, classes]` (further dimensions of 1
/// aside) with at least two classes.
pub(super) fn agreement(got: &Tensor, want: &Tensor) -> Option<Classes> {
    let (&rows, &classes) = (got.shape().first()?, got.shape().get(1)?);
    let flat = got.shape()[2..].iter().all(|&dim| dim == 1);
    if !flat || classes < 2 || got.len() > MOST_SCORES || got.dtype().is_integer() {
        return None;
    }
    let (got, want) = (lanes::to_f64(got)?, lanes::to_f64(want)?);
    let pairs = || got.chunks(classes).zip(want.chunks(classes));
    let top1 = pairs().filter(|(got, want)| best(got) == best(want)).count();
    let top5 = pairs().filter(|(got, want)| rank(got, best(want)) < 5).count();
    Some(Classes { rows: rows as u64, top1: top1 as u64, top5: top5 as u64 })
}

/// The class with the highest score, the first of equals.
fn best(scores: &[f64]) -> usize {
    (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best })
}

/// How many classes stand before `class`.
fn rank(scores: &[f64], class: usize) -> usize {
    let before = |(i, score): (usize, &f64)| {
        *score > scores[class] || (*score == scores[class] && i < class)
    };
    scores.iter().enumerate().filter(|&pair| before(pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_class_is_compared_row_by_row() {
        let want = [9., 1., 2., 3., 4., 5., 6., 9., 1., 2., 3., 4., 5., 6.];
        let got = [9., 1., 2., 3., 4., 5., 6., 1., 2., 3., 4., 5., 6., 7.];
        let tensor = |data: &[f32]| Tensor::new(&[2, 7], data.to_vec()).unwrap();
        let classes = agreement(&tensor(&got), &tensor(&want)).unwrap();
        assert_eq!(classes, Classes { rows: 2, top1: 1, top5: 1 });
        assert!(agreement(&Tensor::scalar(1f32), &Tensor::scalar(1f32)).is_none());
    }
}
