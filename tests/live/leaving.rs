//! A client that says goodbye is answered, so that it does not take the end for an accident.

use crate::support::app::TestApp;

#[tokio::test]
async fn a_goodbye_is_answered() {
    let app = TestApp::start().await;
    let mut socket = app.patient().await.socket(None).await;
    socket.next_of("connected").await;
    assert_eq!(socket.leave().await, 1005);
}
