use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use vairun_graph::{Attribute, Graph, Node, ValueId};
use vairun_numeric::kernel::Isa;
use vairun_ops::{Operator, Outputs, Provider};
use vairun_tensor::{Tensor, Value};

use crate::constants::{Captured, Constants};
use crate::error::{NodeProblem, PlanError, RunError};
use crate::fuse::{Fused, Stop};
use crate::observer::StepEvent;
use crate::resolve::resolve;

/// What may differ between two plans of one graph.
#[derive(Clone, Debug)]
pub struct Options {
    /// How contractions of dequantized operands are computed.
    pub contractions: Contractions,
    /// See [`vairun_ops::NodeSpec::permissive`].
    pub permissive: bool,
    /// Whether runs that nobody observes compute chains between quantizers on codes. Their results are the same.
    pub fused: bool,
    /// The instruction set of the integer kernels. The results are the same for all of them.
    pub isa: Isa,
}

impl Default for Options {
    /// Exact, strict, not fused, in the fastest instructions of this CPU.
    fn default() -> Self {
        Self {
            contractions: Contractions::default(),
            permissive: false,
            fused: false,
            isa: Isa::best(),
        }
    }
}

/// How Conv, ConvTranspose, Gemm and MatMul of two dequantized operands are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contractions {
    /// As an exact integer sum, rounded once.
    #[default]
    Exact,
    /// In float32, as the file says literally: sums depend on their order.
    Float,
}

/// A graph ready to run: an operator for each node, and what is dropped when. `Send` and `Sync`: runs may overlap.
pub struct Plan {
    pub(crate) graph: Arc<Graph>,
    pub(crate) steps: Vec<Arc<Step>>,
    pub(crate) constants: Arc<Constants>,
    /// The node that makes each value.
    pub(crate) producers: Vec<Option<usize>>,
    fused: Option<Fused>,
}

/// One node of a plan.
pub(crate) struct Step {
    pub(crate) kernel: Kernel,
    /// Whether the operator is what the specification of its name says.
    pub(crate) standard: bool,
    /// The bodies of the node by attribute.
    pub(crate) bodies: BTreeMap<String, Plan>,
    /// Read by nobody after this step.
    pub(crate) drop_after: Vec<ValueId>,
}

/// Where the outputs of a step come from.
pub(crate) enum Kernel {
    /// Evaluated in every run.
    Each(Box<dyn Operator>),
    /// Evaluated in the first run that gets here, then kept.
    Once(Box<dyn Operator>, OnceLock<Outputs>),
    /// Evaluated when the plan was made.
    Known,
}

impl Plan {
    /// Makes the operators of all nodes.
    ///
    /// # Errors
    /// Every node that no provider can evaluate.
    pub fn new(
        graph: Arc<Graph>,
        providers: &[Arc<dyn Provider>],
        options: &Options,
    ) -> Result<Self, PlanError> {
        let captured = vec![Captured::default(); graph.captures.len()];
        let mut plan = Self::with_captured(graph, &captured, providers, options)?;
        if options.fused && options.contractions == Contractions::Exact {
            plan.fused = Fused::new(&plan, options.isa);
        }
        Ok(plan)
    }

    fn with_captured(
        graph: Arc<Graph>,
        captured: &[Captured],
        providers: &[Arc<dyn Provider>],
        options: &Options,
    ) -> Result<Self, PlanError> {
        let mut builder = Builder::new(&graph, captured, providers, options);
        let steps: Vec<_> = graph.nodes.iter().map(|node| builder.step(node)).collect();
        let Builder { constants, mut problems, .. } = builder;
        // The order of the file; a body's problems come with its node.
        problems.dedup();
        if !problems.is_empty() {
            return Err(PlanError { problems });
        }
        let mut steps: Vec<Step> = steps.into_iter().flatten().collect();
        plan_drops(&graph, &mut steps);
        let steps = steps.into_iter().map(Arc::new).collect();
        let (producers, constants) = (producers(&graph), Arc::new(constants));
        Ok(Self { graph, steps, constants, producers, fused: None })
    }

    /// The same values made by the same operators in another way: `steps` are those of the nodes of `graph`. The life of
    /// values is not that of this plan's steps.
    pub(crate) fn rewired(&self, graph: Graph, steps: Vec<Arc<Step>>) -> Self {
        let producers = producers(&graph);
        let (graph, constants) = (Arc::new(graph), Arc::clone(&self.constants));
        Self { graph, steps, constants, producers, fused: None }
    }

