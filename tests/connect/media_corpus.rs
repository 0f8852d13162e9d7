//! One consultation as LiveKit tells it, and what is true of it in the end when its webhooks come late, twice, in any
//! order or never: they are hints (DESIGN §5).

use std::time::Duration;

use chrono::TimeDelta;
use consilium::connect::recordings::follow;
use consilium::jobs::media;
use livekit_protocol::{EgressInfo, EgressStatus};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::egress::{file, webhook};
use crate::support::media::{deliver, in_the_room, meeting};
use crate::support::meeting::{Meeting, ended_by_itself, inbox, of, text, until};
use crate::support::twirp::TwirpPeer;

/// A consultation that is recorded. The patient, whose camera is agreed to, went away and has come back.
struct Talk<'a> {
    m: &'a Meeting,
    peer: &'a TwirpPeer,
    id: String,
    room: String,
    patient: String,
    doctor: String,
    egress: EgressInfo,
    began: i64,
}

impl<'a> Talk<'a> {
    async fn begin(m: &'a Meeting, peer: &'a TwirpPeer) -> Self {
        let began = m.app.app.now().timestamp();
        let id = in_the_room(m, peer).await;
        let room = format!("cn-{id}");
        let (patient, doctor) = (format!("patient-{}", m.patient.id), format!("doctor-{}", m.doctor.id));
        m.doctor.act(&of(&id, "recordings")).await.expect(201);
        m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
        m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
        until("the camera is allowed", || peer.camera_allowed(&room, &patient) == Some(true)).await;
        peer.leave(&room, &patient);
        let token = m.patient.get(&of(&id, "token")).await.expect(200);
        peer.join(text(&token["livekit"]["token"])).unwrap();
        let egress = peer.egresses().into_iter().find(|egress| egress.room_name == room).unwrap();
        m.app.advance(TimeDelta::seconds(60));
        Self { m, peer, id, room, patient, doctor, egress, began }
    }

    /// What LiveKit tells of it, in its order: until the doctor ends it, and from then on.
    fn corpus(&self) -> [Vec<Value>; 2] {
        let (patient, doctor, recorder) = (self.patient.as_str(), self.doctor.as_str(), self.egress.egress_id.as_str());
        let before = [
            ("room_started", "", ""),
            ("participant_joined", doctor, ""),
            ("track_published", doctor, "CAMERA"),
            ("participant_joined", patient, ""),
            ("track_published", patient, "MICROPHONE"),
            ("egress_started", "", ""),
            ("participant_joined", recorder, ""),
            ("track_published", patient, "CAMERA"),
            ("track_unpublished", patient, "CAMERA"),
            ("participant_left", patient, ""),
            ("participant_joined", patient, ""),
        ];
        let after = [
            ("track_unpublished", doctor, "CAMERA"),
            ("egress_updated", "", ""),
            ("participant_left", recorder, ""),
            ("participant_left", patient, ""),
            ("participant_left", doctor, ""),
            ("room_finished", "", ""),
            ("egress_ended", "", ""),
        ];
        [self.tell(1, &before), self.tell(21, &after)]
    }

    /// Webhooks about these, one a second.
    fn tell(&self, first: i64, told: &[(&str, &str, &str)]) -> Vec<Value> {
        let one = |(at, (kind, who, track)): (i64, &(&str, &str, &str))| match *kind {
            "egress_started" | "egress_updated" => webhook(kind, &self.egress, at),
            "egress_ended" => webhook(kind, &self.ended(), at),
            _ => json!({
                "id": format!("EV_{}_{at}", self.id), "event": kind, "createdAt": at.to_string(),
                "room": {"sid": "RM_1", "name": self.room}, "participant": {"sid": "PA_1", "identity": who},
                "track": {"sid": "TR_1", "source": track},
            }),
        };
        (self.began + first..).zip(told).map(one).collect()
    }

    /// The recording when it is done.
    fn ended(&self) -> EgressInfo {
        let status = EgressStatus::EgressComplete.into();
        EgressInfo { status, file_results: vec![file(1000, 61)], ..self.egress.clone() }
    }

    /// What is true of it, and what of that its patient was told.
    async fn truth(&self) -> Value {
        let session = self.m.patient.get(&format!("connect/sessions/{}", self.id)).await.expect(200);
        let recordings = self.m.doctor.get(&of(&self.id, "recordings")).await.expect(200);
        let recording = &recordings["items"][0];
        let mine = inbox(&self.m.patient).await.into_iter().filter(|event| event["session_id"] == self.id.as_str());
        let told: Vec<Value> = mine
            .map(|event| event["type"].clone())
            .filter(|kind| text(kind).starts_with("recording.") || text(kind) == "session.ended")
            .collect();
        json!({
            "session": session["status"],
            "recordings": recordings["total"],
            "recording": [recording["status"], recording["duration_seconds"], recording["size_bytes"]],
            "room is open": self.peer.permission(&self.room, &self.doctor).is_some(),
            "said to be there": self.m.app.count("room_participants").await,
            "told": told,
        })
    }
}

/// As a network has them: each of them never, once or twice, in any order, and some of the first part with the second.
fn jumbled([mut before, mut after]: [Vec<Value>; 2], random: &mut StdRng) -> [Vec<Value>; 2] {
    for part in [&mut before, &mut after] {
        let told = std::mem::take(part);
        *part = told.into_iter().flat_map(|event| vec![event; [0, 1, 1, 2][random.random_range(0..4_usize)]]).collect();
        part.shuffle(random);
    }
    let in_time = random.random_range(0..=before.len());
    after.extend(before.split_off(in_time));
    after.shuffle(random);
    [before, after]
}

