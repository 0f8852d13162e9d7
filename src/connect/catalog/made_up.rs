//! Catalogue files: the shipped sample, and made-up ones of any size for measuring.

use std::io::Write;

use consilium_storage::connect::catalog::made_up;

use super::import::Catalogue;

/// The shipped sample as a file that `consilium catalogue import` takes.
#[must_use]
pub const fn sample(catalogue: Catalogue) -> &'static str {
    match catalogue {
        Catalogue::Medicines => include_str!("sample/medicines.csv"),
        Catalogue::LabTests => include_str!("sample/lab-tests.csv"),
    }
}

/// Writes a made-up file of so many rows, by default as many as the source of the contract has.
///
/// # Errors
/// When the output ends.
pub fn write(catalogue: Catalogue, rows: Option<usize>, output: impl Write) -> Result<(), csv::Error> {
    let mut file = csv::Writer::from_writer(output);
    file.write_record(catalogue.columns())?;
    match catalogue {
        Catalogue::Medicines => {
            for new in made_up::medicines(rows.unwrap_or(made_up::MEDICINES)) {
                let uses = new.uses.join("|");
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                file.write_record([
                    &new.name,
                    &text(&new.form),
                    &new.provider,
                    &text(&new.composition),
                    &text(&new.product_introduction),
                    &uses,
                    &text(&new.how_it_works),
                    &text(&new.safety_advice),
                    &text(&new.source_url),
                ])?;
            }
        }
        Catalogue::LabTests => {
            for new in made_up::lab_tests(rows.unwrap_or(made_up::LAB_TESTS)) {
                file.write_record([&new.name, &new.code, &new.provider])?;
            }
        }
    }
    file.flush()?;
    Ok(())
}