    /// The outputs by the fused plan; `None` where there is none, or it cannot hold the results.
    pub(crate) fn run_fused(
        &self,
        inputs: &[Option<Value>],
    ) -> Option<Result<Vec<Value>, RunError>> {
        match self.fused.as_ref()?.run(self, inputs.to_vec(), None) {
            Ok(values) => Some(Ok(values)),
            Err(Stop::Error(error)) => Some(Err(error)),
            Err(Stop::Again) => None,
        }
    }

    /// Runs the fused plan and tells each of its steps; `false` where there is none, or it cannot hold the results.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn profile(
        &self,
        inputs: Vec<Option<Value>>,
        each: &mut dyn FnMut(&StepEvent),
    ) -> Result<bool, RunError> {
        let Some(fused) = &self.fused else { return Ok(false) };
        match fused.run(self, inputs, Some(each)) {
            Ok(_) => Ok(true),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Again) => Ok(false),
        }
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The value of that name where it was known when the plan was made: an initializer, a small constant.
    pub fn constant(&self, id: ValueId) -> Option<&Tensor> {
        self.constants.known(id)
    }
}

fn producers(graph: &Graph) -> Vec<Option<usize>> {
    let mut producers = vec![None; graph.values.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        node.writes().for_each(|id| producers[id.index()] = Some(i));
    }
    producers
}

/// Lists for each step what nobody reads after it.
fn plan_drops(graph: &Graph, steps: &mut [Step]) {
    let mut last_use = vec![None; graph.values.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        node.reads().chain(node.writes()).for_each(|id| last_use[id.index()] = Some(i));
    }
    graph.outputs.iter().for_each(|id| last_use[id.index()] = None);
    for (id, last) in (0..).map(ValueId).zip(last_use) {
        if let Some(i) = last {
            steps[i].drop_after.push(id);
        }
    }
}

/// Goes through the nodes in order and gathers what is known of the values.
struct Builder<'a> {
    graph: &'a Graph,
    providers: &'a [Arc<dyn Provider>],
    options: &'a Options,
    constants: Constants,
    problems: Vec<NodeProblem>,
}

impl<'a> Builder<'a> {
    fn new(
        graph: &'a Graph,
        captured: &[Captured],
        providers: &'a [Arc<dyn Provider>],
        options: &'a Options,
    ) -> Self {
        let mut constants = Constants::of(graph);
        for (capture, outer) in graph.captures.iter().zip(captured) {
            constants.capture(capture.inner, outer);
        }
        Self { graph, providers, options, constants, problems: Vec::new() }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let bodies = self.bodies(node);
        let spec = self.constants.spec(self.graph, node, self.options);
        let (operator, standard) = match resolve(&spec, self.providers, self.options) {
            Ok(found) => found,
            Err(reason) => {
                self.problem(node, reason);
                return None;
            }
        };
        if let Err(error) = self.constants.propagate_dtypes(node, operator.as_ref()) {
            self.problem(node, Some(vairun_ops::BuildError::Unsupported(error.to_string())));
            return None;
        }
        let kernel = self.constants.evaluate(node, operator);
        Some(Step { kernel, standard, bodies: bodies?, drop_after: Vec::new() })
    }

    fn problem(&mut self, node: &Node, reason: Option<vairun_ops::BuildError>) {
        self.problems.push(NodeProblem { node: node.name.clone(), op: node.op.clone(), reason });
    }

    /// The plans of the bodies; `None` where one of them has problems.
    fn bodies(&mut self, node: &Node) -> Option<BTreeMap<String, Plan>> {
        let mut plans = BTreeMap::new();
        let mut whole = true;
        for (name, attribute) in &node.attributes {
            let Attribute::Graph(body) = attribute else { continue };
            let captured: Vec<_> =
                body.captures.iter().map(|c| self.constants.captured(c.outer)).collect();
            match Plan::with_captured(
                Arc::new((**body).clone()),
                &captured,
                self.providers,
                self.options,
            ) {
                Ok(plan) => {
                    plans.insert(name.clone(), plan);
                }
                Err(error) => {
                    self.problems.extend(error.problems);
                    whole = false;
                }
            }
        }
        whole.then_some(plans)
    }
}
