use vairun_numeric::contraction::{self, ConvGeometry};
use vairun_tensor::Tensor;

use super::finish::{Finish, finish};
use super::side::Side;
use super::window::WindowAttributes;
use crate::error::OpError;
use crate::operator::Inputs;

/// Which dimension of w is that of the output channels.
pub(super) fn channel_axis(transposed: bool) -> usize {
    usize::from(transposed)
}

pub(super) fn run(
    attributes: &WindowAttributes,
    inputs: &Inputs,
    transposed: bool,
) -> Result<Option<Tensor>, OpError> {
    let (x, w) = (inputs.tensor(0, "X")?, inputs.tensor(1, "W")?);
    let (Some(x_side), Some(w_side)) = (Side::new(x), Side::new(w)) else { return Ok(None) };
    let along_sum = w_side.axis.is_some_and(|axis| axis != channel_axis(transposed));
    if x_side.axis.is_some() || along_sum {
        return Ok(None);
    }
    let geometry = match transposed {
        true => attributes.conv_transpose(x.shape(), w.shape())?,
        false => attributes.conv(x.shape(), w.shape())?,
    };
    let Some(geometry) = geometry else { return Ok(None) };
    let bias = inputs.optional(2)?;
    if let Some(bias) = bias.filter(|bias| bias.shape() != [geometry.out_channels]) {
        let expected = format!("[{}], one for each output channel", geometry.out_channels);
        return Err(OpError::Shape { input: "B".into(), got: bias.shape().to_vec(), expected });
    }
    let Some(shape) = output_shape(&geometry, transposed)? else { return Ok(None) };
    // The scales of a transposed convolution run over the channels of one group and are shared by the groups.
    let Some(scales) = x_side.product(&w_side, w.shape()[channel_axis(transposed)]) else {
        return Ok(None);
    };
    let scales: Vec<f32> = scales.into_iter().cycle().take(geometry.out_channels).collect();
    let Some(finishes) = Finish::all(&scales, bias) else { return Ok(None) };
    let sums = match transposed {
        true => contraction::conv_transpose(&geometry, &x_side.operand(), &w_side.operand()),
        false => contraction::conv(&geometry, &x_side.operand(), &w_side.operand()),
    };
    let Some(sums) = sums else { return Ok(None) };
    let inner = shape[2..].iter().product();
    Ok(Some(Tensor::new(&shape, finish(&sums, &finishes, inner))?))
}

/// The shape of the result; `None` where there is none.
///
/// # Errors
/// [`OpError::TooLarge`].
pub(crate) fn output_shape(
    geometry: &ConvGeometry,
    transposed: bool,
) -> Result<Option<Vec<usize>>, OpError> {
    let spatial = if transposed { geometry.transposed_output() } else { geometry.output() };
    let Some(spatial) = spatial else { return Ok(None) };
    let mut shape = vec![geometry.batch, geometry.out_channels];
    shape.extend(spatial);
    // 16 bytes an element, of which half again while the sums are put in order.
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match count.filter(|&n| n <= isize::MAX as usize / 16) {
        Some(_) => Ok(Some(shape)),
        None => Err(OpError::TooLarge(shape)),
    }
}
