use vairun_numeric::contraction::{ConvGeometry, Window};

use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};

/// The attributes that say how a convolution moves over its input.
#[derive(Clone, Debug, Default)]
pub struct WindowAttributes {
    auto_pad: AutoPad,
    group: usize,
    kernel_shape: Option<Vec<usize>>,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<i64>>,
    output_padding: Option<Vec<usize>>,
    output_shape: Option<Vec<usize>>,
}

/// `auto_pad`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AutoPad {
    #[default]
    NotSet,
    SameUpper,
    SameLower,
    Valid,
}

impl WindowAttributes {
    /// Those of `Conv`: auto_pad, dilations, group, kernel_shape, pads, strides.
    ///
    /// # Errors
    /// Attributes of another kind, negative lengths, strides or dilations of 0, an unknown auto_pad.
    pub fn read(attrs: &Attrs) -> Result<Self, BuildError> {
        let group = attrs.int("group")?.unwrap_or(1);
        Ok(Self {
            auto_pad: AutoPad::read(attrs)?,
            group: lengths("group", &[group], 1)?[0],
            kernel_shape: lengths_of(attrs, "kernel_shape", 0)?,
            strides: lengths_of(attrs, "strides", 1)?,
            dilations: lengths_of(attrs, "dilations", 1)?,
            pads: attrs.ints("pads")?.map(<[i64]>::to_vec),
            output_padding: None,
            output_shape: None,
        })
    }

    /// Those of `ConvTranspose`: output_padding and output_shape too.
    ///
    /// # Errors
    /// As [`WindowAttributes::read`].
    pub fn read_transposed(attrs: &Attrs) -> Result<Self, BuildError> {
        Ok(Self {
            output_padding: lengths_of(attrs, "output_padding", 0)?,
            output_shape: lengths_of(attrs, "output_shape", 0)?,
            ..Self::read(attrs)?
        })
    }

    /// The convolution of x with w, of these shapes; `None` for pads that no integer kernel has (negative ones).
    ///
    /// # Errors
    /// Shapes or attributes that do not fit each other.
    pub fn conv(&self, x: &[usize], w: &[usize]) -> Result<Option<ConvGeometry>, OpError> {
        self.check(x, w, w.get(1).and_then(|c| c.checked_mul(self.group)))?;
        if !w[0].is_multiple_of(self.group) {
            return Err(shape(
                "w",
                w,
                format!("[m, …] with m a multiple of group = {}", self.group),
            ));
        }
        let Some(windows) = self.windows(x, w, Self::pads_of) else { return Ok(None) };
        let geometry = self.geometry(x, w[0], windows);
        let fits = || shape("x", x, format!("at least as large as the kernel {:?}", &w[2..]));
        geometry.output().ok_or_else(fits)?;
        Ok(Some(geometry))
    }

    /// The transposed convolution of x with w, of these shapes; `None` as for [`WindowAttributes::conv`].
    ///
    /// # Errors
    /// As [`WindowAttributes::conv`].
    pub fn conv_transpose(
        &self,
        x: &[usize],
        w: &[usize],
    ) -> Result<Option<ConvGeometry>, OpError> {
        self.check(x, w, w.first().copied())?;
        let out_channels =
            w[1].checked_mul(self.group).ok_or_else(|| OpError::TooLarge(w.to_vec()))?;
        if !x[1].is_multiple_of(self.group) {
            return Err(shape(
                "x",
                x,
                format!("[n, c, …] with c a multiple of group = {}", self.group),
            ));
        }
        let Some(windows) = self.windows(x, w, Self::transposed_pads_of) else { return Ok(None) };
        let geometry = self.geometry(x, out_channels, windows);
        Ok(geometry.transposed_output().is_some().then_some(geometry))
    }

    fn geometry(&self, x: &[usize], out_channels: usize, windows: Vec<Window>) -> ConvGeometry {
        ConvGeometry { batch: x[0], channels: x[1], out_channels, groups: self.group, windows }
    }

