//! 55, 56, 57, against a recorder that checks what it is asked and ends in every way a recorder can.

mod ending;
mod starting;

use chrono::TimeDelta;
use consilium::connect::recordings::follow;
use livekit_protocol::{EgressInfo, EgressStatus, FileInfo};
use serde_json::Value;

use crate::support::egress::webhook;
use crate::support::media::{deliver, in_the_room, meeting};
use crate::support::meeting::{Meeting, of, text};
use crate::support::twirp::TwirpPeer;

/// A consultation that is being recorded.
pub(crate) struct Recorded {
    pub(crate) m: Meeting,
    pub(crate) peer: TwirpPeer,
    /// The session.
    pub(crate) session: String,
    /// Its recording.
    pub(crate) recording: String,
}

impl Recorded {
    async fn start() -> Self {
        let (m, peer) = meeting().await;
        let session = in_the_room(&m, &peer).await;
        let begun = m.doctor.act(&of(&session, "recordings")).await.expect(201);
        Self { m, peer, recording: text(&begun["id"]).to_owned(), session }
    }

    fn egress(&self) -> EgressInfo {
        self.peer.egresses().pop().unwrap()
    }

    async fn stop(&self) -> Value {
        self.m.patient.act(&of(&self.session, &format!("recordings/{}/stop", self.recording))).await.expect(200)
    }

    /// The recorder comes so far, and says so, or leaves it to its list.
    async fn recorder(&self, status: EgressStatus, file: Option<FileInfo>, tells: bool) {
        let info = self.peer.set_egress(&self.egress().egress_id, status, file);
        if tells {
            self.tell("egress_ended", &info).await;
        } else {
            follow(&self.m.app.app).await.unwrap();
        }
    }

    async fn tell(&self, kind: &str, info: &EgressInfo) {
        deliver(&self.m, &webhook(kind, info, self.m.app.app.now().timestamp())).await.expect(200);
    }

    /// The newest recording as both see it.
    async fn shown(&self) -> Value {
        let mine = self.m.patient.get(&of(&self.session, "recordings")).await.expect(200);
        let theirs = self.m.doctor.get(&of(&self.session, "recordings")).await.expect(200);
        assert_eq!(mine["items"][0]["status"], theirs["items"][0]["status"]);
        mine["items"][0].clone()
    }

    async fn status(&self) -> String {
        text(&self.shown().await["status"]).to_owned()
    }

    /// The kinds of events about recordings, the same for both.
    async fn told(&self) -> Vec<String> {
        let [mut mine, mut theirs] = self.m.kinds().await;
        for kinds in [&mut mine, &mut theirs] {
            kinds.retain(|kind| kind.starts_with("recording."));
        }
        assert_eq!(mine, theirs);
        mine
    }

    /// Writes what the recorder was asked to write, where it was asked to.
    async fn write_file(&self, bytes: &[u8]) {
        let path = self.path();
        tokio::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).await.unwrap();
        tokio::fs::write(path, bytes).await.unwrap();
    }

    /// The store is away: where its folder was is none.
    async fn lose_store(&self) {
        let folder = self.m.app.app.config.files_dir().join("recordings");
        tokio::fs::remove_dir_all(&folder).await.ok();
        tokio::fs::create_dir_all(folder.parent().unwrap()).await.unwrap();
        tokio::fs::write(folder, b"no folder").await.unwrap();
    }

    /// The store is back.
    async fn find_store(&self) {
        tokio::fs::remove_file(self.m.app.app.config.files_dir().join("recordings")).await.unwrap();
    }

    fn path(&self) -> String {
        let Some(livekit_protocol::egress_info::Request::RoomComposite(asked)) = self.egress().request else {
            panic!("no room was asked for")
        };
        asked.file_outputs[0].filepath.clone()
    }

    /// Time passes, and the server looks after its recordings.
    async fn later(&self, by: TimeDelta) {
        self.m.app.advance(by);
        follow(&self.m.app.app).await.unwrap();
    }
}
