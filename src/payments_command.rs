//! `consilium payments …`: what no rule may decide.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use consilium::connect::payments::ops::{self, Decided, Decision};
use consilium::serve::StartError;
use consilium_storage::clock::Clock;
use consilium_storage::connect::payments;
use consilium_storage::database::Pool;
use consilium_storage::ids::OrderId;
use consilium_storage::money::Paise;
use consilium_storage::tx::Tx;

use super::{say, start_error};

#[derive(Subcommand)]
pub(crate) enum PaymentsCommand {
    /// Orders that an admin has to look at, one a line; exit 1 if there are any.
    Flagged,
    /// Settle a flagged order by hand; exit 1 if there is nothing to settle.
    Settle {
        /// The order.
        order: String,
        #[command(flatten)]
        decision: Wanted,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Wanted {
    /// Credit the order's own amount and its bonus: the provider's dashboard shows it as paid.
    #[arg(long)]
    credit: bool,
    /// Take it off the list: it was refunded, or never paid.
    #[arg(long)]
    dismiss: bool,
}

pub(crate) async fn run(command: &PaymentsCommand, pool: &Pool, clock: &Clock) -> Result<ExitCode, StartError> {
    match command {
        PaymentsCommand::Flagged => list(pool).await,
        PaymentsCommand::Settle { order, decision } => {
            let decision = if decision.credit { Decision::Credit } else { Decision::Dismiss };
            settle(order, decision, pool, clock).await
        }
    }
}

async fn list(pool: &Pool) -> Result<ExitCode, StartError> {
    let mut conn = pool.acquire().await.map_err(start_error)?;
    let flagged = payments::list_flagged(&mut conn).await.map_err(start_error)?;
    for order in &flagged {
        let paid = order.paid.map_or_else(|| "?".to_owned(), Paise::rupees);
        let status = order.status.as_str();
        let (at, amount) = (order.at.to_rfc3339(), order.amount.rupees());
        say(format!("{at} {} {} {status} ordered {amount} paid {paid}", order.id, order.flag));
    }
    Ok(if flagged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The patient's inbox has it at once; their app shows it when it looks there next, for no node hears of this commit.
async fn settle(order: &str, decision: Decision, pool: &Pool, clock: &Clock) -> Result<ExitCode, StartError> {
    let id = OrderId(order.to_owned());
    let mut tx = Tx::begin(pool, clock.now()).await.map_err(start_error)?;
    match ops::decide(&mut tx, &id, decision).await.map_err(start_error)? {
        Decided::Done => {
            let _committed = tx.commit().await.map_err(start_error)?;
            say(format!("{id} is {}", if decision == Decision::Credit { "credited" } else { "dismissed" }));
            return Ok(ExitCode::SUCCESS);
        }
        Decided::NotFlagged => say(format!("{id} is not flagged")),
        Decided::Credited => say(format!("{id} is credited already")),
    }
    Ok(ExitCode::FAILURE)
}
