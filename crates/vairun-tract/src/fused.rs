//! `FusedConv`, `FusedGemm` and `FusedMatMul` of com.microsoft: a plain operator, and what onnxruntime fused with it.
//!
//! | operator | is |
//! |----------|----|
//! | `FusedConv` | `activation(Conv(X, W, B) + Z)` |
//! | `FusedGemm` | `activation(Gemm(A, B, C))` |
//! | `FusedMatMul`, `TransposeMatMul` | `alpha · MatMul(Aᵀ, Bᵀ)`, each transposed where `transA`, `transB` say so |
//!
//! Each step is the very operator of that name, so the results are those of the model before it was fused.
//!
//! Source: onnxruntime 1.32 `core/graph/contrib_ops/contrib_defs.cc`, `contrib_ops/cpu/fused_activation.cc`.

use vairun_graph::{Attribute, Attributes, OpId};
use vairun_numeric::kernel::Isa;
use vairun_ops::contraction::RealOr;
use vairun_ops::{
    Attrs, BuildError, Context, Grade, Inputs, NodeSpec, OpEntry, OpError, Operator, Outputs,
    OwnOps, Provider,
};
use vairun_tensor::{DType, Tensor, Value};

use crate::provider::TractOps;
use crate::table::LATEST;

const DOMAIN: &str = "com.microsoft";

/// The names and what they are.
const NAMES: [(&str, &str); 4] = [
    ("FusedConv", "convolution, a sum and an activation"),
    ("FusedGemm", "matrix product with an activation"),
    ("FusedMatMul", "scaled matrix product of transposed operands"),
    ("TransposeMatMul", "scaled matrix product of transposed operands"),
];

pub(crate) fn entries() -> Vec<OpEntry> {
    let entry = |(name, summary): (&str, &str)| OpEntry {
        domain: DOMAIN.into(),
        op_type: name.into(),
        opsets: 1..=i64::MAX,
        types: "float16, bfloat16, float32".into(),
        summary: summary.into(),
        grade: Grade::Runs,
    };
    NAMES.into_iter().map(entry).collect()
}

pub(crate) fn build(spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
    if spec.op.domain != DOMAIN || !NAMES.iter().any(|(name, _)| *name == spec.op.op_type) {
        return None;
    }
    Some(match spec.op.op_type.as_str() {
        "FusedConv" => with_activation(spec, "Conv", 3),
        "FusedGemm" => with_activation(spec, "Gemm", 3),
        _ => mat_mul(spec),
    })
}

/// The plain operator `name` with these attributes on the first inputs.
fn plain(
    spec: &NodeSpec,
    name: &str,
    attributes: &Attributes,
    inputs: usize,
) -> Result<Box<dyn Operator>, BuildError> {
    let op = OpId::new("", name, LATEST);
    let mut given = spec.inputs.clone();
    given.truncate(inputs);
    let spec =
        NodeSpec { op: &op, attributes, inputs: given, outputs: vec![Some("y")], ..spec.clone() };
    let missing = || BuildError::Unsupported(format!("no operator `{name}`"));
    let operator = OwnOps.build(&spec).or_else(|| TractOps.build(&spec)).ok_or_else(missing)??;
    RealOr::over(operator, &spec, spec.isa)
}

/// An operator of ONNX on values that are known when it runs.
fn own(
    name: &str,
    opset: i64,
    attributes: &Attributes,
    inputs: usize,
) -> Result<Box<dyn Operator>, BuildError> {
    let op = OpId::new("", name, opset);
    let given = vairun_ops::InputSpec { name: "x", dtype: None, constant: None, fixed: false };
    let missing = || BuildError::Unsupported(format!("no operator `{name}`"));
    OwnOps
        .build(&NodeSpec {
            name,
            op: &op,
            attributes,
            inputs: vec![Some(given); inputs],
            outputs: vec![Some("y")],
            permissive: false,
            isa: Isa::best(),
        })
        .ok_or_else(missing)?
}

struct Fused {
    plain: Box<dyn Operator>,
    /// Inputs of the plain operator; one more is added to its result.
    inputs: usize,
    add: Box<dyn Operator>,
    activation: Option<Box<dyn Operator>>,
}

fn with_activation(
    spec: &NodeSpec,
    name: &str,
    inputs: usize,
) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=if name == "Conv" { 4 } else { 3 })?;
    let mut attributes = spec.attributes.clone();
    let activation = activation(&mut attributes)?;
    Ok(Box::new(Fused {
        plain: plain(spec, name, &attributes, inputs)?,
        inputs,
        add: own("Add", LATEST, &Attributes::new(), 2)?,
        activation,
    }))
}

