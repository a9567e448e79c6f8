//! The first quantizer of the model, given its input under another factor and offset.

use vairun_tensor::Tensor;

use super::super::case::Case;
use super::super::numbers::Numbers;
use crate::measure::channels::Layout;
use crate::report::Explanation;

/// The first quantizer has quantized a · x + b: another scaling than any that is known.
///
/// The numbers are found from codes, so that some codes beside the border to the next may still differ.
pub(in super::super) fn first_quantizer(case: &Case) -> Option<Explanation> {
    let (tail, numbers) = (case.tail()?, case.numbers()?);
    let x = tail.quantized()?;
    super::place_of_input(case)?;
    if x.shape() != case.want.shape() {
        return None;
    }
    let rank = x.rank();
    let axes = [None, Some(1), rank.checked_sub(1)];
    axes.into_iter().filter(|axis| axis.is_none_or(|axis| axis < rank)).find_map(|axis| {
        let layout = Layout::of(x.shape(), axis);
        let count = if axis.is_some() { layout.count } else { 1 };
        let channel = |i: usize| if count == 1 { 0 } else { layout.channel(i) };
        let data = x.as_slice::<f32>().ok()?;
        let fits = regression(case, data, numbers, count, channel)?;
        let number = |(i, &x): (usize, &f32)| {
            let (a, b) = fits[channel(i)];
            (f64::from(x) * a + b) as f32
        };
        let other = data.iter().enumerate().map(number).collect();
        let made = tail.of_numbers(case.engine(), Tensor::new(x.shape(), other).ok()?)?;
        let left = case.differing_of(&made)?;
        let (a, b) = fits[0];
        let itself = (a - 1.0).abs() < 1e-3 && b.abs() < 1e-3 * size(data);
        (!itself && left.saturating_mul(10) <= case.differing()).then(|| Explanation {
            cause: "input".to_owned(),
            text: format!(
                "as if the input had been {a:.4} · x {b:+.4}{}: {left} differences; it was scaled or normalised otherwise",
                if count > 1 { " (for the first channel)" } else { "" }
            ),
            differing: case.differing(),
            left,
            proof: None,
        })
    })
}

fn size(data: &[f32]) -> f64 {
    data.iter().fold(0.0f64, |most, &x| most.max(f64::from(x).abs()))
}

/// The line for each channel that the golden's numbers lie on over the model's, what may have been clipped left out.
fn regression(
    case: &Case,
    data: &[f32],
    numbers: &Numbers,
    count: usize,
    channel: impl Fn(usize) -> usize,
) -> Option<Vec<(f64, f64)>> {
    let codes = numbers.codes.as_ref()?;
    let quantizer =
        case.record.quantizer.as_ref().filter(|quantizer| quantizer.scale.len() == 1)?;
    let (scale, zero_point) = (f64::from(quantizer.scale[0]), quantizer.zero_point[0]);
    let mut sums = vec![[0f64; 5]; count];
    for (i, (&x, &code)) in data.iter().zip(&codes.want).enumerate() {
        if !codes.at_end(code) {
            let (x, y) = (f64::from(x), (code - zero_point) as f64 * scale);
            let more = [1.0, x, y, x * x, x * y];
            sums[channel(i)].iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
    let line = |[n, x, y, xx, xy]: &[f64; 5]| {
        let a = (n * xy - x * y) / (n * xx - x * x);
        let b = (y - a * x) / n;
        (*n >= 16.0 && a.is_finite() && b.is_finite()).then_some((a, b))
    };
    sums.iter().map(line).collect()
}
