//! The measured figures, each with where it comes from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The ones built in: docs/performance.md and what it names.
const BUILT_IN: &str = include_str!("../../figures.json");

/// A figure and its source.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) source: String,
}

/// All figures by name.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Figures(BTreeMap<String, Figure>);

impl Figures {
    /// The built-in figures, with those of a file in their place.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, String> {
        let mut figures: BTreeMap<String, Figure> =
            serde_json::from_str(BUILT_IN).map_err(|error| format!("built-in figures: {error}"))?;
        if let Some(path) = file {
            let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            let given: BTreeMap<String, Figure> = serde_json::from_str(&text).map_err(|error| failed(&error))?;
            for (name, figure) in given {
                if !figures.contains_key(&name) {
                    return Err(failed(&format!("{name}: no such figure")));
                }
                if !figure.value.is_finite() || figure.value <= 0.0 {
                    return Err(failed(&format!("{name}: must be above 0")));
                }
                figures.insert(name, figure);
            }
        }
        Ok(Self(figures))
    }

    /// A figure; one that is missing makes everything it is part of not a number, which the tests notice.
    pub(super) fn get(&self, name: &str) -> f64 {
        self.0.get(name).map_or(f64::NAN, |figure| figure.value)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.0.iter().map(|(name, figure)| (name.as_str(), figure))
    }

    #[cfg(test)]
    pub(super) fn with(mut self, name: &str, value: f64) -> Self {
        if let Some(figure) = self.0.get_mut(name) {
            figure.value = value;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_built_in_figure_has_a_source_and_is_above_zero() {
        let figures = Figures::load(None).unwrap();
        assert!(figures.all().count() > 20);
        assert!(figures.all().all(|(_, figure)| figure.value > 0.0 && figure.source.len() > 5));
    }

    #[test]
    fn a_file_replaces_what_it_names() {
        let path = std::env::temp_dir().join(format!("figures-{}.json", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Figures::load(Some(&path))
        };
        let figures = read(r#"{"bus_slots": {"value": 1024, "source": "mine"}}"#).unwrap();
        assert!((figures.get("bus_slots") - 1024.0).abs() < 1e-9 && figures.get("wal_factor") > 0.0);
        assert!(read(r#"{"bus_slot": {"value": 1, "source": "x"}}"#).unwrap_err().contains("bus_slot"));
        assert!(read(r#"{"bus_slots": {"value": 0, "source": "x"}}"#).unwrap_err().contains("above 0"));
        assert!(read("{").is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(Figures::load(Some(&path)).is_err());
    }
}
