use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use vairun_graph::{Node, ValueId};
use vairun_numeric::kernel::Isa;
use vairun_tensor::{Dequantized, Tensor, Value};

use super::ahead::Ahead;
use super::buffers::Buffers;
use super::coded::Coded;
use super::forms::Filler;
use super::functions::Origin;
use super::numbers::Numbers;
use super::roles::{Role, Roles, Slot};
use super::scaled::Scaled;
use super::schedule::{Act, Scheduled, schedule};
use super::tail::holds;
use crate::error::RunError;
use crate::observer::StepEvent;
use crate::plan::Plan;
use crate::run::{Values, Watch};

/// Why a fused run ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A result has no code: the plain plan is to run.
    Again,
    /// As in the plain plan.
    Error(RunError),
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        Self::Error(error)
    }
}

/// The fused plan of a graph.
pub(crate) struct Fused {
    steps: Vec<Scheduled>,
    pub(super) slots: HashMap<ValueId, Filler>,
    /// The numbers of functions of one code, for every code; `None` where their nodes do not give as many.
    functions: Mutex<HashMap<ValueId, Option<Arc<Numbers>>>>,
    roles: Vec<Role>,
    /// Integer products whose sums become numbers, by the node that ends each.
    scaled: HashMap<usize, Scaled>,
    /// Buffers between runs, a set for each run that overlapped another.
    idle: Mutex<Vec<Buffers>>,
    /// The plan that the steps are of, where it is not that of the graph: quantizers stand in front of movement.
    ahead: Option<Box<Plan>>,
    /// Runs that had to start again on the plain plan.
    failures: AtomicUsize,
    isa: Isa,
}

/// Runs that may start again before the fused plan is given up: a model whose results have no codes.
const FAILURES: usize = 8;

impl Fused {
    /// The fused plan; `None` where nothing of the graph is coded.
    pub(crate) fn new(plan: &Plan, isa: Isa) -> Option<Self> {
        let roles = Roles::of(plan);
        if let Some(Ahead { plan, ordered }) = Ahead::of(&roles) {
            let mut roles = Roles::of(&plan);
            if roles.set_ordered(&ordered) {
                let fused = Self::of(&plan, roles, isa)?;
                return Some(Self { ahead: Some(Box::new(plan)), ..fused });
            }
        }
        Self::of(plan, roles, isa)
    }

    fn of(plan: &Plan, roles: Roles, isa: Isa) -> Option<Self> {
        let scaled = Scaled::all(&roles);
        let steps = schedule(plan, &roles, &scaled);
        let fills = steps.iter().filter(|step| matches!(step.act, Act::Fill(_)));
        // A lone quantizer gains nothing.
        if fills.count() < 2 && scaled.is_empty() {
            return None;
        }
        let slots = roles.slots.iter().map(|(&id, slot)| (id, Filler::new(slot))).collect();
        Some(Self {
            steps,
            slots,
            functions: Mutex::default(),
            roles: roles.roles,
            scaled,
            idle: Mutex::default(),
            ahead: None,
            failures: AtomicUsize::new(0),
            isa,
        })
    }

    /// The values of the graph's outputs.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        inputs: Vec<Option<Value>>,
        profile: Option<&mut dyn FnMut(&StepEvent)>,
    ) -> Result<Vec<Value>, Stop> {
        if self.failures.load(Ordering::Relaxed) >= FAILURES {
            return Err(Stop::Again);
        }
        let own = self.ahead.as_deref();
        let plan = own.unwrap_or(plan);
        let values = plan.bind(inputs, &[])?;
        let buffers = lock(&self.idle).pop().unwrap_or_default();
        let slots = vec![None; values.len()];
        let mut run = Run { plan, fused: self, values, slots, buffers, watch: Watch::nobody() };
        let result = run.all(profile);
        run.slots.into_iter().flatten().for_each(|coded| give_back(coded, &mut run.buffers));
        run.buffers.end_run();
        lock(&self.idle).push(run.buffers);
        if matches!(result, Err(Stop::Again)) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        // Whatever is wrong, the plain plan says it of the nodes of the file.
        result.map_err(|stop| if own.is_some() { Stop::Again } else { stop })
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give_back(coded: Arc<Coded>, buffers: &mut Buffers) {
    if let Ok(coded) = Arc::try_unwrap(coded) {
        coded.recycle(buffers);
    }
}

/// A fused run under way.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) fused: &'a Fused,
    pub(super) values: Values,
    slots: Vec<Option<Arc<Coded>>>,
    pub(super) buffers: Buffers,
    watch: Watch<'a>,
}

