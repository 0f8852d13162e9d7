#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
//! The pages as another program reads them: `pdftotext` and `pdffonts` of poppler. With `CONSILIUM_KEEP_PDF=folder` they
//! are kept, to be looked at: `pdftoppm -png -r 80 folder/many.pdf many`.

use std::path::{Path, PathBuf};
use std::process::Command;

use consilium_storage::database::Json;
use consilium_storage::ids::{PrescriptionId, SessionId, UserId};
use consilium_storage::testing::Scratch;

use super::*;

/// Text of a PDF, a string a page, as laid out.
struct Read {
    pages: Vec<String>,
    path: PathBuf,
    _scratch: Scratch,
}

impl Read {
    fn of(name: &str, printed: &Printed) -> Self {
        let bytes = document(printed).unwrap();
        let scratch = Scratch::new("pdf").unwrap();
        let folder = std::env::var("CONSILIUM_KEEP_PDF").map_or_else(|_| scratch.path().to_owned(), PathBuf::from);
        let path = folder.join(format!("{name}.pdf"));
        std::fs::write(&path, &bytes).unwrap();
        let text = poppler("pdftotext", &["-layout"], &path, &["-"]);
        let mut pages: Vec<String> = text.split('\u{c}').map(str::to_owned).collect();
        // Each page ends with a form feed.
        assert_eq!(pages.pop().as_deref(), Some(""));
        Self { pages, path, _scratch: scratch }
    }

    fn whole(&self) -> String {
        self.pages.join("\n")
    }

    /// Without any space: how lines were broken does not matter then.
    fn letters(&self) -> String {
        self.whole().split_whitespace().collect()
    }
}

fn poppler(program: &str, before: &[&str], path: &Path, after: &[&str]) -> String {
    let output = Command::new(program).args(before).arg(path).args(after).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run scripts/ensure.sh poppler"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn doctor() -> Doctor {
    Doctor {
        id: UserId::new(),
        email: None,
        phone: None,
        is_active: true,
        created_at: DateTime::UNIX_EPOCH,
        full_name: "Dr. Ankit Shah".to_owned(),
        slug: "x".to_owned(),
        speciality_category: "Urology".to_owned(),
        degrees: ["MBBS", "MS", "MCh Urology"].map(str::to_owned).to_vec(),
        years_experience: 12,
        about_short: None,
        languages: Vec::new(),
        registration_number: Some("DEMO-G-28417".to_owned()),
        rate_per_minute: 0,
        chat_enabled: true,
        call_enabled: true,
        is_featured: false,
        is_verified: true,
        is_reviewer: false,
        is_online: false,
        avatar_file: None,
        rating: 0.0,
        review_count: 0,
        ended_count: 0,
    }
}

fn patient() -> Patient {
    Patient {
        id: UserId::new(),
        full_name: Some("Rahul Sharma".to_owned()),
        phone: Some("+919900000001".to_owned()),
        email: None,
        is_phone_verified: true,
        is_active: true,
        created_at: DateTime::UNIX_EPOCH,
        last_login_at: None,
        age: Some(28),
        sex: Some(Sex::Male),
        height_cm: None,
        weight_kg: None,
        avatar_id: "av_01".to_owned(),
        avatar_file: None,
    }
}

fn medication(name: &str, dosage: &str, duration: &str, instructions: &str) -> Medication {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Medication {
        name: name.to_owned(),
        dosage: dosage.to_owned(),
        duration: some(duration),
        instructions: some(instructions),
    }
}

fn printed(medications: Vec<Medication>, notes: Option<&str>) -> Printed {
    let at = DateTime::parse_from_rfc3339("2026-02-07T21:46:50Z").unwrap().to_utc();
    let prescription = Prescription {
        id: PrescriptionId::new(),
        session_id: SessionId::new(),
        doctor_id: UserId::new(),
        patient_id: UserId::new(),
        medications: Json(medications),
        notes: notes.map(str::to_owned),
        version: 1,
        created_at: at,
        updated_at: at,
    };
    Printed { doctor: doctor(), patient: patient(), prescription }
}

