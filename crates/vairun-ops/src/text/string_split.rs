//! `StringSplit`: strings cut at a delimiter.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | string | any |
//! | → 0 | `Y` | string | `X`, then as many as the longest has; shorter ones end in empty strings |
//! | → 1 | `Z` | int64 | as `X`: how many pieces each has |
//!
//! Attributes: `delimiter` (string, empty: runs of white space, without empty pieces), `maxsplit` (int; no limit).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__StringSplit.html>, Python's `str.split`.

use super::string_concat::STRING;
use crate::common::prelude::*;
use crate::common::sizes::result_len;

/// `StringSplit`.
pub static DEF: OpDef = OpDef {
    names: &[("", "StringSplit")],
    opsets: 20..=LATEST,
    summary: "strings cut at a delimiter",
    types: "string",
    grade: Grade::Exact("ONNX"),
    build,
};

struct StringSplit {
    delimiter: String,
    most: Option<usize>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let most = attrs.int("maxsplit")?.and_then(|most| usize::try_from(most).ok());
    Ok(Box::new(StringSplit { delimiter: attrs.string("delimiter")?.unwrap_or_default(), most }))
}

impl Operator for StringSplit {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let pieces: Vec<Vec<String>> =
            x.as_slice::<String>()?.iter().map(|text| self.split(text)).collect();
        let longest = pieces.iter().map(Vec::len).max().unwrap_or(0);
        let counts = pieces.iter().map(|pieces| pieces.len() as i64).collect();
        let mut shape = x.shape().to_vec();
        shape.push(longest);
        result_len(DType::String, &shape)?;
        let padded = pieces.into_iter().flat_map(|mut pieces| {
            pieces.resize(longest, String::new());
            pieces
        });
        let y = Tensor::new(&shape, padded.collect())?;
        Ok(vec![y.into(), Tensor::new(x.shape(), counts)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![STRING.check(inputs, 0, "X")?, Some(DType::I64)])
    }
}

impl StringSplit {
    fn split(&self, text: &str) -> Vec<String> {
        let limit = self.most.map_or(usize::MAX, |most| most.saturating_add(1));
        if !self.delimiter.is_empty() {
            return text.splitn(limit, &self.delimiter).map(str::to_owned).collect();
        }
        let mut pieces = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if pieces.len() + 1 == limit {
                pieces.push(rest.to_owned());
                break;
            }
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            pieces.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn split(case: Case, texts: &[&str]) -> (Vec<String>, Tensor) {
        let x = Tensor::vector(texts.iter().map(|&text| text.to_owned()).collect());
        let y = case.outputs(2).try_run_values(vec![Some(x.into())]).unwrap();
        let pieces = y[0].as_tensor().unwrap().as_slice::<String>().unwrap().to_vec();
        (pieces, y[1].as_tensor().unwrap().clone())
    }

    #[test]
    fn at_a_delimiter_or_at_white_space() {
        let (pieces, counts) = split(node("StringSplit").text("delimiter", "."), &["a..b", "c"]);
        assert_eq!(pieces, ["a", "", "b", "c", "", ""]);
        assert_tensor(&counts, &ints(&[3, 1]));
        let (pieces, _) = split(node("StringSplit"), &["  a  b "]);
        assert_eq!(pieces, ["a", "b"]);
        let (pieces, _) = split(node("StringSplit").int("maxsplit", 1), &["a b  c"]);
        assert_eq!(pieces, ["a", "b  c"]);
    }
}