/// Takes the activation out of the attributes.
fn activation(attributes: &mut Attributes) -> Result<Option<Box<dyn Operator>>, BuildError> {
    let mut taken = Attributes::new();
    let names = [
        "activation",
        "activation_params",
        "activation_alpha",
        "activation_beta",
        "activation_gamma",
    ];
    for name in names {
        taken.extend(attributes.remove_entry(name));
    }
    let attrs = Attrs::new(&taken);
    let Some(name) = attrs.string("activation")?.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let mut numbers = attrs.floats("activation_params")?.unwrap_or_default().to_vec();
    for name in &names[2..] {
        numbers.extend(attrs.float(name)?);
    }
    let (parameters, opset): (&[&str], i64) = match name.as_str() {
        "Relu" | "Tanh" | "Sigmoid" => (&[], LATEST),
        "LeakyRelu" => (&["alpha"], LATEST),
        "HardSigmoid" => (&["alpha", "beta"], LATEST),
        // Its bounds are attributes in this opset.
        "Clip" => (&["min", "max"], 6),
        other => {
            let expected = "Relu, Tanh, Sigmoid, LeakyRelu, HardSigmoid or Clip";
            return Err(Attrs::value("activation", other, expected));
        }
    };
    let own_attributes = parameters.iter().zip(numbers);
    let own_attributes =
        own_attributes.map(|(name, value)| ((*name).to_owned(), Attribute::Float(value)));
    own(&name, opset, &own_attributes.collect(), 1).map(Some)
}

impl Operator for Fused {
    fn run(&self, inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut values = inputs.into_values();
        let added = if values.len() > self.inputs { values.pop().flatten() } else { None };
        let mut y = only(self.plain.run(Inputs::new(values), context)?)?;
        if let Some(added) = added {
            y = only(self.add.run(Inputs::new(vec![Some(y), Some(added)]), context)?)?;
        }
        match &self.activation {
            Some(activation) => activation.run(Inputs::new(vec![Some(y)]), context),
            None => Ok(vec![y]),
        }
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        self.plain.output_dtypes(&inputs[..inputs.len().min(self.inputs)])
    }
}

fn only(outputs: Outputs) -> Result<Value, OpError> {
    outputs.into_iter().next().ok_or_else(|| OpError::Kernel("no output".into()))
}

struct MatMul {
    plain: Box<dyn Operator>,
    transposed: [bool; 2],
    alpha: f32,
}

fn mat_mul(spec: &NodeSpec) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=2)?;
    let attrs = Attrs::new(spec.attributes);
    let flag = |name: &'static str| Ok::<_, BuildError>(attrs.flag(name)?.unwrap_or(false));
    let transposed = [flag("transA")?, flag("transB")?];
    for name in ["transBatchA", "transBatchB"] {
        if flag(name)? {
            return Err(Attrs::value(name, 1, "0"));
        }
    }
    let alpha = attrs.float("alpha")?.unwrap_or(1.0);
    attrs.finish()?;
    Ok(Box::new(MatMul { plain: plain(spec, "MatMul", &Attributes::new(), 2)?, transposed, alpha }))
}

impl Operator for MatMul {
    fn run(&self, mut inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut operand = |i: usize, name: &'static str| {
            let x = inputs.take(i, name)?;
            if self.transposed[i] { transpose(x, context) } else { Ok(x) }
        };
        let operands = [operand(0, "A")?, operand(1, "B")?];
        let y = only(self.plain.run(Inputs::of(operands), context)?)?;
        if self.alpha == 1.0 {
            return Ok(vec![y]);
        }
        let scale =
            |name: &str, x: Tensor| own(name, LATEST, &Attributes::new(), 2).map(|op| (op, x));
        let (multiply, alpha) = scale("Mul", Tensor::scalar(self.alpha))
            .map_err(|error| OpError::Kernel(error.to_string()))?;
        let alpha = like(alpha, y.as_tensor()?.dtype(), context)?;
        multiply.run(Inputs::new(vec![Some(y), Some(alpha.into())]), context)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        self.plain.output_dtypes(inputs)
    }
}

/// A number in the type of others.
fn like(x: Tensor, dtype: DType, context: &mut dyn Context) -> Result<Tensor, OpError> {
    let to = Attribute::Int(vairun_graph::dtype_to_onnx(dtype));
    let cast = own("Cast", LATEST, &Attributes::from([("to".into(), to)]), 1)
        .map_err(|error| OpError::Kernel(error.to_string()))?;
    Ok(only(cast.run(Inputs::of([x]), context)?)?.into_tensor()?)
}

/// The last two dimensions swapped; a vector as it is.
fn transpose(x: Tensor, context: &mut dyn Context) -> Result<Tensor, OpError> {
    let rank = x.rank();
    if rank < 2 {
        return Ok(x);
    }
    let mut perm: Vec<i64> = (0..rank as i64).collect();
    perm.swap(rank - 1, rank - 2);
    let attributes = Attributes::from([("perm".into(), Attribute::Ints(perm))]);
    let swap = own("Transpose", LATEST, &attributes, 1)
        .map_err(|error| OpError::Kernel(error.to_string()))?;
    Ok(only(swap.run(Inputs::of([x]), context)?)?.into_tensor()?)
}
