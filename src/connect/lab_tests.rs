//! Lab tests that a doctor recommends (connect-v2 §3.12, 69–71): one list a session, read by both parties.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use consilium_storage::connect::lab_tests::{self, LabOrder, Recommendation};
use consilium_storage::connect::payloads::LabTestsWritten;
use consilium_storage::database::Json;
use consilium_storage::events::Event;
use consilium_storage::ids::{LabOrderId, SessionId, UserId};
use consilium_storage::tx::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Account, Caller, Doctor, Participant};
use crate::app::App;
use crate::connect::sessions::access::{held_for_update, participant};
use crate::connect::sessions::wire::SessionPath;
use crate::error::{Code, Error, Result};
use crate::http::idempotency::{IdempotencyKey, Start, finish};
use crate::http::input::{Input, PathBody, PathOnly};
use crate::http::reply::{Answer, CreatedOrAgain};

const TAG: &str = "Lab tests";

/// There are none yet.
const NOT_FOUND: Error = Error::NotFound("Lab tests");

/// The routes 69 to 71.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new().api_route(
        "/api/v2/connect/sessions/{session_id}/lab-tests",
        post_with(create, |op| op.id("C69").tag(TAG).summary("Recommend lab tests"))
            .get_with(show, |op| op.id("C70").tag(TAG).summary("The recommended lab tests"))
            .put_with(replace, |op| op.id("C71").tag(TAG).summary("Replace the recommended lab tests")),
    )
}

/// Lab tests to recommend, all of them (69, 71).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct RecommendTests {
    /// At least one.
    #[schemars(length(min = 1, max = 50))]
    recommendations: Vec<Recommendation>,
    /// What else to say.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    notes: Option<String>,
}

/// The recommended lab tests of a session.
#[derive(Serialize, JsonSchema)]
struct LabTestsView {
    /// Their id.
    id: LabOrderId,
    /// Of which session.
    connect_session_id: SessionId,
    /// Who recommends them.
    doctor_id: UserId,
    /// For whom.
    patient_id: UserId,
    /// At least one.
    recommendations: Vec<Recommendation>,
    /// What else the doctor says.
    notes: Option<String>,
    /// When they were first recommended.
    created_at: DateTime<Utc>,
    /// When they were last changed.
    updated_at: DateTime<Utc>,
}

impl From<LabOrder> for LabTestsView {
    fn from(order: LabOrder) -> Self {
        Self {
            id: order.id,
            connect_session_id: order.session_id,
            doctor_id: order.doctor_id,
            patient_id: order.patient_id,
            recommendations: order.recommendations.0,
            notes: order.notes,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// 69, which an `Idempotency-Key` may make repeatable; a key belongs to one session.
async fn create(
    State(app): State<App>,
    caller: Caller<Doctor>,
    key: IdempotencyKey,
    Input { path, body, .. }: PathBody<SessionPath, RecommendTests>,
) -> Result<CreatedOrAgain<LabTestsView>> {
    let mut tx = app.begin().await?;
    let endpoint = "POST /api/v2/connect/sessions/{session_id}/lab-tests";
    let key = match key.start(&mut tx, caller.id, endpoint, &(path.session_id, &body)).await? {
        Start::Again(stored) => return Ok(CreatedOrAgain::again(stored)),
        Start::Go(key) => key,
    };
    let view = recommend(&mut tx, &caller, path.session_id, body).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOrAgain::created(&view))
}

async fn recommend(tx: &mut Tx, caller: &Account, id: SessionId, body: RecommendTests) -> Result<LabTestsView> {
    let session = held_for_update(tx, caller, id).await?;
    if lab_tests::find(tx.conn(), id).await?.is_some() {
        return Err(Error::conflict(Code::LabTestsExist, "This session has lab tests already: replace them"));
    }
    let new = LabOrder {
        id: LabOrderId::new(),
        session_id: id,
        doctor_id: session.doctor_id,
        patient_id: session.patient_id,
        recommendations: Json(body.recommendations),
        notes: body.notes,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    lab_tests::insert(tx.conn(), &new).await?;
    tx.emit(Event::LabTestsRecommended(written(&new)), &[session.patient_id]);
    caller.note(tx, "lab_tests.create", session.patient_id, Some(id)).await?;
    Ok(new.into())
}

/// 70.
async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<LabTestsView>> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), &caller, path.session_id).await?;
    let order = lab_tests::find(tx.conn(), session.id).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "lab_tests.read", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(Answer(order.into()))
}

/// 71: the same once more changes nothing and tells nobody.
async fn replace(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, body, .. }: PathBody<SessionPath, RecommendTests>,
) -> Result<Answer<LabTestsView>> {
    let mut tx = app.begin().await?;
    let session = held_for_update(&mut tx, &caller, path.session_id).await?;
    let mut order = lab_tests::find(tx.conn(), session.id).await?.ok_or(NOT_FOUND)?;
    if order.recommendations.0 == body.recommendations && order.notes == body.notes {
        return Ok(Answer(order.into()));
    }
    order.recommendations = Json(body.recommendations);
    order.notes = body.notes;
    order.updated_at = tx.now();
    lab_tests::replace(tx.conn(), &order).await?;
    tx.emit(Event::LabTestsUpdated(written(&order)), &[session.patient_id]);
    caller.note(&mut tx, "lab_tests.replace", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(Answer(order.into()))
}

fn written(order: &LabOrder) -> LabTestsWritten {
    LabTestsWritten { session_id: order.session_id, lab_tests_id: order.id, doctor_id: order.doctor_id }
}
