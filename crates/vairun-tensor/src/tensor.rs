use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::dequantized::Dequantized;
use crate::dtype::{Carrier, DType};
use crate::element::Element;
use crate::storage::Storage;

/// A dense array in row-major order; clones share the elements.
///
/// A shape without dimensions is a scalar; a dimension of 0 makes a tensor without elements.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    pub(crate) storage: Arc<Storage>,
    dequantized: Option<Arc<Dequantized>>,
}

/// A tensor that cannot be made, or is not what the caller asks for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// The number of elements is not the product of the dimensions.
    #[error("{elements} elements do not fill the shape {shape:?}, which has {}", product(.shape))]
    Length {
        /// Elements given.
        elements: usize,
        /// The shape asked for.
        shape: Vec<usize>,
    },
    /// The bytes are not a whole number of elements, or not as many as the shape has.
    #[error("{bytes} bytes do not hold the shape {shape:?} of {dtype}")]
    Bytes {
        /// Bytes given.
        bytes: usize,
        /// The shape asked for.
        shape: Vec<usize>,
        /// The type asked for.
        dtype: DType,
    },
    /// The elements are of another type.
    #[error("expected {expected}, got {got}")]
    DType {
        /// What was asked for.
        expected: DType,
        /// What the tensor has.
        got: DType,
    },
    /// The product of the dimensions does not fit the address space.
    #[error("the shape {shape:?} has more elements than memory can hold")]
    TooLarge {
        /// The shape asked for.
        shape: Vec<usize>,
    },
}

fn product(shape: &[usize]) -> String {
    element_count(shape).map_or_else(|| "too many".to_owned(), |n| n.to_string())
}

pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the tensor empty, whatever the other dimensions multiply to.
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1usize, |n, &dim| n.checked_mul(dim))
        .filter(|&n| n <= isize::MAX as usize / 16)
}

impl Tensor {
    /// A tensor of `T::DTYPE` from its elements in row-major order.
    ///
    /// # Errors
    /// [`TensorError::Length`] where `data` does not fill `shape`.
    pub fn new<T: Element>(shape: &[usize], data: Vec<T>) -> Result<Self, TensorError> {
        Self::with_dtype(T::DTYPE, shape, data)
    }

    /// A tensor of `dtype` from elements of its carrier. Values beyond a narrow type's range are the caller's fault.
    ///
    /// # Errors
    /// [`TensorError::Length`] where `data` does not fill `shape`; [`TensorError::DType`] where `T` is not the
    /// carrier of `dtype`.
    pub fn with_dtype<T: Element>(
        dtype: DType,
        shape: &[usize],
        data: Vec<T>,
    ) -> Result<Self, TensorError> {
        if dtype.carrier() != T::CARRIER {
            return Err(TensorError::DType { expected: dtype, got: T::DTYPE });
        }
        if element_count(shape) != Some(data.len()) {
            return Err(TensorError::Length { elements: data.len(), shape: shape.to_vec() });
        }
        Ok(Self::from_storage(dtype, shape, T::into_storage(data)))
    }

