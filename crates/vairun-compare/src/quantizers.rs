//! Which tensors of a graph are codes, and of which quantizer.

use std::collections::{HashMap, HashSet};

use vairun_graph::{Attribute, Graph, Node, ValueId};
use vairun_tensor::{DType, Tensor};

use crate::measure::lanes;
use crate::quantizer::{Kind, Quantizer};

/// Parameters of quantizers are small; a larger tensor in their place is not kept.
const MOST_PARAMETERS: usize = 1 << 20;

/// The quantizers of a graph. Parameters that nodes compute become known while the graph runs, by [`Self::learn`].
#[derive(Clone, Debug, Default)]
pub struct Quantizers {
    /// By the name of the tensor.
    sites: HashMap<String, Site>,
    wanted: HashSet<String>,
    known: HashMap<String, Tensor>,
}

/// Where the parameters of a tensor stand.
#[derive(Clone, Debug, PartialEq)]
struct Site {
    kind: Kind,
    scale: Scale,
    zero_point: Option<String>,
    low: Option<String>,
    high: Option<String>,
    axis: Axis,
    dtype: Option<DType>,
    /// The codes that numbers were made from.
    codes: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Scale {
    Tensor(String),
    /// The reciprocal of it.
    Amplitude(String),
    Exponent(i32, i64),
}

#[derive(Clone, Debug, PartialEq)]
enum Axis {
    Fixed(i64),
    Tensor(String),
}

/// Operators that write codes, each with the places of the scale and the zero point of its output.
///
/// Source: ONNX operators (v1.19); `docs/ContribOperators.md` in onnxruntime 1.20.
const INTEGER_OPERATORS: [(&str, &str, usize); 14] = [
    ("", "QuantizeLinear", 1),
    ("com.microsoft", "QuantizeLinear", 1),
    ("com.amd.quark", "ExtendedQuantizeLinear", 1),
    ("com.vai.quantize", "VitisQuantizeLinear", 1),
    ("", "QLinearConv", 6),
    ("", "QLinearMatMul", 6),
    ("com.microsoft", "QLinearAdd", 6),
    ("com.microsoft", "QLinearMul", 6),
    ("com.microsoft", "QLinearSigmoid", 3),
    ("com.microsoft", "QLinearLeakyRelu", 3),
    ("com.microsoft", "QLinearSoftmax", 3),
    ("com.microsoft", "QLinearAveragePool", 3),
    ("com.microsoft", "QLinearGlobalAveragePool", 3),
    ("com.microsoft", "QLinearConcat", 0),
];

impl Quantizers {
    /// Of the main graph.
    pub fn of(graph: &Graph) -> Self {
        let mut found = Self::default();
        // Dequantizers first: what a quantizer says of its own output counts more.
        graph.nodes.iter().for_each(|node| found.read_dequantizer(graph, node));
        graph.nodes.iter().for_each(|node| found.read_quantizer(graph, node));
        for (&id, tensor) in &graph.initializers {
            found.learn(graph.name_of(id), tensor);
        }
        found
    }

    /// Tells the value of a tensor that may be a parameter.
    pub fn learn(&mut self, name: &str, tensor: &Tensor) {
        if self.wanted.contains(name) && tensor.len() <= MOST_PARAMETERS {
            self.known.insert(name.to_owned(), tensor.clone());
        }
    }

    /// What the elements of `tensor` are, and its quantizer where that is known by now.
    pub fn describe(&self, name: &str, tensor: &Tensor) -> (Kind, Option<Quantizer>) {
        if let Some(origin) = tensor.dequantized() {
            let stated = self.stated(name, tensor.shape()).map(|(_, quantizer)| quantizer);
            let quantizer = Quantizer::of(origin);
            return (Kind::Dequantized, stated.or(quantizer));
        }
        if let Some((kind, quantizer)) = self.stated(name, tensor.shape()) {
            return (kind, Some(quantizer));
        }
        let kind = match (self.sites.get(name), tensor.dtype()) {
            (Some(site), _) if site.kind == Kind::Codes && self.is_integer(site) => Kind::Codes,
            // 64-bit integers are shapes and indices.
            (_, DType::I64 | DType::U64) => Kind::Plain,
            (_, dtype) if dtype.is_integer() => Kind::Codes,
            _ => Kind::Plain,
        };
        (kind, None)
    }

    /// Whether the codes are integers. "Quantizers" to bfloat16 or float8 make numbers without a step.
    fn is_integer(&self, site: &Site) -> bool {
        let zero_point = site.zero_point.as_ref().and_then(|name| self.known.get(name));
        zero_point.is_none_or(|tensor| tensor.dtype().is_integer())
    }

