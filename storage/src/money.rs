//! Money: whole paise (connect-v2 §1), never a float. Rupees are texts at the edges, converted exactly.

use serde::{Deserialize, Serialize};

/// An amount in paise; 100 are one rupee.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    sqlx::Type,
    schemars::JsonSchema,
)]
#[serde(transparent)]
#[schemars(transparent)]
#[sqlx(transparent)]
pub struct Paise(pub i64);

impl Paise {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whether it is more than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// So many times the amount; at most what an `i64` holds.
    #[must_use]
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The sum; at most what an `i64` holds.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; at least what an `i64` holds.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The same amount the other way.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// In rupees with two decimals, as a JSON number: `500.00`.
    #[must_use]
    pub fn rupees(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let paise = self.0.unsigned_abs();
        format!("{sign}{}.{:02}", paise / 100, paise % 100)
    }

    /// From the text of a JSON number in rupees; none where that is no whole number of paise, or too large.
    #[must_use]
    pub fn from_rupees(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (digits, exponent) = match digits.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (digits, 0),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let decimals = decimals.trim_end_matches('0');
        let mantissa = format!("{whole}{decimals}");
        let mantissa = mantissa.trim_start_matches('0');
        if mantissa.is_empty() {
            return Some(Self::ZERO);
        }
        // The value is mantissa × 10^shift paise; nothing of an `i128` is lost on the way.
        let shift = exponent.checked_add(2)?.checked_sub(i32::try_from(decimals.len()).ok()?)?;
        let mantissa: i128 = mantissa.parse().ok()?;
        let scale = 10_i128.checked_pow(shift.unsigned_abs())?;
        let paise = if shift >= 0 {
            mantissa.checked_mul(scale)?
        } else if mantissa % scale == 0 {
            mantissa / scale
        } else {
            return None;
        };
        i64::try_from(paise * sign).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rupees_are_converted_exactly_or_not_at_all() {
        for (text, paise) in [
            ("0", 0),
            ("500", 50_000),
            ("500.00", 50_000),
            ("500.000000000000000000", 50_000),
            ("0.1", 10),
            ("0.29", 29),
            ("1.15", 115),
            ("5e2", 50_000),
            ("5E+2", 50_000),
            ("50000e-2", 50_000),
            ("1234567890123.45", 123_456_789_012_345),
            ("92233720368547758.07", i64::MAX),
            ("-12.30", -1230),
        ] {
            assert_eq!(Paise::from_rupees(text), Some(Paise(paise)), "{text}");
        }
        for text in [
            "",
            ".5",
            "-",
            "1.005",
            "500.000000000000000001",
            "1e-3",
            "1e40",
            "1e999999999999",
            "92233720368547758.08",
            "abc",
            "1_0",
            "+1",
            "NaN",
            "1.2.3",
            "１",
        ] {
            assert_eq!(Paise::from_rupees(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(paise in any::<i64>().prop_filter("has a negative", |paise| *paise != i64::MIN)) {
            prop_assert_eq!(Paise::from_rupees(&Paise(paise).rupees()), Some(Paise(paise)));
        }
    }
}
