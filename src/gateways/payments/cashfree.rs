//! Cashfree PG, interface version 2023-08-01: orders, their payments, and nothing more.

use std::sync::Arc;

use chrono::SecondsFormat;
use consilium_storage::ids::OrderId;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::calls::{Answer, Caller, Policy};
use super::webhook::payment_id;
use super::{Amount, NewPayment, Paid, PaymentError, Report};

/// What the settings say of it.
#[derive(Debug, Clone)]
pub struct Account {
    /// `https://api.cashfree.com/pg`, or its sandbox.
    pub url: String,
    /// `x-client-id`.
    pub client_id: String,
    /// `x-client-secret`; webhooks are signed with it too.
    pub client_secret: SecretString,
    /// `x-api-version`.
    pub version: String,
    /// Where webhooks are to be sent, where the provider can reach it.
    pub notify_url: Option<String>,
}

/// The provider.
#[derive(Clone)]
pub struct Cashfree(Arc<Inner>);

struct Inner {
    account: Account,
    orders: Url,
    client: reqwest::Client,
    caller: Caller,
}

impl Cashfree {
    /// A gateway to an account. Nothing is connected yet.
    ///
    /// # Errors
    /// [`PaymentError::Refused`] with what is wrong with the settings.
    pub fn new(account: Account, policy: Policy) -> Result<Self, PaymentError> {
        let wrong = |what: &str| PaymentError::Refused(what.to_owned());
        let mut orders = Url::parse(&account.url).map_err(|_| wrong("the URL is not one"))?;
        if !matches!(orders.scheme(), "https" | "http") || !orders.has_host() {
            return Err(wrong("the URL is https:// and a host"));
        }
        orders.path_segments_mut().map_err(|()| wrong("the URL is not one"))?.pop_if_empty().push("orders");
        let mut headers = HeaderMap::new();
        let text = |value: &str| HeaderValue::from_str(value).map_err(|_| wrong("a header cannot carry the settings"));
        let mut secret = text(account.client_secret.expose_secret())?;
        secret.set_sensitive(true);
        headers.insert("x-client-id", text(&account.client_id)?);
        headers.insert("x-client-secret", secret);
        headers.insert("x-api-version", text(&account.version)?);
        // A redirect would carry the secret to somewhere else.
        let client = reqwest::Client::builder().default_headers(headers).redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| wrong(&error.to_string()))?;
        Ok(Self(Arc::new(Inner { account, orders, client, caller: Caller::new(policy) })))
    }

    pub(super) fn secret(&self) -> &SecretString {
        &self.0.account.client_secret
    }

    pub(super) async fn open(&self, new: NewPayment<'_>) -> Result<String, PaymentError> {
        let body = CreateOrder::of(&new, self.0.account.notify_url.as_deref())?;
        let body = serde_json::to_vec(&body).map_err(|error| PaymentError::Refused(error.to_string()))?;
        // The same order under the same key: an attempt whose answer was lost is not made twice.
        let key = new.order_id.0.trim_start_matches("cf_order_").to_owned();
        let request = || {
            let request = self.0.client.post(self.0.orders.clone()).header("x-idempotency-key", &key);
            request.header("content-type", "application/json").body(body.clone())
        };
        let answer = self.0.caller.call("create_order", request).await?;
        // Ours already, though we never heard of it: an earlier attempt's answer was lost.
        let order = if answer.status == StatusCode::CONFLICT && answer.attempt > 1 {
            self.fetch("get_order", &[&new.order_id.0]).await?
        } else {
            read::<Order>(&answer)?
        };
        let fits = order.order_id.as_deref() == Some(new.order_id.0.as_str())
            && order.order_amount == Amount::Paise(new.amount)
            && order.order_currency.as_deref().is_none_or(|currency| currency == "INR");
        match order.payment_session_id {
            Some(session) if fits && !session.is_empty() => Ok(session),
            _ => Err(PaymentError::Unreachable("it opened another order than the one asked for")),
        }
    }

    pub(super) async fn look(&self, order_id: &OrderId) -> Result<Report, PaymentError> {
        // One after the other: of two at once a breaker that is about to close lets only one through.
        let order: Order = self.fetch("get_order", &[&order_id.0]).await?;
        let payments: Vec<Payment> = self.fetch("get_payments", &[&order_id.0, "payments"]).await?;
        if order.order_id.as_deref() != Some(order_id.0.as_str()) {
            return Err(PaymentError::Unreachable("it told of another order than the one asked for"));
        }
        Ok(report(&order, &payments))
    }

    async fn fetch<T: DeserializeOwned>(&self, name: &'static str, path: &[&str]) -> Result<T, PaymentError> {
        let mut url = self.0.orders.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        let request = || -> RequestBuilder { self.0.client.get(url.clone()) };
        read(&self.0.caller.call(name, request).await?)
    }
}

