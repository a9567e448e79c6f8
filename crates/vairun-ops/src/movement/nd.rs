//! Where the slices stand that rows of indices name.

use vairun_tensor::{DType, Tensor};

use crate::common::axes::strides;
use crate::common::parameters::integers;
use crate::common::prelude::{wrong_shape, wrong_value};
use crate::common::sizes::result_len;
use crate::error::OpError;

/// Slices of a tensor: their first elements, and the shape of each.
pub(super) struct Slices {
    pub(super) places: Vec<usize>,
    pub(super) shape: Vec<usize>,
}

/// The slices of `data` that the last axis of `indices` names behind `batch` common dimensions.
pub(super) fn slices(data: &Tensor, indices: &Tensor, batch: usize) -> Result<Slices, OpError> {
    let depth = indices.shape().last().copied().unwrap_or(0);
    let fits = indices.rank() > batch
        && batch + depth <= data.rank()
        && indices.shape()[..batch] == data.shape()[..batch];
    if !fits {
        let expected = format!(
            "{batch} dimensions as those of data, {:?}, and at most {} for the last",
            data.shape(),
            data.rank().saturating_sub(batch)
        );
        return Err(wrong_shape("indices", indices.shape(), expected));
    }
    // Indices of no elements may still stand for any number of slices.
    result_len(DType::I64, &indices.shape()[..indices.rank() - 1])?;
    let steps = strides(data.shape());
    let dims = &data.shape()[batch..batch + depth];
    let rows = indices
        .len()
        .checked_div(depth)
        .unwrap_or_else(|| indices.shape()[..indices.rank() - 1].iter().product());
    let batches: usize = indices.shape()[..batch].iter().product();
    let per_batch = rows.checked_div(batches).unwrap_or(0).max(1);
    let block: usize = data.shape()[batch..].iter().product();
    let indices = integers(indices, "indices")?;
    let mut places = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut place = row / per_batch * block;
        for (k, &dim) in dims.iter().enumerate() {
            let index = indices[row * depth + k];
            let from_start = if index < 0 { index.saturating_add(dim as i64) } else { index };
            let inside = usize::try_from(from_start).ok().filter(|&i| i < dim);
            place += steps[batch + k]
                * inside.ok_or_else(|| {
                    wrong_value("indices", index, format!("an index of a dimension of {dim}"))
                })?;
        }
        places.push(place);
    }
    Ok(Slices { places, shape: data.shape()[batch + depth..].to_vec() })
}
