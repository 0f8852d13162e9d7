//! Articles and events are told to all patients, a page of devices at a time (connect-v2 136, 140, §5).

use chrono::TimeDelta;
use serde_json::json;

use super::{device, events, expect, meeting, rung, settled, waiting, with_devices};
use crate::support::client::keys;
use crate::support::meeting::{Meeting, text};

const DEVICES: usize = 12;

/// The phones of the patient and of as many others.
async fn phones(m: &Meeting) -> Vec<String> {
    let mut tokens = vec!["patient-phone".to_owned()];
    for number in 0..DEVICES {
        let patient = m.app.patient().await;
        tokens.push(format!("phone-{number}"));
        device(&patient, &tokens[number + 1]).await;
    }
    tokens
}

#[tokio::test]
async fn every_patients_device_hears_of_an_article_and_an_event_once() {
    let m = meeting().await;
    let admin = m.app.admin().await;
    let tokens = phones(&m).await;
    let secret = "Only for those who open it";
    let body = json!({"title": secret, "excerpt": secret, "content": secret});
    let article = admin.post("admin/articles", body).await.expect(201);
    let date = m.app.app.now() + TimeDelta::days(3);
    let body = json!({"title": secret, "description": secret, "event_date": date});
    let event = admin.post("admin/events", body).await.expect(201);
    for token in &tokens {
        expect(&m.app, token, &["community.article", "community.event"]).await;
        for item in rung(&m.app, token).await {
            let data = &item["data"];
            let (name, id) = match text(&data["event"]) {
                "community.article" => ("article_id", &article["id"]),
                _ => ("community_event_id", &event["id"]),
            };
            let mut wanted = vec!["event", "event_id", name, "sent_at"];
            wanted.sort_unstable();
            assert_eq!((keys(data), &data[name]), (wanted, id));
            assert!(!item.to_string().contains(secret), "{item}");
        }
    }
    settled(&m.app).await;
    assert_eq!(events(&m.app, "doctor-phone").await, Vec::<String>::new());

    // A change is no news, nor is what was refused or taken back.
    admin.patch(&format!("admin/articles/{}", text(&article["id"])), json!({"title": "x"})).await.expect(200);
    admin.patch(&format!("admin/events/{}", text(&event["id"])), json!({"title": "x"})).await.expect(200);
    let past = m.app.app.now() - TimeDelta::days(1);
    let body = json!({"title": "x", "description": "x", "event_date": past});
    admin.post("admin/events", body).await.refused(400, "DATE_IN_PAST");
    admin
        .post("admin/articles", json!({"title": "x"}))
        .await
        .invalid(&["body.excerpt missing", "body.content missing"]);
    assert_eq!(admin.delete(&format!("admin/events/{}", text(&event["id"]))).await.status, 204);
    assert!(waiting(&m.app).await.is_empty());
    assert_eq!(rung(&m.app, "patient-phone").await.len(), 2);
}

#[tokio::test]
async fn two_nodes_tell_each_phone_once_page_by_page() {
    // Five pages for thirteen phones, the last of them not full.
    let m = with_devices(Meeting::start_with(|config| config.announcement_page = 3).await).await;
    let _other = m.app.beside().await;
    let (tokens, admin) = (phones(&m).await, m.app.admin().await);
    for _ in 0..3 {
        admin.post("admin/articles", json!({"title": "x", "excerpt": "x", "content": "x"})).await.expect(201);
    }
    for token in &tokens {
        expect(&m.app, token, &["community.article"; 3]).await;
    }
    settled(&m.app).await;
    for token in &tokens {
        assert_eq!(rung(&m.app, token).await.len(), 3, "{token}");
    }
}
