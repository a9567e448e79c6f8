//! `Conv`, `Gemm` and `MatMul` of float32 by the kernels of [`vairun_numeric::float`], which name the order of their
//! sums.
//!
//! Constant weights are packed at the first run. What is not done here (other types, more than three spatial
//! dimensions, negative pads, empty tensors, shapes that do not fit) is for another operator of the same name.
//!
//! `Gemm` is `alpha · sum + beta · C`; a factor of 1 is not multiplied with.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use vairun_numeric::contraction::ConvGeometry;
use vairun_numeric::float::{Conv, Filters, Left, Right, Sizes, product, products};
use vairun_numeric::kernel::Isa;
use vairun_tensor::{DType, Tensor};

use super::conv::output_shape;
use super::matmul::{Shapes, Tasks};
use super::window::WindowAttributes;
use crate::attrs::Attrs;
use crate::common::once::once;
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// A contraction of float32 tensors.
pub struct Real {
    form: Form,
    /// Whether the second operand is the same in every run.
    fixed: bool,
    isa: Isa,
}

enum Form {
    Conv(Convolution),
    Gemm { gemm: Gemm, weights: OnceLock<Right> },
    MatMul { weights: OnceLock<Right> },
}

struct Convolution {
    attributes: WindowAttributes,
    filters: OnceLock<Arc<Filters>>,
    /// For shapes of x met before.
    ready: Mutex<Vec<(Vec<usize>, Arc<Conv>)>>,
}

/// Shapes of x whose convolutions are kept.
const KEPT: usize = 4;

#[derive(Clone, Copy)]
struct Gemm {
    alpha: f32,
    beta: f32,
    a_transposed: bool,
    b_transposed: bool,
}

impl Real {
    /// The float32 form of a node; `None` where it has none.
    ///
    /// Reads all the attributes of the node.
    ///
    /// # Errors
    /// Attributes of another kind than the specification's.
    pub fn from_node(spec: &NodeSpec, attrs: &Attrs, isa: Isa) -> Result<Option<Self>, BuildError> {
        let form = match (spec.op.domain.as_str(), spec.op.op_type.as_str()) {
            ("", "Conv") => Form::Conv(Convolution {
                attributes: WindowAttributes::read(attrs)?,
                filters: OnceLock::new(),
                ready: Mutex::default(),
            }),
            // Before, C was broadcast only where an attribute said so.
            ("", "Gemm") if spec.op.opset >= 7 => {
                Form::Gemm { gemm: Gemm::read(attrs)?, weights: OnceLock::new() }
            }
            ("", "MatMul") => Form::MatMul { weights: OnceLock::new() },
            _ => return Ok(None),
        };
        let fixed = spec.inputs.get(1).is_some_and(|w| w.as_ref().is_some_and(|w| w.fixed));
        Ok(Some(Self { form, fixed, isa }))
    }

    /// The result; `None` where it is for another operator to compute. The inputs are only read.
    ///
    /// # Errors
    /// Missing inputs, and results that are too large.
    pub fn run(&self, inputs: &Inputs) -> Result<Option<Tensor>, OpError> {
        let (a, b, c) = (inputs.tensor(0, "A")?, inputs.tensor(1, "B")?, inputs.optional(2)?);
        let usable = |tensor: &Tensor| tensor.dtype() == DType::F32 && !tensor.is_empty();
        if ![Some(a), Some(b), c].into_iter().flatten().all(usable) {
            return Ok(None);
        }
        match &self.form {
            Form::Conv(form) => self.conv(form, a, b, c),
            Form::Gemm { gemm, weights } => self.gemm(*gemm, weights, a, b, c),
            Form::MatMul { weights } => self.mat_mul(weights, a, b),
        }
    }

