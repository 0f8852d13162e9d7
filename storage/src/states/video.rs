//! Who may switch the patient's camera on (connect-v2 §3.13, §4.2).

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// The state of the patient's camera permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "VideoPermissionState")]
pub enum State {
    /// The start, and where revoke leads.
    NotAllowed,
    /// The doctor offered; the patient has not answered.
    AllowedByDoctor,
    /// The patient consented and the camera is on.
    VideoOn,
    /// The patient switched the camera off; the consent stands.
    VideoOff,
    /// The patient refused the offer.
    DeclinedByPatient,
}

/// What can happen to the permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The doctor offers video (74).
    Allow,
    /// The patient consents (75).
    Accept,
    /// The patient refuses (76).
    Decline,
    /// Either party withdraws (77).
    Revoke,
    /// The patient's camera goes off, the consent stays (78).
    Off,
    /// The patient's camera goes on again (79).
    On,
    /// The call or the session ended.
    Reset,
}

impl State {
    /// Every state, for tests over all pairs.
    pub const ALL: [Self; 5] =
        [Self::NotAllowed, Self::AllowedByDoctor, Self::VideoOn, Self::VideoOff, Self::DeclinedByPatient];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "NOT_ALLOWED",
            Self::AllowedByDoctor => "ALLOWED_BY_DOCTOR",
            Self::VideoOn => "VIDEO_ON",
            Self::VideoOff => "VIDEO_OFF",
            Self::DeclinedByPatient => "DECLINED_BY_PATIENT",
        }
    }

    /// `patient_video_enabled`: true exactly in VIDEO_ON.
    #[must_use]
    pub const fn patient_video_enabled(self) -> bool {
        matches!(self, Self::VideoOn)
    }

    /// Whether the media server may take the patient's camera: with consent, on or off.
    #[must_use]
    pub const fn camera_allowed(self) -> bool {
        matches!(self, Self::VideoOn | Self::VideoOff)
    }
}

/// The one rule of how the permission moves. An [`Event::Allow`] that changes the state counts one consent round.
///
/// # Errors
/// [`Illegal`] for every pair that §3.13 does not list and whose target state is not already held.
pub const fn transition(from: State, event: Event) -> Result<Step<State>, Illegal> {
    match (from, event) {
        (State::NotAllowed | State::DeclinedByPatient, Event::Allow) => Ok(Step::To(State::AllowedByDoctor)),
        (State::AllowedByDoctor, Event::Accept) | (State::VideoOff, Event::On) => Ok(Step::To(State::VideoOn)),
        (State::AllowedByDoctor, Event::Decline) => Ok(Step::To(State::DeclinedByPatient)),
        (State::VideoOn, Event::Off) => Ok(Step::To(State::VideoOff)),
        (State::AllowedByDoctor | State::VideoOn | State::VideoOff, Event::Revoke)
        | (State::AllowedByDoctor | State::VideoOn | State::VideoOff | State::DeclinedByPatient, Event::Reset) => {
            Ok(Step::To(State::NotAllowed))
        }
        (State::AllowedByDoctor, Event::Allow)
        | (State::VideoOn, Event::Accept | Event::On)
        | (State::DeclinedByPatient, Event::Decline)
        | (State::VideoOff, Event::Off)
        | (State::NotAllowed, Event::Revoke | Event::Reset) => Ok(Step::Held),
        _ => Err(Illegal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 7] =
        [Event::Allow, Event::Accept, Event::Decline, Event::Revoke, Event::Off, Event::On, Event::Reset];

    /// §3.13 by hand: (from, event, to).
    const LISTED: [(State, Event, State); 12] = [
        (State::NotAllowed, Event::Allow, State::AllowedByDoctor),
        (State::DeclinedByPatient, Event::Allow, State::AllowedByDoctor),
        (State::AllowedByDoctor, Event::Accept, State::VideoOn),
        (State::AllowedByDoctor, Event::Decline, State::DeclinedByPatient),
        (State::AllowedByDoctor, Event::Revoke, State::NotAllowed),
        (State::VideoOn, Event::Revoke, State::NotAllowed),
        (State::VideoOff, Event::Revoke, State::NotAllowed),
        (State::VideoOn, Event::Off, State::VideoOff),
        (State::VideoOff, Event::On, State::VideoOn),
        (State::AllowedByDoctor, Event::Reset, State::NotAllowed),
        (State::VideoOn, Event::Reset, State::NotAllowed),
        (State::VideoOff, Event::Reset, State::NotAllowed),
    ];

    fn target(event: Event) -> State {
        match event {
            Event::Allow => State::AllowedByDoctor,
            Event::Accept | Event::On => State::VideoOn,
            Event::Decline => State::DeclinedByPatient,
            Event::Revoke | Event::Reset => State::NotAllowed,
            Event::Off => State::VideoOff,
        }
    }

    #[test]
    fn every_pair_is_as_the_contract_lists_it() {
        for from in State::ALL {
            for event in EVENTS {
                let listed = LISTED.iter().any(|(s, e, _)| *s == from && *e == event)
                    || (from == State::DeclinedByPatient && event == Event::Reset);
                let expected = if listed {
                    Ok(Step::To(target(event)))
                } else if from == target(event) {
                    Ok(Step::Held)
                } else {
                    Err(Illegal)
                };
                assert_eq!(transition(from, event), expected, "{from:?} {event:?}");
            }
        }
    }

    proptest! {
        /// Without an offer by the doctor the camera is never on, whatever the patient does.
        #[test]
        fn no_camera_without_an_offer(events in prop::collection::vec(0..7usize, 0..60)) {
            let mut state = State::NotAllowed;
            let mut offered = false;
            for index in events {
                let event = EVENTS.get(index).copied().unwrap();
                if let Ok(Step::To(next)) = transition(state, event) {
                    state = next;
                    match event {
                        Event::Allow => offered = true,
                        Event::Revoke | Event::Reset | Event::Decline => offered = false,
                        Event::Accept | Event::Off | Event::On => {}
                    }
                }
                prop_assert!(offered || !state.camera_allowed());
            }
        }
    }
}
