//! Runs models and parts of models for a check.

use std::sync::Arc;

use vairun::graph::Graph;
use vairun::ops::quant::varied::{Nodes, Varied};
use vairun::{Builder, Error, Inputs, Model, Observer, Value};
use vairun_compare::{Engine, EngineError, Prepared};
use vairun_numeric::variation::Variation;

/// A model on its inputs, with what is needed to run other forms of it.
pub(crate) struct ModelEngine {
    /// Without deviations of quantizers.
    pub(crate) builder: Builder,
    /// Those that the user asks for.
    pub(crate) varied: Varied,
    pub(crate) model: Model,
    pub(crate) inputs: Inputs,
}

impl ModelEngine {
    fn load(&self, graph: Graph, variation: Option<&Variation>) -> Result<Model, Error> {
        let source = vairun::graph::Model { graph, ..shell(self.model.source()) };
        let builder = match variation {
            Some(&variation) => self
                .builder
                .clone()
                .provider(Arc::new(Varied { entries: vec![(Nodes::All, variation)] })),
            None => self.builder.clone(),
        };
        builder.provider(Arc::new(self.varied.clone())).from_graph(source)
    }
}

/// A part of a model, ready to run.
struct Part(Model);

impl Prepared for Part {
    fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>, EngineError> {
        let names = self.0.inputs().iter().map(|port| port.name.clone());
        let outputs = self.0.run(names.zip(inputs).collect())?;
        Ok(outputs.into_values().into_iter().map(|(_, value)| value).collect())
    }
}

/// What a model's file says beside the graph.
fn shell(model: &vairun::graph::Model) -> vairun::graph::Model {
    vairun::graph::Model {
        graph: Graph::default(),
        opset_imports: model.opset_imports.clone(),
        ir_version: model.ir_version,
        producer_name: model.producer_name.clone(),
        producer_version: model.producer_version.clone(),
        metadata: model.metadata.clone(),
    }
}

/// An observer's own error as it is, so that its kind can be told.
fn unwrapped(error: Error) -> EngineError {
    match error {
        Error::Observer(error) => error,
        other => Box::new(other),
    }
}

impl Engine for ModelEngine {
    fn observe(&self, observer: &mut (dyn Observer + Send)) -> Result<(), EngineError> {
        self.model.observe(self.inputs.clone(), observer).map(drop).map_err(unwrapped)
    }

    fn observe_changed(
        &self,
        graph: Graph,
        observer: &mut (dyn Observer + Send),
    ) -> Result<(), EngineError> {
        let model = self.load(graph, None)?;
        model.observe(self.inputs.clone(), observer).map(drop).map_err(unwrapped)
    }

    fn prepare(
        &self,
        mut graph: Graph,
        inputs: &[Value],
        variation: Option<&Variation>,
    ) -> Result<Box<dyn Prepared>, EngineError> {
        // Exporters declare wrong types and shapes of inner values, which are inputs here.
        for (id, value) in graph.inputs.clone().into_iter().zip(inputs) {
            let info = &mut graph.values[id.index()];
            info.shape = None;
            info.dtype = value.as_tensor().ok().map(vairun::Tensor::dtype);
            if info.dtype.is_some() {
                info.non_tensor = None;
            }
        }
        Ok(Box::new(Part(self.load(graph, variation)?)))
    }

    fn input(&self, name: &str) -> Option<Value> {
        self.inputs.get(name).cloned()
    }
}