    fn conv(
        &self,
        form: &Convolution,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Option<Tensor>, OpError> {
        let ready = self.fixed.then(|| form.ready(x.shape())).flatten();
        let conv = match ready {
            Some(conv) => conv,
            None => {
                let Ok(Some(geometry)) = form.attributes.conv(x.shape(), w.shape()) else {
                    return Ok(None);
                };
                let Some(conv) = self.prepared(form, &geometry, w)? else { return Ok(None) };
                conv
            }
        };
        let shape = conv.shape();
        if bias.is_some_and(|bias| bias.shape() != &shape[1..2]) {
            return Ok(None);
        }
        let y = conv.result(x.as_slice()?, bias.map(Tensor::as_slice).transpose()?);
        Ok(Some(Tensor::new(shape, y)?))
    }

    fn prepared(
        &self,
        form: &Convolution,
        geometry: &ConvGeometry,
        w: &Tensor,
    ) -> Result<Option<Arc<Conv>>, OpError> {
        let Some(shape) = output_shape(geometry, false)? else { return Ok(None) };
        if shape.contains(&0) {
            return Ok(None);
        }
        let weights = w.as_slice()?;
        let pack = || Arc::new(Filters::new(weights, geometry));
        let filters = if self.fixed { once(&form.filters, pack).clone() } else { pack() };
        let conv = Conv::new(filters, geometry, self.isa).map(Arc::new);
        if let Some(conv) = conv.as_ref().filter(|_| self.fixed) {
            let x = [&[geometry.batch, geometry.channels][..], &geometry.input()].concat();
            form.keep(x, Arc::clone(conv));
        }
        Ok(conv)
    }

    fn gemm(
        &self,
        gemm: Gemm,
        weights: &OnceLock<Right>,
        a: &Tensor,
        b: &Tensor,
        c: Option<&Tensor>,
    ) -> Result<Option<Tensor>, OpError> {
        let Some(Sizes { rows, terms, columns }) = gemm.sizes(a.shape(), b.shape()) else {
            return Ok(None);
        };
        let Some(c) = c.map(|c| Addend::new(c, rows, columns)).map_or(Some(None), |c| c.map(Some))
        else {
            return Ok(None);
        };
        let (a, b) = (a.as_slice()?, b.as_slice()?);
        let left = match gemm.a_transposed {
            true => Left::transposed(a, rows, terms),
            false => Left::new(a, rows, terms),
        };
        let pack = || match gemm.b_transposed {
            true => Right::transposed(b, terms, columns),
            false => Right::new(b, terms, columns),
        };
        let run_time;
        let right = if self.fixed {
            once(weights, pack)
        } else {
            run_time = pack();
            &run_time
        };
        let mut y = vec![0f32; rows * columns];
        let bias = c.as_ref().and_then(|c| c.bias(gemm)).map(|bias| bias.repeated(columns));
        product(&left, right, bias.as_deref(), &mut y, self.isa);
        if bias.is_none() {
            gemm.finish(&mut y, columns, c);
        }
        Ok(Some(Tensor::new(&[rows, columns], y)?))
    }

    fn mat_mul(
        &self,
        weights: &OnceLock<Right>,
        a: &Tensor,
        b: &Tensor,
    ) -> Result<Option<Tensor>, OpError> {
        let Ok(shapes) = Shapes::new(a.shape(), b.shape()) else { return Ok(None) };
        let Tasks { m, starts } = shapes.tasks();
        let Shapes { k, n, shape, .. } = &shapes;
        let (k, n) = (*k, *n);
        let mut y = vec![0f32; shape.iter().product()];
        let (a, b) = (a.as_slice()?, b.as_slice()?);
        if self.fixed && n > 1 && b.len() == k * n && starts.len() == 1 {
            let right = once(weights, || Right::new(b, k, n));
            product(&Left::new(a, m, k), right, None, &mut y, self.isa);
        } else {
            let sizes = Sizes { rows: m, terms: k, columns: n };
            products(a, b, &starts, sizes, &mut y, self.isa);
        }
        Ok(Some(Tensor::new(shape, y)?))
    }
}

impl Convolution {
    fn ready(&self, x: &[usize]) -> Option<Arc<Conv>> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.iter().find(|(shape, _)| shape == x).map(|(_, conv)| Arc::clone(conv))
    }

