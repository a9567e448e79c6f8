use std::fmt;
use std::time::{Duration, Instant};

use vairun_graph::{Graph, Node, ValueId};
use vairun_ops::{Context, Inputs, OpError, Operator, Outputs};
use vairun_tensor::{DType, Value};

use crate::error::{NodeFailure, RunError};
use crate::observer::{NodeEvent, Observer};
use crate::plan::{Kernel, Plan, Step};

impl Plan {
    /// Runs the graph: the values of its outputs, in order. `inputs` stand for the graph's inputs, in order; one that
    /// has an initializer may be left out.
    ///
    /// # Errors
    /// The first node that fails, a missing input, or what an observer says.
    pub fn run(
        &self,
        inputs: Vec<Option<Value>>,
        observer: Option<&mut dyn Observer>,
    ) -> Result<Vec<Value>, RunError> {
        if observer.is_none()
            && let Some(result) = self.run_fused(&inputs)
        {
            return result;
        }
        let mut watch = Watch { observer, count: 0, scope: String::new() };
        self.run_scope(inputs, &[], &mut watch)
    }

    fn run_scope(
        &self,
        inputs: Vec<Option<Value>>,
        captured: &[Value],
        watch: &mut Watch,
    ) -> Result<Vec<Value>, RunError> {
        let mut values = self.bind(inputs, captured)?;
        watch.inputs(&self.graph, &mut values)?;
        for (node, step) in self.graph.nodes.iter().zip(&self.steps) {
            self.run_step(node, step, &step.drop_after, &mut values, watch)?;
        }
        self.graph.outputs.iter().map(|&id| self.output(id, &values)).collect()
    }

    /// A value at the end of a run.
    pub(crate) fn output(&self, id: ValueId, values: &Values) -> Result<Value, RunError> {
        let missing = || RunError::MissingInput(self.graph.name_of(id).to_owned());
        let value = values[id.index()].clone();
        value.map_or_else(|| self.known(id), |value| Ok(Some(value)))?.ok_or_else(missing)
    }

    /// A constant.
    pub(crate) fn known(&self, id: ValueId) -> Result<Option<Value>, RunError> {
        let Some(tensor) = self.constants.known(id) else { return Ok(None) };
        tensor.check_file().map_err(RunError::File)?;
        Ok(Some(tensor.clone().into()))
    }

    /// The values before the first node: inputs and captures. Constants are read from the plan.
    pub(crate) fn bind(
        &self,
        inputs: Vec<Option<Value>>,
        captured: &[Value],
    ) -> Result<Values, RunError> {
        let expected = self.graph.inputs.len();
        if inputs.len() != expected {
            return Err(RunError::InputCount { got: inputs.len(), expected });
        }
        let mut values: Values = vec![None; self.graph.values.len()];
        for (&id, value) in self.graph.inputs.iter().zip(inputs) {
            let default =
                || self.graph.initializers.get(&id).map(|tensor| Value::from(tensor.clone()));
            let value = value.or_else(default);
            values[id.index()] = Some(
                value.ok_or_else(|| RunError::MissingInput(self.graph.name_of(id).to_owned()))?,
            );
        }
        for (capture, value) in self.graph.captures.iter().zip(captured) {
            values[capture.inner.index()] = Some(value.clone());
        }
        Ok(values)
    }

    /// Runs a node. Nobody reads the values `drops` afterwards: the operator may write over them, and they go.
    pub(crate) fn run_step(
        &self,
        node: &Node,
        step: &Step,
        drops: &[ValueId],
        values: &mut Values,
        watch: &mut Watch,
    ) -> Result<(), RunError> {
        if let Kernel::Known = step.kernel
            && watch.observer.is_none()
        {
            return Ok(());
        }
        if let Some(given) = watch.instead(node) {
            node.writes().zip(given).for_each(|(id, value)| values[id.index()] = Some(value));
            drops.iter().for_each(|id| values[id.index()] = None);
            return Ok(());
        }
        let start = Instant::now();
        let (results, kept) = self.results(node, step, drops, values, watch)?;
        let elapsed = if kept { Duration::ZERO } else { start.elapsed() };
        watch.node(&self.graph, node, &results, elapsed)?;
        for (id, value) in results {
            let value = watch.substitute(self.graph.name_of(id), &value).unwrap_or(value);
            values[id.index()] = Some(value);
        }
        drops.iter().for_each(|id| values[id.index()] = None);
        Ok(())
    }

