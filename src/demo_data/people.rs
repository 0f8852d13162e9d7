//! Who is in the demo: made-up people, as real as names can be.

use consilium_storage::accounts::patients::Sex;

pub(super) struct Doctor {
    pub(super) name: &'static str,
    pub(super) speciality: &'static str,
    pub(super) degrees: &'static [&'static str],
    pub(super) years: i32,
    pub(super) languages: &'static [&'static str],
    pub(super) registration: &'static str,
    /// Paise a minute.
    pub(super) rate: i32,
    pub(super) featured: bool,
    pub(super) about: &'static str,
}

/// `doctor1@demo.example` and on.
pub(super) const DOCTORS: [Doctor; 6] = [
    Doctor {
        name: "Dr. Ankit Shah",
        speciality: "Urology",
        degrees: &["MBBS", "MS", "MCh Urology"],
        years: 12,
        languages: &["English", "Hindi", "Gujarati"],
        registration: "DEMO-G-28417",
        rate: 500,
        featured: true,
        about: "Kidney stones, prostate and urinary infections. Explains findings in plain words.",
    },
    Doctor {
        name: "Dr. Meera Iyer",
        speciality: "Dermatology",
        degrees: &["MBBS", "MD Dermatology"],
        years: 9,
        languages: &["English", "Tamil", "Hindi"],
        registration: "DEMO-T-51930",
        rate: 800,
        featured: true,
        about: "Skin, hair and nails of adults and children. Photographs in good light help a lot.",
    },
    Doctor {
        name: "Dr. Rohan Kulkarni",
        speciality: "General Medicine",
        degrees: &["MBBS", "MD"],
        years: 18,
        languages: &["English", "Hindi", "Marathi"],
        registration: "DEMO-M-10442",
        rate: 300,
        featured: false,
        about: "Fever, cough, blood pressure, diabetes: the first call when it is unclear who to ask.",
    },
    Doctor {
        name: "Dr. Farah Khan",
        speciality: "Paediatrics",
        degrees: &["MBBS", "DCH"],
        years: 7,
        languages: &["English", "Urdu", "Hindi"],
        registration: "DEMO-D-77215",
        rate: 600,
        featured: false,
        about: "Newborns to teenagers: growth, vaccination, infections, and worried parents.",
    },
    Doctor {
        name: "Dr. Grace Thomas",
        speciality: "Psychiatry",
        degrees: &["MBBS", "MD Psychiatry"],
        years: 15,
        languages: &["English", "Malayalam"],
        registration: "DEMO-K-33608",
        rate: 1200,
        featured: false,
        about: "Anxiety, sleep and low mood. Takes time to listen.",
    },
    Doctor {
        name: "Dr. Sukhdev Gill",
        speciality: "Cardiology",
        degrees: &["MBBS", "MD", "DM Cardiology"],
        years: 22,
        languages: &["English", "Punjabi", "Hindi"],
        registration: "DEMO-P-09921",
        rate: 1500,
        featured: false,
        about: "Chest pain, palpitations, high pressure, and second opinions before an intervention.",
    },
];

pub(super) struct Patient {
    pub(super) name: &'static str,
    /// Age and sex; the one without has an incomplete profile.
    pub(super) profile: Option<(i32, Sex, f64, f64)>,
    pub(super) avatar: &'static str,
}

/// `+919900000001` and on.
pub(super) const PATIENTS: [Patient; 5] = [
    Patient { name: "Rahul Sharma", profile: Some((28, Sex::Male, 175.0, 72.5)), avatar: "av_01" },
    Patient { name: "Asha Rao", profile: Some((34, Sex::Female, 162.0, 58.0)), avatar: "av_02" },
    Patient { name: "Imran Qureshi", profile: Some((45, Sex::Male, 170.0, 81.0)), avatar: "av_04" },
    Patient { name: "Priya Nair", profile: Some((23, Sex::Female, 158.0, 51.5)), avatar: "av_06" },
    Patient { name: "Kiran Das", profile: None, avatar: "av_10" },
];

/// Health categories: name and a sentence.
pub(super) const CATEGORIES: [(&str, &str); 10] = [
    ("General health", "Fever, cough, tiredness, and whatever fits nowhere else"),
    ("Skin and hair", "Rashes, acne, hair loss"),
    ("Urinary health", "Burning, stones, frequent urination"),
    ("Heart and circulation", "Blood pressure, palpitations, chest pain"),
    ("Child health", "Newborns to teenagers"),
    ("Women's health", "Cycle, pregnancy, menopause"),
    ("Mental health", "Sleep, anxiety, low mood"),
    ("Bones and joints", "Back, knees, sprains"),
    ("Stomach and digestion", "Acidity, pain, diarrhoea"),
    ("Diabetes and thyroid", "Sugar, weight, hormones"),
];
