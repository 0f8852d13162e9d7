//! Keywords of our own, for what JSON Schema has no word for. Each stands on the member that is at fault; whoever does not
//! know it passes over it:
//!
//! - `x-not-after`, `x-not-before`: the member that this day or time is held against; days are those of the member
//!   `timezone` where there is one, else UTC;
//! - `x-max-bytes`: how long a text is in UTF-8;
//! - `x-empty-is-absent`: a parameter of a query that is left empty counts as one that is not there;
//! - `x-whole-paise`: no fraction of a paisa, in a number as it was written.

use std::collections::HashMap;

use chrono_tz::Tz;
use consilium_storage::money::Paise;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::calendar::{self, Moment};
use crate::error::Issue;

/// Days or times that this one must not be after: `"x-not-after" = "date_to"`.
const NOT_AFTER: &str = "x-not-after";
/// As [`NOT_AFTER`], the other way.
const NOT_BEFORE: &str = "x-not-before";
/// The most bytes of a text.
const MAX_BYTES: &str = "x-max-bytes";
/// A form in a browser sends its empty fields too.
const EMPTY_IS_ABSENT: &str = "x-empty-is-absent";
/// Rupees that are a whole number of paise.
const WHOLE_PAISE: &str = "x-whole-paise";

/// Whether a parameter that was sent with this text was left out.
pub(super) fn is_left_out(property: &Value, text: &str) -> bool {
    text.is_empty() && property.get(EMPTY_IS_ABSENT) == Some(&Value::Bool(true))
}

/// Judges the texts of an object by these keywords. What has a fault already is not judged again.
pub(super) fn check(schema: &Value, value: &Value, place: &str, issues: &mut Vec<Issue>) {
    let Some(members) = value.as_object() else { return };
    for (name, property) in properties(schema) {
        let Some(text) = members.get(name).and_then(Value::as_str) else { continue };
        let is_faulty = |name: &str| issues.iter().any(|issue| issue.loc == [Value::from(place), Value::from(name)]);
        if let Some((kind, msg)) = fault(property, text, members, is_faulty) {
            add(place, name, kind, msg, issues);
        }
    }
}

