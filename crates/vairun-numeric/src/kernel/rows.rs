use std::ops::Range;

use crate::contraction::indices;
use crate::contraction::{ConvGeometry, Window};

/// Which pixel of x each pixel of the result reads through each tap, the same for every image of a batch.
#[derive(Clone, Debug)]
pub struct Rows {
    /// `[pixels of the result, taps]`; [`Rows::PADDING`] for a pixel outside of x. Empty where a kernel has all of it in
    /// another form.
    pub(super) table: Vec<u32>,
    /// Pixels of the result.
    pixels: usize,
    pub(super) taps: usize,
    /// Taps in a row that read pixels in a row, where none of them lies outside of x.
    pub(super) run: usize,
    /// Pixels of x from such a run to that of the next pixel in a row.
    pub(super) stride: usize,
    /// Pixels of x.
    pub(super) input: usize,
}

impl Rows {
    pub(super) const PADDING: u32 = u32::MAX;

    /// Of a convolution; `None` where its kernel does not fit, or the table would not fit memory.
    pub fn conv(geometry: &ConvGeometry) -> Option<Self> {
        let rows = Self::new(geometry, &geometry.output()?, Window::source)?;
        match geometry.windows.last() {
            Some(&Window { dilation: 1, kernel: run, stride, .. }) => {
                Some(Self { run, stride, ..rows })
            }
            _ => Some(rows),
        }
    }

    /// Of a transposed convolution.
    pub fn conv_transpose(geometry: &ConvGeometry) -> Option<Self> {
        Self::new(geometry, &geometry.transposed_output()?, Window::transposed_source)
    }

    /// Of a matrix product: each row of the result reads one row of x.
    pub fn matrix(rows: usize) -> Option<Self> {
        Some(Self {
            table: (0..u32::try_from(rows).ok()?).collect(),
            pixels: rows,
            taps: 1,
            run: 1,
            stride: 1,
            input: rows,
        })
    }

    /// Pixels of the result.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// Elements of the kernel.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// What some pixels of the result read, `[pixels, taps]`.
    pub(super) fn of(&self, pixels: Range<usize>) -> &[u32] {
        &self.table[pixels.start * self.taps..pixels.end * self.taps]
    }

    /// Pixels of x that those of the result read, each as often as it is.
    pub(super) fn reads(&self) -> usize {
        self.pixels * self.taps
    }

    /// Forgets the table.
    pub(super) fn forgotten(self) -> Self {
        Self { table: vec![], ..self }
    }

    /// Whether a window reads beyond x: zeros.
    pub fn any_padding(&self) -> bool {
        self.table.contains(&Self::PADDING)
    }

    /// Whether every window reads at least one pixel of x.
    pub fn all_touch(&self) -> bool {
        self.table
            .chunks_exact(self.taps.max(1))
            .all(|rows| rows.iter().any(|&at| at != Self::PADDING))
    }

    /// The pixel of x that pixel `pixel` of the result reads through `tap`; `None` in the padding.
    pub(crate) fn source(&self, pixel: usize, tap: usize) -> Option<usize> {
        let at = self.table[pixel * self.taps + tap];
        (at != Self::PADDING).then_some(at as usize)
    }

    fn new(
        geometry: &ConvGeometry,
        output: &[usize],
        source: impl Fn(&Window, usize, usize) -> Option<usize>,
    ) -> Option<Self> {
        let kernel: Vec<_> = geometry.windows.iter().map(|window| window.kernel).collect();
        let (pixels, taps) = (output.iter().product::<usize>(), geometry.taps());
        pixels.checked_mul(taps).filter(|&n| n < 1 << 32)?;
        let input = u32::try_from(geometry.pixels()).ok().filter(|&n| n < Self::PADDING)?;
        let (outputs, kernels) = (indices(output), indices(&kernel));
        let rank = output.len();
        let mut table = Vec::with_capacity(pixels * taps);
        for pixel in 0..pixels {
            let o = &outputs[pixel * rank..][..rank];
            for tap in 0..taps {
                let k = &kernels[tap * rank..][..rank];
                let place = |window: &Window, o, k, _| source(window, o, k);
                let at = geometry.place((o, k), |d| geometry.windows[d].input, place);
                table.push(at.map_or(Self::PADDING, |at| at as u32));
            }
        }
        Some(Self { table, pixels, taps, run: 1, stride: 1, input: input as usize })
    }
}
