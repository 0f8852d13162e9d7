//! Why a connection is closed (realtime.md §4), and whether its client should come back.

/// A close code with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The server is going away: come back, to any node.
    GoingAway,
    /// A client frame over 64 KiB.
    TooBig,
    /// A client frame that is not JSON.
    NotJson,
    /// The token expired, the login was revoked, the account was switched off.
    Unauthenticated,
    /// Not allowed.
    Forbidden,
    /// Two heartbeats in a row went unanswered.
    HeartbeatMissed,
    /// The connection's queue was full: come back with your cursor.
    SlowConsumer,
    /// A newer connection of the same user took the place: stay away.
    Displaced,
    /// Too many commands for too long.
    TooManyCommands,
}

impl Close {
    /// Every close, for the AsyncAPI document.
    pub const ALL: [Self; 9] = [
        Self::GoingAway,
        Self::TooBig,
        Self::NotJson,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::HeartbeatMissed,
        Self::SlowConsumer,
        Self::Displaced,
        Self::TooManyCommands,
    ];

    /// The WebSocket close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::TooBig => 1009,
            Self::NotJson => 4400,
            Self::Unauthenticated => 4401,
            Self::Forbidden => 4403,
            Self::HeartbeatMissed => 4408,
            Self::SlowConsumer => 4409,
            Self::Displaced => 4410,
            Self::TooManyCommands => 4429,
        }
    }

    /// The reason sent with it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "going away",
            Self::TooBig => "frame too big",
            Self::NotJson => "not json",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "not allowed",
            Self::HeartbeatMissed => "heartbeat missed",
            Self::SlowConsumer => "slow consumer",
            Self::Displaced => "displaced by a newer connection",
            Self::TooManyCommands => "too many commands",
        }
    }

    /// Whether the client should connect again.
    #[must_use]
    pub const fn come_back(self) -> bool {
        matches!(self, Self::GoingAway | Self::HeartbeatMissed | Self::SlowConsumer)
    }
}
