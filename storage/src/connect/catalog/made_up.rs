//! A made-up catalogue of any size, the same each time: names built as real ones are, for measuring. Nothing in it is
//! medical advice.

use std::collections::HashSet;

use super::lab_tests::NewLabTest;
use super::medicines::NewMedicine;

/// How many medicines the source of the contract has.
pub const MEDICINES: usize = 31_200;
/// How many lab tests.
pub const LAB_TESTS: usize = 1_935;

const SYLLABLES: [&str; 56] = [
    "am", "ox", "cla", "az", "ith", "do", "lo", "par", "ce", "ta", "met", "for", "glu", "tri", "pan", "to", "pra",
    "zol", "ra", "be", "me", "lev", "o", "ci", "pro", "flo", "xa", "mon", "te", "lu", "kast", "at", "or", "va", "ros",
    "u", "sta", "tin", "ben", "ny", "dex", "na", "sa", "vil", "da", "ter", "ki", "bro", "mu", "ca", "zi", "fen", "qui",
    "ther", "ast", "nor",
];
const SALTS: [&str; 40] = [
    "Paracetamol",
    "Amoxycillin",
    "Clavulanic Acid",
    "Azithromycin",
    "Metformin",
    "Pantoprazole",
    "Rabeprazole",
    "Levocetirizine",
    "Montelukast",
    "Atorvastatin",
    "Telmisartan",
    "Amlodipine",
    "Ibuprofen",
    "Diclofenac",
    "Ciprofloxacin",
    "Ofloxacin",
    "Cefixime",
    "Glimepiride",
    "Domperidone",
    "Ondansetron",
    "Losartan",
    "Metoprolol",
    "Rosuvastatin",
    "Clopidogrel",
    "Aspirin",
    "Escitalopram",
    "Clonazepam",
    "Gabapentin",
    "Pregabalin",
    "Methylcobalamin",
    "Vitamin D3",
    "Calcium Carbonate",
    "Ferrous Ascorbate",
    "Folic Acid",
    "Levothyroxine",
    "Salbutamol",
    "Budesonide",
    "Ambroxol",
    "Dextromethorphan",
    "Fluconazole",
];
const FORMS: [(&str, u64); 8] = [
    ("Tablet", 55),
    ("Capsule", 14),
    ("Injection", 11),
    ("Syrup", 9),
    ("Cream", 5),
    ("Gel", 2),
    ("Drops", 2),
    ("Suspension", 2),
];
const SUFFIXES: [&str; 14] = ["", "", "", "", "", " Plus", " Forte", " SR", " DS", " M", " LS", " D", " XR", " CV"];
const STRENGTHS: [&str; 14] =
    ["", "", " 5", " 10", " 20", " 40", " 50mg", " 100", " 200", " 250mg", " 500", " 625", " 650mg", " 1000"];
const ANALYTES: [&str; 48] = [
    "Thyroid",
    "Glucose",
    "Creatinine",
    "Urea",
    "Uric Acid",
    "Bilirubin",
    "Albumin",
    "Globulin",
    "Calcium",
    "Phosphorus",
    "Sodium",
    "Potassium",
    "Chloride",
    "Iron",
    "Ferritin",
    "Transferrin",
    "Vitamin B12",
    "Vitamin D",
    "Folate",
    "Cortisol",
    "Prolactin",
    "Testosterone",
    "Estradiol",
    "Progesterone",
    "Insulin",
    "C-Peptide",
    "Lipase",
    "Amylase",
    "Troponin I",
    "D-Dimer",
    "Fibrinogen",
    "Haemoglobin",
    "Platelet Count",
    "Reticulocyte Count",
    "Cholesterol",
    "Triglycerides",
    "Homocysteine",
    "Dengue",
    "Malaria",
    "Typhoid",
    "Hepatitis B",
    "Hepatitis C",
    "Rubella",
    "Toxoplasma",
    "Culture",
    "Allergen",
    "Zinc",
    "Magnesium",
];
const KINDS: [&str; 14] = [
    "",
    ", Total",
    ", Free",
    ", Serum",
    ", Urine",
    ", 24 Hour Urine",
    " Profile",
    " Panel, Comprehensive",
    ", Fasting",
    " Antibody, IgG",
    " Antibody, IgM",
    " Antigen, Rapid",
    ", Post Prandial",
    ", Quantitative",
];

