//! Tensors paired by what they are where names say nothing: elements, shape and scale, then the order.
//!
//! Entries that look the same are paired in order where the model has as many tensors that look so, and not at all
//! elsewhere. Values never decide.

use std::collections::HashMap;

use vairun_exec::{NodeEvent, Observer, ObserverError};
use vairun_graph::Graph;

use super::Match;
use crate::check::{Engine, EngineError};
use crate::golden::{Elements, Entry, Order, Role};
use crate::quantizer::{Kind, Quantizer};
use crate::quantizers::Quantizers;

/// What a tensor that the model makes looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    name: String,
    shape: Vec<usize>,
    kind: Kind,
    quantizer: Option<Quantizer>,
}

impl Outline {
    /// The name of the tensor.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Runs the model once to see what its tensors look like, in execution order.
///
/// # Errors
/// A model that does not run.
pub fn outlines(engine: &dyn Engine, graph: &Graph) -> Result<Vec<Outline>, EngineError> {
    let mut seen = Seen { quantizers: Quantizers::of(graph), outlines: Vec::new() };
    engine.observe(&mut seen)?;
    Ok(seen.outlines)
}

struct Seen {
    quantizers: Quantizers,
    outlines: Vec<Outline>,
}

impl Observer for Seen {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs {
            let Ok(tensor) = value.as_tensor() else { continue };
            self.quantizers.learn(name, tensor);
            if event.scope.is_empty() {
                let (kind, quantizer) = self.quantizers.describe(name, tensor);
                let (name, shape) = ((*name).to_owned(), tensor.shape().to_vec());
                self.outlines.push(Outline { name, shape, kind, quantizer });
            }
        }
        Ok(())
    }
}

/// What an entry looks like, as far as it tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Look {
    /// In the model's order of dimensions.
    shape: Vec<usize>,
    codes: bool,
    /// The bits of the scales, where they are told.
    scales: Option<Vec<u32>>,
}

impl Look {
    /// `None` for entries without a shape that tells anything, and for parameters.
    fn of(entry: &Entry) -> Option<Self> {
        let is_parameter =
            entry.hint.part.as_ref().is_some_and(|part| matches!(part.role, Role::Parameter(_)));
        let mut shape = entry.shape.clone().filter(|shape| shape.len() > 1 && !is_parameter)?;
        if entry.hint.order == Some(Order::ChannelsLast) {
            let channels = shape.pop()?;
            shape.insert(1, channels);
        }
        let codes = match entry.hint.elements {
            Some(elements) => elements == Elements::Codes,
            None => entry.dtype.is_some_and(|dtype| dtype.is_integer()),
        };
        let scales = entry.hint.scales.as_ref().map(|scales| bits(scales));
        Some(Self { shape, codes, scales })
    }

    fn fits(&self, outline: &Outline) -> bool {
        let scales = outline.quantizer.as_ref().map(|quantizer| bits(&quantizer.scale));
        self.shape == outline.shape
            && self.codes == (outline.kind == Kind::Codes)
            && self.scales.as_ref().is_none_or(|own| Some(own) == scales.as_ref())
    }
}

fn bits(scales: &[f32]) -> Vec<u32> {
    scales.iter().map(|scale| scale.to_bits()).collect()
}

/// What was found by structure.
#[derive(Default)]
pub(super) struct Found {
    /// The counterparts of entries.
    pub(super) matches: Vec<(usize, Match)>,
    /// For entries that are left the tensors that look the same.
    pub(super) alike: HashMap<usize, Vec<String>>,
}

/// Pairs the entries `open` with the tensors that have no counterpart yet.
pub(super) fn pair(entries: &[Entry], open: &[usize], outlines: &[&Outline], rank: usize) -> Found {
    let mut groups: Vec<(Look, Vec<usize>)> = Vec::new();
    for &index in open {
        let Some(look) = Look::of(&entries[index]) else { continue };
        match groups.iter_mut().find(|(other, _)| *other == look) {
            Some((_, group)) => group.push(index),
            None => groups.push((look, vec![index])),
        }
    }
    let mut found = Found::default();
    for (look, mut group) in groups {
        // A dump numbers its nodes; else the golden's order counts.
        group.sort_by_key(|&i| entries[i].hint.part.as_ref().map_or(i, |part| part.number));
        let fitting: Vec<&str> =
            outlines.iter().filter(|o| look.fits(o)).map(|o| o.name.as_str()).collect();
        let how = match (look.scales.is_some(), group.len()) {
            (true, 1) => "structure: the only one of that scale and shape",
            (true, _) => "structure: scale, shape and order",
            (false, 1) => "structure: the only one of that shape",
            (false, _) => "structure: shape and order",
        };
        if fitting.len() == group.len() {
            let pairs = group.iter().zip(fitting);
            found
                .matches
                .extend(pairs.map(|(&i, name)| (i, Match { name: name.to_owned(), how, rank })));
        } else {
            let names: Vec<String> = fitting.iter().map(|name| (*name).to_owned()).collect();
            found.alike.extend(group.into_iter().map(|i| (i, names.clone())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use super::*;

    fn outline(name: &str, channels: usize, scale: f32) -> Outline {
        let quantizer = Some(Quantizer::per_tensor(scale, 0, None));
        Outline { name: name.into(), shape: vec![1, channels, 2, 2], kind: Kind::Codes, quantizer }
    }

    fn entry(name: &str, shape: &[usize]) -> Entry {
        Entry {
            name: name.into(),
            dtype: Some(DType::I8),
            shape: Some(shape.to_vec()),
            ..Entry::default()
        }
    }

    fn names(found: &Found) -> Vec<(usize, &str)> {
        found.matches.iter().map(|(i, found)| (*i, found.name.as_str())).collect()
    }

    fn paired(entries: &[Entry], outlines: &[Outline]) -> Found {
        let open: Vec<usize> = (0..entries.len()).collect();
        pair(entries, &open, &outlines.iter().collect::<Vec<_>>(), 9)
    }

    #[test]
    fn as_many_that_look_the_same_are_paired_in_order() {
        let outlines = [outline("a", 3, 0.5), outline("b", 4, 0.5), outline("c", 3, 0.5)];
        let entries =
            [entry("x", &[1, 3, 2, 2]), entry("y", &[1, 3, 2, 2]), entry("z", &[1, 4, 2, 2])];
        let found = paired(&entries, &outlines);
        assert_eq!(names(&found), [(0, "a"), (1, "c"), (2, "b")]);
        assert_eq!(found.matches[2].1.how, "structure: the only one of that shape");
    }

    #[test]
    fn another_number_of_them_is_not_guessed() {
        let outlines = [outline("a", 3, 0.5), outline("c", 3, 0.25)];
        let found = paired(&[entry("x", &[1, 3, 2, 2])], &outlines);
        assert!(found.matches.is_empty());
        assert_eq!(found.alike[&0], ["a", "c"]);
    }

    #[test]
    fn scales_tell_apart_what_has_one_shape() {
        let outlines = [outline("a", 3, 0.5), outline("c", 3, 0.25)];
        let mut x = entry("x", &[1, 2, 2, 3]);
        x.hint.order = Some(Order::ChannelsLast);
        x.hint.scales = Some(vec![0.25]);
        assert_eq!(names(&paired(&[x], &outlines)), [(0, "c")]);
    }

    #[test]
    fn without_a_shape_nothing_is_said() {
        let found =
            paired(&[Entry { name: "x".into(), ..Entry::default() }], &[outline("a", 3, 0.5)]);
        assert!(found.matches.is_empty() && found.alike.is_empty());
    }
}
