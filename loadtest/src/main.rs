//! Load generator and history checker: speaks only HTTP, SSE and WebSocket, knows only the contract.
//!
//! Exit status: 0 when every promise was kept, 1 when one was broken, 2 when the run could not be made.

#![allow(clippy::print_stdout, reason = "a command-line program: its report goes to standard output")]

mod account;
mod args;
mod away;
mod chaos;
mod client;
mod command;
mod cost;
mod faults;
mod figures;
mod fleet;
mod frame;
mod history;
mod http;
mod idle;
mod model;
mod pace;
mod report;
mod requests;
mod resume;
mod run;
mod scenario;
mod settle;
mod setup;
mod socket;
mod sse;
mod stats;
mod steady;
mod storm;
mod trace;
mod world;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let work = async {
        match cli.command {
            Command::Run(args) => Box::pin(run::run(&args)).await,
            Command::Idle(args) => Box::pin(idle::idle(args)).await,
            Command::Resume(args) => Box::pin(resume::resume(args)).await,
            Command::Cost(args) => Box::pin(cost::cost(&args)).await,
            Command::RedisAway(args) => Box::pin(away::redis_away(&args)).await,
            Command::Storm(args) => Box::pin(storm::storm(&args)).await,
            Command::Model(args) => model::model(&args),
        }
    };
    // Dropping the work ends every process that it started, and lets go on what it had stopped.
    let done = tokio::select! {
        done = work => done,
        signal = interrupted() => Err(format!("interrupted by {signal}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("loadtest: {why}");
            ExitCode::from(2)
        }
    }
}

/// The first of the signals that ask for an end.
async fn interrupted() -> &'static str {
    let listening = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = listening else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