    /// A tensor without dimensions.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_storage(T::DTYPE, &[], T::into_storage(vec![value]))
    }

    /// A tensor with one dimension.
    pub fn vector<T: Element>(data: Vec<T>) -> Self {
        Self::from_storage(T::DTYPE, &[data.len()], T::into_storage(data))
    }

    /// A tensor of `shape` from little-endian bytes, one carrier for each element (`bool`: one byte, 0 is false).
    ///
    /// # Errors
    /// [`TensorError::Bytes`] where the length is not that of `shape`, or for strings.
    pub fn from_le_bytes(dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Self, TensorError> {
        let wrong = || TensorError::Bytes { bytes: bytes.len(), shape: shape.to_vec(), dtype };
        Self::check_bytes(dtype, shape, bytes.len())?;
        let storage = Storage::from_le_bytes(dtype.carrier(), bytes).ok_or_else(wrong)?;
        Ok(Self::from_storage(dtype, shape, storage))
    }

    pub(crate) fn check_bytes(
        dtype: DType,
        shape: &[usize],
        bytes: usize,
    ) -> Result<(), TensorError> {
        let wanted = element_count(shape).and_then(|n| n.checked_mul(dtype.carrier().bytes()?));
        if wanted == Some(bytes) {
            Ok(())
        } else {
            Err(TensorError::Bytes { bytes, shape: shape.to_vec(), dtype })
        }
    }

    pub(crate) fn from_storage(dtype: DType, shape: &[usize], storage: Storage) -> Self {
        debug_assert_eq!(dtype.carrier(), storage.carrier());
        Self { dtype, shape: shape.to_vec(), storage: Arc::new(storage), dequantized: None }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.storage.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the elements take in memory (strings: their text).
    pub fn byte_len(&self) -> usize {
        match self.dtype.carrier().bytes() {
            Some(bytes) => self.len() * bytes,
            None => {
                self.as_slice::<String>().map_or(0, |texts| texts.iter().map(String::len).sum())
            }
        }
    }

    /// The elements in row-major order, where `T` is the carrier of the type.
    ///
    /// # Errors
    /// [`TensorError::DType`] where it is not.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        T::slice(&self.storage).ok_or(TensorError::DType { expected: T::DTYPE, got: self.dtype })
    }

    /// The elements to write to; copies them first where others hold them or they stand in a file. Drops [`Tensor::dequantized`].
    ///
    /// # Errors
    /// [`TensorError::DType`] where `T` is not the carrier of the type.
    pub fn make_mut<T: Element>(&mut self) -> Result<&mut [T], TensorError> {
        if T::CARRIER != self.dtype.carrier() {
            return Err(TensorError::DType { expected: T::DTYPE, got: self.dtype });
        }
        self.dequantized = None;
        let read_only = self.storage.is_read_only();
        if read_only || (!self.storage.is_owned() && Arc::strong_count(&self.storage) > 1) {
            let data = self.as_slice::<T>()?.to_vec();
            self.storage = Arc::new(T::into_storage(data));
        }
        let got = self.dtype;
        T::slice_mut(Arc::make_mut(&mut self.storage))
            .ok_or(TensorError::DType { expected: T::DTYPE, got })
    }

    /// The elements themselves, without a copy where nobody else holds them.
    ///
    /// # Errors
    /// [`TensorError::DType`] where `T` is not the carrier of the type.
    pub fn into_vec<T: Element>(self) -> Result<Vec<T>, TensorError> {
        self.into_unique().or_else(|shared| shared.as_slice::<T>().map(<[T]>::to_vec))
    }

    /// The elements themselves to write over, where nobody else holds them and `T` is their carrier; else the tensor.
    ///
    /// # Errors
    /// The tensor itself.
    pub fn into_unique<T: Element>(mut self) -> Result<Vec<T>, Self> {
        match Arc::get_mut(&mut self.storage) {
            Some(storage) if storage.is_owned() && storage.carrier() == T::CARRIER => {
                let data = std::mem::replace(storage, Storage::U8(Vec::new()));
                Ok(T::take(data).expect("the carrier has just been checked"))
            }
            _ => Err(self),
        }
    }

    /// The only element, where there is exactly one and `T` is its carrier.
    pub fn as_scalar<T: Element>(&self) -> Option<&T> {
        match self.as_slice::<T>().ok()? {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The elements as little-endian bytes of the carrier; `None` for strings and bools.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.storage.as_bytes()
    }

    /// The same elements under another shape. [`Tensor::dequantized`] stays where its axis does.
    ///
    /// # Errors
    /// [`TensorError::Length`] where the shapes have different numbers of elements.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, TensorError> {
        if element_count(shape) != Some(self.len()) {
            return Err(TensorError::Length { elements: self.len(), shape: shape.to_vec() });
        }
        let dequantized = self.dequantized.as_deref();
        let dequantized =
            dequantized.and_then(|origin| origin.reshaped(&self.shape, shape)).map(Arc::new);
        Ok(Self {
            dtype: self.dtype,
            shape: shape.to_vec(),
            storage: Arc::clone(&self.storage),
            dequantized,
        })
    }

    /// The same elements under another type with the same carrier (`int8` ↔ `int4`).
    ///
    /// # Errors
    /// [`TensorError::DType`] where the carriers differ.
    pub fn retyped(&self, dtype: DType) -> Result<Self, TensorError> {
        if dtype.carrier() != self.dtype.carrier() {
            return Err(TensorError::DType { expected: dtype, got: self.dtype });
        }
        Ok(Self { dtype, dequantized: None, ..self.clone() })
    }

    /// Where the numbers came out of a dequantizer.
    pub fn dequantized(&self) -> Option<&Dequantized> {
        self.dequantized.as_deref()
    }

    /// The integers that the numbers were dequantized from, in the shape of the tensor: int8, uint8, int16, uint16 or
    /// int32, narrower types as they were. `None` where it came out of no dequantizer, or its numbers are not those
    /// of integers.
    ///
    /// They may be computed at the first call, in two passes over the numbers at most, and are kept.
    pub fn codes(&self) -> Option<&Self> {
        self.dequantized.as_ref()?.codes_of(self)
    }

    /// The tensor, which holds elements of `origin` moved to other places, with the grid of `origin` beside it;
    /// `axis` is where the axis of the grid has gone.
    pub fn on_grid_of(self, origin: &Self, axis: Option<usize>) -> Self {
        let Some(Dequantized { scale, zero_point, .. }) = origin.dequantized() else { return self };
        self.with_dequantized(Dequantized::on_grid(scale.clone(), zero_point.clone(), axis))
    }

    /// The tensor with the codes that it was dequantized from beside it.
    pub fn with_dequantized(self, origin: Dequantized) -> Self {
        Self { dequantized: Some(Arc::new(origin)), ..self }
    }

    /// The tensor without [`Tensor::dequantized`].
    pub fn without_dequantized(self) -> Self {
        Self { dequantized: None, ..self }
    }

    /// Whether both share the same elements in memory; used as the identity of a constant.
    pub fn same_storage(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage)
    }

    /// Whether writing to the elements would copy them first: somebody else holds them, or they stand in a file.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.storage) > 1 || matches!(*self.storage, Storage::Mapped(..))
    }

    /// Equal type, shape and bits: NaN equals itself, 0.0 and -0.0 differ.
    pub fn bits_eq(&self, other: &Self) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && match (self.as_bytes(), other.as_bytes()) {
                (Some(a), Some(b)) => a == b,
                _ => match self.dtype.carrier() {
                    Carrier::Bool => self.as_slice::<bool>() == other.as_slice::<bool>(),
                    _ => self.as_slice::<String>() == other.as_slice::<String>(),
                },
            }
    }
}

