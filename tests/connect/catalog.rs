//! 100, 101, 102: the public catalogues, and importing them.

use consilium::connect::catalog::import::{self, BadLine, Catalogue, Outcome, Refused};
use consilium::connect::catalog::made_up;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::client::keys;
use crate::support::meeting::{text, time};

async fn bring(app: &TestApp, file: impl AsRef<[u8]> + Send + 'static) -> Result<Outcome, Refused> {
    import::import(&app.app.pool, &app.clock, std::io::Cursor::new(file), |_| {}).await
}

async fn app_with_samples() -> TestApp {
    let app = TestApp::start().await;
    for catalogue in [Catalogue::Medicines, Catalogue::LabTests] {
        bring(&app, made_up::sample(catalogue)).await.unwrap();
    }
    app
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| text(&item["name"])).collect()
}

#[tokio::test]
async fn medicines_are_found_and_shown_without_a_token() {
    let app = app_with_samples().await;
    let nobody = app.nobody();
    let found = nobody.get("medicines/search?q=amoxyclav&limit=2").await.expect(200);
    assert_eq!(names(&found), ["Amoxyclav 375 Tablet", "Amoxyclav 625 Tablet"]);
    let first = &found[0];
    assert_eq!(first, &json!({"id": first["id"], "name": first["name"], "form": "tablet", "provider": "sample"}));

    let shown = nobody.get(&format!("medicines/{}", text(&first["id"]))).await.expect(200);
    assert_eq!(
        keys(&shown),
        [
            "created_at",
            "form",
            "how_it_works",
            "id",
            "name",
            "product_introduction",
            "provider",
            "safety_advice",
            "source_url",
            "uses"
        ]
    );
    time(&shown["created_at"]);
    assert_eq!(shown["uses"], json!(["Bacterial infections", "Skin infections", "Dental infections"]));
    assert!(text(&shown["safety_advice"]["advice"]).starts_with("Alcohol: ask your doctor\n"), "{shown}");
    assert!(shown["source_url"].is_null());

    // A salt, a typo, a token that nobody asked for.
    assert!(names(&nobody.get("medicines/search?q=clavulanic").await.expect(200)).contains(&"Amoxyclav 625 Tablet"));
    assert_eq!(names(&nobody.get("medicines/search?q=amoxyclv%20625").await.expect(200)), ["Amoxyclav 625 Tablet"]);
    let mut stranger = app.nobody();
    stranger.token = Some("none".to_owned());
    stranger.get("medicines/search?q=para").await.expect(200);
    assert_eq!(nobody.get("medicines/search?q=qqqq").await.expect(200), json!([]));
}

#[tokio::test]
async fn lab_tests_are_found_by_name_and_by_code() {
    let app = app_with_samples().await;
    let nobody = app.nobody();
    let found = nobody.get("lab-tests/catalog/search?q=thyroid&limit=2").await.expect(200);
    assert_eq!(names(&found), ["Thyroid Profile, Free", "Thyroid, Comprehensive Panel"]);
    let first = &found[0];
    assert_eq!(
        first,
        &json!({"id": first["id"], "name": "Thyroid Profile, Free", "code": "Z045", "provider": "sample"})
    );
    let found = nobody.get("lab-tests/catalog/search?q=cbc").await.expect(200);
    assert_eq!(names(&found), ["Complete Blood Count (CBC)"]);
    let found = nobody.get("lab-tests/catalog/search?q=den").await.expect(200);
    let codes: Vec<&str> = found.as_array().unwrap().iter().map(|item| text(&item["code"])).collect();
    assert_eq!(codes, ["DENNS1", "DENIGM"]);
}

#[tokio::test]
async fn what_cannot_be_looked_for() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    for path in ["medicines/search", "lab-tests/catalog/search"] {
        nobody.get(path).await.invalid(&["query.q missing"]);
        for short in ["", "a"] {
            let failures = ["query.q string_too_short", "query.q string_pattern_mismatch"];
            nobody.get(&format!("{path}?q={short}")).await.invalid(&failures);
        }
        // Among them spaces that are U+0085 and U+2003.
        for blank in ["%20%20a%20", "%20%20%20", "%C2%85a%C2%85", "%E2%80%83%E2%80%83"] {
            let failures = ["query.q string_pattern_mismatch", "query.limit greater_than_equal"];
            nobody.get(&format!("{path}?q={blank}&limit=0")).await.invalid(&failures);
        }
        nobody.get(&format!("{path}?q=%20a%20b%20")).await.expect(200);
        nobody.get(&format!("{path}?q={}", "a".repeat(101))).await.invalid(&["query.q string_too_long"]);
        for (limit, kind) in [("0", "greater_than_equal"), ("26", "less_than_equal"), ("x", "int_parsing")] {
            nobody.get(&format!("{path}?q=ab&limit={limit}")).await.invalid(&[&format!("query.limit {kind}")]);
        }
        nobody.get(&format!("{path}?q=a%00b")).await.invalid(&["query.q value_error"]);
    }
    nobody.get(&format!("medicines/{}", Uuid::new_v4())).await.refused_plainly(404);
    nobody.get("medicines/x").await.invalid(&["path.medicine_id uuid_parsing"]);
}

