//! A media server of one file: speaks LiveKit's room service over Twirp on 127.0.0.1 and checks what
//! LiveKit would check. It verifies tokens with its own HMAC, not with the crate under test.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::stream;
use hmac::{Hmac, KeyInit, Mac};
use livekit_protocol::{
    DeleteRoomRequest, DeleteRoomResponse, EgressInfo, EgressStatus, FileInfo, ListParticipantsRequest,
    ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse, ParticipantInfo, ParticipantPermission, Room,
    TrackSource, UpdateParticipantRequest,
};
use prost::Message;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::egress::Recorder;

/// The key pair of the peer.
pub(crate) const API_KEY: &str = "devkey";
/// Its secret.
pub(crate) const API_SECRET: &str = "a-secret-of-thirty-two-characters";

/// How the next request goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// 500 with Twirp's `internal`.
    Internal,
    /// 503 with Twirp's `unavailable`: no node holds the room.
    Unavailable,
    /// 502 with a page, as a proxy in front answers.
    ProxyPage,
    /// 404 with Twirp's `not_found`.
    NotFound,
    /// 200 with a page, as a server of another kind answers.
    Garbage,
    /// No answer.
    Hang,
    /// 200 with an answer that comes a byte a second and never ends.
    Trickle,
}

impl Fault {
    /// Every way.
    pub(crate) const ALL: [Self; 7] =
        [Self::Internal, Self::Unavailable, Self::ProxyPage, Self::NotFound, Self::Garbage, Self::Hang, Self::Trickle];
}

/// One request that was let through the door.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// `UpdateParticipant` and so on.
    pub(crate) method: String,
    /// The room it named; empty for `ListRooms`.
    pub(crate) room: String,
    /// The identity it named, or empty.
    pub(crate) identity: String,
    /// The permission it carried.
    pub(crate) permission: Option<ParticipantPermission>,
    /// The claims of its token.
    pub(crate) claims: Value,
}

#[derive(Default)]
struct Inside {
    recorder: Recorder,
    rooms: BTreeMap<String, BTreeMap<String, Seat>>,
    requests: Vec<Recorded>,
    refused: usize,
    faults: VecDeque<Fault>,
    always: Option<Fault>,
    hanging: usize,
    /// The methods of the requests that went wrong.
    failed: Vec<String>,
}

#[derive(Default, Clone)]
struct Seat {
    permission: ParticipantPermission,
    published: Vec<TrackSource>,
    /// In seconds.
    joined_at: i64,
}

impl Seat {
    fn new(permission: ParticipantPermission) -> Self {
        Self { permission, published: Vec::new(), joined_at: i64::try_from(now()).unwrap() }
    }
}

