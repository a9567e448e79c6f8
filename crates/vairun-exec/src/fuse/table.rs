use vairun_graph::ValueId;
use vairun_numeric::kernel::{
    Element, Formula, Isa, Narrow, Requantize, Stored, map_bytes, map_lines, map_lines_to_words,
    map_to, map_words,
};
use vairun_ops::Quantizer;
use vairun_tensor::Tensor;

use super::coded::{Buffer, Coded, Order, with_codes};
use super::formula;
use super::line::Line;
use super::requantized::requantized;
use super::roles::{Roles, Slot};
use super::run::{Run, Stop};
use super::tail::{holds, quantized};

/// A function of one code, for every code.
pub(super) struct Table {
    results: Results,
    /// Where the function is another one at each index of a dimension.
    line: Option<Line>,
    /// Dimensions that the argument has at least: with fewer, a constant would add some to the result.
    rank: usize,
}

/// The code of a result for each code of an argument.
enum Results {
    /// 8 bits to 8.
    Bytes(Box<[u8; 256]>),
    /// 8 bits to 16.
    BytesToWords(Box<[i16; 256]>),
    /// 16 bits to 8.
    WordsToBytes(Vec<u8>),
    /// 16 bits to 16.
    Words(Vec<i16>),
    /// 16 bits to 8, or to 16, by arithmetic.
    Requantized(Requantize, Element),
    /// The same by a formula.
    Computed(Formula, Narrow, Element),
    /// 8 bits to 8, for each index of a line.
    LinesOfBytes(Vec<u8>),
    /// 8 bits to 16, for each index of a line.
    LinesOfWords(Vec<i16>),
}

impl Table {
    /// The table from the codes of `root` to those of slot `id`, by the very nodes between them; `None` where a code
    /// has no result.
    pub(super) fn prepare(
        run: &mut Run,
        id: ValueId,
        root: ValueId,
        line: Option<Line>,
    ) -> Result<Option<Self>, Stop> {
        let nodes = run.slot(id).nodes.clone();
        let rank = rank(run, &nodes);
        let Some(all) = Roles::all_codes(run.slot(root), line, rank) else { return Ok(None) };
        let Some(tensor) = Self::evaluated(run, id, &nodes, (root, all))? else { return Ok(None) };
        let Some(line) = line else {
            let table = Self::told(run, id, &tensor, rank);
            return Ok(table.map(|table| table.computed(run, id, root)));
        };
        let results = match run.encode(id, &tensor).map(|coded| coded.buffer) {
            Some(Buffer::Bytes(codes)) => {
                Results::LinesOfBytes(line.tables(&codes[..tensor.len()]))
            }
            Some(Buffer::Words(codes)) => {
                Results::LinesOfWords(line.tables(&codes[..tensor.len()]))
            }
            None => return Ok(None),
        };
        Ok(Some(Self { results, line: Some(line), rank }))
    }

    /// The table by these nodes from a value `leaf`, which is given for every code.
    pub(super) fn of(
        run: &mut Run,
        id: ValueId,
        nodes: &[usize],
        (leaf, all): (ValueId, Tensor),
    ) -> Result<Option<Self>, Stop> {
        let tensor = Self::evaluated(run, id, nodes, (leaf, all))?;
        let rank = rank(run, nodes);
        Ok(tensor.and_then(|tensor| Self::told(run, id, &tensor, rank)))
    }

    /// What these nodes make of every code, `[count]`; `None` where the plain form has to tell.
    fn evaluated(
        run: &mut Run,
        id: ValueId,
        nodes: &[usize],
        (leaf, all): (ValueId, Tensor),
    ) -> Result<Option<Tensor>, Stop> {
        let count = all.len();
        let value = match run.evaluate_slot(nodes, id, vec![(leaf, all.into())]) {
            Ok(Some(value)) => value,
            Ok(None) | Err(Stop::Error(_)) => return Ok(None),
            Err(stop) => return Err(stop),
        };
        Ok(value.into_tensor().ok().and_then(|tensor| tensor.reshaped(&[count]).ok()))
    }

