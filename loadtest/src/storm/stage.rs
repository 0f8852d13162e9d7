//! Before a storm: doctors, a patient in a session for each client, and all of them connected.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::client::{Client, stay};
use super::desk::Desk;
use crate::account::Account;
use crate::args::{Cutter, Storm};
use crate::frame;
use crate::http::{Call, Http, Trouble};
use crate::{setup, socket};

const AT_ONCE: usize = 16;
/// Sessions per doctor.
const PER_DOCTOR: usize = 500;
/// Every so manieth session gets one more message while everybody comes back; odd, so that all doctors write.
const MEANWHILE: usize = 49;

/// Everything that a storm needs.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) http: Http,
    pub(super) clients: Vec<Client>,
    /// The nodes that everybody comes back to.
    pub(super) homes: Vec<usize>,
    doctors: Vec<Account>,
    connected: JoinSet<()>,
    cut: watch::Sender<bool>,
}

impl Stage {
    /// Makes the accounts and the sessions, and connects the clients.
    pub(super) async fn set(args: &Storm, http: Http) -> Result<Self, String> {
        let say = |what: &'static str| move |trouble: Trouble| format!("{what}: {trouble}");
        let doctors = setup::doctors(&http, args.clients.div_ceil(PER_DOCTOR)).await.map_err(say("doctors"))?;
        let patients = setup::patients(&http, args.clients).await.map_err(say("patients"))?;
        let sessions = setup::sessions(&http, &doctors, &patients).await.map_err(say("sessions"))?;
        let killed = args.cut == Cutter::Node;
        let homes: Vec<usize> = (usize::from(killed)..http.targets.len()).collect();
        let mut stage = Self {
            http,
            clients: Vec::new(),
            homes,
            doctors,
            connected: JoinSet::new(),
            cut: watch::Sender::default(),
        };
        stage.connect(&patients, &sessions, killed).await?;
        Ok(stage)
    }

    /// Where number `at` comes back to.
    fn home(&self, at: usize) -> usize {
        self.homes.get(at % self.homes.len().max(1)).copied().unwrap_or_default()
    }

    /// Everybody connects, to the first node if that is to be killed, learns a cursor, and stays.
    async fn connect(&mut self, patients: &[Account], sessions: &[(Uuid, usize)], first: bool) -> Result<(), String> {
        let this = &*self;
        let opening =
            patients.iter().zip(sessions).enumerate().map(|(number, (patient, (session, doctor)))| async move {
                let home = this.http.authority(this.home(number)).to_owned();
                let node = if first { this.http.authority(0) } else { home.as_str() };
                let (socket, greeting) = socket::open(node, &patient.access, None)
                    .await
                    .map_err(|refused| format!("client {number}: {refused:?}"))?;
                let cursor = greeting.cursor.ok_or("a greeting without a cursor")?;
                let (token, session, doctor) = (patient.access.clone(), *session, *doctor);
                let client = Client { home, token, cursor, session, doctor, missed: Vec::new(), meanwhile: None };
                Ok::<_, String>((client, socket))
            });
        let bar = setup::bar(patients.len() as u64, "connections");
        let mut open = Vec::new();
        let mut opening = stream::iter(opening).buffered(AT_ONCE);
        let mut connected = JoinSet::new();
        while let Some(opened) = opening.next().await {
            let (client, socket) = opened?;
            connected.spawn(stay(socket, this.cut.subscribe()));
            open.push(client);
            bar.inc(1);
        }
        bar.finish();
        drop(opening);
        (self.clients, self.connected) = (open, connected);
        Ok(())
    }

    /// Writes so many messages into each session, which its client will look for.
    pub(super) async fn write(&mut self, count: usize, what: &str) -> Result<(), String> {
        let (http, doctors, home) = (&self.http, &self.doctors, self.home(0));
        let bar = setup::bar((self.clients.len() * count) as u64, what);
        let progress = &bar;
        let writing = self.clients.iter_mut().map(|client| async move {
            let doctor = doctors.get(client.doctor).ok_or("no doctors")?;
            let path = format!("/api/v2/connect/sessions/{}/messages", client.session);
            for _ in 0..count {
                let id = Uuid::new_v4();
                let body = json!({"client_message_id": id, "content_type": "text", "content": frame::content(id, 80)});
                let call = Call::post(&path, Some(&doctor.access), body);
                let written = http.call(home, &call).await.and_then(|answer| answer.expect::<Value>());
                written.map_err(|trouble| format!("a message: {trouble}"))?;
                client.missed.push(id);
                progress.inc(1);
            }
            Ok::<_, String>(())
        });
        let mut writing = stream::iter(writing).buffer_unordered(AT_ONCE);
        while let Some(written) = writing.next().await {
            written?;
        }
        bar.finish();
        Ok(())
    }

    /// The doctors' connections, with what they write while everybody comes back.
    pub(super) async fn desks(&mut self) -> Result<Vec<Desk>, String> {
        let mut letters: HashMap<usize, Vec<(Uuid, Uuid)>> = HashMap::new();
        for client in self.clients.iter_mut().step_by(MEANWHILE) {
            let id = Uuid::new_v4();
            client.meanwhile = Some(id);
            letters.entry(client.doctor).or_default().push((client.session, id));
        }
        let mut desks = Vec::new();
        for (number, letters) in letters {
            let doctor = self.doctors.get(number).ok_or("no doctors")?;
            let (socket, _) = socket::open(self.http.authority(self.home(number)), &doctor.access, None)
                .await
                .map_err(|refused| format!("doctor {number}: {refused:?}"))?;
            desks.push(Desk { socket, letters });
        }
        Ok(desks)
    }

    /// How many are not connected any more, though nobody has cut them.
    pub(super) fn gone_early(&mut self) -> usize {
        let mut gone = 0;
        while self.connected.try_join_next().is_some() {
            gone += 1;
        }
        gone
    }

    /// Cuts all that are still connected.
    pub(super) async fn cut(&mut self) {
        self.cut.send_replace(true);
        while self.connected.join_next().await.is_some() {}
    }
}