#[test]
fn everything_that_was_written_is_on_it() {
    let medications = vec![
        medication("Amoxicillin 500mg", "1 tablet 3x daily", "7 days", "Take after meals"),
        medication("पैरासिटामोल 650", "½ tablet, 1–0–1", "5 दिन", "बुखार होने पर, खाने के बाद लें"),
        medication("Levothyroxine 50 µg", "1 × daily, TSH ≤ 4", "", "क्षेत्र में संक्रमण न हो; ज़रूरी: पानी अधिक पिएँ"),
    ];
    let notes = "Complete the full course. Cost about ₹ 1,250.\nहिन्दी में: पूरा कोर्स करें, ₹५००\n\nReview in 2 weeks → call earlier if fever > 38.5 °C";
    let read = Read::of("sample", &printed(medications, Some(notes)));
    let (text, letters) = (read.whole(), read.letters());
    for part in [
        "Dr. Ankit Shah",
        "MBBS, MS, MCh Urology",
        "Reg. No. DEMO-G-28417",
        "Rahul Sharma",
        "28 years, male",
        // In India it is the next day already.
        "Date: 8 February 2026",
        "at 03:16 IST",
        "Amoxicillin 500mg",
        "Take after meals",
        "½ tablet, 1–0–1",
        "Levothyroxine 50 µg",
        "TSH ≤ 4",
        "₹ 1,250",
        "→ call earlier if fever > 38.5 °C",
        "End of list: 3 medicines",
        "Page 1 of 1",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    for part in ["पैरासिटामोल650", "5दिन", "बुखारहोनेपर,खानेकेबादलें", "हिन्दीमें:पूराकोर्सकरें,₹५००", "क्षेत्र", "संक्रमण"]
    {
        assert!(letters.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("empty box") && !text.contains("Version"), "{text}");
    // Letters of our own fonts, carried along.
    let fonts = poppler("pdffonts", &[], &read.path, &[]);
    assert!(fonts.contains("IBMPlexSans") && fonts.contains("NotoSansDevanagari"), "{fonts}");
    for line in fonts.lines().skip(2) {
        assert!(line.contains("yes yes yes"), "not embedded, subset and readable: {line}");
    }
    assert!(std::fs::metadata(&read.path).unwrap().len() < 120_000);
}

#[test]
fn a_long_list_goes_on_with_its_header_and_every_page_says_whose_it_is() {
    let medications: Vec<Medication> = (1..=50)
        .map(|number| {
            medication(
                &format!("Medicine {number:02} Tablet"),
                "1-0-1",
                "10 days",
                "After food, with a full glass of water",
            )
        })
        .collect();
    let mut printed = printed(medications, Some(&"Drink enough water. ".repeat(190)));
    printed.prescription.version = 3;
    let read = Read::of("many", &printed);
    let count = read.pages.len();
    assert!((3..=5).contains(&count), "{count} pages");
    let mut rows = 0;
    for (number, page) in (1..).zip(&read.pages) {
        assert!(page.contains(&format!("Page {number} of {count}")), "{page}");
        assert!(page.contains("Rahul Sharma · prescription ") && page.contains(", version 3"), "{page}");
        assert_eq!(page.contains("continued"), number > 1, "{page}");
        let here = page.matches(" Tablet").count();
        assert!(here == 0 || page.contains("Instructions"), "{page}");
        rows += here;
    }
    assert_eq!(rows, 50);
    let text = read.whole();
    for number in 1..=50 {
        assert!(text.contains(&format!("Medicine {number:02} Tablet")), "{number}");
    }
    assert!(
        text.contains("End of list: 50 medicines") && text.contains("Version 3, replaces all earlier ones"),
        "{text}"
    );
    assert_eq!(read.letters().matches("Drinkenoughwater.").count(), 190);
}

#[test]
fn long_words_and_rows_higher_than_a_page_are_broken_and_whole() {
    let word = |letter: &str, count: usize| letter.repeat(count);
    let medications = vec![
        medication(&word("W", 200), &word("M", 200), &word("9", 1_000), &word("q", 1_000)),
        medication("A", "1", &format!("{}{}", "x\n".repeat(400), word("y", 200)), ""),
        medication(&word("क्ष", 66), "१", "", &word("a b ", 250)),
    ];
    let read = Read::of("long", &printed(medications, Some(&"n\n".repeat(2_000))));
    let letters = read.letters();
    for (letter, count) in [("W", 200), ("9", 1_000), ("q", 1_000)] {
        assert!(letters.matches(letter).count() >= count, "{letter}: {}", letters.matches(letter).count());
    }
    assert_eq!(letters.matches('x').count(), 400);
    assert_eq!(letters.matches("क्ष").count(), 66);
    assert!(read.pages.len() < 12, "{} pages", read.pages.len());
    // A row that goes on says which one it is.
    assert!(read.pages[1].lines().any(|line| line.trim_start().starts_with("1 ")), "{}", read.pages[1]);
}

#[test]
fn a_sign_that_no_font_has_is_said() {
    let read = Read::of("gaps", &printed(vec![medication("மருந்து 😀", "1", "", "")], None));
    assert!(read.whole().contains("An empty box stands for a sign"), "{}", read.whole());
    let read = Read::of("signs", &printed(vec![medication("A\u{200d}B\u{202e}C\tD\u{7}", "1\r\n2", "", "")], None));
    let text = read.whole();
    assert!(!text.contains("empty box") && text.contains("C D"), "{text}");
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let mut printed = printed(vec![medication("Dolo 650", "1-1-1", " ", "\n\n")], Some("  \n"));
    printed.doctor.registration_number = None;
    printed.doctor.degrees.clear();
    printed.patient = Patient { full_name: None, age: None, sex: Some(Sex::PreferNotToSay), ..patient() };
    let text = Read::of("little", &printed).whole();
    for part in ["Registration number not on record", "Name not given", "End of list: 1 medicine\n"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("Notes") && !text.contains("years"), "{text}");
}

#[tokio::test]
async fn many_are_made_without_holding_up_the_runtime() {
    let started = tokio::time::Instant::now();
    let one = || render(printed(vec![medication("Dolo 650", "1-1-1", "", "")], None));
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(1));
    let all = futures_util::future::join_all((0..8).map(|_| one()));
    tokio::pin!(all);
    let mut ticked = 0;
    let done = loop {
        tokio::select! {
            // Those that a busy machine has held up count too.
            biased;
            _ = ticks.tick() => ticked += 1,
            done = &mut all => break done,
        }
    };
    assert!(done.into_iter().all(|pdf| pdf.unwrap().starts_with(b"%PDF")));
    // This runtime has one thread: had the pages been made on it, it could not have ticked in between.
    assert!(ticked > 5, "{ticked} ticks in {:?}", started.elapsed());
}
