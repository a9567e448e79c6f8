//! A golden tensor in type, layout and scale of its counterpart.

use vairun_tensor::{Carrier, DType, Tensor};

use super::layout::{Layout, agreement, candidates};
use crate::check::cast;
use crate::golden::{Content, Elements, Entry, Order};
use crate::measure::lanes;
use crate::quantizer::{Kind, Quantizer};

/// The tensor that the model has made.
pub(super) struct Target<'a> {
    pub(super) made: &'a Tensor,
    pub(super) kind: Kind,
    pub(super) quantizer: Option<&'a Quantizer>,
    /// Whether it is the same in every run: weights have layouts of their own.
    pub(super) constant: bool,
    /// How the same elements were read before, when `made` was not only a stand-in: its layout counts.
    pub(super) told: Option<&'a str>,
}

/// What has been found out about elements while they are read.
struct Elemental {
    tensor: Tensor,
    /// Whether the shape is that of the file, not only as many elements.
    shaped: bool,
    /// What they are, for the reader; empty where the file says it.
    title: String,
}

/// The elements, and in words how they were read. What does not fit is given as it is.
pub(super) fn read(entry: &Entry, content: Content, target: &Target) -> (Tensor, String) {
    let read = quantized(elements(entry, content, target), entry, target);
    let mut notes: Vec<String> = Vec::new();
    let scaled = scale(&read.tensor, entry, target);
    let (tensor, layout) = arrange(read.tensor, read.shaped, entry, target, scaled.is_some());
    notes.extend(Some(read.title).filter(|title| !title.is_empty()));
    let (tensor, step) = match scaled {
        None => (tensor, None),
        Some(step) => match dequantize(&tensor, target) {
            Some(numbers) => (numbers, Some(step)),
            None => (tensor, None),
        },
    };
    if let Some(step) = step {
        match notes.last_mut() {
            Some(last) => last.push_str(&format!(" × {step}")),
            None => notes.push(format!("codes × {step}")),
        }
    }
    notes.extend(Some(layout).filter(|layout| !layout.is_empty()));
    notes.extend(other_scale(entry, target));
    (like(tensor, target.made), notes.join(", "))
}

/// A scale beside the dump that is not the model's: the golden is of another quantization.
fn other_scale(entry: &Entry, target: &Target) -> Option<String> {
    let (told, own) = (entry.hint.scales.as_ref()?, target.quantizer?);
    let differs = told.len() == own.scale.len() && *told != own.scale;
    differs.then(|| {
        let told = Quantizer { scale: told.clone(), ..own.clone() };
        let (told, own) = (told.describe_scale(), own.describe_scale());
        format!("quant_info.json has the scale {told}, the model {own}")
    })
}

fn elements(entry: &Entry, content: Content, target: &Target) -> Elemental {
    match content {
        Content::Tensor(tensor) => Elemental { tensor, shaped: true, title: String::new() },
        Content::Numbers(numbers) => {
            let tensor = Tensor::vector(numbers);
            let tensor = cast(&tensor, target.made.dtype()).unwrap_or(tensor);
            Elemental { tensor, shaped: false, title: "text".to_owned() }
        }
        Content::Raw(bytes) => raw(entry, bytes, target),
    }
}

