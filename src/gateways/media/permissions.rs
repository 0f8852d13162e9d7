//! What each party may do in a room (connect-v2 §3.13): pure, and shared by tokens and the running room.
//!
//! LiveKit replaces a participant's permission as a whole, so every value here is complete: a
//! defaulted field would take subscribing and data away with the camera.

use livekit_protocol::{ParticipantPermission, TrackSource};
use uuid::Uuid;

/// One of the two people in a consultation's room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The patient, by user id.
    Patient(Uuid),
    /// The doctor, by doctor id.
    Doctor(Uuid),
}

impl Party {
    /// The identity in the room: `patient-<id>` or `doctor-<id>` (LiveKitGrant).
    pub fn identity(&self) -> String {
        match self {
            Self::Patient(id) => format!("patient-{id}"),
            Self::Doctor(id) => format!("doctor-{id}"),
        }
    }

    /// Reads an identity back. Anything but the exact spelling of [`Party::identity`] is nobody:
    /// recorders and guests share the room, and their rights are not ours to set.
    pub fn parse(identity: &str) -> Option<Self> {
        let party = if let Some(id) = identity.strip_prefix("patient-") {
            Self::Patient(id.parse().ok()?)
        } else {
            Self::Doctor(identity.strip_prefix("doctor-")?.parse().ok()?)
        };
        (party.identity() == identity).then_some(party)
    }

    /// The part this person plays.
    pub fn role(&self) -> Role {
        match self {
            Self::Patient(_) => Role::Patient,
            Self::Doctor(_) => Role::Doctor,
        }
    }
}

/// The part a person plays in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May use the camera only while the doctor and the patient have agreed to it.
    Patient,
    /// May always use the camera.
    Doctor,
}

/// Whether the patient's camera is agreed to now: true exactly in VIDEO_ON and VIDEO_OFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraRight {
    /// The patient may publish the camera.
    Granted,
    /// The patient may publish the microphone alone.
    Withheld,
}

impl From<bool> for CameraRight {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Granted } else { Self::Withheld }
    }
}

/// The sources a party may publish. Never empty: LiveKit reads an empty list as *all* sources.
pub fn sources(role: Role, camera: CameraRight) -> &'static [TrackSource] {
    match (role, camera) {
        (Role::Doctor, _) | (Role::Patient, CameraRight::Granted) => &[TrackSource::Microphone, TrackSource::Camera],
        (Role::Patient, CameraRight::Withheld) => &[TrackSource::Microphone],
    }
}

/// The complete permission of a party in the running room.
pub fn permission(role: Role, camera: CameraRight) -> ParticipantPermission {
    ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        can_publish_sources: sources(role, camera).iter().map(|source| i32::from(*source)).collect(),
        hidden: false,
        can_update_metadata: false,
        can_subscribe_metrics: false,
        can_manage_agent_session: false,
        // The two deprecated fields (recorder, agent) and whatever a newer protocol adds: nothing.
        ..ParticipantPermission::default()
    }
}

/// Whether two permissions let the same things happen, whatever the order of the sources.
pub fn same(left: &ParticipantPermission, right: &ParticipantPermission) -> bool {
    normal(left) == normal(right)
}

fn normal(permission: &ParticipantPermission) -> ParticipantPermission {
    let mut permission = permission.clone();
    permission.can_publish_sources.sort_unstable();
    permission.can_publish_sources.dedup();
    permission
}

#[cfg(test)]
mod tests {
    use super::{CameraRight, Party, Role, permission, same, sources};
    use livekit_protocol::{ParticipantPermission, TrackSource};
    use uuid::Uuid;

    #[test]
    fn only_a_patient_without_consent_lacks_the_camera() {
        for role in [Role::Patient, Role::Doctor] {
            for right in [CameraRight::Granted, CameraRight::Withheld] {
                let listed = sources(role, right);
                assert!(listed.contains(&TrackSource::Microphone));
                let expected = role == Role::Doctor || right == CameraRight::Granted;
                assert_eq!(listed.contains(&TrackSource::Camera), expected);
                let whole = permission(role, right);
                assert!(whole.can_subscribe && whole.can_publish && whole.can_publish_data);
                assert!(!whole.hidden && !whole.can_update_metadata);
                assert_eq!(whole.can_publish_sources.len(), listed.len());
            }
        }
    }

    #[test]
    fn the_order_of_sources_makes_no_difference_and_an_empty_list_does() {
        let wanted = permission(Role::Doctor, CameraRight::Withheld);
        let mut turned = wanted.clone();
        turned.can_publish_sources.reverse();
        assert!(same(&wanted, &turned));
        let all = ParticipantPermission { can_publish_sources: Vec::new(), ..wanted.clone() };
        assert!(!same(&wanted, &all));
    }

    #[test]
    fn identities_are_read_back_only_in_their_exact_spelling() {
        let id = Uuid::from_u128(0x6444_52ac);
        for party in [Party::Patient(id), Party::Doctor(id)] {
            assert_eq!(Party::parse(&party.identity()), Some(party));
        }
        for stranger in [
            String::new(),
            "patient-".to_owned(),
            "EG_abc".to_owned(),
            format!("patient-{}", id.simple()),
            format!("patient-{}", id.to_string().to_uppercase()),
            format!("Patient-{id}"),
            format!("nurse-{id}"),
            format!("patient-{id} "),
        ] {
            assert_eq!(Party::parse(&stranger), None, "{stranger}");
        }
    }
}