    fn keep(&self, x: Vec<usize>, conv: Arc<Conv>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() == KEPT {
            ready.remove(0);
        }
        ready.push((x, conv));
    }
}

impl Gemm {
    fn read(attrs: &Attrs) -> Result<Self, BuildError> {
        Ok(Self {
            alpha: attrs.float("alpha")?.unwrap_or(1.0),
            beta: attrs.float("beta")?.unwrap_or(1.0),
            a_transposed: attrs.int("transA")?.unwrap_or(0) != 0,
            b_transposed: attrs.int("transB")?.unwrap_or(0) != 0,
        })
    }

    fn sizes(self, a: &[usize], b: &[usize]) -> Option<Sizes> {
        let (&[a0, a1], &[b0, b1]) = (a, b) else { return None };
        let (rows, terms) = if self.a_transposed { (a1, a0) } else { (a0, a1) };
        let (others, columns) = if self.b_transposed { (b1, b0) } else { (b0, b1) };
        (terms == others && rows.checked_mul(columns)? <= isize::MAX as usize / 16)
            .then_some(Sizes { rows, terms, columns })
    }

    /// What the kernel has not done.
    fn finish(self, y: &mut [f32], columns: usize, c: Option<Addend>) {
        if self.alpha != 1.0 {
            y.iter_mut().for_each(|y| *y *= self.alpha);
        }
        let Some(c) = c else { return };
        for (row, y) in y.chunks_exact_mut(columns).enumerate() {
            for (column, y) in y.iter_mut().enumerate() {
                let c = c.values[row * c.steps.0 + column * c.steps.1];
                *y += if self.beta == 1.0 { c } else { self.beta * c };
            }
        }
    }
}

/// C of a Gemm, laid over the result.
struct Addend<'a> {
    values: &'a [f32],
    /// From one row and one column to the next.
    steps: (usize, usize),
}

impl<'a> Addend<'a> {
    fn new(c: &'a Tensor, rows: usize, columns: usize) -> Option<Self> {
        let (height, width) = match *c.shape() {
            [] => (1, 1),
            [width] => (1, width),
            [height, width] => (height, width),
            _ => return None,
        };
        let fits = (height == 1 || height == rows) && (width == 1 || width == columns);
        let steps = (if height == 1 { 0 } else { width }, usize::from(width != 1));
        fits.then_some(Self { values: c.as_slice().ok()?, steps })
    }

    /// The addend, where it is the same for all rows and nothing is multiplied.
    fn bias(&self, gemm: Gemm) -> Option<&Self> {
        (self.steps.0 == 0 && gemm.alpha == 1.0 && gemm.beta == 1.0).then_some(self)
    }

    /// One for each column.
    fn repeated(&self, columns: usize) -> Vec<f32> {
        (0..columns).map(|column| self.values[column * self.steps.1]).collect()
    }
}

/// The float32 form of a node, and an operator of the same name for what that does not do.
pub struct RealOr {
    real: Real,
    other: Box<dyn Operator>,
}

impl RealOr {
    /// `other` with the float32 form before it, where the node has one.
    ///
    /// # Errors
    /// As [`Real::from_node`].
    pub fn over(
        other: Box<dyn Operator>,
        spec: &NodeSpec,
        isa: Isa,
    ) -> Result<Box<dyn Operator>, BuildError> {
        Ok(match Real::from_node(spec, &Attrs::new(spec.attributes), isa)? {
            Some(real) => Box::new(Self { real, other }),
            None => other,
        })
    }
}

impl Operator for RealOr {
    fn run(&self, inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        match self.real.run(&inputs)? {
            Some(y) => Ok(vec![y.into()]),
            None => self.other.run(inputs, context),
        }
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        self.other.output_dtypes(inputs)
    }
}

#[cfg(test)]
mod tests {
    use vairun_graph::{Attribute, Attributes, OpId};

    use super::*;
    use crate::common::testing::{count_up, floats};
    use crate::spec::InputSpec;

