//! Reading a catalogue file line by line: CSV in UTF-8 with a header. Nothing is guessed: a line that is not whole is
//! reported with its number.

use std::collections::HashMap;
use std::io::Read;

use consilium_storage::connect::catalog::lab_tests::NewLabTest;
use consilium_storage::connect::catalog::medicines::NewMedicine;
use consilium_storage::connect::catalog::{key, tidy};
use csv::{ByteRecord, Reader, ReaderBuilder};
use sha2::{Digest, Sha256};

/// Which catalogue a file is for, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catalogue {
    /// It has a column `form`.
    Medicines,
    /// It has a column `code`.
    LabTests,
}

impl Catalogue {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Medicines => "medicines",
            Self::LabTests => "lab tests",
        }
    }

    /// The columns that every line must fill.
    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::Medicines => &["name", "provider"],
            Self::LabTests => &["name", "code", "provider"],
        }
    }

    /// All columns, in the order in which files are written.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Medicines => &[
                "name",
                "form",
                "provider",
                "composition",
                "product_introduction",
                "uses",
                "how_it_works",
                "safety_advice",
                "source_url",
            ],
            Self::LabTests => &["name", "code", "provider"],
        }
    }

    /// What may stand once in a file.
    const fn identity(self) -> [&'static str; 2] {
        match self {
            Self::Medicines => ["provider", "name"],
            Self::LabTests => ["provider", "code"],
        }
    }
}

/// A line that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number in the file, from 1; the header is the first.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// A whole line.
#[derive(Debug)]
pub(super) enum Line {
    /// Of the medicines.
    Medicine(NewMedicine),
    /// Of the lab tests.
    LabTest(NewLabTest),
}

/// A file being read.
pub(super) struct Lines<R> {
    reader: Reader<R>,
    record: ByteRecord,
    /// Which catalogue it is.
    pub(super) catalogue: Catalogue,
    /// The columns that nobody asked for.
    pub(super) passed_over: Vec<String>,
    places: HashMap<&'static str, usize>,
    width: usize,
    /// A hash of each line's identity, and where it stood: 31,200 lines are 1 MB.
    seen: HashMap<[u8; 16], u64>,
}

