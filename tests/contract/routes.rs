//! Every row is answered by a route of its own, for the roles of the table and for no others; all else is refused in the
//! words of the family that owns the path.

use std::collections::HashMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::callers::{Callers, ask};
use super::list::{self, Row};
use crate::support::app::TestApp;
use crate::support::client::{Answer, Client};

/// Whether no route took it.
fn is_unrouted(answer: &Answer) -> bool {
    answer.status == 405 || answer.body["detail"] == "Path not found"
}

/// Whether a row asks for nothing but what its path names: a name of nothing is 404 then, whatever else is the matter.
fn asks_for_a_name_alone(document: &Value, row: &Row) -> bool {
    let path = row.path.strip_suffix('/').unwrap_or(row.path);
    let operation = &document["paths"][path][row.method.as_str().to_lowercase()];
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let mut inputs = parameters.filter(|parameter| parameter["in"] != "path").chain([&operation["requestBody"]]);
    row.path.contains('{') && inputs.all(|input| input["required"] != true)
}

#[tokio::test]
async fn every_row_is_served_and_asks_for_a_token_where_the_table_does() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let document = nobody.get("/openapi.json").await.expect(200);
    for row in list::served() {
        let answer = ask(&nobody, &row.method, &row.path_to_nothing()).await;
        assert!(!is_unrouted(&answer), "{} {} {}: {}", row.id, row.method, row.path, answer.text);
        if row.roles().is_some() {
            answer.refused_plainly(401);
        } else if matches!(row.id, "C47" | "C116") {
            answer.refused(401, "BAD_SIGNATURE");
        } else if asks_for_a_name_alone(&document, &row) {
            answer.refused_plainly(404);
        } else {
            assert_ne!(answer.status, 401, "{}: {}", row.id, answer.text);
        }
    }
}

#[tokio::test]
async fn every_row_serves_its_roles_and_no_others() {
    let app = TestApp::start().await;
    let callers = Callers::of(&app).await;
    let document = app.nobody().get("/openapi.json").await.expect(200);
    let mut looked_up = 0;
    for row in list::served() {
        let Some(roles) = row.roles() else { continue };
        for (role, caller) in callers.all() {
            // Signing out ends the login of whoever is let in; the upgrade is the subject of the live tests.
            if matches!(row.id, "C5" | "R1") {
                continue;
            }
            let answer = ask(caller, &row.method, &row.path_to_nothing()).await;
            if roles.contains(&role) {
                let who = format!("{} by {role:?}: {} {}", row.id, answer.status, answer.text);
                assert!(!is_unrouted(&answer) && !matches!(answer.status, 401 | 403), "{who}");
                assert!(answer.status >= 400 || row.ok.contains(&answer.status), "{who}");
                if asks_for_a_name_alone(&document, &row) {
                    answer.refused_plainly(404);
                    looked_up += 1;
                }
            } else {
                answer.refused(403, "WRONG_ROLE");
            }
        }
    }
    assert!(looked_up >= 40, "{looked_up} answers of 404");
}

#[tokio::test]
async fn an_id_that_is_none_is_refused_before_it_is_looked_up() {
    let app = TestApp::start().await;
    let callers = Callers::of(&app).await;
    for row in list::served() {
        let Some(path) = row.path_of_nonsense() else { continue };
        let caller = callers.one_of(row.roles().as_deref());
        let answer = ask(caller, &row.method, &path).await;
        assert_eq!(answer.status, 422, "{}: {}", row.id, answer.text);
        let first = &answer.body["detail"][0];
        assert_eq!((&first["loc"][0], &first["type"]), (&json!("path"), &json!("uuid_parsing")), "{}", row.id);
    }
}

#[tokio::test]
async fn what_is_not_served_is_not_found_in_its_familys_words() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    for row in list::absent() {
        for caller in [&app.nobody(), &patient] {
            let answer = ask(caller, &row.method, &row.path_to_nothing()).await;
            assert_eq!(answer.status, 404, "{} {}: {}", row.id, row.path, answer.text);
            assert_eq!(answer.body, not_found(&row), "{} {}", row.id, row.path);
        }
    }
    let nobody = app.nobody();
    for path in
        ["/", "/nowhere", "/api", "/api/v1", "/api/v1/nowhere", "/api/v2", "/api/v2/", "/api/v2/nowhere", "/api/v3/x"]
    {
        assert_eq!(ask(&nobody, &Method::GET, path).await.expect(404), json!({"detail": "Path not found"}), "{path}");
    }
}

/// A1: the path decides, and paths that two families share are the grants family's.
fn not_found(row: &Row) -> Value {
    let shared = row.path.starts_with("/api/v1/auth/") && row.path != "/api/v1/auth/change-password";
    match row.family {
        "organizations" if !shared => {
            json!({"success": false, "error": {"code": "NOT_FOUND", "message": "Path not found"}})
        }
        "encounters" => json!({"error": "Path not found"}),
        _ => json!({"detail": "Path not found"}),
    }
}

#[tokio::test]
async fn a_wrong_method_on_a_known_path_is_405() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let mut methods: HashMap<&str, Vec<Method>> = HashMap::new();
    for row in list::served() {
        methods.entry(row.path).or_default().push(row.method);
        // "PATCH accepted too": the one row with a second method.
        if row.id == "C28" {
            methods.entry(row.path).or_default().push(Method::PATCH);
        }
    }
    for (path, known) in methods {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            // The table writes one path for both forms of a collection.
            if known.contains(&method) {
                continue;
            }
            let answer = ask(&nobody, &method, &list::fill(path, "00000000-0000-4000-8000-000000000000")).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
            assert_eq!(answer.body, json!({"detail": "Method not allowed"}), "{method} {path}");
            let allow = answer.headers["allow"].to_str().unwrap();
            assert!(known.iter().all(|method| allow.contains(method.as_str())), "{path}: {allow}");
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let app = TestApp::start().await;
    let callers = Callers::of(&app).await;
    for row in list::served().iter().filter(|row| row.path.starts_with("/api/") && row.id != "R1") {
        let path = row.path_to_nothing();
        let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
        let nobody = callers.nobody();
        same(&ask(nobody, &row.method, &path).await, &ask(nobody, &row.method, &other).await, row);
        if row.method == Method::GET {
            let caller = callers.one_of(row.roles().as_deref());
            same(&ask(caller, &row.method, &path).await, &ask(caller, &row.method, &other).await, row);
        }
    }
}

#[track_caller]
fn same(one: &Answer, other: &Answer, row: &Row) {
    assert_eq!(one.status, other.status, "{} {}: {} {}", row.id, row.path, one.text, other.text);
}

#[tokio::test]
async fn a_request_keeps_its_callers_own_short_id() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let id = |client: &Client, id: &str| client.request(Method::GET, "nowhere").header("x-request-id", id);
    let kept = super::callers::read(id(&nobody, "call-17.a")).await;
    assert_eq!(kept.headers["x-request-id"], "call-17.a");
    let replaced = super::callers::read(id(&nobody, &"x".repeat(65))).await;
    assert_ne!(replaced.headers["x-request-id"].len(), 65);
}
