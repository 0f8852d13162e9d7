//! What the media server tells (connect-v2 47): verified on the raw bytes, taken once by event id, and only a hint:
//! rooms are put right by looking at them.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::connect::payloads::ParticipantChanged;
use consilium_storage::connect::recordings::{self, Recording};
use consilium_storage::connect::sessions::{self, Session, room_name, session_of_room};
use consilium_storage::connect::{calls, media};
use consilium_storage::events::Event;
use consilium_storage::tx::Tx;
use schemars::JsonSchema;
use serde::Serialize;

use super::video_permission::camera_right;
use crate::app::App;
use crate::connect::recordings as recorded;
use crate::connect::recordings::Word;
use crate::connect::sessions::ops::close_room;
use crate::error::{Code, Error, Result};
use crate::gateways::media::{EgressReport, MediaEvent, MediaEventKind, Party, WebhookError, reconcile};
use crate::http::input::{BODY_LIMIT, collect_body};
use crate::http::reply::Answer;

/// The route 47.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new().api_route(
        "/api/v2/connect/livekit/webhook",
        post_with(receive, |op| {
            op.id("C47").tag("Media").summary("Room, participant and recording callbacks of the media server")
        }),
    )
}

/// Taken, also for unknown rooms and events, so that the server does not send it again.
#[derive(Debug, Serialize, JsonSchema)]
struct Taken {
    status: &'static str,
}

async fn receive(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Answer<Taken>> {
    let bytes = collect_body(body, BODY_LIMIT).await?;
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match app.media.webhook(authorization, &bytes) {
        Ok(event) => take(&app, event).await?,
        Err(WebhookError::BadSignature) => {
            return Err(Error::Unauthenticated {
                code: Some(Code::BadSignature),
                detail: "The signature does not fit",
            });
        }
        Err(error) => tracing::warn!(%error, "a signed media webhook could not be read"),
    }
    Ok(Answer(Taken { status: "ok" }))
}

async fn take(app: &App, event: MediaEvent) -> Result<()> {
    let heard = match &event.kind {
        MediaEventKind::Egress(report) => of_recorder(app, report).await?,
        _ => None,
    };
    let mut tx = app.begin().await?;
    let now = tx.now();
    if !media::note_webhook(tx.conn(), &event.id, now).await? {
        return Ok(());
    }
    let moves_recordings = matches!(event.kind, MediaEventKind::Egress(_) | MediaEventKind::RoomFinished);
    let of_room = || event.room.as_deref().and_then(session_of_room);
    let session = match heard.as_ref().map(|(recording, _)| recording.session_id).or_else(of_room) {
        Some(id) if moves_recordings => sessions::find_for_update(tx.conn(), id).await?,
        Some(id) => sessions::find(tx.conn(), id).await?,
        None => None,
    };
    let Some(session) = session else { return app.commit(tx).await };
    let at = DateTime::from_timestamp(event.created_at, 0).filter(|at| *at <= now).unwrap_or(now);
    let joined = matches!(event.kind, MediaEventKind::ParticipantJoined { .. });
    if joined && session.status_at(now).is_final() {
        // A token that still holds opened the room again: nobody is told, it is closed.
        app.commit(tx).await?;
        close_room(app, session.id);
        return Ok(());
    }
    let look = note(&mut tx, &session, &event.kind, at).await?;
    if let Some((recording, word)) = heard {
        // As it stands now that its session is held.
        if let Some(recording) = recordings::find(tx.conn(), recording.id).await? {
            recorded::hear(&mut tx, &session, recording, word, at).await?;
        }
    }
    app.commit(tx).await?;
    if look {
        look_at_room(app, &session);
    }
    Ok(())
}

/// The recording that the recorder speaks of, and what it says.
async fn of_recorder(app: &App, report: &EgressReport) -> Result<Option<(Recording, Word)>> {
    let found = recordings::find_by_egress(&mut *app.conn().await?, &report.egress_id).await?;
    Ok(match found {
        Some(recording) => {
            let word = recorded::look_for_file(app, &recording, report).await;
            Some((recording, word))
        }
        None => None,
    })
}

/// What both parties are told of somebody in the room.
async fn changed(tx: &mut Tx, session: &Session, identity: &str, at: DateTime<Utc>) -> Result<ParticipantChanged> {
    let open = calls::find_connected(tx.conn(), session.id).await?;
    Ok(ParticipantChanged::new(session.id, identity.to_owned(), at, open))
}

/// Notes who is in the room and tells both parties. Answers whether the room's permissions want a look.
async fn note(tx: &mut Tx, session: &Session, kind: &MediaEventKind, at: DateTime<Utc>) -> Result<bool> {
    match kind {
        // A recorder and whoever else is in the room is no party to the consultation, and does not keep it going.
        MediaEventKind::ParticipantJoined { identity } | MediaEventKind::ParticipantLeft { identity }
            if Party::parse(identity).is_none() =>
        {
            Ok(false)
        }
        MediaEventKind::ParticipantJoined { identity } => {
            sessions::touch(tx.conn(), session.id, at).await?;
            if media::set_joined(tx.conn(), session.id, identity, at).await? {
                let joined = changed(tx, session, identity, at).await?;
                tx.emit(Event::ParticipantJoined(joined), &session.parties());
            }
            Ok(true)
        }
        MediaEventKind::ParticipantLeft { identity } => {
            // The session's row before the room's, as whoever clears the room holds them.
            sessions::touch(tx.conn(), session.id, at).await?;
            if media::set_left(tx.conn(), session.id, identity, at).await? {
                let left = changed(tx, session, identity, at).await?;
                tx.emit(Event::ParticipantLeft(left), &session.parties());
            }
            Ok(false)
        }
        MediaEventKind::RoomFinished => {
            for identity in media::clear_room(tx.conn(), session.id, at).await? {
                let left = changed(tx, session, &identity, at).await?;
                tx.emit(Event::ParticipantLeft(left), &session.parties());
            }
            let open = recordings::find_open(tx.conn(), session.id).await?.filter(Recording::is_running);
            // Told late, it may be of a room that was there before; the event's time is in whole seconds.
            let open = open.filter(|open| open.started_at.is_none_or(|started| started < at + TimeDelta::seconds(1)));
            if let Some(open) = open {
                recorded::stop_locked(tx, session, open, at).await?;
            }
            Ok(false)
        }
        MediaEventKind::TrackPublished { .. } => Ok(true),
        _ => Ok(false),
    }
}

/// A token that was captured while the camera was allowed may be used again later: every join is checked.
fn look_at_room(app: &App, session: &Session) {
    let (app, id) = (app.clone(), session.id);
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
        let Ok(Some(live)) = app.engine.session_now(id).await else { return };
        let right = move || camera_right(live.status(), live.video().0);
        if let Err(error) = reconcile::reconcile_room(&app.media, &room_name(id), right).await {
            tracing::debug!(%error, session.id = %id, "media room not looked at");
        }
    });
}
