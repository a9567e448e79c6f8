//! What has no arguments: inputs and constants.

use vairun_tensor::{DType, Tensor};

use super::Layout;
use super::grid::{Codes, Grid, Kind, gcd};
use super::quantize::{self, Quantizer};
use super::reader::Reader;
use super::scope::{Draft, Lowered, Scope, declared_shape};
use crate::element_type::{ElementKind, ElementType};
use crate::error::XmodelError;
use crate::proto::OpNode;

/// A `const` that arithmetic reads becomes codes up to this size. float32 has 24 digits, so most numbers that are on
/// no grid on purpose (`0.1`) need more, and the factors behind means need less.
const LARGEST_CODE: i64 = 1 << 20;

/// `data`, `data-fix`: an input of the graph, real numbers under the name of the op.
pub(super) fn data(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["shape", "data_type"]);
    let element = op.element_type().ok_or("its tensor is missing")?;
    let shape = declared_shape(op)?;
    let fed = input(scope, op, shape)?;
    match element.kind {
        ElementKind::Float if element.bits == 32 => Ok(fed),
        ElementKind::Xint | ElementKind::Xuint => {
            let quantizer = Quantizer::of(op)?;
            quantize::push(scope, op, fed, &quantizer)
        }
        _ => Err(format!("an input of {element}, expected FLOAT32 or fixed-point")),
    }
}

/// The input in the layout of the file, whatever the caller's.
fn input(scope: &mut Scope, op: &OpNode, shape: Vec<usize>) -> Lowered {
    // Two or three dimensions are no images: their order is the same in ONNX.
    if scope.options.layout == Layout::Nhwc || !matches!(shape.len(), 4 | 5) {
        return scope.graph_input(&op.op_name, shape);
    }
    let rank = shape.len();
    let mut fed = shape.clone();
    fed[1..].rotate_right(1);
    let order: Vec<i64> = (0..1).chain(2..rank).chain(1..2).map(|axis| axis as i64).collect();
    let edge = scope.graph_input(&op.op_name, fed)?;
    let name = scope.free_name(format!("{}_nhwc", op.op_name));
    let draft = Draft::new(op, vec![edge]).with_type("transpose").with_name(name.clone());
    scope.push(draft.ints("order", &order), &name, shape, Kind::Real)
}

/// `const`, `const-fix`.
pub(super) fn constant(scope: &mut Scope, op: &OpNode, reader: &Reader) -> Lowered {
    reader.ignore(&["shape", "data_type", "data"]);
    let values = scope.constants.values(op).map_err(|error| match error {
        // The op is named by the caller.
        XmodelError::Op { problem, .. } => problem,
        other => other.to_string(),
    })?;
    let name = op.tensor_name();
    if let Some(ElementKind::Xint | ElementKind::Xuint) = op.element_type().map(|e| e.kind) {
        let quantizer = Quantizer::of(op)?;
        return scope.constant(name, values, Kind::Codes(quantizer.codes()));
    }
    let values = to_f32(values, op.element_type())?;
    let quantized_later = scope.readers(op).iter().all(|reader| reader.op_type == "fix");
    match on_grid(&values).filter(|_| !quantized_later) {
        None => scope.constant(name, values, Kind::Real),
        Some((tensor, codes)) => scope.constant(name, tensor, Kind::Codes(codes)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // as the exporter narrows them
fn to_f32(values: Tensor, element: Option<ElementType>) -> Result<Tensor, String> {
    let shape = values.shape().to_vec();
    let numbers: Vec<f32> = match values.dtype() {
        DType::F32 => return Ok(values),
        DType::F64 => values.as_slice::<f64>().map(|v| v.iter().map(|&x| x as f32).collect()),
        DType::I32 => values.as_slice::<i32>().map(|v| v.iter().map(|&x| x as f32).collect()),
        DType::I64 => values.as_slice::<i64>().map(|v| v.iter().map(|&x| x as f32).collect()),
        _ => {
            let element = element.map_or_else(String::new, |element| element.to_string());
            return Err(format!("a constant of {element} is not supported"));
        }
    }
    .map_err(|error| error.to_string())?;
    Tensor::new(&shape, numbers).map_err(|error| error.to_string())
}

/// The numbers as codes of the coarsest grid that has them all; `None` where there is no such grid with small codes.
pub(super) fn on_grid(values: &Tensor) -> Option<(Tensor, Codes)> {
    let numbers = values.as_slice::<f32>().ok()?;
    let fix_point = numbers.iter().map(|&x| digits(x)).collect::<Option<Vec<_>>>()?;
    let fix_point = fix_point.into_iter().flatten().max().unwrap_or(0);
    let scale = f64::from(fix_point).exp2();
    let mut codes = Vec::with_capacity(numbers.len());
    for &x in numbers {
        let code = f64::from(x) * scale;
        #[allow(clippy::cast_possible_truncation)] // an integer below 2^20
        codes.push((code.abs() <= LARGEST_CODE as f64).then_some(code as i32)?);
    }
    let bound = codes.iter().map(|&code| i64::from(code).abs()).max().unwrap_or(0);
    let factor = codes.iter().fold(0, |factor, &code| gcd(factor, code.into())).max(1);
    let tensor = Tensor::new(values.shape(), codes).ok()?;
    let grid = Grid::of(fix_point);
    Some((tensor, Codes { grid, bound, factor, dtype: DType::I32 }))
}

/// The binary digits behind the point that `x` needs (negative: zeros before it); `None` inside for 0, `None` for
/// what is no number.
fn digits(x: f32) -> Option<Option<i32>> {
    if !x.is_finite() {
        return None;
    }
    let bits = x.to_bits();
    let exponent = ((bits >> 23) & 0xff).cast_signed();
    let fraction = bits & 0x7f_ffff;
    let (mantissa, exponent) =
        if exponent == 0 { (fraction, -149) } else { (fraction | 0x80_0000, exponent - 150) };
    if mantissa == 0 {
        return Some(None);
    }
    Some(Some(-(exponent + mantissa.trailing_zeros().cast_signed())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(values: &[f32]) -> Option<(Vec<i32>, i32, i64)> {
        let (tensor, codes) = on_grid(&Tensor::vector(values.to_vec()))?;
        Some((tensor.into_vec().unwrap(), codes.grid.fix_point, codes.factor))
    }

    #[test]
    fn the_factor_behind_a_mean_is_on_a_grid() {
        // 3 × 3: 9 · 7 / 64
        assert_eq!(codes(&[0.984375, 0.984375]), Some((vec![63, 63], 6, 63)));
        // hard-sigmoid: 6 · 2731 / 16384
        assert_eq!(codes(&[1.000_122_1]), Some((vec![8193], 13, 8193)));
    }

    #[test]
    fn large_numbers_have_a_negative_fix_position() {
        assert_eq!(codes(&[96.0, -64.0]), Some((vec![3, -2], -5, 1)));
        assert_eq!(codes(&[0.0]), Some((vec![0], 0, 1)));
    }

    #[test]
    fn what_is_on_no_grid_stays_real() {
        assert_eq!(codes(&[0.1]), None);
        assert_eq!(codes(&[f32::NAN]), None);
        assert_eq!(codes(&[f32::INFINITY, 1.0]), None);
        assert_eq!(codes(&[1.0, 1e-30]), None);
    }
}
