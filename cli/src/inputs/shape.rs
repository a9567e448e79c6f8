//! Shapes from the command line and from what the model declares.

use std::collections::BTreeMap;

use vairun::Port;
use vairun::graph::Dim;

/// The shapes and dimensions that the user gives.
pub(super) struct Shapes<'a> {
    pub(super) given: &'a [(Option<String>, Vec<usize>)],
    pub(super) dims: &'a BTreeMap<String, usize>,
}

/// A shape, as far as it is known.
pub(super) enum Declared {
    Known(Vec<usize>),
    /// Dimensions by name, `?` where they have none; each with its size where that is known.
    Open(Vec<(String, Option<usize>)>),
    /// Not even the number of dimensions.
    Nothing,
}

impl Shapes<'_> {
    /// The shape of an input: that of `--shape`, else the declared one with `--dim` filled in.
    pub(super) fn of(&self, port: &Port) -> Declared {
        let for_port =
            self.given.iter().rev().find(|(name, _)| name.as_deref() == Some(&port.name));
        let for_all = self.given.iter().rev().find(|(name, _)| name.is_none());
        if let Some((_, shape)) = for_port.or(for_all) {
            return Declared::Known(shape.clone());
        }
        let Some(dims) = &port.shape else { return Declared::Nothing };
        let size = |dim: &Dim| match dim {
            Dim::Fixed(n) => Some(*n),
            Dim::Symbol(name) => self.dims.get(name).copied(),
            Dim::Unknown => None,
        };
        match dims.iter().map(size).collect::<Option<Vec<_>>>() {
            Some(shape) => Declared::Known(shape),
            None => Declared::Open(dims.iter().map(|dim| (dim.to_string(), size(dim))).collect()),
        }
    }
}

/// `1x3x224x224`, `1,3,224,224` or `[1,3,224,224]`, perhaps after `NAME=`. Nothing is the shape of a scalar.
pub(super) fn parse_shape(text: &str) -> Result<(Option<String>, Vec<usize>), String> {
    let (name, dims) = match text.rsplit_once('=') {
        Some((name, dims)) => (Some(name.to_owned()), dims),
        None => (None, text),
    };
    let dims = dims.trim().trim_start_matches('[').trim_end_matches(']');
    if dims.is_empty() {
        return Ok((name, Vec::new()));
    }
    let size = |dim: &str| dim.trim().parse().map_err(|_| format!("`{dim}` is no size"));
    let shape = dims.split([',', 'x']).map(size).collect::<Result<_, _>>()?;
    Ok((name, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_in_every_usual_spelling() {
        for text in ["1x3x224", "1,3,224", "[1, 3, 224]"] {
            assert_eq!(parse_shape(text), Ok((None, vec![1, 3, 224])));
        }
        assert_eq!(parse_shape("a=b=2x2"), Ok((Some("a=b".into()), vec![2, 2])));
        assert_eq!(parse_shape("x="), Ok((Some("x".into()), vec![])));
        assert_eq!(parse_shape("1xNx2"), Err("`N` is no size".into()));
    }
}
