use vairun_graph::ValueId;
use vairun_numeric::kernel::{Stored, gather};
use vairun_tensor::{Dequantized, Tensor, Value};

use super::buffers::Pooled;
use super::coded::{Buffer, Coded, Order};
use super::moves::Moving;
use super::roles::Role;
use super::run::{Run, Stop};

/// Where each code of a result stands in x, found by moving places instead of numbers with the very operator.
pub(super) struct Move {
    /// Codes that are moved together.
    width: usize,
    /// For each run of the result, the run of x; -1: zeros.
    map: Vec<i32>,
    /// The stored code of 0.
    zero: i32,
    shape: Vec<usize>,
    order: Order,
    on_grid: bool,
}

/// Places up to here are exact in f32.
const PLACES: usize = 1 << 24;

/// The inputs of a node that may differ between runs, but the first: a move depends on them.
pub(super) fn parameters(run: &Run, node: usize) -> Vec<u8> {
    let inputs = run.plan.graph.nodes[node].inputs.iter().skip(1).flatten();
    let moving = inputs.filter(|&&id| run.role(id) != Role::Fixed);
    let mut bytes = Vec::new();
    for id in moving {
        if let Some(Value::Tensor(tensor)) = &run.values[id.index()] {
            bytes.extend(tensor.shape().iter().flat_map(|d| d.to_le_bytes()));
            bytes.extend(tensor.as_bytes().unwrap_or_default());
        }
    }
    bytes
}

impl Move {
    pub(super) fn prepare(
        run: &mut Run,
        id: ValueId,
        from: ValueId,
        moves: &[Moving],
    ) -> Result<Option<Self>, Stop> {
        let x = run.coded(run.slot_of(from));
        let length = x.len();
        if length == 0 || 2 * length >= PLACES {
            return Ok(None);
        }
        let Some(moved) = moved_places(run, moves, (&x, 1))? else { return Ok(None) };
        let Some(places) = places(&moved, 1, length) else { return Ok(None) };
        if moves.iter().any(|moving| run.plan.graph.nodes[moving.node].op.is_onnx("Pad")) {
            // A number that is put between them could be taken for a place, but not for two.
            let again = moved_places(run, moves, (&x, 1 + length))?;
            let again = again.and_then(|moved| self::places(&moved, 1 + length, length));
            if again.as_ref() != Some(&places) {
                return Ok(None);
            }
        }
        let zero = zero_code(run, id);
        if zero.is_none() && places.contains(&ZERO) {
            return Ok(None);
        }
        let zero = zero.unwrap_or_default();
        // A dequantizer that comes after the move puts its grid beside the numbers itself.
        let codes = run.slot(id).grid.is_none();
        let known = x.on_grid || moves.iter().any(|moving| moving.requantized);
        let on_grid = codes || (known && moved.dequantized().is_some());
        let shape = moved.shape().to_vec();
        // Places are as many as codes, and several of them are known at once: what is done with goes.
        drop(moved);
        let plan = |order: Order| {
            let source = physical_of(&x.shape, x.order);
            let source = |place| if place == ZERO { ZERO } else { source(place as usize) as u32 };
            let map: Vec<u32> = physical(&shape, order).map(|i| source(places[i])).collect();
            (common_width(&map), order, map)
        };
        let rows = plan(Order::Rows);
        let best = if shape.len() > 2 {
            let last = plan(Order::ChannelsLast);
            if last.0 >= rows.0 { last } else { rows }
        } else {
            rows
        };
        let (width, order, map) = best;
        let run_of = |&place: &u32| if place == ZERO { -1 } else { place as i32 / width as i32 };
        let runs = map.iter().step_by(width).map(run_of).collect();
        Ok(Some(Self { width, map: runs, zero, shape, order, on_grid }))
    }

    pub(super) fn run(&self, run: &mut Run, from: ValueId) -> Result<Option<Coded>, Stop> {
        let x = run.coded(run.slot_of(from));
        let buffer = match &x.buffer {
            Buffer::Bytes(codes) => Buffer::Bytes(self.moved(run, &codes[..x.len()])),
            Buffer::Words(codes) => Buffer::Words(self.moved(run, &codes[..x.len()])),
        };
        let Self { order, on_grid, .. } = *self;
        Ok(Some(Coded { shape: self.shape.clone(), order, buffer, on_grid }))
    }

