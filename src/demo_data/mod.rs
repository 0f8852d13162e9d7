//! Demo data (running.md) and the accounts that the command line makes. What is there already stays as it is.

mod consultations;
mod money;
mod news;
mod people;

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::accounts::patients::{self, Profile};
use consilium_storage::accounts::{self, Role, admins};
use consilium_storage::clock::Clock;
use consilium_storage::connect::catalog;
use consilium_storage::connect::categories::{self, Category};
use consilium_storage::connect::doctors::{self, NewDoctor};
use consilium_storage::connect::lab_tests::{Priority, Recommendation};
use consilium_storage::connect::prescriptions::Medication;
use consilium_storage::connect::sessions::{End, NewSession};
use consilium_storage::connect::{Actor, Party};
use consilium_storage::database::Pool;
use consilium_storage::demo::{self, Past};
use consilium_storage::ids::{CategoryId, SessionId, UserId};
use consilium_storage::tx::Tx;

use self::consultations::{CONSULTATIONS, Consultation, Plan};
use self::people::{CATEGORIES, DOCTORS, PATIENTS};
use crate::accounts::passwords;
use crate::app::App;
use crate::connect::catalog::import::{self, Catalogue};
use crate::connect::catalog::made_up;
use crate::connect::sessions::rules::bill;
use crate::error::{Code, Error, Result};

/// Of every demo account that has one.
const PASSWORD: &str = "demo-pass-1";

/// Somebody of the demo, and whether this run made the account.
#[derive(Clone, Copy)]
struct Person {
    id: UserId,
    is_new: bool,
}

/// Puts the demo data into the database, all or nothing; what is there already stays as it is.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn seed(pool: &Pool, clock: &Clock) -> Result<()> {
    let mut tx = Tx::begin(pool, clock.now()).await?;
    demo::lock(tx.conn()).await?;
    let mut password = Password(None);
    if accounts::find_by_name(tx.conn(), Role::Admin, "admin").await?.is_none() {
        let (hash, now) = (password.hash().await?, tx.now());
        admins::insert(tx.conn(), UserId::new(), "admin", "Demo Admin", &hash, now).await?;
    }
    let doctors = seed_doctors(&mut tx, &mut password).await?;
    let patients = seed_patients(&mut tx).await?;
    seed_categories(&mut tx).await?;
    seed_catalogues(&mut tx).await?;
    news::seed(&mut tx).await?;
    let offer = money::seed_offers(&mut tx).await?;
    let mut topped_up = HashSet::new();
    for consultation in &CONSULTATIONS {
        let (Some(patient), Some(doctor)) = (patients.get(consultation.patient), doctors.get(consultation.doctor))
        else {
            continue;
        };
        // Their past is made with them, so that it is never made twice.
        if patient.is_new && doctor.is_new {
            let mut past = past(consultation, patient.id, doctor.id, tx.now());
            if topped_up.insert(patient.id) {
                money::top_up(&mut tx, patient.id, offer.as_ref(), &past).await?;
            }
            money::charge(&mut tx, &mut past).await?;
            demo::insert_past(tx.conn(), &past).await?;
        }
    }
    // Nothing is emitted: there is nothing to deliver.
    let _committed = tx.commit().await?;
    Ok(())
}

/// The demo password, hashed once and only when somebody needs it: starting again stays quick.
struct Password(Option<String>);

impl Password {
    async fn hash(&mut self) -> Result<String> {
        if self.0.is_none() {
            self.0 = Some(passwords::hash(PASSWORD.to_owned()).await?);
        }
        Ok(self.0.clone().unwrap_or_default())
    }
}

async fn seed_doctors(tx: &mut Tx, password: &mut Password) -> Result<Vec<Person>> {
    let mut made = Vec::with_capacity(DOCTORS.len());
    let joined = tx.now() - TimeDelta::days(400);
    for (number, doctor) in (1..).zip(&DOCTORS) {
        let email = format!("doctor{number}@demo.example");
        if let Some(id) = known_doctor(tx, &email, doctor.registration).await? {
            made.push(Person { id, is_new: false });
            continue;
        }
        let id = UserId::new();
        let new = NewDoctor {
            degrees: doctor.degrees.iter().map(|&text| text.to_owned()).collect(),
            years_experience: doctor.years,
            about_short: Some(doctor.about.to_owned()),
            languages: doctor.languages.iter().map(|&text| text.to_owned()).collect(),
            registration_number: Some(doctor.registration.to_owned()),
            rate_per_minute: doctor.rate,
            is_featured: doctor.featured,
            ..new_doctor(&email, doctor.name, doctor.speciality, password.hash().await?)
        };
        doctors::insert(tx.conn(), id, &new, joined).await?;
        made.push(Person { id, is_new: true });
    }
    Ok(made)
}

