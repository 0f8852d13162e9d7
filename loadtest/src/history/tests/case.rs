//! A consultation as it should be, and the ways to break it.

use std::collections::HashMap;

use uuid::Uuid;

use super::super::check::{Evidence, Verdict, check};
use super::super::record::{Channel, Cursor, Detail, Entry, Event, Kind, Message, Parties, Stored, UserLog, What};
use super::super::violation::Fault;

pub(super) const P: Uuid = Uuid::from_u128(1);
pub(super) const D: Uuid = Uuid::from_u128(2);
pub(super) const STRANGER: Uuid = Uuid::from_u128(3);
pub(super) const S: Uuid = Uuid::from_u128(100);
pub(super) const OTHER_SESSION: Uuid = Uuid::from_u128(101);

pub(super) fn at(seq: u64) -> Cursor {
    Cursor::parse(&format!("k3-{seq}")).unwrap()
}

pub(super) fn event(kind: Kind, detail: Detail) -> Event {
    Event { kind, session: Some(S), detail }
}

pub(super) fn message(number: u128, sender: Uuid) -> Message {
    Message {
        id: Uuid::from_u128(1000 + number),
        client_message_id: Uuid::from_u128(2000 + number),
        sender,
        created_us: i64::try_from(number).unwrap() * 10,
        intact: true,
    }
}

pub(super) fn new(number: u128, sender: Uuid) -> Event {
    let detail = Detail::Message(Box::new(message(number, sender)));
    event(Kind::MessageNew, detail)
}

pub(super) fn receipt(kind: Kind, numbers: &[u128]) -> Event {
    let ids: Vec<Uuid> = numbers.iter().map(|number| Uuid::from_u128(1000 + number)).collect();
    event(kind, Detail::Receipts(ids.into()))
}

pub(super) fn video(state: &str, round: i64) -> Event {
    let state = state.into();
    event(Kind::Video, Detail::Video { state, round })
}

pub(super) fn life(kind: Kind) -> Event {
    event(kind, Detail::None)
}

/// Evidence under construction; every entry comes a millisecond after the one before.
pub(super) struct Case {
    pub(super) evidence: Evidence,
    pub(super) clock: u64,
    pub(super) seqs: [u64; 2],
}

impl Case {
    pub(super) fn log(&mut self, user: Uuid) -> &mut UserLog {
        let place = usize::from(user != P);
        &mut self.evidence.inboxes[place]
    }

    pub(super) fn put(&mut self, user: Uuid, what: What) -> &mut Self {
        self.clock += 1000;
        let at_us = self.clock;
        self.log(user).entries.push(Entry { at_us, conn: 1, what });
        self
    }

    pub(super) fn seq(&mut self, user: Uuid) -> Cursor {
        let seq = &mut self.seqs[usize::from(user != P)];
        *seq += 1;
        at(*seq)
    }

    pub(super) fn sees(&mut self, user: Uuid, event: Event) -> &mut Self {
        let cursor = Some(self.seq(user));
        self.put(user, What::Event { cursor, event })
    }

    /// An ack with the user's own inbox row in it.
    pub(super) fn acked(&mut self, user: Uuid, event: Event) -> &mut Self {
        let cursor = Some(self.seq(user));
        self.ack(user, cursor, event)
    }

    pub(super) fn ack(&mut self, user: Uuid, cursor: Option<Cursor>, event: Event) -> &mut Self {
        let sent_us = self.clock;
        let what = What::Ack { cursor, event, sent_us };
        self.put(user, what)
    }

    pub(super) fn sends(&mut self, user: Uuid, number: u128) -> &mut Self {
        let what = What::Sent { session: S, client_message_id: message(number, user).client_message_id };
        self.put(user, what)
    }

    pub(super) fn stream(&mut self, what: What) -> &mut Self {
        self.clock += 1000;
        let at_us = self.clock;
        self.evidence.requests[0].entries.push(Entry { at_us, conn: 1, what });
        self
    }

    pub(super) fn verdict(&self) -> Verdict {
        check(&self.evidence)
    }

    #[track_caller]
    pub(super) fn finds(&self, fault: Fault, word: &str) {
        let verdict = self.verdict();
        let found =
            verdict.violations.iter().any(|violation| violation.fault == fault && violation.to_string().contains(word));
        assert!(found, "no {fault:?} with {word:?} in {:#?}", verdict.violations);
        assert!(!verdict.is_clean());
    }

    #[track_caller]
    pub(super) fn finds_only(&self, fault: Fault, word: &str) {
        self.finds(fault, word);
        let verdict = self.verdict();
        assert!(verdict.violations.iter().all(|violation| violation.fault == fault), "{:#?}", verdict.violations);
    }

    #[track_caller]
    pub(super) fn is_clean(&self) {
        let verdict = self.verdict();
        assert!(verdict.is_clean(), "{:#?}", verdict.violations);
    }

