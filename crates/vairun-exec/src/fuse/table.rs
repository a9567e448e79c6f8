use vairun_graph::ValueId;
use vairun_numeric::kernel::{
    Element, Isa, Requantize, map_bytes, map_lines, map_lines_to_reals, map_lines_to_words, map_to,
    map_words,
};
use vairun_ops::Quantizer;
use vairun_tensor::Tensor;

use super::coded::{Buffer, Coded, Order, with_codes};
use super::functions::Origin;
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
        let found = match &self.results {
            Results::WordsToBytes(table) => {
                requantized(run, id, root, table).map(|found| (found, Element::Byte))
            }
            Results::Words(table) => {
                requantized(run, id, root, table).map(|found| (found, Element::Word))
            }
            _ => None,
        };
        let computed = found.map(|(by, width)| Results::Requantized(by, width));
        Self { results: computed.unwrap_or(self.results), ..self }
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

/// A function of one code that somebody needs as numbers, for every code.
pub(super) struct Numbers {
    numbers: Vec<f32>,
    line: Option<Line>,
    rank: usize,
}

impl Numbers {
    /// By these nodes from the slot of a code to value `id`; `None` where they do not give a number for each code.
    pub(super) fn prepare(
        run: &mut Run,
        id: ValueId,
        of: Origin,
        nodes: &[usize],
    ) -> Result<Option<Self>, Stop> {
        let (rank, line) = (rank(run, nodes), of.line);
        let Some(all) = Roles::all_codes(run.slot(of.slot), line, rank) else { return Ok(None) };
        let count = all.len();
        let value = match run.evaluate(nodes, id, &[(of.slot, all.into())]) {
            Ok(value) => value,
            // The plain form says it for the tensor of the run.
            Err(Stop::Error(_)) => return Ok(None),
            Err(stop) => return Err(stop),
        };
        let numbers = value.into_tensor().ok().and_then(|tensor| tensor.into_vec::<f32>().ok());
        let Some(numbers) = numbers.filter(|numbers| numbers.len() == count) else {
            return Ok(None);
        };
        let numbers = match line {
            Some(line) => line.tables(&numbers),
            None => numbers,
        };
        Ok(Some(Self { numbers, line, rank }))
    }

    /// The numbers of the codes of `root`, row-major.
    pub(super) fn run(&self, run: &mut Run, root: ValueId) -> Option<Tensor> {
        let coded = run.coded(root);
        if coded.shape.len() < self.rank {
            return None;
        }
        let turned = coded.ordered(Order::Rows, &mut run.buffers);
        let x = turned.as_ref().unwrap_or(&coded);
        let length = x.len();
        let inner = self.line.map_or(Some(1), |line| line.inner(x))?;
        let mut out = vec![0f32; length];
        match &x.buffer {
            Buffer::Bytes(codes) if self.line.is_some() => {
                map_lines_to_reals(&self.numbers, inner, &codes[..length], &mut out);
            }
            Buffer::Bytes(codes) => {
                let table: &[f32; 256] = self.numbers[..].try_into().ok()?;
                map_to(table, &codes[..length], &mut out);
            }
            Buffer::Words(codes) => map_words(&self.numbers, &codes[..length], &mut out),
        }
        let tensor = Tensor::new(&x.shape, out).ok();
        turned.into_iter().for_each(|turned| turned.recycle(&mut run.buffers));
        tensor
    }
}

/// The dimensions that constants of these nodes have at most, at least 1: a scalar may become a vector.
fn rank(run: &Run, nodes: &[usize]) -> usize {
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
