//! The equation, and what it says of given shapes.

use crate::common::prelude::{OpError, wrong_shape};

/// A dimension in a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Letter(char),
    Dots,
}

#[derive(Clone, Debug)]
pub(super) struct Equation {
    terms: Vec<Vec<Place>>,
    output: Vec<Place>,
}

/// The equation for given shapes: each dimension has a number.
pub(super) struct Labelled {
    /// One list for each operand, one number for each dimension.
    pub(super) terms: Vec<Vec<usize>>,
    pub(super) output: Vec<usize>,
    /// The size of each numbered dimension.
    pub(super) sizes: Vec<usize>,
}

impl Equation {
    /// Reads `text` for so many operands; the error says what was expected.
    pub(super) fn parse(text: &str, operands: usize) -> Result<Self, String> {
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text, None),
        };
        let terms = left.split(',').map(places).collect::<Result<Vec<_>, _>>()?;
        if terms.len() != operands {
            return Err(format!("{operands} terms"));
        }
        let output = match right {
            Some(right) => places(right)?,
            None => implied(&terms),
        };
        let twice = |place: &Place| output.iter().filter(|other| *other == place).count() > 1;
        let known =
            |place: &Place| *place == Place::Dots || terms.iter().any(|term| term.contains(place));
        if output.iter().any(|place| twice(place) || !known(place)) {
            return Err("each dimension once on the right side, and on the left too".into());
        }
        Ok(Self { terms, output })
    }

    /// Numbers the dimensions: those of `...` first, counted from the end.
    pub(super) fn label(&self, shapes: &[&[usize]]) -> Result<Labelled, OpError> {
        let mut letters: Vec<char> = Vec::new();
        let spare = |term: &[Place], shape: &[usize]| {
            let named = term.iter().filter(|place| **place != Place::Dots).count();
            let has_dots = named < term.len();
            shape.len().checked_sub(named).filter(|&spare| has_dots || spare == 0)
        };
        let mut dots = 0;
        for (term, shape) in self.terms.iter().zip(shapes) {
            let misfit = || wrong_shape("Inputs", shape, "as many dimensions as its term has");
            dots = dots.max(spare(term, shape).ok_or_else(misfit)?);
        }
        let mut sizes = vec![1; dots];
        let mut terms = Vec::with_capacity(shapes.len());
        for (term, shape) in self.terms.iter().zip(shapes) {
            let own_dots = spare(term, shape).unwrap_or(0);
            let mut labels = Vec::with_capacity(shape.len());
            for place in term {
                match place {
                    Place::Dots => labels.extend(dots - own_dots..dots),
                    Place::Letter(letter) => {
                        let known = letters.iter().position(|known| known == letter);
                        let at = known.unwrap_or_else(|| {
                            letters.push(*letter);
                            sizes.push(1);
                            letters.len() - 1
                        });
                        labels.push(dots + at);
                    }
                }
            }
            for (&label, &size) in labels.iter().zip(*shape) {
                match sizes[label] {
                    1 => sizes[label] = size,
                    known if known == size || size == 1 => {}
                    known => {
                        let name = label
                            .checked_sub(dots)
                            .map_or("...".into(), |at| letters[at].to_string());
                        return Err(wrong_shape("Inputs", shape, format!("{known} at `{name}`")));
                    }
                }
            }
            terms.push(labels);
        }
        let mut output = Vec::new();
        for place in &self.output {
            match place {
                Place::Dots => output.extend(0..dots),
                Place::Letter(letter) => {
                    output.extend(
                        letters.iter().position(|known| known == letter).map(|at| dots + at),
                    );
                }
            }
        }
        Ok(Labelled { terms, output, sizes })
    }
}

fn places(term: &str) -> Result<Vec<Place>, String> {
    let wrong = || "terms of letters with at most one `...` each".to_owned();
    let mut places = Vec::new();
    let mut rest = term;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            if places.contains(&Place::Dots) {
                return Err(wrong());
            }
            places.push(Place::Dots);
            rest = after;
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        match letter {
            letter if letter.is_ascii_alphabetic() => places.push(Place::Letter(letter)),
            ' ' => {}
            _ => return Err(wrong()),
        }
    }
    Ok(places)
}

/// The right side that is not written.
fn implied(terms: &[Vec<Place>]) -> Vec<Place> {
    let all: Vec<Place> = terms.iter().flatten().copied().collect();
    let mut once: Vec<char> = all
        .iter()
        .filter_map(|place| match place {
            Place::Letter(letter) => Some(*letter),
            Place::Dots => None,
        })
        .filter(|letter| all.iter().filter(|other| **other == Place::Letter(*letter)).count() == 1)
        .collect();
    once.sort_unstable();
    let dots = all.contains(&Place::Dots).then_some(Place::Dots);
    dots.into_iter().chain(once.into_iter().map(Place::Letter)).collect()
}