/// What a good answer holds; what another one says. Texts are cut: an answer is not ours to log whole.
fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, PaymentError> {
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|error| {
            tracing::warn!(%error, "the payment provider's answer makes no sense");
            PaymentError::Unreachable("its answer makes no sense")
        });
    }
    if answer.status == StatusCode::NOT_FOUND {
        return Err(PaymentError::Unknown);
    }
    let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code: String = refusal.code.unwrap_or_default().chars().take(64).collect();
    tracing::error!(http.status = answer.status.as_u16(), payment.code = code, "the payment provider refused a call");
    Err(PaymentError::Refused(format!("{} {code}", answer.status.as_u16())))
}

/// What became of the order. A payment counts before the order's own word, which may lag behind it.
fn report(order: &Order, payments: &[Payment]) -> Report {
    let with = |status: &'static str| payments.iter().filter(move |payment| payment.payment_status == status);
    let paid = |payment: &Payment| Paid {
        order_amount: order.order_amount,
        payment_amount: payment.payment_amount,
        in_rupees: [&order.order_currency, &payment.payment_currency].into_iter().flatten().all(|name| name == "INR"),
        payment_id: payment_id(&payment.cf_payment_id),
    };
    let fitting = with("SUCCESS").find(|payment| payment.payment_amount == order.order_amount);
    if let Some(payment) = fitting.or_else(|| with("SUCCESS").next()) {
        return Report::Paid(paid(payment));
    }
    let over = matches!(order.order_status.as_str(), "EXPIRED" | "TERMINATED");
    if order.order_status == "PAID" || with("PENDING").next().is_some() {
        Report::Open
    } else if over {
        Report::Expired
    } else if ["FAILED", "USER_DROPPED", "CANCELLED", "VOID"].into_iter().any(|status| with(status).next().is_some()) {
        Report::Failed
    } else {
        Report::Open
    }
}

#[derive(Deserialize)]
struct Order {
    order_id: Option<String>,
    #[serde(default)]
    order_amount: Amount,
    order_currency: Option<String>,
    #[serde(default)]
    order_status: String,
    payment_session_id: Option<String>,
}

#[derive(Deserialize)]
struct Payment {
    #[serde(default)]
    cf_payment_id: Value,
    #[serde(default)]
    payment_status: String,
    #[serde(default)]
    payment_amount: Amount,
    payment_currency: Option<String>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    code: Option<String>,
}

#[derive(Serialize)]
struct CreateOrder<'a> {
    order_id: &'a OrderId,
    order_amount: Box<RawValue>,
    order_currency: &'static str,
    order_expiry_time: String,
    customer_details: Customer,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Customer {
    customer_id: String,
    customer_phone: String,
}

#[derive(Serialize)]
struct Meta<'a> {
    notify_url: &'a str,
}

impl<'a> CreateOrder<'a> {
    fn of(new: &NewPayment<'a>, notify_url: Option<&'a str>) -> Result<Self, PaymentError> {
        let amount = RawValue::from_string(new.amount.rupees());
        Ok(Self {
            order_id: new.order_id,
            order_amount: amount.map_err(|error| PaymentError::Refused(error.to_string()))?,
            order_currency: "INR",
            order_expiry_time: new.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            customer_details: Customer {
                customer_id: new.customer.0.simple().to_string(),
                customer_phone: phone(new.phone),
            },
            order_meta: notify_url.map(|notify_url| Meta { notify_url }),
        })
    }
}