    /// What a node makes, and whether that was computed before this step.
    fn results(
        &self,
        node: &Node,
        step: &Step,
        drops: &[ValueId],
        values: &mut Values,
        watch: &mut Watch,
    ) -> Result<(Results, bool), RunError> {
        match &step.kernel {
            Kernel::Each(operator) => {
                let outputs = self.evaluate(node, step, drops, operator.as_ref(), values, watch)?;
                Ok((self.named(node, &outputs, watch)?, false))
            }
            Kernel::Once(operator, cell) => {
                let kept = cell.get().is_some();
                if !kept {
                    let outputs =
                        self.evaluate(node, step, drops, operator.as_ref(), values, watch)?;
                    // Two first runs at once compute the same bits; one of them is kept.
                    cell.get_or_init(|| outputs);
                }
                let outputs = cell.get().expect("set above");
                Ok((self.named(node, outputs, watch)?, kept))
            }
            Kernel::Known => {
                let known = |id: ValueId| Some((id, self.constants.known(id)?.clone().into()));
                Ok((node.writes().filter_map(known).collect(), true))
            }
        }
    }

    /// The outputs that the graph names, with their values.
    fn named(&self, node: &Node, outputs: &[Value], watch: &Watch) -> Result<Results, RunError> {
        let place = |(i, id): (usize, &Option<ValueId>)| id.map(|id| (i, id));
        let value = |(i, id): (usize, ValueId)| match outputs.get(i) {
            Some(value) => Ok((id, value.clone())),
            None => Err(RunError::MissingOutput {
                node: watch.scoped(&node.name),
                tensor: self.graph.name_of(id).to_owned(),
                got: outputs.len(),
            }),
        };
        node.outputs.iter().enumerate().filter_map(place).map(value).collect()
    }

    pub(crate) fn evaluate(
        &self,
        node: &Node,
        step: &Step,
        drops: &[ValueId],
        operator: &dyn Operator,
        values: &mut Values,
        watch: &mut Watch,
    ) -> Result<Outputs, RunError> {
        let inputs = self.gather(node, drops, values)?;
        let kinds: Vec<_> = inputs.iter().map(Kind::of).collect();
        let span =
            tracing::debug_span!("node", name = node.name, op = %node.op, inputs = %Kinds(&kinds));
        let mut context = Bodies { plan: self, node, step, values, watch, passes: 0 };
        let result = span.in_scope(|| operator.run(Inputs::new(inputs), &mut context));
        result.map_err(|source| self.node_error(node, &kinds, source, watch))
    }

    /// The inputs of a node. A value that nobody reads later is moved, so that the operator may write over it.
    fn gather(
        &self,
        node: &Node,
        drops: &[ValueId],
        values: &mut Values,
    ) -> Result<Vec<Option<Value>>, RunError> {
        let read_again = |id: ValueId, place: usize| {
            !drops.contains(&id)
                || node.inputs[place + 1..].contains(&Some(id))
                || node.bodies().any(|body| body.captures.iter().any(|capture| capture.outer == id))
        };
        let read = |(place, id): (usize, &Option<ValueId>)| {
            let &Some(id) = id else { return Ok(None) };
            let slot = &mut values[id.index()];
            let value = if read_again(id, place) { slot.clone() } else { slot.take() };
            value.map_or_else(|| self.known(id), |value| Ok(Some(value)))
        };
        node.inputs.iter().enumerate().map(read).collect()
    }

    fn node_error(&self, node: &Node, kinds: &[Kind], source: OpError, watch: &Watch) -> RunError {
        let source = match source {
            OpError::Body(inner) => match inner.downcast::<RunError>() {
                Ok(error) => return *error,
                Err(inner) => OpError::Body(inner),
            },
            other => other,
        };
        let name = |id: &Option<ValueId>| id.map_or("", |id| self.graph.name_of(id));
        let named =
            node.inputs.iter().zip(kinds).map(|(id, kind)| format!("`{}` {kind}", name(id)));
        RunError::Node(Box::new(NodeFailure {
            node: watch.scoped(&node.name),
            op: node.op.clone(),
            tensor: node
                .writes()
                .next()
                .map_or_else(String::new, |id| self.graph.name_of(id).to_owned()),
            inputs: named.collect::<Vec<_>>().join(", "),
            source,
        }))
    }
}

