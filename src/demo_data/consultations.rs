//! What was said in the demo's past consultations.

use consilium_storage::connect::Party::{self, Client, Doctor};

pub(super) struct Consultation {
    /// Which of the demo's patients and doctors, from 0.
    pub(super) patient: usize,
    pub(super) doctor: usize,
    /// How many days and hours ago it began.
    pub(super) days_ago: i64,
    pub(super) hour: i64,
    pub(super) seconds: i32,
    pub(super) category: &'static str,
    pub(super) symptoms: &'static [&'static str],
    pub(super) lines: &'static [(Party, &'static str)],
    pub(super) review: Option<(f64, &'static str)>,
    pub(super) plan: Option<Plan>,
}

/// What the doctor prescribed and recommended.
pub(super) struct Plan {
    /// Name, dosage, duration, instructions.
    pub(super) medications: &'static [[&'static str; 4]],
    pub(super) notes: &'static str,
    /// Lab tests and how to prepare.
    pub(super) tests: &'static [[&'static str; 2]],
}

/// The oldest first, as each person's inbox has them.
pub(super) const CONSULTATIONS: [Consultation; 7] = [
    Consultation {
        patient: 2,
        doctor: 5,
        days_ago: 21,
        hour: 3,
        seconds: 1805,
        category: "Heart and circulation",
        symptoms: &["High blood pressure"],
        lines: &[
            (Client, "My readings at home are around 150 over 95 for two weeks."),
            (Doctor, "Do you take them sitting, after five minutes of rest?"),
            (Client, "Yes, morning and evening."),
            (Doctor, "Good. Less salt, a walk every day, and a control in ten days. Bring the list of readings."),
        ],
        review: Some((5.0, "Took the time to look at every reading")),
        plan: None,
    },
    Consultation {
        patient: 0,
        doctor: 0,
        days_ago: 14,
        hour: 5,
        seconds: 2227,
        category: "Urinary health",
        symptoms: &["Burning", "Frequent urination"],
        lines: &[
            (Client, "Hello doctor, it burns since yesterday."),
            (Doctor, "Any fever, or pain in the back?"),
            (Client, "No fever, no pain."),
            (Doctor, "Then drink plenty, and give a urine sample tomorrow morning. I will look at the result."),
            (Client, "Thank you, I will."),
        ],
        review: Some((5.0, "Explained everything")),
        plan: Some(Plan {
            medications: &[
                [
                    "Nitrofurantoin 100 Capsule",
                    "1-0-1",
                    "5 days",
                    "With food. Urine may turn brown, which is harmless.",
                ],
                ["Paracetamol 500 Tablet", "1 tablet, at most 3 a day", "3 days", "Only with pain"],
            ],
            notes: "Three litres of water a day. Write at once with fever or pain in the back.",
            tests: &[
                ["Urine Examination, Routine", "First urine of the morning"],
                ["Urine Culture and Sensitivity", ""],
            ],
        }),
    },
    Consultation {
        patient: 1,
        doctor: 1,
        days_ago: 12,
        hour: 8,
        seconds: 754,
        category: "Skin and hair",
        symptoms: &["Rash on the forearm"],
        lines: &[
            (Client, "The rash came after gardening."),
            (Doctor, "Does it itch? Any blisters?"),
            (Client, "It itches, no blisters."),
            (Doctor, "Looks like contact dermatitis. Cool compresses, and gloves next time."),
        ],
        review: Some((4.5, "Quick and friendly")),
        plan: None,
    },
    Consultation {
        patient: 3,
        doctor: 2,
        days_ago: 9,
        hour: 2,
        seconds: 42,
        category: "General health",
        symptoms: &["Cough"],
        lines: &[
            (Client, "Sorry, the connection is bad, I will ask again tonight."),
            (Doctor, "No problem, get well."),
        ],
        review: None,
        plan: None,
    },
    Consultation {
        patient: 1,
        doctor: 0,
        days_ago: 6,
        hour: 6,
        seconds: 1130,
        category: "Urinary health",
        symptoms: &["Pain in the flank"],
        lines: &[
            (Client, "The pain comes in waves, on the left side."),
            (Doctor, "That sounds like a small stone. Please have an ultrasound today."),
            (Client, "Is it dangerous?"),
            (Doctor, "Mostly not. With fever or vomiting go to the emergency room at once."),
        ],
        review: Some((4.0, "Clear advice, I would have liked a little more time")),
        plan: None,
    },
    Consultation {
        patient: 0,
        doctor: 2,
        days_ago: 3,
        hour: 4,
        seconds: 3723,
        category: "General health",
        symptoms: &["Fever", "Headache"],
        lines: &[
            (Client, "38.5 since last night, and a headache."),
            (Doctor, "Can you put your chin on your chest?"),
            (Client, "Yes, without trouble."),
            (Doctor, "Good. Rest, fluids, paracetamol. If it lasts beyond three days we test."),
        ],
        review: Some((5.0, "Calm and thorough")),
        plan: Some(Plan {
            medications: &[
                ["Paracetamol 650 Tablet", "1-1-1", "3 days", "With fever above 38 °C / बुखार होने पर, खाने के बाद"],
                ["Oral Rehydration Salts Powder", "1 sachet in 1 litre", "3 days", "Drink it over the day"],
                ["Vitamin D3 60000IU Capsule", "1 capsule a week", "8 weeks", "With the largest meal"],
            ],
            notes: "Rest, and drink plenty. आराम करें और खूब पानी पिएँ।\nThe three together cost about ₹ 180.",
            tests: &[["Complete Blood Count (CBC)", "If the fever lasts beyond three days"]],
        }),
    },
    Consultation {
        patient: 3,
        doctor: 3,
        days_ago: 1,
        hour: 7,
        seconds: 905,
        category: "Child health",
        symptoms: &["Vaccination questions"],
        lines: &[
            (Client, "My son missed the shot at nine months."),
            (Doctor, "Nothing lost: we give it now and keep the others as planned."),
            (Client, "That is a relief."),
        ],
        review: None,
        plan: None,
    },
];
