//! The prescription on paper (connect-v2 68): A4, for a patient who takes it along and a pharmacist who knows neither of the
//! two. Everything that was written is on it, every page says whose it is, and its list says how long it should be.

mod sheet;
mod typesetting;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use chrono_tz::Asia::Kolkata;
use consilium_storage::accounts::patients::{Patient, Sex};
use consilium_storage::connect::doctors::profile::Doctor;
use consilium_storage::connect::prescriptions::{Medication, Prescription};
use krilla::Document;
use krilla::metadata::Metadata;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use self::sheet::{BODY, Column, Sheet};
use self::typesetting::Style;
use crate::error::{Error, Result};

/// Typesetting takes a core: a flood of first calls waits in line.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Longer cells lose their line breaks, so that a few signs do not fill hundreds of pages.
const LINES_OF_A_CELL: usize = 12;
/// As for cells.
const LINES_OF_NOTES: usize = 120;

/// What is printed.
pub(super) struct Printed {
    /// Who wrote it.
    pub(super) doctor: Doctor,
    /// For whom.
    pub(super) patient: Patient,
    /// What it says.
    pub(super) prescription: Prescription,
}

impl Printed {
    /// Tells whether the same people are printed: who changes their name or number wants it on the paper, too. What is
    /// prescribed is not in it, that has a version.
    ///
    /// # Errors
    /// When it cannot be written, which no text leads to.
    pub(super) fn digest(&self) -> Result<Vec<u8>> {
        let (doctor, patient) = (&self.doctor, &self.patient);
        let people = (
            (&doctor.full_name, &doctor.degrees, &doctor.speciality_category, registration(doctor)),
            (patient_name(patient), patient.age, patient.sex.map(sex)),
        );
        Ok(Sha256::digest(serde_json::to_vec(&people).map_err(Error::internal)?).to_vec())
    }
}

/// The PDF, made on a thread that may block.
///
/// # Errors
/// When it cannot be written, which no text leads to.
pub(super) async fn render(printed: Printed) -> Result<Bytes> {
    let _turn = AT_ONCE.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || document(&printed)).await.map_err(Error::internal)?
}

fn document(printed: &Printed) -> Result<Bytes> {
    let mut document = Document::new();
    let doctor = &printed.doctor;
    let written = printed.prescription.updated_at;
    let title = format!("Prescription of {}", date(written));
    document.set_metadata(
        Metadata::new()
            .title(title)
            .authors(vec![doctor.full_name.clone()])
            .creator("Consilium".to_owned())
            .language("en-IN".to_owned()),
    );
    let patient = patient_name(&printed.patient);
    let mut sheet = Sheet::new(format!(
        "Prescription for {patient}, {}, by {}, {} – continued",
        date(written),
        doctor.full_name,
        registration(doctor)
    ));
    letterhead(&mut sheet, printed);
    about_the_patient(&mut sheet, printed, &patient);
    medicines(&mut sheet, &printed.prescription.medications);
    notes(&mut sheet, printed.prescription.notes.as_deref());
    closing(&mut sheet, printed);
    let Prescription { id, version, .. } = &printed.prescription;
    sheet.write(&mut document, &format!("{patient} · prescription {id}, version {version}"));
    document.finish().map(Bytes::from).map_err(|error| Error::internal(format!("{error:?}")))
}

fn letterhead(sheet: &mut Sheet, printed: &Printed) {
    let doctor = &printed.doctor;
    let small = Style::of(9.5);
    let degrees = doctor.degrees.join(", ");
    let registration = registration(doctor);
    let left = [
        (doctor.full_name.as_str(), Style::of(17.0).bold()),
        (degrees.as_str(), Style::of(10.5)),
        (doctor.speciality_category.as_str(), Style::of(10.5)),
        (registration.as_str(), Style::of(10.5).bold()),
    ];
    let date = format!("Date: {}", date(printed.prescription.updated_at));
    let version = match printed.prescription.version {
        1 => String::new(),
        version => format!("Version {version}, replaces all earlier ones"),
    };
    let right = [
        ("Prescription", Style::of(14.0).bold().right()),
        (date.as_str(), Style::of(10.5).right()),
        (version.as_str(), small.right()),
    ];
    sheet.beside(&left, &right, BODY * 0.62);
    sheet.skip(8.0);
    sheet.rule(0, 1.25);
    sheet.skip(10.0);
}

