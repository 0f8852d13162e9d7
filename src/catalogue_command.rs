//! `consilium catalogue …`: importing medicines and lab tests, and files to import.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use consilium::connect::catalog::import::{self, Catalogue, Outcome, Refused};
use consilium::connect::catalog::made_up;
use consilium::serve::{Database, StartError};
use consilium_storage::clock::Clock;
use consilium_storage::connect::catalog;
use consilium_storage::database::Pool;
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Subcommand)]
pub(crate) enum CatalogueCommand {
    /// Import a CSV file of medicines or lab tests; again changes nothing, a bad line stops all of it.
    Import {
        /// The file; its header says what it is.
        file: PathBuf,
    },
    /// Print the shipped sample as such a file.
    Sample {
        /// Which one.
        catalogue: Which,
    },
    /// Print a made-up file, to measure with.
    Generate {
        /// Which one.
        catalogue: Which,
        /// How many rows; by default 31,200 medicines or 1,935 lab tests.
        #[arg(long)]
        rows: Option<usize>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Which {
    /// Medicines.
    Medicines,
    /// Lab tests.
    LabTests,
}

impl From<Which> for Catalogue {
    fn from(which: Which) -> Self {
        match which {
            Which::Medicines => Self::Medicines,
            Which::LabTests => Self::LabTests,
        }
    }
}

/// Prints a file; a reader that went away (`| head`) has seen enough.
pub(crate) fn print(command: &CatalogueCommand) -> Result<(), StartError> {
    let output = std::io::stdout().lock();
    let done = match command {
        CatalogueCommand::Sample { catalogue } => {
            let mut output = output;
            output.write_all(made_up::sample((*catalogue).into()).as_bytes()).map_err(csv::Error::from)
        }
        CatalogueCommand::Generate { catalogue, rows } => made_up::write((*catalogue).into(), *rows, output),
        CatalogueCommand::Import { .. } => Ok(()),
    };
    match done {
        Err(error) if !is_closed_pipe(&error) => Err(StartError(error.to_string())),
        _ => Ok(()),
    }
}

fn is_closed_pipe(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Imports a file: exit 1 and a report when a line cannot be taken, exit 2 when the file cannot be read.
pub(crate) async fn import(
    file: &Path,
    pool: &Pool,
    clock: &Clock,
    database: &Database,
) -> Result<ExitCode, StartError> {
    let bar = progress_bar(file);
    let shown = bar.clone();
    let done = import::file(pool, clock, file, move |bytes| shown.set_position(bytes)).await;
    bar.finish_and_clear();
    match done {
        Ok(outcome) => {
            catalog::settle(&database.owner).await.map_err(|error| StartError(error.to_string()))?;
            report(&outcome);
            Ok(ExitCode::SUCCESS)
        }
        Err(Refused::Lines { first, all }) => {
            complain(file, &first, all);
            Ok(ExitCode::FAILURE)
        }
        Err(Refused::Unreadable(error)) => Err(StartError(format!("{}: {error}", file.display()))),
        Err(Refused::Database(error)) => Err(StartError(error.to_string())),
    }
}

/// Shown on a terminal alone.
fn progress_bar(file: &Path) -> ProgressBar {
    let bar = ProgressBar::new(std::fs::metadata(file).map_or(0, |about| about.len()));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn report(outcome: &Outcome) {
    let Outcome { catalogue, lines, written, passed_over } = outcome;
    if !passed_over.is_empty() {
        crate::say(format!("columns passed over: {}", passed_over.join(", ")));
    }
    let unchanged = lines.saturating_sub(u64::try_from(written.new + written.changed).unwrap_or(u64::MAX));
    crate::say(format!(
        "{lines} {}: {} new, {} changed, {unchanged} as they were",
        catalogue.name(),
        written.new,
        written.changed
    ));
}

#[allow(clippy::print_stderr, reason = "the report of a command")]
fn complain(file: &Path, first: &[import::BadLine], all: usize) {
    let file = file.display();
    for bad in first {
        eprintln!("{file}:{}: {}", bad.line, bad.why);
    }
    if all > first.len() {
        eprintln!("{file}: and {} more", all - first.len());
    }
    eprintln!("consilium: nothing was imported: {all} line{} cannot be taken", if all == 1 { "" } else { "s" });
}
