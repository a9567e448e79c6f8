use super::*;
use crate::metrics::Element;

fn subject(kind: Kind, quantizer: Option<&Quantizer>) -> Subject<'_> {
    Subject { kind, quantizer, elements: Elements::Exact, scores: false }
}

fn floats(got: &[f32], want: &[f32]) -> Metrics {
    let tensor = |data: &[f32]| Tensor::vector(data.to_vec());
    measure(&tensor(got), &tensor(want), &subject(Kind::Plain, None)).unwrap()
}

#[test]
fn equal_tensors_are_equal_in_every_measure() {
    let m = floats(&[1.0, -2.0, 3.0], &[1.0, -2.0, 3.0]);
    assert_eq!((m.equal, m.max_abs, m.rmse), (3, 0.0, 0.0));
    assert_eq!((m.sqnr_db, m.psnr_db, m.cosine), (f64::INFINITY, f64::INFINITY, 1.0));
    assert_eq!(m.pearson, Some(1.0));
    assert!(m.worst.is_empty() && m.channels.is_none());
}

#[test]
fn the_measures_are_those_of_their_formulas() {
    let m = floats(&[1.0, 2.0, -1.0, 5.0], &[1.0, 1.0, 1.0, 4.0]);
    assert_eq!((m.equal, m.beyond, m.sign_flips), (1, 3, 1));
    assert_eq!((m.max_abs, m.mean_abs, m.max_relative), (2.0, 1.0, 2.0));
    assert_eq!(m.rmse, (6f64 / 4.0).sqrt());
    assert!((m.sqnr_db - 10.0 * (19f64 / 6.0).log10()).abs() < 1e-12, "{}", m.sqnr_db);
    assert!((m.psnr_db - 10.0 * (16f64 / 1.5).log10()).abs() < 1e-12, "{}", m.psnr_db);
    assert!((m.cosine - 22.0 / (31f64 * 19.0).sqrt()).abs() < 1e-12, "{}", m.cosine);
    assert!((m.pearson.unwrap() - 9.75 / (18.75f64 * 6.75).sqrt()).abs() < 1e-12);
    assert_eq!(m.worst[0], Element { index: vec![2], got: -1.0, want: 1.0 });
    assert_eq!(m.range.got, crate::Range { min: -1.0, max: 5.0 });
}

#[test]
fn nan_equals_nan_and_nothing_else() {
    let m = floats(&[f32::NAN, 1.0, 2.0], &[f32::NAN, f32::NAN, 2.0]);
    assert_eq!((m.equal, m.one_sided, m.beyond), (2, 1, 1));
    assert_eq!((m.nan.got, m.nan.want), (1, 2));
    assert_eq!(m.worst[0].index, [1]);
    assert_eq!(m.range.got.max, 2.0, "what is set aside does not count");
}

#[test]
fn infinities_are_equal_by_sign() {
    let inf = f32::INFINITY;
    let m = floats(&[inf, -inf, inf], &[inf, inf, 1.0]);
    assert_eq!((m.equal, m.one_sided), (1, 2));
    assert_eq!((m.infinite.got, m.infinite.want), (3, 2));
}

#[test]
fn zeros_of_other_sign_are_equal_and_counted() {
    let m = floats(&[0.0, -0.0, 0.0], &[-0.0, -0.0, 0.0]);
    assert_eq!((m.equal, m.zero_signs), (3, 1));
}

#[test]
fn codes_are_counted_in_steps_and_at_the_ends_of_their_range() {
    let got = Tensor::vector(vec![127i8, -128, 3, 4, 5, 0, -7]);
    let want = Tensor::vector(vec![127i8, 127, 2, 6, 5, 3, -3]);
    let quantizer = Quantizer::per_tensor(0.5, 0, Some([-128, 127]));
    let m = measure(&got, &want, &subject(Kind::Codes, Some(&quantizer))).unwrap();
    let steps = m.steps.unwrap();
    assert_eq!(steps.histogram, [2, 1, 1, 0, 2, 1, 0, 0, 0]);
    assert_eq!(steps.max, 255.0);
    assert_eq!(m.saturated.map(|s| (s.got, s.want)), Some((2, 2)));
    assert_eq!(m.sign_flips, 1);
}

#[test]
fn codes_in_floats_compare_with_codes_in_integers() {
    let got = Tensor::vector(vec![1f32, -0.0]);
    let want = Tensor::vector(vec![1i8, 0]);
    assert_eq!(measure(&got, &want, &subject(Kind::Codes, None)).unwrap().equal, 2);
    let error = measure(&got, &want, &subject(Kind::Plain, None)).unwrap_err();
    assert_eq!(error.to_string(), "type float32, expected int8");
}

#[test]
fn steps_of_dequantized_numbers_follow_their_channel() {
    let quantizer = Quantizer {
        scale: vec![0.5, 0.25],
        zero_point: vec![0, 0],
        axis: Some(1),
        range: Some([-2, 1]),
    };
    let got = Tensor::new(&[2, 2], vec![0.5f32, 0.25, 0.0, -0.5]).unwrap();
    let want = Tensor::new(&[2, 2], vec![0.0f32, 0.0, 0.0, 0.0]).unwrap();
    let m = measure(&got, &want, &subject(Kind::Dequantized, Some(&quantizer))).unwrap();
    let steps = m.steps.unwrap();
    assert_eq!(steps.histogram, [0, 0, 1, 0, 1, 2, 0, 0, 0]);
    assert_eq!(m.saturated.map(|s| s.got), Some(3));
    let channels = m.channels.unwrap();
    assert_eq!((channels.axis, channels.worst), (1, 1));
    assert_eq!(channels.differing, [1, 2]);
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let subject = subject(Kind::Plain, None);
    let error = |got: Tensor, want: Tensor| measure(&got, &want, &subject).unwrap_err().to_string();
    let one = || Tensor::vector(vec![1f32]);
    assert_eq!(error(one(), Tensor::scalar(1f32)), "shape [1], expected []");
    assert_eq!(error(one(), Tensor::vector(vec![1i32])), "type float32, expected int32");
    assert_eq!(error(one(), Tensor::vector(vec![true])), "type float32, expected bool");
    let none = || Tensor::vector(Vec::<f32>::new());
    assert_eq!(error(none(), none()), "no elements: nothing was compared");
}

#[test]
fn texts_are_equal_or_not() {
    let text = |data: &[&str]| Tensor::vector(data.iter().map(|s| s.to_string()).collect());
    let m = measure(&text(&["a", "b"]), &text(&["a", "c"]), &subject(Kind::Plain, None)).unwrap();
    assert_eq!((m.elements, m.equal, m.beyond), (2, 1, 1));
}

#[test]
fn sums_do_not_depend_on_where_the_blocks_end_or_on_the_threads() {
    let n = 300_000;
    let value = |i: usize| ((i * 2_654_435_761) % 1000) as f32 / 7.0;
    let got = Tensor::vector((0..n).map(value).collect());
    let want =
        Tensor::vector((0..n).map(|i| value(i) + f32::from(u8::from(i % 100 == 3))).collect());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| measure(&got, &want, &subject(Kind::Plain, None)).unwrap())
    };
    let (one, three) = (run(1), run(3));
    assert_eq!(one, three);
    assert_eq!(one.differing(), 3000);
    assert_eq!(one.worst.len(), 8);
    assert_eq!(one.worst[0].index, [3], "the first of equals");
}