fn about_the_patient(sheet: &mut Sheet, printed: &Printed, name: &str) {
    let patient = &printed.patient;
    let age = patient.age.map(|age| format!("{age} years")).unwrap_or_default();
    let sex = patient.sex.map(sex).unwrap_or_default();
    let about = [age.as_str(), sex].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let session = printed.prescription.session_id.to_string();
    let left = [("Patient", Style::of(9.0).grey()), (name, Style::of(12.0).bold()), (about.as_str(), Style::of(10.5))];
    let grey = Style::of(8.5).grey().right();
    let right = [("Online consultation", grey), (session.as_str(), grey)];
    sheet.beside(&left, &right, BODY * 0.55);
    sheet.skip(14.0);
}

fn medicines(sheet: &mut Sheet, medications: &[Medication]) {
    let text = Style::of(10.0);
    let columns = [
        Column { name: "No.", width: 30.0, style: text },
        Column { name: "Medicine", width: 148.0, style: text.bold() },
        Column { name: "Dosage", width: 112.0, style: text },
        Column { name: "Duration", width: 72.0, style: text },
        Column { name: "Instructions", width: BODY - 362.0, style: text },
    ];
    let row = |(number, medication): (usize, &Medication)| {
        vec![
            number.to_string(),
            cell(&medication.name),
            cell(&medication.dosage),
            optional(medication.duration.as_deref()),
            optional(medication.instructions.as_deref()),
        ]
    };
    let rows: Vec<Vec<String>> = (1..).zip(medications).map(row).collect();
    sheet.table(&columns, &rows);
    // Whoever reads it knows that nothing is missing, and nothing can be added below.
    let count = medications.len();
    sheet.skip(4.0);
    let end = if count == 1 { "End of list: 1 medicine".to_owned() } else { format!("End of list: {count} medicines") };
    sheet.need(16.0);
    sheet.text(&end, Style::of(9.0).grey());
    sheet.skip(12.0);
}

fn notes(sheet: &mut Sheet, notes: Option<&str>) {
    let Some(notes) = notes.map(str::trim).filter(|notes| !notes.is_empty()) else { return };
    sheet.need(48.0);
    sheet.text("Notes", Style::of(11.0).bold());
    sheet.skip(3.0);
    for paragraph in few_lines(notes, LINES_OF_NOTES).split('\n') {
        if paragraph.trim().is_empty() {
            sheet.skip(6.0);
        } else {
            sheet.text(paragraph, Style::of(10.5));
        }
    }
    sheet.skip(12.0);
}

fn closing(sheet: &mut Sheet, printed: &Printed) {
    let doctor = &printed.doctor;
    if sheet.typesetter.is_incomplete {
        let warning =
            "An empty box stands for a sign that cannot be printed here. Ask the doctor, or read it in the app.";
        sheet.need(30.0);
        sheet.text(warning, Style::of(10.0).bold());
        sheet.skip(8.0);
    }
    let registration = registration(doctor);
    let written = printed.prescription.updated_at.with_timezone(&Kolkata);
    let issued = written.format("Written electronically on %-d %B %Y at %H:%M IST").to_string();
    let style = Style::of(10.5);
    let height: f32 =
        [&doctor.full_name, &registration, &issued].into_iter().map(|text| sheet.height_of(text, style)).sum();
    sheet.need(height + 20.0);
    sheet.skip(10.0);
    sheet.text(&doctor.full_name, style.bold().right());
    sheet.text(&registration, style.right());
    sheet.text(&issued, Style::of(9.0).grey().right());
}

fn patient_name(patient: &Patient) -> String {
    match patient.full_name.as_deref().map(str::trim) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "Name not given".to_owned(),
    }
}

fn registration(doctor: &Doctor) -> String {
    match doctor.registration_number.as_deref().map(str::trim) {
        Some(number) if !number.is_empty() => format!("Reg. No. {number}"),
        _ => "Registration number not on record".to_owned(),
    }
}

const fn sex(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Other => "other",
        Sex::PreferNotToSay => "",
    }
}

/// The date in India: the contract's default zone (connect-v2 §1).
fn date(at: DateTime<Utc>) -> String {
    at.with_timezone(&Kolkata).format("%-d %B %Y").to_string()
}

/// The same in the name of a file.
pub(super) fn date_in_names(at: DateTime<Utc>) -> String {
    at.with_timezone(&Kolkata).format("%Y-%m-%d").to_string()
}

fn optional(text: Option<&str>) -> String {
    match text.map(cell) {
        Some(text) if !text.is_empty() => text,
        _ => "–".to_owned(),
    }
}

fn cell(text: &str) -> String {
    few_lines(text.trim(), LINES_OF_A_CELL)
}

/// Empty lines in a row count as one; beyond so many lines they go on beside each other.
fn few_lines(text: &str, most: usize) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.dedup_by(|next, line| next.is_empty() && line.is_empty());
    lines.join(if lines.len() > most { " " } else { "\n" })
}

#[cfg(test)]
mod tests;