impl<R: Read> Lines<R> {
    /// Reads the header.
    pub(super) fn open(input: R) -> Result<Self, BadLine> {
        let mut reader = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(input);
        let mut record = ByteRecord::new();
        let first = |why: String| BadLine { line: 1, why };
        let any = reader.read_byte_record(&mut record).map_err(|error| first(error.to_string()))?;
        if !any {
            return Err(first("the file is empty".to_owned()));
        }
        let names: Vec<String> = record.iter().enumerate().map(header).collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let catalogue = match (has("form"), has("code")) {
            (true, false) => Catalogue::Medicines,
            (false, true) => Catalogue::LabTests,
            _ => {
                let why = "the header has to name either a column form (medicines) or a column code (lab tests)";
                return Err(first(why.to_owned()));
            }
        };
        let mut places = HashMap::new();
        let mut passed_over = Vec::new();
        for (place, name) in names.iter().enumerate() {
            match catalogue.columns().iter().find(|known| *known == name) {
                Some(known) if places.insert(*known, place).is_some() => {
                    return Err(first(format!("the header names the column {name} twice")));
                }
                Some(_) => {}
                None => passed_over.push(name.clone()),
            }
        }
        if let Some(missing) = catalogue.required().iter().find(|name| !places.contains_key(*name)) {
            return Err(first(format!("the header does not name the column {missing}")));
        }
        let width = names.len();
        Ok(Self { reader, record, catalogue, passed_over, places, width, seen: HashMap::new() })
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The next line; none at the end.
    pub(super) fn next_line(&mut self) -> Option<Result<Line, BadLine>> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.record.position().map_or(0, csv::Position::line);
                Some(self.read(line).map_err(|why| BadLine { line, why }))
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                Some(Err(BadLine { line, why: error.to_string() }))
            }
        }
    }

    fn read(&mut self, line: u64) -> Result<Line, String> {
        if self.record.len() != self.width {
            return Err(format!("{} fields, where the header has {}", self.record.len(), self.width));
        }
        let read = match self.catalogue {
            Catalogue::Medicines => Line::Medicine(self.medicine()?),
            Catalogue::LabTests => Line::LabTest(NewLabTest {
                name: self.needed("name", 300)?,
                code: self.needed("code", 50)?,
                provider: self.needed("provider", 100)?,
            }),
        };
        let mut identity = Sha256::new();
        for column in self.catalogue.identity() {
            identity.update(if column == "provider" { self.text(column)? } else { key(&self.text(column)?) });
            identity.update([0]);
        }
        let mut short = [0; 16];
        short.copy_from_slice(identity.finalize().get(..16).unwrap_or(&[0; 16]));
        if let Some(first) = self.seen.insert(short, line) {
            self.seen.insert(short, first);
            let [_, what] = self.catalogue.identity();
            return Err(format!("{what}: stands already in line {first}"));
        }
        Ok(read)
    }

    fn medicine(&self) -> Result<NewMedicine, String> {
        Ok(NewMedicine {
            name: self.needed("name", 300)?,
            form: self.optional("form", 50)?.map(|form| form.to_lowercase()),
            provider: self.needed("provider", 100)?,
            composition: self.optional("composition", 1_000)?,
            product_introduction: self.optional("product_introduction", 20_000)?,
            uses: self.uses()?,
            how_it_works: self.optional("how_it_works", 20_000)?,
            safety_advice: self.optional("safety_advice", 20_000)?,
            source_url: self.source_url()?,
        })
    }

    fn uses(&self) -> Result<Vec<String>, String> {
        let text = self.optional("uses", 20_000)?.unwrap_or_default();
        Ok(text.split('|').map(tidy).filter(|one| !one.is_empty()).collect())
    }

    fn source_url(&self) -> Result<Option<String>, String> {
        let Some(text) = self.optional("source_url", 2_000)? else { return Ok(None) };
        match url::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(text)),
            _ => Err("source_url: is no http or https address".to_owned()),
        }
    }

    /// The field as it stands, without space around it; empty where the file has no such column.
    fn text(&self, column: &'static str) -> Result<String, String> {
        let Some(field) = self.places.get(column).and_then(|place| self.record.get(*place)) else {
            return Ok(String::new());
        };
        let text = std::str::from_utf8(field).map_err(|_| format!("{column}: is not UTF-8"))?.trim();
        if text.contains('\0') { Err(format!("{column}: has a NUL character")) } else { Ok(text.to_owned()) }
    }

    fn optional(&self, column: &'static str, longest: usize) -> Result<Option<String>, String> {
        let text = self.text(column)?;
        if text.chars().count() > longest {
            return Err(format!("{column}: is longer than {longest} characters"));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn needed(&self, column: &'static str, longest: usize) -> Result<String, String> {
        let text = self.optional(column, longest)?;
        text.map(|text| tidy(&text)).ok_or_else(|| format!("{column}: is missing"))
    }
}

/// `Product Introduction` means `product_introduction`; a byte order mark means nothing.
fn header((place, field): (usize, &[u8])) -> String {
    let text = String::from_utf8_lossy(field);
    let text = if place == 0 { text.trim_start_matches('\u{feff}') } else { &text };
    text.trim().to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn bad(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = match Lines::open(text) {
            Ok(lines) => lines,
            Err(bad) => return vec![(bad.line, bad.why)],
        };
        std::iter::from_fn(|| lines.next_line()).filter_map(Result::err).map(|bad| (bad.line, bad.why)).collect()
    }

    fn medicine(text: &str) -> NewMedicine {
        match Lines::open(text.as_bytes()).unwrap().next_line().unwrap().unwrap() {
            Line::Medicine(new) => new,
            Line::LabTest(_) => unreachable!("it has a form"),
        }
    }

    #[test]
    fn a_whole_line() {
        let text = "\u{feff}Name,Form,Provider,Uses,Safety Advice,colour\n\
                    \"Dolo  650 Tablet\",Tablet,sample,\"Fever| Pain \",\"Alcohol\nnone\",blue\n";
        let new = medicine(text);
        assert_eq!((new.name.as_str(), new.form.as_deref()), ("Dolo 650 Tablet", Some("tablet")));
        assert_eq!(new.uses, ["Fever", "Pain"]);
        assert_eq!((new.safety_advice.as_deref(), new.source_url), (Some("Alcohol\nnone"), None));
        assert_eq!(Lines::open(text.as_bytes()).unwrap().passed_over, ["colour"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let text = b"name,form,provider,source_url\nA,tablet,p,\n,tablet,p,\nB,tablet\n\"C\nD\",tablet,p,ftp://x\n\
                     a,syrup,p,\nE,tablet,,\n\xff,tablet,p,\n";
        let expected = [
            (3, "name: is missing"),
            (4, "2 fields, where the header has 4"),
            (5, "source_url: is no http or https address"),
            (7, "name: stands already in line 2"),
            (8, "provider: is missing"),
            (9, "name: is not UTF-8"),
        ];
        assert_eq!(bad(text), expected.map(|(line, why)| (line, why.to_owned())));
    }

    #[test]
    fn headers_that_say_too_little_or_too_much() {
        for (text, part) in [
            ("", "empty"),
            ("name,provider\n", "either"),
            ("name,form,code,provider\n", "either"),
            ("form,provider\n", "does not name the column name"),
            ("name,code\n", "does not name the column provider"),
            ("name,form,provider,name\n", "twice"),
        ] {
            let found = bad(text.as_bytes());
            assert!(found.len() == 1 && found[0].0 == 1 && found[0].1.contains(part), "{text}: {found:?}");
        }
    }
}
