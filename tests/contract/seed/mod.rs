//! The sample calls of the source document, replayed in its order; answers have the samples' fields and types
//! (`tests/fixtures/seed/`).

mod accounts;
mod admin;
mod afterwards;
mod catalogue;
mod community;
mod consultation;
mod doctors;
mod figures;
mod files;
mod money;

use serde_json::Value;

use super::shape;

/// The samples of one section.
pub(crate) struct Samples(Value);

impl Samples {
    fn of(section: &str) -> Self {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/seed");
        let text = std::fs::read_to_string(file.join(section).with_extension("json")).unwrap();
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
}