impl fmt::Debug for Tensor {
    /// `float32 [1, 3, 224, 224]`: never the elements, which may be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_must_hold_the_elements() {
        assert_eq!(
            Tensor::new(&[2, 2], vec![1f32]).unwrap_err().to_string(),
            "1 elements do not fill the shape [2, 2], which has 4"
        );
        assert!(Tensor::new::<f32>(&[usize::MAX, 0], vec![]).unwrap().is_empty());
        assert!(Tensor::new::<f32>(&[usize::MAX, 2], vec![]).is_err());
    }

    #[test]
    fn narrow_types_are_read_through_their_carrier() {
        let t = Tensor::with_dtype(DType::I4, &[2], vec![-8i8, 7]).unwrap();
        assert_eq!(t.as_slice::<i8>().unwrap(), [-8, 7]);
        assert!(t.as_slice::<u8>().is_err());
    }

    #[test]
    fn writing_does_not_touch_a_clone() {
        let a = Tensor::vector(vec![1i32, 2]);
        let mut b = a.clone();
        b.make_mut::<i32>().unwrap()[0] = 9;
        assert_eq!(a.as_slice::<i32>().unwrap(), [1, 2]);
        assert_eq!(b.into_vec::<i32>().unwrap(), [9, 2]);
    }

    #[test]
    fn only_the_last_holder_gets_the_elements_themselves() {
        let a = Tensor::vector(vec![1i32, 2]);
        let b = a.clone().into_unique::<i32>().unwrap_err();
        assert!(b.same_storage(&a));
        drop(b);
        assert_eq!(a.into_unique::<i32>().unwrap(), [1, 2]);
        assert!(Tensor::scalar(1i32).into_unique::<f32>().is_err());
    }

    #[test]
    fn equality_is_by_bits() {
        let nan = Tensor::scalar(f32::NAN);
        assert!(nan.bits_eq(&nan.clone()));
        assert!(!Tensor::scalar(0f32).bits_eq(&Tensor::scalar(-0f32)));
        assert!(!Tensor::scalar(0i8).bits_eq(&Tensor::vector(vec![0i8])));
    }

    #[test]
    fn bytes_must_be_as_many_as_the_shape_needs() {
        assert!(Tensor::from_le_bytes(DType::F32, &[1], &[0; 3]).is_err());
        assert_eq!(
            Tensor::from_le_bytes(DType::I16, &[1], &[1, 2]).unwrap().as_slice::<i16>().unwrap(),
            [0x0201]
        );
    }
}
