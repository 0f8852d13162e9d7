//! Two nodes over one database: what one does, the other knows, also where no word of it came over the bus.

use std::time::{Duration, Instant};

use consilium::accounts::sign_in;

use super::kit::login_of;
use crate::support::app::TestApp;

#[tokio::test]
async fn a_logout_at_one_node_closes_the_connections_at_the_other() {
    let here = TestApp::start().await;
    let there = here.beside().await;
    let patient = here.patient().await;
    let mut socket = patient.at(&there.url).socket(None).await;
    socket.next_of("connected").await;
    let since = Instant::now();
    sign_in::end(&here.app, login_of(&here, &patient)).await.unwrap();
    assert_eq!(socket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_millis(2500), "{:?}", since.elapsed());
    assert_eq!(patient.at(&there.url).try_socket("").await.err().unwrap().0, 401);
}
