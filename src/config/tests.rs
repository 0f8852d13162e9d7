//! What is refused, and what is printed.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Raw, String> {
    let all = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let figment = Figment::from(Serialized::defaults(Raw::default())).merge(variables(all));
    figment.extract().map_err(|error| one_line(&error))
}

#[test]
fn variables_are_read_as_what_their_defaults_are() {
    let raw = read(&[
        ("CONSILIUM_LIVEKIT_API_SECRET", "01234567890123456789012345678901"),
        ("CONSILIUM_LIVEKIT_API_KEY", "[1e9]"),
        ("CONSILIUM_SMS_URL", "true"),
        ("CONSILIUM_OTP_TTL", "60"),
        ("CONSILIUM_PRODUCTION", "1"),
        ("CONSILIUM_DEMO", "1"),
        ("CONSILIUM_DEV_DB", "/elsewhere"),
        ("CONSILIUM_DATABASE_URL", "postgres://ours"),
        ("DATABASE_URL", "postgres://theirs"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(raw.livekit_api_secret, "01234567890123456789012345678901");
    assert_eq!((raw.livekit_api_key.as_str(), raw.sms_url.as_str(), raw.otp_ttl), ("[1e9]", "true", 60));
    assert_eq!((raw.production.read(), raw.demo), (Some(true), true));
    assert_eq!(raw.database_url, "postgres://ours");
    assert_eq!(read(&[("DATABASE_URL", "postgres://theirs")]).unwrap().database_url, "postgres://theirs");
    let empty = read(&[("CONSILIUM_DATABASE_URL", ""), ("DATABASE_URL", "postgres://theirs")]).unwrap();
    assert_eq!(empty.database_url, "postgres://theirs", "an empty one hides nothing");
    assert_eq!(read(&[("CONSILIUM_DATABASE_URL", "")]).unwrap().database_url, "");
}

#[test]
fn a_value_of_the_wrong_kind_is_not_repeated() {
    for (name, value) in
        [("OTP_TTL", "hunter2"), ("OTP_TTL", "-1"), ("OTP_TTL", "99999999999"), ("DEMO", "maybe"), ("HUNTER", "zz9")]
    {
        let line = read(&[(&format!("CONSILIUM_{name}"), value)]).unwrap_err();
        assert!(line.contains(&format!("CONSILIUM_{name}")) || line.contains("hunter"), "{line}");
        assert!(!line.contains(value), "{line}");
    }
}

#[test]
fn production_names_the_setting_it_misses() {
    let raw = Raw { production: Flag::Number(1), ..Raw::default() };
    let error = Config::check(raw).unwrap_err().to_string();
    assert!(error.starts_with("CONSILIUM_SIGNING_KEYS:"), "{error}");
}

#[test]
fn printed_settings_hide_secrets() {
    let raw = Raw {
        signing_keys: format!("a:{}", "s".repeat(32)),
        azure_account_key: "ssss".to_owned(),
        s3_secret_access_key: "ssss".to_owned(),
        s3_access_key_id: "id".to_owned(),
        s3_session_token: "ssss".to_owned(),
        smtp_url: "smtps://us:ssss@mail.example:465".to_owned(),
        assistant_url: "https://ssss@assistant.example".to_owned(),
        ..Raw::default()
    };
    let printed = Config::check(raw).unwrap().printed();
    for hidden in
        ["signing_keys", "azure_account_key", "s3_secret_access_key", "s3_session_token", "smtp_url", "assistant_url"]
    {
        assert!(printed.contains(&format!("{hidden} = \"(hidden)\"")), "{printed}");
    }
    assert!(!printed.contains("ssss"), "{printed}");
}

#[test]
fn printed_settings_are_those_in_effect() {
    let printed = |raw| Config::check(raw).unwrap().printed();
    let defaults = printed(Raw { log_format: "text".to_owned(), database_connections: 1, ..Raw::default() });
    let files = std::path::absolute("data/files").unwrap();
    for line in [
        "public_url = \"http://127.0.0.1:8080\"\n",
        &format!("files_url = \"file://{}\"\n", files.display()),
        "log_format = \"text\"\n",
        "cashfree_url = \"\"\n",
        "database_connections = 2\n",
    ] {
        assert!(defaults.contains(line), "{line}: {defaults}");
    }
    assert!(
        printed(Raw::default()).contains("log_format = \"json\"")
            || std::io::IsTerminal::is_terminal(&std::io::stderr())
    );
    let set = printed(Raw {
        public_url: "https://consilium.example/".to_owned(),
        cashfree_client_id: "id".to_owned(),
        cashfree_client_secret: "secret".to_owned(),
        azure_account_key: "ssss".to_owned(),
        files_url: "azure://acme".to_owned(),
        ..Raw::default()
    });
    for line in [
        "public_url = \"https://consilium.example\"\n",
        "cashfree_url = \"https://sandbox.cashfree.com/pg\"\n",
        "files_url = \"azure://acme\"\n",
    ] {
        assert!(set.contains(line), "{line}: {set}");
    }
}

#[test]
fn the_public_address_has_a_host_and_nothing_behind_its_path() {
    let of = |url: &str| Config::check(Raw { public_url: url.to_owned(), ..Raw::default() });
    for url in ["consilium.example", "ftp://consilium.example", "http://", "http:///x", "https://a b", "https://a/?b=1"]
    {
        let error = of(url).unwrap_err().to_string();
        assert!(error.starts_with("CONSILIUM_PUBLIC_URL:") && !error.contains('\n'), "{url}: {error}");
    }
    for (url, taken) in [
        ("", None),
        ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
        ("https://consilium.example/", Some("https://consilium.example")),
        ("https://example.org/consilium/", Some("https://example.org/consilium")),
    ] {
        assert_eq!(of(url).unwrap().public_url.as_deref(), taken);
    }
}

#[test]
fn settings_of_parts_to_come_are_taken() {
    let raw = read(&[
        ("CONSILIUM_SMTP_URL", "smtp://mail.example:587"),
        ("CONSILIUM_ASSISTANT_URL", "http://127.0.0.1:9000/answer"),
        ("CONSILIUM_ENCOUNTER_TTL", "3600"),
        ("CONSILIUM_ENCOUNTER_FOLLOWUP_TTL", "7200"),
    ]);
    Config::check(raw.unwrap()).unwrap();
}

#[test]
fn wrong_settings_are_refused_in_one_line() {
    for raw in [
        Raw { listen: "nowhere".to_owned(), ..Raw::default() },
        Raw { charging: "maybe".to_owned(), ..Raw::default() },
        Raw { access_token_ttl: 0, ..Raw::default() },
        Raw { production: Flag::Word("ture".to_owned()), ..Raw::default() },
        Raw { production: Flag::Number(2), ..Raw::default() },
        Raw { signing_keys: "short:x".to_owned(), ..Raw::default() },
        Raw { trusted_proxies: "a,b".to_owned(), ..Raw::default() },
        Raw { fcm_credentials: "/no/such/file.json".to_owned(), ..Raw::default() },
        Raw { redis_url: "localhost:6379".to_owned(), ..Raw::default() },
        Raw { redis_ca_file: "/nowhere/ca.pem".to_owned(), ..Raw::default() },
        Raw { redis_prefix: "a b".to_owned(), ..Raw::default() },
        Raw { log: "info,consilium=loud".to_owned(), ..Raw::default() },
        Raw { request_ttl: 604_801, ..Raw::default() },
        Raw { smtp_url: "mail.example".to_owned(), ..Raw::default() },
        Raw { assistant_url: "smtp://assistant.example".to_owned(), ..Raw::default() },
        Raw { encounter_ttl: 0, ..Raw::default() },
        Raw { encounter_followup_ttl: 0, ..Raw::default() },
    ] {
        let error = Config::check(raw).unwrap_err().to_string();
        assert!(error.starts_with("CONSILIUM_") && !error.contains('\n'), "{error}");
    }
    for log in ["info", "off", "", "warn,consilium=debug", "consilium[{user}]=trace"] {
        Config::check(Raw { log: log.to_owned(), request_ttl: 604_800, ..Raw::default() }).unwrap();
    }
}

#[test]
fn files_need_a_place_and_its_key() {
    for (files_url, setting) in [
        ("ftp://x", "CONSILIUM_FILES_URL:"),
        ("file://here", "CONSILIUM_FILES_URL:"),
        ("azure://acme", "CONSILIUM_AZURE_ACCOUNT_KEY:"),
    ] {
        let error = Config::check(Raw { files_url: files_url.to_owned(), ..Raw::default() }).unwrap_err().to_string();
        assert!(error.starts_with(setting) && !error.contains('\n'), "{error}");
    }
    let wrong = Config::check(Raw { environment: "Our Staging".to_owned(), ..Raw::default() }).unwrap_err();
    assert!(wrong.to_string().starts_with("CONSILIUM_ENVIRONMENT:"), "{wrong}");
    let config = Config::check(Raw::default()).unwrap();
    assert_eq!((config.environment.as_str(), config.files_dir()), ("development", PathBuf::from("./data/files")));
}
