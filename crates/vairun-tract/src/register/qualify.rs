use tract_onnx::pb::{GraphProto, ModelProto};

/// Operators of `com.microsoft` that tract has under their bare names and reads as onnxruntime means them.
const NATIVE: [&str; 9] = [
    "BiasGelu",
    "FastGelu",
    "GroupQueryAttention",
    "MatMulNBits",
    "MultiHeadAttention",
    "QuickGelu",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
];

/// Names every operator of a domain other than ONNX's own `domain::Op`, in bodies too, so that tract cannot take it for
/// ONNX's operator of the same name.
pub fn qualify(model: &mut ModelProto) {
    model.graph.iter_mut().for_each(qualify_graph);
}

fn qualify_graph(graph: &mut GraphProto) {
    for node in &mut graph.node {
        let native = node.domain == "com.microsoft" && NATIVE.contains(&node.op_type.as_str());
        // ONNX's machine-learning operators have names of their own.
        let onnx = matches!(node.domain.as_str(), "" | "ai.onnx" | "ai.onnx.ml");
        if !onnx && !native && !node.op_type.contains("::") {
            node.op_type = format!("{}::{}", node.domain, node.op_type);
        }
        for attribute in &mut node.attribute {
            attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(qualify_graph);
        }
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, NodeProto};

    use super::*;

    fn node(domain: &str, op_type: &str) -> NodeProto {
        NodeProto { domain: domain.into(), op_type: op_type.into(), ..NodeProto::default() }
    }

    fn qualified(nodes: Vec<NodeProto>) -> GraphProto {
        let graph = GraphProto { node: nodes, ..GraphProto::default() };
        let mut model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        qualify(&mut model);
        qualify(&mut model);
        model.graph.unwrap()
    }

    #[test]
    fn only_foreign_operators_are_renamed_and_only_once() {
        let graph = qualified(vec![
            node("vai", "QuantizeLinear"),
            node("", "QuantizeLinear"),
            node("ai.onnx", "Relu"),
            node("com.microsoft", "FastGelu"),
            node("com.microsoft", "QLinearAdd"),
        ]);
        let names: Vec<_> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(
            names,
            [
                "vai::QuantizeLinear",
                "QuantizeLinear",
                "Relu",
                "FastGelu",
                "com.microsoft::QLinearAdd"
            ]
        );
    }

    #[test]
    fn bodies_are_reached() {
        let body = GraphProto { node: vec![node("vai", "fix_neuron")], ..GraphProto::default() };
        let mut branch = node("", "If");
        branch.attribute.push(AttributeProto { g: Some(body), ..AttributeProto::default() });
        let graph = qualified(vec![branch]);
        let body = graph.node[0].attribute[0].g.as_ref().unwrap();
        assert_eq!(body.node[0].op_type, "vai::fix_neuron");
    }
}
