//! Goldens in which one tensor is stored otherwise than it was computed.

use anyhow::Result;
use vairun::Tensor;

use super::codes::{differs, like, other_sign, shaped, wide};
use super::subject::{Fault, Subject};
use crate::material::numbers;

/// A tensor of four dimensions.
struct Picture<'a> {
    tensor: &'a Tensor,
    data: Vec<f64>,
    dims: [usize; 4],
}

impl<'a> Picture<'a> {
    fn of(tensor: &'a Tensor) -> Result<Option<Self>> {
        let &[n, c, h, w] = tensor.shape() else { return Ok(None) };
        Ok(Some(Self { tensor, data: numbers(tensor)?, dims: [n, c, h, w] }))
    }

    fn at(&self, b: usize, k: usize, i: usize, j: usize) -> f64 {
        let [_, c, h, w] = self.dims;
        self.data[((b * c + k) * h + i) * w + j]
    }

    /// The tensor of those dimensions, each element as `f` says.
    fn gather(
        &self,
        [n, c, h, w]: [usize; 4],
        f: impl Fn(usize, usize, usize, usize) -> f64,
    ) -> Result<Tensor> {
        let places =
            (0..n * c * h * w).map(|p| (p / (c * h * w), p / (h * w) % c, p / w % h, p % w));
        let data: Vec<f64> = places.map(|(b, k, i, j)| f(b, k, i, j)).collect();
        shaped(self.tensor.dtype(), &[n, c, h, w], &data)
    }

    /// The faults, each with its cause.
    fn faults(&self) -> Result<Vec<(&'static str, Tensor)>> {
        let [n, c, h, w] = self.dims;
        let dims = self.dims;
        let flat = |[_, c, h, w]: [usize; 4], b: usize, k: usize, i: usize, j: usize| {
            ((b * c + k) * h + i) * w + j
        };
        let nhwc = |b, k, i, j| {
            let p = flat(dims, b, k, i, j);
            self.at(p / (c * h * w), p % c, p / c / w % h, p / c % w)
        };
        let mut found = vec![
            ("layout", self.gather(dims, nhwc)?),
            ("channel_order", self.gather(dims, |b, k, i, j| self.at(b, c - 1 - k, i, j))?),
            ("channel_order", self.gather(dims, |b, k, i, j| self.at(b, (k + 1) % c, i, j))?),
            ("channel_order", self.gather(dims, |b, k, i, j| self.at(b, k, i, w - 1 - j))?),
            ("crop", self.gather([n, c, h - 2, w - 2], |b, k, i, j| self.at(b, k, i + 1, j + 1))?),
            ("crop", self.gather([n, c, h - 3, w - 2], |b, k, i, j| self.at(b, k, i + 2, j))?),
            ("crop", self.gather(dims, |b, k, i, j| self.at(b, k, (i + 1).min(h - 1), j))?),
            (
                "crop",
                self.gather(
                    dims,
                    |b, k, i, j| {
                        if i == 0 || j < 2 { 0.0 } else { self.at(b, k, i - 1, j - 2) }
                    },
                )?,
            ),
        ];
        if n > 1 {
            found.push(("batch", self.gather(dims, |b, k, i, j| self.at((b + 1) % n, k, i, j))?));
            found.push(("batch", self.gather(dims, |_, k, i, j| self.at(0, k, i, j))?));
            found.push(("batch", self.gather([1, c, h, w], |_, k, i, j| self.at(0, k, i, j))?));
            found.push((
                "batch",
                self.gather([n - 1, c, h, w], |b, k, i, j| self.at(b + 1, k, i, j))?,
            ));
        }
        Ok(found)
    }
}

/// The faults in the first tensor of codes that is a picture, and of signs in any.
pub(super) fn faults(subject: &Subject) -> Result<Vec<Fault>> {
    let sites = subject.sites()?;
    let large = |name: &str| {
        let shape = subject.right[name].shape();
        shape.len() == 4 && shape[1] > 2 && shape[2] > 4 && shape[3] > 4
    };
    let mut found = Vec::new();
    if let Some(site) = sites.iter().find(|site| large(&site.y)) {
        let y = &subject.right[&site.y];
        if let Some(picture) = Picture::of(y)? {
            for (cause, tensor) in picture.faults()? {
                if differs(&tensor, y)? {
                    found.push(subject.stored(cause, &site.y, tensor));
                }
            }
        }
    }
    for site in &sites {
        let y = &subject.right[&site.y];
        let signs: Vec<f64> =
            numbers(y)?.iter().map(|&code| other_sign(site.low, site.high, code)).collect();
        let signs = wide(y, &signs)?;
        if differs(&signs, y)? {
            found.push(subject.stored("signedness", &site.y, signs));
            break;
        }
    }
    found.extend(numbers_of_dequantizers(subject)?);
    Ok(found)
}

/// The same in what a dequantizer makes, which is no codes.
fn numbers_of_dequantizers(subject: &Subject) -> Result<Vec<Fault>> {
    let graph = subject.graph();
    let site = &subject.sites()?[0];
    let reads = |node: &&vairun::graph::Node| subject.input(node, 0) == Some(site.y.as_str());
    let mut nodes = graph.nodes.iter().filter(|node| node.op.op_type == "DequantizeLinear");
    let Some(y) = nodes.find(reads).and_then(|node| subject.output(node)) else {
        return Ok(Vec::new());
    };
    let right = subject.right[y].clone().without_dequantized();
    let data = numbers(&right)?;
    let x = numbers(&subject.right[&site.x])?;
    let number = |code: f64| f64::from((code as f32 - site.zero_point as f32) * site.scale);
    let rounded = |x: &f64| {
        let code = (x / f64::from(site.scale)).floor() + site.zero_point;
        number(code.max(site.low).min(site.high))
    };
    let candidates: [(&'static str, Vec<f64>); 5] = [
        ("rounding", x.iter().map(rounded).collect()),
        ("constant_offset", data.iter().map(|x| x + 0.37).collect()),
        ("constant_ratio", data.iter().map(|x| x * 4.0).collect()),
        ("all_zero", vec![0.0; data.len()]),
        ("activation", data.iter().map(|x| x.max(0.0)).collect()),
    ];
    let mut found = Vec::new();
    for (cause, values) in candidates {
        let tensor = like(&right, &values)?;
        if differs(&tensor, &right)? {
            found.push(subject.stored(cause, y, tensor));
        }
    }
    Ok(found)
}
