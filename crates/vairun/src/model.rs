use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};
use vairun_exec::{Observer, Plan, StepEvent};
use vairun_graph::{Dim, ValueId, ValueInfo};
use vairun_tensor::{DType, Tensor, Value};

use crate::builder::Builder;
use crate::error::{Error, InputProblem, Unsupported};
use crate::inputs::Inputs;
use crate::outputs::Outputs;

/// A model ready to run. Clones share everything; runs may overlap.
#[derive(Clone)]
pub struct Model(Arc<Shared>);

struct Shared {
    plan: Plan,
    source: vairun_graph::Model,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    dims: BTreeMap<String, usize>,
    pool: Option<ThreadPool>,
    /// The values by name, once somebody asks for one.
    names: OnceLock<HashMap<String, ValueId>>,
}

impl Shared {
    fn names(&self) -> &HashMap<String, ValueId> {
        let by_name = || self.plan.graph().by_name().into_iter();
        self.names.get_or_init(|| by_name().map(|(name, id)| (name.to_owned(), id)).collect())
    }
}

/// An input or an output, as the model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name in the file.
    pub name: String,
    /// The element type; `None` where nothing is declared or it is no tensor.
    pub dtype: Option<DType>,
    /// The dimensions; `None` where nothing is declared. Exporters declare wrong dimensions for outputs.
    pub shape: Option<Vec<Dim>>,
    /// `seq(tensor(float))`, for what is no tensor.
    pub non_tensor: Option<String>,
    /// Whether the model has a default, so that it may be left out.
    pub has_default: bool,
}

impl Port {
    fn new(info: &ValueInfo, has_default: bool) -> Self {
        let ValueInfo { name, dtype, shape, non_tensor } = info.clone();
        Self { name, dtype, shape, non_tensor, has_default }
    }
}

