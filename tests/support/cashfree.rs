//! A payment provider of one file: speaks Cashfree PG's orders on 127.0.0.1 and checks what Cashfree would check. It
//! signs webhooks with its own HMAC, not with the code under test.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use consilium::config::Cashfree;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::Sha256;

/// The account of the peer.
pub(crate) const CLIENT_ID: &str = "TEST10203040";
/// Its secret.
pub(crate) const CLIENT_SECRET: &str = "cfsk_ma_test_0123456789abcdef";

/// How the next request goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// 500 with an error of its own.
    Internal,
    /// 502 with a page, as a proxy in front answers.
    ProxyPage,
    /// 429.
    TooMany,
    /// 200 with something that is no JSON.
    Garbage,
    /// 200 with JSON of another shape.
    OtherShape,
    /// 200 with an answer that does not end.
    Endless,
    /// A redirect to somewhere else.
    Redirect,
    /// 401: it does not take the credentials, for a while.
    Refused,
    /// No answer.
    Hang,
    /// What was asked for is done, and the answer is lost: 502.
    Lost,
}

/// One request that was let through the door.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    /// Below `/pg`.
    pub(crate) path: String,
    pub(crate) idempotency_key: Option<String>,
    /// The body as it came.
    pub(crate) body: String,
}

#[derive(Default)]
struct Inside {
    orders: BTreeMap<String, Order>,
    requests: Vec<Recorded>,
    refused: Vec<String>,
    faults: VecDeque<Fault>,
    always: Option<Fault>,
    failed: usize,
}

struct Order {
    amount: String,
    status: &'static str,
    payments: Vec<(String, &'static str)>,
}

/// The running peer; it ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct CashfreePeer {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl CashfreePeer {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self { address: listener.local_addr().unwrap(), inside: Arc::default() };
        let router = Router::new().fallback(serve).with_state(Arc::clone(&peer.inside));
        #[allow(clippy::disallowed_methods, reason = "it ends with the test's own runtime")]
        tokio::task::spawn(async move { axum::serve(listener, router).await });
        peer
    }

    /// Its address as the provider's is configured.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/pg", self.address)
    }

    /// The settings of a server that takes payments here.
    pub(crate) fn settings(&self) -> Cashfree {
        Cashfree {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            url: self.url(),
            api_version: "2023-08-01".to_owned(),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// Somebody's attempt to pay this much, in rupees: `SUCCESS`, `FAILED`, `USER_DROPPED`, `PENDING`.
    pub(crate) fn attempt(&self, order_id: &str, status: &'static str, rupees: &str) {
        let mut inside = self.inside();
        let order = inside.orders.get_mut(order_id).unwrap();
        order.payments.push((rupees.to_owned(), status));
        if status == "SUCCESS" {
            order.status = "PAID";
        }
    }

    /// What the order says of itself: `ACTIVE`, `PAID`, `EXPIRED`, `TERMINATED`.
    pub(crate) fn set_status(&self, order_id: &str, status: &'static str) {
        self.inside().orders.get_mut(order_id).unwrap().status = status;
    }

    /// The provider forgets an order.
    pub(crate) fn forget(&self, order_id: &str) {
        self.inside().orders.remove(order_id);
    }

    /// How the next requests go wrong, one each.
    pub(crate) fn fail_next(&self, faults: &[Fault]) {
        self.inside().faults.extend(faults);
    }

    /// How every request goes wrong until told otherwise.
    pub(crate) fn fail_always(&self, fault: Option<Fault>) {
        self.inside().always = fault;
    }

    /// How many requests went wrong so far.
    pub(crate) fn failed(&self) -> usize {
        self.inside().failed
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.inside().requests.clone()
    }

    /// Why requests were refused so far.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.inside().refused.clone()
    }
}

/// A webhook of this peer, as the provider sends it.
pub(crate) fn webhook(kind: &str, order_id: &str, order_rupees: &str, paid_rupees: &str) -> String {
    let status = match kind {
        "PAYMENT_SUCCESS_WEBHOOK" => "SUCCESS",
        "PAYMENT_FAILED_WEBHOOK" => "FAILED",
        _ => "USER_DROPPED",
    };
    format!(
        r#"{{"data":{{"order":{{"order_id":"{order_id}","order_amount":{order_rupees},"order_currency":"INR","order_tags":null}},
 "payment":{{"cf_payment_id":"1453002795","payment_status":"{status}","payment_amount":{paid_rupees},"payment_currency":"INR",
 "payment_message":"00::Transaction","payment_group":"upi"}},"customer_details":{{"customer_name":null}}}},
 "event_time":"2026-02-07T21:56:24+05:30","type":"{kind}"}}"#
    )
}

