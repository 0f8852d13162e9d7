//! The binary from outside (running.md): exit codes, and accounts made by hand.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Output, Stdio};
use std::time::Duration;

use consilium_storage::{demo, testing};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::live::node::{consilium, signal};
use crate::support::ports::free_port;

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

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

#[tokio::test]
async fn without_an_id_all_dead_letters_are_meant() {
    let database = testing::database().await;
    let at = ["--database-url", &database.url];
    let retry = async |which: &[&str]| said(&run(&[&["outbox", "retry"], which, &at].concat(), "").await);
    for which in [&[][..], &["--all"], &["--kind", "push"], &["--all", "--kind", "push"], &["5"]] {
        assert_eq!(retry(which).await, (Some(1), "nothing to retry\n".to_owned()), "{which:?}");
    }
    for which in [&["5", "--all"][..], &["5", "--kind", "push"]] {
        assert_eq!(retry(which).await.0, Some(2), "{which:?}");
    }
}

/// The exit code, once it has ended.
async fn ended(child: &mut Child) -> Option<i32> {
    timeout(PATIENCE, child.wait()).await.expect("it did not end in time").unwrap().code()
}

#[tokio::test]
async fn a_signal_right_behind_the_first_line_drains() {
    let (database, data) = (testing::database().await, testing::Scratch::new("signals").unwrap());
    for name in ["TERM", "INT"] {
        let mut command = consilium();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url, "--data-dir"]);
        let mut child = command.arg(data.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it says nothing").unwrap().unwrap();
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
        signal(name, child.id().unwrap()).await;
        assert_eq!(ended(&mut child).await, Some(0), "{name}");
    }
}

#[tokio::test]
async fn a_signal_during_the_start_ends_it() {
    let (database, data) = (testing::database().await, testing::Scratch::new("signals").unwrap());
    let pool = consilium_storage::database::connect(&database.options, 1).await.unwrap();
    // The demo waits for another seed to end; the node listens by then, and says nothing yet.
    let mut tx = pool.begin().await.unwrap();
    demo::lock(&mut tx).await.unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = consilium();
    command.args(["serve", "--demo", "--listen", &address, "--database-url", &database.url, "--data-dir"]);
    let mut child = command.arg(data.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(&address).await.is_err() {
        assert!(Instant::now() < deadline, "it never listens");
        sleep(Duration::from_millis(20)).await;
    }
    signal("TERM", child.id().unwrap()).await;
    assert_eq!(ended(&mut child).await, Some(0));
}

#[tokio::test]
async fn a_data_dir_out_of_reach_is_said_at_any_log_level() {
    let folder = testing::Scratch::new("closed").unwrap();
    let is_root = std::fs::metadata(folder.path()).unwrap().uid() == 0;
    let closed = folder.path().join("home");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let wanted = closed.join("consilium");
    let mut command = consilium();
    command.arg("migrate").arg("--data-dir").arg(&wanted).env("CONSILIUM_LOG", "off");
    let output = timeout(2 * PATIENCE, command.output()).await.expect("it did not end in time").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!(
        "consilium: the database user cannot reach the data dir {}: the private Postgres is in /var/lib/consilium/dir-",
        wanted.display()
    );
    if !is_root {
        // Whose own Postgres it is, can reach it.
        assert!(output.status.success() && said.is_empty(), "{said}");
        return;
    }
    // First of all it is tidied away.
    let hash =
        said.lines().next().and_then(|line| line.rsplit_once("/var/lib/consilium/dir-")).map_or("", |(_, hash)| hash);
    assert!(hash.len() >= 8 && hash.chars().all(char::is_alphanumeric), "{said}");
    std::fs::remove_dir_all(format!("/var/lib/consilium/dir-{hash}")).unwrap();
    assert!(output.status.success() && said.starts_with(&expected) && said.lines().count() == 1, "{said}");
}