/// Bytes by how many there are for each element.
fn raw(entry: &Entry, mut bytes: Vec<u8>, target: &Target) -> Elemental {
    let count = target.made.len();
    let mut batch = String::new();
    // A board computes several samples at a time; a model of batch 1 has the first of them.
    let samples = entry.hint.samples;
    if samples > 1 && bytes.len().is_multiple_of(samples) && target.made.shape().first() == Some(&1)
    {
        batch = format!(", the first of {samples} samples");
        bytes.truncate(bytes.len() / samples);
    }
    let numbers = entry.hint.elements == Some(Elements::Numbers);
    let dtype = match (count, bytes.len()) {
        (1.., n) if n == count => Some(one_byte(target)),
        (1.., n) if n == 2 * count => Some(two_bytes(target, numbers)),
        (1.., n) if n == 4 * count => Some(four_bytes(target, numbers)),
        (1.., n) if n == 8 * count => Some(eight_bytes(target)),
        _ => None,
    };
    if let Some(dtype) = dtype
        && let Ok(tensor) = Tensor::from_le_bytes(dtype, &[count], &bytes)
    {
        let what = if dtype.is_integer() && target.kind != Kind::Plain { " codes" } else { "" };
        return Elemental { tensor, shaped: false, title: format!("{dtype}{what}{batch}") };
    }
    if count > 1 && bytes.len() == count.div_ceil(2) {
        let high_first = !matches!(target.made.dtype(), DType::I4 | DType::U4)
            || entry.hint.order == Some(Order::ChannelsLast);
        let half = if high_first { "high" } else { "low" };
        let title = format!("4-bit codes, the first in the {half} half{batch}");
        return Elemental {
            tensor: nibbles(&bytes, count, high_first, target),
            shaped: false,
            title,
        };
    }
    let title = format!("{} bytes, which fit no type for {count} elements", bytes.len());
    Elemental { tensor: Tensor::vector(bytes), shaped: true, title }
}

/// Whether codes are below zero too.
fn is_signed(target: &Target) -> bool {
    let range = target.quantizer.and_then(|quantizer| quantizer.range);
    range.is_none_or(|[low, _]| low < 0)
}

fn one_byte(target: &Target) -> DType {
    match target.made.dtype().carrier() {
        Carrier::I8 | Carrier::U8 | Carrier::Bool => target.made.dtype(),
        _ if is_signed(target) => DType::I8,
        _ => DType::U8,
    }
}

fn two_bytes(target: &Target, numbers: bool) -> DType {
    match target.made.dtype().carrier() {
        Carrier::I16 | Carrier::U16 | Carrier::F16 | Carrier::BF16 => target.made.dtype(),
        _ if numbers || target.kind == Kind::Plain => DType::F16,
        _ if is_signed(target) => DType::I16,
        _ => DType::U16,
    }
}

fn four_bytes(target: &Target, numbers: bool) -> DType {
    match target.made.dtype() {
        dtype @ (DType::I32 | DType::U32) if !numbers => dtype,
        _ => DType::F32,
    }
}

fn eight_bytes(target: &Target) -> DType {
    match target.made.dtype() {
        dtype @ (DType::I64 | DType::U64) => dtype,
        _ => DType::F64,
    }
}

fn nibbles(bytes: &[u8], count: usize, high_first: bool, target: &Target) -> Tensor {
    let halves = bytes.iter().flat_map(|&byte| {
        let (high, low) = (byte >> 4, byte & 15);
        if high_first { [high, low] } else { [low, high] }
    });
    let halves = halves.take(count);
    if is_signed(target) {
        Tensor::vector(halves.map(|half| ((half << 4) as i8) >> 4).collect())
    } else {
        Tensor::vector(halves.collect::<Vec<u8>>())
    }
}

/// The step by which codes must be multiplied to be numbers as the model has them; `None` where they need not be.
fn scale(tensor: &Tensor, entry: &Entry, target: &Target) -> Option<String> {
    let quantizer = target.quantizer?;
    let codes = match entry.hint.elements {
        Some(Elements::Numbers) => false,
        Some(Elements::Codes) => true,
        None => tensor.dtype().is_integer(),
    };
    let numbers = target.kind == Kind::Dequantized && target.made.dtype().is_float();
    (codes && numbers).then(|| quantizer.describe_scale())
}