    /// The table of the results for all codes, from the least to the largest, for arguments of `rank` dimensions or
    /// more.
    pub(super) fn told(run: &Run, id: ValueId, all: &Tensor, rank: usize) -> Option<Self> {
        results(run, id, all).map(|results| Self { results, line: None, rank })
    }

    /// By arithmetic, where that gives the same.
    fn computed(self, run: &Run, id: ValueId, root: ValueId) -> Self {
        let computed = match &self.results {
            Results::WordsToBytes(table) => computed(run, id, root, (table, Element::Byte)),
            Results::Words(table) => computed(run, id, root, (table, Element::Word)),
            _ => None,
        };
        Self { results: computed.unwrap_or(self.results), ..self }
    }

    /// What it is, in a word.
    pub(super) fn name(&self) -> &'static str {
        match self.results {
            Results::Requantized(..) | Results::Computed(..) => "formula",
            _ if self.line.is_some() => "tables",
            _ => "table",
        }
    }

    /// The codes of the result.
    pub(super) fn run(&self, run: &mut Run, root: ValueId) -> Result<Option<Coded>, Stop> {
        let x = run.coded(root);
        if x.shape.len() < self.rank {
            return Ok(None);
        }
        Ok(self.map(run, &x))
    }

    /// The codes of the result for those of `x`, in its order.
    pub(super) fn map(&self, run: &mut Run, x: &Coded) -> Option<Coded> {
        let isa = run.isa();
        let inner = self.line.map_or(Some(1), |line| line.inner(x))?;
        let buffer = with_codes!(x, codes => self.mapped(run, isa, codes.into(), inner))?;
        Some(Coded { shape: x.shape.clone(), order: x.order, buffer, on_grid: true })
    }

    /// `inner` codes lie between an index of the line and the next one.
    fn mapped(&self, run: &mut Run, isa: Isa, x: Slice, inner: usize) -> Option<Buffer> {
        let length = match x {
            Slice::Bytes(x) => x.len(),
            Slice::Words(x) => x.len(),
        };
        Some(match (&self.results, x) {
            (Results::Bytes(table), Slice::Bytes(x)) => {
                let mut out = run.buffers.take(length);
                map_bytes(isa, table, x, &mut out[..length]);
                Buffer::Bytes(out)
            }
            (Results::BytesToWords(table), Slice::Bytes(x)) => {
                let mut out = run.buffers.take(length);
                map_to(table, x, &mut out[..length]);
                Buffer::Words(out)
            }
            (Results::WordsToBytes(table), Slice::Words(x)) => {
                let mut out = run.buffers.take(length);
                map_words(table, x, &mut out[..length]);
                Buffer::Bytes(out)
            }
            (Results::Words(table), Slice::Words(x)) => {
                let mut out = run.buffers.take(length);
                map_words(table, x, &mut out[..length]);
                Buffer::Words(out)
            }
            (Results::Requantized(by, Element::Byte), Slice::Words(x)) => {
                let mut out = run.buffers.take::<u8>(length);
                by.run(isa, x, &mut out[..length]);
                Buffer::Bytes(out)
            }
            (Results::Requantized(by, Element::Word), Slice::Words(x)) => {
                let mut out = run.buffers.take::<i16>(length);
                by.run(isa, x, &mut out[..length]);
                Buffer::Words(out)
            }
            (Results::Computed(by, narrow, Element::Byte), Slice::Words(x)) => {
                let mut out = run.buffers.take::<u8>(length);
                by.codes(isa, narrow, x, &mut out[..length]);
                Buffer::Bytes(out)
            }
            (Results::Computed(by, narrow, Element::Word), Slice::Words(x)) => {
                let mut out = run.buffers.take::<i16>(length);
                by.codes(isa, narrow, x, &mut out[..length]);
                Buffer::Words(out)
            }
            (Results::LinesOfBytes(tables), Slice::Bytes(x)) => {
                let mut out = run.buffers.take(length);
                map_lines(isa, tables, inner, x, &mut out[..length]);
                Buffer::Bytes(out)
            }
            (Results::LinesOfWords(tables), Slice::Bytes(x)) => {
                let mut out = run.buffers.take(length);
                map_lines_to_words(tables, inner, x, &mut out[..length]);
                Buffer::Words(out)
            }
            _ => return None,
        })
    }
}

