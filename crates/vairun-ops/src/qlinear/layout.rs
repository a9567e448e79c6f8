//! `channels_last`: the order of dimensions in which onnxruntime's own passes leave images.

use vairun_tensor::Tensor;

use crate::error::OpError;
use crate::movement::transpose::transpose;

/// `[n, c, …]` from `[n, …, c]`.
pub(super) fn channels_first(x: &Tensor) -> Result<Tensor, OpError> {
    let rank = x.rank();
    if rank < 3 {
        return Err(OpError::Shape {
            input: "X".into(),
            got: x.shape().to_vec(),
            expected: "[n, …, c], as channels_last is 1".into(),
        });
    }
    let perm: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    transpose(x, &perm)
}

/// `[n, …, c]` from `[n, c, …]`.
pub(super) fn channels_last(y: &Tensor) -> Result<Tensor, OpError> {
    let perm: Vec<usize> = [0].into_iter().chain(2..y.rank()).chain([1]).collect();
    transpose(y, &perm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, count_up};

    #[test]
    fn one_is_the_way_back_from_the_other() {
        let x = count_up(&[2, 3, 4, 5]);
        assert_eq!(channels_first(&x).unwrap().shape(), [2, 5, 3, 4]);
        assert_tensor(&channels_last(&channels_first(&x).unwrap()).unwrap(), &x);
        assert!(channels_first(&count_up(&[2, 3])).is_err());
    }
}
