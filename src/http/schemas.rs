//! Checking input against the schema that documents it: one declaration makes the document and the door, and every
//! failure of a request is reported together (connect-v2 §1.1; docs/decisions/004).

use std::any::TypeId;
use std::sync::{Arc, LazyLock};

use dashmap::DashMap;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{calendar, formats, keywords};
use crate::error::{Error, Issue, Result};

/// Compiled schemas by type, each compiled when it is first used.
static COMPILED: LazyLock<DashMap<TypeId, Arc<Checker>>> = LazyLock::new(DashMap::new);

/// One type's schema, compiled.
#[derive(Debug)]
pub struct Checker {
    schema: Value,
    validator: Validator,
}

/// The checker of a type.
///
/// # Errors
/// [`Error::Internal`] if the type's own schema does not compile: a bug that the first request shows.
pub fn of<T: JsonSchema + 'static>() -> Result<Arc<Checker>> {
    if let Some(known) = COMPILED.get(&TypeId::of::<T>()) {
        return Ok(Arc::clone(&known));
    }
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .with_format(calendar::TIME_OF_DAY, |text: &str| calendar::time_of_day(text).is_some())
        .with_format(calendar::ZONE, |text: &str| calendar::zone(text).is_some())
        .with_format(calendar::MOMENT, |text: &str| calendar::Moment::parse(text).is_some())
        .with_format(formats::CURSOR, formats::is_cursor)
        .with_format(formats::REFERENCE, formats::is_reference)
        .build(&schema)
        .map_err(|error| Error::internal(error.to_string()))?;
    let checker = Arc::new(Checker { schema, validator });
    COMPILED.insert(TypeId::of::<T>(), Arc::clone(&checker));
    Ok(checker)
}

impl Checker {
    /// Whether a body may be absent: its type says `x-body-optional`.
    #[must_use]
    pub fn body_optional(&self) -> bool {
        self.schema.get("x-body-optional") == Some(&Value::Bool(true))
    }

    /// Whether numbers are wanted as they were written, not as floats: the type says `x-exact-numbers`.
    #[must_use]
    pub fn exact_numbers(&self) -> bool {
        self.schema.get("x-exact-numbers") == Some(&Value::Bool(true))
    }

    /// As [`Checker::read`], with the text that the value was parsed from read anew: a number that was written with more
    /// digits than a float holds is held to its bounds as a float, and judged and taken as it was written.
    ///
    /// # Errors
    /// The failures.
    pub fn read_exactly<T: DeserializeOwned>(&self, place: &str, value: &Value, text: &[u8]) -> Result<T, Vec<Issue>> {
        let mut issues = self.issues(place, value);
        keywords::check_written(&self.schema, text, place, &mut issues);
        if !issues.is_empty() {
            return Err(issues);
        }
        serde_json::from_slice(text).map_err(|error| unreadable(place, &error))
    }

    /// The value as `T`, or every failure, each located under `place`.
    ///
    /// # Errors
    /// The failures.
    pub fn read<T: DeserializeOwned>(&self, place: &str, value: Value) -> Result<T, Vec<Issue>> {
        let issues = self.issues(place, &value);
        if !issues.is_empty() {
            return Err(issues);
        }
        serde_json::from_value(value).map_err(|error| unreadable(place, &error))
    }

    fn issues(&self, place: &str, value: &Value) -> Vec<Issue> {
        let mut issues = Vec::new();
        for error in self.validator.iter_errors(value) {
            collect(place, &error, &mut issues);
        }
        find_nul(value, &mut vec![place.into()], &mut issues);
        find_floats(&self.schema, value, &mut vec![place.into()], &mut issues);
        keywords::check(&self.schema, value, place, &mut issues);
        issues
    }

    /// Texts of a query or path as the JSON types that the schema asks for, with what does not parse.
    #[must_use]
    pub fn parse_texts(&self, place: &str, texts: Vec<(String, String)>) -> (Value, Vec<Issue>) {
        let mut object = Map::new();
        let mut issues = Vec::new();
        for (name, text) in texts {
            let property = self.schema.get("properties").and_then(|all| all.get(&name));
            let Some(property) = property.filter(|property| !keywords::is_left_out(property, &text)) else { continue };
            match parse_text(property, &text) {
                Ok(value) => {
                    object.insert(name, value);
                }
                Err((kind, msg)) => {
                    issues.push(Issue { loc: vec![place.into(), name.into()], msg: msg.to_owned(), kind });
                }
            }
        }
        (Value::Object(object), issues)
    }
}

fn unreadable(place: &str, error: &serde_json::Error) -> Vec<Issue> {
    vec![Issue { loc: vec![place.into()], msg: error.to_string(), kind: "value_error" }]
}

