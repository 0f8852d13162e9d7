//! `consilium catalogue import FILE`: a file is read on a thread of its own and written in batches as it is read, all of
//! it in one transaction. Importing it again changes nothing; one bad line, and nothing is imported.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use consilium_storage::clock::Clock;
use consilium_storage::connect::catalog::lab_tests::{self, NewLabTest};
use consilium_storage::connect::catalog::medicines::{self, NewMedicine};
use consilium_storage::connect::catalog::{self, BATCH, Written};
use consilium_storage::database::{Conn, Pool};
use consilium_storage::tx::Tx;
use tokio::sync::mpsc;

pub use super::lines::{BadLine, Catalogue};
use super::lines::{Line, Lines};
use crate::error::{Error, Result};

/// How many batches may wait to be written.
const AHEAD: usize = 4;
/// How many bad lines are reported one by one.
const REPORTED: usize = 100;

/// What an import did.
#[derive(Debug)]
pub struct Outcome {
    /// Which catalogue the file was for.
    pub catalogue: Catalogue,
    /// How many lines it has, besides the header.
    pub lines: u64,
    /// What they did.
    pub written: Written,
    /// Columns that nobody asked for.
    pub passed_over: Vec<String>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// Lines that are not whole: the first hundred, and how many there are in all.
    #[error("{all} lines cannot be taken")]
    Lines {
        /// The first ones.
        first: Vec<BadLine>,
        /// How many.
        all: usize,
    },
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Some lines of one catalogue.
enum Batch {
    Medicines(Vec<NewMedicine>),
    LabTests(Vec<NewLabTest>),
}

/// What the reading thread says at the end.
struct Reading {
    catalogue: Catalogue,
    passed_over: Vec<String>,
    lines: u64,
    bad: Vec<BadLine>,
    all_bad: usize,
}

/// Imports a file; `progress` is told how many bytes were read.
///
/// # Errors
/// Why nothing was imported.
pub async fn file(
    pool: &Pool,
    clock: &Clock,
    path: &Path,
    progress: impl Fn(u64) + Send + 'static,
) -> Result<Outcome, Refused> {
    let file = File::open(path)?;
    import(pool, clock, BufReader::new(file), progress).await
}

/// Imports what is read; see [`file()`].
///
/// # Errors
/// Why nothing was imported.
pub async fn import(
    pool: &Pool,
    clock: &Clock,
    input: impl Read + Send + 'static,
    progress: impl Fn(u64) + Send + 'static,
) -> Result<Outcome, Refused> {
    let mut tx = Tx::begin(pool, clock.now()).await.map_err(Error::from)?;
    catalog::lock(tx.conn()).await.map_err(Error::from)?;
    let outcome = write(&mut tx, input, progress).await?;
    // Nothing is emitted: there is nothing to deliver.
    let _committed = tx.commit().await.map_err(Error::from)?;
    Ok(outcome)
}

/// Writes what is read in the caller's transaction, which must not be committed after an error.
///
/// # Errors
/// Why it is not whole.
pub async fn write(
    tx: &mut Tx,
    input: impl Read + Send + 'static,
    progress: impl Fn(u64) + Send + 'static,
) -> Result<Outcome, Refused> {
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking(move || read(input, &sender, &progress));
    let mut written = Written::default();
    let now = tx.now();
    while let Some(batch) = batches.recv().await {
        written += write_batch(tx.conn(), batch, now).await.map_err(Error::from)?;
    }
    let read = reading.await.map_err(Error::internal)?.map_err(|bad| Refused::Lines { first: vec![bad], all: 1 })?;
    if read.all_bad > 0 {
        return Err(Refused::Lines { first: read.bad, all: read.all_bad });
    }
    match read.catalogue {
        Catalogue::Medicines => medicines::recount(tx.conn()).await.map_err(Error::from)?,
        Catalogue::LabTests => lab_tests::recount(tx.conn()).await.map_err(Error::from)?,
    }
    Ok(Outcome { catalogue: read.catalogue, lines: read.lines, written, passed_over: read.passed_over })
}

async fn write_batch(
    conn: &mut Conn,
    batch: Batch,
    now: chrono::DateTime<chrono::Utc>,
) -> consilium_storage::Result<Written> {
    match batch {
        Batch::Medicines(batch) => medicines::write(conn, &batch, now).await,
        Batch::LabTests(batch) => lab_tests::write(conn, &batch, now).await,
    }
}

/// Reads all lines. After the first bad one the rest is only checked, so that all of them are reported.
fn read(input: impl Read, batches: &mpsc::Sender<Batch>, progress: &impl Fn(u64)) -> Result<Reading, BadLine> {
    let mut lines = Lines::open(input)?;
    let mut medicines = Vec::new();
    let mut lab_tests = Vec::new();
    let (mut count, mut bad, mut all_bad) = (0_u64, Vec::new(), 0);
    while let Some(line) = lines.next_line() {
        count += 1;
        match line {
            Ok(Line::Medicine(new)) => medicines.push(new),
            Ok(Line::LabTest(new)) => lab_tests.push(new),
            Err(line) => {
                all_bad += 1;
                if bad.len() < REPORTED {
                    bad.push(line);
                }
            }
        }
        if medicines.len() + lab_tests.len() >= BATCH {
            progress(lines.position());
            send(batches, &mut medicines, &mut lab_tests, all_bad);
        }
    }
    send(batches, &mut medicines, &mut lab_tests, all_bad);
    progress(lines.position());
    let (catalogue, passed_over) = (lines.catalogue, lines.passed_over);
    Ok(Reading { catalogue, passed_over, lines: count, bad, all_bad })
}

/// Hands a batch on. Whoever should write it may have failed already: the reading then comes to its end for nothing.
fn send(batches: &mpsc::Sender<Batch>, medicines: &mut Vec<NewMedicine>, lab_tests: &mut Vec<NewLabTest>, bad: usize) {
    let (medicines, lab_tests) = (std::mem::take(medicines), std::mem::take(lab_tests));
    if bad > 0 {
        return;
    }
    if !medicines.is_empty() {
        batches.blocking_send(Batch::Medicines(medicines)).ok();
    }
    if !lab_tests.is_empty() {
        batches.blocking_send(Batch::LabTests(lab_tests)).ok();
    }
}