/// The running peer; it ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct TwirpPeer {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl TwirpPeer {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self { address: listener.local_addr().unwrap(), inside: Arc::default() };
        let router = Router::new().fallback(serve).with_state(Arc::clone(&peer.inside));
        #[allow(clippy::disallowed_methods, reason = "it ends with the test's own runtime")]
        tokio::task::spawn(async move { axum::serve(listener, router).await });
        peer
    }

    /// Its address as LiveKit's is configured.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// Joins as a client does: the token decides. Gives the identity.
    pub(crate) fn join(&self, token: &str) -> Result<String, String> {
        let claims = verify(token)?;
        let video = &claims["video"];
        let (room, identity) = (text(&video["room"]), text(&claims["sub"]));
        if video["roomJoin"] != true || room.is_empty() || identity.is_empty() {
            return Err("permissions denied".to_owned());
        }
        let seat = Seat::new(from_grants(video));
        let mut inside = self.inside();
        inside.rooms.entry(room).or_default().insert(identity.clone(), seat);
        Ok(identity)
    }

    /// Puts somebody into a room with any permission, as a replayed token would.
    pub(crate) fn seat(&self, room: &str, identity: &str, permission: ParticipantPermission) {
        let seat = Seat::new(permission);
        let mut inside = self.inside();
        let room = inside.rooms.entry(room.to_owned()).or_default();
        room.insert(identity.to_owned(), seat);
    }

    /// Somebody hangs up. The room stays open.
    pub(crate) fn leave(&self, room: &str, identity: &str) {
        if let Some(room) = self.inside().rooms.get_mut(room) {
            room.remove(identity);
        }
    }

    /// Publishes a track, if the permission of the moment lets it.
    pub(crate) fn publish(&self, room: &str, identity: &str, source: TrackSource) -> bool {
        let mut inside = self.inside();
        let seat = inside.rooms.get_mut(room).and_then(|r| r.get_mut(identity));
        let Some(seat) = seat.filter(|seat| may_publish(&seat.permission, source)) else {
            return false;
        };
        seat.published.push(source);
        true
    }

    /// What somebody is publishing.
    pub(crate) fn published(&self, room: &str, identity: &str) -> Vec<TrackSource> {
        let inside = self.inside();
        let seat = inside.rooms.get(room).and_then(|room| room.get(identity));
        seat.map(|seat| seat.published.clone()).unwrap_or_default()
    }

    /// The permission somebody has in the room.
    pub(crate) fn permission(&self, room: &str, identity: &str) -> Option<ParticipantPermission> {
        let inside = self.inside();
        let seat = inside.rooms.get(room)?.get(identity)?;
        Some(seat.permission.clone())
    }

    /// Whether somebody may publish the camera now; `None` when not in the room.
    pub(crate) fn camera_allowed(&self, room: &str, identity: &str) -> Option<bool> {
        let permission = self.permission(room, identity)?;
        Some(may_publish(&permission, TrackSource::Camera))
    }

    /// What the recorder knows, the oldest first.
    pub(crate) fn egresses(&self) -> Vec<EgressInfo> {
        self.inside().recorder.all()
    }

    /// The recorder has come so far with one.
    pub(crate) fn set_egress(&self, egress_id: &str, status: EgressStatus, file: Option<FileInfo>) -> EgressInfo {
        self.inside().recorder.set(egress_id, status, file)
    }

    /// The recorder is done with one, in a state that came with a later version.
    pub(crate) fn set_egress_news(&self, egress_id: &str) {
        self.inside().recorder.set_news(egress_id);
    }

    /// The recorder died and took one with it.
    pub(crate) fn forget_egress(&self, egress_id: &str) {
        self.inside().recorder.forget(egress_id);
    }

    /// The recorder begins what it is asked for, and its answers are lost.
    pub(crate) fn lose_starts(&self, loses: bool) {
        self.inside().recorder.loses_answers = loses;
    }

    /// The requests let through so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.inside().requests.clone()
    }

    /// How many requests were turned away at the door.
    pub(crate) fn refused(&self) -> usize {
        self.inside().refused
    }

    /// How many requests for this went wrong, as they were told to.
    pub(crate) fn failed(&self, method: &str) -> usize {
        self.inside().failed.iter().filter(|failed| *failed == method).count()
    }

    /// How many requests were left without an answer.
    pub(crate) fn hanging(&self) -> usize {
        self.inside().hanging
    }

    /// The next requests go wrong like this, one each.
    pub(crate) fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inside().faults.extend(faults);
    }

    /// Every request goes wrong like this, until told otherwise.
    pub(crate) fn fail_always(&self, fault: Option<Fault>) {
        self.inside().always = fault;
    }
}

/// Signs a webhook as LiveKit does: the value of the `Authorization` header for these bytes.
pub(crate) fn sign_webhook(body: &[u8]) -> String {
    sign(&json!({
        "iss": API_KEY, "nbf": now(), "exp": now() + 300,
        "sha256": STANDARD.encode(Sha256::digest(body)),
    }))
}

