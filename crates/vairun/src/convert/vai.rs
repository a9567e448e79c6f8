//! `vai::QuantizeLinear` and `vai::DequantizeLinear`: codes in float32 become integers.

use vairun_graph::{Node, ValueId};
use vairun_tensor::{DType, Tensor};

use super::native::since;
use super::spell;
use super::write::Writer;

/// ONNX's rounding, of the `method`s of vai.
const HALF_EVEN: i64 = 8;

/// What a quantizer says of its codes.
pub(super) struct Codes {
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) method: i64,
    pub(super) dtype: DType,
}

/// Rewrites a quantizer: folded where its input is constant, as QuantizeLinear where that rounds alike, else spelled out.
pub(super) fn quantize(writer: &mut Writer, node: &Node) -> Result<(), String> {
    let output = node.writes().next().ok_or("it makes nothing")?;
    let codes = codes(writer, node)?;
    readers_can_follow(writer, output, codes.dtype)?;
    if let Some(made) = writer.codes.remove(&output) {
        let folded = integers(&made, codes.dtype).ok_or("its constant has NaN")?;
        writer.fold(output, folded);
        writer.counts.folded += 1;
        return Ok(());
    }
    let scale = writer.constant(node, 3).ok_or("its scale is not a constant")?;
    let zero_point = writer.constant(node, 4).ok_or("its zero point is not a constant")?;
    let (step, zero) = match (floats(scale).as_deref(), whole(zero_point).as_deref()) {
        (Some([step]), Some([zero])) => (*step, *zero),
        _ => return Err("it quantizes what is not constant channel by channel".to_owned()),
    };
    if !(step.is_finite() && step > 0.0) {
        return Err(format!("its scale is {step}"));
    }
    let (full_low, full_high) = range(codes.dtype);
    let is_full = (codes.low, codes.high) == (full_low, full_high);
    if codes.method == HALF_EVEN && zero == 0 && is_full {
        let x = node.inputs[0].ok_or("it reads nothing")?;
        let name = writer.source().name_of(output);
        let scale = writer.initializer(&format!("{name}/scale"), Tensor::scalar(step));
        let zero = integers(&Tensor::scalar(0f32), codes.dtype).ok_or("no zero")?;
        let zero = writer.initializer(&format!("{name}/zero_point"), zero);
        writer.node(node.name.clone(), "QuantizeLinear", vec![x, scale, zero], output, &[]);
        writer.declare(output, codes.dtype);
        writer.counts.native += 1;
        return Ok(());
    }
    spell::quantize(writer, node, &codes, (step, zero))
}

/// Rewrites a dequantizer whose codes are integers by now.
pub(super) fn dequantize(writer: &mut Writer, node: &Node) -> Result<(), String> {
    let input = node.inputs.first().copied().flatten().ok_or("it reads nothing")?;
    let output = node.writes().next().ok_or("it makes nothing")?;
    let dtype = *writer
        .integers
        .get(&input)
        .ok_or("its codes are not those of a quantizer that was rewritten")?;
    let parameters = Parameters::of(writer, node, writer.opset)?;
    let count = parameters.scale.len();
    let zeros =
        Tensor::vector(parameters.zeros.iter().map(|zero| *zero as f32).collect::<Vec<_>>());
    let zeros = integers(&zeros, dtype).ok_or("its zero point is not a code")?;
    let scale = Tensor::vector(parameters.scale);
    let shape: &[usize] = if count == 1 { &[] } else { &[count] };
    let shaped = |tensor: Tensor| tensor.reshaped(shape).map_err(|error| error.to_string());
    let name = writer.source().name_of(output);
    let scale = writer.initializer(&format!("{name}/scale"), shaped(scale)?);
    let zero = writer.initializer(&format!("{name}/zero_point"), shaped(zeros)?);
    let axis = [("axis", parameters.axis)];
    let attributes: &[_] = if count == 1 { &[] } else { &axis };
    writer.node(
        node.name.clone(),
        "DequantizeLinear",
        vec![input, scale, zero],
        output,
        attributes,
    );
    writer.counts.native += 1;
    Ok(())
}

/// The parameters of a dequantizer.
struct Parameters {
    scale: Vec<f32>,
    zeros: Vec<i64>,
    axis: i64,
}

