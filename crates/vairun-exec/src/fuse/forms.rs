use std::sync::{Arc, Mutex};

use vairun_graph::ValueId;

use super::coded::{Coded, Order};
use super::moves::Moving;
use super::roles::{Slot, Source};
use super::run::{Run, Stop, lock};
use super::{binary, concat, mean, movement, pair, pool, product, resize, table};

/// A slot, and the forms that have been prepared to fill it.
pub(super) struct Filler {
    pub(super) slot: Slot,
    forms: Mutex<Vec<(Key, Arc<Form>)>>,
}

impl Filler {
    pub(super) fn new(slot: &Slot) -> Self {
        Self { slot: slot.clone(), forms: Mutex::default() }
    }
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
    Pair(Box<pair::Pair>),
    Table(table::Table),
    Concat(concat::Concat),
    Move(movement::Move),
    MaxPool(pool::MaxPool),
    Mean(mean::Mean),
    Resize(resize::Resize),
    Interpolate(resize::Interpolate),
    Quantize,
    Same,
    Given,
}

impl Form {
    /// What it is, in a word.
    fn name(&self, slot: &Slot) -> &'static str {
        match self {
            Self::Table(table) => table.name(),
            _ => slot.source.name(),
        }
    }
}

impl Run<'_> {
    /// The codes of a slot, and the form that made them.
    pub(super) fn fill(&mut self, id: ValueId) -> Result<(Arc<Coded>, &'static str), Stop> {
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
        if let (Form::Same, Source::Same { from }) = (&*form, &slot.source) {
            return Ok((self.same(*from), slot.source.name()));
        }
        let fast = match (&*form, &slot.source) {
            (Form::Product(form), Source::Product { x, .. }) => form.run(self, slot, *x)?,
            (Form::Binary(form), Source::Binary { sides, .. }) => form.run(self, slot, *sides)?,
            (Form::Pair(form), Source::Pair { sides, .. }) => form.run(self, slot, *sides)?,
            (Form::Table(form), Source::Table { root, .. }) => form.run(self, *root)?,
            (Form::Concat(form), Source::Concat { parts, .. }) => form.run(self, parts)?,
            (Form::Move(form), Source::Move { from, .. }) => form.run(self, *from)?,
            (Form::MaxPool(form), Source::MaxPool { from, .. }) => form.run(self, *from)?,
            (Form::Mean(form), Source::Mean { x, .. }) => form.run(self, slot, *x)?,
            (Form::Resize(form), Source::Resize { x, .. }) => form.run(self, slot, *x)?,
            (Form::Interpolate(form), Source::Interpolate { from, .. }) => form.run(self, *from)?,
            (Form::Given, Source::Given) => given(self, id)?,
            (Form::Quantize, Source::Quantize { x, quantizer }) => {
                table::quantize(self, slot, *x, quantizer)?
            }
            _ => None,
        };
        match fast {
            Some(coded) => Ok((Arc::new(coded), form.name(slot))),
            None => Ok((Arc::new(self.plain(id)?), "plain")),
        }
    }

    /// The codes of another slot; a quantizer knows their grid.
    fn same(&self, from: ValueId) -> Arc<Coded> {
        let coded = self.coded(from);
        match coded.on_grid {
            true => coded,
            false => Arc::new(Coded { on_grid: true, ..(*coded).clone() }),
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
            Source::Quantize { .. } | Source::Table { .. } | Source::Given => Key::default(),
            Source::Product { x, .. } | Source::Mean { x, .. } | Source::Resize { x, .. } => {
                of(&mut [x.slot].into_iter())
            }
            Source::Binary { sides, .. } | Source::Pair { sides, .. } => {
                of(&mut sides.iter().map(|view| view.slot))
            }
            Source::Concat { parts, .. } => of(&mut parts.iter().map(|view| view.slot)),
            Source::MaxPool { from, .. } | Source::Interpolate { from, .. } => {
                of(&mut [self.slot_of(*from)].into_iter())
            }
            Source::Same { .. } => Key::default(),
            Source::Move { from, moves } => {
                let mut key = of(&mut [self.slot_of(*from)].into_iter());
                let parameters = |moving: &Moving| movement::parameters(self, moving.node);
                key.bytes = moves.iter().flat_map(parameters).collect();
                key
            }
        }
    }

    fn prepare(&mut self, id: ValueId, slot: &Slot) -> Result<Form, Stop> {
        let form = match &slot.source {
            Source::Quantize { .. } => Some(Form::Quantize),
            Source::Given => slot.nodes.is_empty().then_some(Form::Given),
            Source::Table { root, line } => {
                table::Table::prepare(self, id, *root, *line)?.map(Form::Table)
            }
            Source::Product { x, contraction, quantizer } => {
                product::Product::prepare(self, slot, *x, *contraction, quantizer)?
                    .map(|form| Form::Product(Box::new(form)))
            }
            Source::Pair { sides, scale, quantizer } => {
                pair::Pair::prepare(self, slot, *sides, (*scale, quantizer))?
                    .map(|form| Form::Pair(Box::new(form)))
            }
            Source::Binary { sides, operation, quantizer } => {
                binary::Binary::prepare(self, slot, *sides, *operation, quantizer)?
                    .map(Form::Binary)
            }
            Source::Concat { parts, node, results } => {
                concat::Concat::prepare(self, id, parts, *node, results.as_deref())?
                    .map(Form::Concat)
            }
            Source::Same { .. } => Some(Form::Same),
            Source::Move { from, moves } => {
                movement::Move::prepare(self, id, *from, moves)?.map(Form::Move)
            }
            Source::MaxPool { from, node } => {
                pool::MaxPool::prepare(self, *from, *node).map(Form::MaxPool)
            }
            Source::Mean { x, node, averaging, quantizer } => {
                mean::Mean::prepare(self, slot, *x, *node, (*averaging, quantizer))?.map(Form::Mean)
            }
            Source::Resize { x, node, quantizer } => {
                resize::Resize::prepare(self, slot, *x, *node, quantizer)?.map(Form::Resize)
            }
            Source::Interpolate { from, node } => {
                resize::Interpolate::prepare(self, *from, *node).map(Form::Interpolate)
            }
        };
        Ok(form.unwrap_or(Form::Plain))
    }
}

/// Codes that the caller gives; those of another type than the graph declares are for the plain plan.
fn given(run: &Run, id: ValueId) -> Result<Option<Coded>, Stop> {
    if let Some(value) = run.plan.known(id)? {
        let tensor = value.as_tensor().map_err(|_| Stop::Again)?;
        return run.encode(id, tensor).map(Some).ok_or(Stop::Again);
    }
    let storage = run.slot(id).storage;
    let value = run.values[id.index()].as_ref().ok_or(Stop::Again)?;
    let tensor = value.as_tensor().map_err(|_| Stop::Again)?;
    let coded = (tensor.dtype() == storage.dtype).then(|| Coded::encode(tensor, storage)).flatten();
    coded.map(Some).ok_or(Stop::Again)
}
