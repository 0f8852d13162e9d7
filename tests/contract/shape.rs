//! Whether an answer has the shape of a sample: the sample's keys, each of its JSON type, and its value where only one
//! value can be right.

use serde_json::Value;

use super::documents::is_snake_case;

/// Fails with every difference. Samples shorten long texts with `…` or `...`; keys in `nullable` may be null.
#[track_caller]
pub(crate) fn fits(answer: &Value, sample: &Value, nullable: &[&str]) {
    let mut differences = Vec::new();
    compare("", answer, sample, nullable, &mut differences);
    snake_case("", answer, &mut differences);
    assert!(differences.is_empty(), "{differences:#?}\nanswer: {answer:#}\nsample: {sample:#}");
}

fn compare(at: &str, answer: &Value, sample: &Value, nullable: &[&str], differences: &mut Vec<String>) {
    let key = at.rsplit('.').next().unwrap_or_default();
    match (sample, answer) {
        // The sample shows that the key is there; what else it can hold is another sample's matter.
        (Value::Null, _) => {}
        (_, Value::Null) if nullable.contains(&key) => {}
        (Value::Object(members), Value::Object(found)) => {
            for (name, member) in members {
                match found.get(name) {
                    Some(value) => compare(&format!("{at}.{name}"), value, member, nullable, differences),
                    None => differences.push(format!("{at}.{name} is missing")),
                }
            }
        }
        (Value::Array(items), Value::Array(found)) => {
            let Some(first) = items.first() else { return };
            if found.is_empty() {
                differences.push(format!("{at} is empty"));
            }
            for (index, value) in found.iter().enumerate() {
                compare(&format!("{at}[{index}]"), value, first, nullable, differences);
            }
        }
        (Value::String(wanted), Value::String(found)) => {
            if !is_alike(wanted, found) {
                differences.push(format!("{at} is {found:?}, no text like {wanted:?}"));
            }
        }
        (Value::Bool(_), Value::Bool(_)) => {}
        (Value::Number(wanted), Value::Number(found)) if wanted.is_i64() == found.is_i64() => {}
        _ => differences.push(format!("{at} is {answer}, not of the type of {sample}")),
    }
}

/// Texts of a kind: ids, times, addresses, tokens and words of a fixed list have their form, all else is free.
fn is_alike(sample: &str, found: &str) -> bool {
    if is_id(sample) {
        uuid::Uuid::parse_str(found).is_ok() && found.to_lowercase() == found
    } else if sample.ends_with('Z') && sample.contains('T') && sample.starts_with("20") {
        found.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(found).is_ok()
    } else if sample.starts_with("https://") {
        url::Url::parse(found).is_ok_and(|url| url.scheme().starts_with("http"))
    } else if sample.starts_with("wss://") {
        found.starts_with("ws://") || found.starts_with("wss://")
    } else if let Some(prefix) = ["cn-", "patient-", "doctor-"].into_iter().find(|prefix| sample.starts_with(prefix)) {
        found.strip_prefix(prefix).is_some_and(|id| uuid::Uuid::parse_str(id).is_ok())
    } else if is_word(sample) {
        is_word(found)
    } else {
        !found.is_empty()
    }
}

/// `644452ac-c508-422f-8910-f0be7a5393d3` or, shortened, `644452ac-...`.
fn is_id(sample: &str) -> bool {
    let head = sample.trim_end_matches("...").trim_end_matches('-');
    uuid::Uuid::parse_str(sample).is_ok()
        || (sample.ends_with("-...") && head.len() == 8 && head.chars().all(|letter| letter.is_ascii_hexdigit()))
}

/// A status: `ENDED`, `NOT_ALLOWED`; a degree is shorter.
fn is_word(text: &str) -> bool {
    text.len() > 4 && text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
}

fn snake_case(at: &str, answer: &Value, differences: &mut Vec<String>) {
    match answer {
        Value::Object(members) => {
            for (name, member) in members {
                if !is_snake_case(name) {
                    differences.push(format!("{at}.{name} is not snake_case"));
                }
                snake_case(&format!("{at}.{name}"), member, differences);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| snake_case(at, item, differences)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(answer: impl Into<Value>, sample: impl Into<Value>) -> Vec<String> {
        let (answer, sample) = (answer.into(), sample.into());
        let mut found = Vec::new();
        compare("", &answer, &sample, &["email"], &mut found);
        snake_case("", &answer, &mut found);
        found
    }

    #[test]
    fn it_sees_what_differs() {
        let id = "644452ac-c508-422f-8910-f0be7a5393d3";
        assert!(differences(json!({"id": id, "extra": 1}), json!({"id": "d3af4135-..."})).is_empty());
        assert_eq!(differences(json!({}), json!({"id": null})), [".id is missing"]);
        assert_eq!(differences(json!({"id": "x"}), json!({"id": "d3af4135-..."})).len(), 1);
        assert_eq!(differences(json!({"items": []}), json!({"items": [1]})), [".items is empty"]);
        assert_eq!(differences(json!({"items": [{"a": "b"}]}), json!({"items": [{"a": 1}]})).len(), 1);
        assert_eq!(differences(json!({"at": "2026-02-07 21:56"}), json!({"at": "2026-02-07T21:56:24Z"})).len(), 1);
        assert_eq!(differences(json!({"rate": 5.0}), json!({"rate": 500})).len(), 1);
        assert!(differences(json!({"email": null}), json!({"email": "a@b.c"})).is_empty());
        assert_eq!(differences(json!({"name": null}), json!({"name": "a"})).len(), 1);
        assert_eq!(differences(json!({"createdAt": 1}), json!({})), [".createdAt is not snake_case"]);
    }
}
