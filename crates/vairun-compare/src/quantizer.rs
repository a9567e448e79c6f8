use serde::{Deserialize, Serialize};
use vairun_tensor::{Dequantized, Tensor};

/// How the numbers of a tensor stand for integer codes: `number = (code - zero_point) · scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantizer {
    /// One step: one entry, or one for each index of `axis`.
    pub scale: Vec<f32>,
    /// The code of the number 0; as many as `scale`.
    pub zero_point: Vec<i64>,
    /// The dimension that `scale` runs along.
    pub axis: Option<usize>,
    /// The least and the greatest code, where known.
    pub range: Option<[i64; 2]>,
}

/// What the elements of a tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Integer codes of a quantizer, in an integer type or as whole numbers in a float type.
    Codes,
    /// Real numbers that a dequantizer made: whole multiples of a step.
    Dequantized,
    /// Anything else.
    Plain,
}

impl Quantizer {
    /// One scale for the whole tensor.
    pub fn per_tensor(scale: f32, zero_point: i64, range: Option<[i64; 2]>) -> Self {
        Self { scale: vec![scale], zero_point: vec![zero_point], axis: None, range }
    }

    /// From what a dequantizer left beside its output. It does not tell the range of the codes.
    pub fn of(origin: &Dequantized) -> Option<Self> {
        Self::from_tensors(&origin.scale, Some(&origin.zero_point), origin.axis, None)
    }

    /// From the tensors of a quantizer's or dequantizer's inputs, of any type. `None` where they do not fit together.
    pub fn from_tensors(
        scale: &Tensor,
        zero_point: Option<&Tensor>,
        axis: Option<usize>,
        range: Option<[i64; 2]>,
    ) -> Option<Self> {
        let scale: Vec<f32> = numbers(scale)?.into_iter().map(|value| value as f32).collect();
        let zero_point = match zero_point {
            Some(tensor) => numbers(tensor)?.into_iter().map(|value| value as i64).collect(),
            None => vec![0; scale.len()],
        };
        let axis = axis.filter(|_| scale.len() > 1);
        Self::checked(scale, zero_point, axis, range)
    }

    fn checked(
        scale: Vec<f32>,
        mut zero_point: Vec<i64>,
        axis: Option<usize>,
        range: Option<[i64; 2]>,
    ) -> Option<Self> {
        if zero_point.len() == 1 && scale.len() > 1 {
            zero_point = vec![zero_point[0]; scale.len()];
        }
        let fits = scale.len() == zero_point.len() && (scale.len() == 1 || axis.is_some());
        let usable = scale.iter().all(|step| step.is_finite() && *step > 0.0);
        (fits && usable).then_some(Self { scale, zero_point, axis, range })
    }

    /// Whether a tensor of that shape can have this quantizer.
    pub fn fits(&self, shape: &[usize]) -> bool {
        match self.axis {
            None => self.scale.len() == 1,
            Some(axis) => shape.get(axis) == Some(&self.scale.len()),
        }
    }

    /// `2^-4`, `0.0157`, or `0.0012 … 0.034 (64 channels)`.
    pub fn describe_scale(&self) -> String {
        match self.scale.as_slice() {
            [one] => describe_step(*one),
            many => {
                let least = many.iter().copied().fold(f32::INFINITY, f32::min);
                let most = many.iter().copied().fold(0.0, f32::max);
                let (least, most) = (describe_step(least), describe_step(most));
                format!("{least} … {most} ({} channels)", many.len())
            }
        }
    }
}

/// A power of two as `2^n`, any other number in decimals.
pub(crate) fn describe_step(step: f32) -> String {
    let exponent = step.log2();
    if exponent == exponent.round() && 2f32.powf(exponent) == step {
        format!("2^{exponent}")
    } else {
        format!("{step}")
    }
}

fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    crate::measure::lanes::to_f64(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_do_not_fit_together_make_no_quantizer() {
        let scale = Tensor::vector(vec![0.5f32, 0.25]);
        let zero = Tensor::vector(vec![0i8, 1]);
        let three = Tensor::vector(vec![0i8; 3]);
        assert!(Quantizer::from_tensors(&scale, Some(&zero), Some(1), None).is_some());
        assert!(Quantizer::from_tensors(&scale, Some(&zero), None, None).is_none());
        assert!(Quantizer::from_tensors(&scale, Some(&three), Some(1), None).is_none());
        assert!(Quantizer::from_tensors(&Tensor::scalar(0f32), None, None, None).is_none());
        assert!(Quantizer::from_tensors(&Tensor::scalar(f32::NAN), None, None, None).is_none());
    }

    #[test]
    fn powers_of_two_are_written_as_such() {
        assert_eq!(describe_step(0.0625), "2^-4");
        assert_eq!(describe_step(0.1), "0.1");
    }
}
