//! The sample calls of the source document, replayed in its order; answers have the samples' fields and types
//! (`tests/fixtures/seed/`).

mod accounts;
mod admin;
mod afterwards;
mod catalogue;
mod community;
mod consultation;
mod devices;
mod doctors;
mod figures;
mod files;
mod money;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::shape;

/// Where the samples are.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/seed")
}

/// The samples of one section.
pub(crate) struct Samples(Value);

impl Samples {
    fn of(section: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(section).with_extension("json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// The sample body of a call.
    fn request(&self, call: &str) -> Value {
        let body = &self.0[call]["request"];
        assert!(!body.is_null(), "no sample request of {call}");
        body.clone()
    }

    /// The sample body of a call, with some members of this run.
    fn request_with(&self, call: &str, members: &Value) -> Value {
        let mut body = self.request(call);
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    /// Fails unless the answer has the shape of the call's sample; keys in `nullable` may be null.
    #[track_caller]
    fn fits(&self, call: &str, answer: &Value, nullable: &[&str]) {
        let sample = &self.0[call]["response"];
        assert!(!sample.is_null(), "no sample response of {call}");
        shape::fits(answer, sample, nullable);
    }

    /// The call's sample response, for what must be the very same.
    fn response(&self, call: &str) -> &Value {
        &self.0[call]["response"]
    }

    /// The sample events of a stream.
    fn events(&self, call: &str) -> &[Value] {
        self.0[call]["events"].as_array().unwrap()
    }

    /// The fields that a call's table marks so: `REQUIRED` or `optional`.
    fn fields(&self, call: &str, mark: &str) -> Vec<String> {
        let fields = self.0[call]["fields"].as_object().unwrap();
        fields.iter().filter(|(_, marked)| marked.as_str() == Some(mark)).map(|(name, _)| name.clone()).collect()
    }

    /// The calls that have an answer.
    fn answered(&self) -> impl Iterator<Item = &String> {
        let has = |sample: &Value| ["response", "events"].iter().any(|name| sample.get(name).is_some());
        self.0.as_object().unwrap().iter().filter(move |(_, sample)| has(sample)).map(|(call, _)| call)
    }
}

/// The table of the samples' README, which was made from the page, and the files have the same answers.
#[test]
fn every_answer_of_the_page_is_kept_and_said_where_it_is_from() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| C"));
    let named: BTreeSet<String> = rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect();
    let mut kept = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let section = path.file_stem().unwrap().to_str().unwrap();
            kept.extend(Samples::of(section).answered().map(|call| format!("{section}.{call}")));
        }
    }
    assert_eq!(named, kept);
}
