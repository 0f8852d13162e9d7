//! Where Redis is, as the operator writes it (running.md `--redis-url`).

use std::fmt;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates, TlsMode};

/// The port of Redis, and that of its sentinels.
const PORTS: (u16, u16) = (6379, 26379);

/// A checked address.
///
/// - `redis://[user:password@]host[:port][/db]`, `rediss://…` with TLS
/// - `redis+cluster://[user:password@]host:port,host:port`, `rediss+cluster://…`
/// - `redis+sentinel://[user:password@]host:port,host:port/master[/db]`, `rediss+sentinel://…`; the password is that of
///   Redis itself, `?sentinel_password=` that of the sentinels
#[derive(Clone)]
pub struct Address {
    place: Place,
    /// The certificate authority to trust in place of the public ones, in PEM.
    ca: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Place {
    One(Box<ConnectionInfo>),
    Cluster(Vec<ConnectionInfo>),
    Sentinel(Sentinels),
}

#[derive(Clone)]
struct Sentinels {
    hosts: Vec<(String, u16)>,
    master: String,
    db: i64,
    login: Login,
    sentinel_password: Option<String>,
    tls: bool,
}

#[derive(Clone, Default)]
struct Login {
    user: Option<String>,
    password: Option<String>,
}

/// What is wrong with an address; says nothing of what stands in it, as that may be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(&'static str);

// An address may carry a password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            Place::One(_) => "Address(one server)",
            Place::Cluster(_) => "Address(cluster)",
            Place::Sentinel(_) => "Address(sentinels)",
        })
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(url: &str, ca: Option<Vec<u8>>) -> Result<Self, BadAddress> {
        let is_pem = |ca: &Vec<u8>| String::from_utf8_lossy(ca).contains("-----BEGIN CERTIFICATE-----");
        if ca.as_ref().is_some_and(|ca| !is_pem(ca)) {
            return Err(BadAddress("comes with an authority that is no certificate in PEM"));
        }
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress("is not an address like redis://host:6379"))?;
        let place = match scheme {
            "redis" | "rediss" => Place::One(Box::new(info(url)?)),
            "redis+cluster" | "rediss+cluster" => cluster(scheme, rest)?,
            "redis+sentinel" | "rediss+sentinel" => Place::Sentinel(sentinels(scheme, rest)?),
            _ => return Err(BadAddress("begins with redis://, rediss://, redis+cluster:// or redis+sentinel://")),
        };
        Ok(Self { place, ca })
    }

    /// Whether channels are sharded, each belonging to one server of a cluster.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }

    /// A client of one server: the address's own, or the master that the sentinels name now.
    pub(super) async fn client(&self) -> redis::RedisResult<Client> {
        match &self.place {
            Place::One(info) => match self.certificates() {
                Some(certificates) => Client::build_with_tls((**info).clone(), certificates),
                None => Client::open((**info).clone()),
            },
            Place::Sentinel(sentinels) => self.sentinel(sentinels)?.async_get_client().await,
            Place::Cluster(_) => Err((redis::ErrorKind::InvalidClientConfig, "a cluster is no single server").into()),
        }
    }

    /// What a client of the whole cluster is made with.
    pub(super) fn cluster(&self) -> Option<ClusterClientBuilder> {
        let Place::Cluster(nodes) = &self.place else { return None };
        let builder = ClusterClient::builder(nodes.clone()).use_protocol(ProtocolVersion::RESP3);
        Some(match self.certificates() {
            Some(certificates) => builder.certs(certificates),
            None => builder,
        })
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        self.ca.clone().map(|ca| TlsCertificates { client_tls: None, root_cert: Some(ca) })
    }

    fn sentinel(&self, to: &Sentinels) -> redis::RedisResult<SentinelClient> {
        let address = |(host, port): &(String, u16)| {
            if to.tls {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            } else {
                ConnectionAddr::Tcp(host.clone(), *port)
            }
        };
        let hosts: Vec<ConnectionAddr> = to.hosts.iter().map(address).collect();
        let mut builder = SentinelClientBuilder::new(hosts, &to.master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(to.db);
        if to.tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
            builder = builder.set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder.set_client_to_redis_certificates(certificates.clone());
            builder = builder.set_client_to_sentinel_certificates(certificates);
        }
        if let Some(user) = &to.login.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &to.login.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &to.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        builder.build()
    }
}

