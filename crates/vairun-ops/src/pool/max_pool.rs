//! `MaxPool`: the largest element of each window, and where it is.
//!
//! | | name | type                                             | shape       |
//! |-|------|--------------------------------------------------|-------------|
//! | 0 | `X` | int8, uint8, float16, bfloat16, float32, float64 | `[n, c, …]` |
//! | → | `Y` | as `X`                                           | `[n, c, …]` |
//! | → | `Indices` | int64                                       | as `Y`      |
//!
//! Attributes: auto_pad (NOTSET), ceil_mode (0), dilations (1 …), kernel_shape, pads (0 …), storage_order (0), strides
//! (1 …). `Indices` are places in the whole of X, row-major, or column-major within a plane where storage_order is 1; of
//! equal elements the first one is taken. NaN is larger than any number, as in PyTorch. The padding is never taken.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>.

use vairun_numeric::float::max_pool;
use vairun_numeric::kernel::Isa;
use vairun_numeric::pool::{Ordered, Pool, argmax, max};
use vairun_tensor::{DType, Element, Tensor};

use super::window::Windows;
use crate::attrs::Attrs;
use crate::common::dispatch::with_type;
use crate::common::movement::{AxisAfter, carry};
use crate::common::types::Types;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `MaxPool`.
pub static DEF: OpDef = OpDef {
    names: &[("", "MaxPool")],
    opsets: 1..=LATEST,
    summary: "the largest element of each window, and where it is",
    types: "int8, uint8, float16, bfloat16, float32, float64",
    grade: Grade::Exact("ONNX"),
    build,
};

/// What is pooled.
pub(super) const TYPES: Types =
    Types::new("int8, uint8, float16, bfloat16, float32 or float64", |dtype| {
        matches!(dtype, DType::I8 | DType::U8 | DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    });

/// Evaluates `$body` with the Rust type of an element that is pooled.
macro_rules! with_pooled {
    ($dtype:expr, $T:ident => $body:expr) => {
        with_type!($dtype, $crate::pool::max_pool::TYPES, "X", $T => $body;
            I8 i8, U8 u8, F16 vairun_tensor::f16, BF16 vairun_tensor::bf16, F32 f32, F64 f64)
    };
}
pub(super) use with_pooled;

struct MaxPool {
    windows: Windows,
    column_major: bool,
    indices: bool,
    isa: Isa,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let column_major = attrs.flag("storage_order")?.unwrap_or(false);
    Ok(Box::new(MaxPool {
        windows: Windows::read(attrs)?,
        column_major,
        indices: spec.has_output(1),
        isa: spec.isa,
    }))
}

impl Operator for MaxPool {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        TYPES.check_tensor(x, "X")?;
        let (pool, shape) = self.windows.over(x.dtype(), x.shape())?;
        if self.indices {
            return with_pooled!(x.dtype(), T => self.with_indices(x.as_slice::<T>()?, &pool, &shape));
        }
        if x.dtype() == DType::F32 {
            let y = Tensor::new(&shape, max_pool(x.as_slice()?, &pool, self.isa))?;
            return one(carried(x, y));
        }
        let y =
            with_pooled!(x.dtype(), T => Ok(Tensor::new(&shape, max(x.as_slice::<T>()?, &pool))?))?;
        one(carried(x, y))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![TYPES.check(inputs, 0, "X")?, Some(DType::I64)])
    }
}

/// The largest element is one of x; a window that sees none gives what is on no grid.
fn carried(x: &Tensor, y: Tensor) -> Tensor {
    carry(x, |axis| if axis < 2 { AxisAfter::At(axis) } else { AxisAfter::Lost }, y)
}

impl MaxPool {
    fn with_indices<T: Element + Ordered>(
        &self,
        x: &[T],
        pool: &Pool,
        shape: &[usize],
    ) -> Result<Outputs, OpError> {
        let found = argmax(x, pool);
        let (plane, outputs) = (pool.input_len(), pool.output_len().max(1));
        let place = |(i, &(_, at)): (usize, &(T, usize))| {
            let at = if self.column_major { column_major(at, pool) } else { at };
            (i / outputs * plane + at) as i64
        };
        let indices = found.iter().enumerate().map(place).collect();
        let largest = found.iter().map(|&(x, _)| x).collect();
        Ok(vec![Tensor::new(shape, largest)?.into(), Tensor::new(shape, indices)?.into()])
    }
}

/// The place of an element in its plane, counted with the first dimension running fastest.
fn column_major(mut at: usize, pool: &Pool) -> usize {
    let lengths: Vec<usize> = pool.axes.iter().map(|axis| axis.input).collect();
    let mut place = 0;
    for (d, &length) in lengths.iter().enumerate().rev() {
        let before: usize = lengths[..d].iter().product();
        place += at % length * before;
        at /= length;
    }
    place
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::{assert_tensor, count_up, floats, node, tensor};

    #[test]
    fn the_padding_is_never_the_largest() {
        let pool = node("MaxPool").ints("kernel_shape", &[2]).ints("pads", &[1, 0]);
        assert_tensor(
            &pool.run([floats(&[1, 1, 2], &[-4., -6.])]),
            &floats(&[1, 1, 2], &[-4., -4.]),
        );
        assert_tensor(
            &pool.run([tensor(&[1, 1, 2], &[-4i8, -128])]),
            &tensor(&[1, 1, 2], &[-4i8, -4]),
        );
    }

    #[test]
    fn indices_count_through_the_whole_tensor() {
        let pool =
            node("MaxPool").ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]).outputs(2);
        let indices = |case: &crate::common::testing::Case| {
            let inputs = vec![Some(count_up(&[1, 2, 2, 4]).into())];
            case.try_run_values(inputs).unwrap()[1].as_tensor().unwrap().clone()
        };
        let expected = |at: [i64; 4]| Tensor::new(&[1, 2, 1, 2], at.to_vec()).unwrap();
        assert_tensor(&indices(&pool), &expected([5, 7, 13, 15]));
        assert_tensor(&indices(&pool.int("storage_order", 1)), &expected([3, 7, 11, 15]));
    }

    #[test]
    fn the_first_of_equal_elements_is_taken() {
        let pool = node("MaxPool").ints("kernel_shape", &[3]).outputs(2);
        let outputs =
            pool.try_run_values(vec![Some(floats(&[1, 1, 3], &[1., 2., 2.]).into())]).unwrap();
        assert_tensor(
            outputs[1].as_tensor().unwrap(),
            &Tensor::new(&[1, 1, 1], vec![1i64]).unwrap(),
        );
    }
}
