//! The server's configuration file.

use std::{collections::BTreeMap, fs, time::Duration};
use whimbrel_server::{Config, KEYS, SECRET_BYTES, parse_duration};

/// A secret that is good, and that nobody may see.
const SECRET: &str = "do-not-print-0123456789abcdef0123456789";

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        format!(
            "secret = \"{SECRET}\"\nlisten = \"127.0.0.1:8087\"\nheartbeat = \"20s\"\nmax_connections = 5"
        ),
        format!(
            "listen = \"[::1]:0\"\nsecret = '{SECRET}'\nallowed_origins = [\"https://a.example\", \"http://b.example\"]"
        ),
        format!(
            "log = \"info\"\nlog_format = \"json\"\nsecret = \"{SECRET}\"\ndrain = \"10s\"\nissuer = \"x\"\naudience = \"y\""
        ),
        format!(
            "max_token_lifetime = \"30d\"\nmax_connections_per_user = 20\nsecret = \"{SECRET}\"\nport_file = \"port\""
        ),
    ];
    texts.map(String::into_bytes).to_vec()
}

/// Loads a configuration from a file with these bytes. Whatever file it names, none but this one is touched.
pub(crate) fn config(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("whimbrel.toml");
    fs::write(&path, bytes).expect("the file is written");
    // Flags win over the file.
    let database = directory.path().join("chat.db").display().to_string();
    let flags = BTreeMap::from([("database", database), ("dev", "false".to_owned())]);
    let text = String::from_utf8_lossy(bytes);
    if ["secret_file", "eddsa_key_file"]
        .iter()
        .any(|key| text.contains(key))
        || text.contains('\\')
    {
        return false;
    }
    let loaded = Config::load(&flags, &|_| None, Some(&path));
    let may_show = is_elsewhere(&text);
    let shown = format!(
        "{loaded:?} {}",
        loaded.as_ref().err().map(ToString::to_string).unwrap_or_default()
    );
    assert!(
        may_show || !shown.contains("do-not-print"),
        "the secret is in {shown:?}"
    );
    match loaded {
        Ok(config) => assert_good(&config),
        Err(error) => {
            let known =
                KEYS.contains(&error.key.as_str()) || error.key == "config" || text.contains(&error.key);
            assert!(known && !error.problem.is_empty(), "{error}");
            return false;
        }
    }
    true
}

/// Returns whether the secret stands anywhere but where it belongs.
fn is_elsewhere(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| line.contains("do-not-print"));
    lines.any(|line| !line.starts_with("secret = ") || line.matches("do-not-print").count() > 1)
}

fn assert_good(config: &Config) {
    assert!(!config.auth.dev);
    let secret = config.auth.secret.as_ref();
    assert!(secret.is_some_and(|secret| secret.expose().len() >= SECRET_BYTES));
    assert!((Duration::from_millis(50)..=Duration::from_secs(600)).contains(&config.heartbeat));
    assert!(config.max_connections > 0 && config.max_connections_per_user > 0);
    for origin in &config.allowed_origins {
        assert!(
            origin.starts_with("https://") || origin.starts_with("http://"),
            "{origin:?}"
        );
    }
    let again = parse_duration(&format!("{}ms", config.heartbeat.as_millis()));
    assert_eq!(again, Ok(config.heartbeat));
}
