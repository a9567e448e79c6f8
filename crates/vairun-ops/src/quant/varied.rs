//! Quantizers that deviate from their rule in a [`Variation`]: what somebody else may have computed.
//!
//! [`Varied`] is a provider that stands before the others. It takes the quantizers to integers of every family and
//! leaves all else, block formats and quantizers to floats included, to the providers behind it.

use std::sync::Arc;

use vairun_graph::{Attribute, Graph, Node, OpId, ValueId};
use vairun_numeric::linear::Grid;
use vairun_numeric::round::Round;
use vairun_numeric::spread::Spread;
use vairun_numeric::variation::{Form, Variation};
use vairun_tensor::{Carrier, DType, Dequantized, Tensor, bf16, f16};

use super::contrib::{bit_width, rule};
use super::granularity::{Granularity, Names};
use super::parameters::{float, integer, integers, scales, wrong_dtype};
use super::vai_grid::VaiGrid;
use super::vai_quantize_linear::method;
use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};
use crate::list::OwnOps;
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::provider::{OpEntry, Provider};
use crate::spec::NodeSpec;

/// Provides quantizers that deviate. The last entry that applies to a node counts.
#[derive(Clone, Debug, Default)]
pub struct Varied {
    /// The deviation and the nodes that it is for.
    pub entries: Vec<(Nodes, Variation)>,
}

/// A test of the names of a node and of its first output.
pub type NodeTest = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Which nodes are meant.
#[derive(Clone)]
pub enum Nodes {
    /// All.
    All,
    /// Those for which it is true, by the names of the node and of its first output.
    If(NodeTest),
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::All) { "All" } else { "If" })
    }
}

/// A family of quantizers to integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// `QuantizeLinear` of ONNX and those after it; the default axis.
    Linear(i64),
    VaiQuantizeLinear,
    VaiFixNeuron,
    /// `FixNeuron` of vai_q_onnx.
    ContribFixNeuron,
    ContribVaiQuantize,
}

fn family(op: &OpId) -> Option<Family> {
    Some(match (op.domain.as_str(), op.op_type.as_str()) {
        ("" | "com.microsoft" | "ai.onnx.contrib", "QuantizeLinear") => Family::Linear(1),
        ("com.amd.quark", "ExtendedQuantizeLinear")
        | ("com.vai.quantize", "VitisQuantizeLinear") => Family::Linear(0),
        ("vai", "QuantizeLinear") => Family::VaiQuantizeLinear,
        ("vai", "fix_neuron") => Family::VaiFixNeuron,
        ("ai.onnx.contrib", "FixNeuron") => Family::ContribFixNeuron,
        ("ai.onnx.contrib", "VaiQuantize") => Family::ContribVaiQuantize,
        _ => return None,
    })
}

/// Whether the operator is a quantizer to integers that [`Varied`] takes.
pub fn is_varied(op: &OpId) -> bool {
    family(op).is_some()
}

/// How a quantizer rounds by itself, where its parameters stand in the graph.
pub fn own_rounding(graph: &Graph, node: &Node) -> Option<Round> {
    let place = match family(&node.op)? {
        Family::VaiQuantizeLinear => 5,
        Family::VaiFixNeuron => 3,
        _ => return Some(Round::HalfEven),
    };
    let tensor = constant_of(graph, node.inputs.get(place).copied().flatten()?)?;
    Round::from_vai(integer(tensor, "method").ok()?)
}

/// What a value is that stands in the graph: an initializer, the value of a `Constant`, or an `Identity` of these.
pub fn constant_of(graph: &Graph, mut id: ValueId) -> Option<&Tensor> {
    for _ in 0..graph.nodes.len() + 1 {
        if let Some(tensor) = graph.initializers.get(&id) {
            return Some(tensor);
        }
        let producer = graph.nodes.iter().find(|node| node.writes().any(|made| made == id))?;
        match (producer.op.op_type.as_str(), producer.attributes.get("value")) {
            ("Constant", Some(Attribute::Tensor(tensor))) => return Some(tensor),
            ("Identity", _) => id = producer.inputs.first().copied().flatten()?,
            _ => return None,
        }
    }
    None
}

impl Provider for Varied {
    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        let family = family(spec.op)?;
        let output = spec.outputs.first().copied().flatten().unwrap_or_default();
        let applies = |nodes: &Nodes| match nodes {
            Nodes::All => true,
            Nodes::If(test) => test(spec.name, output),
        };
        let &(_, variation) = self.entries.iter().rev().find(|(nodes, _)| applies(nodes))?;
        let own = match OwnOps.build(spec)? {
            Ok(own) => own,
            Err(error) => return Some(Err(error)),
        };
        VariedQuantizer::of(spec, family, variation, own).transpose()
    }

    fn entries(&self) -> Vec<OpEntry> {
        Vec::new()
    }
}

