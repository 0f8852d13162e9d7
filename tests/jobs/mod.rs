//! What the server does unasked, by several nodes at once: no leader, everything once.

mod nodes;
mod panics;
mod revocations;