/// A value for each value of the graph; `None` before it is made, after its last use, and for known constants.
pub(crate) type Values = Vec<Option<Value>>;

/// What a node made.
type Results = Vec<(ValueId, Value)>;

/// Type and shape of an input, kept for an error: the operator takes the value itself.
enum Kind {
    Absent,
    Tensor(DType, Vec<usize>),
    Other(&'static str),
}

impl Kind {
    fn of(value: &Option<Value>) -> Self {
        match value {
            None => Self::Absent,
            Some(Value::Tensor(tensor)) => Self::Tensor(tensor.dtype(), tensor.shape().to_vec()),
            Some(other) => Self::Other(other.kind()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("left out"),
            Self::Tensor(dtype, shape) => write!(f, "{dtype} {shape:?}"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

struct Kinds<'a>(&'a [Kind]);

impl fmt::Display for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(i, kind)| write!(f, "{}{kind}", if i == 0 { "" } else { ", " }))
    }
}

/// The observer of a run and where the run is.
pub(crate) struct Watch<'a> {
    observer: Option<&'a mut dyn Observer>,
    count: usize,
    scope: String,
}

impl Watch<'_> {
    /// Of a run that nobody watches.
    pub(crate) fn nobody() -> Self {
        Self { observer: None, count: 0, scope: String::new() }
    }

    fn scoped(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    fn inputs(&mut self, graph: &Graph, values: &mut Values) -> Result<(), RunError> {
        let Some(observer) = self.observer.as_deref_mut() else { return Ok(()) };
        for &id in &graph.inputs {
            let name = format!("{}{}", self.scope, graph.name_of(id));
            let slot = &mut values[id.index()];
            if let Some(value) = slot {
                observer.input(&name, value).map_err(RunError::Observer)?;
                if let Some(other) = observer.substitute(&name, value) {
                    *slot = Some(other);
                }
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        graph: &Graph,
        node: &Node,
        results: &Results,
        elapsed: Duration,
    ) -> Result<(), RunError> {
        let Some(observer) = self.observer.as_deref_mut() else { return Ok(()) };
        let outputs: Vec<_> =
            results.iter().map(|(id, value)| (graph.name_of(*id), value)).collect();
        let event =
            NodeEvent { index: self.count, scope: &self.scope, node, outputs: &outputs, elapsed };
        self.count += 1;
        observer.node(&event).map_err(RunError::Observer)
    }

    fn instead(&mut self, node: &Node) -> Option<Vec<Value>> {
        let observer = self.observer.as_deref_mut().filter(|_| self.scope.is_empty())?;
        let given = observer.instead(node)?;
        self.count += 1;
        Some(given)
    }

    fn substitute(&mut self, name: &str, value: &Value) -> Option<Value> {
        let observer = self.observer.as_deref_mut()?;
        if self.scope.is_empty() {
            observer.substitute(name, value)
        } else {
            observer.substitute(&format!("{}{name}", self.scope), value)
        }
    }
}

/// Lends the bodies of a node to its operator.
struct Bodies<'a, 'w> {
    plan: &'a Plan,
    node: &'a Node,
    step: &'a Step,
    values: &'a Values,
    watch: &'a mut Watch<'w>,
    passes: usize,
}

impl Context for Bodies<'_, '_> {
    fn run_body(&mut self, body: &str, inputs: Vec<Value>) -> Result<Outputs, OpError> {
        let plan = self
            .step
            .bodies
            .get(body)
            .ok_or_else(|| OpError::Kernel(format!("the node has no `{body}`")))?;
        let outer = self.watch.scope.len();
        self.watch.scope += &format!("{}/{body}[{}]/", self.node.name, self.passes);
        self.passes += 1;
        let result = self.captured(plan).and_then(|captured| {
            plan.run_scope(inputs.into_iter().map(Some).collect(), &captured, self.watch)
        });
        self.watch.scope.truncate(outer);
        result.map_err(|error| OpError::Body(Box::new(error)))
    }
}

impl Bodies<'_, '_> {
    fn captured(&self, body: &Plan) -> Result<Vec<Value>, RunError> {
        let value = |id: ValueId| {
            let missing = || RunError::MissingInput(self.plan.graph.name_of(id).to_owned());
            let value = self.values[id.index()].clone();
            value.map_or_else(|| self.plan.known(id), |value| Ok(Some(value)))?.ok_or_else(missing)
        };
        body.graph.captures.iter().map(|capture| value(capture.outer)).collect()
    }
}
