//! Medicines and lab tests for typeahead (connect-v2 §3.19): public reference data, put there by
//! `consilium catalogue import`.

pub mod import;
mod lines;
pub mod made_up;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage::connect::catalog::{self, MOST_FOUND, lab_tests, medicines};
use consilium_storage::ids::{LabTestId, MedicineId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::{Input, PathOnly, QueryOnly};
use crate::http::reply::Answer;

const TAG: &str = "Catalogue";

/// The routes 100 to 102.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/medicines/search",
            get_with(search_medicines, |op| op.id("C100").tag(TAG).summary("Medicines by brand, generic name or salt")),
        )
        .api_route(
            "/api/v2/medicines/{medicine_id}",
            get_with(show_medicine, |op| op.id("C101").tag(TAG).summary("One medicine")),
        )
        .api_route(
            "/api/v2/lab-tests/catalog/search",
            get_with(search_lab_tests, |op| op.id("C102").tag(TAG).summary("Lab tests by name or code")),
        )
}

/// What was typed.
#[derive(Debug, Deserialize, JsonSchema)]
struct SearchQuery {
    /// At least two characters, not counting spaces around them.
    // U+0085 is a space to whoever tidies, and none to a pattern.
    #[schemars(length(min = 2, max = 100), regex(pattern = r"[^\s\x85][\s\S]*[^\s\x85]"))]
    q: String,
    /// 1 to 25.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = MOST_FOUND))]
    limit: i64,
}

const fn ten() -> i64 {
    10
}

impl SearchQuery {
    /// Spaces around it do not count.
    fn typed(&self) -> String {
        catalog::tidy(&self.q)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct MedicinePath {
    medicine_id: MedicineId,
}

/// A medicine in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct MedicineLine {
    /// Its id.
    id: MedicineId,
    /// As the source writes it.
    name: String,
    /// `tablet`, `capsule`, `injection`, `syrup`, `cream`, `gel`, `drops` …
    form: Option<String>,
    /// Where it comes from.
    provider: String,
}

/// One medicine in full.
#[derive(Debug, Serialize, JsonSchema)]
struct MedicineView {
    /// Its id.
    id: MedicineId,
    /// As the source writes it.
    name: String,
    /// `tablet`, `capsule`, `injection`, `syrup`, `cream`, `gel`, `drops` …
    form: Option<String>,
    /// Where it comes from.
    provider: String,
    /// What it is.
    product_introduction: Option<String>,
    /// What it is for.
    uses: Vec<String>,
    /// How it works.
    how_it_works: Option<String>,
    /// What to look out for.
    safety_advice: Option<SafetyAdvice>,
    /// Where more is said.
    source_url: Option<String>,
    /// When it was first imported.
    created_at: DateTime<Utc>,
}

/// What to look out for.
#[derive(Debug, Serialize, JsonSchema)]
struct SafetyAdvice {
    /// Lines of text.
    advice: String,
}

/// A lab test in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct LabTestLine {
    /// Its id.
    id: LabTestId,
    /// As the laboratory writes it.
    name: String,
    /// The laboratory's code.
    code: String,
    /// Which laboratory.
    provider: String,
}

impl From<medicines::Medicine> for MedicineView {
    fn from(medicine: medicines::Medicine) -> Self {
        Self {
            id: medicine.id,
            name: medicine.name,
            form: medicine.form,
            provider: medicine.provider,
            product_introduction: medicine.product_introduction,
            uses: medicine.uses,
            how_it_works: medicine.how_it_works,
            safety_advice: medicine.safety_advice.map(|advice| SafetyAdvice { advice }),
            source_url: medicine.source_url,
            created_at: medicine.created_at,
        }
    }
}

/// 100.
async fn search_medicines(
    State(app): State<App>,
    Input { query, .. }: QueryOnly<SearchQuery>,
) -> Result<Answer<Vec<MedicineLine>>> {
    let typed = query.typed();
    let found = medicines::search(&mut *app.conn().await?, &typed, query.limit).await?;
    let line = |found: medicines::Line| {
        let medicines::Line { id, name, form, provider } = found;
        MedicineLine { id, name, form, provider }
    };
    Ok(Answer(found.into_iter().map(line).collect()))
}

/// 101.
async fn show_medicine(
    State(app): State<App>,
    Input { path, .. }: PathOnly<MedicinePath>,
) -> Result<Answer<MedicineView>> {
    let found = medicines::find(&mut *app.conn().await?, path.medicine_id).await?;
    Ok(Answer(found.ok_or(Error::NotFound("Medicine"))?.into()))
}

/// 102.
async fn search_lab_tests(
    State(app): State<App>,
    Input { query, .. }: QueryOnly<SearchQuery>,
) -> Result<Answer<Vec<LabTestLine>>> {
    let typed = query.typed();
    let found = lab_tests::search(&mut *app.conn().await?, &typed, query.limit).await?;
    let line = |found: lab_tests::Line| {
        let lab_tests::Line { id, name, code, provider } = found;
        LabTestLine { id, name, code, provider }
    };
    Ok(Answer(found.into_iter().map(line).collect()))
}