/// Numbers as codes, where the file has numbers and the model integers: `number / scale + zero point`, fractions included,
/// so that what lies between two codes is seen. One scale for all: the layout is not known yet.
fn quantized(read: Elemental, entry: &Entry, target: &Target) -> Elemental {
    let wanted = entry.hint.elements == Some(Elements::Numbers)
        && target.kind == Kind::Codes
        && target.made.dtype().is_integer()
        && read.tensor.dtype().is_float();
    let quantizer = target.quantizer.filter(|quantizer| wanted && quantizer.scale.len() == 1);
    let Some((quantizer, numbers)) = quantizer.zip(lanes::to_f64(&read.tensor)) else {
        return read;
    };
    let (scale, zero_point) = (f64::from(quantizer.scale[0]), quantizer.zero_point[0] as f64);
    let codes = numbers.into_iter().map(|number| number / scale + zero_point).collect();
    match Tensor::new(read.tensor.shape(), codes) {
        Ok(tensor) => {
            let title = format!("numbers / {}", quantizer.describe_scale());
            Elemental { tensor, title, ..read }
        }
        Err(_) => read,
    }
}

/// `(code - zero point) · scale` in float32, as dequantizers compute it.
fn dequantize(codes: &Tensor, target: &Target) -> Option<Tensor> {
    let quantizer = target.quantizer.filter(|quantizer| quantizer.fits(codes.shape()))?;
    let numbers = lanes::to_f64(codes)?;
    let inner: usize = quantizer.axis.map_or(1, |axis| codes.shape()[axis + 1..].iter().product());
    let channel = |i: usize| i / inner.max(1) % quantizer.scale.len();
    let number = |(i, code): (usize, &f64)| {
        let channel = channel(i);
        (*code as f32 - quantizer.zero_point[channel] as f32) * quantizer.scale[channel]
    };
    Tensor::new(codes.shape(), numbers.iter().enumerate().map(number).collect()).ok()
}

/// The elements in the order of the model, and the layout in words.
fn arrange(
    tensor: Tensor,
    shaped: bool,
    entry: &Entry,
    target: &Target,
    scaled: bool,
) -> (Tensor, String) {
    let shape = target.made.shape();
    let last = entry.hint.order == Some(Order::ChannelsLast);
    if tensor.len() != target.made.len() || (tensor.shape() == shape && !last) {
        return (tensor, String::new());
    }
    let stated = if shaped { Some(tensor.shape().to_vec()) } else { entry.shape.clone() };
    // A shape with as many dimensions is meant; without, as from a flattened array, all that is known is the order.
    let stated = stated.as_deref().filter(|stated| stated.len() > 1 || shape.len() <= 1);
    let mut possible = candidates(shape.len(), target.constant);
    if let Some(stated) = stated {
        possible.retain(|layout| layout.file_shape(shape) == stated);
    }
    if entry.hint.order == Some(Order::AsModel) {
        possible.truncate(1);
    }
    if possible.is_empty() {
        return same_but_ones(tensor, shape, stated);
    }
    if last {
        possible.sort_by_key(|layout| layout.title.is_empty());
    }
    best(&tensor, &possible, target, scaled).unwrap_or((tensor, String::new()))
}

/// Another number of dimensions of 1 is the same tensor: `[1, 12, 1, 1]` and `[1, 12]`.
fn same_but_ones(tensor: Tensor, shape: &[usize], stated: Option<&[usize]>) -> (Tensor, String) {
    let large = |shape: &[usize]| shape.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    let same = stated.is_some_and(|stated| large(stated) == large(shape));
    match tensor.reshaped(shape) {
        Ok(reshaped) if same => (reshaped, format!("shape {:?}", stated.unwrap_or_default())),
        _ => (tensor, String::new()),
    }
}

