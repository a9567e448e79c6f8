//! Where the elements stand that indices along one axis name, and what is done to them.

use vairun_tensor::Tensor;

use super::gather::places as along_axis;
use crate::attrs::Attrs;
use crate::common::axes::{axis, strides};
use crate::common::dispatch::{with_element, with_number};
use crate::common::number::Number;
use crate::common::parameters::integers;
use crate::common::prelude::{wrong_shape, wrong_value};
use crate::common::types::same_type;
use crate::common::walk::offsets;
use crate::error::{BuildError, OpError};
use crate::spec::NodeSpec;

/// The place in `data` of each of `indices`, which stand for the coordinate along `along`.
pub(super) fn places(data: &Tensor, indices: &Tensor, along: i64) -> Result<Vec<usize>, OpError> {
    let axis = axis(along, data.rank())?;
    if indices.rank() != data.rank() {
        let expected = format!("rank {} as data", data.rank());
        return Err(wrong_shape("indices", indices.shape(), expected));
    }
    for (i, (&own, &dim)) in indices.shape().iter().zip(data.shape()).enumerate() {
        if i != axis && own > dim {
            let expected = format!("at most {dim} along axis {i}");
            return Err(wrong_shape("indices", indices.shape(), expected));
        }
    }
    let mut steps = strides(data.shape());
    let step = std::mem::take(&mut steps[axis]);
    let along = along_axis(&integers(indices, "indices")?, data.shape()[axis])?;
    let others = offsets(indices.shape(), &steps);
    Ok(along.into_iter().zip(others).map(|(index, at)| at + index * step).collect())
}

/// What becomes of an element that an update falls on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

impl Reduction {
    /// `reduction`, which came with opset 16; `max` and `min` with 18.
    pub(super) fn read(spec: &NodeSpec, attrs: &Attrs) -> Result<Self, BuildError> {
        if spec.op.opset < 16 {
            return Ok(Self::None);
        }
        Ok(match attrs.string("reduction")?.as_deref() {
            None | Some("none") => Self::None,
            Some("add") => Self::Add,
            Some("mul") => Self::Mul,
            Some("max") => Self::Max,
            Some("min") => Self::Min,
            Some(other) => {
                return Err(Attrs::value("reduction", other, "none, add, mul, max or min"));
            }
        })
    }

    /// `data` with the updates at `places`, `run` neighbouring elements each, one after the other.
    pub(super) fn scatter(
        self,
        data: Tensor,
        places: &[usize],
        run: usize,
        updates: &Tensor,
    ) -> Result<Tensor, OpError> {
        same_type(&data, updates, "updates")?;
        if updates.len() != places.len() * run {
            return Err(wrong_value(
                "updates",
                format!("{} elements", updates.len()),
                format!("{}", places.len() * run),
            ));
        }
        if self == Self::None {
            return with_element!(data.dtype(), T => {
                write::<T>(data, places, run, updates, |old, new| old.clone_from(new))
            });
        }
        with_number!(data.dtype(), "data", T => {
            write::<T>(data, places, run, updates, |old, &new| *old = self.reduce(*old, new))
        })
    }

    fn reduce<T: Number>(self, old: T, new: T) -> T {
        match self {
            Self::None => new,
            Self::Add => old.add(new),
            Self::Mul => old.mul(new),
            Self::Max => old.larger(new),
            Self::Min => old.smaller(new),
        }
    }
}

fn write<T: vairun_tensor::Element>(
    mut data: Tensor,
    places: &[usize],
    run: usize,
    updates: &Tensor,
    write: impl Fn(&mut T, &T),
) -> Result<Tensor, OpError> {
    let updates = updates.as_slice::<T>()?;
    let elements = data.make_mut::<T>()?;
    for (i, &place) in places.iter().enumerate() {
        let old = &mut elements[place..place + run];
        old.iter_mut().zip(&updates[i * run..]).for_each(|(old, new)| write(old, new));
    }
    Ok(data)
}
