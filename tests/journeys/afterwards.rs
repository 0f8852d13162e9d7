//! What comes after the end, in both browsers: the patient's review and the doctor's reply, a follow-up accepted and
//! called off, and another one at the patient's time. Each side sees the other's word without a reload.

use serde_json::json;

use crate::support::browser::Page;

/// Stars in halves, and words that stay words; the doctor replies.
pub(super) async fn review(patient: &Page, doctor: &Page) {
    patient.click("rate-4.5").await;
    patient.write("review-comment", "Explained everything. <b>Thank you!</b>").await;
    patient.screenshot("13-review").await;
    patient.click("leave-review").await;
    patient.see_text("review-text", "<b>Thank you!</b>").await;
    patient.see_matching("[data-test=\"review\"] [data-rating=\"4.5\"]").await;
    doctor.see_text("review-text", "Explained everything.").await;
    doctor.click("reply").await;
    doctor.write("reply-text", "Get well soon.").await;
    doctor.screenshot("13-reply").await;
    doctor.click("reply-form-save").await;
    doctor.see_text("review-reply", "Get well soon.").await;
    patient.see_text("review-reply", "Get well soon.").await;
}

/// The patient, who still looks at the summary, is asked and accepts.
pub(super) async fn followup(patient: &Page, doctor: &Page) {
    schedule(doctor).await;
    patient.see_text("followup-state", "does this suit you?").await;
    patient.screenshot("14-followup").await;
    patient.click_in("followup", "Follow-up", "followup-accept").await;
    patient.see_text("followup-state", "Agreed.").await;
    doctor.see_text("followup-state", "Agreed.").await;
    doctor.see_text("followup-row", "Agreed.").await;
    doctor.screenshot("14-followup").await;
}

/// On the home page: the first one goes when the doctor calls it off, the next one comes, and the patient would rather
/// have another time. Ends on the home page.
pub(super) async fn another_followup(name: &str, patient: &Page, doctor: &Page) {
    patient.see_text("followup-row", name).await;
    doctor.click_in("followup", "Agreed.", "followup-cancel").await;
    doctor.write("followup-reason", "I am away that day.").await;
    doctor.click("cancel-followup-confirm").await;
    doctor.see_text("followup-state", "You have cancelled it.").await;
    patient.gone("followup-row").await;
    schedule(doctor).await;
    patient.click_in("followup-row", name, "followup-propose").await;
    set_time(patient, "followup-time", "16:00").await;
    patient.screenshot("16-another-date").await;
    patient.click("followup-form-save").await;
    patient.see_text("followup-row-state", "You proposed").await;
    doctor.see_text("followup-state", "The patient proposes").await;
    doctor.screenshot("16-proposal").await;
    doctor.click_in("followup", ":00", "followup-agree").await;
    doctor.see_text("followup-state", "Agreed.").await;
    patient.see_text("followup-row-state", "Agreed.").await;
    patient.screenshot("16-home").await;
    // The way back to what the consultation left behind.
    patient.click("followup-open").await;
    patient.see_text("review-reply", "Get well soon.").await;
    patient.see_text("followup-state", "Agreed.").await;
    patient.click("back-to-doctors").await;
    patient.see("doctor").await;
}

/// Past the keyboard: whether the field has a clock of twelve or of 24 hours is the machine's choice.
async fn set_time(page: &Page, test: &str, time: &str) {
    let field = page.see(test).await;
    let script = "const [field, time] = arguments; field.value = time; \
                  field.dispatchEvent(new Event('input', { bubbles: true }));";
    let arguments = vec![json!(field), json!(time)];
    field.client().execute(script, arguments).await.unwrap();
}

/// For the day that the form suggests.
async fn schedule(doctor: &Page) {
    doctor.click("schedule-followup").await;
    doctor.click("followup-form-save").await;
    doctor.see_text("followup-state", "has not answered yet").await;
}
