//! A tract plan of one node at concrete shapes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex};

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{InletId, TractErrorContext};

static ONNX: LazyLock<Onnx> = LazyLock::new(tract_onnx::onnx);
static NO_MODEL: LazyLock<ModelProto> = LazyLock::new(ModelProto::default);

/// What a plan is given for an input of its node.
pub(crate) enum Source {
    /// A tensor of this type and shape in every run.
    Data(DatumType, Vec<usize>),
    /// This tensor, part of the plan.
    Constant(Arc<Tensor>),
}

/// A node planned at concrete shapes, its constants packed.
pub(crate) struct Plan {
    plan: Arc<TypedSimplePlan>,
    /// States that are not in use. Empty where the operator keeps a state of its own between runs, which would let
    /// one run see another.
    idle: Mutex<Vec<TypedSimpleState>>,
    reusable: bool,
}

impl Plan {
    /// Plans `node`, whose present inputs are `sources`.
    ///
    /// # Errors
    /// tract's, and its panics.
    pub(crate) fn new(node: &NodeProto, opset: i64, sources: Vec<Source>) -> TractResult<Self> {
        guarded(|| {
            let plan = model(node, opset, sources)?.into_optimized()?.into_runnable()?;
            let state = plan.spawn()?;
            let reusable = state.op_states.iter().all(Option::is_none);
            let idle = Mutex::new(if reusable { vec![state] } else { Vec::new() });
            Ok(Self { plan, idle, reusable })
        })
    }

    /// Runs on the inputs that are data, in order.
    ///
    /// # Errors
    /// tract's, and its panics.
    pub(crate) fn run(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        guarded(|| {
            let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
            let mut state = match idle {
                Some(state) => state,
                None => self.plan.spawn()?,
            };
            let outputs = state.run(inputs)?;
            if self.reusable
                && let Ok(mut idle) = self.idle.lock()
            {
                idle.push(state);
            }
            Ok(outputs)
        })
    }
}

/// A model of `node` alone. It is built in tract's own structures, so that no constant passes through protobuf.
fn model(node: &NodeProto, opset: i64, sources: Vec<Source>) -> TractResult<TypedModel> {
    let context = ParsingContext {
        onnx_operator_set_version: opset,
        framework: &ONNX,
        model: &NO_MODEL,
        parent_graphs: vec![],
        model_dir: None,
        template: InferenceModel::default(),
    };
    let builder = ONNX.op_register.0.get(&node.op_type).context("tract has no such operator")?;
    let (op, _closures) = builder(&context, node)?;
    let mut model = InferenceModel::default();
    let outlets = sources
        .into_iter()
        .enumerate()
        .map(|(i, source)| match source {
            Source::Data(dtype, shape) => {
                model.add_source(format!("i{i}"), InferenceFact::dt_shape(dtype, shape))
            }
            Source::Constant(tensor) => model.add_const(format!("i{i}"), tensor),
        })
        .collect::<TractResult<Vec<_>>>()?;
    let facts = node.output.iter().map(|_| InferenceFact::default()).collect();
    let id = model.add_node("node", op, facts)?;
    for (i, outlet) in outlets.into_iter().enumerate() {
        model.add_edge(outlet, InletId::new(id, i))?;
    }
    let outputs: Vec<_> = (0..node.output.len()).map(|i| OutletId::new(id, i)).collect();
    model.select_output_outlets(&outputs)?;
    model.into_typed()
}

/// Turns a panic inside tract into an error: a model from a stranger must not end the process.
fn guarded<T>(body: impl FnOnce() -> TractResult<T>) -> TractResult<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        Err(TractError::msg(format!("panicked: {words}")))
    })
}
