//! The JSON Schema of reports, and where a text does not follow it.

use serde_json::{Map, Value};

/// The JSON Schema (draft 2020-12) of a report's JSON, `vairun.check/1`.
pub const JSON_SCHEMA: &str = include_str!("../schema/check.1.json");

/// Where a value does not follow [`JSON_SCHEMA`]: each place with what does not hold there.
pub fn schema_violations(report: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).expect("the schema is JSON");
    let mut found = Vec::new();
    violations(&schema, report, "", &schema, &mut found);
    found
}

/// The keywords of JSON Schema that the file uses; any other does not hold, so that none is overlooked.
fn violations(schema: &Value, value: &Value, at: &str, root: &Value, found: &mut Vec<String>) {
    let keywords = schema.as_object().expect("a schema is an object");
    for (keyword, wanted) in keywords {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let place = wanted.as_str().and_then(|text| text.strip_prefix('#'));
                let target = place.and_then(|place| root.pointer(place));
                violations(target.expect("a definition"), value, at, root, found);
                true
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    violations(wanted, item, &format!("{at}/{i}"), root, found);
                }
                true
            }
            "properties" => {
                for (name, schema) in wanted.as_object().into_iter().flatten() {
                    if let Some(field) = value.get(name) {
                        violations(schema, field, &format!("{at}/{name}"), root, found);
                    }
                }
                true
            }
            "anyOf" => all(wanted).any(|one| {
                let mut others = Vec::new();
                violations(one, value, at, root, &mut others);
                others.is_empty()
            }),
            _ => holds(keyword, wanted, value, keywords),
        };
        if !holds {
            let place = if at.is_empty() { "/" } else { at };
            found.push(format!("{place}: `{keyword}` {wanted} does not hold for {}", cut(value)));
        }
    }
}

/// Whether a keyword holds that looks at the value alone, not at its parts.
fn holds(keyword: &str, wanted: &Value, value: &Value, keywords: &Map<String, Value>) -> bool {
    let size = || value.as_array().map_or(0, |items| items.len() as u64);
    match keyword {
        "type" => match wanted {
            Value::String(name) => is_type(name, value),
            names => all(names).filter_map(Value::as_str).any(|name| is_type(name, value)),
        },
        "const" => wanted == value,
        "enum" => all(wanted).any(|one| one == value),
        "minimum" => value.as_f64().is_none_or(|n| wanted.as_f64().is_some_and(|least| n >= least)),
        "minItems" => wanted.as_u64().is_some_and(|least| size() >= least),
        "maxItems" => wanted.as_u64().is_some_and(|most| size() <= most),
        "required" => all(wanted).filter_map(Value::as_str).all(|name| value.get(name).is_some()),
        "additionalProperties" => {
            let known =
                |name: &String| keywords.get("properties").is_some_and(|p| p.get(name).is_some());
            value.as_object().is_none_or(|fields| fields.keys().all(known))
        }
        _ => false,
    }
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

/// A value as far as a line holds it.
fn cut(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    #[test]
    fn reports_follow_the_schema() {
        let mut paired = fixture::failing();
        paired.records[1].differences = Some(Default::default());
        for report in [fixture::passing(), fixture::failing(), paired] {
            let found = schema_violations(&serde_json::to_value(report).unwrap());
            assert!(found.is_empty(), "{}", found.join("\n"));
        }
    }

    #[test]
    fn what_a_report_must_not_be_is_found() {
        let good = serde_json::to_value(fixture::failing()).unwrap();
        let broken: [(&str, Value); 6] = [
            ("/schema", json!("vairun.check/2")),
            ("/records/0/order", json!(-1)),
            ("/records/1/status", json!("perhaps")),
            ("/records/1/cumulative/metrics/max_abs", json!("much")),
            ("/records/1/cumulative/metrics/steps/histogram", json!([1, 2])),
            ("/summary", json!({ "pass": true })),
        ];
        for (place, value) in broken {
            let mut report = good.clone();
            *report.pointer_mut(place).unwrap() = value;
            assert!(!schema_violations(&report).is_empty(), "{place}");
        }
        let mut more = good.clone();
        more["surprise"] = json!(1);
        assert_eq!(schema_violations(&more).len(), 1, "a field that the schema does not have");
    }
}