impl Model {
    /// Loads the model at `path` with the default settings.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open(path)
    }

    /// Loads a model from memory with the default settings.
    ///
    /// # Errors
    /// As [`Builder::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::builder().from_bytes(bytes)
    }

    /// Loads a model from a reader with the default settings.
    ///
    /// # Errors
    /// As [`Builder::from_reader`].
    pub fn from_reader(reader: impl Read) -> Result<Self, Error> {
        Self::builder().from_reader(reader)
    }

    /// Settings to load a model with.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(source: vairun_graph::Model, builder: &Builder) -> Result<Self, Error> {
        if let Some(isa) = builder.isa.filter(|isa| !isa.is_available()) {
            return Err(Error::Setting(format!("isa: this CPU has no {isa}")));
        }
        let graph = Arc::new(source.graph.clone());
        let plan = tracing::info_span!("plan", nodes = graph.nodes.len())
            .in_scope(|| {
                Plan::new(Arc::clone(&graph), &builder.all_providers(), &builder.options())
            })
            .map_err(Unsupported)?;
        let has_default = |id| graph.initializers.contains_key(id);
        let inputs =
            graph.inputs.iter().map(|id| Port::new(graph.value(*id), has_default(id))).collect();
        let outputs = graph.outputs.iter().map(|&id| Port::new(graph.value(id), false)).collect();
        let pool =
            builder.threads.map(|n| ThreadPoolBuilder::new().num_threads(n).build()).transpose();
        let pool = pool.map_err(|error| Error::Setting(format!("threads: {error}")))?;
        Ok(Self(Arc::new(Shared {
            plan,
            source,
            inputs,
            outputs,
            dims: builder.dims.clone(),
            pool,
            names: OnceLock::new(),
        })))
    }

    /// What a run needs, in the order of the model.
    pub fn inputs(&self) -> &[Port] {
        &self.0.inputs
    }

    /// What a run gives, in the order of the model.
    pub fn outputs(&self) -> &[Port] {
        &self.0.outputs
    }

    /// The model as it stands in the file, functions inlined.
    pub fn source(&self) -> &vairun_graph::Model {
        &self.0.source
    }

    /// The value of that name where it is the same in every run and small, or an initializer.
    pub fn constant(&self, name: &str) -> Option<&Tensor> {
        let id = *self.0.names().get(name)?;
        self.0.plan.constant(id)
    }

    /// Runs the model.
    ///
    /// # Errors
    /// [`Error::Inputs`] with everything that does not fit; [`Error::Node`] for the first node that fails.
    pub fn run(&self, inputs: Inputs) -> Result<Outputs, Error> {
        self.run_with(inputs, None)
    }

    /// Runs the model while `observer` watches; no bit of the outputs changes by it.
    ///
    /// # Errors
    /// As [`Model::run`], and [`Error::Observer`].
    pub fn observe(
        &self,
        inputs: Inputs,
        observer: &mut (dyn Observer + Send),
    ) -> Result<Outputs, Error> {
        self.run_with(inputs, Some(observer))
    }

    /// Runs the fused plan and tells each of its steps; `false` where there is none: then an observed run tells the
    /// nodes ([`Model::observe`]).
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn profile(
        &self,
        inputs: Inputs,
        each: &mut (dyn FnMut(&StepEvent) + Send),
    ) -> Result<bool, Error> {
        let values = self.bind(inputs)?;
        let run = || self.0.plan.profile(values, each);
        Ok(match &self.0.pool {
            Some(pool) => pool.install(run)?,
            None => run()?,
        })
    }

    fn run_with(
        &self,
        inputs: Inputs,
        observer: Option<&mut (dyn Observer + Send)>,
    ) -> Result<Outputs, Error> {
        let values = self.bind(inputs)?;
        let span = tracing::info_span!("run");
        let run = || {
            let observer = observer.map(|observer| observer as &mut dyn Observer);
            span.in_scope(|| self.0.plan.run(values, observer))
        };
        let values = match &self.0.pool {
            Some(pool) => pool.install(run)?,
            None => run()?,
        };
        let names = self.0.outputs.iter().map(|port| port.name.clone());
        Ok(Outputs::new(names.zip(values).collect()))
    }

    /// The inputs in the order of the model, checked against what it declares.
    fn bind(&self, mut inputs: Inputs) -> Result<Vec<Option<Value>>, Error> {
        let given: Vec<_> = inputs.iter().map(|(name, _)| name.to_owned()).collect();
        let mut problems = Vec::new();
        let mut dims = self.0.dims.clone();
        let mut values = Vec::with_capacity(self.0.inputs.len());
        for port in &self.0.inputs {
            let value = inputs.remove(&port.name);
            match &value {
                Some(value) => problems.extend(check(port, value, &mut dims)),
                None if port.has_default => {}
                None => {
                    problems.push(InputProblem::Missing {
                        name: port.name.clone(),
                        given: given.clone(),
                    });
                }
            }
            values.push(value);
        }
        let known = || self.0.inputs.iter().map(|port| port.name.clone()).collect();
        problems.extend(
            inputs
                .iter()
                .map(|(name, _)| InputProblem::Unknown { name: name.to_owned(), known: known() }),
        );
        if problems.is_empty() { Ok(values) } else { Err(Error::Inputs(problems)) }
    }
}

/// What does not fit; binds symbols that have no value yet.
fn check(port: &Port, value: &Value, dims: &mut BTreeMap<String, usize>) -> Option<InputProblem> {
    let name = port.name.clone();
    let Value::Tensor(tensor) = value else {
        return port.non_tensor.is_none().then(|| InputProblem::Kind {
            name,
            got: value.kind(),
            expected: "a tensor".into(),
        });
    };
    if let Some(expected) = &port.non_tensor {
        return Some(InputProblem::Kind { name, got: "tensor", expected: expected.clone() });
    }
    if let Some(expected) = port.dtype
        && expected != tensor.dtype()
    {
        return Some(InputProblem::DType { name, got: tensor.dtype(), expected });
    }
    let shape = port.shape.as_ref()?;
    let fits = shape.len() == tensor.rank()
        && shape.iter().zip(tensor.shape()).all(|(dim, &n)| bind_dim(dim, n, dims));
    (!fits).then(|| InputProblem::Shape {
        name,
        got: tensor.shape().to_vec(),
        expected: shown(shape, dims),
    })
}

fn bind_dim(dim: &Dim, n: usize, dims: &mut BTreeMap<String, usize>) -> bool {
    match dim {
        Dim::Fixed(expected) => *expected == n,
        Dim::Symbol(name) => *dims.entry(name.clone()).or_insert(n) == n,
        Dim::Unknown => true,
    }
}

fn shown(shape: &[Dim], dims: &BTreeMap<String, usize>) -> String {
    let dim = |dim: &Dim| match dim {
        Dim::Symbol(name) => dims.get(name).map_or_else(|| name.clone(), |n| format!("{name}={n}")),
        other => other.to_string(),
    };
    shape.iter().map(dim).collect::<Vec<_>>().join(", ")
}