fn parse_text(property: &Value, text: &str) -> Result<Value, (&'static str, &'static str)> {
    let wants = |word: &str| wants(property, word);
    if wants("integer") {
        text.parse::<i64>()
            .map(Value::from)
            .map_err(|_| ("int_parsing", "Input should be a valid integer, unable to parse string as an integer"))
    } else if wants("number") {
        text.parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
            .ok_or(("float_parsing", "Input should be a valid number, unable to parse string as a number"))
    } else if wants("boolean") {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::Bool(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Bool(false)),
            _ => Err(("bool_parsing", "Input should be a valid boolean, unable to interpret input")),
        }
    } else {
        Ok(Value::String(text.to_owned()))
    }
}

/// Postgres keeps no NUL in a text; it is refused here, so that it never fails a batch of others (DESIGN §3).
fn find_nul(value: &Value, at: &mut Vec<Value>, issues: &mut Vec<Issue>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            issues.push(Issue {
                loc: at.clone(),
                msg: "NUL characters are not allowed".to_owned(),
                kind: "value_error",
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(index.into());
                find_nul(item, at, issues);
                at.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                at.push(name.as_str().into());
                find_nul(member, at, issues);
                at.pop();
            }
        }
        _ => {}
    }
}

/// To JSON Schema 5.0 is an integer; it is none here, as no field would take it (settled 16).
fn find_floats(schema: &Value, value: &Value, at: &mut Vec<Value>, issues: &mut Vec<Issue>) {
    match value {
        Value::Number(number)
            if number.is_f64() && wants(schema, "integer") && issues.iter().all(|issue| issue.loc != *at) =>
        {
            let msg = "Input should be a valid integer".to_owned();
            issues.push(Issue { loc: at.clone(), msg, kind: "int_type" });
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, item) in items.iter().enumerate() {
                at.push(index.into());
                find_floats(schema, item, at, issues);
                at.pop();
            }
        }
        Value::Object(members) => {
            let Some(properties) = schema.get("properties") else { return };
            for (name, member) in members {
                let Some(schema) = properties.get(name) else { continue };
                at.push(name.as_str().into());
                find_floats(schema, member, at, issues);
                at.pop();
            }
        }
        _ => {}
    }
}

/// Whether a schema asks for this type, among others perhaps.
fn wants(schema: &Value, word: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == word,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == word),
        _ => false,
    }
}

/// Turns one schema failure into issues. Of alternatives (an optional enum is one) the first branch speaks.
fn collect(place: &str, error: &ValidationError<'_>, issues: &mut Vec<Issue>) {
    if let ValidationErrorKind::AnyOf { context } = error.kind()
        && let Some(names) = all_required(context)
    {
        let msg = format!("At least one of {names} is required");
        issues.push(Issue { loc: location(place, error), msg, kind: "value_error" });
        return;
    }
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } = error.kind() {
        for inner in context.first().into_iter().flatten() {
            collect(place, inner, issues);
        }
        return;
    }
    let mut loc = location(place, error);
    if let ValidationErrorKind::Required { property } = error.kind() {
        loc.push(property.clone());
    }
    let (kind, msg) = describe(error.kind());
    issues.push(Issue { loc, msg, kind });
}

fn location(place: &str, error: &ValidationError<'_>) -> Vec<Value> {
    let mut loc: Vec<Value> = vec![place.into()];
    loc.extend(error.instance_path().as_str().split('/').skip(1).map(segment));
    loc
}

/// The members that alternatives miss, where that is all they miss: one of them is wanted, no matter which.
fn all_required(alternatives: &[Vec<ValidationError<'_>>]) -> Option<String> {
    let missed = |alternative: &Vec<ValidationError<'_>>| match alternative.first().map(ValidationError::kind) {
        Some(ValidationErrorKind::Required { property }) if alternative.len() == 1 => {
            property.as_str().map(str::to_owned)
        }
        _ => None,
    };
    let names: Vec<String> = alternatives.iter().map(missed).collect::<Option<_>>()?;
    Some(names.join(", "))
}

/// A part of a JSON pointer: a list position is a number, names are unescaped.
fn segment(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.replace("~1", "/").replace("~0", "~").into(), Value::from)
}

