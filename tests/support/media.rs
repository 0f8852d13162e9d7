//! A meeting whose media server is the Twirp peer.

use axum::http::Method;
use serde_json::Value;

use super::client::{Answer, send};
use super::meeting::{Meeting, accept, of, text};
use super::twirp::{API_KEY, API_SECRET, TwirpPeer, sign_webhook};

/// A server with a media server of its own, and two people.
pub(crate) async fn meeting() -> (Meeting, TwirpPeer) {
    let peer = TwirpPeer::start().await;
    let url = peer.url();
    let m = Meeting::start_with(|config| {
        config.livekit_url = url;
        config.livekit_api_key = API_KEY.to_owned();
        config.livekit_api_secret = API_SECRET.into();
    })
    .await;
    (m, peer)
}

/// A running consultation with both in the room; answers its id.
pub(crate) async fn in_the_room(m: &Meeting, peer: &TwirpPeer) -> String {
    let id = m.requested().await;
    let doctor = accept(&m.doctor, &id).await;
    peer.join(text(&doctor["livekit"]["token"])).unwrap();
    let patient = m.patient.get(&of(&id, "token")).await.expect(200);
    peer.join(text(&patient["livekit"]["token"])).unwrap();
    id
}

/// The media server tells something.
pub(crate) async fn deliver(m: &Meeting, event: &Value) -> Answer {
    let body = event.to_string();
    let request = m.app.nobody().request(Method::POST, "connect/livekit/webhook");
    let request = request.header("content-type", "application/webhook+json");
    send(request.header("authorization", sign_webhook(body.as_bytes())).body(body)).await
}