    fn check(&self, x: &[usize], w: &[usize], channels: Option<usize>) -> Result<(), OpError> {
        let rank = w.len();
        if rank < 2 || w[2..].contains(&0) {
            return Err(shape("w", w, "two dimensions of channels, then the kernel".into()));
        }
        if x.len() != rank || Some(x[1]) != channels {
            let channels = channels.map_or_else(|| "too many".to_owned(), |c| c.to_string());
            return Err(shape(
                "x",
                x,
                format!("{rank} dimensions with {channels} channels, for w {w:?}"),
            ));
        }
        if let Some(kernel) = self.kernel_shape.as_ref().filter(|kernel| **kernel != w[2..]) {
            return Err(shape("w", w, format!("the kernel {kernel:?} that kernel_shape says")));
        }
        let spatial = rank - 2;
        let lists = [&self.strides, &self.dilations, &self.output_padding, &self.output_shape];
        let pads = self.pads.as_ref().map_or(2 * spatial, Vec::len);
        // output_shape may hold the batch and the channels too in old files: the float operator's to judge.
        if lists.into_iter().flatten().any(|list| list.len() != spatial) || pads != 2 * spatial {
            return Err(shape(
                "w",
                w,
                "as many dimensions as strides, dilations and pads say".into(),
            ));
        }
        Ok(())
    }

    fn windows(
        &self,
        x: &[usize],
        w: &[usize],
        pads: impl Fn(&Self, &Window, usize) -> Option<(usize, usize)>,
    ) -> Option<Vec<Window>> {
        let at = |list: &Option<Vec<usize>>, d: usize, default| {
            list.as_ref().map_or(default, |list| list[d])
        };
        (0..w.len() - 2)
            .map(|d| {
                let mut window = Window {
                    input: x[2 + d],
                    kernel: w[2 + d],
                    stride: at(&self.strides, d, 1),
                    dilation: at(&self.dilations, d, 1),
                    pad_begin: 0,
                    pad_end: 0,
                    output_padding: at(&self.output_padding, d, 0),
                };
                (window.pad_begin, window.pad_end) = pads(self, &window, d)?;
                Some(window)
            })
            .collect()
    }

    fn explicit_pads(&self, d: usize) -> Option<(usize, usize)> {
        let Some(pads) = &self.pads else { return Some((0, 0)) };
        Some((pads[d].try_into().ok()?, pads[d + pads.len() / 2].try_into().ok()?))
    }

    fn pads_of(&self, window: &Window, d: usize) -> Option<(usize, usize)> {
        let same = || {
            let output = window.input.div_ceil(window.stride);
            let covered = output
                .saturating_sub(1)
                .checked_mul(window.stride)?
                .checked_add(window.extent()?)?;
            let total = covered.saturating_sub(window.input);
            Some((total / 2, total - total / 2))
        };
        match self.auto_pad {
            AutoPad::NotSet => self.explicit_pads(d),
            AutoPad::Valid => Some((0, 0)),
            AutoPad::SameUpper => same(),
            AutoPad::SameLower => same().map(|(less, more)| (more, less)),
        }
    }

    /// <https://github.com/onnx/onnx/blob/v1.19.0/docs/Operators.md#ConvTranspose>: where the shape of the output is
    /// given, or follows from auto_pad, the pads are what is too much.
    fn transposed_pads_of(&self, window: &Window, d: usize) -> Option<(usize, usize)> {
        let output = match (&self.output_shape, self.auto_pad) {
            (Some(output), _) => output[d],
            (None, AutoPad::NotSet) => return self.explicit_pads(d),
            (None, AutoPad::Valid) => return Some((0, 0)),
            (None, _) => window.input.checked_mul(window.stride)?,
        };
        let total = window.transposed_output()?.checked_sub(output)?;
        let (less, more) = (total / 2, total - total / 2);
        Some(if self.auto_pad == AutoPad::SameUpper { (less, more) } else { (more, less) })
    }
}

