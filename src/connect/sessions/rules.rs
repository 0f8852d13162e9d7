//! What a consultation costs and how its figures are shown.

use chrono::{DateTime, Utc};
use consilium_storage::money::Paise;

/// Seconds, minutes begun, and paise (connect-v2 45).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// Whole seconds between start and end.
    pub seconds: i32,
    /// Minutes begun.
    pub minutes: i32,
    /// Minutes times rate; 0 where nothing is charged.
    pub amount: Paise,
}

/// The charge of a session.
#[must_use]
pub fn bill(started: DateTime<Utc>, ended: DateTime<Utc>, rate_per_minute: i32, charging: bool) -> Bill {
    let seconds = i32::try_from((ended - started).num_seconds().max(0)).unwrap_or(i32::MAX);
    let minutes = seconds / 60 + i32::from(seconds % 60 > 0);
    let rate = if charging { Paise(rate_per_minute.max(0).into()) } else { Paise::ZERO };
    Bill { seconds, minutes, amount: rate.times(minutes.into()) }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn minutes_begun_are_charged() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let after = |seconds| start + TimeDelta::seconds(seconds);
        // The seed's own figures: 37m 7s at 500 paise are 38 minutes and 190 rupees.
        assert_eq!(bill(start, after(2227), 500, true), Bill { seconds: 2227, minutes: 38, amount: Paise(19_000) });
        assert_eq!(bill(start, after(0), 500, true), Bill { seconds: 0, minutes: 0, amount: Paise::ZERO });
        assert_eq!(bill(start, after(60), 500, true).minutes, 1);
        assert_eq!(bill(start, after(61), 500, true).minutes, 2);
        assert_eq!(bill(start, after(61), 500, false).amount, Paise::ZERO);
        assert_eq!(bill(after(5), start, 500, true).seconds, 0);
    }
}
