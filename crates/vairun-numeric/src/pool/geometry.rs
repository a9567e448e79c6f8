use std::ops::Range;

/// One dimension that a window moves along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolAxis {
    /// Length of the input.
    pub input: usize,
    /// Length of the output.
    pub output: usize,
    /// Length of the window.
    pub kernel: usize,
    /// Step of the window; at least 1.
    pub stride: usize,
    /// Distance of neighbouring elements of the window; at least 1.
    pub dilation: usize,
    /// Padding before the input.
    pub pad_begin: usize,
    /// Padding after the input.
    pub pad_end: usize,
}

/// Outputs that read the input at regular steps through the same element of the window.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: usize,
    last: usize,
    input: usize,
}

impl PoolAxis {
    /// The elements of the window that lie in the input, for output `o`.
    fn taps(&self, o: usize) -> Range<usize> {
        self.taps_within(o * self.stride, self.pad_begin, self.pad_begin + self.input)
    }

    /// How many elements of the window lie in the input.
    fn valid(&self, o: usize) -> usize {
        self.taps(o).len()
    }

    /// How many elements of the window lie in the input or its padding: less than the window where `ceil_mode` lets
    /// the last one reach beyond.
    fn padded(&self, o: usize) -> usize {
        self.taps_within(o * self.stride, 0, self.pad_begin + self.input + self.pad_end).len()
    }

    /// The elements of a window at `start` that lie in `low..high`.
    fn taps_within(&self, start: usize, low: usize, high: usize) -> Range<usize> {
        let below =
            |bound: usize| bound.saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        below(low)..below(high).max(below(low))
    }

    /// The outputs that see the input through element `k`; `None` where none does.
    fn span(&self, k: usize) -> Option<Span> {
        let offset = k * self.dilation;
        let first = self.pad_begin.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.pad_begin + self.input).checked_sub(offset + 1)? / self.stride + 1;
        let last = end.min(self.output);
        (first < last).then(|| Span {
            first,
            last,
            input: first * self.stride + offset - self.pad_begin,
        })
    }

    fn spans(&self) -> Vec<Span> {
        let reach = (self.pad_begin + self.input).div_ceil(self.dilation).min(self.kernel);
        (0..reach).filter_map(|k| self.span(k)).collect()
    }
}

/// A window over planes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many planes there are.
    pub planes: usize,
    /// The dimensions of a plane, outermost first; at least one.
    pub axes: Vec<PoolAxis>,
}

impl Pool {
    /// Elements of a plane of the input.
    pub fn input_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// Elements of a plane of the output.
    pub fn output_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }

    /// How the windows walk over any plane.
    pub(super) fn walk(&self) -> Walk {
        let (columns, outer) = self.axes.split_last().expect("a pool has at least one dimension");
        Walk {
            rows: rows(outer),
            spans: columns.spans(),
            input: columns.input,
            output: columns.output,
        }
    }

    /// For each output of a plane, the number that a mean divides by: the elements of its window that lie in the input,
    /// or also those in the padding.
    pub fn counts(&self, include_padding: bool) -> Vec<usize> {
        let count = if include_padding { PoolAxis::padded } else { PoolAxis::valid };
        self.axes.iter().fold(vec![1], |counts, axis| {
            let along: Vec<_> = (0..axis.output).map(|o| count(axis, o)).collect();
            counts.iter().flat_map(|n| along.iter().map(move |m| n * m)).collect()
        })
    }
}

/// The walk of a pool's windows over a plane, the same for each of them.
pub(super) struct Walk {
    rows: Vec<Vec<usize>>,
    spans: Vec<Span>,
    /// The last dimension.
    input: usize,
    output: usize,
}

impl Walk {
    /// Calls `visit(outputs, input)` for runs of outputs, within one plane, that read the input from `input` on, every
    /// `stride` of the last dimension. Each output meets the elements of its window in row-major order.
    #[inline(always)]
    pub(super) fn visit(&self, mut visit: impl FnMut(Range<usize>, usize)) {
        for (row, inputs) in self.rows.iter().enumerate() {
            let start = row * self.output;
            for input in inputs {
                for span in &self.spans {
                    visit(start + span.first..start + span.last, input * self.input + span.input);
                }
            }
        }
    }
}

/// For each row of outputs the rows of the input that it sees, both counted over all dimensions but the last.
fn rows(outer: &[PoolAxis]) -> Vec<Vec<usize>> {
    outer.iter().fold(vec![vec![0]], |rows, axis| {
        let seen: Vec<Vec<usize>> = (0..axis.output)
            .map(|o| {
                axis.taps(o).map(|k| o * axis.stride + k * axis.dilation - axis.pad_begin).collect()
            })
            .collect();
        let join = |row: &Vec<usize>, inner: &Vec<usize>| {
            row.iter().flat_map(|at| inner.iter().map(move |i| at * axis.input + i)).collect()
        };
        rows.iter().flat_map(|row| seen.iter().map(move |inner| join(row, inner))).collect()
    })
}
