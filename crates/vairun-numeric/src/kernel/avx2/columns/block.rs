//! The weights of sixteen channels of a depthwise convolution, and the loops that multiply them.

use super::tile::{BYTES, Form, WIDENED, WORDS, forms};
use crate::kernel::avx2::depthwise::channel;
use crate::kernel::finish::LANES;
use crate::kernel::weights::Element;

/// Sums of two products with codes up to 255 fit 16 bits where the weights of one sign come to so much.
const LIMIT: i16 = 128;

/// The weights of a column: of each channel, in the order of the registers, one for each row.
type Column = [Vec<i16>; LANES];

/// The weights of sixteen channels in the order of a form.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// For one pixel and more.
    pub(super) forms: &'static [Form],
    /// Bytes: `[columns, 2 registers, 8 channels, 4 places]` as i8; words: `[pairs of rows, columns, 2 registers,
    /// 8 channels, 2 rows]` as i16.
    pub(super) weights: Vec<i8>,
}

impl Block {
    /// The channels from `first` on, of weights `[taps, channels]` of a kernel of so many columns with `stride` of them from
    /// one pixel to the next; `None` where there are no loops for it.
    pub(super) fn new(
        (element, weights): (Element, &[i16]),
        [channels, first]: [usize; 2],
        [run, stride]: [usize; 2],
    ) -> Option<Self> {
        let height = weights.len() / channels / run;
        let weight = |row: usize, column: usize, c: usize| match c < channels {
            true => weights[(row * run + column) * channels + c],
            false => 0,
        };
        let of = |column, i| (0..height).map(move |row| weight(row, column, first + channel(i)));
        let columns = (0..run).map(|column| std::array::from_fn(|i| of(column, i).collect()));
        let columns = columns.collect::<Vec<Column>>();
        let bytes = (height <= 3 && element == Element::Byte).then(|| by_bytes(&columns)).flatten();
        let form = match element {
            Element::Byte if bytes.is_some() => BYTES,
            Element::Byte => WIDENED,
            Element::Word => WORDS,
        };
        let forms = forms([run, stride], form)?;
        Some(Self { forms, weights: bytes.unwrap_or_else(|| by_words(&columns, height)) })
    }
}

/// The weights of at most three rows as four bytes; `None` where a sum could saturate.
fn by_bytes(columns: &[Column]) -> Option<Vec<i8>> {
    let row = |rows: &[i16], i: usize| rows.get(i).copied().unwrap_or(0);
    let split = |rows: &Vec<i16>| split([row(rows, 0), row(rows, 1), row(rows, 2)]);
    let places: Option<Vec<_>> = columns.iter().flatten().map(split).collect();
    places.map(Vec::into_flattened)
}

/// The weights of two rows after two as two words.
fn by_words(columns: &[Column], height: usize) -> Vec<i8> {
    let row = |rows: &[i16], i: usize| rows.get(i).copied().unwrap_or(0);
    let pairs = (0..height).step_by(2);
    let words = pairs.flat_map(|first| {
        columns.iter().flatten().flat_map(move |rows| [row(rows, first), row(rows, first + 1)])
    });
    words.flat_map(|w| w.to_le_bytes().map(|byte| byte as i8)).collect()
}

/// The weights of three rows as four places; `None` where a sum of two products could saturate.
fn split([first, second, third]: [i16; 3]) -> Option<[i8; 4]> {
    let (room, most): (fn(i16) -> i16, _) = match second >= 0 {
        true => (|beside| LIMIT - beside.max(0), i8::MAX.into()),
        false => (|beside| LIMIT + beside.min(0), -i16::from(i8::MIN)),
    };
    let part = second.abs().min(room(first)).min(most) * second.signum();
    let rest = second - part;
    (rest.abs() <= room(third)).then_some(())?;
    let byte = |w: i16| i8::try_from(w).ok();
    Some([byte(first)?, byte(part)?, byte(third)?, byte(rest)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_split_so_that_no_sum_of_two_products_saturates() {
        let extremes = [-128, -127, -100, -65, -1, 0, 1, 64, 100, 127i16];
        let triples = extremes.iter().flat_map(|&a| extremes.map(|b| extremes.map(|c| [a, b, c])));
        for rows in triples.flatten() {
            let Some(places) = split(rows) else {
                assert!(rows.iter().map(|w| w.abs()).sum::<i16>() > 2 * LIMIT, "{rows:?}");
                continue;
            };
            let places = places.map(i16::from);
            assert_eq!([places[0], places[1] + places[3], places[2]], rows);
            for pair in places.chunks(2) {
                let of_sign = |sign: i16| pair.iter().map(|w| (w * sign).max(0)).sum::<i16>();
                assert!(of_sign(1) <= LIMIT && of_sign(-1) <= LIMIT, "{rows:?} {places:?}");
            }
        }
    }

    #[test]
    fn large_weights_stay_words() {
        let block = |weights: &[i16], run| Block::new((Element::Byte, weights), [1, 0], [run, 1]);
        let bytes = |weights: &[i16]| block(weights, 3).unwrap().weights.len();
        assert_eq!(bytes(&[80; 9]), 3 * 4 * LANES);
        assert_eq!(bytes(&[100; 9]), 2 * 3 * 4 * LANES);
        assert!(block(&[1; 16], 4).is_none());
    }
}
