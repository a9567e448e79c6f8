//! Other forms of an input: scaled, normalised, in another order.

use vairun_tensor::Tensor;

use crate::measure::channels::Layout;

/// Factors and offsets by which pictures and sounds are scaled for networks, with their names.
///
/// Sources: torchvision's and MTCNN's normalizations, Caffe's means, 16-bit sound.
const STEPS: [(&str, [f64; 3], [f64; 3]); 16] = [
    ("divided by 255", [1.0 / 255.0; 3], [0.0; 3]),
    ("multiplied by 255", [255.0; 3], [0.0; 3]),
    ("divided by 256", [1.0 / 256.0; 3], [0.0; 3]),
    ("multiplied by 256", [256.0; 3], [0.0; 3]),
    ("divided by 128", [1.0 / 128.0; 3], [0.0; 3]),
    ("multiplied by 128", [128.0; 3], [0.0; 3]),
    ("divided by 32768", [1.0 / 32768.0; 3], [0.0; 3]),
    ("multiplied by 2", [2.0; 3], [0.0; 3]),
    ("divided by 2", [0.5; 3], [0.0; 3]),
    ("normalised by (x − 0.5) / 0.5", [2.0; 3], [-1.0; 3]),
    ("normalised back by x · 0.5 + 0.5", [0.5; 3], [0.5; 3]),
    ("normalised by (x − 127.5) / 128", [1.0 / 128.0; 3], [-127.5 / 128.0; 3]),
    ("normalised by (x − 127.5) / 127.5", [1.0 / 127.5; 3], [-1.0; 3]),
    (
        "normalised by ImageNet's mean and deviation",
        [1.0 / 0.229, 1.0 / 0.224, 1.0 / 0.225],
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
    ),
    (
        "normalised back by ImageNet's mean and deviation",
        [0.229, 0.224, 0.225],
        [0.485, 0.456, 0.406],
    ),
    ("with Caffe's means subtracted", [1.0; 3], [-104.0, -117.0, -123.0]),
];

/// Another form of an input, made when it is asked for.
pub(super) type Other<'a> = (&'static str, Box<dyn Fn() -> Option<Tensor> + Sync + 'a>);

pub(super) fn others(x: &Tensor) -> Vec<Other<'_>> {
    let Ok(data) = x.as_slice::<f32>() else { return Vec::new() };
    let shape = x.shape();
    let channels = Layout::of(shape, Some(1));
    let colours = shape.len() == 4 && channels.count == 3;
    let scaled = move |factors: [f64; 3], offsets: [f64; 3]| {
        let channel = |i: usize| if colours { Layout::of(shape, Some(1)).channel(i) } else { 0 };
        let number = |(i, &x): (usize, &f32)| {
            (f64::from(x) * factors[channel(i)] + offsets[channel(i)]) as f32
        };
        Tensor::new(shape, data.iter().enumerate().map(number).collect()).ok()
    };
    let step = |(what, factors, offsets): (&'static str, [f64; 3], [f64; 3])| -> Other<'_> {
        (what, Box::new(move || scaled(factors, offsets)))
    };
    let mut found: Vec<Other<'_>> = STEPS.into_iter().map(step).collect();
    if shape.len() == 4 {
        found.push((
            "with its channels reversed (BGR in place of RGB)",
            Box::new(|| reversed(x, 1)),
        ));
        found.push(("mirrored", Box::new(|| reversed(x, 3))));
        found.push(("upside down", Box::new(|| reversed(x, 2))));
        found.push(("with channels last in memory (NHWC)", Box::new(|| channels_last(x))));
    }
    if shape.first().is_some_and(|&n| n > 1) {
        found.push(("with its batch reversed", Box::new(|| reversed(x, 0))));
    }
    found
}

/// The slices along a dimension in reversed order.
fn reversed(x: &Tensor, axis: usize) -> Option<Tensor> {
    let data = x.as_slice::<f32>().ok()?;
    let layout = Layout::of(x.shape(), Some(axis));
    let from = |i: usize| {
        let at = layout.channel(i);
        i + (layout.count - 1 - at) * layout.inner - at * layout.inner
    };
    Tensor::new(x.shape(), (0..data.len()).map(|i| data[from(i)]).collect()).ok()
}

/// The elements in the order N, H, W, C, in the shape that they had.
fn channels_last(x: &Tensor) -> Option<Tensor> {
    let data = x.as_slice::<f32>().ok()?;
    let &[n, c, h, w] = x.shape() else { return None };
    let plane = h * w;
    let from = |i: usize| (i / (c * plane)) * c * plane + (i % c) * plane + i / c % plane;
    Tensor::new(&[n, c, h, w], (0..data.len()).map(|i| data[from(i)]).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Tensor {
        Tensor::new(&[1, 3, 1, 2], vec![1f32, 2., 3., 4., 5., 6.]).unwrap()
    }

    fn data(tensor: Option<Tensor>) -> Vec<f32> {
        tensor.unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn orders_of_a_picture() {
        assert_eq!(data(reversed(&numbers(), 1)), [5., 6., 3., 4., 1., 2.]);
        assert_eq!(data(reversed(&numbers(), 3)), [2., 1., 4., 3., 6., 5.]);
        assert_eq!(data(channels_last(&numbers())), [1., 3., 5., 2., 4., 6.]);
    }

    #[test]
    fn each_colour_has_its_own_factor() {
        let x = numbers();
        let others = others(&x);
        let (_, caffe) = others.iter().find(|(what, _)| what.contains("Caffe")).unwrap();
        assert_eq!(data(caffe()), [-103., -102., -114., -113., -118., -117.]);
    }
}