struct VariedQuantizer {
    family: Family,
    variation: Variation,
    granularity: Granularity,
    /// The type of the codes where no zero point says it.
    dtype: Option<DType>,
    bits: u32,
    /// The quantizer as it is.
    own: Box<dyn Operator>,
}

/// A quantizer over its input.
struct Laid {
    form: Form,
    grids: Vec<Grid>,
    spread: Spread,
    shape: Vec<usize>,
    x: Vec<f32>,
}

impl VariedQuantizer {
    /// `None` where the quantizer gives no integers.
    fn of(
        spec: &NodeSpec,
        family: Family,
        variation: Variation,
        own: Box<dyn Operator>,
    ) -> Result<Option<Box<dyn Operator>>, BuildError> {
        let attrs = Attrs::new(spec.attributes);
        let axis = match family {
            Family::Linear(axis) => attrs.int("axis")?.unwrap_or(axis),
            _ => 0,
        };
        let (dtype, bits) = match family {
            Family::Linear(_) => {
                let stated = spec.dtype(2).or_else(|| spec.constant(2).map(Tensor::dtype));
                let stated = stated.or(attrs.dtype("output_dtype")?).or(Some(DType::U8));
                if stated.is_some_and(|dtype| !dtype.is_integer()) {
                    return Ok(None);
                }
                if attrs.int("block_size")?.unwrap_or(0) != 0 {
                    let what = "a quantizer with blocks is rounded by its own rule only";
                    return Err(BuildError::Unsupported(what.into()));
                }
                let contrib = spec.op.domain == "ai.onnx.contrib";
                (stated, if contrib { bit_width(&attrs, 16)? } else { 64 })
            }
            Family::ContribVaiQuantize | Family::ContribFixNeuron => (None, bit_width(&attrs, 32)?),
            _ => (None, 64),
        };
        let granularity = Granularity { axis, block_size: 0 };
        Ok(Some(Box::new(Self { family, variation, granularity, dtype, bits, own })))
    }

    fn linear(&self, inputs: &Inputs) -> Result<(Laid, DType), OpError> {
        let (x, scale) = (inputs.tensor(0, "x")?, inputs.tensor(1, "scale")?);
        let zero_point = inputs.optional(2)?;
        let dtype = zero_point.map(Tensor::dtype).or(self.dtype).unwrap_or(DType::U8);
        let range = dtype.integer_range().filter(|_| dtype != DType::I64 && dtype != DType::U64);
        let Some((low, high)) = range else {
            return Err(wrong_dtype("zero_point", dtype, "an integer type of at most 32 bits"));
        };
        let (low, high) = self.within_bits(low as i64, high as i64);
        let names = Names { scale: "scale", zero_point: "zero_point" };
        let spread = self.granularity.spread(x.shape(), scale, zero_point, names)?;
        let zero_points = match zero_point {
            Some(tensor) => integers(tensor, "zero_point")?,
            None => vec![0],
        };
        let form = native(Round::HalfEven, low, high);
        let laid = Laid {
            form,
            grids: grids(&scales(scale, "scale")?, &zero_points),
            spread,
            shape: x.shape().to_vec(),
            x: reals(x)?,
        };
        Ok((laid, dtype))
    }

    fn within_bits(&self, low: i64, high: i64) -> (i64, i64) {
        let bits = self.bits.min(62);
        match low {
            0 => (0, high.min((1 << bits) - 1)),
            _ => (low.max(-(1 << (bits - 1))), high.min((1 << (bits - 1)) - 1)),
        }
    }

    fn vai(&self, inputs: &mut Inputs) -> Result<Laid, OpError> {
        let bound = |inputs: &Inputs, index, name| integer(inputs.tensor(index, name)?, name);
        let (low, high) = (bound(inputs, 1, "valmin")?, bound(inputs, 2, "valmax")?);
        let round = method(inputs.tensor(5, "method")?, false)?.unwrap_or(Round::HalfEven);
        let form =
            Form { zero_point_first: true, nan: i64::from(i32::MIN), ..native(round, low, high) };
        let grid = VaiGrid::read(inputs, 3, 6)?;
        let x = inputs.take(0, "x")?;
        let placement = grid.place(x.shape(), false)?;
        let x = placement.elements(x)?.map(|_| (), <[f32]>::to_vec)?;
        let grids = placement
            .grids
            .iter()
            .map(|grid| Grid { scale: grid.scale, zero_point: grid.zero_point as i32 });
        let (grids, spread, shape) = (grids.collect(), placement.spread, placement.shape);
        Ok(Laid { form, grids, spread, shape, x })
    }

