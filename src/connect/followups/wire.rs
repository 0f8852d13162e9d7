//! What goes into the follow-up endpoints; out goes [`FollowUp`](consilium_storage::connect::payloads::FollowUp).

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use consilium_storage::ids::{FollowupId, SessionId};
use consilium_storage::states::followup::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::Schedule;
use crate::http::calendar::Zone;

/// A follow-up in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct FollowupPath {
    /// The follow-up.
    pub followup_id: FollowupId,
}

/// A date to propose (30, 63).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleFollowup {
    /// `YYYY-MM-DD`.
    pub scheduled_date: NaiveDate,
    /// `HH:MM:SS`; without it only the day is agreed.
    pub scheduled_time: Option<NaiveTime>,
    /// IANA name; `Asia/Kolkata` unless said otherwise.
    pub scheduled_timezone: Option<Zone>,
}

impl ScheduleFollowup {
    pub(super) fn schedule(&self) -> Schedule {
        let zone = self.scheduled_timezone.map_or(Tz::Asia__Kolkata, |Zone(zone)| zone);
        Schedule { date: self.scheduled_date, time: self.scheduled_time, zone }
    }
}

/// As [`ScheduleFollowup`], with the session in the body (86).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreateFollowup {
    /// The consultation that it follows.
    pub parent_session_id: SessionId,
    /// `YYYY-MM-DD`.
    pub scheduled_date: NaiveDate,
    /// `HH:MM:SS`; without it only the day is agreed.
    pub scheduled_time: Option<NaiveTime>,
    /// IANA name; `Asia/Kolkata` unless said otherwise.
    pub scheduled_timezone: Option<Zone>,
}

impl CreateFollowup {
    pub(super) fn split(self) -> (SessionId, ScheduleFollowup) {
        let Self { parent_session_id, scheduled_date, scheduled_time, scheduled_timezone } = self;
        (parent_session_id, ScheduleFollowup { scheduled_date, scheduled_time, scheduled_timezone })
    }
}

/// Which of the caller's follow-ups (87).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"upcoming": {"const": true}}, "required": ["upcoming"]},
    "then" = {"properties": {"past": {"not": {"const": true}}}},
))]
pub struct ListQuery {
    /// 1 to 100.
    #[serde(default = "ListQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub offset: i64,
    /// Only in this status.
    pub status: Option<Status>,
    /// Only those to come, the next first.
    #[serde(default)]
    pub upcoming: bool,
    /// Only those that are over. Not together with `upcoming`.
    #[serde(default)]
    pub past: bool,
}

impl ListQuery {
    const fn limit() -> i64 {
        20
    }
}

/// The patient's answer (89).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"action": {"const": "reschedule"}}, "required": ["action"]},
    "then" = {"properties": {"proposed_date": {"not": {"type": "null"}}}, "required": ["proposed_date"]},
))]
pub struct Respond {
    /// What the patient says.
    pub action: Action,
    /// Another day, in the follow-up's zone; required to reschedule.
    pub proposed_date: Option<NaiveDate>,
    /// Another time of day.
    pub proposed_time: Option<NaiveTime>,
}

/// What the patient says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FollowUpAction")]
pub enum Action {
    /// Agreed.
    Accept,
    /// No.
    Reject,
    /// Another date.
    Reschedule,
}

/// The doctor's answer to the patient's date (90).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RespondToProposal {
    /// Whether it becomes the date.
    pub accept: bool,
}

/// Why it is called off (91); the body may be absent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("x-body-optional" = true))]
pub struct CancelFollowup {
    /// For the other party.
    #[schemars(length(max = 500))]
    pub reason: Option<String>,
}
