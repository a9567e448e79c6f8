//! The JSON Schema of reports, and a test that real reports follow it.

/// The JSON Schema (draft 2020-12) of a report's JSON, `vairun.check/1`.
pub const JSON_SCHEMA: &str = include_str!("../schema/check.1.json");

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture;

    /// The keywords of JSON Schema that the file uses; any other is a panic, so that none is overlooked.
    fn violations(schema: &Value, value: &Value, at: &str, root: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for (keyword, wanted) in schema.as_object().unwrap() {
            let holds = match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let target = root.pointer(&wanted.as_str().unwrap()[1..]).unwrap();
                    found.extend(violations(target, value, at, root));
                    true
                }
                "type" => is_type(wanted, value),
                "const" => wanted == value,
                "enum" => wanted.as_array().unwrap().contains(value),
                "anyOf" => wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| violations(one, value, at, root).is_empty()),
                "minimum" => value.as_f64().is_none_or(|n| n >= wanted.as_f64().unwrap()),
                "minItems" => size(value) >= wanted.as_u64().unwrap(),
                "maxItems" => size(value) <= wanted.as_u64().unwrap(),
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        found.extend(violations(wanted, item, &format!("{at}/{i}"), root));
                    }
                    true
                }
                "required" => wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some()),
                "properties" => {
                    for (name, schema) in wanted.as_object().unwrap() {
                        if let Some(field) = value.get(name) {
                            found.extend(violations(schema, field, &format!("{at}/{name}"), root));
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = schema["properties"].as_object().unwrap();
                    value.as_object().unwrap().keys().all(|name| known.contains_key(name))
                }
                other => panic!("the schema has the keyword `{other}`, which nothing here checks"),
            };
            if !holds {
                found.push(format!("{at}: `{keyword}` {wanted} does not hold for {value}"));
            }
        }
        found
    }

    fn is_type(wanted: &Value, value: &Value) -> bool {
        let is = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("no type `{other}`"),
        };
        match wanted {
            Value::String(name) => is(name),
            names => names.as_array().unwrap().iter().any(|name| is(name.as_str().unwrap())),
        }
    }

    fn size(value: &Value) -> u64 {
        value.as_array().map_or(0, |items| items.len() as u64)
    }

    #[track_caller]
    fn check(report: &Value) -> Vec<String> {
        let schema = serde_json::from_str(JSON_SCHEMA).unwrap();
        violations(&schema, report, "", &schema)
    }

    #[test]
    fn reports_follow_the_schema() {
        let mut paired = fixture::failing();
        paired.records[1].differences = Some(Default::default());
        for report in [fixture::passing(), fixture::failing(), paired] {
            let found = check(&serde_json::to_value(report).unwrap());
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
            assert!(!check(&report).is_empty(), "{place}");
        }
        let mut more = good.clone();
        more["surprise"] = json!(1);
        assert_eq!(check(&more).len(), 1, "a field that the schema does not have");
    }
}