    /// The place of the first entry of this user that satisfies `is`.
    pub(super) fn find(&mut self, user: Uuid, is: impl Fn(&What) -> bool) -> usize {
        let entries = &self.log(user).entries;
        entries.iter().position(|entry| is(&entry.what)).unwrap()
    }

    pub(super) fn find_event(&mut self, user: Uuid, kind: &Kind) -> usize {
        self.find(user, |what| matches!(what, What::Event { event, .. } if event.kind == *kind))
    }

    /// Takes a row out of a user's inbox and closes the numbers up, as if it had never been written.
    pub(super) fn unwrite(&mut self, user: Uuid, place: usize) {
        let log = self.log(user);
        let gone = log.entries.remove(place);
        let (What::Event { cursor, .. } | What::Ack { cursor, .. }) = gone.what else { panic!("not a row") };
        let gone = cursor.unwrap().seq;
        for entry in &mut log.entries {
            match &mut entry.what {
                What::Event { cursor: Some(cursor), .. } | What::Ack { cursor: Some(cursor), .. }
                    if cursor.seq > gone =>
                {
                    cursor.seq -= 1
                }
                _ => {}
            }
        }
    }

    pub(super) fn swap(&mut self, user: Uuid, one: usize, two: usize) {
        let entries = &mut self.log(user).entries;
        let (first, second) = (entries[one].what.clone(), entries[two].what.clone());
        entries[one].what = second;
        entries[two].what = first;
    }

    pub(super) fn swap_contents(&mut self, user: Uuid, one: usize, two: usize) {
        self.swap(user, one, two);
        let entries = &mut self.log(user).entries;
        let (one_at, two_at) = (cursor_in(&entries[one].what), cursor_in(&entries[two].what));
        set_cursor(&mut entries[one].what, two_at);
        set_cursor(&mut entries[two].what, one_at);
    }
}

pub(super) fn cursor_in(what: &What) -> Option<Cursor> {
    match what {
        What::Event { cursor, .. } | What::Ack { cursor, .. } => *cursor,
        _ => None,
    }
}

pub(super) fn set_cursor(what: &mut What, to: Option<Cursor>) {
    match what {
        What::Event { cursor, .. } | What::Ack { cursor, .. } => *cursor = to,
        _ => {}
    }
}

pub(super) fn opened(channel: Channel, asked: Option<u64>, cursor: u64) -> What {
    What::Opened { channel, asked: asked.map(at), cursor: Some(at(cursor)) }
}

/// A whole consultation: asked, accepted, four messages, receipts, video, end.
pub(super) fn consultation() -> Case {
    let mut case = Case {
        evidence: Evidence {
            inboxes: vec![UserLog::new(P, "patient 0".into()), UserLog::new(D, "doctor 0".into())],
            requests: vec![UserLog::new(D, "doctor 0's requests stream".into())],
            parties: HashMap::from([(S, Parties { patient: P, doctor: D })]),
            ..Evidence::default()
        },
        clock: 0,
        seqs: [40, 70],
    };
    case.put(P, opened(Channel::Socket, None, 40));
    case.put(D, opened(Channel::Socket, None, 70));
    case.stream(What::Opened { channel: Channel::Requests, asked: None, cursor: None });
    case.stream(What::Reached { cursor: at(70) });
    case.ack(P, None, life(Kind::Requested));
    case.sees(D, life(Kind::Requested));
    case.stream(What::Event { cursor: Some(at(71)), event: life(Kind::Requested) });
    case.stream(What::Reached { cursor: at(72) });
    case.acked(D, life(Kind::Accepted));
    case.sees(P, life(Kind::Accepted));
    for (number, from, to) in [(1, P, D), (2, D, P), (3, P, D), (4, P, D)] {
        case.sends(from, number);
        case.acked(from, new(number, from));
        case.sees(to, new(number, from));
    }
    case.ack(D, None, receipt(Kind::Delivered, &[1, 3]));
    case.sees(P, receipt(Kind::Delivered, &[1, 3]));
    case.ack(D, None, receipt(Kind::Read, &[1, 3]));
    case.sees(P, receipt(Kind::Read, &[1, 3]));
    case.acked(D, video("ALLOWED_BY_DOCTOR", 1));
    case.sees(P, video("ALLOWED_BY_DOCTOR", 1));
    case.acked(P, video("VIDEO_ON", 1));
    case.sees(D, video("VIDEO_ON", 1));
    case.sees(P, video("NOT_ALLOWED", 1));
    case.acked(P, life(Kind::Ended));
    case.sees(D, video("NOT_ALLOWED", 1));
    case.sees(D, life(Kind::Ended));
    case.evidence.histories.insert(
        S,
        [(1, P), (2, D), (3, P), (4, P)].map(|(number, from)| Stored { message: message(number, from) }).into(),
    );
    for log in &mut case.evidence.inboxes {
        log.settled = true;
    }
    case
}