/// Judges the numbers of an object by how they were written in the text that it was parsed from.
pub(super) fn check_written(schema: &Value, text: &[u8], place: &str, issues: &mut Vec<Issue>) {
    let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(text) else { return };
    for (name, _) in properties(schema).filter(|(_, property)| property.get(WHOLE_PAISE).is_some()) {
        let Some(number) = members.get(name).map(|written| written.get()) else { continue };
        if number != "null" && Paise::from_rupees(number).is_none() {
            add(place, name, "value_error", "Input should have at most 2 decimals".to_owned(), issues);
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn add(place: &str, name: &str, kind: &'static str, msg: String, issues: &mut Vec<Issue>) {
    let loc = vec![place.into(), name.into()];
    if issues.iter().all(|issue| issue.loc != loc) {
        issues.push(Issue { loc, msg, kind });
    }
}

/// `is_faulty` knows the members that have a fault already: nothing is held against them.
fn fault(
    property: &Value,
    text: &str,
    members: &Map<String, Value>,
    is_faulty: impl Fn(&str) -> bool,
) -> Option<(&'static str, String)> {
    let against = |keyword: &str| {
        let name = property.get(keyword)?.as_str().filter(|name| !is_faulty(name))?;
        Some((name, members.get(name)?.as_str()?))
    };
    if let Some((name, last)) = against(NOT_AFTER)
        && are_turned(text, last, members)
    {
        return Some(("value_error", format!("Input should not be after {name}")));
    }
    if let Some((name, first)) = against(NOT_BEFORE)
        && are_turned(first, text, members)
    {
        return Some(("value_error", format!("Input should not be before {name}")));
    }
    let most = property.get(MAX_BYTES)?.as_u64()?;
    let is_long = u64::try_from(text.len()).is_ok_and(|bytes| bytes > most);
    is_long.then(|| ("string_too_long", format!("String should have at most {most} bytes in UTF-8")))
}

/// What is no day and no time has a fault of its own. So has a zone that is none: it counts as UTC here.
fn are_turned(first: &str, last: &str, members: &Map<String, Value>) -> bool {
    let zone = members.get("timezone").and_then(Value::as_str).and_then(calendar::zone).unwrap_or(Tz::UTC);
    match (Moment::parse(first), Moment::parse(last)) {
        (Some(first), Some(last)) => calendar::range_in(zone, Some(first), Some(last)).is_err(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(schema: &Value, text: &str) -> Vec<(Value, &'static str)> {
        let mut issues = Vec::new();
        check(schema, &serde_json::from_str(text).unwrap_or_default(), "body", &mut issues);
        check_written(schema, text.as_bytes(), "body", &mut issues);
        issues.into_iter().map(|issue| (Value::Array(issue.loc), issue.kind)).collect()
    }

    #[test]
    fn days_and_times_are_in_order() {
        let schema = json!({"properties": {"from": {"x-not-after": "to"}, "until": {"x-not-before": "since"}}});
        let turned =
            r#"{"from": "2026-02-02", "to": "2026-02-01", "since": "2026-02-02T00:00:00Z", "until": "2026-02-01"}"#;
        let expected = [(json!(["body", "from"]), "value_error"), (json!(["body", "until"]), "value_error")];
        assert_eq!(found(&schema, turned), expected);
        for right in [
            r#"{"from": "2026-02-01", "to": "2026-02-01"}"#,
            r#"{"from": "2026-02-02"}"#,
            r#"{"from": "2026-02-02", "to": "soon"}"#,
            r#"{"from": "2026-02-02", "to": null}"#,
            r#"{"from": 2, "to": 1}"#,
            r#"{"since": "2026-02-01T23:59:59Z", "until": "2026-02-01"}"#,
            "[]",
        ] {
            assert_eq!(found(&schema, right), [], "{right}");
        }
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let schema = json!({"properties": {"from": {"x-not-after": "to"}}});
        let of =
            |zone: &str| format!(r#"{{"from": "2026-02-12", "to": "2026-02-11T20:00:00Z", "timezone": "{zone}"}}"#);
        assert_eq!(found(&schema, &of("Asia/Kolkata")), []);
        assert_eq!(found(&schema, &of("UTC")), [(json!(["body", "from"]), "value_error")]);
    }

    #[test]
    fn texts_are_bounded_in_bytes_and_rupees_in_decimals() {
        let schema = json!({"properties": {"text": {"x-max-bytes": 8}, "amount": {"x-whole-paise": true}}});
        for right in [
            r#"{"text": "😀😀", "amount": 0.29}"#,
            r#"{"text": null, "amount": null}"#,
            r#"{"amount": 500.0000000000000000000000}"#,
        ] {
            assert_eq!(found(&schema, right), [], "{right}");
        }
        let wrong = r#"{"text": "😀😀x", "amount": 500.00000000000000000001}"#;
        let expected = [(json!(["body", "text"]), "string_too_long"), (json!(["body", "amount"]), "value_error")];
        assert_eq!(found(&schema, wrong), expected);
    }

    #[test]
    fn nothing_is_held_against_what_is_wrong_itself() {
        let schema = json!({"properties": {"until": {"x-not-before": "since"}}});
        let mut issues = vec![Issue::body("since", "date_parsing", "no day")];
        let turned = json!({"since": "2026-02-02T00:00:00Z", "until": "2026-02-01"});
        check(&schema, &turned, "body", &mut issues);
        assert_eq!(issues.len(), 1);
    }

    #[test]
    fn a_fault_is_told_once() {
        let schema = json!({"properties": {"amount": {"x-whole-paise": true}}});
        let mut issues = vec![Issue::body("amount", "less_than_equal", "too much")];
        check_written(&schema, br#"{"amount": 1e40}"#, "body", &mut issues);
        assert_eq!(issues.len(), 1);
    }
}