    /// `vai::fix_neuron`: the step is 1 / valamp, and it multiplies.
    fn fix_neuron(inputs: &Inputs) -> Result<Laid, OpError> {
        let high = integer(inputs.tensor(1, "valmax")?, "valmax")?;
        let amplitude = float(inputs.tensor(2, "valamp")?, "valamp")? as f32;
        let round = method(inputs.tensor(3, "method")?, false)?.unwrap_or(Round::HalfEven);
        let form = Form {
            reciprocal: true,
            converts_first: true,
            nan: -high - 1,
            ..native(round, -high - 1, high)
        };
        let x = inputs.tensor(0, "x")?;
        let grids = vec![Grid { scale: 1.0 / amplitude, zero_point: 0 }];
        let (spread, shape) = (Spread::Tensor, x.shape().to_vec());
        Ok(Laid { form, grids, spread, shape, x: reals(x)? })
    }

    fn contrib(&self, inputs: &Inputs) -> Result<Laid, OpError> {
        let rule = rule(inputs, self.bits)?;
        let form = native(Round::HalfEven, rule.low as i64, rule.high as i64);
        let x = inputs.tensor(0, "x")?;
        let grids = vec![Grid { scale: rule.scale, zero_point: rule.zero_point.into() }];
        let (spread, shape) = (Spread::Tensor, x.shape().to_vec());
        Ok(Laid { form, grids, spread, shape, x: reals(x)? })
    }
}

fn native(round: Round, low: i64, high: i64) -> Form {
    Form {
        round,
        zero_point_first: false,
        reciprocal: false,
        converts_first: false,
        low,
        high,
        nan: low,
    }
}

fn grids(scales: &[f32], zero_points: &[i32]) -> Vec<Grid> {
    let count = scales.len().max(zero_points.len());
    let grid = |i| Grid {
        scale: scales[i % scales.len()],
        zero_point: zero_points[i % zero_points.len()],
    };
    (0..count).map(grid).collect()
}

/// x as f32; every narrower number fits exactly.
fn reals(x: &Tensor) -> Result<Vec<f32>, OpError> {
    Ok(match x.dtype() {
        DType::F32 => x.as_slice::<f32>()?.to_vec(),
        DType::F16 => x.as_slice::<f16>()?.iter().map(|x| x.to_f32()).collect(),
        DType::BF16 => x.as_slice::<bf16>()?.iter().map(|x| x.to_f32()).collect(),
        got => return Err(wrong_dtype("x", got, "float32, float16 or bfloat16")),
    })
}

impl Laid {
    fn codes(&self, variation: &Variation) -> Vec<i64> {
        self.form.codes(&self.x, &self.grids, self.spread, variation)
    }

    /// Codes and numbers at once, with the grid beside them.
    fn fixed(&self, variation: &Variation) -> Result<Tensor, OpError> {
        let Grid { scale, zero_point } = self.grids[0];
        let number = |code: i64| (code as f32 - zero_point as f32) * scale;
        let numbers = self.codes(variation).into_iter().map(number).collect();
        let (step, zero) = (Tensor::scalar(scale), Tensor::scalar(zero_point));
        let origin = Dequantized::on_grid(step, zero, None);
        Ok(Tensor::new(&self.shape, numbers)?.with_dequantized(origin))
    }
}

/// Codes as a tensor of an integer type that they fit.
fn integer_tensor(dtype: DType, shape: &[usize], codes: Vec<i64>) -> Result<Tensor, OpError> {
    macro_rules! narrowed {
        ($type:ty) => {
            Tensor::with_dtype(
                dtype,
                shape,
                codes.into_iter().map(|code| code as $type).collect::<Vec<_>>(),
            )
        };
    }
    Ok(match dtype.carrier() {
        Carrier::I8 => narrowed!(i8),
        Carrier::U8 => narrowed!(u8),
        Carrier::I16 => narrowed!(i16),
        Carrier::U16 => narrowed!(u16),
        Carrier::U32 => narrowed!(u32),
        _ => narrowed!(i32),
    }?)
}

