//! The recorder of the media server's peer: LiveKit's egress service, which checks what it is sent and tells its story by
//! list and by webhook.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use livekit_protocol::egress_info::Request;
use livekit_protocol::{
    EgressInfo, EgressStatus, FileInfo, ListEgressRequest, ListEgressResponse, RoomCompositeEgressRequest,
    StopEgressRequest,
};
use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use super::twirp::{answer, denied, twirp};

/// What the recorder was asked and is at.
#[derive(Default)]
pub(super) struct Recorder {
    /// By egress id.
    egresses: BTreeMap<String, EgressInfo>,
    /// Whether one that was asked for begins and its answer is lost.
    pub(super) loses_answers: bool,
}

impl Recorder {
    /// All it knows, the oldest first.
    pub(super) fn all(&self) -> Vec<EgressInfo> {
        let mut all: Vec<_> = self.egresses.values().cloned().collect();
        all.sort_by_key(|info| info.started_at);
        all
    }

    /// Sets where one stands.
    pub(super) fn set(&mut self, egress_id: &str, status: EgressStatus, file: Option<FileInfo>) -> EgressInfo {
        let info = self.egresses.get_mut(egress_id).unwrap();
        info.status = status.into();
        info.file_results = file.into_iter().collect();
        info.clone()
    }

    /// One is in a state that came with a later version, and is not active.
    pub(super) fn set_news(&mut self, egress_id: &str) {
        self.egresses.get_mut(egress_id).unwrap().status = 99;
    }

    /// Forgets one, as a recorder does that died.
    pub(super) fn forget(&mut self, egress_id: &str) {
        self.egresses.remove(egress_id).unwrap();
    }

    /// The room is closed: what records it comes to its end.
    pub(super) fn room_closed(&mut self, room: &str) {
        for info in self.egresses.values_mut().filter(|info| info.room_name == room && is_active(info)) {
            info.status = EgressStatus::EgressEnding.into();
        }
    }

    pub(super) fn handle(
        &mut self,
        method: &str,
        claims: &Value,
        body: &[u8],
        is_open: impl Fn(&str) -> bool,
    ) -> Response {
        if claims["video"]["roomRecord"] != true {
            return denied();
        }
        match method {
            "StartRoomCompositeEgress" => {
                let request = RoomCompositeEgressRequest::decode(body).unwrap();
                if !is_open(&request.room_name) {
                    return twirp(StatusCode::NOT_FOUND, "not_found");
                }
                if let Some(wrong) = wrong(&request) {
                    return twirp(StatusCode::BAD_REQUEST, wrong);
                }
                let info = self.begin(request);
                if self.loses_answers {
                    return twirp(StatusCode::INTERNAL_SERVER_ERROR, "internal");
                }
                answer(&info)
            }
            "StopEgress" => {
                let request = StopEgressRequest::decode(body).unwrap();
                let Some(info) = self.egresses.get_mut(&request.egress_id) else {
                    return twirp(StatusCode::NOT_FOUND, "not_found");
                };
                if !is_active(info) {
                    return twirp(StatusCode::PRECONDITION_FAILED, "failed_precondition");
                }
                info.status = EgressStatus::EgressEnding.into();
                answer(info)
            }
            "ListEgress" => {
                let request = ListEgressRequest::decode(body).unwrap();
                let fits = |info: &EgressInfo| {
                    (request.room_name.is_empty() || info.room_name == request.room_name)
                        && (request.egress_id.is_empty() || info.egress_id == request.egress_id)
                        && (!request.active || is_active(info))
                };
                let items = self.all().into_iter().filter(fits).collect();
                answer(&ListEgressResponse { items, next_page_token: None })
            }
            _ => twirp(StatusCode::NOT_FOUND, "bad_route"),
        }
    }

    fn begin(&mut self, request: RoomCompositeEgressRequest) -> EgressInfo {
        let egress_id = format!("EG_{}", Uuid::new_v4().simple());
        let info = EgressInfo {
            egress_id: egress_id.clone(),
            room_name: request.room_name.clone(),
            status: EgressStatus::EgressActive.into(),
            started_at: i64::try_from(self.egresses.len()).unwrap() + 1,
            request: Some(Request::RoomComposite(request)),
            ..EgressInfo::default()
        };
        self.egresses.insert(egress_id, info.clone());
        info
    }
}

/// What LiveKit would refuse, or would do otherwise than is meant.
fn wrong(request: &RoomCompositeEgressRequest) -> Option<&'static str> {
    let [file] = request.file_outputs.as_slice() else { return Some("invalid_argument") };
    let is_template = file.filepath.contains('{');
    let is_good = file.filepath.ends_with(".mp4") && !is_template && file.disable_manifest;
    let has_others = !request.stream_outputs.is_empty() || !request.segment_outputs.is_empty();
    (!is_good || has_others || request.audio_only || request.video_only).then_some("invalid_argument")
}

fn is_active(info: &EgressInfo) -> bool {
    let status = EgressStatus::try_from(info.status);
    matches!(status, Ok(EgressStatus::EgressStarting | EgressStatus::EgressActive | EgressStatus::EgressEnding))
}

/// A file that the recorder says it wrote.
pub(crate) fn file(size: i64, seconds: i64) -> FileInfo {
    FileInfo {
        filename: "as the recorder calls it.mp4".to_owned(),
        size,
        duration: seconds * 1_000_000_000,
        ..FileInfo::default()
    }
}

/// A webhook that tells where a recording stands.
pub(crate) fn webhook(kind: &str, info: &EgressInfo, at: i64) -> Value {
    let files: Vec<Value> = info
        .file_results
        .iter()
        .map(|file| json!({"filename": file.filename, "size": file.size.to_string(), "duration": file.duration.to_string()}))
        .collect();
    json!({
        "id": format!("EV_{}", Uuid::new_v4()), "event": kind, "createdAt": at.to_string(),
        "egressInfo": {
            "egressId": info.egress_id, "roomName": info.room_name, "status": info.status().as_str_name(),
            "error": info.error, "fileResults": files,
        },
    })
}