/// Base64 of the HMAC-SHA256 over timestamp and body.
pub(crate) fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(timestamp.as_bytes());
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn serve(
    State(inside): State<Arc<Mutex<Inside>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut inside = inside.lock().unwrap();
        let fault = inside.always.or_else(|| inside.faults.pop_front());
        inside.failed += usize::from(fault.is_some());
        fault
    };
    match fault {
        Some(Fault::Internal) => return error(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        Some(Fault::ProxyPage) => return (StatusCode::BAD_GATEWAY, "<html>Bad gateway</html>").into_response(),
        Some(Fault::TooMany) => return error(StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        Some(Fault::Garbage) => return "<html>It works!</html>".into_response(),
        Some(Fault::OtherShape) => return "{\"order_amount\":[],\"order_status\":5}".into_response(),
        Some(Fault::Endless) => {
            let piece = Bytes::from(vec![b' '; 64 * 1024]);
            let stream = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            return Body::from_stream(stream).into_response();
        }
        Some(Fault::Redirect) => {
            return (StatusCode::FOUND, [("location", "http://127.0.0.1:1/pg/orders")]).into_response();
        }
        Some(Fault::Refused) => return error(StatusCode::UNAUTHORIZED, "request_failed"),
        Some(Fault::Hang) => std::future::pending::<()>().await,
        Some(Fault::Lost) | None => {}
    }
    let answer = answer(&mut inside.lock().unwrap(), &method, uri.path(), &headers, &body);
    if matches!(fault, Some(Fault::Lost)) { StatusCode::BAD_GATEWAY.into_response() } else { answer }
}

fn answer(inside: &mut Inside, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let credentials = (header("x-client-id"), header("x-client-secret"));
    if credentials != (Some(CLIENT_ID), Some(CLIENT_SECRET)) {
        inside.refused.push("credentials".to_owned());
        return error(StatusCode::UNAUTHORIZED, "request_failed");
    }
    if header("x-api-version") != Some("2023-08-01") {
        inside.refused.push("version".to_owned());
        return error(StatusCode::BAD_REQUEST, "api_version_missing");
    }
    let Some(path) = path.strip_prefix("/pg") else { return error(StatusCode::NOT_FOUND, "url_not_found") };
    inside.requests.push(Recorded {
        method: method.clone(),
        path: path.to_owned(),
        idempotency_key: header("x-idempotency-key").map(str::to_owned),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["orders"]) => match read(headers, body) {
            Ok((id, _)) if inside.orders.contains_key(&id) => error(StatusCode::CONFLICT, "order_already_exists"),
            Ok((id, amount)) => {
                inside.orders.insert(id.clone(), Order { amount, status: "ACTIVE", payments: Vec::new() });
                shown(&id, &inside.orders[&id])
            }
            Err(why) => {
                inside.refused.push(why);
                error(StatusCode::BAD_REQUEST, "order_invalid")
            }
        },
        ("GET", ["orders", id]) => match inside.orders.get(*id) {
            Some(order) => shown(id, order),
            None => error(StatusCode::NOT_FOUND, "order_not_found"),
        },
        ("GET", ["orders", id, "payments"]) => match inside.orders.get(*id) {
            Some(order) => payments(id, order),
            None => error(StatusCode::NOT_FOUND, "order_not_found"),
        },
        _ => error(StatusCode::NOT_FOUND, "url_not_found"),
    }
}

/// What Cashfree checks of a new order; its id and its amount as it was written.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<(String, String), String> {
    #[derive(serde::Deserialize)]
    struct Raw<'a> {
        order_id: String,
        #[serde(borrow)]
        order_amount: &'a RawValue,
        order_currency: String,
        order_expiry_time: chrono::DateTime<chrono::FixedOffset>,
        customer_details: Value,
    }
    if headers.get("content-type").is_none_or(|kind| kind != "application/json") {
        return Err("content-type".to_owned());
    }
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let alphanumeric = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    if !(3..=45).contains(&raw.order_id.len()) || !alphanumeric(&raw.order_id, "_-") {
        return Err("order_id".to_owned());
    }
    let amount = raw.order_amount.get();
    let decimals = amount.split_once('.').map_or("", |(_, decimals)| decimals);
    if amount.starts_with('"') || decimals.len() > 2 || !alphanumeric(amount, ".") {
        return Err(format!("order_amount {amount}"));
    }
    if raw.order_currency != "INR" {
        return Err("order_currency".to_owned());
    }
    let (id, phone) = (&raw.customer_details["customer_id"], &raw.customer_details["customer_phone"]);
    if !id.as_str().is_some_and(|id| (3..=50).contains(&id.len()) && alphanumeric(id, "_-")) {
        return Err("customer_id".to_owned());
    }
    if !phone.as_str().is_some_and(|phone| phone.len() >= 10 && alphanumeric(phone, "+")) {
        return Err("customer_phone".to_owned());
    }
    if raw.order_expiry_time.timestamp() == 0 {
        return Err("order_expiry_time".to_owned());
    }
    Ok((raw.order_id, amount.to_owned()))
}

fn shown(id: &str, order: &Order) -> Response {
    let Order { amount, status, .. } = order;
    json_text(format!(
        r#"{{"cf_order_id":"2149460581","order_id":"{id}","entity":"order","order_currency":"INR","order_amount":{amount},
 "order_status":"{status}","payment_session_id":"session_{id}_Payment","order_note":null}}"#
    ))
}

fn payments(id: &str, order: &Order) -> Response {
    let rows = order.payments.iter().enumerate().map(|(place, (amount, status))| {
        format!(
            r#"{{"cf_payment_id":"{place}","order_id":"{id}","entity":"payment","payment_currency":"INR",
 "order_amount":{},"payment_amount":{amount},"payment_status":"{status}"}}"#,
            order.amount
        )
    });
    json_text(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}

fn json_text(text: String) -> Response {
    (StatusCode::OK, [("content-type", "application/json")], text).into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = json!({"message": "no", "code": code, "type": "invalid_request_error"}).to_string();
    (status, [("content-type", "application/json")], body).into_response()
}
