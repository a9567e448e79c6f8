//! Both sides of a case as numbers.

use vairun_tensor::Tensor;

use crate::measure::channels::Layout;
use crate::measure::lanes;
use crate::quantizer::Kind;
use crate::report::Record;

/// The elements of both sides, which have the same shape.
pub(super) struct Numbers {
    pub(super) got: Vec<f64>,
    pub(super) want: Vec<f64>,
    /// Both as codes, where they are whole steps of a quantizer.
    pub(super) codes: Option<Codes>,
    kind: Kind,
}

/// Codes of both sides.
pub(super) struct Codes {
    pub(super) got: Vec<i64>,
    pub(super) want: Vec<i64>,
    /// The range of the quantizer, where known.
    pub(super) range: Option<[i64; 2]>,
}

impl Numbers {
    pub(super) fn of(got: &Tensor, want: &Tensor, record: &Record) -> Option<Self> {
        if got.shape() != want.shape() || got.is_empty() {
            return None;
        }
        let kind = record.kind;
        let (got_numbers, want_numbers) = (lanes::to_f64(got)?, lanes::to_f64(want)?);
        let codes = Codes::of(&got_numbers, &want_numbers, got.shape(), record);
        Some(Self { got: got_numbers, want: want_numbers, codes, kind })
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.got.iter().copied().zip(self.want.iter().copied())
    }

    /// Whether two numbers count as the same.
    pub(super) fn same(&self, a: f64, b: f64) -> bool {
        same(self.kind, a, b)
    }
}

/// Whether two numbers count as the same for elements of a kind.
pub(super) fn same(kind: Kind, a: f64, b: f64) -> bool {
    match kind {
        Kind::Codes => a == b,
        _ => a == b || (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-3),
    }
}

impl Codes {
    fn of(got: &[f64], want: &[f64], shape: &[usize], record: &Record) -> Option<Self> {
        let quantizer = record.quantizer.as_ref();
        let range = quantizer.and_then(|quantizer| quantizer.range);
        match (record.kind, quantizer) {
            (Kind::Codes, _) => Some(Self {
                got: whole(got, |_| (1.0, 0))?,
                want: whole(want, |_| (1.0, 0))?,
                range,
            }),
            (Kind::Dequantized, Some(quantizer)) => {
                let layout = Layout::of(shape, quantizer.axis);
                let step = |i: usize| {
                    let channel = if quantizer.axis.is_some() { layout.channel(i) } else { 0 };
                    (f64::from(quantizer.scale[channel]), quantizer.zero_point[channel])
                };
                Some(Self { got: whole(got, step)?, want: whole(want, step)?, range })
            }
            _ => None,
        }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (i64, i64)> {
        self.got.iter().copied().zip(self.want.iter().copied())
    }

    /// Whether a code stands at an end of the range.
    pub(super) fn at_end(&self, code: i64) -> bool {
        self.range.is_some_and(|range| range.contains(&code))
    }
}

fn whole(numbers: &[f64], step: impl Fn(usize) -> (f64, i64)) -> Option<Vec<i64>> {
    let code = |(i, number): (usize, &f64)| {
        let (scale, zero_point) = step(i);
        let code = number / scale;
        let near = (code - code.round()).abs() < 1e-2 && code.abs() < 1e12;
        near.then(|| code.round() as i64 + zero_point)
    };
    numbers.iter().enumerate().map(code).collect()
}