    fn stated(&self, name: &str, shape: &[usize]) -> Option<(Kind, Quantizer)> {
        let site = self.sites.get(name)?;
        let tensor = |name: &Option<String>| name.as_ref().and_then(|name| self.known.get(name));
        let number = |name: &Option<String>| Some(*lanes::to_f64(tensor(name)?)?.first()? as i64);
        let zero_point = tensor(&site.zero_point);
        let dtype = site.dtype.or(zero_point.map(Tensor::dtype));
        if !self.is_integer(site) {
            return None;
        }
        // Numbers have the range of their codes, which their quantizer may state.
        let ends = site.codes.as_ref().and_then(|codes| self.sites.get(codes)).unwrap_or(site);
        let stated = number(&ends.low).zip(number(&ends.high)).map(|(low, high)| [low, high]);
        let range =
            stated.or_else(|| symmetric(site, number(&site.high)?)).or_else(|| range_of(dtype?));
        let axis = match &site.axis {
            Axis::Fixed(axis) => Some(*axis),
            Axis::Tensor(name) => number(&Some(name.clone())),
        };
        let axis = axis.and_then(|axis| place(axis, shape.len()));
        let scale = match &site.scale {
            Scale::Tensor(name) => self.known.get(name)?.clone(),
            Scale::Amplitude(name) => {
                let amplitude = lanes::to_f64(self.known.get(name)?)?;
                Tensor::vector(amplitude.into_iter().map(|a| (1.0 / a) as f32).collect())
            }
            Scale::Exponent(exponent, _) => Tensor::scalar(2f32.powi(*exponent)),
        };
        let range = match site.scale {
            Scale::Exponent(_, bits) => Some([-(1 << (bits - 1)), (1 << (bits - 1)) - 1]),
            _ => range,
        };
        let quantizer = Quantizer::from_tensors(&scale, zero_point, axis, range)?;
        quantizer.fits(shape).then_some((site.kind, quantizer))
    }

    fn read_quantizer(&mut self, graph: &Graph, node: &Node) {
        let (domain, op) = (node.op.domain.as_str(), node.op.op_type.as_str());
        let known = INTEGER_OPERATORS.iter().find(|entry| (entry.0, entry.1) == (domain, op));
        if let Some(&(_, _, place)) = known {
            let output = node.outputs.first().copied().flatten();
            self.add_linear(graph, node, output, place);
        }
        match (domain, op) {
            ("com.microsoft", "QGemm") => {
                let output = node.outputs.first().copied().flatten();
                self.add_linear(graph, node, output, 7);
            }
            ("vai", "QuantizeLinear") => self.add_vai(graph, node),
            ("vai", "fix_neuron") => self.add_fix_neuron(graph, node),
            ("ai.onnx.contrib", "FixNeuron") => self.add_positions(graph, node),
            ("", "DynamicQuantizeLinear") => self.add_dynamic(graph, node),
            ("xir", _) => self.add_xir(graph, node),
            _ => {}
        }
    }

    /// The codes that a dequantizer reads, and the numbers that it makes of them.
    fn read_dequantizer(&mut self, graph: &Graph, node: &Node) {
        if !node.op.op_type.ends_with("DequantizeLinear") {
            return;
        }
        let codes = node.inputs.first().copied().flatten();
        let axis = match node.op.domain.as_str() {
            "vai" => input(graph, node, 3).map(Axis::Tensor),
            _ => Some(Axis::Fixed(axis_of(node))),
        };
        let site = linear(graph, node, 1, axis);
        self.add(graph, codes, site.clone());
        let number =
            site.map(|site| Site { kind: Kind::Dequantized, codes: input(graph, node, 0), ..site });
        self.add(graph, node.outputs.first().copied().flatten(), number);
    }

    fn add_linear(&mut self, graph: &Graph, node: &Node, output: Option<ValueId>, place: usize) {
        let axis = Some(Axis::Fixed(axis_of(node)));
        self.add(graph, output, linear(graph, node, place, axis));
    }

    fn add_vai(&mut self, graph: &Graph, node: &Node) {
        let axis = input(graph, node, 6).map(Axis::Tensor);
        let site = linear(graph, node, 3, axis).map(|site| Site {
            low: input(graph, node, 1),
            high: input(graph, node, 2),
            ..site
        });
        self.add(graph, node.outputs.first().copied().flatten(), site);
    }

