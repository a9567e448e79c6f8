//! f64 in JSON, infinities and NaN included: `"inf"`, `"-inf"`, `"nan"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { value.serialize(to) } else { name(*value).serialize(to) }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    match Number::deserialize(from)? {
        Number::Finite(value) => Ok(value),
        Number::Other(name) => parse(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not a number"))),
    }
}

fn name(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "nan",
    }
}

fn parse(name: &str) -> Option<f64> {
    [("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY), ("nan", f64::NAN)]
        .into_iter()
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// The same for `Option<f64>`.
pub(crate) mod option {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super")] f64);

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Wrapped).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(from)?.map(|wrapped| wrapped.0))
    }
}

/// The same for `Vec<f64>`.
pub(crate) mod list {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super")] f64);

    pub(crate) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|&value| Wrapped(value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Wrapped>::deserialize(from)?.into_iter().map(|wrapped| wrapped.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        one: f64,
        #[serde(with = "super::option")]
        maybe: Option<f64>,
        #[serde(with = "super::list")]
        many: Vec<f64>,
    }

    #[test]
    fn what_json_cannot_say_is_written_in_words() {
        let row = Row { one: f64::INFINITY, maybe: None, many: vec![0.1, f64::NAN] };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, r#"{"one":"inf","maybe":null,"many":[0.1,"nan"]}"#);
        let row: Row = serde_json::from_str(&text).unwrap();
        assert!(row.one == f64::INFINITY && row.many[1].is_nan() && row.maybe.is_none());
        assert!(serde_json::from_str::<Row>(&text.replace("inf", "much")).is_err());
    }
}