/// The first layout in which every element is equal; else the one in which most are: a layout that is not the file's
/// makes no two tensors equal that are not.
fn best(
    tensor: &Tensor,
    possible: &[Layout],
    target: &Target,
    scaled: bool,
) -> Option<(Tensor, String)> {
    if let Some(layout) = target.told.and_then(|told| layout_told(told, possible)) {
        return Some((layout.apply(tensor, target.made.shape())?, layout.title.to_owned()));
    }
    let mut found: Option<(usize, Tensor, &Layout)> = None;
    for layout in possible {
        let arranged = layout.apply(tensor, target.made.shape())?;
        if possible.len() == 1 {
            return Some((arranged, layout.title.to_owned()));
        }
        let numbers = if scaled { dequantize(&arranged, target) } else { None };
        let equal = agreement(numbers.as_ref().unwrap_or(&arranged), target.made);
        if equal == target.made.len() {
            return Some((arranged, layout.title.to_owned()));
        }
        if found.as_ref().is_none_or(|(most, ..)| equal > *most) {
            found = Some((equal, arranged, layout));
        }
    }
    found.map(|(_, arranged, layout)| {
        let title = if layout.title.is_empty() { "the model's layout" } else { layout.title };
        (arranged, format!("{title} (fits best)"))
    })
}

/// The layout that the words of an earlier reading name; the one without a name where they name none.
fn layout_told<'a>(told: &str, possible: &'a [Layout]) -> Option<&'a Layout> {
    possible
        .iter()
        .filter(|layout| told.contains(layout.title))
        .max_by_key(|layout| layout.title.len())
}

