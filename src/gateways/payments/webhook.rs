//! The provider's webhooks (connect-v2 116): verified on the raw bytes, then read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consilium_storage::ids::OrderId;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::{Amount, Paid, Report};

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Of which order; it may be nobody's.
    pub order_id: OrderId,
    /// What became of it.
    pub report: Report,
}

/// Why a webhook is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Whoever sent it does not know the secret.
    #[error("the signature does not fit")]
    BadSignature,
    /// Signed, but not one that this server understands: taken and forgotten.
    #[error("not a payment's webhook: {0}")]
    Unhandled(String),
}

/// Base64 of the HMAC-SHA256 over the timestamp and the body, plainly joined.
#[must_use]
pub fn sign(secret: &str, timestamp: &[u8], body: &[u8]) -> String {
    mac(secret, timestamp, body).map_or_else(String::new, |mac| STANDARD.encode(mac.finalize().into_bytes()))
}

/// The comparison takes the same time whatever was sent.
pub(super) fn read(secret: &str, timestamp: &[u8], signature: &[u8], body: &[u8]) -> Result<Notice, WebhookError> {
    let signature = STANDARD.decode(signature).map_err(|_| WebhookError::BadSignature)?;
    let mac = mac(secret, timestamp, body).ok_or(WebhookError::BadSignature)?;
    if timestamp.is_empty() || mac.verify_slice(&signature).is_err() {
        return Err(WebhookError::BadSignature);
    }
    let unhandled = |error: serde_json::Error| WebhookError::Unhandled(error.to_string());
    let Kind { kind } = serde_json::from_slice(body).map_err(unhandled)?;
    let failed = match kind.as_str() {
        "PAYMENT_SUCCESS_WEBHOOK" => false,
        "PAYMENT_FAILED_WEBHOOK" | "PAYMENT_USER_DROPPED_WEBHOOK" => true,
        _ => return Err(WebhookError::Unhandled("another type".to_owned())),
    };
    let Message { data: Data { order, payment } } = serde_json::from_slice(body).map_err(unhandled)?;
    // Ours are plain; one that Postgres could not even hold is somebody else's.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if order.order_id.0.len() > 64 || !order.order_id.0.bytes().all(plain) {
        return Err(WebhookError::Unhandled("an order of another form".to_owned()));
    }
    let report = match (failed, payment.payment_status.as_deref()) {
        (true, _) => Report::Failed,
        (false, None | Some("SUCCESS")) => Report::Paid(Paid {
            order_amount: order.order_amount,
            payment_amount: payment.payment_amount,
            in_rupees: [order.order_currency, payment.payment_currency].iter().flatten().all(|name| name == "INR"),
            payment_id: payment_id(&payment.cf_payment_id),
        }),
        (false, Some(_)) => return Err(WebhookError::Unhandled("a success that is none".to_owned())),
    };
    Ok(Notice { order_id: order.order_id, report })
}

fn mac(secret: &str, timestamp: &[u8], body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(timestamp);
    mac.update(body);
    Some(mac)
}

