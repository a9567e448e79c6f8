//! One function applied to every element.

use vairun_numeric::float::Unary;
use vairun_tensor::{DType, Element, Tensor};

use crate::arithmetic::Arithmetic;
use crate::attrs::Attrs;
use crate::common::dispatch::with_float;
use crate::common::number::Real;
use crate::common::one;
use crate::common::types::FLOATS;
use crate::elementwise::float32;
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `f(x)` for every element, in place where nobody else holds the tensor.
pub(crate) fn map<T: Element + Copy>(x: Tensor, f: impl Fn(T) -> T) -> Result<Tensor, OpError> {
    let (dtype, shape) = (x.dtype(), x.shape().to_vec());
    let data = if x.is_shared() {
        x.as_slice::<T>()?.iter().map(|&x| f(x)).collect()
    } else {
        let mut data = x.into_vec::<T>()?;
        data.iter_mut().for_each(|x| *x = f(*x));
        data
    };
    Ok(Tensor::with_dtype(dtype, &shape, data)?)
}

/// A function of a real number. float16 and bfloat16 go through the form in float32.
pub(crate) trait RealFunction: Send + Sync {
    fn f32(&self, x: f32) -> f32;
    fn f64(&self, x: f64) -> f64;

    /// The same for float32, in the vectors of the CPU.
    fn kernel(&self) -> Option<Unary> {
        None
    }
}

/// The operator that applies a [`RealFunction`].
pub(crate) struct MapReal<F>(pub(crate) F);

impl<F: RealFunction> Operator for MapReal<F> {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.take(0, "X")?;
        let f = &self.0;
        one(with_float!(x.dtype(), "X", T => {
            float32::map::<T>(f.kernel(), x, |x| x.apply(|x| f.f32(x), |x| f.f64(x)))
        })?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }

    fn arithmetic(&self, _: &Inputs) -> Option<Arithmetic> {
        self.0.kernel().map(Arithmetic::Unary)
    }
}

/// Checks for one input and reads the attribute of opset 1 that says what may be overwritten.
pub(crate) fn expect_unary(spec: &NodeSpec, attrs: &Attrs) -> Result<(), BuildError> {
    spec.expect_inputs(1..=1)?;
    ignore_consumed_inputs(spec, attrs);
    Ok(())
}

/// `consumed_inputs` of opset 1 allowed to write over an input; it never changed a result.
pub(crate) fn ignore_consumed_inputs(spec: &NodeSpec, attrs: &Attrs) {
    if spec.op.opset < 6 {
        attrs.get("consumed_inputs");
    }
}
