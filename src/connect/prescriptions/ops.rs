//! Writing and reading prescriptions. Writers hold the session's lock, so versions follow one another without a gap.

use consilium_storage::connect::payloads::PrescriptionWritten;
use consilium_storage::connect::prescriptions::{self, Prescription};
use consilium_storage::database::Json;
use consilium_storage::events::Event;
use consilium_storage::ids::{PrescriptionId, SessionId};
use consilium_storage::tx::Tx;

use super::wire::{PrescriptionView, WritePrescription};
use super::{NOT_FOUND, printing};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::sessions::access::{held_for_update, participant};
use crate::connect::stored;
use crate::error::{Code, Error, Result};

/// 65: writes the first version; the caller's commit tells the patient.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE`, 409 `PRESCRIPTION_EXISTS`.
pub(super) async fn create(
    tx: &mut Tx,
    caller: &Account,
    id: SessionId,
    body: WritePrescription,
) -> Result<PrescriptionView> {
    let session = held_for_update(tx, caller, id).await?;
    if prescriptions::find(tx.conn(), id).await?.is_some() {
        return Err(Error::conflict(Code::PrescriptionExists, "This session has a prescription already: replace it"));
    }
    let new = Prescription {
        id: PrescriptionId::new(),
        session_id: id,
        doctor_id: session.doctor_id,
        patient_id: session.patient_id,
        medications: Json(body.medications),
        notes: body.notes,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    prescriptions::insert(tx.conn(), &new).await?;
    tx.emit(Event::PrescriptionReady(written(&new)), &[session.patient_id]);
    caller.note(tx, "prescription.create", session.patient_id, Some(id)).await?;
    Ok(new.into())
}

/// 67: writes another version, for which the PDF of the one before is dropped; the same once more changes nothing and
/// tells nobody.
///
/// # Errors
/// 404 also when there is none yet, 409 `INVALID_SESSION_STATE`.
pub(super) async fn replace(
    app: &App,
    caller: &Account,
    id: SessionId,
    body: WritePrescription,
) -> Result<PrescriptionView> {
    let mut tx = app.begin().await?;
    let session = held_for_update(&mut tx, caller, id).await?;
    let mut prescription = prescriptions::find(tx.conn(), id).await?.ok_or(NOT_FOUND)?;
    if prescription.medications.0 == body.medications && prescription.notes == body.notes {
        return Ok(prescription.into());
    }
    prescription.medications = Json(body.medications);
    prescription.notes = body.notes;
    prescription.version += 1;
    prescription.updated_at = tx.now();
    prescriptions::replace(tx.conn(), &prescription).await?;
    let outdated = printing::drop_kept(&mut tx, prescription.id).await?;
    tx.emit(Event::PrescriptionUpdated(written(&prescription)), &[session.patient_id]);
    caller.note(&mut tx, "prescription.replace", session.patient_id, Some(id)).await?;
    app.commit(tx).await?;
    if let Some(object) = outdated {
        stored::discard(app, &object).await;
    }
    Ok(prescription.into())
}

/// 66: what both parties read.
///
/// # Errors
/// 404 also when there is none.
pub(super) async fn show(app: &App, caller: &Account, id: SessionId) -> Result<PrescriptionView> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, id).await?;
    let prescription = prescriptions::find(tx.conn(), id).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "prescription.read", session.patient_id, Some(id)).await?;
    app.commit(tx).await?;
    Ok(prescription.into())
}

fn written(prescription: &Prescription) -> PrescriptionWritten {
    PrescriptionWritten {
        session_id: prescription.session_id,
        prescription_id: prescription.id,
        doctor_id: prescription.doctor_id,
    }
}