/// A small generator of numbers (splitmix64): the same row everywhere and for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }

    fn form(&mut self) -> &'static str {
        let mut left = u64::try_from(self.below(100)).unwrap_or(0);
        for (form, weight) in FORMS {
            if left < weight {
                return form;
            }
            left -= weight;
        }
        "Tablet"
    }

    fn brand(&mut self) -> String {
        let syllables: String = (0..2 + self.below(3)).map(|_| self.pick(&SYLLABLES)).collect();
        let mut letters = syllables.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }
}

/// So many medicines, no two of the same name.
pub fn medicines(count: usize) -> impl Iterator<Item = NewMedicine> {
    let mut dice = Dice(7);
    let mut names = HashSet::with_capacity(count);
    let mut brands: Vec<String> = Vec::new();
    std::iter::from_fn(move || {
        loop {
            // About three and a half products a brand, as in the source.
            let brand = if brands.is_empty() || dice.below(7) < 2 {
                let brand = dice.brand();
                brands.push(brand.clone());
                brand
            } else {
                brands.get(dice.below(brands.len())).cloned().unwrap_or_default()
            };
            let new = one_medicine(&mut dice, &brand);
            if names.insert(new.name.to_lowercase()) {
                return Some(new);
            }
        }
    })
    .take(count)
}

fn one_medicine(dice: &mut Dice, brand: &str) -> NewMedicine {
    let form = dice.form();
    let salt = dice.pick(&SALTS);
    let strength = dice.pick(&STRENGTHS);
    let name = if dice.below(8) == 0 {
        format!("{brand} {salt}{strength} {form}")
    } else {
        format!("{brand}{}{strength} {form}", dice.pick(&SUFFIXES))
    };
    let second = dice.pick(&SALTS);
    let composition = if dice.below(3) == 0 && second != salt { format!("{salt} + {second}") } else { salt.to_owned() };
    NewMedicine {
        product_introduction: Some(format!(
            "{name} is a made-up medicine of a catalogue for measuring. {}",
            filler(dice)
        )),
        uses: vec![format!("Measuring the search of {salt}"), filler(dice)],
        how_it_works: Some(format!("{salt}: {} {}", filler(dice), filler(dice))),
        safety_advice: Some(format!("Alcohol\nCONSULT YOUR DOCTOR\n{}", filler(dice))),
        source_url: None,
        provider: "made-up".to_owned(),
        form: Some(form.to_lowercase()),
        composition: Some(composition),
        name,
    }
}

/// A sentence or two, so that rows have the size of real ones.
fn filler(dice: &mut Dice) -> String {
    let words: Vec<String> = (0..24 + dice.below(24)).map(|_| dice.brand().to_lowercase()).collect();
    words.join(" ")
}

/// So many lab tests, no two of the same code.
pub fn lab_tests(count: usize) -> impl Iterator<Item = NewLabTest> {
    let mut dice = Dice(11);
    (0..count).map(move |number| {
        let mut name = format!("{}{}", dice.pick(&ANALYTES), dice.pick(&KINDS));
        if dice.below(3) == 0 {
            name = format!("{name}, {}", dice.brand());
        }
        let shelf = char::from(b'A' + u8::try_from(number / 1000 % 26).unwrap_or(0));
        NewLabTest { name, code: format!("{shelf}{:03}", number % 1000), provider: "made-up".to_owned() }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_nothing_stands_twice() {
        let names: Vec<String> = medicines(2_000).map(|new| new.name).collect();
        assert_eq!(names, medicines(2_000).map(|new| new.name).collect::<Vec<_>>());
        assert_eq!(names.iter().map(|name| super::super::key(name)).collect::<HashSet<_>>().len(), 2_000);
        let codes: HashSet<String> = lab_tests(LAB_TESTS).map(|new| new.code).collect();
        assert_eq!(codes.len(), LAB_TESTS);
        assert!(names.iter().any(|name| name.contains("Paracetamol")));
    }
}
