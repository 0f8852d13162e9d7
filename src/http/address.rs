//! Who a request comes from, for limits per address: the socket's other end, or what a trusted proxy says
//! (running.md).

use std::net::IpAddr;

use aide::OperationInput;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::app::App;
use crate::error::{Error, Result};
use crate::serve::Peer;

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

impl Address {
    /// What a limit counts by: a household of IPv6 has a whole network.
    #[must_use]
    pub fn limit_key(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }

    /// Whether the request comes from this machine.
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

impl FromRequestParts<App> for Address {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let peer = parts.extensions.get::<Peer>().ok_or_else(|| Error::internal("a request without a peer"))?;
        Ok(Self(client(peer.0.ip().to_canonical(), &parts.headers, &app.config.trusted_proxies)))
    }
}

/// The last address that no trusted proxy vouches for; a list that cannot be read counts for nothing.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let lists = headers.get_all("x-forwarded-for").iter().filter_map(|list| list.to_str().ok());
    let said: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    let mut client = peer;
    for text in said.into_iter().rev() {
        let Ok(address) = text.parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !trusted.contains(&client) {
            break;
        }
    }
    client
}

impl OperationInput for Address {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        let trusted = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9, 198.51.100.1", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let key = |text: &str| Address(text.parse().unwrap()).limit_key();
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("192.0.2.7"), "192.0.2.7");
    }
}