impl Parameters {
    fn of(writer: &Writer, node: &Node, opset: i64) -> Result<Self, String> {
        let scale =
            writer.constant(node, 1).and_then(floats).ok_or("its scale is not a constant")?;
        let zeros =
            writer.constant(node, 2).and_then(whole).ok_or("its zero point is not a constant")?;
        let zeros = match zeros.as_slice() {
            [zero] => vec![*zero; scale.len()],
            _ if zeros.len() == scale.len() => zeros,
            _ => return Err("it has more zero points than scales".to_owned()),
        };
        if scale.len() == 1 {
            return Ok(Self { scale, zeros, axis: 0 });
        }
        let axis = writer.constant(node, 3).and_then(whole).and_then(|axis| axis.first().copied());
        // Any other axis means the last dimension, whose number is not known here.
        let axis = axis.filter(|axis| *axis >= 0).ok_or("its axis is not a dimension's number")?;
        if opset < 13 {
            return Err("a scale for each channel needs opset 13".to_owned());
        }
        Ok(Self { scale, zeros, axis })
    }
}

/// Codes are read by dequantizers alone, each of which can be rewritten.
fn readers_can_follow(writer: &Writer, codes: ValueId, dtype: DType) -> Result<(), String> {
    let graph = writer.source();
    if graph.outputs.contains(&codes) {
        return Err("its codes are an output of the model".to_owned());
    }
    for node in graph.nodes.iter().filter(|node| node.reads().any(|id| id == codes)) {
        if !(node.op.domain == "vai" && node.op.op_type == "DequantizeLinear") {
            return Err(format!("its codes are read by `{}` ({})", node.name, node.op));
        }
        let parameters = Parameters::of(writer, node, writer.opset)?;
        let (low, high) = range(dtype);
        if parameters.zeros.iter().any(|zero| !(low..=high).contains(zero)) {
            return Err(format!("the zero point of `{}` is no code", node.name));
        }
    }
    Ok(())
}

fn codes(writer: &Writer, node: &Node) -> Result<Codes, String> {
    let scalar = |input: usize, what: &str| {
        let found = writer.constant(node, input).and_then(whole);
        let found = found.and_then(|numbers| numbers.first().copied());
        found.ok_or_else(|| format!("its {what} is not a constant"))
    };
    let (low, high) = (scalar(1, "valmin")?, scalar(2, "valmax")?);
    let method = scalar(5, "method")?;
    let types = [DType::I8, DType::U8, DType::I16, DType::U16];
    let fits = |dtype: &DType| {
        let (least, most) = range(*dtype);
        least <= low && high <= most
    };
    let dtype =
        types.into_iter().find(fits).ok_or_else(|| format!("codes from {low} to {high}"))?;
    match since(dtype, true) {
        Some(since) if since <= writer.opset => Ok(Codes { low, high, method, dtype }),
        _ => {
            Err(format!("codes from {low} to {high} need opset 21, the model has {}", writer.opset))
        }
    }
}

fn range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DType::U8 => (0, i64::from(u8::MAX)),
        DType::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        _ => (0, i64::from(u16::MAX)),
    }
}

/// Whole numbers in float32 as integers; `None` where one of them is not in the type.
fn integers(numbers: &Tensor, dtype: DType) -> Option<Tensor> {
    let (low, high) = range(dtype);
    let numbers_in = numbers.as_slice::<f32>().ok()?;
    let fits = |x: &f32| x.fract() == 0.0 && (low as f32..=high as f32).contains(x);
    if !numbers_in.iter().all(fits) {
        return None;
    }
    let all = || numbers_in.iter();
    let tensor = match dtype {
        DType::I8 => Tensor::vector(all().map(|x| *x as i8).collect::<Vec<_>>()),
        DType::U8 => Tensor::vector(all().map(|x| *x as u8).collect::<Vec<_>>()),
        DType::I16 => Tensor::vector(all().map(|x| *x as i16).collect::<Vec<_>>()),
        _ => Tensor::vector(all().map(|x| *x as u16).collect::<Vec<_>>()),
    };
    tensor.reshaped(numbers.shape()).ok()
}

fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    tensor.as_slice::<f32>().ok().map(<[f32]>::to_vec)
}

fn whole(tensor: &Tensor) -> Option<Vec<i64>> {
    match tensor.dtype() {
        DType::I8 => Some(tensor.as_slice::<i8>().ok()?.iter().map(|x| i64::from(*x)).collect()),
        DType::I32 => Some(tensor.as_slice::<i32>().ok()?.iter().map(|x| i64::from(*x)).collect()),
        DType::I64 => Some(tensor.as_slice::<i64>().ok()?.to_vec()),
        _ => None,
    }
}
