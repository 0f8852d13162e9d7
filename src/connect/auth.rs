//! Signing in, renewing and out (connect-v2 §3.1).

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::extract::State;
use consilium_storage::accounts::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Anyone, Caller};
use crate::accounts::sign_in::{self, TokenPair};
use crate::accounts::{by_password, codes};
use crate::app::App;
use crate::error::Result;
use crate::http::address::Address;
use crate::http::input::{BodyOnly, Input};
use crate::http::reply::{Accepted, Answer};

const TAG: &str = "Auth";

/// The routes 1 to 5.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/auth/request-otp",
            post_with(request_otp, |op| op.id("C1").tag(TAG).summary("Send a one-time code by SMS")),
        )
        .api_route(
            "/api/v2/auth/verify-otp",
            post_with(verify_otp, |op| {
                op.id("C2").tag(TAG).summary("Exchange a code for tokens, making the patient if new")
            }),
        )
        .api_route(
            "/api/v2/auth/doctor/login",
            post_with(doctor_login, |op| op.id("C3").tag(TAG).summary("Sign a doctor in")),
        )
        .api_route(
            "/api/v2/auth/refresh",
            post_with(refresh, |op| op.id("C4").tag(TAG).summary("Rotate the pair of tokens")),
        )
        .api_route("/api/v2/auth/logout", post_with(logout, |op| op.id("C5").tag(TAG).summary("End this login")))
}

/// A patient's phone.
#[derive(Debug, Deserialize, JsonSchema)]
struct RequestOtp {
    /// E.164.
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{7,14}$"))]
    phone: String,
    /// Chooses the sender id.
    platform: Option<Platform>,
}

/// What the app runs on.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Platform {
    Android,
    Ios,
}

impl Platform {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
        }
    }
}

/// A code that came by SMS.
#[derive(Debug, Deserialize, JsonSchema)]
struct VerifyOtp {
    /// E.164.
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{7,14}$"))]
    phone: String,
    /// Six digits.
    #[schemars(regex(pattern = r"^[0-9]{6}$"))]
    code: String,
    /// Becomes the full name where none stands yet.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
}

/// A doctor's credentials.
#[derive(Debug, Deserialize, JsonSchema)]
struct DoctorLogin {
    /// Any case.
    #[schemars(email)]
    email: String,
    /// The password.
    #[schemars(length(min = 1))]
    password: String,
}

/// A refresh token.
#[derive(Debug, Deserialize, JsonSchema)]
struct RefreshTokens {
    /// Of the last pair.
    refresh_token: String,
}

/// Something said to a person.
#[derive(Debug, Serialize, JsonSchema)]
struct Said {
    /// The words.
    message: &'static str,
}

/// 1: the same answer whether or not the number is known.
async fn request_otp(
    State(app): State<App>,
    from: Address,
    Input { body, .. }: BodyOnly<RequestOtp>,
) -> Result<Accepted<Said>> {
    codes::request(&app, &body.phone, body.platform.map(Platform::as_str), from).await?;
    Ok(Accepted(Said { message: "OTP sent if phone is valid" }))
}

/// 2.
async fn verify_otp(State(app): State<App>, Input { body, .. }: BodyOnly<VerifyOtp>) -> Result<Answer<TokenPair>> {
    Ok(Answer(codes::verify(&app, &body.phone, &body.code, body.name.as_deref()).await?))
}

/// 3.
async fn doctor_login(
    State(app): State<App>,
    from: Address,
    Input { body, .. }: BodyOnly<DoctorLogin>,
) -> Result<Answer<TokenPair>> {
    Ok(Answer(by_password::sign_in(&app, Role::Doctor, &body.email, body.password, from).await?))
}

/// 4.
async fn refresh(State(app): State<App>, Input { body, .. }: BodyOnly<RefreshTokens>) -> Result<Answer<TokenPair>> {
    Ok(Answer(sign_in::refresh(&app, &body.refresh_token).await?))
}

/// 5.
async fn logout(State(app): State<App>, caller: Caller<Anyone>) -> Result<Answer<Said>> {
    sign_in::end(&app, caller.login).await?;
    Ok(Answer(Said { message: "Logged out" }))
}