/// The results `table` of all codes of 16 bits by arithmetic.
fn computed<C: Stored>(
    run: &Run,
    id: ValueId,
    root: ValueId,
    (table, width): (&[C], Element),
) -> Option<Results> {
    let requantized = || Some(Results::Requantized(requantized(run, id, root, table)?, width));
    requantized().or_else(|| {
        let (formula, narrow) = formula::of_codes(run, id, root, table)?;
        Some(Results::Computed(formula, narrow, width))
    })
}

/// The results as stored codes of slot `id`; `None` where one has none, or they are of no known number.
fn results(run: &Run, id: ValueId, all: &Tensor) -> Option<Results> {
    let count = all.len();
    Some(match (run.encode(id, all)?.buffer, count) {
        (Buffer::Bytes(codes), 256) => Results::Bytes(Box::new(std::array::from_fn(|i| codes[i]))),
        (Buffer::Words(codes), 256) => {
            Results::BytesToWords(Box::new(std::array::from_fn(|i| codes[i])))
        }
        (Buffer::Bytes(mut codes), _) => {
            codes.truncate(count);
            codes.shrink_to_fit();
            Results::WordsToBytes(codes)
        }
        (Buffer::Words(mut codes), _) => {
            codes.truncate(count);
            codes.shrink_to_fit();
            Results::Words(codes)
        }
    })
}

/// The dimensions that constants of these nodes have at most, at least 1: a scalar may become a vector.
pub(super) fn rank(run: &Run, nodes: &[usize]) -> usize {
    let inputs = nodes.iter().flat_map(|&i| run.plan.graph.nodes[i].inputs.iter().flatten());
    let constants = inputs.filter_map(|&id| run.plan.constants.known(id));
    constants.map(Tensor::rank).max().unwrap_or(0).max(1)
}

/// Codes of either width.
#[derive(Clone, Copy)]
enum Slice<'a> {
    Bytes(&'a [u8]),
    Words(&'a [i16]),
}

impl<'a> From<&'a [u8]> for Slice<'a> {
    fn from(codes: &'a [u8]) -> Self {
        Self::Bytes(codes)
    }
}

impl<'a> From<&'a [i16]> for Slice<'a> {
    fn from(codes: &'a [i16]) -> Self {
        Self::Words(codes)
    }
}

/// The codes of numbers that some node has made.
pub(super) fn quantize(
    run: &mut Run,
    slot: &Slot,
    x: ValueId,
    quantizer: &Quantizer,
) -> Result<Option<Coded>, Stop> {
    let Some(narrow) = slot.storage.narrow(quantizer) else { return Ok(None) };
    let value = run.values[x.index()].clone();
    let value = value.map_or_else(|| run.plan.known(x), |value| Ok(Some(value)))?;
    let Some(value) = value else { return Ok(None) };
    let Ok(tensor) = value.as_tensor() else { return Ok(None) };
    let Ok(numbers) = tensor.as_slice::<f32>() else { return Ok(None) };
    if tensor.rank() == 0 || !holds(numbers, quantizer.below) {
        return Ok(None);
    }
    let buffer = match slot.storage.wide {
        false => Buffer::Bytes(quantized(run, &narrow, numbers)),
        true => Buffer::Words(quantized(run, &narrow, numbers)),
    };
    Ok(Some(Coded { shape: tensor.shape().to_vec(), order: Order::Rows, buffer, on_grid: true }))
}