    /// `fix_neuron(x, valmax, valamp, …)`: the number of a code is code / valamp; the least code is -valmax - 1.
    fn add_fix_neuron(&mut self, graph: &Graph, node: &Node) {
        let site = input(graph, node, 2).map(|amplitude| Site {
            kind: Kind::Dequantized,
            scale: Scale::Amplitude(amplitude),
            zero_point: None,
            low: None,
            high: input(graph, node, 1),
            axis: Axis::Fixed(0),
            dtype: None,
            codes: None,
        });
        self.add(graph, node.outputs.first().copied().flatten(), site);
    }

    /// `FixNeuron`: `pos` is the number of bits after the point.
    fn add_positions(&mut self, graph: &Graph, node: &Node) {
        let number = |name: &str| match node.attributes.get(name)? {
            Attribute::Int(value) => Some(*value),
            Attribute::String(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        };
        let (Some(bits @ 2..=32), Some(position @ -126..=126)) =
            (number("bit_width"), number("pos"))
        else {
            return;
        };
        let site = Site {
            kind: Kind::Dequantized,
            scale: Scale::Exponent(-(position as i32), bits),
            zero_point: None,
            low: None,
            high: None,
            axis: Axis::Fixed(0),
            dtype: None,
            codes: None,
        };
        self.add(graph, node.outputs.first().copied().flatten(), Some(site));
    }

    /// XIR: `fix` makes codes; sums, products and what moves them are integers of a step that their node states.
    fn add_xir(&mut self, graph: &Graph, node: &Node) {
        let int = |name: &str| match node.attributes.get(name)? {
            Attribute::Int(value) => Some(*value),
            _ => None,
        };
        let divided = int("output_divisor").is_some_and(|divisor| divisor != 1);
        let bits = if node.op.op_type == "fix" { int("bit_width") } else { Some(62) };
        let (Some(bits @ 1..=62), Some(position @ -126..=126), false) =
            (bits, int("output_fix_point"), divided)
        else {
            return;
        };
        // Codes without sign have as many as signed ones of one bit more, but for the negative ones.
        let bits = bits + i64::from(int("if_signed") == Some(0));
        let site = Site {
            kind: Kind::Codes,
            scale: Scale::Exponent(-(position as i32), bits),
            zero_point: None,
            low: None,
            high: None,
            axis: Axis::Fixed(0),
            dtype: None,
            codes: None,
        };
        self.add(graph, node.outputs.first().copied().flatten(), Some(site));
    }

    fn add_dynamic(&mut self, graph: &Graph, node: &Node) {
        let output = |place: usize| node.outputs.get(place).copied().flatten();
        let name = |place| output(place).map(|id| graph.name_of(id).to_owned());
        let site = name(1).map(|scale| Site {
            kind: Kind::Codes,
            scale: Scale::Tensor(scale),
            zero_point: name(2),
            low: None,
            high: None,
            axis: Axis::Fixed(0),
            dtype: Some(DType::U8),
            codes: None,
        });
        self.add(graph, output(0), site);
    }

    fn add(&mut self, graph: &Graph, value: Option<ValueId>, site: Option<Site>) {
        let (Some(value), Some(site)) = (value, site) else { return };
        let scale = match &site.scale {
            Scale::Tensor(name) | Scale::Amplitude(name) => Some(name.clone()),
            Scale::Exponent(..) => None,
        };
        let axis = match &site.axis {
            Axis::Tensor(name) => Some(name.clone()),
            Axis::Fixed(_) => None,
        };
        let parameters =
            [scale, axis, site.zero_point.clone(), site.low.clone(), site.high.clone()];
        self.wanted.extend(parameters.into_iter().flatten());
        self.sites.insert(graph.name_of(value).to_owned(), site);
    }
}

/// Scale at `place`, zero point behind it.
fn linear(graph: &Graph, node: &Node, place: usize, axis: Option<Axis>) -> Option<Site> {
    Some(Site {
        kind: Kind::Codes,
        scale: Scale::Tensor(input(graph, node, place)?),
        zero_point: input(graph, node, place + 1),
        low: None,
        high: None,
        axis: axis.unwrap_or(Axis::Fixed(1)),
        dtype: None,
        codes: None,
    })
}

fn input(graph: &Graph, node: &Node, place: usize) -> Option<String> {
    node.inputs.get(place).copied().flatten().map(|id| graph.name_of(id).to_owned())
}

/// 1 in ONNX, 0 in Quark.
fn axis_of(node: &Node) -> i64 {
    match node.attributes.get("axis") {
        Some(Attribute::Int(axis)) => *axis,
        _ if matches!(node.op.domain.as_str(), "com.amd.quark" | "com.vai.quantize") => 0,
        _ => 1,
    }
}

fn place(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank.try_into().ok()?)? } else { axis };
    usize::try_from(axis).ok().filter(|axis| *axis < rank)
}

