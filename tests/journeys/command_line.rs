//! The binary from outside (running.md): exit codes, and accounts made by hand.

use std::process::{Output, Stdio};

use consilium_storage::testing;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consilium"));
    for name in ["DATABASE_URL", "CONSILIUM_DATABASE_URL", "CONSILIUM_REDIS_URL", "CONSILIUM_PRODUCTION"] {
        command.env_remove(name);
    }
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    // A command that reads nothing may be gone already.
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.ok();
    child.wait_with_output().await.unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn demo_data_is_refused_in_production() {
    for arguments in [["seed", "--demo", "--production"], ["serve", "--demo", "--production"]] {
        let (code, text) = said(&run(&arguments, "").await);
        assert_eq!((code, text.as_str()), (Some(2), "consilium: CONSILIUM_DEMO: is refused in production\n"));
    }
    assert_eq!(run(&["seed"], "").await.status.code(), Some(2));
}

#[tokio::test]
async fn accounts_are_made_with_a_password_from_standard_input() {
    let database = testing::database().await;
    let at = ["--database-url", &database.url];
    let make = async |arguments: &[&str], input: &str| said(&run(&[arguments, &at].concat(), input).await);
    let (code, text) = make(&["admin", "create", "boss"], "a-long-password\n").await;
    assert!(code == Some(0) && text.starts_with("admin boss is "), "{text}");
    let (code, text) = make(&["admin", "create", "boss"], "a-long-password\n").await;
    assert_eq!((code, text.as_str()), (Some(2), "consilium: the user name boss is taken\n"));
    let (code, text) = make(&["admin", "create", "other"], "short\n").await;
    assert!(code == Some(2) && text.contains("8 to 128 characters"), "{text}");
    let doctor = ["doctor", "create", "new@test.example", "Dr. New", "Urology"];
    let (code, text) = make(&doctor, "a-long-password").await;
    assert!(code == Some(0) && text.starts_with("doctor new@test.example is "), "{text}");
    for _ in 0..2 {
        assert_eq!(make(&["seed", "--demo"], "").await, (Some(0), String::new()));
    }
    let (code, text) = make(&["audit", "verify"], "").await;
    assert!(code == Some(0) && text.starts_with("whole: "), "{text}");
}

#[tokio::test]
async fn catalogues_are_imported_and_a_bad_line_is_named() {
    let database = testing::database().await;
    let folder = testing::Scratch::new("catalogue").unwrap();
    let at = ["--database-url", &database.url];
    let make = async |arguments: &[&str]| run(&[arguments, &at].concat(), "").await;
    let sample = run(&["catalogue", "sample", "lab-tests"], "").await;
    let file = folder.path().join("lab-tests.csv");
    std::fs::write(&file, &sample.stdout).unwrap();
    let import = ["catalogue", "import", file.to_str().unwrap()];
    let (code, text) = said(&make(&import).await);
    assert_eq!((code, text.as_str()), (Some(0), "76 lab tests: 76 new, 0 changed, 0 as they were\n"));
    let (_, text) = said(&make(&import).await);
    assert_eq!(text, "76 lab tests: 0 new, 0 changed, 76 as they were\n");

    let mut lines = sample.stdout.clone();
    lines.extend_from_slice(b"No code,,sample\n");
    std::fs::write(&file, lines).unwrap();
    let (code, text) = said(&make(&import).await);
    let shown = file.display();
    let expected = format!("{shown}:78: code: is missing\nconsilium: nothing was imported: 1 line cannot be taken\n");
    assert_eq!((code, text), (Some(1), expected));
    let (code, text) = said(&make(&["catalogue", "import", "/nowhere.csv"]).await);
    assert!(code == Some(2) && text.starts_with("consilium: /nowhere.csv: "), "{text}");
    let made_up = run(&["catalogue", "generate", "medicines", "--rows", "3"], "").await;
    assert_eq!(String::from_utf8(made_up.stdout).unwrap().lines().next().unwrap().split(',').count(), 9);
}

#[tokio::test]
async fn of_many_bad_lines_a_hundred_are_named_and_the_good_ones_wait() {
    let database = testing::database().await;
    let folder = testing::Scratch::new("catalogue").unwrap();
    let file = folder.path().join("lab-tests.csv");
    let import = ["catalogue", "import", file.to_str().unwrap(), "--database-url", &database.url];
    let sample = run(&["catalogue", "sample", "lab-tests"], "").await.stdout;
    let (bad, good) = ("No code,,sample\n".repeat(103), b"Of the last line,LAST,sample\n".as_slice());
    std::fs::write(&file, [&sample[..], bad.as_bytes(), good].concat()).unwrap();
    let (code, text) = said(&run(&import, "").await);
    let shown = file.display();
    // The header and 76 good lines come before them.
    let mut expected: Vec<String> = (78..178).map(|line| format!("{shown}:{line}: code: is missing")).collect();
    expected.push(format!("{shown}: and 3 more"));
    expected.push("consilium: nothing was imported: 103 lines cannot be taken".to_owned());
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(code, Some(1));

    std::fs::write(&file, [&sample[..], good].concat()).unwrap();
    let (code, text) = said(&run(&import, "").await);
    assert_eq!((code, text.as_str()), (Some(0), "77 lab tests: 77 new, 0 changed, 0 as they were\n"));
}

#[tokio::test]
async fn only_a_flagged_payment_is_settled_by_hand() {
    let database = testing::database().await;
    let at = ["--database-url", &database.url];
    let make = async |arguments: &[&str]| said(&run(&[arguments, &at].concat(), "").await);
    assert_eq!(make(&["payments", "flagged"]).await, (Some(0), String::new()));
    for decision in ["--credit", "--dismiss"] {
        let (code, text) = make(&["payments", "settle", "cf_order_x", decision]).await;
        assert_eq!((code, text.as_str()), (Some(1), "cf_order_x is not flagged\n"));
    }
    for decisions in [&["--credit", "--dismiss"][..], &[]] {
        let (code, _) = make(&[&["payments", "settle", "cf_order_x"], decisions].concat()).await;
        assert_eq!(code, Some(2), "{decisions:?}");
    }
}