fn describe(kind: &ValidationErrorKind) -> (&'static str, String) {
    match kind {
        ValidationErrorKind::Required { .. } => ("missing", "Field required".to_owned()),
        ValidationErrorKind::Type { kind } => describe_type(kind),
        ValidationErrorKind::MinLength { limit } => {
            ("string_too_short", format!("String should have at least {limit} character{}", plural(*limit)))
        }
        ValidationErrorKind::MaxLength { limit } => {
            ("string_too_long", format!("String should have at most {limit} character{}", plural(*limit)))
        }
        ValidationErrorKind::Pattern { pattern } => {
            ("string_pattern_mismatch", format!("String should match pattern '{pattern}'"))
        }
        ValidationErrorKind::Enum { options } => ("enum", format!("Input should be one of {options}")),
        ValidationErrorKind::Constant { expected_value } => ("enum", format!("Input should be {expected_value}")),
        ValidationErrorKind::Minimum { limit } | ValidationErrorKind::ExclusiveMinimum { limit } => {
            ("greater_than_equal", format!("Input should be greater than or equal to {limit}"))
        }
        ValidationErrorKind::Maximum { limit } | ValidationErrorKind::ExclusiveMaximum { limit } => {
            ("less_than_equal", format!("Input should be less than or equal to {limit}"))
        }
        ValidationErrorKind::MinItems { limit } => {
            ("too_short", format!("List should have at least {limit} item{}", plural(*limit)))
        }
        ValidationErrorKind::MaxItems { limit } => {
            ("too_long", format!("List should have at most {limit} item{}", plural(*limit)))
        }
        ValidationErrorKind::Format { format } => describe_format(format),
        // What may be null elsewhere is wanted beside these members.
        ValidationErrorKind::Not { schema } if schema.get("type").is_some_and(|kind| kind == "null") => {
            ("missing", "Field required".to_owned())
        }
        ValidationErrorKind::Not { .. } => ("value_error", "Input is not possible together with the rest".to_owned()),
        other => ("value_error", format!("Input does not satisfy {}", other.keyword())),
    }
}

const fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn describe_type(kind: &TypeKind) -> (&'static str, String) {
    let wanted = match kind {
        TypeKind::Single(one) => one.as_str(),
        TypeKind::Multiple(several) => {
            several.iter().map(|one| one.as_str()).find(|word| *word != "null").unwrap_or("null")
        }
    };
    let code = match wanted {
        "string" => "string_type",
        "integer" => "int_type",
        "number" => "float_type",
        "boolean" => "bool_type",
        // The contract has no word for lists and objects.
        _ => "value_error",
    };
    (code, format!("Input should be a valid {wanted}"))
}

fn describe_format(format: &str) -> (&'static str, String) {
    let code = match format {
        "uuid" => "uuid_parsing",
        "date" => "date_parsing",
        "time" | calendar::TIME_OF_DAY => "time_parsing",
        "date-time" | calendar::MOMENT => "datetime_parsing",
        _ => "value_error",
    };
    (code, format!("Input should be a valid {format}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "tests")]
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema matters")]
    struct Sample {
        #[schemars(regex(pattern = r"^\+[1-9]\d{7,14}$"))]
        phone: String,
        #[schemars(range(min = 1, max = 150))]
        age: Option<i32>,
        platform: Option<Platform>,
        #[serde(default)]
        #[schemars(length(max = 2), inner(length(max = 3)))]
        tags: Vec<String>,
        id: Option<uuid::Uuid>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Platform {
        Android,
        Ios,
    }

    fn kinds(value: Value) -> Vec<(String, &'static str)> {
        let checker = of::<Sample>().unwrap();
        let issues = checker.read::<Sample>("body", value).err().unwrap_or_default();
        let mut found: Vec<_> = issues
            .into_iter()
            .map(|issue| {
                let loc: Vec<_> = issue.loc.iter().map(|part| part.to_string().replace('"', "")).collect();
                (loc.join("."), issue.kind)
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn every_failure_is_reported_together() {
        let found = kinds(json!({"age": 0, "platform": "windows", "tags": ["abcd", 5, "x"], "id": "nope"}));
        let expected = [
            ("body.age", "greater_than_equal"),
            ("body.id", "uuid_parsing"),
            ("body.phone", "missing"),
            ("body.platform", "enum"),
            ("body.tags", "too_long"),
            ("body.tags.0", "string_too_long"),
            ("body.tags.1", "string_type"),
        ];
        assert_eq!(found, expected.map(|(loc, kind)| (loc.to_owned(), kind)));
    }

    #[test]
    fn wrong_types_have_their_names() {
        assert_eq!(kinds(json!([])), [("body".to_owned(), "value_error")]);
        assert_eq!(
            kinds(json!({"phone": 5, "age": "x"})),
            [("body.age".to_owned(), "int_type"), ("body.phone".to_owned(), "string_type")]
        );
        assert_eq!(kinds(json!({"phone": "+919900000001", "age": null, "platform": null})), []);
        assert_eq!(
            kinds(json!({"phone": "+919900000001", "tags": ["\u{0}"]})),
            [("body.tags.0".to_owned(), "value_error")]
        );
    }

    #[test]
    fn texts_become_what_the_schema_asks_for() {
        let checker = of::<Sample>().unwrap();
        let texts = vec![("age".to_owned(), "x1".to_owned()), ("phone".to_owned(), "+9".to_owned())];
        let (value, issues) = checker.parse_texts("query", texts);
        assert_eq!(value, json!({"phone": "+9"}));
        assert_eq!(issues.first().unwrap().kind, "int_parsing");
    }
}
