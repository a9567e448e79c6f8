//! The golden holds the same elements in another order of dimensions.

use vairun_tensor::Tensor;

use super::case::Case;
use super::numbers::same;
use crate::measure::lanes;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let (got, want) = (&case.got, &case.want);
    let moved = got.len() == want.len() && got.len() > 1;
    if !moved || !(1..=5).contains(&got.rank()) {
        return None;
    }
    let (a, b) = (lanes::to_f64(got)?, lanes::to_f64(want)?);
    let equal = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(&a, &b)| same(case.record.kind, a, b));
    if got.shape() != want.shape() && equal(&a, &b) {
        let text = format!(
            "the same elements in the shape {:?}; the model's is {:?}",
            want.shape(),
            got.shape()
        );
        return case.explanation("layout", 0, None, || text);
    }
    if a.iter().all(|x| *x == a[0]) {
        return None;
    }
    let order = permutations(got.rank())
        .into_iter()
        .find(|order| transposes_to(case, (got, &a), order, &b))?;
    let text = format!("the golden is the model's tensor transposed by {order:?}{}", known(&order));
    case.explanation("layout", 0, None, || text)
}

fn known(order: &[usize]) -> &'static str {
    match order {
        [0, 2, 3, 1] => ": NHWC in place of NCHW",
        [0, 3, 1, 2] => ": NCHW in place of NHWC",
        [0, 1, 3, 2] => ": height and width exchanged",
        [2, 3, 1, 0] => ": HWIO in place of OIHW",
        [1, 0] => ": rows and columns exchanged",
        _ => "",
    }
}

/// Every order of the dimensions but the one they have, in which more than one dimension moves.
fn permutations(rank: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..rank {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                let free = (0..rank).filter(|i| !order.contains(i)).collect::<Vec<_>>();
                free.into_iter().map(move |i| order.iter().copied().chain([i]).collect())
            })
            .collect();
    }
    orders.retain(|order: &Vec<usize>| order.iter().enumerate().any(|(i, &from)| i != from));
    orders
}

/// Whether `tensor` transposed by `order` holds the elements of `want` in their order in memory, and is another tensor.
fn transposes_to(
    case: &Case,
    (tensor, data): (&Tensor, &[f64]),
    order: &[usize],
    want: &[f64],
) -> bool {
    let shape = tensor.shape();
    let moves_nothing = |i: &usize| shape[*i] == 1;
    let kept: Vec<_> = order.iter().filter(|i| !moves_nothing(i)).collect();
    if kept.is_sorted() {
        return false;
    }
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    let dims: Vec<usize> = order.iter().map(|&i| shape[i]).collect();
    let steps: Vec<usize> = order.iter().map(|&i| strides[i]).collect();
    let mut place = vec![0; dims.len()];
    let mut from = 0;
    for &want in want {
        if !same(case.record.kind, data[from], want) {
            return false;
        }
        for axis in (0..dims.len()).rev() {
            place[axis] += 1;
            from += steps[axis];
            if place[axis] < dims[axis] {
                break;
            }
            from -= steps[axis] * dims[axis];
            place[axis] = 0;
        }
    }
    true
}
