use vairun_numeric::extended::{BrainGrid, WideGrid};
use vairun_numeric::linear::Grid;
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Tensor, bf16};

use crate::common::axes;
use crate::error::OpError;

/// The types of codes.
const TYPES: &str =
    "int8, uint8, int16, uint16, int32, uint32, float16 or bfloat16 (that of zero_point)";

/// The scale and the zero point of `ExtendedQuantizeLinear` and `ExtendedDequantizeLinear`, checked against the tensor.
pub(super) struct Parameters<'a> {
    scale: &'a [f32],
    zero_point: &'a Tensor,
    /// Along which dimension they differ.
    pub(super) axis: Option<usize>,
    pub(super) spread: Spread,
}

impl<'a> Parameters<'a> {
    /// For a tensor of `shape`; `axis` as in the attribute.
    pub(super) fn new(
        shape: &[usize],
        scale: &'a Tensor,
        zero_point: &'a Tensor,
        axis: i64,
    ) -> Result<Self, OpError> {
        check_dtype(zero_point.dtype())?;
        let (axis, spread) = match is_single(scale) {
            true => (None, Spread::Tensor),
            false => {
                let axis = axes::axis(axis, shape.len())?;
                (Some(axis), Spread::axis(shape, axis))
            }
        };
        for (name, tensor) in [("scale", scale), ("zero_point", zero_point)] {
            check_shape(name, tensor, axis.map(|axis| shape[axis]))?;
        }
        Ok(Self { scale: scale.as_slice()?, zero_point, axis, spread })
    }

    /// For codes of at most 16 bits.
    pub(super) fn narrow(&self) -> Result<Vec<Grid>, OpError> {
        let narrow = |zero_point| i32::try_from(zero_point).expect("at most 16 bits");
        let zero_points = self.zero_points()?.into_iter().map(narrow);
        Ok(self
            .scales()
            .zip(zero_points)
            .map(|(scale, zero_point)| Grid { scale, zero_point })
            .collect())
    }

    /// For codes of any integer type.
    pub(super) fn wide(&self) -> Result<Vec<WideGrid>, OpError> {
        let grid = |(scale, zero_point)| WideGrid { scale, zero_point };
        Ok(self.scales().zip(self.zero_points()?).map(grid).collect())
    }

    /// For codes of bfloat16.
    pub(super) fn brain(&self) -> Result<Vec<BrainGrid>, OpError> {
        let zero_points = self.zero_point.as_slice::<bf16>()?.iter();
        let grid = |(scale, &zero_point)| BrainGrid { scale, zero_point };
        Ok(self.scales().zip(zero_points).map(grid).collect())
    }

    /// The zero points as int32, where they fit.
    pub(super) fn zero_points_i32(&self) -> Option<Vec<i32>> {
        self.zero_points().ok()?.into_iter().map(|value| i32::try_from(value).ok()).collect()
    }

    pub(super) fn scales(&self) -> impl Iterator<Item = f32> {
        self.scale.iter().copied()
    }

    fn zero_points(&self) -> Result<Vec<i64>, OpError> {
        macro_rules! read {
            ($($dtype:ident $rust:ty),*) => {
                match self.zero_point.dtype() {
                    $(DType::$dtype => self.zero_point.as_slice::<$rust>()?.iter().map(|&z| z.into()).collect(),)*
                    got => return Err(dtype_error("zero_point", got)),
                }
            };
        }
        Ok(read!(I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32))
    }
}

/// The grid of codes of at most 16 bits, where it is one for the whole tensor.
pub(super) fn single(scale: &Tensor, zero_point: &Tensor) -> Option<Grid> {
    if !is_single(scale) || !is_single(zero_point) {
        return None;
    }
    let parameters = Parameters::new(&[], scale, zero_point, 0).ok()?;
    let (&scale, &zero_point) = (parameters.scale.first()?, parameters.zero_points_i32()?.first()?);
    Some(Grid { scale, zero_point })
}

/// That `got` is a type of codes.
pub(super) fn check_dtype(got: DType) -> Result<(), OpError> {
    use DType::{BF16, F16, I8, I16, I32, U8, U16, U32};
    match got {
        I8 | U8 | I16 | U16 | I32 | U32 | F16 | BF16 => Ok(()),
        _ => Err(dtype_error("zero_point", got)),
    }
}

pub(super) fn dtype_error(input: &str, got: DType) -> OpError {
    OpError::DType { input: input.into(), got, expected: TYPES.into() }
}

fn is_single(tensor: &Tensor) -> bool {
    matches!(tensor.shape(), [] | [1])
}

fn check_shape(name: &str, tensor: &Tensor, count: Option<usize>) -> Result<(), OpError> {
    let (fits, expected) = match count {
        None => (is_single(tensor), "[] or [1], as scale".to_owned()),
        Some(count) => {
            (tensor.shape() == [count], format!("[{count}], one for each index of `axis`"))
        }
    };
    if fits {
        return Ok(());
    }
    Err(OpError::Shape { input: name.into(), got: tensor.shape().to_vec(), expected })
}
