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
        ..Raw::default()
    };
    let printed = Config::check(raw).unwrap().printed();
    for hidden in ["signing_keys", "azure_account_key", "s3_secret_access_key", "s3_session_token"] {
        assert!(printed.contains(&format!("{hidden} = \"(hidden)\"")), "{printed}");
    }
    assert!(!printed.contains("ssss"), "{printed}");
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
    ] {
        let error = Config::check(raw).unwrap_err().to_string();
        assert!(error.starts_with("CONSILIUM_") && !error.contains('\n'), "{error}");
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
