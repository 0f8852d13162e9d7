//! The PDF of a prescription (68): made at the first call, kept until the prescription or what is printed of its people is
//! changed, fetched by an address that ends.

use chrono::{SubsecRound, TimeDelta};
use consilium_storage::accounts::patients;
use consilium_storage::connect::doctors::profile;
use consilium_storage::connect::prescriptions::{self, Pdf, Prescription};
use consilium_storage::database::Conn;
use consilium_storage::files::{Area, Object};
use consilium_storage::ids::{PrescriptionId, SessionId};
use consilium_storage::tx::Tx;

use super::NOT_FOUND;
use super::pdf::{self, Printed};
use super::wire::PdfView;
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::sessions::access::{participant, refuse_unless_held};
use crate::connect::stored;
use crate::error::{Code, Error, Result};
use crate::gateways::files::{Download, names};

const PDF: &str = "application/pdf";

/// How often it is made anew when the doctor changes the prescription meanwhile.
const ATTEMPTS: usize = 3;

/// 68: an address of the newest version's PDF.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE`, 404 when there is no prescription, 503 `STORAGE_UNAVAILABLE`.
pub(super) async fn link(app: &App, caller: &Account, id: SessionId) -> Result<PdfView> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, id).await?;
    refuse_unless_held(session.status_at(tx.now()))?;
    let prescription = prescriptions::find(tx.conn(), id).await?.ok_or(NOT_FOUND)?;
    let kept = prescriptions::find_pdf(tx.conn(), prescription.id).await?;
    let printed = printed(tx.conn(), prescription).await?;
    caller.note(&mut tx, "prescription.pdf", session.patient_id, Some(id)).await?;
    app.commit(tx).await?;
    let pdf = match kept {
        Some(pdf) if is_good(app, &pdf, &printed).await? => pdf,
        _ => make(app, printed).await?,
    };
    address(app, &pdf).await
}

/// Whether it shows its people as they are, and the store still has it: a database may come back from a backup without the
/// files, and a PDF can be made again.
async fn is_good(app: &App, pdf: &Pdf, printed: &Printed) -> Result<bool> {
    let id = printed.prescription.id;
    let is_there = app.files.size(&object(pdf)).await?.is_some();
    if is_there && pdf.digest.as_ref() == Some(&printed.digest()?) {
        return Ok(true);
    }
    if !is_there {
        tracing::warn!(prescription.id = %id, "its PDF is gone from the file store, it is made again");
    }
    let mut tx = app.begin().await?;
    let now = tx.now();
    // Where another has taken its place meanwhile, its object is planned to go already.
    if prescriptions::remove_pdf_of(tx.conn(), id, &pdf.key).await? && is_there {
        // It prescribes what it always did: whoever was given a link a moment ago is not left without.
        let due_at = now + app.config.ttl.signed_url + TimeDelta::minutes(1);
        stored::give_up(&mut tx, &object(pdf), due_at).await?;
    }
    app.commit(tx).await?;
    Ok(false)
}

/// Makes the PDF of the newest version. Of two who make it at once, one keeps it and both answer that one.
async fn make(app: &App, mut wanted: Printed) -> Result<Pdf> {
    for _ in 0..ATTEMPTS {
        let Prescription { id, session_id, version, .. } = wanted.prescription;
        let key = key(app, &wanted.prescription);
        let made = Pdf { version, key, generated_at: app.now(), digest: Some(wanted.digest()?) };
        let bytes = pdf::render(wanted).await?;
        stored::put(app, &object(&made), PDF, bytes).await?;
        let mut tx = app.begin().await?;
        if prescriptions::insert_pdf(tx.conn(), id, &made).await? {
            stored::keep(&mut tx, &object(&made)).await?;
            app.commit(tx).await?;
            return Ok(made);
        }
        // It counts for nothing: that it goes is planned already.
        tx.rollback().await?;
        stored::discard(app, &object(&made)).await;
        let mut conn = app.conn().await?;
        if let Some(other) = prescriptions::find_pdf(&mut conn, id).await? {
            return Ok(other);
        }
        let prescription = prescriptions::find(&mut conn, session_id).await?.ok_or(NOT_FOUND)?;
        wanted = printed(&mut conn, prescription).await?;
    }
    Err(Error::Unavailable { code: Code::Unavailable, detail: "The prescription is being changed, try again" })
}

async fn printed(conn: &mut Conn, prescription: Prescription) -> Result<Printed> {
    let gone = || Error::internal("a prescription without its parties");
    let doctor = profile::find(conn, prescription.doctor_id).await?.ok_or_else(gone)?;
    let patient = patients::find(conn, prescription.patient_id).await?.ok_or_else(gone)?;
    Ok(Printed { doctor, patient, prescription })
}

/// In the transaction that changes a prescription: its PDF counts no more. Answers what may be removed after the commit.
///
/// # Errors
/// When Postgres cannot be asked.
pub(super) async fn drop_kept(tx: &mut Tx, id: PrescriptionId) -> Result<Option<Object>> {
    let Some(pdf) = prescriptions::remove_pdf(tx.conn(), id).await? else { return Ok(None) };
    let (object, now) = (object(&pdf), tx.now());
    stored::give_up(tx, &object, now).await?;
    Ok(Some(object))
}

fn object(pdf: &Pdf) -> Object {
    Object::new(Area::Prescriptions, pdf.key.clone())
}

/// As in the contract's sample: environment, session, prescription; and letters that nobody guesses.
fn key(app: &App, prescription: &Prescription) -> String {
    let environment = &app.config.environment;
    let Prescription { session_id, id, version, .. } = prescription;
    format!("{environment}/sessions/{session_id}/prescriptions/{id}-v{version}-{}.pdf", names::random())
}

async fn address(app: &App, kept: &Pdf) -> Result<PdfView> {
    let now = app.now();
    let life = app.config.ttl.signed_url;
    let shown = Download {
        expires_at: (now + life).trunc_subsecs(0),
        content_type: PDF.to_owned(),
        filename: format!("prescription-{}.pdf", pdf::date_in_names(kept.generated_at)),
        is_inline: true,
    };
    let download_url = app.files.download_link(&object(kept), &shown, now).await?;
    Ok(PdfView { download_url, expires_in: life.num_seconds(), generated_at: kept.generated_at })
}