/// A number in older versions of the interface, a text in newer ones.
pub(super) fn payment_id(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Message {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    order: OrderPart,
    #[serde(default)]
    payment: PaymentPart,
}

#[derive(Deserialize)]
struct OrderPart {
    order_id: OrderId,
    #[serde(default)]
    order_amount: Amount,
    order_currency: Option<String>,
}

#[derive(Default, Deserialize)]
struct PaymentPart {
    #[serde(default)]
    cf_payment_id: Value,
    payment_status: Option<String>,
    #[serde(default)]
    payment_amount: Amount,
    payment_currency: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SECRET: &str = "sandbox-secret";
    const AT: &[u8] = b"1746427759733";
    /// The provider's own sample, shortened.
    const SUCCESS: &str = r#"{"data":{"order":{"order_id":"order_OFR_2","order_amount":2,"order_currency":"INR",
        "order_tags":null},"payment":{"cf_payment_id":"1453002795","payment_status":"SUCCESS","payment_amount":1,
        "payment_currency":"INR","payment_group":"upi"},"customer_details":{"customer_name":null}},
        "event_time":"2023-08-01T11:16:10+05:30","type":"PAYMENT_SUCCESS_WEBHOOK"}"#;

    fn read_signed(body: &str) -> Result<Notice, WebhookError> {
        read(SECRET, AT, sign(SECRET, AT, body.as_bytes()).as_bytes(), body.as_bytes())
    }

    #[test]
    fn the_signature_is_what_openssl_makes_of_it() {
        // printf '1746427759733{"a":1}' | openssl dgst -sha256 -hmac sandbox-secret -binary | base64
        assert_eq!(sign(SECRET, AT, br#"{"a":1}"#), "gJlTYawsa2YOWWpQX1D1BbLZ3fjieZcyNhZIZlhe/r4=");
    }

    #[test]
    fn what_was_signed_is_read() {
        let notice = read_signed(SUCCESS).unwrap();
        assert_eq!(notice.order_id, OrderId("order_OFR_2".to_owned()));
        let Report::Paid(paid) = notice.report else { unreachable!() };
        assert_eq!(paid.order_amount.paise().unwrap().0, 200);
        assert_eq!(paid.payment_amount.paise().unwrap().0, 100);
        assert_eq!((paid.in_rupees, paid.payment_id.as_deref()), (true, Some("1453002795")));
        for kind in ["PAYMENT_FAILED_WEBHOOK", "PAYMENT_USER_DROPPED_WEBHOOK"] {
            assert_eq!(read_signed(&SUCCESS.replace("PAYMENT_SUCCESS_WEBHOOK", kind)).unwrap().report, Report::Failed);
        }
        let number = SUCCESS.replace("\"1453002795\"", "1453002795");
        let Report::Paid(paid) = read_signed(&number).unwrap().report else { unreachable!() };
        assert_eq!(paid.payment_id.as_deref(), Some("1453002795"));
        let dollars = SUCCESS.replace("\"payment_currency\":\"INR\"", "\"payment_currency\":\"USD\"");
        let Report::Paid(paid) = read_signed(&dollars).unwrap().report else { unreachable!() };
        assert!(!paid.in_rupees);
    }

    #[test]
    fn whoever_does_not_know_the_secret_is_refused() {
        let body = SUCCESS.as_bytes();
        let good = sign(SECRET, AT, body);
        let refuse = |timestamp: &[u8], signature: &str, body: &[u8]| {
            assert_eq!(read(SECRET, timestamp, signature.as_bytes(), body), Err(WebhookError::BadSignature));
        };
        refuse(b"1746427759734", &good, body);
        refuse(b"", &sign(SECRET, b"", body), body);
        refuse(AT, "", body);
        refuse(AT, "not base64!", body);
        refuse(AT, &good[..good.len() - 4], body);
        refuse(AT, &sign("another-secret", AT, body), body);
        refuse(AT, &good, SUCCESS.replace("\"payment_amount\":1", "\"payment_amount\":2").as_bytes());
        // The same JSON written differently is not what was signed.
        refuse(AT, &good, SUCCESS.replace(": ", ":").replace('\n', "").as_bytes());
    }

    #[test]
    fn what_is_not_understood_is_unhandled_not_refused() {
        for body in [
            "",
            "nonsense",
            "[]",
            "{}",
            r#"{"type":5}"#,
            r#"{"type":"REFUND_STATUS_WEBHOOK","data":{}}"#,
            r#"{"type":"PAYMENT_SUCCESS_WEBHOOK"}"#,
            r#"{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"order":{}}}"#,
            r#"{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"order":{"order_id":"x"},"payment":{"payment_status":"FAILED"}}}"#,
            r#"{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"order":{"order_id":"a\u0000b"}}}"#,
        ] {
            assert!(matches!(read_signed(body), Err(WebhookError::Unhandled(_))), "{body}");
        }
    }
}
