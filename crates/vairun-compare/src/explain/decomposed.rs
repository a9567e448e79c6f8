//! Operators on codes as what they stand for: dequantizers, the operator on numbers, a quantizer that may deviate.

use vairun_graph::{Attribute, Attributes, Graph, Node, OpId, ValueId};
use vairun_ops::quant::varied::constant_of;
use vairun_tensor::Tensor;

use super::part::Part;
use crate::measure::lanes;

/// Where an operator on codes has its operands (codes, scale, zero point) and the scale of its output; behind that
/// stands the zero point.
struct Form {
    op: &'static str,
    operands: &'static [usize],
    output: usize,
    /// The place of integers on the grid of the product of the first two scales.
    bias: Option<usize>,
}

/// Sources: ONNX operators (v1.19); `docs/ContribOperators.md` in onnxruntime 1.20.
fn form(node: &Node) -> Option<Form> {
    let of = |op, operands, output, bias| Some(Form { op, operands, output, bias });
    match node.op.op_type.as_str() {
        "QLinearConv" => of("Conv", &[0, 3], 6, Some(8)),
        "QLinearMatMul" => of("MatMul", &[0, 3], 6, None),
        "QGemm" => of("Gemm", &[0, 3], 7, Some(6)),
        "QLinearAdd" => of("Add", &[0, 3], 6, None),
        "QLinearMul" => of("Mul", &[0, 3], 6, None),
        "QLinearSigmoid" => of("Sigmoid", &[0], 3, None),
        "QLinearLeakyRelu" => of("LeakyRelu", &[0], 3, None),
        "QLinearAveragePool" => of("AveragePool", &[0], 3, None),
        "QLinearGlobalAveragePool" => of("GlobalAveragePool", &[0], 3, None),
        _ => None,
    }
}

/// The part with such operators taken apart; `None` where it has none.
pub(super) fn decomposed(part: &Part) -> Option<Part> {
    let mut graph = Graph { nodes: Vec::new(), ..part.graph.clone() };
    let mut any = false;
    for node in &part.graph.nodes {
        match form(node) {
            Some(form) => {
                take_apart(&mut graph, &part.graph, node, &form)?;
                any = true;
            }
            None => graph.nodes.push(node.clone()),
        }
    }
    any.then(|| Part::new(graph, part.inputs.clone()))
}

fn take_apart(graph: &mut Graph, whole: &Graph, node: &Node, form: &Form) -> Option<()> {
    let mut operands = Vec::new();
    for (i, &place) in form.operands.iter().enumerate() {
        // Scales of weights run along their outputs.
        let weights = i == 1 && form.op == "Conv";
        let axis = if weights { 0 } else { 1 };
        operands.push(Some(dequantizer(graph, node, place, axis)));
    }
    if let Some(bias) = form.bias.and_then(|place| node.inputs.get(place).copied().flatten()) {
        operands.push(Some(self::bias(graph, whole, node, bias)?));
    }
    let numbers = graph.add_value(format!("{} on numbers", node.name));
    let mut attributes = node.attributes.clone();
    if attributes.remove("channels_last").is_some_and(|last| !matches!(last, Attribute::Int(0))) {
        return None;
    }
    let outputs = vec![Some(numbers)];
    push(graph, node, form.op, operands, outputs, attributes);
    let parameter = |place: usize| node.inputs.get(place).copied().flatten();
    let inputs = vec![Some(numbers), parameter(form.output), parameter(form.output + 1)];
    push(graph, node, "QuantizeLinear", inputs, node.outputs.clone(), Attributes::new());
    Some(())
}

fn push(
    graph: &mut Graph,
    of: &Node,
    op: &str,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
    attributes: Attributes,
) {
    let name = format!("{op} of {}", of.name);
    graph.nodes.push(Node { name, op: OpId::new("", op, 13), inputs, outputs, attributes });
}

/// The numbers of the operand whose codes stand at `place`.
fn dequantizer(graph: &mut Graph, node: &Node, place: usize, axis: i64) -> ValueId {
    let numbers = graph.add_value(format!("operand {place} of {}", node.name));
    let inputs = (place..place + 3).map(|i| node.inputs.get(i).copied().flatten()).collect();
    let attributes = Attributes::from([("axis".to_owned(), Attribute::Int(axis))]);
    push(graph, node, "DequantizeLinear", inputs, vec![Some(numbers)], attributes);
    numbers
}

/// The numbers of a bias: its step is the product of the steps of the operands.
fn bias(graph: &mut Graph, whole: &Graph, node: &Node, bias: ValueId) -> Option<ValueId> {
    let scales = |place: usize| {
        let tensor = constant_of(whole, node.inputs.get(place).copied().flatten()?)?;
        tensor.as_slice::<f32>().ok()
    };
    let (&[x], weights) = (scales(1)?, scales(4)?) else { return None };
    let codes = lanes::to_f64(constant_of(whole, bias)?)?;
    let number = |(i, code): (usize, &f64)| (*code as f32) * (x * weights[i % weights.len()]);
    let numbers = codes.iter().enumerate().map(number).collect();
    let id = graph.add_value(format!("bias of {}", node.name));
    graph.initializers.insert(id, Tensor::vector(numbers));
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_on_codes_is_taken_apart() {
        let mut graph = Graph::default();
        let names = ["a", "as", "az", "b", "bs", "bz", "cs", "cz"];
        let inputs: Vec<_> = names.iter().map(|name| Some(graph.add_value(*name))).collect();
        let c = graph.add_value("c");
        graph.nodes.push(Node {
            name: "n".into(),
            op: OpId::new("com.microsoft", "QLinearAdd", 1),
            inputs,
            outputs: vec![Some(c)],
            attributes: Attributes::new(),
        });
        graph.outputs = vec![c];
        let part = decomposed(&Part::new(graph, Vec::new())).unwrap();
        let ops: Vec<_> = part.graph.nodes.iter().map(|node| node.op.op_type.as_str()).collect();
        assert_eq!(ops, ["DequantizeLinear", "DequantizeLinear", "Add", "QuantizeLinear"]);
        assert_eq!(part.graph.nodes[3].outputs, [Some(c)]);
        assert!(decomposed(&part).is_none());
    }
}
