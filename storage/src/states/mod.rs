//! Every state machine of the server: pure enums with one `transition` function each, tested over all pairs.

pub mod call;
pub mod followup;
pub mod payment;
pub mod recording;
pub mod session;
pub mod upload;
pub mod video;

/// An event that the present state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illegal;

/// The outcome of a legal event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<S> {
    /// The state changes.
    To(S),
    /// The state is held already: answered as a success, nothing is written, no event is sent (connect-v2 §1.4).
    Held,
}
