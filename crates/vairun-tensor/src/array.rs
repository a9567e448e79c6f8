use ndarray::{Array, ArrayBase, ArrayD, Data, Dimension, IxDyn};

use crate::element::Element;
use crate::tensor::{Tensor, TensorError};
use crate::value::Value;

impl Tensor {
    /// A copy as an array of the same shape; `T` must be the carrier of the type.
    ///
    /// # Errors
    /// [`TensorError::DType`] where it is not.
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>, TensorError> {
        let data = self.as_slice::<T>()?.to_vec();
        Ok(Array::from_shape_vec(IxDyn(self.shape()), data)
            .expect("a tensor's elements fill its shape"))
    }
}

impl<T: Element, S: Data<Elem = T>, D: Dimension> From<&ArrayBase<S, D>> for Tensor {
    /// A copy in row-major order, whatever the array's layout is.
    fn from(array: &ArrayBase<S, D>) -> Self {
        Self::new(array.shape(), array.iter().cloned().collect())
            .expect("an array's elements fill its shape")
    }
}

impl<T: Element, D: Dimension> From<Array<T, D>> for Tensor {
    fn from(array: Array<T, D>) -> Self {
        let shape = array.shape().to_vec();
        if !array.is_standard_layout() {
            return Self::from(&array);
        }
        let (data, offset) = array.into_raw_vec_and_offset();
        let count: usize = shape.iter().product();
        let start = offset.unwrap_or(0);
        let data = if start == 0 && data.len() == count {
            data
        } else {
            data[start..start + count].to_vec()
        };
        Self::new(&shape, data).expect("an array's elements fill its shape")
    }
}

impl<T: Element, D: Dimension> From<Array<T, D>> for Value {
    fn from(array: Array<T, D>) -> Self {
        Tensor::from(array).into()
    }
}

impl<T: Element> From<Vec<T>> for Value {
    /// A tensor with one dimension.
    fn from(data: Vec<T>) -> Self {
        Tensor::vector(data).into()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, s};

    use super::*;

    #[test]
    fn an_array_goes_there_and_back() {
        let array = arr2(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let tensor = Tensor::from(array.clone());
        assert_eq!(tensor.to_array::<f32>().unwrap(), array.into_dyn());
        assert!(tensor.to_array::<i8>().is_err());
    }

    #[test]
    fn any_layout_becomes_row_major() {
        let array = arr2(&[[1i32, 2], [3, 4]]);
        assert_eq!(
            Tensor::from(array.clone().reversed_axes()).as_slice::<i32>().unwrap(),
            [1, 3, 2, 4]
        );
        assert_eq!(Tensor::from(array.slice_move(s![1.., ..])).as_slice::<i32>().unwrap(), [3, 4]);
    }
}
