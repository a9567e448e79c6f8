//! `SparseTensorProto` to a dense [`Tensor`].

use vairun_tensor::{Carrier, DType, Tensor};

use crate::error::Fault;
use crate::proto::SparseTensorProto;
use crate::tensor::{TensorReader, shape};

impl TensorReader {
    /// The tensor with zeros where the file names no value.
    ///
    /// A few bytes can ask for any size, so all of a file's sparse tensors together may take 1 GiB.
    pub(crate) fn sparse(&mut self, proto: &SparseTensorProto) -> Result<Tensor, Fault> {
        let part = |part: &Option<_>, name| {
            part.clone().ok_or_else(|| Fault::malformed(format!("no {name}")))
        };
        let values =
            self.tensor(&part(&proto.values, "values")?).map_err(|f| f.within("values"))?;
        let indices =
            self.tensor(&part(&proto.indices, "indices")?).map_err(|f| f.within("indices"))?;
        let (shape, count) = shape(&proto.dims)?;
        let width = values
            .dtype()
            .carrier()
            .bytes()
            .ok_or_else(|| Fault::unsupported("a sparse tensor of strings"))?;
        self.dense_budget = count
            .checked_mul(width)
            .and_then(|bytes| self.dense_budget.checked_sub(bytes))
            .ok_or_else(|| {
                Fault::unsupported(format!(
                    "a sparse tensor of shape {shape:?}: dense it takes too much memory"
                ))
            })?;
        let places = places(&indices, &shape, values.len())?;
        let mut dense = vec![0u8; count * width];
        for (value, place) in elements(&values).chunks_exact(width).zip(places) {
            dense[place * width..][..width].copy_from_slice(value);
        }
        Tensor::from_le_bytes(values.dtype(), &shape, &dense)
            .map_err(|error| Fault::malformed(error.to_string()))
    }
}

fn elements(values: &Tensor) -> Vec<u8> {
    match values.dtype().carrier() {
        Carrier::Bool => {
            let bools = values.as_slice::<bool>().expect("the carrier has just been checked");
            bools.iter().map(|&value| u8::from(value)).collect()
        }
        _ => values.as_bytes().expect("neither bools nor strings").to_vec(),
    }
}

/// The place of each value in row-major order: ascending, each within the shape.
fn places(indices: &Tensor, shape: &[usize], values: usize) -> Result<Vec<usize>, Fault> {
    let numbers = indices.as_slice::<i64>().map_err(|_| {
        Fault::malformed(format!("indices are {}, expected {}", indices.dtype(), DType::I64))
    })?;
    let linear = indices.shape() == [values];
    if !linear && indices.shape() != [values, shape.len()] {
        return Err(Fault::malformed(format!(
            "indices have shape {:?}, expected [{values}] or [{values}, {}]",
            indices.shape(),
            shape.len()
        )));
    }
    let outside = || Fault::malformed(format!("indices lead out of the shape {shape:?}"));
    let places: Vec<usize> = if linear {
        let count = shape.iter().product();
        let place = |&n: &i64| usize::try_from(n).ok().filter(|&n| n < count);
        numbers.iter().map(place).collect::<Option<_>>().ok_or_else(outside)?
    } else {
        let rows = (0..values).map(|i| &numbers[i * shape.len()..][..shape.len()]);
        rows.map(|row| row_place(row, shape)).collect::<Option<_>>().ok_or_else(outside)?
    };
    if places.is_sorted_by(|a, b| a < b) {
        Ok(places)
    } else {
        Err(Fault::malformed("indices are not in ascending order, each once"))
    }
}

fn row_place(row: &[i64], shape: &[usize]) -> Option<usize> {
    row.iter().zip(shape).try_fold(0, |place, (&n, &dim)| {
        let n = usize::try_from(n).ok().filter(|&n| n < dim)?;
        Some(place * dim + n)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external::Folder;
    use crate::proto::TensorProto;

    fn sparse(
        values: &[f32],
        index_dims: &[i64],
        indices: &[i64],
        dims: &[i64],
    ) -> SparseTensorProto {
        let values = TensorProto {
            data_type: Some(1),
            dims: vec![values.len() as i64],
            float_data: values.to_vec(),
            ..TensorProto::default()
        };
        let indices = TensorProto {
            data_type: Some(7),
            dims: index_dims.to_vec(),
            int64_data: indices.to_vec(),
            ..TensorProto::default()
        };
        SparseTensorProto { values: Some(values), indices: Some(indices), dims: dims.to_vec() }
    }

    fn read(proto: &SparseTensorProto) -> Result<Vec<f32>, Fault> {
        let tensor = TensorReader::new(Folder::new(None)).sparse(proto)?;
        Ok(tensor.into_vec::<f32>().unwrap())
    }

    #[test]
    fn both_forms_of_indices_name_the_same_places() {
        let dense = [0., 5., 0., 0., 0., 6.];
        assert_eq!(read(&sparse(&[5., 6.], &[2], &[1, 5], &[2, 3])).unwrap(), dense);
        assert_eq!(read(&sparse(&[5., 6.], &[2, 2], &[0, 1, 1, 2], &[2, 3])).unwrap(), dense);
    }

    #[test]
    fn indices_stay_within_the_shape_and_ascend() {
        for indices in [[1, 6], [-1, 2], [5, 1], [1, 1]] {
            let got = read(&sparse(&[5., 6.], &[2], &indices, &[2, 3]));
            assert!(matches!(got, Err(Fault::Malformed(_))), "{indices:?}: {got:?}");
        }
    }

    #[test]
    fn a_few_bytes_do_not_get_all_memory() {
        let got = read(&sparse(&[5.], &[1], &[0], &[1 << 20, 1 << 20]));
        assert!(matches!(got, Err(Fault::Unsupported(_))), "{got:?}");
        let got = read(&sparse(&[5.], &[1], &[0], &[1 << 40, 1 << 40]));
        assert!(matches!(got, Err(Fault::Malformed(_))), "{got:?}");
    }
}
