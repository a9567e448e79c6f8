//! How a kernel moves over an image whose channels lie last.

use vairun_numeric::contraction::Window;

use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};

/// Numbers beyond this make no sense and could overflow.
const LARGEST: i64 = 1 << 24;

/// The attributes `kernel`, `stride`, `dilation`, `pad`, in the order width, height, depth.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    pad: Vec<usize>,
}

impl Windows {
    pub(super) fn read(attrs: &Attrs) -> Result<Self, BuildError> {
        let kernel = list(attrs, "kernel", 1, None)?;
        let n = kernel.len();
        if !(1..=3).contains(&n) {
            return Err(Attrs::value("kernel", format!("{kernel:?}"), "1 to 3 lengths"));
        }
        Ok(Self {
            stride: list(attrs, "stride", 1, Some(n))?,
            dilation: list(attrs, "dilation", 1, Some(n))?,
            pad: list(attrs, "pad", 0, Some(2 * n))?,
            kernel,
        })
    }

    /// The spatial dimensions of `shape`, `[batch, height, width, depth, channels]`, outermost first.
    ///
    /// # Errors
    /// [`OpError::Shape`] for another number of dimensions.
    pub(super) fn over(&self, shape: &[usize]) -> Result<Vec<Window>, OpError> {
        let n = self.kernel.len();
        if shape.len() != n + 2 {
            let expected = format!("{} dimensions, the channels last", n + 2);
            return Err(OpError::Shape { input: "input".into(), got: shape.to_vec(), expected });
        }
        let window = |place: usize| {
            let d = self.attribute_of(place);
            Window {
                input: shape[1 + place],
                kernel: self.kernel[d],
                stride: self.stride[d],
                dilation: self.dilation[d],
                pad_begin: self.pad[2 * d],
                pad_end: self.pad[2 * d + 1],
                output_padding: 0,
            }
        };
        Ok((0..n).map(window).collect())
    }

    /// Which number of an attribute belongs to the spatial dimension `place`.
    pub(super) fn attribute_of(&self, place: usize) -> usize {
        match (place, self.kernel.len()) {
            (0 | 1, 2..) => 1 - place,
            (place, _) => place,
        }
    }

    /// The lengths of the kernel, outermost first.
    pub(super) fn kernel(&self) -> Vec<usize> {
        (0..self.kernel.len()).map(|place| self.kernel[self.attribute_of(place)]).collect()
    }
}

fn list(
    attrs: &Attrs,
    name: &'static str,
    least: i64,
    count: Option<usize>,
) -> Result<Vec<usize>, BuildError> {
    let values = attrs.ints(name)?.ok_or_else(|| BuildError::MissingAttribute(name.into()))?;
    let fits = values.iter().all(|value| (least..=LARGEST).contains(value));
    if !fits || count.is_some_and(|count| values.len() != count) {
        let count = count.map_or_else(String::new, |count| format!("{count} "));
        return Err(Attrs::value(
            name,
            format!("{values:?}"),
            &format!("{count}numbers of at least {least}"),
        ));
    }
    Ok(values.iter().map(|&value| value as usize).collect())
}

/// The error for a window that does not fit.
pub(super) fn does_not_fit(shape: &[usize]) -> OpError {
    OpError::Shape {
        input: "input".into(),
        got: shape.to_vec(),
        expected: "room for the kernel".into(),
    }
}