impl Run<'_> {
    fn all(&mut self, mut profile: Option<&mut dyn FnMut(&StepEvent)>) -> Result<Vec<Value>, Stop> {
        let fused = self.fused;
        for step in &fused.steps {
            let start = Instant::now();
            let mut form = "node";
            match step.act {
                Act::Node(i) => self.node(i, &step.drop_values)?,
                Act::Scaled(i) => form = fused.scaled[&i].run(self)?,
                Act::Fill(id) => {
                    let coded;
                    (coded, form) = self.fill(id)?;
                    self.slots[id.index()] = Some(coded);
                }
                Act::Give(id) => {
                    form = "numbers";
                    let value = self.give(id)?;
                    self.values[id.index()] = Some(value);
                }
            }
            self.drop_after(step);
            if let Some(each) = &mut profile {
                let elapsed = start.elapsed();
                each(&StepEvent { nodes: self.nodes(&step.act), form, elapsed });
            }
        }
        let outputs = self.plan.graph.outputs.iter();
        outputs.map(|&id| Ok(self.plan.output(id, &self.values)?)).collect()
    }

    /// Runs a node of the plain plan; nobody reads the values `drops` afterwards.
    pub(super) fn node(&mut self, i: usize, drops: &[ValueId]) -> Result<(), Stop> {
        let (node, step) = (&self.plan.graph.nodes[i], &self.plan.steps[i]);
        Ok(self.plan.run_step(node, step, drops, &mut self.values, &mut self.watch)?)
    }

    /// A value that has been made, or is the same in every run.
    pub(super) fn value(&self, id: ValueId) -> Result<Value, Stop> {
        match &self.values[id.index()] {
            Some(value) => Ok(value.clone()),
            None => Ok(self.plan.kept(id)?),
        }
    }

    /// The nodes that a step stands for.
    fn nodes(&self, act: &Act) -> Vec<&'_ Node> {
        let nodes = &self.plan.graph.nodes;
        match *act {
            Act::Node(i) => vec![&nodes[i]],
            Act::Scaled(i) => self.fused.scaled[&i].nodes.iter().map(|&i| &nodes[i]).collect(),
            Act::Fill(id) => self.slot(id).nodes.iter().map(|&i| &nodes[i]).collect(),
            Act::Give(id) => {
                self.plan.producers[id.index()].map(|i| &nodes[i]).into_iter().collect()
            }
        }
    }

    fn drop_after(&mut self, step: &Scheduled) {
        step.drop_values.iter().for_each(|id| self.values[id.index()] = None);
        for id in &step.drop_slots {
            if let Some(coded) = self.slots[id.index()].take() {
                give_back(coded, &mut self.buffers);
            }
        }
    }

    pub(super) fn isa(&self) -> Isa {
        self.fused.isa
    }

    pub(super) fn slot(&self, id: ValueId) -> &Slot {
        &self.fused.slots[&id].slot
    }

    /// The codes of a slot that has been filled.
    pub(super) fn coded(&self, id: ValueId) -> Arc<Coded> {
        Arc::clone(self.slots[id.index()].as_ref().expect("a slot is filled before it is read"))
    }

    pub(super) fn role(&self, id: ValueId) -> Role {
        self.fused.roles[id.index()]
    }

    /// A value of the graph from its slot.
    fn give(&mut self, id: ValueId) -> Result<Value, Stop> {
        let tensor = match self.role(id) {
            Role::Function(origin) => return self.function(id, origin),
            Role::Reals(view) => self.coded(view.slot).reals(view.grid, &mut self.buffers),
            _ => {
                let storage = self.slot(id).storage;
                self.coded(id).decode(storage, &mut self.buffers)
            }
        };
        tensor.map(Value::from).ok_or(Stop::Again)
    }

    /// A function of the codes of a slot: by a table, or by its nodes.
    fn function(&mut self, id: ValueId, of: Origin) -> Result<Value, Stop> {
        let root = of.slot;
        let found = lock(&self.fused.functions).get(&id).cloned();
        let numbers = match found {
            Some(numbers) => numbers,
            None => {
                let nodes = self.plan.nodes_between(root, id);
                let numbers = Numbers::prepare(self, id, of, &nodes)?.map(Arc::new);
                lock(&self.fused.functions).insert(id, numbers.clone());
                numbers
            }
        };
        if let Some(tensor) = numbers.and_then(|numbers| numbers.run(self, root)) {
            return Ok(tensor.into());
        }
        let nodes = self.plan.nodes_between(root, id);
        let leaf = self.give(root)?;
        self.evaluate(&nodes, id, &[(root, leaf)])
    }

    /// The slot of the codes or numbers in a value.
    pub(super) fn slot_of(&self, id: ValueId) -> ValueId {
        match self.role(id) {
            Role::Reals(view) => view.slot,
            _ => id,
        }
    }

    /// The codes of a slot by the nodes of the plain plan.
    pub(super) fn plain(&mut self, id: ValueId) -> Result<Coded, Stop> {
        let slot = &self.fused.slots[&id].slot;
        let mut leaves = Vec::new();
        for leaf in self.plan.leaves(&slot.nodes) {
            let value = match self.role(leaf) {
                Role::Plain => self.values[leaf.index()].clone().ok_or(Stop::Again)?,
                _ => self.give(leaf)?,
            };
            leaves.push((leaf, value));
        }
        let value = self.evaluate_slot(&slot.nodes, id, leaves)?.ok_or(Stop::Again)?;
        let tensor = value.as_tensor().map_err(|_| Stop::Again)?;
        self.encode(id, tensor).ok_or(Stop::Again)
    }

    /// The codes that the value of a slot's name holds, or whose numbers it holds.
    pub(super) fn encode(&self, id: ValueId, tensor: &Tensor) -> Option<Coded> {
        let slot = self.slot(id);
        let Some(grid) = slot.grid else { return Coded::encode(tensor, slot.storage) };
        let zero = Tensor::scalar(grid.zero - slot.storage.offset);
        let origin = Dequantized::on_grid(Tensor::scalar(grid.scale), zero, None);
        let numbers = tensor.clone().with_dequantized(origin);
        let mut coded = Coded::encode(numbers.codes()?, slot.storage)?;
        coded.on_grid = tensor.dequantized().is_some();
        Some(coded)
    }

    /// Runs nodes that end in the last one of slot `id` on these values: what that makes; `None` where the order of the
    /// codes would have to be that of the numbers and may not be.
    pub(super) fn evaluate_slot(
        &mut self,
        nodes: &[usize],
        id: ValueId,
        mut leaves: Vec<(ValueId, Value)>,
    ) -> Result<Option<Value>, Stop> {
        let (Some(below), Some((last, before))) = (self.slot(id).ordered, nodes.split_last())
        else {
            return self.evaluate(nodes, id, &leaves).map(Some);
        };
        let x = self.plan.graph.nodes[*last].inputs[0].ok_or(Stop::Again)?;
        if !before.is_empty() {
            let numbers = self.evaluate(before, x, &leaves)?;
            leaves = vec![(x, numbers)];
        }
        let told = |(_, value): &(ValueId, Value)| {
            let numbers = value.as_tensor().ok().and_then(|tensor| tensor.as_slice().ok());
            numbers.is_some_and(|numbers| holds(numbers, below))
        };
        if !leaves.iter().all(told) {
            return Ok(None);
        }
        self.evaluate(&[*last], id, &leaves).map(Some)
    }

    /// Runs nodes on these values: what the last of them makes for `id`.
    pub(super) fn evaluate(
        &mut self,
        nodes: &[usize],
        id: ValueId,
        leaves: &[(ValueId, Value)],
    ) -> Result<Value, Stop> {
        let mut values: Values = vec![None; self.values.len()];
        for (leaf, value) in leaves {
            values[leaf.index()] = Some(value.clone());
        }
        for &i in nodes {
            let (node, step) = (&self.plan.graph.nodes[i], &self.plan.steps[i]);
            for read in node.inputs.iter().flatten() {
                if values[read.index()].is_none() && self.plan.constants.is_fixed(*read) {
                    values[read.index()] = Some(self.plan.kept(*read)?);
                }
            }
            self.plan.run_step(node, step, &[], &mut values, &mut self.watch)?;
        }
        values[id.index()].take().ok_or(Stop::Again)
    }
}