impl AutoPad {
    pub(crate) fn read(attrs: &Attrs) -> Result<Self, BuildError> {
        Ok(match attrs.string("auto_pad")?.as_deref() {
            None | Some("NOTSET" | "") => Self::NotSet,
            Some("SAME_UPPER") => Self::SameUpper,
            Some("SAME_LOWER") => Self::SameLower,
            Some("VALID") => Self::Valid,
            Some(other) => {
                return Err(Attrs::value(
                    "auto_pad",
                    other,
                    "NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                ));
            }
        })
    }
}

fn shape(input: &str, got: &[usize], expected: String) -> OpError {
    OpError::Shape { input: input.into(), got: got.to_vec(), expected }
}

/// An INTS of lengths of `least` or more.
pub(crate) fn lengths_of(
    attrs: &Attrs,
    name: &'static str,
    least: usize,
) -> Result<Option<Vec<usize>>, BuildError> {
    attrs.ints(name)?.map(|values| lengths(name, values, least)).transpose()
}

fn lengths(name: &str, values: &[i64], least: usize) -> Result<Vec<usize>, BuildError> {
    let length = |&value: &i64| {
        let length = usize::try_from(value).ok().filter(|&length| length >= least);
        length.ok_or_else(|| Attrs::value(name, value, &format!("at least {least}")))
    };
    values.iter().map(length).collect()
}

#[cfg(test)]
mod tests {
    use vairun_graph::{Attribute, Attributes};

    use super::*;

    fn attributes(list: &[(&str, Attribute)]) -> Attributes {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn pads(geometry: &ConvGeometry) -> Vec<(usize, usize)> {
        geometry.windows.iter().map(|window| (window.pad_begin, window.pad_end)).collect()
    }

    #[test]
    fn same_pads_put_the_odd_one_where_their_name_says() {
        for (name, expected) in [("SAME_UPPER", (0, 1)), ("SAME_LOWER", (1, 0))] {
            let attributes = attributes(&[
                ("auto_pad", Attribute::String(name.into())),
                ("strides", Attribute::Ints(vec![2, 2])),
            ]);
            let window = WindowAttributes::read(&Attrs::new(&attributes)).unwrap();
            let geometry = window.conv(&[1, 1, 8, 8], &[1, 1, 3, 3]).unwrap().unwrap();
            assert_eq!(
                (pads(&geometry)[0], geometry.output()),
                (expected, Some(vec![4, 4])),
                "{name}"
            );
        }
    }

    #[test]
    fn an_output_shape_decides_the_pads_of_a_transposed_convolution() {
        let attributes = attributes(&[
            ("output_shape", Attribute::Ints(vec![10])),
            ("strides", Attribute::Ints(vec![3])),
            ("output_padding", Attribute::Ints(vec![1])),
        ]);
        let window = WindowAttributes::read_transposed(&Attrs::new(&attributes)).unwrap();
        let geometry = window.conv_transpose(&[1, 1, 3], &[1, 1, 6]).unwrap().unwrap();
        assert_eq!((pads(&geometry)[0], geometry.transposed_output()), ((2, 1), Some(vec![10])));
    }

    #[test]
    fn negative_pads_are_left_to_the_float_operator() {
        let attributes = attributes(&[("pads", Attribute::Ints(vec![-1, 0]))]);
        let window = WindowAttributes::read(&Attrs::new(&attributes)).unwrap();
        assert_eq!(window.conv(&[1, 1, 8], &[1, 1, 3]).unwrap(), None);
    }

    #[test]
    fn channels_must_be_those_of_the_weights() {
        let window = WindowAttributes { group: 2, ..Default::default() };
        let error = window.conv(&[1, 3, 8], &[4, 2, 3]).unwrap_err().to_string();
        assert_eq!(
            error,
            "x has shape [1, 3, 8], expected 3 dimensions with 4 channels, for w [4, 2, 3]"
        );
    }
}