/// A doctor of the demo; an admin may have changed the address.
async fn known_doctor(tx: &mut Tx, email: &str, registration: &str) -> Result<Option<UserId>> {
    let known = accounts::find_by_name(tx.conn(), Role::Doctor, email).await?;
    match known {
        Some(known) => Ok(Some(known.id)),
        None => Ok(demo::registered_doctor(tx.conn(), registration).await?),
    }
}

async fn seed_patients(tx: &mut Tx) -> Result<Vec<Person>> {
    let mut made = Vec::with_capacity(PATIENTS.len());
    let joined = tx.now() - TimeDelta::days(60);
    for (number, patient) in (1..).zip(&PATIENTS) {
        let phone = format!("+91990000000{number}");
        if let Some(known) = accounts::find_by_phone(tx.conn(), &phone).await? {
            made.push(Person { id: known.id, is_new: false });
            continue;
        }
        let id = UserId::new();
        patients::insert(tx.conn(), id, &phone, Some(patient.name), patient.avatar, joined).await?;
        if let Some((age, sex, height, weight)) = patient.profile {
            let profile = Profile {
                full_name: Some(patient.name.to_owned()),
                age: Some(age),
                sex: Some(sex),
                height_cm: Some(height),
                weight_kg: Some(weight),
            };
            patients::set_profile(tx.conn(), id, &profile).await?;
        }
        made.push(Person { id, is_new: true });
    }
    Ok(made)
}

/// An admin may have removed some: they are made only where there is none at all.
async fn seed_categories(tx: &mut Tx) -> Result<()> {
    if demo::has_categories(tx.conn()).await? {
        return Ok(());
    }
    let now = tx.now();
    for (name, description) in CATEGORIES {
        let category = Category {
            id: CategoryId::new(),
            name: name.to_owned(),
            description: Some(description.to_owned()),
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        categories::insert(tx.conn(), &category).await?;
    }
    Ok(())
}

/// The shipped sample, where there is none of its kind at all.
async fn seed_catalogues(tx: &mut Tx) -> Result<()> {
    let mut missing = Vec::new();
    if !catalog::medicines::any(tx.conn()).await? {
        missing.push(Catalogue::Medicines);
    }
    if !catalog::lab_tests::any(tx.conn()).await? {
        missing.push(Catalogue::LabTests);
    }
    for catalogue in missing {
        import::write(tx, made_up::sample(catalogue).as_bytes(), |_| {}).await.map_err(Error::internal)?;
    }
    Ok(())
}

/// The consultation as it would stand in the database, had it been held.
fn past(told: &Consultation, patient: UserId, doctor: UserId, now: DateTime<Utc>) -> Past {
    let created_at = now - TimeDelta::days(told.days_ago) - TimeDelta::hours(told.hour);
    let started_at = created_at + TimeDelta::seconds(45);
    let ended_at = started_at + TimeDelta::seconds(told.seconds.into());
    let rate = DOCTORS.get(told.doctor).map_or(0, |doctor| doctor.rate);
    let bill = bill(started_at, ended_at, rate, true);
    // The lines stand evenly between start and end.
    let step = (ended_at - started_at) / (i32::try_from(told.lines.len()).unwrap_or(i32::MAX - 1) + 1);
    let lines =
        (1_i32..).zip(told.lines).map(|(place, &(who, text))| (who, started_at + step * place, text.to_owned()));
    Past {
        session: NewSession {
            id: SessionId::new(),
            patient_id: patient,
            doctor_id: doctor,
            category: Some(told.category.to_owned()),
            symptoms: told.symptoms.iter().map(|&text| text.to_owned()).collect(),
            active_treatment: None,
            medical_history: None,
            rate_per_minute: rate,
            created_at,
            expires_at: created_at + TimeDelta::minutes(30),
        },
        started_at,
        end: End {
            at: ended_at,
            by: Actor::from(Party::Doctor),
            reason: Some("completed".to_owned()),
            note: None,
            duration_seconds: bill.seconds,
            billed_minutes: bill.minutes,
            amount: bill.amount,
            amount_due: bill.amount,
        },
        lines: lines.collect(),
        review: told.review.map(|(rating, comment)| (rating, comment.to_owned())),
        plan: told.plan.as_ref().map(plan),
    }
}

fn plan(told: &Plan) -> demo::Plan {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let medication = |[name, dosage, duration, instructions]: &[&str; 4]| Medication {
        name: (*name).to_owned(),
        dosage: (*dosage).to_owned(),
        duration: some(duration),
        instructions: some(instructions),
    };
    let test = |[name, instructions]: &[&str; 2]| Recommendation {
        test_name: (*name).to_owned(),
        priority: Priority::Routine,
        instructions: some(instructions),
    };
    demo::Plan {
        medications: told.medications.iter().map(medication).collect(),
        notes: some(told.notes),
        recommendations: told.tests.iter().map(test).collect(),
    }
}

fn new_doctor(email: &str, full_name: &str, speciality: &str, password_hash: String) -> NewDoctor {
    NewDoctor {
        email: email.to_owned(),
        password_hash,
        phone: None,
        full_name: full_name.to_owned(),
        speciality_category: speciality.to_owned(),
        degrees: Vec::new(),
        years_experience: 0,
        about_short: None,
        languages: Vec::new(),
        registration_number: None,
        rate_per_minute: 0,
        chat_enabled: true,
        call_enabled: true,
        is_featured: false,
        is_verified: true,
        is_reviewer: false,
    }
}

/// Makes the seeded doctors known to presence.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn load_presence(app: &App) -> Result<()> {
    crate::jobs::presence::load(&app.engine, &mut *app.conn().await?, app.now()).await?;
    Ok(())
}