impl Operator for VariedQuantizer {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let y = match self.family {
            Family::Linear(_) => {
                let (laid, dtype) = self.linear(&inputs)?;
                integer_tensor(dtype, &laid.shape, laid.codes(&self.variation))?
            }
            Family::VaiQuantizeLinear => {
                let laid = self.vai(&mut inputs)?;
                let codes = laid.codes(&self.variation);
                Tensor::new(&laid.shape, codes.into_iter().map(|code| code as f32).collect())?
            }
            Family::VaiFixNeuron => {
                let laid = Self::fix_neuron(&inputs)?;
                match inputs.tensor(0, "x")?.dtype() {
                    DType::F16 => {
                        let y = laid.fixed(&self.variation)?.into_vec::<f32>()?;
                        Tensor::new(&laid.shape, y.into_iter().map(f16::from_f32).collect())?
                    }
                    _ => laid.fixed(&self.variation)?,
                }
            }
            Family::ContribFixNeuron => self.contrib(&inputs)?.fixed(&self.variation)?,
            Family::ContribVaiQuantize => {
                let laid = self.contrib(&inputs)?;
                integer_tensor(DType::I8, &laid.shape, laid.codes(&self.variation))?
            }
        };
        Ok(vec![y.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        self.own.output_dtypes(inputs)
    }
}

#[cfg(test)]
mod tests {
    use vairun_numeric::variation::Beyond;

    use super::*;
    use crate::quant::testing::Node;

    /// Ties, ends of the range, and numbers beyond it.
    fn x() -> Tensor {
        let numbers = (-300..300).map(|i| i as f32 * 0.25).chain([1e9, -1e9, 0.3, f32::NAN]);
        Tensor::vector(numbers.collect())
    }

    /// A quantizer of each family to 8 bits with a step of a half.
    fn nodes() -> Vec<Node> {
        let (half, zero) = (|| Tensor::scalar(0.5f32), || Tensor::scalar(3i8));
        let linear = |domain, op| Node::new(domain, op).inputs([x(), half(), zero()]);
        vec![
            linear("", "QuantizeLinear"),
            linear("com.microsoft", "QuantizeLinear"),
            linear("ai.onnx.contrib", "QuantizeLinear").string("bit_width", "6"),
            linear("com.amd.quark", "ExtendedQuantizeLinear"),
            linear("ai.onnx.contrib", "VaiQuantize").string("bit_width", "8"),
            linear("ai.onnx.contrib", "FixNeuron").string("bit_width", "8"),
            Node::new("vai", "QuantizeLinear").inputs([
                x(),
                Tensor::scalar(-128i32),
                Tensor::scalar(127i32),
                half(),
                zero(),
                Tensor::scalar(2i8),
                Tensor::scalar(0i8),
            ]),
            Node::new("vai", "fix_neuron").inputs([
                x(),
                Tensor::scalar(127i64),
                Tensor::scalar(2f64),
                Tensor::scalar(3i64),
                Tensor::scalar(1i64),
                Tensor::scalar(0i64),
            ]),
        ]
    }

    fn varied(node: &Node, variation: Variation) -> Tensor {
        node.run_by(&Varied { entries: vec![(Nodes::All, variation)] })
    }

    #[test]
    fn the_plain_form_of_every_family_gives_the_bits_of_its_own_kernel() {
        for node in nodes() {
            let (own, plain) = (node.run(), varied(&node, Variation::default()));
            // NaN is outside of what a deviation is asked for where a family lets it through.
            let last = own.len() - 1;
            assert_eq!((own.dtype(), own.shape()), (plain.dtype(), plain.shape()));
            let bits = |tensor: &Tensor| {
                let width = tensor.byte_len() / tensor.len();
                tensor.as_bytes().unwrap()[..last * width].to_vec()
            };
            assert_eq!(bits(&own), bits(&plain), "{own:?}");
        }
    }

    #[test]
    fn every_family_can_deviate() {
        for node in nodes() {
            for variation in [
                Variation::rounding(Round::Floor),
                Variation { range: Some(Beyond::Narrow), ..Variation::default() },
                Variation { scale_exponent: 1, ..Variation::default() },
            ] {
                assert!(!varied(&node, variation).bits_eq(&node.run()), "{variation:?}");
            }
        }
    }

    #[test]
    fn quantizers_to_floats_and_other_nodes_are_left_alone() {
        let bf16_zero = Tensor::scalar(bf16::ZERO);
        let node = Node::new("com.amd.quark", "ExtendedQuantizeLinear").inputs([
            x(),
            Tensor::scalar(1f32),
            bf16_zero,
        ]);
        assert!(node.declined_by(&Varied { entries: vec![(Nodes::All, Variation::default())] }));
        let node = Node::new("", "QuantizeLinear").inputs([x(), Tensor::scalar(1f32)]);
        let nobody = Nodes::If(Arc::new(|_: &str, _: &str| false));
        assert!(node.declined_by(&Varied { entries: vec![(nobody, Variation::default())] }));
    }
}
