//! The cursor that clients keep: `<epoch>-<seq>` (realtime.md §2).

use std::fmt;
use std::str::FromStr;

/// A place in an inbox, as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Which event history.
    pub epoch: String,
    /// The last place the client has.
    pub seq: i64,
}

/// Not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of the form <epoch>-<seq>")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (epoch, seq) = text.rsplit_once('-').ok_or(NotACursor)?;
        let digits = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
        let named = !epoch.is_empty() && epoch.len() <= 32 && epoch.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !digits || !named {
            return Err(NotACursor);
        }
        Ok(Self { epoch: epoch.to_owned(), seq: seq.parse().map_err(|_| NotACursor)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_parse_or_do_not() {
        assert_eq!("k3-41".parse(), Ok(Cursor { epoch: "k3".to_owned(), seq: 41 }));
        assert_eq!("k3-0".parse::<Cursor>().map(|cursor| cursor.to_string()), Ok("k3-0".to_owned()));
        for bad in ["", "-", "k3", "k3-", "-4", "k3--1", "k3-1x", "k 3-1", "k3-99999999999999999999"] {
            assert_eq!(bad.parse::<Cursor>(), Err(NotACursor), "{bad}");
        }
    }
}
