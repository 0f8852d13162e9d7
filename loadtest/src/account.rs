//! Signing in, through the public API of a development server only.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::http::{Call, Http, Trouble};

/// Demo administrator of a development server (running.md).
const ADMIN: (&str, &str) = ("admin", "demo-pass-1");
/// The password of every doctor this program makes.
pub(crate) const PASSWORD: &str = "demo-pass-1";

#[derive(Clone, Debug, Deserialize)]
struct TokenPair {
    access_token: String,
    refresh_token: String,
}

/// How somebody signs in.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Patient { phone: String },
    Doctor { email: String },
    Admin,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) who: Who,
    pub(crate) access: String,
    refresh: String,
}

impl Account {
    /// The administrator.
    pub(crate) async fn admin(http: &Http) -> Result<Self, Trouble> {
        let pair = sign_in(http, &Who::Admin, 0).await?;
        Ok(Self::of(Uuid::nil(), Who::Admin, pair))
    }

    /// A new patient with a complete profile.
    pub(crate) async fn patient(http: &Http, phone: String, node: usize) -> Result<Self, Trouble> {
        let who = Who::Patient { phone };
        let pair = sign_in(http, &who, node).await?;
        let mut call =
            Call::post("/api/v2/users/me", Some(&pair.access_token), json!({"age": 30 + node % 40, "sex": "female"}));
        call.method = hyper::Method::PATCH;
        let user: Value = http.call(node, &call).await?.expect()?;
        let id = id_of(&user)?;
        Ok(Self::of(id, who, pair))
    }

    /// A new doctor, made by the administrator.
    pub(crate) async fn doctor(http: &Http, admin: &Self, email: String, name: String) -> Result<Self, Trouble> {
        let body = json!({
            "email": email, "password": PASSWORD, "full_name": name,
            "speciality_category": "General Medicine", "rate_per_minute": 500,
        });
        let call = Call::post("/api/v2/doctors/", Some(&admin.access), body);
        let doctor: Value = http.call(0, &call).await?.expect()?;
        let id = id_of(&doctor)?;
        let who = Who::Doctor { email };
        let pair = sign_in(http, &who, 0).await?;
        Ok(Self::of(id, who, pair))
    }

    fn of(id: Uuid, who: Who, pair: TokenPair) -> Self {
        Self { id, who, access: pair.access_token, refresh: pair.refresh_token }
    }

    /// A new access token: by the refresh token, or by signing in again where that is refused.
    pub(crate) async fn renew(&mut self, http: &Http, node: usize) -> Result<(), Trouble> {
        let body = json!({"refresh_token": self.refresh});
        let answer = http.call(node, &Call::post("/api/v2/auth/refresh", None, body)).await?;
        let pair = match answer.expect::<TokenPair>() {
            Ok(pair) => pair,
            Err(Trouble::Refused(refusal)) if refusal.status == 401 => sign_in(http, &self.who, node).await?,
            Err(trouble) => return Err(trouble),
        };
        self.access = pair.access_token;
        self.refresh = pair.refresh_token;
        Ok(())
    }
}

async fn sign_in(http: &Http, who: &Who, node: usize) -> Result<TokenPair, Trouble> {
    let (path, body) = match who {
        Who::Patient { phone } => {
            let code = code(http, phone, node).await?;
            let body = json!({"phone": phone, "code": code, "name": "Load Patient"});
            ("/api/v2/auth/verify-otp", body)
        }
        Who::Doctor { email } => ("/api/v2/auth/doctor/login", json!({"email": email, "password": PASSWORD})),
        Who::Admin => ("/api/v2/admin/auth/login", json!({"username": ADMIN.0, "password": ADMIN.1})),
    };
    http.call(node, &Call::post(path, None, body)).await?.expect()
}

/// Asks for a code and reads it from the development inbox.
async fn code(http: &Http, phone: &str, node: usize) -> Result<String, Trouble> {
    let body = json!({"phone": phone});
    http.call(node, &Call::post("/api/v2/auth/request-otp", None, body)).await?.expect::<Value>()?;
    let path = format!("/dev/inbox.json?channel=sms&to={}", phone.replace('+', "%2B"));
    // The message may be sent a moment after the answer.
    for _ in 0..50 {
        let inbox: Value = http.call(node, &Call::get(&path, None)).await?.expect()?;
        let code = inbox
            .get("items")
            .and_then(Value::as_array)
            .and_then(|items| items.iter().rev().find_map(|item| item.get("code")?.as_str()));
        if let Some(code) = code {
            return Ok(code.to_owned());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Trouble::Transport("no code came to the development inbox".into()))
}

fn id_of(value: &Value) -> Result<Uuid, Trouble> {
    value
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Trouble::Transport("an answer without an id".into()))
}
