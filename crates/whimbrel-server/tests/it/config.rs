use std::{collections::BTreeMap, path::Path, time::Duration};
use whimbrel_server::{Config, ConfigError, LogFormat, Source};

const SECRET: &str = "from the environment, long enough";

fn load(
    flags: &[(&'static str, &str)],
    environment: &[(&str, &str)],
    file: Option<&Path>,
) -> Result<Config, ConfigError> {
    let flags: BTreeMap<_, _> = flags
        .iter()
        .map(|(key, text)| (*key, (*text).to_owned()))
        .collect();
    let environment: BTreeMap<_, _> = environment
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    Config::load(&flags, &|name| environment.get(name).cloned(), file)
}

fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whimbrel.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let (_dir, path) = file(
        "listen = \"127.0.0.1:1\"\nheartbeat = \"1s\"\nmax_connections = 7\nlog_format = \"json\"\n\
         allowed_origins = [\"https://a.example.org\", \"https://b.example.org\"]",
    );
    let environment = [
        ("WHIMBREL_SECRET", SECRET),
        ("WHIMBREL_LISTEN", "127.0.0.1:2"),
        ("WHIMBREL_HEARTBEAT", "2s"),
    ];
    let config = load(&[("listen", "127.0.0.1:3")], &environment, Some(&path)).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.heartbeat, Duration::from_secs(2));
    assert_eq!(config.max_connections, 7);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.allowed_origins.len(), 2);
    assert_eq!(config.database, Path::new("whimbrel-server.db"));
    assert_eq!(config.auth.secret.unwrap().expose(), SECRET.as_bytes());
}

#[test]
fn an_error_names_the_setting_and_where_it_was_set() {
    let good = ("WHIMBREL_SECRET", SECRET);
    let (_dir, path) = file("drain = \"soon\"");
    let (_other, unknown) = file("lisen = \"127.0.0.1:1\"");
    let (_third, no_toml) = file("listen = ");
    let cases: [(&str, Source, Result<Config, ConfigError>); 9] = [
        ("listen", Source::Flag, load(&[("listen", "here")], &[good], None)),
        (
            "heartbeat",
            Source::Environment,
            load(&[], &[good, ("WHIMBREL_HEARTBEAT", "20")], None),
        ),
        (
            "heartbeat",
            Source::Flag,
            load(&[("heartbeat", "1ms")], &[good], None),
        ),
        (
            "drain",
            Source::File(path.display().to_string()),
            load(&[], &[good], Some(&path)),
        ),
        (
            "lisen",
            Source::File(unknown.display().to_string()),
            load(&[], &[good], Some(&unknown)),
        ),
        (
            "config",
            Source::File(no_toml.display().to_string()),
            load(&[], &[good], Some(&no_toml)),
        ),
        ("secret_file", Source::Default, load(&[], &[], None)),
        (
            "secret",
            Source::Environment,
            load(&[], &[("WHIMBREL_SECRET", "short")], None),
        ),
        (
            "allowed_origins",
            Source::Flag,
            load(&[("allowed_origins", "example.org")], &[good], None),
        ),
    ];
    for (key, origin, outcome) in cases {
        let error = outcome.unwrap_err();
        assert_eq!((error.key.as_str(), &error.origin), (key, &origin), "{error}");
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn development_is_for_loopback_and_keeps_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("server.db").display().to_string();
    let flags = [("dev", "true"), ("database", database.as_str())];
    let first = load(&flags, &[], None).unwrap();
    let again = load(&flags, &[], None).unwrap();
    let secret = first.auth.secret.unwrap();
    assert_eq!(secret.expose(), again.auth.secret.unwrap().expose());
    assert!(secret.expose().len() >= 32);
    let open = [flags[0], flags[1], ("listen", "0.0.0.0:8087")];
    let error = load(&open, &[], None).unwrap_err();
    assert_eq!(
        (error.key.as_str(), &error.origin),
        ("dev", &Source::Flag),
        "{error}"
    );
}

#[test]
fn a_secret_never_shows() {
    let config = load(&[], &[("WHIMBREL_SECRET", SECRET)], None).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
    let error = load(&[], &[("WHIMBREL_SECRET", "hunter2")], None).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let (_dir, unclosed) = file("secret = \"hunter2");
    let error = load(&[], &[], Some(&unclosed)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(error.to_string().contains("line 1"), "{error}");
}
