//! The admin's page in a real browser: a category made, hidden and deleted, a doctor verified, an article published, a
//! dead letter tried again. What the page did is checked over REST, as others see it. Pictures stay in
//! `target/screenshots`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::TimeDelta;
use consilium_storage::clock::Clock;
use consilium_storage::database;
use consilium_storage::outbox::{self, NewJob};
use consilium_storage::push;
use consilium_storage::testing::{self, TestDb};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::browser::{Driver, Page, Screen, screenshots};
use crate::support::process::{Server, http_client};

#[tokio::test]
async fn an_admin_at_work() {
    let database = testing::database().await;
    let server = Server::start(&database.url, screenshots().join("server-admin.log")).await;
    let driver = Driver::start().await;
    let admin = driver.open("admin", Screen::Desktop).await;
    let journey = AssertUnwindSafe(work(&server.url(), &database, &admin)).catch_unwind().await;
    // The browser is not the driver's child to end: it is closed also when the journey failed.
    admin.close().await;
    if let Err(failure) = journey {
        std::panic::resume_unwind(failure);
    }
}

async fn work(url: &str, database: &TestDb, admin: &Page) {
    sign_in(url, admin).await;
    categories(admin).await;
    doctors(url, admin).await;
    news(url, admin).await;
    dead_letters(database, admin).await;
    admin.click("sign-out").await;
    admin.see("demo-admin").await;
    let faults = admin.faults().await;
    assert!(faults.is_empty(), "{faults:#?}");
}

async fn sign_in(url: &str, admin: &Page) {
    admin.goto(&format!("{url}/demo/admin")).await;
    admin.write("username", "admin").await;
    admin.write("password", "not-the-password\n").await;
    admin.see("notice").await;
    admin.reload().await;
    admin.click("demo-admin").await;
    admin.screenshot("01-sign-in").await;
    admin.click("sign-in").await;
    admin.see_text("category", "General health").await;
    admin.see_text("own-name", "Demo Admin").await;
}

async fn categories(admin: &Page) {
    admin.write("category-name", "Travel medicine").await;
    admin.write("category-description", "Vaccinations, tropical fevers\n").await;
    admin.see_text("category", "Travel medicine").await;
    // Taken already: what was typed stays.
    admin.write("category-name", "TRAVEL medicine\n").await;
    admin.see_text("notice", "There is a category of this name").await;
    admin.see_matching("[data-test=\"category\"][data-name=\"Travel medicine\"][data-active=\"true\"]").await;
    admin.click_in("category", "Travel medicine", "category-active").await;
    admin.see_matching("[data-test=\"category\"][data-name=\"Travel medicine\"][data-active=\"false\"]").await;
    admin.click_in("category", "Travel medicine", "category-edit").await;
    // The End key: a dialog's first field has the focus already, with the caret before what stands there.
    admin.write("edit-name", "\u{e010} and tropics").await;
    admin.click("edit-confirm").await;
    admin.see_text("category", "Travel medicine and tropics").await;
    admin.screenshot("02-categories").await;
    let before = admin.count("category").await;
    admin.click_in("category", "Travel medicine and tropics", "category-delete").await;
    admin.click("delete-confirm").await;
    admin.see_matching("[data-test=\"categories\"]:not(:has([data-name^=\"Travel\"]))").await;
    assert_eq!(admin.count("category").await, before - 1);
}

/// A doctor who is made is seen by patients when the admin says so, and no longer when switched off.
async fn doctors(url: &str, admin: &Page) {
    const NAME: &str = "Dr. Nila Bose";
    let row = |rest: &str| format!("[data-test=\"doctor\"][data-name=\"{NAME}\"]{rest}");
    admin.click("to-doctors").await;
    admin.see_text("doctor", "Dr. Ankit Shah").await;
    admin.click("doctor-new").await;
    admin.write("new-name", NAME).await;
    admin.write("new-email", "nila@clinic.example").await;
    admin.write("new-password", "first-pass-1").await;
    admin.click("new-save").await;
    admin.see_matching(&row("[data-verified=\"false\"]")).await;
    assert!(!seen(url, NAME).await);
    admin.click("show-false").await;
    admin.see_matching("[data-test=\"doctors\"] > :only-child").await;
    admin.screenshot("03-not-verified").await;
    admin.click_in("doctor", NAME, "doctor-verified").await;
    admin.see_matching("[data-test=\"doctors\"] > .empty").await;
    assert!(seen(url, NAME).await);
    admin.click("show-null").await;
    admin.write("doctor-search", "nila@").await;
    admin.see_matching(&row(":only-child")).await;
    admin.click_in("doctor", NAME, "doctor-active").await;
    admin.click("switch-off-confirm").await;
    admin.see_matching(&row("[data-active=\"false\"]")).await;
    admin.screenshot("04-switched-off").await;
    assert!(!seen(url, NAME).await);
}

