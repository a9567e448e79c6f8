use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use vairun_graph::{Node, ValueId};
use vairun_numeric::kernel::Isa;
use vairun_ops::Outputs;
use vairun_tensor::{Dequantized, Tensor, Value};

use super::buffers::Buffers;
use super::coded::{Coded, Order};
use super::roles::{Role, Roles, Slot, Source};
use super::schedule::{Act, Scheduled, schedule};
use super::table::Numbers;
use super::{binary, concat, movement, pool, product, table};
use crate::error::RunError;
use crate::observer::StepEvent;
use crate::plan::{Kernel, Plan};
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
    slots: HashMap<ValueId, Filler>,
    /// The numbers of functions of one code, for every code; `None` where their nodes do not give as many.
    functions: Mutex<HashMap<ValueId, Option<Arc<Numbers>>>>,
    roles: Vec<Role>,
    /// Buffers between runs, a set for each run that overlapped another.
    idle: Mutex<Vec<Buffers>>,
    /// Runs that had to start again on the plain plan.
    failures: AtomicUsize,
    isa: Isa,
}

/// Runs that may start again before the fused plan is given up: a model whose results have no codes.
const FAILURES: usize = 8;

/// A slot, and the forms that have been prepared to fill it.
struct Filler {
    slot: Slot,
    forms: Mutex<Vec<(Key, Arc<Form>)>>,
}

/// Forms that are kept for a slot: one for each combination of shapes.
const FORMS: usize = 16;

/// What a prepared form depends on: the shapes of what is read and how it lies, and small values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) shapes: Vec<Vec<usize>>,
    pub(super) orders: Vec<Order>,
    pub(super) bytes: Vec<u8>,
    pub(super) on_grid: bool,
}

/// A fast form, ready to run.
pub(super) enum Form {
    /// There is none for these shapes.
    Plain,
    Product(Box<product::Product>),
    Binary(binary::Binary),
    Table(table::Table),
    Concat(concat::Concat),
    Move(movement::Move),
    MaxPool(pool::MaxPool),
    Mean(pool::Mean),
    Quantize,
}

