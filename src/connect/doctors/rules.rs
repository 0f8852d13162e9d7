//! Pure rules of the doctors' endpoints.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::http::calendar::start_of_day;

/// What a doctor may call their speciality (connect-v2 32). An admin may name others.
pub const SPECIALITIES: [&str; 26] = [
    "General Medicine",
    "Ayurveda",
    "Cardiology",
    "Dentistry",
    "Dermatology",
    "Diabetology",
    "Endocrinology",
    "ENT",
    "Gastroenterology",
    "General Surgery",
    "Gynecology",
    "Homeopathy",
    "Nephrology",
    "Neurology",
    "Nutrition",
    "Oncology",
    "Ophthalmology",
    "Orthopedics",
    "Pediatrics",
    "Physiotherapy",
    "Psychiatry",
    "Psychology",
    "Pulmonology",
    "Rheumatology",
    "Sexology",
    "Urology",
];

/// What a doctor may say to speak (connect-v2 32): English and the languages of the eighth schedule.
pub const LANGUAGES: [&str; 23] = [
    "English",
    "Assamese",
    "Bengali",
    "Bodo",
    "Dogri",
    "Gujarati",
    "Hindi",
    "Kannada",
    "Kashmiri",
    "Konkani",
    "Maithili",
    "Malayalam",
    "Manipuri",
    "Marathi",
    "Nepali",
    "Odia",
    "Punjabi",
    "Sanskrit",
    "Santali",
    "Sindhi",
    "Tamil",
    "Telugu",
    "Urdu",
];

/// What is looked for: the title that nearly every doctor's name begins with is left out, unless it is all there is.
#[must_use]
pub fn search_words(text: &str) -> String {
    let text = text.to_lowercase();
    let telling: Vec<&str> = text.split_whitespace().filter(|word| !matches!(*word, "dr" | "dr.")).collect();
    if telling.is_empty() { text } else { telling.join(" ") }
}

/// Where the day of `now` begins and ends in this zone.
#[must_use]
pub fn day_borders(now: DateTime<Utc>, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
    let today = now.with_timezone(&zone).date_naive();
    let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
    (start_of_day(today, zone), start_of_day(tomorrow, zone))
}

/// Where a calendar day begins in UTC.
#[must_use]
pub fn utc_midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        let now = at("2026-02-11T19:30:00Z");
        let utc = (at("2026-02-11T00:00:00Z"), at("2026-02-12T00:00:00Z"));
        assert_eq!(day_borders(now, Tz::UTC), utc);
        let india = (at("2026-02-11T18:30:00Z"), at("2026-02-12T18:30:00Z"));
        assert_eq!(day_borders(now, Tz::Asia__Kolkata), india);
        // The clocks of Beirut skip from midnight to one.
        let short = (at("2026-03-28T22:00:00Z"), at("2026-03-29T21:00:00Z"));
        assert_eq!(day_borders(at("2026-03-29T12:00:00Z"), Tz::Asia__Beirut), short);
    }

    #[test]
    fn titles_are_not_looked_for() {
        assert_eq!(search_words("Dr. Ankit  Shah"), "ankit shah");
        assert_eq!(search_words("dr"), "dr");
        assert_eq!(search_words("Urology"), "urology");
    }
}