/// Whether patients find the doctor.
async fn seen(url: &str, name: &str) -> bool {
    let list = read(&format!("{url}/api/v2/doctors/?limit=100")).await;
    list.as_array().unwrap().iter().any(|doctor| doctor["full_name"] == name)
}

async fn read(url: &str) -> Value {
    http_client().get(url).send().await.unwrap().json().await.unwrap()
}

async fn news(url: &str, admin: &Page) {
    admin.click("to-news").await;
    admin.see_text("event", "Health Awareness Webinar").await;
    admin.write("article-title", "Drink Enough").await;
    admin.write("article-excerpt", "Water, and how much of it.").await;
    admin.write("article-content", "Two litres on a hot day.").await;
    admin.click("article-publish").await;
    admin.see_text("article", "Drink Enough").await;
    admin.screenshot("05-news").await;
    let first =
        || async { read(&format!("{url}/api/v2/community/articles?limit=1")).await["items"][0]["title"].clone() };
    assert_eq!(first().await, "Drink Enough");
    admin.click_in("article", "Drink Enough", "article-delete").await;
    admin.click("delete-confirm").await;
    admin.gone_text("article", "Drink Enough").await;
    admin.see_text("article", "5 Tips for Better Sleep").await;
    assert_eq!(first().await, "5 Tips for Better Sleep");
}

/// Two letters that failed: one of a device that is gone meanwhile, which is done when it is tried again, and one that
/// nobody can read, which is dead again.
async fn dead_letters(database: &TestDb, admin: &Page) {
    admin.click("to-outbox").await;
    admin.see_text("no-letters", "Everything has been sent").await;
    let gone = json!({"device_id": uuid::Uuid::now_v7(), "event": "review.reply"});
    let curable = bury(database, gone, "refused: status 403 SENDER_ID_MISMATCH").await;
    let incurable = bury(database, json!({}), "given up").await;
    admin.click("to-categories").await;
    admin.click("to-outbox").await;
    admin.see_text("letter", "SENDER_ID_MISMATCH").await;
    admin.see_text("figure", "2").await;
    admin.screenshot("06-dead-letters").await;
    admin.click_in("letter", "SENDER_ID_MISMATCH", "retry").await;
    admin.see_text("notice", "1 to be tried again").await;
    admin.gone_text("letter", &format!("no. {curable}")).await;
    admin.click_in("letter", &format!("no. {incurable}"), "retry").await;
    let mut conn = database::connect_once(&database.options).await.unwrap();
    // Tried again, as its reason is another one.
    let tried = [(incurable, true, Some("a payload that is none".to_owned()))];
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut left = Vec::new();
        for dead in [true, false] {
            let entries = outbox::list(&mut conn, dead, None, 10).await.unwrap();
            left.extend(entries.into_iter().map(|entry| (entry.id, dead, entry.last_error)));
        }
        if left == tried {
            break;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        sleep(Duration::from_millis(50)).await;
    }
    database::disconnect(conn).await;
    // The page looks again by itself.
    admin.see_text("letter", &format!("no. {incurable}")).await;
}

/// A letter that died before its time came; answers its number.
async fn bury(database: &TestDb, payload: Value, error: &str) -> i64 {
    let mut conn = database::connect_once(&database.options).await.unwrap();
    let now = Clock::system().now();
    let far = now + TimeDelta::days(1);
    let job = NewJob { kind: push::KIND, topic: None, payload, due_at: far, expires_at: None };
    outbox::insert_many(&mut conn, &[job], now).await.unwrap();
    let taken = outbox::take(&mut conn, push::KIND, far, TimeDelta::seconds(1), 1).await.unwrap();
    outbox::bury(&mut conn, &taken[0], now, Some(error)).await.unwrap();
    database::disconnect(conn).await;
    taken[0].id
}