impl Fused {
    /// The fused plan; `None` where nothing of the graph is coded.
    pub(crate) fn new(plan: &Plan, isa: Isa) -> Option<Self> {
        let roles = Roles::of(plan);
        let steps = schedule(plan, &roles);
        let fills = steps.iter().filter(|step| matches!(step.act, Act::Fill(_)));
        // A lone quantizer gains nothing.
        if fills.count() < 2 {
            return None;
        }
        let filler = |slot: &Slot| Filler { slot: slot.clone(), forms: Mutex::default() };
        let slots = roles.slots.iter().map(|(&id, slot)| (id, filler(slot))).collect();
        Some(Self {
            steps,
            slots,
            functions: Mutex::default(),
            roles: roles.roles,
            idle: Mutex::default(),
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
        let values = plan.bind(inputs, &[])?;
        let buffers = lock(&self.idle).pop().unwrap_or_default();
        let slots = vec![None; values.len()];
        let mut run = Run { plan, fused: self, values, slots, buffers, watch: Watch::nobody() };
        let result = run.all(profile);
        run.slots.into_iter().flatten().for_each(|coded| give_back(coded, &mut run.buffers));
        lock(&self.idle).push(run.buffers);
        if matches!(result, Err(Stop::Again)) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
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
    fused: &'a Fused,
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
                Act::Node(i) => {
                    let (node, plain) = (&self.plan.graph.nodes[i], &self.plan.steps[i]);
                    let drops = &step.drop_values;
                    self.plan.run_step(node, plain, drops, &mut self.values, &mut self.watch)?;
                }
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

    /// The nodes that a step stands for.
    fn nodes(&self, act: &Act) -> Vec<&'_ Node> {
        let nodes = &self.plan.graph.nodes;
        match *act {
            Act::Node(i) => vec![&nodes[i]],
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
            Role::Function(root, _) => return self.function(id, root),
            Role::Reals(view) => self.coded(view.slot).reals(view.grid, &mut self.buffers),
            _ => {
                let storage = self.slot(id).storage;
                self.coded(id).decode(storage, &mut self.buffers)
            }
        };
        tensor.map(Value::from).ok_or(Stop::Again)
    }

    /// A function of the codes of `root`: by a table, or by its nodes.
    fn function(&mut self, id: ValueId, root: ValueId) -> Result<Value, Stop> {
        let found = lock(&self.fused.functions).get(&id).cloned();
        let numbers = match found {
            Some(numbers) => numbers,
            None => {
                let nodes = self.plan.nodes_between(root, id);
                let numbers = Numbers::prepare(self, id, root, &nodes)?.map(Arc::new);
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

    /// The codes of a slot, and the form that made them.
    fn fill(&mut self, id: ValueId) -> Result<(Arc<Coded>, &'static str), Stop> {
        let fused = self.fused;
        let filler = &fused.slots[&id];
        let slot = &filler.slot;
        let key = self.key(slot);
        let found = lock(&filler.forms).iter().find(|(other, _)| *other == key).cloned();
        let form = match found {
            Some((_, form)) => form,
            None => {
                let form = Arc::new(self.prepare(id, slot)?);
                let mut forms = lock(&filler.forms);
                if forms.len() == FORMS {
                    forms.remove(0);
                }
                forms.push((key, Arc::clone(&form)));
                form
            }
        };
        let fast = match (&*form, &slot.source) {
            (Form::Product(form), Source::Product { x, .. }) => form.run(self, slot, *x)?,
            (Form::Binary(form), Source::Binary { sides, .. }) => form.run(self, slot, *sides)?,
            (Form::Table(form), Source::Table { root }) => form.run(self, *root)?,
            (Form::Concat(form), Source::Concat { parts, .. }) => form.run(self, parts)?,
            (Form::Move(form), Source::Move { from, .. }) => form.run(self, *from)?,
            (Form::MaxPool(form), Source::MaxPool { from, .. }) => form.run(self, *from)?,
            (Form::Mean(form), Source::Mean { x, .. }) => form.run(self, slot, *x)?,
            (Form::Quantize, Source::Quantize { x, quantizer }) => {
                table::quantize(self, slot, *x, quantizer)?
            }
            _ => None,
        };
        match fast {
            Some(coded) => Ok((Arc::new(coded), slot.source.name())),
            None => Ok((Arc::new(self.plain(id)?), "plain")),
        }
    }

    fn key(&self, slot: &Slot) -> Key {
        let coded = |id: ValueId| self.coded(id);
        let of = |ids: &mut dyn Iterator<Item = ValueId>| {
            let mut key = Key { on_grid: true, ..Key::default() };
            for coded in ids.map(coded) {
                key.on_grid &= coded.on_grid;
                key.shapes.push(coded.shape.clone());
                key.orders.push(coded.order);
            }
            key
        };
        match &slot.source {
            Source::Quantize { .. } | Source::Table { .. } => Key::default(),
            Source::Product { x, .. } | Source::Mean { x, .. } => of(&mut [x.slot].into_iter()),
            Source::Binary { sides, .. } => of(&mut sides.iter().map(|view| view.slot)),
            Source::Concat { parts, .. } => of(&mut parts.iter().map(|view| view.slot)),
            Source::MaxPool { from, .. } => of(&mut [self.slot_of(*from)].into_iter()),
            Source::Move { from, node, .. } => {
                let mut key = of(&mut [self.slot_of(*from)].into_iter());
                key.bytes = movement::parameters(self, *node);
                key
            }
        }
    }

    /// The slot of the codes or numbers in a value.
    pub(super) fn slot_of(&self, id: ValueId) -> ValueId {
        match self.role(id) {
            Role::Reals(view) => view.slot,
            _ => id,
        }
    }

    fn prepare(&mut self, id: ValueId, slot: &Slot) -> Result<Form, Stop> {
        let form = match &slot.source {
            Source::Quantize { .. } => Some(Form::Quantize),
            Source::Table { root } => table::Table::prepare(self, id, *root)?.map(Form::Table),
            Source::Product { x, contraction, quantizer } => {
                product::Product::prepare(self, slot, *x, *contraction, quantizer)?
                    .map(|form| Form::Product(Box::new(form)))
            }
            Source::Binary { sides, node, quantizer } => {
                binary::Binary::prepare(self, slot, *sides, *node, quantizer)?.map(Form::Binary)
            }
            Source::Concat { parts, node } => {
                concat::Concat::prepare(self, id, parts, *node)?.map(Form::Concat)
            }
            Source::Move { from, node } => {
                movement::Move::prepare(self, id, *from, *node)?.map(Form::Move)
            }
            Source::MaxPool { from, node } => {
                pool::MaxPool::prepare(self, *from, *node).map(Form::MaxPool)
            }
            Source::Mean { x, node, quantizer } => {
                pool::Mean::prepare(self, slot, *x, *node, quantizer)?.map(Form::Mean)
            }
        };
        Ok(form.unwrap_or(Form::Plain))
    }

    /// The codes of a slot by the nodes of the plain plan.
    fn plain(&mut self, id: ValueId) -> Result<Coded, Stop> {
        let slot = &self.fused.slots[&id].slot;
        let mut leaves = Vec::new();
        for leaf in self.plan.leaves(&slot.nodes) {
            let value = match self.role(leaf) {
                Role::Plain => self.values[leaf.index()].clone().ok_or(Stop::Again)?,
                _ => self.give(leaf)?,
            };
            leaves.push((leaf, value));
        }
        let value = self.evaluate(&slot.nodes, id, &leaves)?;
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

impl Plan {
    /// The values that these nodes read and none of them makes, constants excepted.
    pub(super) fn leaves(&self, nodes: &[usize]) -> Vec<ValueId> {
        let made =
            |id: &ValueId| nodes.iter().any(|&i| self.graph.nodes[i].outputs.contains(&Some(*id)));
        let mut leaves: Vec<_> = nodes
            .iter()
            .flat_map(|&i| self.graph.nodes[i].inputs.iter().flatten().copied())
            .filter(|id| !self.constants.is_fixed(*id) && !made(id))
            .collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves
    }

    /// The nodes on the way from value `root` to value `id`, in order.
    fn nodes_between(&self, root: ValueId, id: ValueId) -> Vec<usize> {
        let producer = |id: ValueId| self.producers[id.index()];
        let mut nodes: Vec<usize> = producer(id).into_iter().collect();
        let mut next = 0;
        while let Some(&i) = nodes.get(next) {
            next += 1;
            for &id in self.graph.nodes[i].inputs.iter().flatten() {
                if id == root || self.constants.is_fixed(id) {
                    continue;
                }
                if let Some(i) = producer(id).filter(|i| !nodes.contains(i)) {
                    nodes.push(i);
                }
            }
        }
        nodes.sort_unstable();
        nodes
    }

    /// A value that is the same in every run. Weights that are only needed to pack them are not kept.
    pub(super) fn fixed(&self, id: ValueId) -> Result<Value, RunError> {
        self.fixed_by(id, |outputs, _| outputs)
    }

    /// The same for a step that reads the value in every run.
    fn kept(&self, id: ValueId) -> Result<Value, RunError> {
        self.fixed_by(id, |outputs, cell| cell.get_or_init(|| outputs).clone())
    }

    fn fixed_by(
        &self,
        id: ValueId,
        made: impl Fn(Outputs, &OnceLock<Outputs>) -> Outputs,
    ) -> Result<Value, RunError> {
        if let Some(tensor) = self.constants.known(id) {
            return Ok(tensor.clone().into());
        }
        let nodes = self.unknown_before(id);
        let mut values: Values = vec![None; self.graph.values.len()];
        for i in nodes {
            let (node, step) = (&self.graph.nodes[i], &self.steps[i]);
            let Kernel::Once(operator, cell) = &step.kernel else { continue };
            let outputs = match cell.get() {
                Some(outputs) => outputs.clone(),
                None => {
                    let watch = &mut Watch::nobody();
                    let operator = operator.as_ref();
                    made(self.evaluate(node, step, &[], operator, &mut values, watch)?, cell)
                }
            };
            for (id, value) in node.outputs.iter().zip(outputs) {
                if let Some(id) = id {
                    values[id.index()] = Some(value);
                }
            }
        }
        self.output(id, &values)
    }

    /// The nodes that must run to know a fixed value, in order.
    fn unknown_before(&self, id: ValueId) -> Vec<usize> {
        let producer = |id: ValueId| self.producers[id.index()];
        let mut nodes = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(i) = producer(id).filter(|_| self.constants.known(id).is_none()) else {
                continue;
            };
            if !nodes.contains(&i) {
                nodes.push(i);
                open.extend(self.graph.nodes[i].inputs.iter().flatten());
            }
        }
        nodes.sort_unstable();
        nodes
    }
}
