//! Who is connected to this node: sharded by user, no lock held across an await.

pub mod sessions;

use std::sync::Arc;

use consilium_storage::ids::{LoginId, UserId};
use dashmap::DashMap;

use crate::close::Close;
use crate::connection::{Connection, Item};
use crate::frame::EventFrame;

/// How many connections one user may hold, WebSocket and SSE together (realtime.md §7).
pub const CONNECTIONS_PER_USER: usize = 16;

/// The connections of this node.
#[derive(Debug, Default)]
pub struct Hub {
    users: DashMap<UserId, Vec<Arc<Connection>>>,
    /// Connections that watch a doctor's presence, by doctor.
    watchers: DashMap<UserId, Vec<Arc<Connection>>>,
}

impl Hub {
    /// Adds a connection; past the limit the user's oldest is closed. Answers whether it is the user's first here.
    pub fn register(&self, connection: &Arc<Connection>) -> bool {
        let mut connections = self.users.entry(connection.credential().user).or_default();
        connections.push(Arc::clone(connection));
        // The displaced one stays until it has ended, so that its socket is cut if it takes no goodbye.
        let mut open = connections.iter().filter(|other| other.is_open());
        if let Some(oldest) = open.next()
            && open.count() >= CONNECTIONS_PER_USER
        {
            oldest.close(Close::Displaced);
        }
        connections.len() == 1
    }

    /// Removes exactly this connection. Answers whether the user has none left here.
    pub fn unregister(&self, connection: &Connection) -> bool {
        let user = connection.credential().user;
        let removed = self.users.remove_if_mut(&user, |_, connections| {
            connections.retain(|other| other.id() != connection.id());
            connections.is_empty()
        });
        removed.is_some()
    }

    /// The user's connections on this node.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Vec<Arc<Connection>> {
        self.users.get(&user).map(|connections| connections.clone()).unwrap_or_default()
    }

    /// How many connections the user has on this node.
    #[must_use]
    pub fn count(&self, user: UserId) -> usize {
        self.users.get(&user).map_or(0, |connections| connections.len())
    }

    /// Offers an event at its place to every connection of the user but the one given.
    pub(crate) fn offer(&self, user: UserId, seq: i64, frame: &Arc<EventFrame>, except: Option<u64>) {
        let Some(connections) = self.users.get(&user) else { return };
        for connection in connections.iter().filter(|connection| Some(connection.id()) != except) {
            connection.offer(seq, frame, None);
        }
    }

    /// Sends an event without a place to every connection of these users.
    pub fn send_ephemeral(&self, users: &[UserId], frame: &Arc<EventFrame>) {
        for user in users {
            let Some(connections) = self.users.get(user) else { continue };
            for connection in connections.iter() {
                connection.send(Item::Ephemeral(Arc::clone(frame)));
            }
        }
    }

    /// Sends a doctor's presence to these users and to everybody who watches the doctor, to each connection once.
    pub fn send_presence(&self, doctor: UserId, users: &[UserId], frame: &Arc<EventFrame>) {
        let mut receivers: Vec<Arc<Connection>> = users.iter().flat_map(|user| self.of_user(*user)).collect();
        if let Some(watchers) = self.watchers.get(&doctor) {
            receivers.extend(watchers.iter().cloned());
        }
        receivers.sort_by_key(|connection| connection.id());
        receivers.dedup_by_key(|connection| connection.id());
        for connection in receivers {
            connection.send(Item::Ephemeral(Arc::clone(frame)));
        }
    }

    /// Replaces the list of doctors that a connection watches.
    pub fn watch(&self, connection: &Arc<Connection>, before: &[UserId], now: &[UserId]) {
        for doctor in before {
            self.watchers.remove_if_mut(doctor, |_, watchers| {
                watchers.retain(|other| other.id() != connection.id());
                watchers.is_empty()
            });
        }
        for doctor in now {
            self.watchers.entry(*doctor).or_default().push(Arc::clone(connection));
        }
    }

    /// Closes the connections of these logins.
    pub fn close_logins(&self, logins: &[LoginId], reason: Close) {
        if logins.is_empty() {
            return;
        }
        self.each(|connection| {
            if logins.contains(&connection.credential().login) {
                connection.close(reason);
            }
        });
    }

    /// Closes every connection of a user.
    pub fn close_user(&self, user: UserId, reason: Close) {
        for connection in self.of_user(user) {
            connection.close(reason);
        }
    }

    /// Does something with every connection.
    pub fn each(&self, mut action: impl FnMut(&Arc<Connection>)) {
        for connections in &self.users {
            connections.iter().for_each(&mut action);
        }
    }

    /// The users that are connected here.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).collect()
    }

    /// Those of them that are wanted.
    #[must_use]
    pub fn users_of(&self, wanted: impl Fn(UserId) -> bool) -> Vec<UserId> {
        self.users.iter().map(|entry| *entry.key()).filter(|user| wanted(*user)).collect()
    }

    /// How many connections this node holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.iter().map(|connections| connections.len()).sum()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// What must always hold: no empty entries, no connection twice or under another user, none above the limit.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        for entry in &self.users {
            let mut ids: Vec<u64> = entry.iter().map(|connection| connection.id()).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            let open = entry.iter().filter(|connection| connection.is_open()).count();
            if count == 0 || ids.len() != count || open > CONNECTIONS_PER_USER {
                let different = ids.len();
                return Err(format!("{} has {count} connections, {different} different, {open} open", entry.key()));
            }
            if entry.iter().any(|connection| connection.credential().user != *entry.key()) {
                return Err(format!("a stranger's connection under user {}", entry.key()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::connection::{Credential, Kind};

    proptest! {
        #[test]
        fn registering_and_removing_keeps_the_hub_whole(steps in prop::collection::vec((0..3usize, any::<bool>()), 0..120)) {
            let hub = Hub::default();
            let users = [UserId::new(), UserId::new(), UserId::new()];
            let mut open: Vec<Arc<Connection>> = Vec::new();
            for (who, add) in steps {
                if add {
                    let credential = Credential { user: users[who], login: LoginId::new() };
                    let connection = Connection::new(credential, Kind::Lasting, false, chrono::DateTime::UNIX_EPOCH);
                    hub.register(&connection);
                    open.push(connection);
                } else if !open.is_empty() {
                    let gone = open.remove(who % open.len());
                    hub.unregister(&gone);
                }
                hub.check_invariants().unwrap();
            }
            for connection in open.drain(..) {
                hub.unregister(&connection);
            }
            prop_assert!(hub.is_empty());
        }
    }
}
