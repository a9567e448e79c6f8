/// One spatial dimension of a convolution: how the kernel moves along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Length of the input.
    pub input: usize,
    /// Length of the kernel.
    pub kernel: usize,
    /// Step of the kernel (transposed: of the output); at least 1.
    pub stride: usize,
    /// Distance of neighbouring elements of the kernel; at least 1.
    pub dilation: usize,
    /// Zeros before the input (transposed: elements cut from the start of the output).
    pub pad_begin: usize,
    /// Zeros after the input (transposed: elements cut from the end of the output).
    pub pad_end: usize,
    /// Elements added to the end of the output; only for a transposed convolution.
    pub output_padding: usize,
}

impl Window {
    /// The length that the kernel covers.
    pub fn extent(&self) -> Option<usize> {
        self.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// The length of the output; `None` where the kernel does not fit or the length is no number.
    pub fn output(&self) -> Option<usize> {
        let padded = self.input.checked_add(self.pad_begin)?.checked_add(self.pad_end)?;
        padded.checked_sub(self.extent()?)?.checked_div(self.stride)?.checked_add(1)
    }

    /// The length of the output of a transposed convolution.
    pub fn transposed_output(&self) -> Option<usize> {
        let full = self.input.checked_sub(1)?.checked_mul(self.stride)?;
        let full = full.checked_add(self.extent()?)?.checked_add(self.output_padding)?;
        full.checked_sub(self.pad_begin)?.checked_sub(self.pad_end)
    }

    /// The place in the input that output `o` reads through element `k` of the kernel; `None` in the padding.
    pub(crate) fn source(&self, o: usize, k: usize) -> Option<usize> {
        (o * self.stride + k * self.dilation)
            .checked_sub(self.pad_begin)
            .filter(|&i| i < self.input)
    }

    /// The place in x that output `o` of a transposed convolution reads through element `k`; `None` where there is none.
    pub(crate) fn transposed_source(&self, o: usize, k: usize) -> Option<usize> {
        let at = (o + self.pad_begin).checked_sub(k * self.dilation)?;
        (at % self.stride == 0).then_some(at / self.stride).filter(|&i| i < self.input)
    }

    /// The place in the transposed output that input `i` adds to through element `k`, where `length` is kept.
    pub(super) fn target(&self, i: usize, k: usize, length: usize) -> Option<usize> {
        (i * self.stride + k * self.dilation).checked_sub(self.pad_begin).filter(|&o| o < length)
    }
}

/// The sizes of a convolution or transposed convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Batch size.
    pub batch: usize,
    /// Channels of x; a multiple of `groups`.
    pub channels: usize,
    /// Channels of the result; a multiple of `groups`.
    pub out_channels: usize,
    /// Independent groups of channels; at least 1.
    pub groups: usize,
    /// The spatial dimensions, outermost first; none is a 1×1 kernel on one pixel.
    pub windows: Vec<Window>,
}

impl ConvGeometry {
    /// The spatial dimensions of the result of [`super::conv`]; `None` where a kernel does not fit.
    pub fn output(&self) -> Option<Vec<usize>> {
        self.windows.iter().map(Window::output).collect()
    }

    /// The spatial dimensions of the result of [`super::conv_transpose`].
    pub fn transposed_output(&self) -> Option<Vec<usize>> {
        self.windows.iter().map(Window::transposed_output).collect()
    }

    /// Elements of the kernel.
    pub fn taps(&self) -> usize {
        self.windows.iter().map(|window| window.kernel).product()
    }

    /// The spatial dimensions of x.
    pub fn input(&self) -> Vec<usize> {
        self.windows.iter().map(|window| window.input).collect()
    }

    /// Elements of one channel of x.
    pub fn pixels(&self) -> usize {
        self.windows.iter().map(|window| window.input).product()
    }

    /// The row-major place in `lengths` of each index `place` gives for the pair of indices of all dimensions.
    pub(crate) fn place(
        &self,
        (a, b): (&[usize], &[usize]),
        lengths: impl Fn(usize) -> usize,
        place: impl Fn(&Window, usize, usize, usize) -> Option<usize>,
    ) -> Option<usize> {
        let mut at = 0;
        for (d, window) in self.windows.iter().enumerate() {
            at = at * lengths(d) + place(window, a[d], b[d], lengths(d))?;
        }
        Some(at)
    }
}

/// Every index of a row-major array of these lengths, in order, one after the other.
pub(crate) fn indices(lengths: &[usize]) -> Vec<usize> {
    let count: usize = lengths.iter().product();
    let mut all = vec![0; count * lengths.len()];
    for (mut at, index) in (0..count).zip(all.chunks_exact_mut(lengths.len().max(1))) {
        for (i, &length) in index.iter_mut().zip(lengths).rev() {
            (*i, at) = (at % length, at / length);
        }
    }
    all
}
