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
