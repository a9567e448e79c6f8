use std::collections::{HashMap, HashSet};

use vairun_tensor::{DType, Tensor};

use crate::check::{cast, is_wide_float};
use crate::golden::{Content, GoldenError, GoldenSource};
use crate::measure::{Subject, measure};
use crate::quantizer::Kind;
use crate::report::{
    Comparison, Mode, Reading, Record, Report, Role, SCHEMA, Status, Summary, Unmatched,
};
use crate::rules::Rules;

/// Compares the tensors of `a` with those of the same names in `b`, one at a time, in the order of `a`.
///
/// # Errors
/// A file that cannot be read.
pub fn diff_tensors(
    a: &dyn GoldenSource,
    b: &dyn GoldenSource,
    rules: &Rules,
) -> Result<Report, GoldenError> {
    let places: HashMap<&str, usize> =
        b.entries().iter().enumerate().map(|(i, entry)| (entry.name.as_str(), i)).collect();
    let mut records = Vec::new();
    let mut alone = Vec::new();
    for (i, entry) in a.entries().iter().enumerate() {
        match places.get(entry.name.as_str()) {
            Some(&j) => records.push(record(&entry.name, i, &a.load(i)?, &b.load(j)?, rules)),
            None => alone.push(entry.name.clone()),
        }
    }
    let paired: HashSet<&str> = records.iter().map(|record| record.name.as_str()).collect();
    let only_b = b.entries().iter().filter(|entry| !paired.contains(entry.name.as_str()));
    let unmatched =
        only_b.map(|entry| Unmatched { name: entry.name.clone(), closest: Vec::new() }).collect();
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        vairun: env!("CARGO_PKG_VERSION").to_owned(),
        model: a.description(),
        golden: vec![b.description()],
        rules: rules.describe(),
        mode: Mode::Cumulative,
        notes: Vec::new(),
        summary: Summary::default(),
        unmatched,
        unchecked_outputs: alone,
        around: None,
        records,
    };
    report.summarize();
    Ok(report)
}

fn record(name: &str, order: usize, a: &Content, b: &Content, rules: &Rules) -> Record {
    let (got, want) = (tensor(a), tensor(b));
    let codes = [&got, &want].iter().any(|tensor| is_codes(tensor.dtype()));
    let kind = if codes { Kind::Codes } else { Kind::Plain };
    let (want, read_as) = alike(want, got.dtype());
    let rule = rules.rule_for(name, kind, is_wide_float(got.dtype()));
    let subject = Subject { kind, quantizer: None, elements: rule.elements, scores: false };
    let measured = measure(&got, &want, &subject);
    let verdict = rule.judge(&measured);
    Record {
        name: name.to_owned(),
        node: String::new(),
        op: String::new(),
        order,
        role: Role::Inner,
        dtype: got.dtype().name().to_owned(),
        shape: got.shape().to_vec(),
        kind,
        quantizer: None,
        golden: Reading { name: name.to_owned(), read_as, matched_by: "same name".to_owned() },
        status: if verdict.pass { Status::Pass } else { Status::Fail },
        cumulative: Some(Comparison { verdict, metrics: measured.ok() }),
        isolated: None,
        differences: None,
        diagnosis: None,
    }
}

/// 64-bit integers are shapes and indices.
fn is_codes(dtype: DType) -> bool {
    dtype.is_integer() && !matches!(dtype, DType::I64 | DType::U64)
}

/// Codes in floats against codes in integers: the same numbers in the other's type, and what they were.
fn alike(want: Tensor, dtype: DType) -> (Tensor, String) {
    if want.dtype().is_integer() == dtype.is_integer() {
        return (want, String::new());
    }
    // Large integers have no float of their own.
    let same = |like: &Tensor| cast(like, want.dtype()).is_some_and(|back| back.bits_eq(&want));
    match cast(&want, dtype).filter(same) {
        Some(like) => (like, want.dtype().to_string()),
        None => (want, String::new()),
    }
}

/// What says no type is compared byte by byte.
fn tensor(content: &Content) -> Tensor {
    match content {
        Content::Tensor(tensor) => tensor.clone(),
        Content::Raw(bytes) => Tensor::vector(bytes.clone()),
        Content::Numbers(numbers) => Tensor::vector(numbers.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryGolden;

    fn side(tensors: &[(&str, f32)]) -> MemoryGolden {
        let tensor = |&(name, x): &(&str, f32)| (name.to_owned(), Tensor::vector(vec![x]));
        MemoryGolden::new("side", tensors.iter().map(tensor))
    }

    #[test]
    fn tensors_of_the_same_name_are_compared_and_the_others_named() {
        let (a, b) = (
            side(&[("x", 1.0), ("y", 2.0), ("z", 0.0)]),
            side(&[("y", 3.0), ("x", 1.0), ("w", 0.0)]),
        );
        let report = diff_tensors(&a, &b, &Rules::new()).unwrap();
        let status: Vec<_> = report.records.iter().map(|r| (r.name.as_str(), r.pass())).collect();
        assert_eq!(status, [("x", true), ("y", false)]);
        assert_eq!(
            (report.unmatched[0].name.as_str(), report.unchecked_outputs),
            ("w", vec!["z".to_owned()])
        );
    }

    #[test]
    fn codes_in_floats_are_those_in_integers() {
        let side = |tensor: Tensor| MemoryGolden::new("side", [("x".to_owned(), tensor)]);
        let floats = || side(Tensor::vector(vec![1f32, -2.0]));
        let integers = |data: Vec<i8>| side(Tensor::vector(data));
        for (other, pass) in [(vec![1i8, -2], true), (vec![1, -3], false)] {
            let report = diff_tensors(&floats(), &integers(other.clone()), &Rules::new()).unwrap();
            assert_eq!(report.passed(), pass);
            assert_eq!(report.records[0].golden.read_as, "int8");
            let report = diff_tensors(&integers(other), &floats(), &Rules::new()).unwrap();
            assert_eq!(report.passed(), pass);
        }
        let large = side(Tensor::vector(vec![(1 << 24) + 1, 0i32]));
        assert!(!diff_tensors(&floats(), &large, &Rules::new()).unwrap().passed());
    }

    #[test]
    fn nothing_in_common_fails() {
        let report =
            diff_tensors(&side(&[("x", 1.0)]), &side(&[("y", 1.0)]), &Rules::new()).unwrap();
        assert!(!report.passed());
        assert!(!diff_tensors(&side(&[]), &side(&[]), &Rules::new()).unwrap().passed());
    }
}
