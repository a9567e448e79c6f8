//! `TypeProto` and the words that ONNX's documentation uses for types: `seq(tensor(float))`.

use vairun_graph::{Dim, ValueInfo, dtype_from_onnx, dtype_to_onnx};
use vairun_tensor::DType;

use crate::proto::{
    Dimension, ElementType, MapType, TensorShapeProto, TensorType, TypeProto, ValueInfoProto,
};

/// The type in words; shapes are left out. `?` where the file says nothing.
pub(crate) fn words(proto: &TypeProto) -> String {
    let inner =
        |element: &Option<Box<TypeProto>>| element.as_deref().map_or_else(|| "?".to_owned(), words);
    if let Some(tensor) = &proto.tensor_type {
        format!("tensor({})", element_word(tensor.elem_type))
    } else if let Some(sequence) = &proto.sequence_type {
        format!("seq({})", inner(&sequence.elem_type))
    } else if let Some(optional) = &proto.optional_type {
        format!("optional({})", inner(&optional.elem_type))
    } else if let Some(map) = &proto.map_type {
        format!("map({},{})", element_word(map.key_type), inner(&map.value_type))
    } else if let Some(sparse) = &proto.sparse_tensor_type {
        format!("sparse_tensor({})", element_word(sparse.elem_type))
    } else if let Some(opaque) = &proto.opaque_type {
        format!("opaque({})", opaque.name.as_deref().unwrap_or("?"))
    } else {
        "?".to_owned()
    }
}

fn element_word(number: Option<i32>) -> String {
    match number.map(|number| (number, dtype_from_onnx(number.into()))) {
        Some((_, Some(DType::F32))) => "float".to_owned(),
        Some((_, Some(DType::F64))) => "double".to_owned(),
        Some((_, Some(dtype))) => dtype.name().to_owned(),
        Some((14, None)) => "complex64".to_owned(),
        Some((15, None)) => "complex128".to_owned(),
        Some((0, None)) | None => "?".to_owned(),
        Some((number, None)) => format!("type {number}"),
    }
}

fn element_number(word: &str) -> Option<i32> {
    let dtype = match word {
        "float" => DType::F32,
        "double" => DType::F64,
        "complex64" => return Some(14),
        "complex128" => return Some(15),
        other => DType::from_name(other)?,
    };
    i32::try_from(dtype_to_onnx(dtype)).ok()
}

/// The inverse of [`words`]; `None` for words that it does not write.
pub(crate) fn from_words(text: &str) -> Option<TypeProto> {
    let (kind, rest) = text.trim().split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    let element = || Some(Box::new(ElementType { elem_type: Some(Box::new(from_words(inner)?)) }));
    let tensor = || Some(TensorType { elem_type: Some(element_number(inner)?), shape: None });
    let mut proto = TypeProto::default();
    match kind {
        "tensor" => proto.tensor_type = Some(tensor()?),
        "sparse_tensor" => proto.sparse_tensor_type = Some(tensor()?),
        "seq" => proto.sequence_type = Some(element()?),
        "optional" => proto.optional_type = Some(element()?),
        "map" => {
            let (key, value) = inner.split_once(',')?;
            let key_type = Some(element_number(key.trim())?);
            let value_type = Some(Box::new(from_words(value)?));
            proto.map_type = Some(Box::new(MapType { key_type, value_type }));
        }
        _ => return None,
    }
    Some(proto)
}

/// Writes into `info` what the file declares of the value.
pub(crate) fn declare(info: &mut ValueInfo, proto: &TypeProto) {
    let known = |tensor: &TensorType| dtype_from_onnx(tensor.elem_type.unwrap_or(0).into());
    match &proto.tensor_type {
        Some(tensor) if tensor.elem_type.unwrap_or(0) == 0 || known(tensor).is_some() => {
            info.dtype = known(tensor);
            info.shape =
                tensor.shape.as_ref().map(|shape| shape.dim.iter().map(dimension).collect());
        }
        _ if words(proto) == "?" => {}
        _ => info.non_tensor = Some(words(proto)),
    }
}

fn dimension(proto: &Dimension) -> Dim {
    match (proto.dim_value, proto.dim_param.as_deref()) {
        // Some exporters write -1 where they mean nothing.
        (Some(value), _) => usize::try_from(value).map_or(Dim::Unknown, Dim::Fixed),
        (None, Some(name)) if !name.is_empty() => Dim::Symbol(name.to_owned()),
        _ => Dim::Unknown,
    }
}

/// What is known of a value as ONNX writes it; no type where nothing is known.
pub(crate) fn declaration(info: &ValueInfo, name: &str) -> ValueInfoProto {
    let r#type = match &info.non_tensor {
        Some(text) => from_words(text),
        None => info.dtype.map(|dtype| tensor_type(dtype, info.shape.as_deref())),
    };
    ValueInfoProto { name: Some(name.to_owned()), r#type }
}

fn tensor_type(dtype: DType, shape: Option<&[Dim]>) -> TypeProto {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(n) => Dimension { dim_value: i64::try_from(*n).ok(), dim_param: None },
        Dim::Symbol(name) => Dimension { dim_value: None, dim_param: Some(name.clone()) },
        Dim::Unknown => Dimension::default(),
    };
    let shape = shape.map(|dims| TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let elem_type = i32::try_from(dtype_to_onnx(dtype)).ok();
    TypeProto { tensor_type: Some(TensorType { elem_type, shape }), ..TypeProto::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for text in [
            "tensor(float)",
            "tensor(double)",
            "tensor(int4)",
            "seq(tensor(int64))",
            "optional(seq(tensor(bfloat16)))",
            "map(string,tensor(float))",
            "sparse_tensor(float)",
        ] {
            assert_eq!(words(&from_words(text).unwrap()), text);
        }
        assert_eq!(from_words("seq(tensor(colour))"), None);
    }

    #[test]
    fn a_dimension_is_a_number_a_name_or_nothing() {
        let dim = |dim_value, dim_param: Option<&str>| {
            dimension(&Dimension { dim_value, dim_param: dim_param.map(str::to_owned) })
        };
        assert_eq!(dim(Some(3), None), Dim::Fixed(3));
        assert_eq!(dim(None, Some("N")), Dim::Symbol("N".into()));
        for unknown in [dim(None, None), dim(Some(-1), None), dim(None, Some(""))] {
            assert_eq!(unknown, Dim::Unknown);
        }
    }
}
