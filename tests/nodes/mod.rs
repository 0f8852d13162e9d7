//! Several nodes over one database and one Redis, and what happens when something between them breaks (DESIGN §1, §2, §4).

mod delivery;
mod flavours;
pub(crate) mod kit;
mod outage;
mod presence;
mod processes;
mod shared;