    fn real(op: &str, attributes: &[(&str, Attribute)], fixed: bool) -> Real {
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let input = InputSpec { name: "w", dtype: None, constant: None, fixed };
        let spec = NodeSpec {
            name: "node",
            op: &OpId::new("", op, 13),
            attributes: &attributes,
            inputs: vec![Some(input); 3],
            outputs: vec![Some("y")],
            permissive: false,
            isa: Isa::best(),
        };
        Real::from_node(&spec, &Attrs::new(&attributes), Isa::best()).unwrap().unwrap()
    }

    fn run(real: &Real, inputs: &[Tensor]) -> Option<Vec<f32>> {
        let y = real.run(&Inputs::of(inputs.iter().cloned())).unwrap()?;
        Some(y.as_slice().unwrap().to_vec())
    }

    #[test]
    fn a_convolution_meets_several_shapes_with_the_same_weights() {
        for fixed in [false, true] {
            let conv = real("Conv", &[("pads", Attribute::Ints(vec![1, 1]))], fixed);
            let (w, bias) = (floats(&[1, 1, 3], &[1., 10., 100.]), floats(&[1], &[0.5]));
            let run = |x| run(&conv, &[x, w.clone(), bias.clone()]).unwrap();
            for _ in 0..2 {
                assert_eq!(run(floats(&[1, 1, 2], &[1., 2.])), [210.5, 21.5]);
                assert_eq!(run(floats(&[1, 1, 1], &[3.])), [30.5]);
            }
        }
    }

    #[test]
    fn gemm_scales_and_broadcasts_its_third_operand() {
        let (a, b) = (floats(&[2, 2], &[1., 2., 3., 4.]), floats(&[2, 2], &[1., 1., 0., 1.]));
        let product = [1., 3., 3., 7.];
        for (c, added) in [
            (floats(&[], &[2.]), [2., 2., 2., 2.]),
            (floats(&[2], &[2., 4.]), [2., 4., 2., 4.]),
            (floats(&[2, 1], &[2., 4.]), [2., 2., 4., 4.]),
            (floats(&[2, 2], &[2., 4., 6., 8.]), [2., 4., 6., 8.]),
        ] {
            let inputs = [a.clone(), b.clone(), c];
            let sums = |alpha: f32, beta: f32| -> Vec<f32> {
                product.iter().zip(added).map(|(x, c)| alpha * x + beta * c).collect()
            };
            assert_eq!(run(&real("Gemm", &[], false), &inputs), Some(sums(1., 1.)));
            let factors = [("alpha", Attribute::Float(2.0)), ("beta", Attribute::Float(0.5))];
            assert_eq!(run(&real("Gemm", &factors, true), &inputs), Some(sums(2., 0.5)));
        }
        let transposed = [("transA", Attribute::Int(1)), ("transB", Attribute::Int(1))];
        let y = run(&real("Gemm", &transposed, true), &[a, b]);
        assert_eq!(y.unwrap(), [4., 3., 6., 4.]);
    }

    #[test]
    fn matrices_are_multiplied_batch_by_batch() {
        for fixed in [false, true] {
            let product = real("MatMul", &[], fixed);
            let y = run(&product, &[count_up(&[2, 1, 2]), count_up(&[2, 2])]).unwrap();
            assert_eq!(y, [2., 3., 6., 11.]);
            let y = run(&product, &[count_up(&[2, 1, 2]), count_up(&[2, 2, 1])]).unwrap();
            assert_eq!(y, [1., 13.], "not of the weights that were packed before");
        }
    }

    #[test]
    fn what_others_compute_is_left_to_them() {
        let ints = Tensor::new(&[1, 1], vec![1i32]).unwrap();
        assert_eq!(run(&real("MatMul", &[], false), &[ints.clone(), ints]), None);
        let (x, w) = (count_up(&[1, 1, 2]), count_up(&[1, 1, 1]));
        let cropped = real("Conv", &[("pads", Attribute::Ints(vec![-1, 0]))], false);
        assert_eq!(run(&cropped, &[x.clone(), w]), None);
        assert_eq!(run(&real("Conv", &[], false), &[x, count_up(&[1, 1, 3])]), None);
    }
}