/// Signs any claims with the peer's secret.
pub(crate) fn sign(claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(API_SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// The claims of a token signed with the peer's secret by its key, at a time when it is valid.
pub(crate) fn verify(token: &str) -> Result<Value, String> {
    let claims = verify_signature(token, API_SECRET)?;
    if claims["iss"] != API_KEY {
        return Err("invalid API key".to_owned());
    }
    let exp = claims["exp"].as_u64().ok_or("no expiry")?;
    if exp <= now() || claims["nbf"].as_u64().is_some_and(|nbf| nbf > now() + 60) {
        return Err("token is expired or not valid yet".to_owned());
    }
    Ok(claims)
}

/// The claims of an HS256 token with a right signature, whatever its time.
pub(crate) fn verify_signature(token: &str, secret: &str) -> Result<Value, String> {
    let (signed, signature) = token.rsplit_once('.').ok_or("not a token")?;
    let (head, payload) = signed.split_once('.').ok_or("not a token")?;
    let open = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|e| e.to_string());
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).map_err(|e| e.to_string());
    if json(open(head)?)?["alg"] != "HS256" {
        return Err("not HS256".to_owned());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    mac.verify_slice(&open(signature)?).map_err(|_| "wrong signature".to_owned())?;
    json(open(payload)?)
}

/// LiveKit's reading of grants: absent means allowed, an empty list of sources means all.
fn from_grants(video: &Value) -> ParticipantPermission {
    let listed = video["canPublishSources"].as_array();
    let publish = video["canPublish"] != false;
    ParticipantPermission {
        can_subscribe: video["canSubscribe"] != false,
        can_publish: publish,
        can_publish_data: video["canPublishData"].as_bool().unwrap_or(publish),
        can_publish_sources: listed
            .into_iter()
            .flatten()
            .filter_map(|name| TrackSource::from_str_name(&text(name).to_uppercase()))
            .map(i32::from)
            .collect(),
        hidden: video["hidden"] == true,
        can_update_metadata: video["canUpdateOwnMetadata"] == true,
        ..ParticipantPermission::default()
    }
}

fn may_publish(permission: &ParticipantPermission, source: TrackSource) -> bool {
    let listed = &permission.can_publish_sources;
    permission.can_publish && (listed.is_empty() || listed.contains(&i32::from(source)))
}

async fn serve(State(inside): State<Arc<Mutex<Inside>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let claims = match authorize(&headers) {
        Ok(claims) => claims,
        Err(reason) => {
            // LiveKit's door answers in plain text, not in Twirp's JSON.
            inside.lock().unwrap().refused += 1;
            return (StatusCode::UNAUTHORIZED, reason).into_response();
        }
    };
    let path = uri.path().strip_prefix("/twirp/livekit.").unwrap_or_default();
    let Some((service @ ("RoomService" | "Egress"), method)) = path.split_once('/') else {
        return twirp(StatusCode::NOT_FOUND, "bad_route");
    };
    if headers.get(header::CONTENT_TYPE).map(|t| t.as_bytes()) != Some(b"application/protobuf") {
        return twirp(StatusCode::NOT_FOUND, "bad_route");
    }
    let fault = {
        let mut inside = inside.lock().unwrap();
        let fault = inside.faults.pop_front().or(inside.always);
        if fault.is_some() {
            inside.failed.push(method.to_owned());
        }
        fault
    };
    match fault {
        Some(Fault::Internal) => twirp(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        Some(Fault::Unavailable) => twirp(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Some(Fault::ProxyPage) => (StatusCode::BAD_GATEWAY, "<h1>Bad gateway</h1>").into_response(),
        Some(Fault::NotFound) => twirp(StatusCode::NOT_FOUND, "not_found"),
        Some(Fault::Garbage) => "<h1>It works!</h1>".into_response(),
        Some(Fault::Trickle) => trickle(),
        Some(Fault::Hang) => {
            inside.lock().unwrap().hanging += 1;
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK.into_response()
        }
        None if service == "Egress" => {
            let Inside { recorder, rooms, .. } = &mut *inside.lock().unwrap();
            recorder.handle(method, &claims, &body, |room| rooms.contains_key(room))
        }
        None => handle(&inside, method, &claims, &body),
    }
}

fn authorize(headers: &HeaderMap) -> Result<Value, String> {
    let value = headers.get(header::AUTHORIZATION).ok_or("no token")?;
    let value = value.to_str().map_err(|e| e.to_string())?;
    let token = value.strip_prefix("Bearer ").ok_or("not a bearer")?;
    // The real one repeats the token too: nothing of an answer may reach a log.
    verify(token).map_err(|reason| format!("invalid token: {token}, error: {reason}"))
}

#[allow(clippy::too_many_lines, reason = "one arm a method, as the media server's own table")]
fn handle(inside: &Mutex<Inside>, method: &str, claims: &Value, body: &[u8]) -> Response {
    let mut inside = inside.lock().unwrap();
    let video = &claims["video"];
    let admin = |room: &str| video["roomAdmin"] == true && video["room"] == room;
    let mut record = |room: &str, identity: &str, permission: Option<&ParticipantPermission>| {
        inside.requests.push(Recorded {
            method: method.to_owned(),
            room: room.to_owned(),
            identity: identity.to_owned(),
            permission: permission.cloned(),
            claims: claims.clone(),
        });
    };
    match method {
        "ListRooms" => {
            let request = ListRoomsRequest::decode(body).unwrap();
            if video["roomList"] != true {
                return denied();
            }
            record("", "", None);
            let wanted = |name: &&String| request.names.is_empty() || request.names.contains(name);
            let rooms = inside.rooms.keys().filter(wanted).map(|name| Room { name: name.clone(), ..Room::default() });
            answer(&ListRoomsResponse { rooms: rooms.collect() })
        }
        "DeleteRoom" => {
            let request = DeleteRoomRequest::decode(body).unwrap();
            if video["roomCreate"] != true {
                return denied();
            }
            record(&request.room, "", None);
            inside.recorder.room_closed(&request.room);
            match inside.rooms.remove(&request.room) {
                Some(_) => answer(&DeleteRoomResponse::default()),
                None => twirp(StatusCode::NOT_FOUND, "not_found"),
            }
        }
        "ListParticipants" => {
            let request = ListParticipantsRequest::decode(body).unwrap();
            if !admin(&request.room) {
                return denied();
            }
            record(&request.room, "", None);
            let seats = inside.rooms.get(&request.room);
            answer(&ListParticipantsResponse { participants: seats.into_iter().flatten().map(info).collect() })
        }
        "UpdateParticipant" => {
            let request = UpdateParticipantRequest::decode(body).unwrap();
            if !admin(&request.room) {
                return denied();
            }
            record(&request.room, &request.identity, request.permission.as_ref());
            let room = inside.rooms.get_mut(&request.room);
            let Some(seat) = room.and_then(|room| room.get_mut(&request.identity)) else {
                return twirp(StatusCode::NOT_FOUND, "not_found");
            };
            if let Some(permission) = request.permission {
                // A full replacement, and what is no longer allowed comes down at once.
                seat.published.retain(|s| may_publish(&permission, *s));
                seat.permission = permission;
            }
            answer(&info((&request.identity, seat)))
        }
        _ => twirp(StatusCode::NOT_FOUND, "bad_route"),
    }
}

fn info<S: std::borrow::Borrow<Seat>>((identity, seat): (&String, S)) -> ParticipantInfo {
    ParticipantInfo {
        sid: format!("PA_{identity}"),
        identity: identity.clone(),
        state: livekit_protocol::participant_info::State::Active.into(),
        permission: Some(seat.borrow().permission.clone()),
        joined_at: seat.borrow().joined_at,
        ..ParticipantInfo::default()
    }
}

fn trickle() -> Response {
    let bytes = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"\n")), ()))
    });
    ([(header::CONTENT_TYPE, "application/protobuf")], Body::from_stream(bytes)).into_response()
}

pub(super) fn answer(message: &impl Message) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/protobuf")];
    (kind, message.encode_to_vec()).into_response()
}

pub(super) fn twirp(status: StatusCode, code: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, json!({"code": code, "msg": code}).to_string()).into_response()
}

pub(super) fn denied() -> Response {
    twirp(StatusCode::UNAUTHORIZED, "unauthenticated")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[allow(clippy::disallowed_methods, reason = "the media server has a clock of its own")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}