#[tokio::test]
async fn ten_are_shown_unless_more_are_asked_for() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let (mut medicines, mut tests) = ("name,form,provider\n".to_owned(), "name,code,provider\n".to_owned());
    for number in 10..22 {
        medicines.push_str(&format!("Measure {number},tablet,p\n"));
        tests.push_str(&format!("Measure {number},M{number},p\n"));
    }
    for file in [medicines, tests] {
        assert_eq!(bring(&app, file).await.unwrap().written.new, 12);
    }
    for path in ["medicines/search", "lab-tests/catalog/search"] {
        for (query, count) in [("q=measure", 10), ("q=measure&limit=12", 12)] {
            let found = nobody.get(&format!("{path}?{query}")).await.expect(200);
            assert_eq!(found.as_array().unwrap().len(), count, "{path}?{query}");
        }
    }
}

#[tokio::test]
async fn importing_again_changes_nothing_and_a_change_keeps_the_id() {
    let app = app_with_samples().await;
    let nobody = app.nobody();
    assert_eq!(nobody.get("medicines/search?q=dolo").await.expect(200), json!([]));
    let outcome = bring(&app, made_up::sample(Catalogue::Medicines)).await.unwrap();
    assert_eq!((outcome.lines, outcome.written.new, outcome.written.changed), (80, 0, 0));
    let outcome = bring(&app, made_up::sample(Catalogue::LabTests)).await.unwrap();
    assert_eq!((outcome.lines, outcome.written.new, outcome.written.changed), (76, 0, 0));

    let old = nobody.get("medicines/search?q=paracetamol%20500").await.expect(200)[0].clone();
    let file = "name,form,provider,uses\nParacetamol 500 Tablet,Tablet,sample,Fever\nDolo 650,tablet,sample,\n";
    let outcome = bring(&app, file).await.unwrap();
    assert_eq!((outcome.catalogue, outcome.lines), (Catalogue::Medicines, 2));
    assert_eq!((outcome.written.new, outcome.written.changed), (1, 1));
    let shown = nobody.get(&format!("medicines/{}", text(&old["id"]))).await.expect(200);
    assert_eq!((&shown["uses"], &shown["product_introduction"]), (&json!(["Fever"]), &Value::Null));
}

#[tokio::test]
async fn one_bad_line_is_reported_with_its_number_and_nothing_is_half_done() {
    let app = TestApp::start().await;
    // More than a batch of good lines before the bad ones.
    let mut file = "name,form,provider\n".to_owned();
    for number in 2..=1_200 {
        file.push_str(&format!("Medicine {number},tablet,p\n"));
    }
    file.push_str(",tablet,p\nMedicine 7,syrup,p\nLast,tablet,p\nShort,tablet\n");
    let Err(Refused::Lines { first, all }) = bring(&app, file).await else { panic!("it was taken") };
    let bad = |line, why: &str| BadLine { line, why: why.to_owned() };
    assert_eq!(all, 3);
    assert_eq!(
        first,
        [
            bad(1_201, "name: is missing"),
            bad(1_202, "name: stands already in line 7"),
            bad(1_204, "2 fields, where the header has 3")
        ]
    );
    assert_eq!(app.nobody().get("medicines/search?q=medicine").await.expect(200), json!([]));

    let Err(Refused::Lines { first, .. }) = bring(&app, "a,b\n1,2\n").await else { panic!("it was taken") };
    assert_eq!(first[0].line, 1);
    let broken = [b"name,form,provider\n".as_slice(), &[0xff, 0xfe], b",tablet,p\n"].concat();
    let Err(Refused::Lines { first, .. }) = bring(&app, broken).await else { panic!("it was taken") };
    assert_eq!(first, [bad(2, "name: is not UTF-8")]);
}

#[tokio::test]
async fn a_made_up_file_is_a_file_to_import() {
    let app = TestApp::start().await;
    let mut file = Vec::new();
    made_up::write(Catalogue::Medicines, Some(1_200), &mut file).unwrap();
    let outcome = bring(&app, file).await.unwrap();
    assert_eq!((outcome.lines, outcome.written.new), (1_200, 1_200));
    let mut file = Vec::new();
    made_up::write(Catalogue::LabTests, None, &mut file).unwrap();
    let outcome = bring(&app, file).await.unwrap();
    assert_eq!((outcome.lines, outcome.written.new), (1_935, 1_935));
    let found = app.nobody().get("medicines/search?q=tablet&limit=25").await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 25);
}
