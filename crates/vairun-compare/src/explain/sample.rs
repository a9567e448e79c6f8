//! A stretch of a tensor in which many elements differ: what does not explain these explains nothing.

use vairun_tensor::Tensor;

use super::case::Case;
use super::tail::Tail;

/// Into so many stretches a tensor is cut. One of them has at least this part of all differences, which is more than an
/// explanation may leave: so no explanation is lost.
const STRETCHES: usize = 16;

/// Below this many elements the whole tensor is looked at.
const LEAST: usize = 1 << 13;

/// One stretch of both sides, with what makes it.
pub(super) struct Sample {
    pub(super) want: Tensor,
    pub(super) tail: Tail,
}

impl Sample {
    /// The stretch with the most differences; `None` where the tensor is small, or its last quantizer is no function of
    /// single elements.
    pub(super) fn of(case: &Case) -> Option<Self> {
        let (got, want) = (&case.got, &case.want);
        let tail = case.tail().filter(|tail| tail.is_elementwise())?;
        let x = tail.quantized()?;
        let per_tensor = case.record.quantizer.iter().all(|quantizer| quantizer.scale.len() == 1);
        if !per_tensor || got.shape() != want.shape() || x.len() != got.len() || got.len() < LEAST {
            return None;
        }
        let length = got.len().div_ceil(STRETCHES);
        let count = |start: usize| {
            let end = got.len().min(start + length);
            let (a, b) = (stretch(got, start..end)?, stretch(want, start..end)?);
            Some((case.beyond(&a, &b)?, start..end, a, b))
        };
        let all = (0..got.len()).step_by(length).map(count).collect::<Option<Vec<_>>>()?;
        let (_, range, got, want) = all.into_iter().max_by_key(|(beyond, ..)| *beyond)?;
        let made = match tail.exact {
            true => got,
            false => stretch(&tail.evaluate(case.engine(), &Default::default())?, range.clone())?,
        };
        let tail = tail.with(stretch(x, range)?);
        let itself = tail.evaluate(case.engine(), &Default::default())?;
        itself.bits_eq(&made).then_some(Self { want, tail })
    }
}

fn stretch(tensor: &Tensor, range: std::ops::Range<usize>) -> Option<Tensor> {
    let bytes = tensor.as_bytes()?;
    let width = tensor.dtype().carrier().bytes()?;
    let shape = [range.len()];
    let part = bytes.get(range.start * width..range.end * width)?;
    Tensor::from_le_bytes(tensor.dtype(), &shape, part).ok()
}
