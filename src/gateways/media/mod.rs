//! LiveKit (DESIGN §5): it carries the media, the engine decides who may publish what.
//!
//! Tokens need no server and are always given. Everything else is best effort and may fail with
//! [`MediaError::Unreachable`]: a consultation, its video permission and its call go on without it
//! (settled 18), and [`reconcile`] puts the rooms right when LiveKit is back.

mod calls;
pub mod permissions;
pub mod reconcile;
pub mod recorder;
pub mod tokens;
pub mod webhook;

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use livekit_api::services::egress::EgressClient;
use livekit_api::services::room::{RoomClient, UpdateParticipantOptions};
use livekit_protocol::ParticipantPermission;
use livekit_protocol::participant_info::State;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

pub use calls::Policy;
pub use permissions::{CameraRight, Party, Role};
pub use tokens::LiveKitGrant;
pub use webhook::{EgressReport, EgressStatus, MediaEvent, MediaEventKind, WebhookError};

use calls::Caller;
use tokens::{TokenMaker, check_room};
use webhook::WebhookVerifier;

/// The longest a token may live: a kicked or revoked holder of one can come back until it ends.
const MAX_TOKEN_TTL: Duration = Duration::from_secs(3600);

/// Locks that keep the changes to one room in order. Shared by hash: no growth, no clearing up.
const LANES: usize = 256;

/// Why the media server did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// It did not answer, is in trouble, or was not asked because it did not answer just now.
    #[error("the media server cannot be reached")]
    Unreachable,
    /// It answered no: a wrong key pair, or a version that lacks the call.
    #[error("the media server refused the call ({code})")]
    Refused {
        /// The Twirp code word.
        code: String,
    },
    /// Nobody is in the room, so there is nothing to record.
    #[error("nobody is in the room")]
    NoRoom,
    /// A setting or a name it could never take.
    #[error("{0}")]
    Invalid(&'static str),
}

/// What became of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It holds in the room.
    Done,
    /// Not in the room: it is applied when they join.
    NotPresent,
    /// No longer wanted by the time it would have been sent.
    Skipped,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// The identity as LiveKit has it.
    pub identity: String,
    /// Who that is, when it is one of ours.
    pub party: Option<Party>,
    /// What they may do now, when the server says.
    pub permission: Option<ParticipantPermission>,
    /// Since when, by the server's clock; long ago where it does not say.
    pub joined_at: DateTime<Utc>,
}

/// The media server. Cheap to clone; all clones share one connection pool, and a breaker each for the rooms and the recorder.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    ws_url: String,
    tokens: TokenMaker,
    webhooks: WebhookVerifier,
    rooms: RoomClient,
    recorder: EgressClient,
    caller: Caller,
    /// With a breaker of its own: a recorder that is slow to start keeps nobody from the rooms.
    recorder_caller: Caller,
    lanes: Box<[Mutex<()>]>,
}

impl Media {
    /// A gateway to the LiveKit at `url` (`ws`, `wss`, `http` or `https`). Nothing is connected yet.
    ///
    /// # Errors
    /// [`MediaError::Invalid`] for a URL, key pair or token life it cannot work with.
    pub fn new(url: &str, api_key: &str, api_secret: SecretString, token_ttl: Duration) -> Result<Self, MediaError> {
        Self::with_policy(url, api_key, api_secret, token_ttl, Policy::default())
    }

    /// [`Media::new`] with other limits, for tests.
    ///
    /// # Errors
    /// As [`Media::new`].
    pub fn with_policy(
        url: &str,
        api_key: &str,
        api_secret: SecretString,
        token_ttl: Duration,
        policy: Policy,
    ) -> Result<Self, MediaError> {
        let ws_url = ws_url(url)?;
        if api_key.is_empty() || api_secret.expose_secret().is_empty() {
            return Err(MediaError::Invalid("the media key pair is incomplete"));
        }
        if token_ttl.as_secs() == 0 || token_ttl > MAX_TOKEN_TTL {
            return Err(MediaError::Invalid("a media token lives 1 s to 1 h"));
        }
        let rooms = RoomClient::with_api_key(&ws_url, api_key, api_secret.expose_secret())
            .with_failover(false)
            .with_request_timeout(policy.attempt_timeout);
        let recorder = EgressClient::with_api_key(&ws_url, api_key, api_secret.expose_secret())
            .with_failover(false)
            .with_request_timeout(policy.budget);
        Ok(Self(Arc::new(Inner {
            ws_url,
            webhooks: WebhookVerifier::new(api_key, &api_secret),
            tokens: TokenMaker::new(api_key.to_owned(), api_secret, token_ttl),
            rooms,
            recorder,
            caller: Caller::new(policy),
            recorder_caller: Caller::new(policy),
            lanes: (0..LANES).map(|_| Mutex::new(())).collect(),
        })))
    }

    /// A token for `party` to join `room` (37, 41, 42, 46). Works without a media server.
    ///
    /// # Errors
    /// [`MediaError::Invalid`] for a room name LiveKit would not take.
    pub fn grant(&self, room: &str, party: Party, display_name: &str) -> Result<LiveKitGrant, MediaError> {
        Ok(LiveKitGrant {
            token: self.0.tokens.sign(room, party, display_name)?,
            ws_url: self.0.ws_url.clone(),
            identity: party.identity(),
            expires_in: self.0.tokens.ttl().as_secs(),
        })
    }