fn info(url: &str) -> Result<ConnectionInfo, BadAddress> {
    let info = url.into_connection_info().map_err(|_| BadAddress("is not an address like redis://host:6379"))?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

/// `user:password@` in front, if it is there, and the rest.
fn split_login(text: &str) -> (&str, &str) {
    text.rfind('@').map_or(("", text), |at| text.split_at(at + 1))
}

fn cluster(scheme: &str, rest: &str) -> Result<Place, BadAddress> {
    let scheme = scheme.trim_end_matches("+cluster");
    let (login, hosts) = split_login(rest);
    let hosts = hosts.trim_end_matches('/');
    let nodes = hosts.split(',').filter(|host| !host.is_empty()).map(|host| info(&format!("{scheme}://{login}{host}")));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    if nodes.is_empty() {
        return Err(BadAddress("names no server of the cluster"));
    }
    Ok(Place::Cluster(nodes))
}

fn sentinels(scheme: &str, rest: &str) -> Result<Sentinels, BadAddress> {
    let tls = scheme.starts_with("rediss");
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, rest) = split_login(rest);
    let (hosts, path) = rest.split_once('/').ok_or(BadAddress("names no master: redis+sentinel://host:port/master"))?;
    let (master, db) = path.split_once('/').unwrap_or((path, "0"));
    let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(host_and_port).collect::<Result<Vec<_>, _>>()?;
    if hosts.is_empty() || master.is_empty() {
        return Err(BadAddress("names no sentinel or no master: redis+sentinel://host:port/master"));
    }
    let password = query.strip_prefix("sentinel_password=");
    if !query.is_empty() && password.is_none() {
        return Err(BadAddress("takes only ?sentinel_password="));
    }
    Ok(Sentinels {
        hosts,
        master: master.to_owned(),
        db: db.parse().map_err(|_| BadAddress("has a database that is no number"))?,
        login: decode_login(login)?,
        sentinel_password: password.map(decode).transpose()?,
        tls,
    })
}

fn host_and_port(text: &str) -> Result<(String, u16), BadAddress> {
    match text.rsplit_once(':') {
        None => Ok((text.to_owned(), PORTS.1)),
        Some((host, port)) => {
            let port = port.parse().map_err(|_| BadAddress("has a port that is no number"))?;
            Ok((host.to_owned(), port))
        }
    }
}

/// As the client's own parser reads them: percent-encoded.
fn decode_login(login: &str) -> Result<Login, BadAddress> {
    let Some(login) = login.strip_suffix('@') else { return Ok(Login::default()) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let some = |text: &str| if text.is_empty() { Ok(None) } else { decode(text).map(Some) };
    Ok(Login { user: some(user)?, password: some(password)? })
}

fn decode(text: &str) -> Result<String, BadAddress> {
    // The parser of the plain address decodes for us.
    let port = PORTS.0;
    let info = info(&format!("redis://:{text}@host:{port}"))?;
    Ok(info.redis_settings().password().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn every_kind_of_address_is_read() {
        for (url, kind) in [
            ("redis://127.0.0.1", "one server"),
            ("redis://user:pass@127.0.0.1:6380/2", "one server"),
            ("rediss://cache.example:6380", "one server"),
            ("redis+cluster://10.0.0.1:7000,10.0.0.2:7000", "cluster"),
            ("rediss+cluster://:pass@10.0.0.1:7000", "cluster"),
            ("redis+sentinel://10.0.0.1,10.0.0.2:26380/main", "sentinels"),
            ("redis+sentinel://u:p%40ss@10.0.0.1/main/3?sentinel_password=x", "sentinels"),
        ] {
            let address = Address::parse(url, None).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(format!("{address:?}"), format!("Address({kind})"), "{url}");
        }
    }

    #[test]
    fn sentinels_have_a_master_a_database_and_two_passwords() {
        let read = sentinels("redis+sentinel", "u:p%40ss@a,b:2/main/3?sentinel_password=s").unwrap();
        assert_eq!(read.hosts, [("a".to_owned(), 26379), ("b".to_owned(), 2)]);
        assert_eq!((read.master.as_str(), read.db), ("main", 3));
        assert_eq!((read.login.user.as_deref(), read.login.password.as_deref()), (Some("u"), Some("p@ss")));
        assert_eq!(read.sentinel_password.as_deref(), Some("s"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis+cluster://",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel://a:x/m",
            "redis+sentinel://a/m/x",
            "redis+sentinel://a/m?other=secret",
        ] {
            let error = Address::parse(url, None).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
