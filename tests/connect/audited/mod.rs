//! Every read or write of a patient's data leaves one audit row, and so does what changes money or rights (DESIGN §8).
//! Each route of the document is called here, or stands in [`WITHOUT`] with the reason why it needs no row.

mod admin;
mod afterwards;
mod consultation;
mod files;
mod watch;

use std::collections::BTreeSet;

use watch::{Watch, Who};

/// The routes that leave no row, and why.
const WITHOUT: [(&str, &[&str]); 8] = [
    ("a login is a record itself, and so is its end", &["C1", "C3", "C4", "C5", "C120"]),
    (
        "messages with their receipts and the rows of inboxes are records themselves",
        &["C48", "C50", "C51", "R2", "R3", "R4"],
    ),
    (
        "the same for everybody, and about no patient but in the public words of a review",
        &[
            "C8", "C12", "C13", "C14", "C15", "C16", "C17", "C100", "C101", "C102", "C109", "C110", "C111", "C112",
            "C113", "C119",
        ],
    ),
    ("a doctor's or an admin's own account", &["C21", "C22", "C31", "C32", "C33", "C34", "C121"]),
    ("figures of a doctor's work, which name nobody", &["C18", "C96", "C97", "C98", "C99"]),
    ("what a patient's app keeps at hand: doctors and devices", &["C23", "C24", "C25", "C83", "C84"]),
    ("what admins publish, as they list it", &["C129", "C133", "C137", "C141"]),
    ("the media server's word: what it does to a recording is noted as the system's", &["C47"]),
];

/// What of [`WITHOUT`] is read with no more than a word.
async fn of_none(w: &mut Watch) {
    let doctor = format!("doctors/{}", w.m.doctor.id);
    let reviews = format!("{doctor}/reviews");
    for (id, who, path) in [
        ("C8", Who::Patient, "users/avatars"),
        ("C12", Who::Patient, "doctors/search?q=shah"),
        ("C13", Who::Patient, "doctors"),
        ("C14", Who::Patient, "doctors/all_doctors_list"),
        ("C16", Who::Patient, &doctor),
        ("C17", Who::Patient, &reviews),
        ("C23", Who::Patient, "doctors/favourites"),
        ("C100", Who::Patient, "medicines/search?q=amoxicillin"),
        ("C102", Who::Patient, "lab-tests/catalog/search?q=blood"),
        ("C109", Who::Patient, "categories/health"),
        ("C110", Who::Patient, "community/articles"),
        ("C112", Who::Patient, "community/events"),
        ("C119", Who::Patient, "wallet/offers"),
        ("R3", Who::Patient, "connect/events/poll"),
        ("C18", Who::Doctor, "doctors/me/overview"),
        ("C31", Who::Doctor, "doctors/me/profile"),
        ("C96", Who::Doctor, "analytics/doctor/performance"),
        ("C97", Who::Doctor, "analytics/doctor/reviews/metrics"),
        ("C98", Who::Doctor, "analytics/doctor/reviews/trends"),
        ("C99", Who::Doctor, "analytics/doctor/reviews/rating-distribution"),
        ("C121", Who::Admin, "admin/auth/me"),
        ("C129", Who::Admin, "admin/categories"),
        ("C133", Who::Admin, "admin/wallet/offers"),
        ("C137", Who::Admin, "admin/articles"),
        ("C141", Who::Admin, "admin/events"),
    ] {
        w.leaves_none(id, who, path).await;
    }
}

#[tokio::test]
async fn each_leaves_one_row_of_who_did_what_to_whom_and_a_refused_one_none() {
    let mut watch = Watch::start().await;
    Box::pin(admin::of_themselves(&mut watch)).await;
    Box::pin(admin::of_money(&mut watch)).await;
    Box::pin(consultation::of_requests(&mut watch)).await;
    let session = Box::pin(consultation::of_a_session(&mut watch)).await;
    Box::pin(files::of_attachments(&mut watch, &session)).await;
    Box::pin(files::of_reports(&mut watch, &session)).await;
    Box::pin(consultation::of_its_end(&mut watch, &session)).await;
    Box::pin(afterwards::of_prescriptions(&mut watch, &session)).await;
    Box::pin(afterwards::of_reviews(&mut watch, &session)).await;
    Box::pin(afterwards::of_follow_ups(&mut watch, &session)).await;
    Box::pin(admin::of_what_is_published(&mut watch)).await;
    Box::pin(of_none(&mut watch)).await;
    Box::pin(admin::of_people(&mut watch)).await;

    let without: Vec<&str> = WITHOUT.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let mut named = watch.seen.clone();
    for id in without {
        assert!(named.insert(id), "{id} leaves a row, or is named twice");
    }
    let documented: BTreeSet<&str> = watch.routes.keys().map(String::as_str).collect();
    let forgotten: Vec<_> = documented.difference(&named).collect();
    assert!(forgotten.is_empty(), "called here or named in WITHOUT: {forgotten:?}");
    let gone: Vec<_> = named.difference(&documented).collect();
    assert!(gone.is_empty(), "no routes of the document: {gone:?}");
}
