//! Join tokens (connect-v2 46, LiveKitGrant): one room, one identity, the narrowest grants.
//!
//! A patient's token never names the camera, whatever the video permission says: LiveKit hands out
//! refreshed tokens with the grants of the moment, and one kept from a permitted minute could be
//! replayed after a revoke. The camera is granted in the running room alone.

use std::fmt;
use std::time::Duration;

use livekit_api::access_token::{AccessToken, VideoGrants};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::MediaError;
use super::permissions::{CameraRight, Party, Role, sources};

/// LiveKit refuses longer room and participant names (`limit.max_room_name_length` and its like).
const MAX_NAME_BYTES: usize = 256;

/// What a client needs to join its room (connect-v2, LiveKitGrant).
#[derive(Clone, Serialize, JsonSchema)]
pub struct LiveKitGrant {
    /// The signed token.
    pub token: String,
    /// Where to connect: `ws://` or `wss://`.
    pub ws_url: String,
    /// `patient-<id>` or `doctor-<id>`.
    pub identity: String,
    /// Seconds the token is valid for.
    pub expires_in: u64,
}

impl fmt::Debug for LiveKitGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token opens the room: it never reaches a log.
        f.debug_struct("LiveKitGrant")
            .field("ws_url", &self.ws_url)
            .field("identity", &self.identity)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Signs join tokens. Needs no media server: tokens are given while LiveKit is away (settled 18).
pub struct TokenMaker {
    api_key: String,
    api_secret: SecretString,
    ttl: Duration,
}

impl TokenMaker {
    /// A maker for one key pair. The caller has checked that neither is empty and the ttl not zero.
    pub fn new(api_key: String, api_secret: SecretString, ttl: Duration) -> Self {
        Self { api_key, api_secret, ttl }
    }

    /// How long its tokens are valid.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// A token for one party and one room. A display name too long for LiveKit is cut.
    ///
    /// # Errors
    /// [`MediaError::Invalid`] for a room name LiveKit would not take.
    pub fn sign(&self, room: &str, party: Party, display_name: &str) -> Result<String, MediaError> {
        check_room(room)?;
        AccessToken::with_api_key(&self.api_key, self.api_secret.expose_secret())
            .with_identity(&party.identity())
            .with_name(cut(display_name))
            .with_ttl(self.ttl)
            .with_grants(grants(room, party.role()))
            .to_jwt()
            .map_err(|_| MediaError::Invalid("the media key pair cannot sign a token"))
    }
}

/// The grants of a join token. Every `Option` is said outright: LiveKit reads an absent one as
/// "allowed", and an empty source list as "all sources".
pub fn grants(room: &str, role: Role) -> VideoGrants {
    VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_publish: Some(true),
        can_publish_sources: sources(role, CameraRight::Withheld)
            .iter()
            .map(|source| source.as_str_name().to_ascii_lowercase())
            .collect(),
        can_subscribe: Some(true),
        can_publish_data: Some(true),
        can_update_own_metadata: Some(false),
        ..VideoGrants::default()
    }
}

/// Refuses a room name LiveKit would not take, before it costs a call.
pub(super) fn check_room(room: &str) -> Result<(), MediaError> {
    if room.is_empty() || room.len() > MAX_NAME_BYTES {
        return Err(MediaError::Invalid("a room name has 1 to 256 bytes"));
    }
    Ok(())
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{cut, grants};
    use crate::gateways::media::permissions::Role;

    #[test]
    fn the_grants_are_the_narrowest_and_say_everything() {
        let patient = serde_json::to_value(grants("cn-1", Role::Patient)).unwrap_or_default();
        assert_eq!(
            patient,
            serde_json::json!({"roomJoin": true, "room": "cn-1", "canPublish": true,
                "canSubscribe": true, "canPublishData": true, "canUpdateOwnMetadata": false,
                "canPublishSources": ["microphone"]})
        );
        let doctor = grants("cn-1", Role::Doctor);
        assert_eq!(doctor.can_publish_sources, ["microphone", "camera"]);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(cut("Ankit"), "Ankit");
        let long = "हि".repeat(200);
        let kept = cut(&long);
        assert!(kept.len() <= 256 && kept.len() > 250 && long.starts_with(kept));
    }
}
