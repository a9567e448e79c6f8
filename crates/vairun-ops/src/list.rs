use std::collections::HashMap;
use std::sync::LazyLock;

use crate::def::OpDef;
use crate::error::BuildError;
use crate::operator::Operator;
use crate::provider::{OpEntry, Provider};
use crate::quant;
use crate::spec::NodeSpec;

/// Every operator of this crate: the one list that dispatch, `vairun ops` and the README's table read.
pub static OPS: &[&OpDef] = &[
    // ONNX's own quantizers, and com.microsoft's
    &quant::dequantize_linear::DEF,
    &quant::dynamic_quantize_linear::DEF,
    &quant::quantize_linear::DEF,
    // vai (vai_q_pytorch)
    &quant::vai_dequantize_linear::DEF,
    &quant::vai_fix_neuron::DEF,
    &quant::vai_quantize_linear::DEF,
    // ai.onnx.contrib (vai_q_onnx 3.5)
    &quant::contrib_dequantize_linear::DEF,
    &quant::contrib_fix_neuron::DEF,
    &quant::contrib_quantize_linear::DEF,
    &quant::contrib_vai_de_quantize::DEF,
    &quant::contrib_vai_quantize::DEF,
];

/// The operators of [`OPS`].
pub struct OwnOps;

static BY_NAME: LazyLock<HashMap<(&str, &str), Vec<&OpDef>>> = LazyLock::new(|| {
    let mut by_name: HashMap<_, Vec<&OpDef>> = HashMap::new();
    for def in OPS {
        def.names.iter().for_each(|&name| by_name.entry(name).or_default().push(def));
    }
    by_name
});

impl Provider for OwnOps {
    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        let defs = BY_NAME.get(&(spec.op.domain.as_str(), spec.op.op_type.as_str()))?;
        let fits =
            |def: &&&OpDef| !spec.op.domain.is_empty() || def.opsets.contains(&spec.op.opset);
        defs.iter().find(fits).map(|def| def.make(spec))
    }

    fn entries(&self) -> Vec<OpEntry> {
        let entry = |def: &OpDef, (domain, op_type): (&str, &str)| OpEntry {
            domain: domain.into(),
            op_type: op_type.into(),
            opsets: def.opsets.clone(),
            types: def.types.into(),
            summary: def.summary.into(),
            grade: def.grade,
        };
        OPS.iter().flat_map(|def| def.names.iter().map(move |&name| entry(def, name))).collect()
    }
}
