//! Functions of a code of 8 bits that differ along one dimension: a table for each of its indices.

use rayon::prelude::*;

use super::dispatch::alone;
use super::elementwise::map_bytes;
use super::isa::Isa;

/// Elements of one task.
const TASK: usize = 1 << 14;

/// Entries of a table.
const CODES: usize = 256;

/// Elements that share a table from which on vectors are worth loading it.
const ROW: usize = 64;

/// `out[i] = tables[i / inner mod n][x[i]]` for `n` tables one behind the other: the function of index `i / inner mod n`
/// of a dimension with `inner` elements behind each of its indices.
///
/// # Panics
/// Where x does not consist of whole rounds of `n · inner` elements, or the result is not as long.
pub fn map_lines(isa: Isa, tables: &[u8], inner: usize, x: &[u8], out: &mut [u8]) {
    let row = |table: &[u8; CODES], x: &[u8], out: &mut [u8]| match x.len() {
        ROW.. => map_bytes(isa, table, x, out),
        _ => looked_up(table, x, out),
    };
    lines(tables, inner, (x, out), row);
}

/// [`map_lines`] to stored codes of 16 bits.
///
/// # Panics
/// As there.
pub fn map_lines_to_words(tables: &[i16], inner: usize, x: &[u8], out: &mut [i16]) {
    lines(tables, inner, (x, out), looked_up);
}

/// [`map_lines`] to numbers.
///
/// # Panics
/// As there.
pub fn map_lines_to_reals(tables: &[f32], inner: usize, x: &[u8], out: &mut [f32]) {
    lines(tables, inner, (x, out), looked_up);
}

fn looked_up<T: Copy>(table: &[T; CODES], x: &[u8], out: &mut [T]) {
    out.iter_mut().zip(x).for_each(|(out, &x)| *out = table[usize::from(x)]);
}

fn lines<T: Copy + Send + Sync>(
    tables: &[T],
    inner: usize,
    (x, out): (&[u8], &mut [T]),
    row: impl Fn(&[T; CODES], &[u8], &mut [T]) + Sync,
) {
    assert_eq!(x.len(), out.len(), "as many codes as results");
    let (tables, rest) = tables.as_chunks::<CODES>();
    assert!(rest.is_empty(), "whole tables");
    let round = tables.len() * inner;
    if x.is_empty() {
        return;
    }
    assert!(round > 0 && x.len().is_multiple_of(round), "whole rounds of all tables");
    let each = |x: &[u8], out: &mut [T]| {
        if inner == 1 {
            for (x, out) in x.chunks_exact(round).zip(out.chunks_exact_mut(round)) {
                for ((out, &x), table) in out.iter_mut().zip(x).zip(tables) {
                    *out = table[usize::from(x)];
                }
            }
        } else {
            let rows = x.chunks_exact(inner).zip(out.chunks_exact_mut(inner));
            rows.zip(tables.iter().cycle()).for_each(|((x, out), table)| row(table, x, out));
        }
    };
    if alone(x.len()) {
        return each(x, out);
    }
    let task = round * TASK.div_ceil(round);
    out.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(out, x)| each(x, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(3 · code + 7 · index) mod 256` by the definition.
    fn expected(n: usize, inner: usize, x: &[u8]) -> Vec<u8> {
        let value = |(i, &x): (usize, &u8)| entry(i / inner % n, x);
        x.iter().enumerate().map(value).collect()
    }

    fn entry(index: usize, code: u8) -> u8 {
        code.wrapping_mul(3).wrapping_add((index as u8).wrapping_mul(7))
    }

    #[test]
    fn each_index_has_its_table_wherever_its_dimension_lies() {
        for (n, inner, rounds) in
            [(1, 1, 5), (3, 1, 40), (8, 1, 9000), (5, 7, 3), (2, 100, 200), (3, 64, 1), (4, 33, 0)]
        {
            let tables: Vec<u8> =
                (0..n).flat_map(|i| (0..=255).map(move |code| entry(i, code))).collect();
            let x: Vec<u8> = (0..n * inner * rounds).map(|i| (i * 31 + i / 7) as u8).collect();
            let want = expected(n, inner, &x);
            for isa in Isa::available() {
                let mut out = vec![0; x.len()];
                map_lines(isa, &tables, inner, &x, &mut out);
                assert!(out == want, "{isa}: {n} tables, {inner} elements each");
            }
            let words: Vec<i16> = tables.iter().map(|&y| i16::from(y) - 300).collect();
            let mut out = vec![0; x.len()];
            map_lines_to_words(&words, inner, &x, &mut out);
            assert!(out.iter().zip(&want).all(|(&got, &want)| got == i16::from(want) - 300));
            let reals: Vec<f32> = tables.iter().map(|&y| f32::from(y) / 2.0).collect();
            let mut out = vec![0.0; x.len()];
            map_lines_to_reals(&reals, inner, &x, &mut out);
            assert!(out.iter().zip(&want).all(|(&got, &want)| got == f32::from(want) / 2.0));
        }
    }
}
