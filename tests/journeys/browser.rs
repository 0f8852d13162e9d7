//! A consultation in real browsers: the patient's app on a phone, the doctor's on a desktop, from sign-in to
//! review and follow-up, with the server killed and started again in the middle of the chat. Pictures of each moment
//! stay in `target/screenshots`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::http::Method;
use consilium_storage::testing;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::afterwards;
use crate::support::browser::{Driver, Page, Screen, screenshots};
use crate::support::process::{Server, http_client};

const PATIENT: &str = "+919900000001";
const OTHER_PATIENT: &str = "+919900000002";

#[tokio::test]
async fn a_consultation_in_two_browsers() {
    let database = testing::database().await;
    let mut server = Server::start(&database.url, screenshots().join("server.log")).await;
    let driver = Driver::start().await;
    let patient = driver.open("patient", Screen::Phone).await;
    let doctor = driver.open("doctor", Screen::Desktop).await;
    let journey = AssertUnwindSafe(consultation(&mut server, &patient, &doctor)).catch_unwind().await;
    // The browsers are not the driver's children to end: they are closed also when the journey failed.
    patient.close().await;
    doctor.close().await;
    if let Err(failure) = journey {
        std::panic::resume_unwind(failure);
    }
}

async fn consultation(server: &mut Server, patient: &Page, doctor: &Page) {
    sign_in(&server.url(), patient, doctor).await;
    let name = presence_is_live(patient, doctor).await;
    top_up(patient).await;
    request_and_accept(&name, patient, doctor).await;
    chat(patient, doctor).await;
    survive_a_kill(server, patient, doctor).await;
    a_second_patient(&server.url(), doctor).await;
    video_permission(patient, doctor).await;
    attachments(patient, doctor).await;
    reload(patient, doctor).await;
    plan(patient, doctor).await;
    end(patient, doctor).await;
    afterwards::review(patient, doctor).await;
    afterwards::followup(patient, doctor).await;
    open_pdf(patient, "15-pdf").await;
    patient.click("back-to-doctors").await;
    afterwards::another_followup(&name, patient, doctor).await;
    wallet(patient).await;
    for page in [patient, doctor] {
        // The media client asks a server that is not there why it is not there.
        let faults: Vec<String> = page.faults().await.into_iter().filter(|f| !f.contains(":7880/")).collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

async fn sign_in(url: &str, patient: &Page, doctor: &Page) {
    doctor.goto(&format!("{url}/demo")).await;
    doctor.see_text("ready", "ready").await;
    doctor.screenshot("00-landing").await;
    doctor.goto(&format!("{url}/demo/doctor")).await;
    doctor.click("demo-doctor-1").await;
    doctor.click("sign-in").await;
    doctor.see("desk").await;
    patient.goto(&format!("{url}/demo/patient")).await;
    patient.write("phone", PATIENT).await;
    patient.screenshot("01-sign-in").await;
    patient.click("request-code").await;
    patient.click("fetch-code").await;
    patient.see_matching("[data-test=\"verify-code\"]:focus").await;
    patient.click("verify-code").await;
    patient.see("doctor").await;
}

/// The patient's list follows the doctor's switch without a reload. Returns the doctor's name.
async fn presence_is_live(patient: &Page, doctor: &Page) -> String {
    doctor.see_matching("[data-test=\"own-presence\"][data-status]").await;
    let name = doctor.text("own-name").await;
    // Wherever the switch stood: off, then on.
    if doctor.see("online-switch").await.is_selected().await.unwrap() {
        doctor.click("online-switch").await;
    }
    doctor.see_text("own-presence", "Offline").await;
    doctor.click("online-switch").await;
    doctor.see_text("own-presence", "Online").await;
    seen_as(patient, &name, "Online").await;
    doctor.click("online-switch").await;
    seen_as(patient, &name, "Offline").await;
    doctor.click("online-switch").await;
    seen_as(patient, &name, "Online").await;
    patient.screenshot("02-doctors").await;
    name
}

async fn seen_as(patient: &Page, name: &str, status: &str) {
    patient.see_matching(&format!("[data-name=\"{name}\"] [data-status=\"{}\"]", status.to_uppercase())).await;
    patient.see_text("doctor", name).await;
}

/// The wallet, the sandbox's checkout, and back: what was bought is there, also in the bar.
async fn top_up(patient: &Page) {
    patient.see_text("purse", "₹171").await;
    patient.click("purse").await;
    patient.see_text("balance", "₹171").await;
    patient.click_text("offer", "Starter Pack").await;
    patient.screenshot("02-wallet").await;
    patient.click("top-up").await;
    patient.see_text("checkout-amount", "₹500").await;
    patient.screenshot("02-checkout").await;
    patient.click("pay-failed").await;
    patient.see_text("notice", "did not go through").await;
    patient.see_text("balance", "₹171").await;
    patient.click_text("offer", "Starter Pack").await;
    patient.click("top-up").await;
    patient.click("pay-success").await;
    patient.see_text("notice", "₹550 added").await;
    patient.see_text("balance", "₹721").await;
    patient.see_text("purse", "₹721").await;
    patient.see_text("move", "Bonus").await;
    patient.screenshot("02-topped-up").await;
    patient.click("wallet-back").await;
    patient.see("doctor").await;
}

async fn request_and_accept(name: &str, patient: &Page, doctor: &Page) {
    patient.click_in("doctor", name, "consult").await;
    patient.write("symptoms", "back pain, fever since Monday").await;
    patient.screenshot("03-request").await;
    patient.click("request-confirm").await;
    patient.see_text("waiting", name).await;
    patient.screenshot("04-waiting").await;
    doctor.see_text("request", "back pain").await;
    doctor.title(|title| title.starts_with('●')).await;
    doctor.screenshot("05-ringing").await;
    doctor.click("accept").await;
    doctor.see("composer").await;
    patient.see("composer").await;
    doctor.gone("request").await;
    doctor.title(|title| !title.starts_with('●')).await;
    doctor.see_text("own-presence", "Busy").await;
}

async fn chat(patient: &Page, doctor: &Page) {
    doctor.write("composer", "Good evening, what is troubling you?").await;
    // Seen for some seconds after the last sign.
    patient.glimpse("typing", "is typing", async || doctor.write("composer", "?").await).await;
    patient.screenshot("06-typing").await;
    doctor.click("send").await;
    patient.see_text("message-theirs", "what is troubling you?").await;
    patient.gone("typing").await;
    doctor.see_matching("[data-test=\"message-mine\"][data-state=\"read\"]").await;
    patient.write("composer", "My back hurts, and I have had a fever since Monday.\n").await;
    doctor.see_text("message-theirs", "fever since Monday").await;
    patient.see_matching("[data-test=\"message-mine\"][data-state=\"read\"]").await;
    patient.screenshot("07-chat").await;
    doctor.screenshot("07-chat").await;
}

/// A message that is written while the server is dead waits, and is sent once when it is back.
async fn survive_a_kill(server: &mut Server, patient: &Page, doctor: &Page) {
    server.kill().await;
    patient.write("composer", "Are you still there?\n").await;
    patient.see_matching("[data-test=\"message-mine\"][data-state=\"pending\"]").await;
    patient.see_text("link-state", "Reconnecting").await;
    patient.screenshot("08-server-gone").await;
    server.restart().await;
    doctor.see_text("message-theirs", "Are you still there?").await;
    patient.gone("link-state").await;
    patient.see_matching("[data-test=\"messages\"] > :last-child[data-state=\"read\"]").await;
    assert_eq!(patient.count("message-mine").await, 2);
    assert_eq!(doctor.count("message-theirs").await, 2);
}

/// Another patient, over REST, while the first conversation is open: the desk counts what is unread.
async fn a_second_patient(url: &str, doctor: &Page) {
    let other = Rest::sign_in(url, OTHER_PATIENT).await;
    let active = other.call(Method::GET, "/doctors/all_doctors_list?status=BUSY", None).await;
    let request = json!({"target_doctor_id": active[0]["id"], "symptoms": ["rash"]});
    let session = other.call(Method::POST, "/connect/sessions", Some(request)).await;
    let path = format!("/connect/sessions/{}", session["session_id"].as_str().unwrap());
    doctor.click_in("request", "rash", "accept").await;
    doctor.see_matching("[data-test=\"messages\"]:empty").await;
    doctor.click_text("case", "there?").await;
    doctor.see_text("message-theirs", "Are you still there?").await;
    for content in ["It itches.", "Since yesterday."] {
        let message = json!({"client_message_id": Uuid::new_v4(), "content_type": "text", "content": content});
        other.call(Method::POST, &format!("{path}/messages"), Some(message)).await;
    }
    doctor.see_text("unread", "2").await;
    doctor.screenshot("09-unread").await;
    doctor.click_text("case", "Since yesterday.").await;
    doctor.see_text("message-theirs", "Since yesterday.").await;
    doctor.gone("unread").await;
    other.call(Method::POST, &format!("{path}/end"), None).await;
    doctor.see("summary").await;
    doctor.click("dismiss").await;
    doctor.click("case").await;
    doctor.see("composer").await;
}

/// A patient without an app.
struct Rest {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Rest {
    async fn sign_in(url: &str, phone: &str) -> Self {
        let mut rest = Self { client: http_client(), base: format!("{url}/api/v2"), token: String::new() };
        rest.call(Method::POST, "/auth/request-otp", Some(json!({"phone": phone}))).await;
        let inbox = format!("{url}/dev/inbox.json?channel=sms&to={}", phone.replace('+', "%2B"));
        let deadline = Instant::now() + Duration::from_secs(20);
        let code = loop {
            let sms: Value = rest.client.get(&inbox).send().await.unwrap().json().await.unwrap();
            if let Some(item) = sms["items"].as_array().unwrap().last() {
                break item["code"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "no code arrived");
            sleep(Duration::from_millis(50)).await;
        };
        let pair = rest.call(Method::POST, "/auth/verify-otp", Some(json!({"phone": phone, "code": code}))).await;
        rest.token = pair["access_token"].as_str().unwrap().to_owned();
        rest
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path} answered {}", answer.status());
        answer.json().await.unwrap()
    }
}

async fn video_permission(patient: &Page, doctor: &Page) {
    doctor.click("video-allow").await;
    patient.see("video-accept").await;
    patient.screenshot("09-invited-to-video").await;
    patient.click("video-accept").await;
    both_see("VIDEO_ON", patient, doctor).await;
    // No media server runs here: the apps say so, and go on.
    patient.see_text("call-status", "No media server").await;
    patient.screenshot("10-video-on").await;
    doctor.screenshot("10-video-on").await;
    patient.click("video-off").await;
    both_see("VIDEO_OFF", patient, doctor).await;
    patient.click("video-on").await;
    both_see("VIDEO_ON", patient, doctor).await;
    doctor.click("video-revoke").await;
    both_see("NOT_ALLOWED", patient, doctor).await;
    doctor.click("video-allow").await;
    patient.click("video-decline").await;
    both_see("DECLINED_BY_PATIENT", patient, doctor).await;
}

async fn both_see(state: &str, patient: &Page, doctor: &Page) {
    let selector = format!("[data-test=\"video\"][data-state=\"{state}\"]");
    patient.see_matching(&selector).await;
    doctor.see_matching(&selector).await;
}

/// A picture from the patient, a text from the doctor: each sees the other's at once.
async fn attachments(patient: &Page, doctor: &Page) {
    patient.choose("attach-file", &screenshots().join("patient-07-chat.png")).await;
    for page in [patient, doctor] {
        page.see_text("attachment", "patient-07-chat.png").await;
        page.see_picture("attachment-picture").await;
    }
    let plan = screenshots().join("plan.txt");
    std::fs::write(&plan, "Rest, and a walk each day.").unwrap();
    doctor.choose("attach-file", &plan).await;
    patient.see_text("attachment", "plan.txt").await;
    doctor.see_matching("[data-test=\"messages\"] > :last-child[data-state=\"read\"]").await;
    patient.screenshot("11-attachments").await;
    doctor.screenshot("11-attachments").await;
}

/// A reload finds the way back into the consultation, with its history.
async fn reload(patient: &Page, doctor: &Page) {
    patient.reload().await;
    patient.see_text("message-theirs", "what is troubling you?").await;
    patient.see_picture("attachment-picture").await;
    doctor.write("composer", "Take some rest, and write to me on Friday.\n").await;
    patient.see_text("message-theirs", "on Friday").await;
    doctor.see_matching("[data-test=\"messages\"] > :last-child[data-state=\"read\"]").await;
}

/// The doctor prescribes with suggestions, which understand a typo, and recommends a test; the patient sees both at once.
async fn plan(patient: &Page, doctor: &Page) {
    doctor.click("write-prescription").await;
    doctor.write("row-name", "paracetmol 650").await;
    doctor.click_text("suggestion", "Paracetamol 650 Tablet").await;
    doctor.write("row-dosage", "½ – 0 – 1").await;
    doctor.write("row-duration", "3 days").await;
    doctor.write("row-instructions", "खाने के बाद").await;
    doctor.click("add-row").await;
    doctor.write("row-name", "oral reh").await;
    doctor.screenshot("11-suggestions").await;
    doctor.click_text("suggestion", "Oral Rehydration Salts Powder").await;
    doctor.write("row-dosage", "1 sachet in 1 litre").await;
    doctor.write("plan-notes", "Drink it over the day. About ₹ 60.").await;
    doctor.screenshot("11-prescription").await;
    doctor.click("prescription-form-save").await;
    doctor.see_text("prescription", "Oral Rehydration Salts Powder").await;
    patient.see_text("prescription", "खाने के बाद").await;
    doctor.click("recommend-tests").await;
    doctor.write("row-test_name", "cbc").await;
    doctor.click_text("suggestion", "Complete Blood Count (CBC)").await;
    doctor.click("tests-form-save").await;
    patient.see_text("lab-tests", "Complete Blood Count (CBC)").await;
    patient.screenshot("11-plan").await;
    doctor.screenshot("11-plan").await;
    open_pdf(doctor, "11-pdf").await;
}

/// In a window of its own.
async fn open_pdf(page: &Page, moment: &str) {
    page.click("open-pdf").await;
    let address = page.second_window("/files/signed/prescriptions/", moment).await;
    let pdf = http_client().get(&address).send().await.unwrap();
    assert_eq!(pdf.headers()["content-type"], "application/pdf");
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF"));
}

async fn end(patient: &Page, doctor: &Page) {
    doctor.click("end-session").await;
    doctor.write("end-note", "Rest, fluids, review on Friday.").await;
    doctor.screenshot("11-ending").await;
    doctor.click("end-confirm").await;
    doctor.see("summary").await;
    patient.see("summary").await;
    for page in [patient, doctor] {
        assert!(page.text("duration").await.ends_with('s'), "the duration is shown");
        assert!(page.text("amount").await.contains('₹'), "the amount is shown");
        page.screenshot("12-summary").await;
    }
    for page in [patient, doctor] {
        page.see_text("prescription", "Paracetamol 650 Tablet").await;
    }
    doctor.see_text("own-presence", "Online").await;
}

/// What the consultation took is in the wallet's list, and no longer in the bar.
async fn wallet(patient: &Page) {
    patient.see("doctor").await;
    patient.click("purse").await;
    patient.see_matching("[data-test=\"move\"]:first-child[data-type=\"SESSION_DEBIT\"]").await;
    assert_eq!(patient.text("purse").await, patient.text("balance").await);
    patient.screenshot("17-wallet").await;
}
