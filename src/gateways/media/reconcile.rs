//! Making the rooms agree with the consultations (DESIGN §5, settled 18).
//!
//! A webhook may be lost, a refreshed token replayed, LiveKit away during a transition or restarted
//! after it. So besides every transition and every join, all live rooms are compared now and then.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::permissions::{CameraRight, Party, Role, permission, same};
use super::{Applied, Media, MediaError, Participant};

/// Rooms looked at side by side.
const AT_ONCE: usize = 8;

/// What the reconciler asks the engine; the hub's projection answers from memory.
pub trait LiveRooms: Send + Sync {
    /// The rooms of all consultations that are going on.
    fn rooms(&self) -> Vec<String>;
    /// Whether the patient's camera is agreed to in this room *now*; `None` when it is no longer live.
    fn camera(&self, room: &str) -> Option<CameraRight>;
}

/// Who is in a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The room.
    pub room: String,
    /// Who is in it; nobody where it is not open.
    pub present: Vec<Participant>,
}

/// What a pass found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reconciled {
    /// Rooms looked at.
    pub rooms: usize,
    /// Patients whose permission was put right.
    pub corrected: usize,
    /// Rooms that could not be compared or corrected this time.
    pub failed: usize,
    /// Who is where, of all rooms that could be looked at.
    pub seen: Vec<Seen>,
}

/// The patients whose permission in the room is not what it should be. Doctors, recorders and
/// whoever else is there are left alone.
pub fn diff(participants: &[Participant], camera: CameraRight) -> Vec<Party> {
    let wanted = permission(Role::Patient, camera);
    participants
        .iter()
        .filter(|participant| !participant.permission.as_ref().is_some_and(|held| same(held, &wanted)))
        .filter_map(|participant| participant.party)
        .filter(|party| party.role() == Role::Patient)
        .collect()
}

/// Compares one room and puts right what differs; says how many it corrected. Call it at every
/// `participant_joined` and `track_published`.
///
/// `camera` is asked once to compare and again just before each change is sent, so that a pass
/// which started before a revoke cannot undo it.
///
/// # Errors
/// See [`MediaError`]; the next pass tries again.
pub async fn reconcile_room(
    media: &Media,
    room: &str,
    camera: impl Fn() -> Option<CameraRight> + Send + Sync,
) -> Result<usize, MediaError> {
    let participants = media.participants(room).await?;
    correct(media, room, &participants, camera).await
}

async fn correct(
    media: &Media,
    room: &str,
    participants: &[Participant],
    camera: impl Fn() -> Option<CameraRight> + Send + Sync,
) -> Result<usize, MediaError> {
    let Some(now) = camera() else { return Ok(0) };
    let mut corrected = 0;
    for party in diff(participants, now) {
        if media.enforce_camera(room, party, &camera).await? == Applied::Done {
            corrected += 1;
        }
    }
    Ok(corrected)
}

/// One pass over every live room that LiveKit has open. Consultations that only chat cost nothing.
///
/// # Errors
/// [`MediaError`] when not even the rooms can be listed.
pub async fn reconcile_all(media: &Media, live: &impl LiveRooms) -> Result<Reconciled, MediaError> {
    let mine = live.rooms();
    if mine.is_empty() {
        return Ok(Reconciled::default());
    }
    let open = media.open_rooms().await?;
    let (mine, closed): (Vec<_>, Vec<_>) = mine.into_iter().partition(|room| open.contains(room));
    let seen = closed.into_iter().map(|room| Seen { room, present: Vec::new() }).collect();
    let found = stream::iter(mine)
        .map(|room| async move {
            let participants = media.participants(&room).await?;
            let corrected = correct(media, &room, &participants, || live.camera(&room)).await;
            Ok::<_, MediaError>((corrected, Seen { room, present: participants }))
        })
        .buffer_unordered(AT_ONCE)
        .fold(Reconciled { seen, ..Reconciled::default() }, |mut sum, outcome| async move {
            sum.rooms += 1;
            match outcome {
                Ok((corrected, seen)) => {
                    sum.corrected += corrected.as_ref().copied().unwrap_or_default();
                    sum.failed += usize::from(corrected.is_err());
                    sum.seen.push(seen);
                }
                Err(_) => sum.failed += 1,
            }
            sum
        })
        .await;
    if found.corrected > 0 {
        tracing::info!(media.corrected = found.corrected, "room permissions put right");
    }
    Ok(found)
}

/// Runs [`reconcile_all`] every `interval` until `shutdown`. Failures are only logged (by the
/// calls): with no media server everything else works.
pub async fn run<L: LiveRooms>(media: Media, live: L, interval: Duration, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = reconcile_all(&media, &live) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CameraRight, Participant, Party, Role, diff, permission};
    use chrono::DateTime;
    use livekit_protocol::ParticipantPermission;
    use uuid::Uuid;

    fn someone(identity: &str, held: Option<ParticipantPermission>) -> Participant {
        let (identity, party) = (identity.to_owned(), Party::parse(identity));
        Participant { identity, party, permission: held, joined_at: DateTime::default() }
    }

    #[test]
    fn only_patients_who_differ_are_named() {
        let patient = Party::Patient(Uuid::from_u128(1));
        let doctor = Party::Doctor(Uuid::from_u128(2));
        let with = permission(Role::Patient, CameraRight::Granted);
        let without = permission(Role::Patient, CameraRight::Withheld);
        let everything = ParticipantPermission { can_publish_sources: Vec::new(), ..with.clone() };
        let room = |held| {
            [someone(&patient.identity(), held), someone(&doctor.identity(), None), someone("EG_recorder", None)]
        };
        for right in [CameraRight::Granted, CameraRight::Withheld] {
            let fits = if right == CameraRight::Granted { &with } else { &without };
            let off = if right == CameraRight::Granted { &without } else { &with };
            assert_eq!(diff(&room(Some(fits.clone())), right), []);
            assert_eq!(diff(&room(Some(off.clone())), right), [patient]);
            assert_eq!(diff(&room(Some(everything.clone())), right), [patient]);
            assert_eq!(diff(&room(None), right), [patient]);
        }
        assert_eq!(diff(&[], CameraRight::Withheld), []);
    }
}