    fn moved<C: Stored + Pooled>(&self, run: &mut Run, x: &[C]) -> Vec<C> {
        let length = self.map.len() * self.width;
        let mut out = run.buffers.take(length);
        gather(x, self.width, &self.map, C::narrow(self.zero), &mut out[..length]);
        out
    }
}

/// In the place of a place: a zero.
const ZERO: u32 = u32::MAX;

/// The places, numbered from `first` on, that a moved tensor holds; `None` where it holds something else.
fn places(moved: &Tensor, first: usize, length: usize) -> Option<Vec<u32>> {
    let place = |&number: &f32| match number as usize {
        0 if number.to_bits() == 0 => Some(ZERO),
        place if place as f32 == number => {
            place.checked_sub(first).filter(|&i| i < length).map(|i| i as u32)
        }
        _ => None,
    };
    let numbers = moved.as_slice::<f32>().ok()?;
    let mut places = Vec::with_capacity(numbers.len());
    for number in numbers {
        places.push(place(number)?);
    }
    (!places.is_empty()).then_some(places)
}

/// The stored code of 0 in a slot, if it has one.
fn zero_code(run: &Run, id: ValueId) -> Option<i32> {
    let slot = run.slot(id);
    let zero = slot.grid.map_or(slot.storage.offset, |grid| grid.zero);
    let (low, high) = slot.storage.range;
    (low..=high).contains(&zero).then_some(zero)
}

/// What the operators make of the places of x, numbered in row-major order from `first` on.
fn moved_places(
    run: &mut Run,
    moves: &[Moving],
    (x, first): (&Coded, usize),
) -> Result<Option<Tensor>, Stop> {
    let places = (first..first + x.len()).map(|i| i as f32).collect();
    let Ok(mut places) = Tensor::new(&x.shape, places).map(on_some_grid) else { return Ok(None) };
    for moving in moves {
        if moving.requantized {
            places = on_some_grid(places);
        }
        let Some(moved) = moved_by(run, *moving, places)? else { return Ok(None) };
        places = moved;
    }
    Ok(Some(places))
}

/// Numbers that keep their grid where an operator does.
fn on_some_grid(places: Tensor) -> Tensor {
    let (scale, zero) = (Tensor::scalar(1f32), Tensor::scalar(0i32));
    places.with_dequantized(Dequantized::on_grid(scale, zero, None))
}

