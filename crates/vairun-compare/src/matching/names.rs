//! Names as tools change them.

use crate::golden::Elements;

/// A name with less of what a tool has added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) name: String,
    /// What the parts that were taken away say of the elements.
    pub(super) elements: Option<Elements>,
}

/// Endings that tools put behind a name, with what they say of the elements.
///
/// XIR: `_fix`, `_upload_0`, `_download_0`, `_inserted_fix_0`, `_reshaped`, a lone `_`; vai_q_tensorflow: `_aquant`,
/// `_wquant`; onnxruntime's quantizers: `_QuantizeLinear_Output`; dumps of ours: `~` and a fingerprint.
const ENDINGS: [(&str, Option<Elements>); 17] = [
    ("_fix_", Some(Elements::Codes)),
    ("_fix", Some(Elements::Codes)),
    ("_float", Some(Elements::Numbers)),
    ("_aquant", Some(Elements::Codes)),
    ("_wquant", Some(Elements::Codes)),
    ("_quantized", Some(Elements::Codes)),
    ("_QuantizeLinear_Output", Some(Elements::Codes)),
    ("_QuantizeLinear_Output_0", Some(Elements::Codes)),
    ("_DequantizeLinear_Output", Some(Elements::Numbers)),
    ("_DequantizeLinear_Output_0", Some(Elements::Numbers)),
    ("_DequantizeLinear", Some(Elements::Numbers)),
    ("_reshaped", None),
    ("_output_0", None),
    ("_output", None),
    (":0", None),
    ("_0", None),
    ("_", None),
];

/// Endings with a number.
const NUMBERED: [&str; 3] = ["_upload_", "_download_", "_inserted_fix_"];

/// The name, then with less and less of it.
pub(super) fn variants(name: &str) -> Vec<Variant> {
    let mut variants = vec![Variant { name: name.to_owned(), elements: None }];
    let mut add = |name: String, elements| {
        let known = variants.iter().any(|variant: &Variant| variant.name == name);
        if !name.is_empty() && !known {
            variants.push(Variant { name, elements });
        }
    };
    let mut rest = without_groups(name);
    let mut elements = None;
    add(rest.clone(), None);
    // Each step takes one ending away: names are short, so this ends.
    while let Some((shorter, says)) = shorter(&rest) {
        elements = elements.or(says);
        rest = shorter;
        add(rest.clone(), elements);
        if let Some(plain) = rest.strip_prefix("quant_") {
            add(plain.to_owned(), elements);
        }
    }
    if let Some(plain) = name.strip_prefix("quant_") {
        add(plain.to_owned(), None);
    }
    variants
}

fn shorter(name: &str) -> Option<(String, Option<Elements>)> {
    if let Some((start, mark)) = name.rsplit_once('~')
        && (mark.len() == 8 || mark.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Some((start.to_owned(), None));
    }
    for ending in NUMBERED {
        if let Some((start, number)) = name.rsplit_once(ending)
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Some((start.to_owned(), Some(Elements::Codes)));
        }
    }
    let found = ENDINGS.iter().find_map(|(ending, says)| Some((name.strip_suffix(ending)?, *says)));
    found.filter(|(rest, _)| !rest.is_empty()).map(|(rest, says)| (rest.to_owned(), says))
}

/// Without balanced `(…)`, which compilers put into names: `conv(TransferMatMulToConv2d)`.
fn without_groups(name: &str) -> String {
    let mut depth = 0usize;
    let mut rest = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            c if depth == 0 => rest.push(c),
            _ => {}
        }
    }
    // A bracket that never closes is a part of the name.
    if depth == 0 { rest } else { name.to_owned() }
}

/// What every tool's escaping leaves of a name: letters and digits as they are, everything else `_`.
pub(super) fn escape(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The name in a model without the endings of exporters.
pub(super) fn short(name: &str) -> &str {
    let endings = ["_output_0", ":0"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str) -> Vec<String> {
        variants(name).into_iter().map(|variant| variant.name).collect()
    }

    #[test]
    fn what_tools_add_is_taken_away_step_by_step() {
        assert_eq!(names("a_relu_fix"), ["a_relu_fix", "a_relu"]);
        assert_eq!(names("c(Transfer(x))_fix_"), ["c(Transfer(x))_fix_", "c_fix_", "c"]);
        assert_eq!(names("x_upload_0"), ["x_upload_0", "x"]);
        assert_eq!(
            names("quant_conv2d_float")[..3],
            ["quant_conv2d_float", "quant_conv2d", "conv2d"]
        );
        assert_eq!(names("_a_b~0f3a9c11"), ["_a_b~0f3a9c11", "_a_b"]);
        assert_eq!(names("_"), ["_"]);
        assert_eq!(names("open(x"), ["open(x"]);
    }

    #[test]
    fn endings_tell_codes_from_numbers() {
        let last = |name| variants(name).pop().unwrap().elements;
        assert_eq!(last("x_fix"), Some(Elements::Codes));
        assert_eq!(last("x_float"), Some(Elements::Numbers));
        assert_eq!(last("x_DequantizeLinear_Output"), Some(Elements::Numbers));
    }
}
