//! Settings from `CONSILIUM_*` variables.

use std::collections::BTreeMap;
use std::ffi::OsString;

use figment::providers::Serialized;

use super::{Flag, Raw};

/// The variables that are settings: what the default is, a number or a switch or a text, that is what the value is read
/// as. (The library's own reader takes a password of digits for a number, and repeats it in its complaint.)
pub(super) fn variables(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Serialized<BTreeMap<String, serde_json::Value>> {
    let defaults = serde_json::to_value(Raw::default()).unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut plain = BTreeMap::new();
    for (name, value) in all {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy().into_owned());
        let setting = name.strip_prefix("CONSILIUM_").map(str::to_lowercase);
        match setting {
            // These are for scripts.
            Some(name) if ["query_database_url", "dev_db", "config"].contains(&name.as_str()) => {}
            Some(name) => {
                let value = typed(value, defaults.get(&name));
                found.insert(name, value);
            }
            None if name == "DATABASE_URL" => {
                plain.insert("database_url".to_owned(), value.into());
            }
            None => {}
        }
    }
    // Whoever starts the server may have to set every variable: one that is left empty does not hide the other.
    if plain.contains_key("database_url") && found.get("database_url").is_some_and(|url| url == "") {
        found.remove("database_url");
    }
    plain.extend(found);
    Serialized::defaults(plain)
}

fn typed(value: String, default: Option<&serde_json::Value>) -> serde_json::Value {
    match default {
        Some(serde_json::Value::Number(_)) => value.trim().parse::<u64>().map_or(value.into(), Into::into),
        Some(serde_json::Value::Bool(_)) => Flag::Word(value.clone()).read().map_or(value.into(), Into::into),
        _ => value.into(),
    }
}