/// Holds a consultation whose webhooks come as they were told, or as this seed has them; answers what is true then.
async fn hold(m: &Meeting, peer: &TwirpPeer, seed: Option<u64>) -> Value {
    let talk = Talk::begin(m, peer).await;
    let told = talk.corpus();
    let [before, after] = match seed {
        Some(seed) => jumbled(told, &mut StdRng::seed_from_u64(seed)),
        None => told,
    };
    deliver_all(m, &before).await;
    m.app.advance(TimeDelta::seconds(5));
    media::round(&m.app.app).await.unwrap();
    until("the camera is allowed again", || peer.camera_allowed(&talk.room, &talk.patient) == Some(true)).await;
    m.doctor.act(&of(&talk.id, "end")).await.expect(200);
    until("the room is closed", || peer.permission(&talk.room, &talk.doctor).is_none()).await;
    peer.set_egress(&talk.egress.egress_id, EgressStatus::EgressComplete, Some(file(1000, 61)));
    deliver_all(m, &after).await;
    look_after(m).await;
    talk.truth().await
}

async fn deliver_all(m: &Meeting, events: &[Value]) {
    for event in events {
        deliver(m, event).await.expect(200);
    }
}

/// The server's own rounds: they look at the rooms and at the recorder's list.
async fn look_after(m: &Meeting) {
    m.app.advance(TimeDelta::seconds(15));
    follow(&m.app.app).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // A round may be somebody else's just now.
    while m.app.count("room_participants").await > 0 {
        assert!(Instant::now() < deadline, "somebody is still said to be in a closed room");
        m.app.advance(TimeDelta::seconds(5));
        media::round(&m.app.app).await.unwrap();
    }
}

#[tokio::test]
async fn however_it_is_told_it_ends_the_same() {
    let (m, peer) = meeting().await;
    let in_order = hold(&m, &peer, None).await;
    let expected = json!({
        "session": "ENDED", "recordings": 1, "recording": ["READY", 61, 1000], "room is open": false,
        "said to be there": 0,
        "told": ["recording.started", "recording.stopped", "session.ended", "recording.ready"],
    });
    assert_eq!(in_order, expected);
    for seed in 0..12 {
        assert_eq!(hold(&m, &peer, Some(seed)).await, in_order, "seed {seed}");
    }
    assert_eq!(peer.refused(), 0);
}

#[tokio::test]
async fn a_room_whose_end_was_never_told_keeps_no_consultation_alive() {
    let (m, peer) = meeting().await;
    let id = in_the_room(&m, &peer).await;
    let room = format!("cn-{id}");
    for identity in [format!("patient-{}", m.patient.id), format!("doctor-{}", m.doctor.id)] {
        let at = m.app.app.now().timestamp().to_string();
        let joined = json!({"id": format!("EV_{identity}"), "event": "participant_joined", "createdAt": at,
                            "room": {"name": room}, "participant": {"identity": identity}});
        deliver(&m, &joined).await.expect(200);
        peer.leave(&room, &identity);
    }
    // As LiveKit closes a room that is empty.
    m.app.app.media.close_room(&room).await.unwrap();
    m.app.advance(TimeDelta::hours(3));
    look_after(&m).await;
    let session = ended_by_itself(&m, &id).await;
    assert_eq!((&session["status"], &session["end_reason"]), (&json!("ENDED"), &json!("timeout")));
}

/// LiveKit tells that somebody came or went, just now.
async fn tell(m: &Meeting, kind: &str, id: &str, identity: &str) {
    let event = json!({
        "id": format!("EV_{kind}_{id}_{identity}"), "event": kind, "createdAt": m.app.app.now().timestamp().to_string(),
        "room": {"name": format!("cn-{id}")}, "participant": {"identity": identity},
    });
    deliver(m, &event).await.expect(200);
}

/// A round of this server that looks at the rooms as they are now.
async fn look(m: &Meeting) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !media::round(&m.app.app).await.unwrap() {
        assert!(Instant::now() < deadline, "a round is always somebody else's");
        m.app.advance(TimeDelta::seconds(5));
    }
}

#[tokio::test]
async fn a_call_that_nobody_hung_up_costs_until_somebody_was_last_in_the_room() {
    let (m, peer) = meeting().await;
    for is_told in [true, false] {
        let id = in_the_room(&m, &peer).await;
        let room = format!("cn-{id}");
        let people = [format!("patient-{}", m.patient.id), format!("doctor-{}", m.doctor.id)];
        for identity in &people {
            tell(&m, "participant_joined", &id, identity).await;
        }
        m.app.advance(TimeDelta::seconds(570));
        if !is_told {
            // The word of their leaving will be lost.
            look(&m).await;
        }
        for identity in &people {
            peer.leave(&room, identity);
            if is_told {
                tell(&m, "participant_left", &id, identity).await;
            }
        }
        m.app.app.media.close_room(&room).await.unwrap();
        m.app.advance(TimeDelta::hours(5));
        look_after(&m).await;
        let session = ended_by_itself(&m, &id).await;
        assert_eq!((&session["status"], &session["end_reason"]), (&json!("ENDED"), &json!("timeout")));
        assert_eq!(session["billed_minutes"], 10, "told: {is_told}");
    }
}
