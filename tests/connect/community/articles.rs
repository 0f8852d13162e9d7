//! Articles: read by everybody (110, 111), written by admins (136 to 139).

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NO_PICTURES, only_admins, titles, with};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};
use crate::support::meeting::{text, time};

const ADMIN: &str = "admin/articles";
const PATH: &str = "community/articles";
const CARD: [&str; 7] = ["author", "category", "excerpt", "id", "image_url", "published_at", "title"];
const WHOLE: [&str; 8] = ["author", "category", "content", "excerpt", "id", "image_url", "published_at", "title"];
const OWN: [&str; 9] =
    ["author", "category", "content", "excerpt", "id", "image_url", "published_at", "title", "updated_at"];

fn sleep() -> Value {
    json!({"title": "5 Tips for Better Sleep", "excerpt": "Sleep is essential...", "content": "Full article body...",
        "category": "wellness", "author": "Dr. Smith", "image_url": "https://example.org/sleep.png?w=600"})
}

async fn write(admin: &Client, title: &str, category: Option<&str>) -> Value {
    let body = json!({"title": title, "excerpt": "", "content": "…", "category": category});
    admin.post(ADMIN, body).await.expect(201)
}

#[tokio::test]
async fn an_article_is_published_read_changed_and_deleted() {
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::days(30)).await;
    let (admin, nobody) = (app.admin().await, app.nobody());
    let made = admin.post(ADMIN, with(sleep(), &json!({"title": " 5 Tips for Better Sleep\n"}))).await.expect(201);
    assert_eq!(keys(&made), OWN);
    for (name, value) in sleep().as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_eq!(made["published_at"], made["updated_at"]);
    assert!((TimeDelta::zero()..TimeDelta::minutes(1)).contains(&(app.app.now() - time(&made["published_at"]))));
    let id = text(&made["id"]);
    let (one, shown) = (format!("{ADMIN}/{id}"), format!("{PATH}/{id}"));

    // Without a token, and with any.
    let whole = nobody.get(&shown).await.expect(200);
    assert_eq!(keys(&whole), WHOLE);
    for key in WHOLE {
        assert_eq!(whole[key], made[key], "{key}");
    }
    for reader in [app.patient().await, app.doctor().await, admin.clone()] {
        assert_eq!(reader.get(&shown).await.expect(200), whole);
    }
    let page = nobody.get(PATH).await.expect(200);
    assert_eq!(
        (keys(&page), keys(&page["items"][0])),
        (vec!["has_more", "items", "limit", "offset", "total"], CARD.to_vec())
    );

    app.advance(TimeDelta::hours(1));
    let body = json!({"title": "Sleep", "content": "Better.", "category": null, "author": null, "image_url": null});
    let changed = admin.patch(&one, body).await.expect(200);
    assert_eq!(
        (keys(&changed), &changed["title"], &changed["content"]),
        (OWN.to_vec(), &json!("Sleep"), &json!("Better."))
    );
    assert_eq!(
        (&changed["category"], &changed["author"], &changed["image_url"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!((&changed["excerpt"], &changed["published_at"]), (&made["excerpt"], &made["published_at"]));
    assert!(time(&changed["updated_at"]) - time(&made["updated_at"]) >= TimeDelta::hours(1));
    assert_eq!(nobody.get(&shown).await.expect(200)["content"], "Better.");
    assert_eq!(admin.get(ADMIN).await.expect(200)["items"], json!([changed]));

    let deleted = admin.delete(&one).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    admin.delete(&one).await.refused_plainly(404);
    admin.patch(&one, json!({"title": "x"})).await.refused_plainly(404);
    nobody.get(&shown).await.refused_plainly(404);
    nobody.get(&format!("{PATH}/sleep")).await.invalid(&["path.article_id uuid_parsing"]);
}

#[tokio::test]
async fn articles_are_listed_sorted_and_filtered() {
    let app = TestApp::start().await;
    let (admin, nobody) = (app.admin().await, app.nobody());
    for (title, category) in
        [("beta", Some("Wellness")), ("Alpha", Some("heart")), ("gamma", None), ("Beta", Some("wellness"))]
    {
        write(&admin, title, category).await;
        app.advance(TimeDelta::minutes(1));
    }
    let list = async |query: &str| nobody.get(&format!("{PATH}{query}")).await.expect(200);
    for (query, wanted) in [
        ("", ["Beta", "gamma", "Alpha", "beta"]),
        ("?sort_by=published_at", ["Beta", "gamma", "Alpha", "beta"]),
        ("?sort_order=asc", ["beta", "Alpha", "gamma", "Beta"]),
        // Of one title the newer one comes first.
        ("?sort_by=title&sort_order=asc", ["Alpha", "Beta", "beta", "gamma"]),
        ("?sort_by=title", ["gamma", "Beta", "beta", "Alpha"]),
    ] {
        assert_eq!(titles(&list(query).await), wanted, "{query}");
    }
    assert_eq!(titles(&list("?category=WELLNESS&sort_by=published_at&sort_order=desc").await), ["Beta", "beta"]);
    assert_eq!(titles(&list("?category=%20heart%20").await), ["Alpha"]);
    assert_eq!(list("?category=").await["total"], 4);
    let none = list("?category=we%25").await;
    assert_eq!((&none["items"], &none["total"], &none["has_more"]), (&json!([]), &json!(0), &json!(false)));
    let page = list("?limit=2&offset=1").await;
    assert_eq!((titles(&page), &page["total"], &page["has_more"]), (vec!["gamma", "Alpha"], &json!(4), &json!(true)));
    assert_eq!((&page["limit"], &page["offset"]), (&json!(2), &json!(1)));
    let page = list("?limit=2&offset=2").await;
    assert_eq!((titles(&page), &page["has_more"]), (vec!["Alpha", "beta"], &json!(false)));
    assert_eq!(list("").await["limit"], 20);
    nobody.get(&format!("{PATH}?limit=0&offset=-1&sort_by=author&sort_order=up")).await.invalid(&[
        "query.limit greater_than_equal",
        "query.offset greater_than_equal",
        "query.sort_by enum",
        "query.sort_order enum",
    ]);
    // Admins page through whole ones, the newest first.
    let page = admin.get(&format!("{ADMIN}?limit=3")).await.expect(200);
    assert_eq!((titles(&page), &page["has_more"]), (vec!["Beta", "gamma", "Alpha"], &json!(true)));
    assert_eq!(keys(&page["items"][0]), OWN);
    admin.get(&format!("{ADMIN}?limit=101")).await.invalid(&["query.limit less_than_equal"]);
}

#[tokio::test]
async fn an_article_is_checked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.post(ADMIN, json!({})).await.invalid(&["body.title missing", "body.excerpt missing", "body.content missing"]);
    let id = text(&write(&admin, "x", None).await["id"]).to_owned();
    let one = format!("{ADMIN}/{id}");
    for (members, wrong) in [
        (json!({"title": " "}), &["body.title string_pattern_mismatch"] as &[&str]),
        (json!({"title": "t".repeat(201)}), &["body.title string_too_long"]),
        (
            json!({"title": null, "excerpt": null, "content": null}),
            &["body.title string_type", "body.excerpt string_type", "body.content string_type"],
        ),
        (json!({"excerpt": "e".repeat(501)}), &["body.excerpt string_too_long"]),
        (json!({"content": "c".repeat(100_001)}), &["body.content string_too_long"]),
        (
            json!({"category": " ", "author": "a".repeat(101)}),
            &["body.category string_pattern_mismatch", "body.author string_too_long"],
        ),
        (
            json!({"image_url": format!("https://example.org/{}", "a".repeat(2048))}),
            &["body.image_url string_too_long"],
        ),
        (json!({"image_url": 5}), &["body.image_url string_type"]),
    ] {
        admin.post(ADMIN, with(sleep(), &members)).await.invalid(wrong);
        admin.patch(&one, members).await.invalid(wrong);
    }
    for address in NO_PICTURES {
        let body = json!({"image_url": address});
        admin.post(ADMIN, with(sleep(), &body)).await.invalid(&["body.image_url string_pattern_mismatch"]);
        admin.patch(&one, body).await.invalid(&["body.image_url string_pattern_mismatch"]);
    }
    let longest = json!({"title": "é".repeat(200), "excerpt": "é".repeat(500), "content": "é".repeat(100_000),
        "category": null, "author": null, "image_url": null});
    admin.post(ADMIN, longest).await.expect(201);
    // What is wrong with the body is said before the article is looked for.
    admin.patch(&format!("{ADMIN}/{}", Uuid::new_v4()), json!({"title": 5})).await.invalid(&["body.title string_type"]);
}

#[tokio::test]
async fn only_admins_write_articles_and_each_change_leaves_a_trace() {
    only_admins("article", sleep()).await;
}