/// The same numbers in the type that the model has, where all of them have one there.
fn like(tensor: Tensor, made: &Tensor) -> Tensor {
    if tensor.dtype() == made.dtype() || tensor.shape() != made.shape() {
        return tensor;
    }
    match cast(&tensor, made.dtype()) {
        Some(cast) if agreement(&tensor, &cast) == tensor.len() => cast,
        _ => tensor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target<'a>(made: &'a Tensor, kind: Kind, quantizer: Option<&'a Quantizer>) -> Target<'a> {
        Target { made, kind, quantizer, constant: false, told: None }
    }

    fn read_raw(bytes: Vec<u8>, hint: crate::golden::Hint, target: &Target) -> (Tensor, String) {
        read(&Entry { hint, ..Entry::default() }, Content::Raw(bytes), target)
    }

    #[test]
    fn bytes_are_codes_where_there_is_one_for_each_element() {
        let made = Tensor::new(&[1, 2, 1, 3], vec![1f32, 3.0, -5.0, 2.0, 4.0, 6.0]).unwrap();
        let quantizer = Quantizer::per_tensor(0.5, 0, Some([-128, 127]));
        let bytes = vec![1, 2, 3, 4, 251, 6];
        let codes = target(&made, Kind::Codes, Some(&quantizer));
        let (tensor, how) = read_raw(bytes, Default::default(), &codes);
        assert!(tensor.bits_eq(&made), "{tensor:?}");
        assert_eq!(how, "int8 codes, NHWC → NCHW");
    }

    #[test]
    fn codes_become_numbers_by_their_scale() {
        let made = Tensor::vector(vec![0.5f32, -1.0]);
        let quantizer = Quantizer::per_tensor(0.0625, 2, Some([-128, 127]));
        let numbers = target(&made, Kind::Dequantized, Some(&quantizer));
        let (tensor, how) = read_raw(vec![10, 242], Default::default(), &numbers);
        assert!(tensor.bits_eq(&made), "{tensor:?}");
        assert_eq!(how, "int8 codes × 2^-4");
    }

    #[test]
    fn numbers_become_codes_where_the_model_has_integers() {
        let made = Tensor::vector(vec![3i8, -4]);
        let quantizer = Quantizer::per_tensor(0.25, 0, Some([-128, 127]));
        let codes = target(&made, Kind::Codes, Some(&quantizer));
        let hint = crate::golden::Hint { elements: Some(Elements::Numbers), ..Default::default() };
        let bytes = |numbers: [f32; 2]| numbers.map(f32::to_le_bytes).concat();
        let (tensor, how) = read_raw(bytes([0.75, -1.0]), hint.clone(), &codes);
        assert!(tensor.bits_eq(&made), "{tensor:?}");
        assert_eq!(how, "numbers / 2^-2");
        let (between, _) = read_raw(bytes([0.8, -1.0]), hint, &codes);
        assert!(!between.bits_eq(&made) && between.dtype() == DType::F64);
    }

    #[test]
    fn half_a_byte_for_each_element_is_a_4_bit_code() {
        let made = Tensor::vector(vec![1f32, -1.0, 7.0]);
        let quantizer = Quantizer::per_tensor(1.0, 0, Some([-8, 7]));
        let codes = target(&made, Kind::Codes, Some(&quantizer));
        let (tensor, how) = read_raw(vec![0x1f, 0x70], Default::default(), &codes);
        assert!(tensor.bits_eq(&made), "{tensor:?}");
        assert_eq!(how, "4-bit codes, the first in the high half");
    }

    #[test]
    fn bytes_that_fit_nothing_stay_and_are_told() {
        let made = Tensor::vector(vec![1f32, 2.0]);
        let (tensor, how) =
            read_raw(vec![0; 5], Default::default(), &target(&made, Kind::Plain, None));
        assert_eq!(tensor.shape(), [5]);
        assert_eq!(how, "5 bytes, which fit no type for 2 elements");
    }

    #[test]
    fn the_first_sample_of_a_board_counts() {
        let made = Tensor::new(&[1, 2], vec![1i8, 2]).unwrap();
        let hint = crate::golden::Hint { samples: 4, ..Default::default() };
        let bytes = vec![1, 2, 1, 2, 1, 2, 1, 2];
        let (tensor, how) = read_raw(bytes, hint, &target(&made, Kind::Codes, None));
        assert!(tensor.bits_eq(&made), "{tensor:?}");
        assert_eq!(how, "int8 codes, the first of 4 samples");
    }

    #[test]
    fn a_shape_of_the_model_is_never_transposed() {
        let made = Tensor::new(&[1, 2, 1, 2], vec![1f32, 2.0, 3.0, 4.0]).unwrap();
        let other = Tensor::new(&[1, 2, 1, 2], vec![1f32, 3.0, 2.0, 4.0]).unwrap();
        let entry = Entry::of("x", &other);
        let read = read(&entry, Content::Tensor(other.clone()), &target(&made, Kind::Plain, None));
        assert!(read.0.bits_eq(&other));
        assert_eq!(read.1, "");
    }

    #[test]
    fn what_was_read_before_keeps_its_layout() {
        let made = Tensor::new(&[1, 2, 2, 2], (1..=8).map(|i| i as i8).collect()).unwrap();
        let channels_last = vec![1, 5, 2, 6, 3, 7, 4, 8];
        let (want, told) =
            read_raw(channels_last.clone(), Default::default(), &target(&made, Kind::Codes, None));
        assert_eq!(told, "int8 codes, NHWC → NCHW");
        let stand_in = Tensor::new(&[1, 2, 2, 2], vec![0i8; 8]).unwrap();
        let again = Target { told: Some(&told), ..target(&stand_in, Kind::Codes, None) };
        let (tensor, _) = read_raw(channels_last, Default::default(), &again);
        assert!(tensor.bits_eq(&want), "{tensor:?}");
    }

    #[test]
    fn a_transposed_shape_is_turned_back() {
        let made = Tensor::new(&[1, 2, 1, 3], vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let want = Tensor::new(&[1, 1, 3, 2], vec![1f32, 4.0, 2.0, 5.0, 3.0, 9.0]).unwrap();
        let entry = Entry::of("x", &want);
        let (tensor, how) = read(&entry, Content::Tensor(want), &target(&made, Kind::Plain, None));
        assert_eq!(tensor.as_slice::<f32>().unwrap(), [1., 2., 3., 4., 5., 9.]);
        assert_eq!(how, "NHWC → NCHW");
    }
}
