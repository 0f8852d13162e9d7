//! How long a search of the catalogues takes at the size of the contract's source, on one connection (docs/performance.md §10):
//!
//! ```text
//! cargo bench -p consilium-storage --features testing --bench catalog_search [-- --plans]
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

use std::time::{Duration, Instant};

use chrono::DateTime;
use consilium_storage::connect::catalog::{BATCH, lab_tests, made_up, medicines, settle};
use consilium_storage::database::{self, Conn};
use consilium_storage::embedded::{self, Options};

/// Searches of each kind.
const ROUNDS: usize = 1_000;

/// How often each of them is searched.
const TIMES: usize = 3;

/// What somebody types.
type Typed = Vec<String>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = std::env::temp_dir().join(format!("consilium-bench-{}", std::process::id()));
    let cluster = embedded::start(&Options::new(dir.clone())).await.unwrap();
    let owner = cluster.connect_options(embedded::DATABASE);
    database::migrate(&owner).await.unwrap();
    let pool = database::connect(&owner, 1).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let names = fill(&mut conn).await;
    settle(&owner).await.unwrap();

    heading("medicines: what is typed");
    for (kind, typed) in kinds(&names) {
        measure(&mut conn, kind, &typed, true).await;
    }
    heading("lab tests");
    let tests: Vec<String> = made_up::lab_tests(made_up::LAB_TESTS).map(|new| new.name).collect();
    measure(&mut conn, "a name, letter by letter", &typing(&tests), false).await;
    measure(&mut conn, "a name with a typo", &typos(&tests), false).await;
    let codes: Typed =
        (0..ROUNDS).map(|at| format!("{}{:02}", if at % 2 == 0 { 'A' } else { 'B' }, at % 100)).collect();
    measure(&mut conn, "a code", &codes, false).await;
    if std::env::args().any(|argument| argument == "--plans") {
        plans(&mut conn).await;
    }
    drop(conn);
    pool.close().await;
    cluster.stop().await;
    std::fs::remove_dir_all(dir).ok();
}

fn heading(what: &str) {
    println!("{what:<34} {:>6} {:>9} {:>9} {:>9} {:>9}  p99 at", "found", "p50", "p99", "by itself", "max");
}

/// Writes both catalogues; answers the medicines' names.
async fn fill(conn: &mut Conn) -> Vec<String> {
    let started = Instant::now();
    let all: Vec<_> = made_up::medicines(made_up::MEDICINES).collect();
    for batch in all.chunks(BATCH) {
        medicines::write(conn, batch, DateTime::UNIX_EPOCH).await.unwrap();
    }
    let tests: Vec<_> = made_up::lab_tests(made_up::LAB_TESTS).collect();
    for batch in tests.chunks(BATCH) {
        lab_tests::write(conn, batch, DateTime::UNIX_EPOCH).await.unwrap();
    }
    medicines::recount(conn).await.unwrap();
    lab_tests::recount(conn).await.unwrap();
    println!("{} medicines and {} lab tests written in {:.1?}", all.len(), tests.len(), started.elapsed());
    all.into_iter().map(|new| new.name).collect()
}

fn kinds(names: &[String]) -> Vec<(&'static str, Typed)> {
    let letters = || ('a'..='z').flat_map(|one| ('a'..='z').map(move |two| format!("{one}{two}")));
    let some = |step: usize| names.iter().cycle().step_by(step).take(ROUNDS);
    let salts = ["paracetamol", "amoxy", "clavulanic", "folic acid", "ferrous", "pregab", "vitamin d3", "azithro"];
    let twisted = ["tablte", "capsul injcetion", "paracetmol 650 tablet", "suspnsion", "amoxycilin tablte", "syrpu"];
    let cycle = |words: &[&str]| words.iter().cycle().take(ROUNDS).map(|&word| word.to_owned()).collect();
    vec![
        ("a name, letter by letter", typing(names)),
        ("any two letters", letters().take(ROUNDS).collect()),
        ("three to six letters from within", some(31).enumerate().map(|(at, name)| within(name, at)).collect()),
        ("a frequent part", cycle(&["tab", "tablet", "500", "inj", " 650", "syrup", "plus", "et 1"])),
        ("a salt", cycle(&salts)),
        ("a name with a typo", typos(names)),
        ("a frequent word with a typo", cycle(&twisted)),
        ("words in another order", some(37).map(|name| reversed(name)).collect()),
        ("what is nowhere", (0..ROUNDS).map(|at| format!("zq{at}xj wvk{at}")).collect()),
    ]
}

/// The beginnings of names as they are typed, from two letters to ten.
fn typing(names: &[String]) -> Typed {
    let typed = names.iter().cycle().step_by(29).take(ROUNDS).enumerate();
    typed.map(|(at, name)| name.chars().take(2 + at % 9).collect()).collect()
}

fn within(name: &str, at: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    let from = 1 + at % (letters.len() / 2).max(1);
    letters.iter().skip(from).take(3 + at % 4).collect()
}

/// The first word with two letters changed round.
fn typos(names: &[String]) -> Typed {
    let words = names.iter().cycle().step_by(23).filter_map(|name| name.split(' ').find(|word| word.len() > 5));
    let twist = |word: &str| {
        let mut letters: Vec<char> = word.to_lowercase().chars().collect();
        let middle = letters.len() / 2;
        letters.swap(middle - 1, middle);
        letters.into_iter().collect()
    };
    words.take(ROUNDS).map(twist).collect()
}

fn reversed(name: &str) -> String {
    name.split(' ').rev().collect::<Vec<_>>().join(" ")
}

/// Each is searched three times, one round after the other. The least of the three is what the search takes by itself: a
/// machine that does something else meanwhile doubles the p99 of whatever runs on it.
async fn measure(conn: &mut Conn, kind: &str, typed: &[String], of_medicines: bool) {
    let mut took: Vec<(Duration, &str)> = Vec::with_capacity(TIMES * typed.len());
    let mut found = 0;
    for text in (0..TIMES).flat_map(|_| typed) {
        let started = Instant::now();
        found += if of_medicines {
            medicines::search(conn, text, 10).await.unwrap().len()
        } else {
            lab_tests::search(conn, text, 10).await.unwrap().len()
        };
        took.push((started.elapsed(), text));
    }
    let each = typed.len();
    let mut least: Vec<_> = (0..each).filter_map(|at| took.iter().skip(at).step_by(each).min()).copied().collect();
    took.sort_unstable();
    least.sort_unstable();
    let average = found as f64 / took.len() as f64;
    let [(p50, _), (p99, slow), (max, _)] = [0.5, 0.99, 1.0].map(|part| at(&took, part));
    let (by_itself, _) = at(&least, 0.99);
    println!("{kind:<34} {average:>6.1} {p50:>6.2} ms {p99:>6.2} ms {by_itself:>6.2} ms {max:>6.2} ms  {slow:?}");
}

/// The time, in ms, below which this part of them lies, and what was typed there.
fn at<'a>(sorted: &[(Duration, &'a str)], part: f64) -> (f64, &'a str) {
    let (took, typed) = sorted[((sorted.len() - 1) as f64 * part) as usize];
    (took.as_secs_f64() * 1_000.0, typed)
}

async fn plans(conn: &mut Conn) {
    for typed in ["am", "zolpra", "tablet", "paracetamol", "paracetmol 650 tablet", "capsul injcetion"] {
        for (phase, lines) in medicines::plans(conn, typed).await.unwrap() {
            println!("\n{phase} {typed:?}");
            lines.iter().for_each(|line| println!("    {line}"));
        }
    }
}