    /// Verifies and reads a webhook (47): `authorization` is the header, `body` the raw bytes.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn webhook(&self, authorization: &str, body: &[u8]) -> Result<MediaEvent, WebhookError> {
        self.0.webhooks.verify(authorization, body)
    }

    /// Sets what `party` may publish in the running room, after the transition was committed
    /// (74–79, 45, 82). The whole permission is sent; LiveKit takes a forbidden track down at once.
    ///
    /// Calls for one room go out in the order they were made. Where the answer can change while one
    /// waits, use [`Media::enforce_camera`].
    ///
    /// # Errors
    /// See [`MediaError`]; the reconciler repeats it.
    pub async fn set_camera(&self, room: &str, party: Party, allowed: bool) -> Result<Applied, MediaError> {
        self.enforce_camera(room, party, &|| Some(allowed.into())).await
    }

    /// [`Media::set_camera`] with the answer read anew before each attempt, under the room's lock:
    /// whatever is sent last is what was true last. `None` sends nothing.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn enforce_camera(
        &self,
        room: &str,
        party: Party,
        camera: &(impl Fn() -> Option<CameraRight> + Send + Sync),
    ) -> Result<Applied, MediaError> {
        check_room(room)?;
        let inner = &*self.0;
        let identity = party.identity();
        let wait = inner.caller.policy().budget;
        let _turn = tokio::time::timeout(wait, inner.lane(room).lock()).await.map_err(|_| MediaError::Unreachable)?;
        if camera().is_none() {
            return Ok(Applied::Skipped);
        }
        let sent = inner
            .caller
            .call("UpdateParticipant", || async {
                let Some(right) = camera() else {
                    return Ok(Applied::Skipped);
                };
                let options = UpdateParticipantOptions {
                    permission: Some(permissions::permission(party.role(), right)),
                    ..UpdateParticipantOptions::default()
                };
                inner.rooms.update_participant(room, &identity, options).await.map(|_| Applied::Done)
            })
            .await?;
        Ok(sent.unwrap_or(Applied::NotPresent))
    }

    /// Who is in the room; nobody when LiveKit does not know it.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn participants(&self, room: &str) -> Result<Vec<Participant>, MediaError> {
        check_room(room)?;
        let rooms = &self.0.rooms;
        let listed =
            self.0.caller.call("ListParticipants", || rooms.list_participants(room)).await?.unwrap_or_default();
        Ok(listed
            .into_iter()
            .filter(|info| info.state() != State::Disconnected)
            .map(|info| Participant {
                party: Party::parse(&info.identity),
                identity: info.identity,
                permission: info.permission,
                joined_at: DateTime::from_timestamp(info.joined_at, 0).unwrap_or_default(),
            })
            .collect())
    }

    /// The names of all rooms that are open.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn open_rooms(&self) -> Result<HashSet<String>, MediaError> {
        let rooms = &self.0.rooms;
        let listed = self.0.caller.call("ListRooms", || rooms.list_rooms(Vec::new())).await?.unwrap_or_default();
        Ok(listed.into_iter().map(|room| room.name).collect())
    }

    /// Closes the room and puts everybody out (45, 82); a room that is not there is closed already.
    /// A holder of a token that has not ended could open it again where the server creates rooms by
    /// itself, so the engine keeps refusing tokens too.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn close_room(&self, room: &str) -> Result<(), MediaError> {
        check_room(room)?;
        let rooms = &self.0.rooms;
        self.0.caller.call("DeleteRoom", || rooms.delete_room(room)).await.map(|_| ())
    }

    /// Whether calls about rooms are turned away at present because the server did not answer; for `/ready`.
    pub fn is_away(&self) -> bool {
        self.0.caller.is_open()
    }
}

impl Inner {
    fn lane(&self, room: &str) -> &Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(room);
        let lane = usize::try_from(hash % LANES as u64).unwrap_or_default();
        // `LANES` locks were made, so the index is always good.
        #[allow(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
        &self.lanes[lane]
    }
}

/// The address for clients: the configured one with a WebSocket scheme. One that carries
/// credentials or a query is refused, for it is handed to everybody who joins.
fn ws_url(url: &str) -> Result<String, MediaError> {
    const WRONG: MediaError = MediaError::Invalid("the media URL is ws://, wss://, http:// or https:// and a host");
    let mut parsed = Url::parse(url).map_err(|_| WRONG)?;
    let scheme = match parsed.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(WRONG),
    };
    let plain = parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.query().is_none()
        && parsed.fragment().is_none()
        && parsed.path() == "/";
    if !plain || !parsed.has_host() || parsed.set_scheme(scheme).is_err() {
        return Err(WRONG);
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Media, ws_url};
    use std::time::Duration;

    #[test]
    fn the_address_for_clients_is_a_websocket_one() {
        for (given, shown) in [
            ("ws://127.0.0.1:7880", Some("ws://127.0.0.1:7880")),
            ("https://media.example.org/", Some("wss://media.example.org")),
            ("HTTP://media.example.org", Some("ws://media.example.org")),
            ("wss://key:secret@media.example.org", None),
            ("wss://media.example.org?token=x", None),
            ("wss://media.example.org/path", None),
            ("ftp://media.example.org", None),
            ("media.example.org", None),
            ("", None),
        ] {
            assert_eq!(ws_url(given).ok().as_deref(), shown, "{given}");
        }
    }

    #[test]
    fn settings_it_cannot_work_with_are_refused() {
        let make = |key: &str, secret: &str, ttl| {
            Media::new("ws://127.0.0.1:1", key, secret.into(), Duration::from_secs(ttl)).is_ok()
        };
        assert!(make("devkey", "secret", 600));
        assert!(make("devkey", "secret", 3600));
        assert!(!make("", "secret", 600));
        assert!(!make("devkey", "", 600));
        assert!(!make("devkey", "secret", 0));
        assert!(!make("devkey", "secret", 3601));
    }
}