/// Makes an admin.
///
/// # Errors
/// When the name is taken or Postgres cannot be asked.
pub async fn create_admin(
    pool: &Pool,
    clock: &Clock,
    username: &str,
    full_name: &str,
    password: String,
) -> Result<UserId> {
    let username = username.trim();
    if username.is_empty() || username.contains('@') {
        return Err(unfit("a user name is not empty and has no @"));
    }
    let hash = passwords::hash(password).await?;
    let id = UserId::new();
    let mut tx = Tx::begin(pool, clock.now()).await?;
    let now = tx.now();
    match admins::insert(tx.conn(), id, username, full_name.trim(), &hash, now).await {
        Err(error) if error.is_conflict("accounts_username_key") => return Err(taken("user name", username)),
        other => other?,
    }
    let _committed = tx.commit().await?;
    Ok(id)
}

/// Makes a verified doctor.
///
/// # Errors
/// When the address is taken or Postgres cannot be asked.
pub async fn create_doctor(
    pool: &Pool,
    clock: &Clock,
    email: &str,
    name: &str,
    speciality: &str,
    password: String,
) -> Result<UserId> {
    let [email, name, speciality] = [email, name, speciality].map(str::trim);
    if !email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) {
        return Err(unfit("the first argument is an e-mail address"));
    }
    if name.is_empty() || speciality.is_empty() {
        return Err(unfit("name and speciality are not empty"));
    }
    let id = UserId::new();
    let new = new_doctor(email, name, speciality, passwords::hash(password).await?);
    let mut tx = Tx::begin(pool, clock.now()).await?;
    let now = tx.now();
    match doctors::insert(tx.conn(), id, &new, now).await {
        Err(error) if error.is_conflict("accounts_email_key") => return Err(taken("e-mail address", email)),
        other => other?,
    }
    let _committed = tx.commit().await?;
    Ok(id)
}

fn taken(what: &str, name: &str) -> Error {
    Error::conflict(Code::Duplicate, format!("the {what} {name} is taken"))
}

fn unfit(what: &'static str) -> Error {
    Error::internal(what)
}

/// What is printed at the start of a demo.
#[must_use]
pub fn banner(url: &str) -> String {
    let addresses = [
        ("Start here", "/demo"),
        ("Patient's app", "/demo/patient"),
        ("Doctor's app", "/demo/doctor"),
        ("Admin's page", "/demo/admin"),
        ("Codes by SMS", "/dev/inbox"),
        ("API explorer", "/docs"),
        ("API reference", "/redoc"),
        ("Documents", "/openapi.json"),
        ("", "/asyncapi.json"),
        ("Health, figures", "/ready"),
        ("", "/metrics"),
    ];
    let mut text = "\nConsilium with demo data\n\n".to_owned();
    for (what, path) in addresses {
        text.push_str(&format!("  {what:<16} {url}{path}\n"));
    }
    text.push_str(&format!(
        "\n  Patients         +919900000001 … +919900000005, with a code from {url}/dev/inbox\n  \
         Doctors          doctor1@demo.example … doctor6@demo.example, password {PASSWORD}\n  \
         Admin            admin, password {PASSWORD}\n"
    ));
    text
}