/// What one operator makes of places.
fn moved_by(run: &mut Run, moving: Moving, places: Tensor) -> Result<Option<Tensor>, Stop> {
    let Moving { node, output, .. } = moving;
    let Some(&Some(x)) = run.plan.graph.nodes[node].inputs.first() else { return Ok(None) };
    let mut leaves = vec![(x, Value::from(places))];
    for leaf in run.plan.leaves(&[node]) {
        if leaf != x {
            leaves.push((leaf, run.values[leaf.index()].clone().ok_or(Stop::Again)?));
        }
    }
    // What the operator cannot do with numbers, it may do with codes: the plain form tells.
    match run.evaluate(&[node], output, &leaves) {
        Ok(value) => Ok(value.into_tensor().ok()),
        Err(Stop::Error(_)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// The row-major place of each element in its order.
fn physical(shape: &[usize], order: Order) -> impl Iterator<Item = usize> {
    let (channels, pixels) = sizes(shape, order);
    let image = (channels * pixels).max(1);
    let place = move |i| i / image * image + i % channels * pixels + i % image / channels;
    (0..shape.iter().product()).map(place)
}

/// Channels that lie last, and pixels of an image.
fn sizes(shape: &[usize], order: Order) -> (usize, usize) {
    match order {
        Order::Rows => (1, shape.iter().product::<usize>().max(1)),
        Order::ChannelsLast => (shape[1], shape[2..].iter().product::<usize>()),
    }
}

/// Where the element of a row-major place lies.
fn physical_of(shape: &[usize], order: Order) -> impl Fn(usize) -> usize {
    let (channels, pixels) = sizes(shape, order);
    move |place| {
        let image = (channels * pixels).max(1);
        let (batch, within) = (place / image, place % image);
        batch * image + within % pixels * channels + within / pixels
    }
}

/// The length of runs of neighbours, or of zeros, that the map consists of, each starting at a multiple of it.
fn common_width(map: &[u32]) -> usize {
    // Zeros start anywhere.
    let start = |place: u32| if place == ZERO { 0 } else { place as usize };
    let mut width = gcd(map.len(), start(map[0]));
    for (i, pair) in map.windows(2).enumerate() {
        let follows = match pair[0] {
            ZERO => pair[1] == ZERO,
            place => pair[1] == place + 1,
        };
        if !follows {
            width = gcd(gcd(width, i + 1), start(pair[1]));
            if width == 1 {
                break;
            }
        }
    }
    width
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The codes of parts side by side along dimension `axis`, each mapped already; `None` where their shapes do not fit.
pub(super) fn concatenated(
    run: &mut Run,
    parts: &[Coded],
    axis: usize,
    order: Order,
) -> Option<Coded> {
    let first = parts.first()?;
    let mut shape = first.shape.clone();
    for part in &parts[1..] {
        let fits = part.shape.len() == shape.len()
            && (0..shape.len()).all(|d| d == axis || part.shape[d] == first.shape[d]);
        if !fits {
            return None;
        }
        shape[axis] += part.shape[axis];
    }
    let physical = match order {
        Order::Rows => (0..shape.len()).collect::<Vec<_>>(),
        Order::ChannelsLast => std::iter::once(0).chain(2..shape.len()).chain([1]).collect(),
    };
    let place = physical.iter().position(|&d| d == axis)?;
    let outer: usize = physical[..place].iter().map(|&d| shape[d]).product();
    let length = shape.iter().product();
    let buffer = match &first.buffer {
        Buffer::Bytes(_) => {
            let mut out = run.buffers.take::<u8>(length);
            interleave(parts, outer, &mut out[..length], |buffer| match buffer {
                Buffer::Bytes(codes) => Some(codes),
                Buffer::Words(_) => None,
            })?;
            Buffer::Bytes(out)
        }
        Buffer::Words(_) => {
            let mut out = run.buffers.take::<i16>(length);
            interleave(parts, outer, &mut out[..length], |buffer| match buffer {
                Buffer::Words(codes) => Some(codes),
                Buffer::Bytes(_) => None,
            })?;
            Buffer::Words(out)
        }
    };
    let on_grid = parts.iter().all(|part| part.on_grid);
    Some(Coded { shape, order, buffer, on_grid })
}

fn interleave<T: Copy>(
    parts: &[Coded],
    outer: usize,
    out: &mut [T],
    codes: impl Fn(&Buffer) -> Option<&Vec<T>>,
) -> Option<()> {
    if outer == 0 {
        return Some(());
    }
    let row = out.len() / outer;
    let mut offset = 0;
    for part in parts {
        let (width, codes) = (part.len() / outer, codes(&part.buffer)?);
        if width > 0 {
            for (out, x) in out.chunks_exact_mut(row).zip(codes.chunks_exact(width)) {
                out[offset..offset + width].copy_from_slice(x);
            }
        }
        offset += width;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_as_long_as_they_can_be() {
        assert_eq!(common_width(&[0, 1, 2, 3]), 4);
        assert_eq!(common_width(&[4, 5, 0, 1]), 2);
        assert_eq!(common_width(&[1, 2, 3, 0]), 1, "runs start at multiples of their length");
        assert_eq!(common_width(&[2, 1, 0]), 1);
        assert_eq!(common_width(&[ZERO, ZERO, 2, 3, 0, 1, ZERO, ZERO]), 2);
        assert_eq!(common_width(&[ZERO, 0, 1, ZERO]), 1);
    }

    #[test]
    fn what_is_no_place_and_no_zero_is_refused() {
        let of = |numbers: &[f32], first| places(&Tensor::vector(numbers.to_vec()), first, 4);
        assert_eq!(of(&[1.0, 0.0, 4.0], 1), Some(vec![0, ZERO, 3]));
        assert_eq!(of(&[5.0, 0.0, 8.0], 5), Some(vec![0, ZERO, 3]));
        for wrong in [-0.0, 0.5, 5.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(of(&[1.0, wrong], 1), None, "{wrong}");
        }
        assert_eq!(of(&[3.0], 5), None, "3 stood between the numbers already");
        assert_eq!(of(&[], 1), None);
    }

    #[test]
    fn places_go_to_channels_last_and_back() {
        let shape = [2, 3, 2, 2];
        let at = physical_of(&shape, Order::ChannelsLast);
        for (lies, place) in physical(&shape, Order::ChannelsLast).enumerate() {
            assert_eq!(at(place), lies);
        }
    }
}