fn symmetric(site: &Site, high: i64) -> Option<[i64; 2]> {
    (site.kind == Kind::Dequantized)
        .then(|| [high.checked_neg()?.checked_sub(1)?, high].into())
        .flatten()
}

fn range_of(dtype: DType) -> Option<[i64; 2]> {
    let (low, high) = dtype.integer_range()?;
    Some([low.try_into().ok()?, high.try_into().ok()?])
}

#[cfg(test)]
mod tests {
    use vairun_graph::{Attributes, OpId};

    use super::*;

    fn graph(op: OpId, inputs: &[(&str, Tensor)]) -> Graph {
        let mut graph = Graph::default();
        let x = graph.add_value("x");
        let mut ids = vec![Some(x)];
        for (name, tensor) in inputs {
            let id = graph.add_value(*name);
            graph.initializers.insert(id, tensor.clone());
            ids.push(Some(id));
        }
        let y = graph.add_value("y");
        graph.nodes.push(Node {
            name: "q".into(),
            op,
            inputs: ids,
            outputs: vec![Some(y)],
            attributes: Attributes::new(),
        });
        graph
    }

    #[test]
    fn codes_of_onnx_take_their_range_from_the_zero_point() {
        let graph = graph(
            OpId::new("", "QuantizeLinear", 13),
            &[("s", Tensor::scalar(0.5f32)), ("z", Tensor::scalar(3u8))],
        );
        let (kind, quantizer) = Quantizers::of(&graph).describe("y", &Tensor::vector(vec![1u8]));
        assert_eq!(kind, Kind::Codes);
        assert_eq!(quantizer, Some(Quantizer::per_tensor(0.5, 3, Some([0, 255]))));
    }

    #[test]
    fn codes_of_vai_stand_in_floats_and_state_their_range() {
        let graph = graph(
            OpId::new("vai", "QuantizeLinear", 1),
            &[
                ("lo", Tensor::scalar(-8i32)),
                ("hi", Tensor::scalar(7i32)),
                ("s", Tensor::scalar(0.25f32)),
                ("z", Tensor::scalar(0i8)),
                ("m", Tensor::scalar(2i8)),
                ("a", Tensor::scalar(1i8)),
            ],
        );
        let (kind, quantizer) = Quantizers::of(&graph).describe("y", &Tensor::vector(vec![1f32]));
        assert_eq!(kind, Kind::Codes);
        assert_eq!(quantizer, Some(Quantizer::per_tensor(0.25, 0, Some([-8, 7]))));
    }

    #[test]
    fn parameters_that_are_computed_are_learned() {
        let mut graph = graph(OpId::new("", "QuantizeLinear", 13), &[]);
        let scale = graph.add_value("s");
        graph.nodes[0].inputs.push(Some(scale));
        let mut quantizers = Quantizers::of(&graph);
        let codes = Tensor::vector(vec![1u8]);
        assert_eq!(quantizers.describe("y", &codes), (Kind::Codes, None));
        quantizers.learn("s", &Tensor::scalar(2f32));
        assert_eq!(quantizers.describe("y", &codes).1.unwrap().scale, [2.0]);
    }

    #[test]
    fn a_cast_in_the_clothes_of_a_quantizer_makes_plain_numbers() {
        let graph = graph(
            OpId::new("com.amd.quark", "ExtendedQuantizeLinear", 1),
            &[("s", Tensor::scalar(1f32)), ("z", Tensor::scalar(vairun_tensor::bf16::ZERO))],
        );
        let made = Tensor::vector(vec![vairun_tensor::bf16::ONE]);
        assert_eq!(Quantizers::of(&graph).describe("y", &made), (Kind::Plain, None));
    }

    #[test]
    fn integers_are_codes_unless_they_are_indices() {
        let none = Quantizers::default();
        assert_eq!(none.describe("y", &Tensor::scalar(1i32)).0, Kind::Codes);
        assert_eq!(none.describe("y", &Tensor::scalar(1i64)).0, Kind::Plain);
        assert_eq!(none.describe("y", &Tensor::scalar(1f32)).0, Kind::Plain);
    }
}
