//! Tensors whose elements stand somewhere else: in a file, with another owner, or nowhere yet.

use std::any::Any;
use std::io;
use std::sync::Arc;

use crate::dtype::{Carrier, DType};
use crate::late::Late;
use crate::mapped::MappedFile;
use crate::storage::{Buffer, Storage};
use crate::tensor::{Tensor, TensorError, element_count};

impl Tensor {
    /// A tensor whose elements stay in the file, where they are aligned there; else they are copied.
    ///
    /// # Errors
    /// [`TensorError::Bytes`] where the range is outside the file or not the length of `shape`.
    pub fn from_mapped(
        dtype: DType,
        shape: &[usize],
        file: &MappedFile,
        offset: usize,
        length: usize,
    ) -> Result<Self, TensorError> {
        let wrong = || TensorError::Bytes { bytes: length, shape: shape.to_vec(), dtype };
        Self::check_bytes(dtype, shape, length)?;
        let range = file.range(offset, length).ok_or_else(wrong)?;
        let carrier = dtype.carrier();
        let align = carrier.bytes().unwrap_or(1);
        let in_place = cfg!(target_endian = "little")
            && !matches!(carrier, Carrier::Bool | Carrier::String)
            && (range.bytes().as_ptr() as usize).is_multiple_of(align);
        if in_place {
            return Ok(Self::from_storage(dtype, shape, Storage::Mapped(range, carrier)));
        }
        let copied = Self::from_le_bytes(dtype, shape, range.bytes());
        range.release();
        copied
    }

    /// Numbers in float32 that `make` computes when somebody reads them, once; as many as `shape` has.
    ///
    /// # Errors
    /// [`TensorError::TooLarge`] where memory cannot hold the shape.
    pub fn late(
        shape: &[usize],
        make: impl Fn() -> Vec<f32> + Send + Sync + 'static,
    ) -> Result<Self, TensorError> {
        let count = element_count(shape);
        let count = count.ok_or_else(|| TensorError::TooLarge { shape: shape.to_vec() })?;
        let storage = Storage::Buffer(Arc::new(Late::new(count, make)), Carrier::F32);
        Ok(Self::from_storage(DType::F32, shape, storage))
    }

    /// A tensor whose elements stay where `buffer` holds them.
    ///
    /// # Errors
    /// [`TensorError::Bytes`] where the bytes are not those of `shape` or not aligned; for strings and bools, whose
    /// elements are not just bytes; and on machines that are not little-endian.
    pub fn from_buffer(
        dtype: DType,
        shape: &[usize],
        buffer: Arc<dyn Buffer>,
    ) -> Result<Self, TensorError> {
        let carrier = dtype.carrier();
        let bytes = buffer.bytes();
        let wrong = TensorError::Bytes { bytes: bytes.len(), shape: shape.to_vec(), dtype };
        let align = carrier.bytes().unwrap_or(1);
        let plain =
            cfg!(target_endian = "little") && !matches!(carrier, Carrier::Bool | Carrier::String);
        if !plain || !(bytes.as_ptr() as usize).is_multiple_of(align) {
            return Err(wrong);
        }
        Self::check_bytes(dtype, shape, bytes.len())?;
        Ok(Self::from_storage(dtype, shape, Storage::Buffer(buffer, carrier)))
    }

    /// The buffer that the tensor was made from by [`Tensor::from_buffer`], where it is a `B`.
    pub fn as_buffer<B: Buffer>(&self) -> Option<&B> {
        match &*self.storage {
            Storage::Buffer(buffer, _) => (&**buffer as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// Whether the file that holds the elements, where one does, is as it was when it was opened.
    ///
    /// # Errors
    /// Where it is not: the elements may be others than those that were there.
    pub fn check_file(&self) -> io::Result<()> {
        match &*self.storage {
            Storage::Mapped(range, _) => range.check(),
            _ => Ok(()),
        }
    }

    /// Gives back the memory of elements that a file holds; they are read from there again when somebody looks at them.
    pub fn release(&self) {
        if let Storage::Mapped(range, _) = &*self.storage {
            range.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Foreign(Vec<u8>);

    impl Buffer for Foreign {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn bytes_mut(&mut self) -> Option<&mut [u8]> {
            Some(&mut self.0)
        }
        fn is_shared(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_buffer_is_read_and_written_in_place_until_it_is_shared() {
        let mut a = Tensor::from_buffer(DType::U8, &[2], Arc::new(Foreign(vec![1, 2]))).unwrap();
        a.make_mut::<u8>().unwrap()[0] = 3;
        assert_eq!(a.as_buffer::<Foreign>().unwrap().0, [3, 2]);
        let b = a.clone();
        a.make_mut::<u8>().unwrap()[0] = 4;
        assert!(a.as_buffer::<Foreign>().is_none());
        assert_eq!(
            (a.as_slice().unwrap(), b.into_vec().unwrap()),
            ([4u8, 2].as_slice(), vec![3u8, 2])
        );
    }

    #[test]
    fn a_buffer_must_hold_plain_elements_and_as_many_as_the_shape_needs() {
        let buffer = |bytes: usize| Arc::new(Foreign(vec![0; bytes]));
        assert!(Tensor::from_buffer(DType::U8, &[3], buffer(2)).is_err());
        assert!(Tensor::from_buffer(DType::Bool, &[2], buffer(2)).is_err());
    }

    #[test]
    fn late_numbers_are_computed_once_and_only_where_they_are_read() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let make = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            vec![1.5, 2.5]
        };
        let mut late = Tensor::late(&[2], make).unwrap();
        assert_eq!((late.len(), late.byte_len(), late.is_shared()), (2, 8, false));
        assert_eq!(runs.load(Ordering::Relaxed), 0, "nobody has read them");
        assert_eq!(late.as_slice::<f32>().unwrap(), [1.5, 2.5]);
        late.make_mut::<f32>().unwrap()[0] = 0.0;
        assert_eq!(late.into_vec::<f32>().unwrap(), [0.0, 2.5]);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert!(Tensor::late(&[usize::MAX, 2], Vec::new).is_err());
    }
}