/// Indian numbers in ten digits, others as they are. The provider insists on one, which an account that came by mail
/// does not have: it takes a made-up one for that.
fn phone(phone: Option<&str>) -> String {
    phone.map_or_else(|| "9999999999".to_owned(), |phone| phone.strip_prefix("+91").unwrap_or(phone).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn told(status: &str, payments: &Value) -> Report {
        let order = json!({"order_id": "x", "order_amount": 500.00, "order_currency": "INR", "order_status": status});
        report(
            &serde_json::from_value(order).unwrap(),
            &serde_json::from_value::<Vec<Payment>>(payments.clone()).unwrap(),
        )
    }

    fn payment(status: &str, amount: &str) -> Value {
        let amount: Value = serde_json::from_str(amount).unwrap();
        json!({"cf_payment_id": 12, "payment_status": status, "payment_amount": amount, "payment_currency": "INR"})
    }

    #[test]
    fn an_order_and_its_payments_make_one_report() {
        let is_paid =
            |report: Report| matches!(report, Report::Paid(paid) if paid.is(consilium_storage::money::Paise(50_000)));
        let (good, short) = (payment("SUCCESS", "500"), payment("SUCCESS", "499"));
        let (pending, failed, dropped) =
            (payment("PENDING", "500"), payment("FAILED", "500"), payment("USER_DROPPED", "500"));
        assert!(is_paid(told("PAID", &json!([failed, good]))));
        assert!(is_paid(told("PAID", &json!([short, good]))), "the one that fits");
        assert!(is_paid(told("ACTIVE", &json!([good]))), "the order's own word lags behind");
        assert!(is_paid(told("EXPIRED", &json!([good]))), "it came late, but it came");
        assert!(
            matches!(told("PAID", &json!([short])), Report::Paid(paid) if !paid.is(consilium_storage::money::Paise(50_000)))
        );
        assert_eq!(told("PAID", &json!([])), Report::Open, "the list of payments lags behind");
        assert_eq!(told("ACTIVE", &json!([])), Report::Open);
        assert_eq!(told("ACTIVE", &json!([failed, pending])), Report::Open);
        assert_eq!(told("ACTIVE", &json!([payment("NOT_ATTEMPTED", "500")])), Report::Open);
        assert_eq!(told("ACTIVE", &json!([failed])), Report::Failed);
        assert_eq!(told("ACTIVE", &json!([dropped])), Report::Failed);
        assert_eq!(told("EXPIRED", &json!([failed])), Report::Expired);
        assert_eq!(told("TERMINATED", &json!([])), Report::Expired);
        assert_eq!(told("TERMINATION_REQUESTED", &json!([])), Report::Open);
        assert_eq!(told("EXPIRED", &json!([pending])), Report::Open, "it may still arrive");
    }

    #[test]
    fn amounts_go_out_exactly_and_phones_as_the_provider_takes_them() {
        let order_id = OrderId("cf_order_1".to_owned());
        let new = NewPayment {
            order_id: &order_id,
            amount: consilium_storage::money::Paise(1_234_567_890_123_456),
            customer: consilium_storage::ids::UserId(uuid::Uuid::nil()),
            phone: Some("+919900000001"),
            expires_at: chrono::DateTime::UNIX_EPOCH,
        };
        let text = serde_json::to_string(&CreateOrder::of(&new, None).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"order_id\":\"cf_order_1\",\"order_amount\":12345678901234.56,\"order_currency\":\"INR\",\
             \"order_expiry_time\":\"1970-01-01T00:00:00Z\",\"customer_details\":{\"customer_id\":\
             \"00000000000000000000000000000000\",\"customer_phone\":\"9900000001\"}}"
        );
        assert_eq!(
            (phone(None), phone(Some("+4915112345678"))),
            ("9999999999".to_owned(), "+4915112345678".to_owned())
        );
    }
}
