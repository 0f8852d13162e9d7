//! The program as it is called: what it offers, and that a slip is told at once.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

fn loadtest(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(args).output().unwrap()
}

#[test]
fn its_help_names_what_it_can_do() {
    let answer = loadtest(&["--help"]);
    let help = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.status.success());
    for command in ["run", "model"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in\n{help}");
    }
}

#[test]
fn a_slip_is_told_with_its_cause() {
    let answer = loadtest(&["run", "--sessions", "many"]);
    assert_eq!(answer.status.code(), Some(2));
    assert!(String::from_utf8(answer.stderr).unwrap().contains("--sessions"));
}
