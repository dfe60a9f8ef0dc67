use std::{collections::BTreeMap, path::Path, time::Duration};
use whimbrel_hub::Features;
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

#[test]
fn a_type_of_channel_goes_without_what_is_switched_off() {
    let (_dir, path) = file("features_off = [\"live:typing\", \"live:read_receipts\"]");
    let environment = [("WHIMBREL_SECRET", SECRET)];
    let rules = load(&[], &environment, Some(&path)).unwrap().rules;
    let features = rules.features(&"live:x".parse().unwrap());
    assert!(!features.typing && !features.read_receipts && features.delivery_receipts);
    assert_eq!(
        rules.features(&"messaging:x".parse().unwrap()),
        Features::default()
    );

    let quiet = [
        environment[0],
        ("WHIMBREL_FEATURES_OFF", "live:delivery_receipts, "),
    ];
    let rules = load(&[], &quiet, Some(&path)).unwrap().rules;
    let features = rules.features(&"live:x".parse().unwrap());
    assert!(features.typing && !features.delivery_receipts);
    for wrong in [
        "live",
        "live:",
        ":typing",
        "a b:typing",
        "live:typing:x",
        "live:presence",
    ] {
        let error = load(&[("features_off", wrong)], &environment, None).unwrap_err();
        assert_eq!(
            (error.key.as_str(), error.origin),
            ("features_off", Source::Flag),
            "{wrong}"
        );
    }
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

#[test]
fn a_push_service_needs_an_address_that_is_safe_and_a_secret() {
    let base = ("WHIMBREL_SECRET", SECRET);
    let secret = ("WHIMBREL_PUSH_SECRET", "a secret of at least thirty-two bytes");
    let url = ("push_url", "https://push.example.org/hook");
    let config = load(&[url], &[base, secret], None).unwrap();
    let push = config.push.unwrap();
    assert_eq!(
        (push.url.as_str(), push.timeout),
        (url.1, Duration::from_secs(10))
    );
    assert_eq!(push.secret.expose(), secret.1.as_bytes());
    assert!(load(&[], &[base], None).unwrap().push.is_none());
    let (_dir, path) = file("a secret in a file that is long enough\n");
    let path = path.display().to_string();
    let from_file = load(&[url, ("push_secret_file", &path)], &[base], None).unwrap();
    assert_eq!(
        from_file.push.unwrap().secret.expose(),
        b"a secret in a file that is long enough"
    );
    let local = load(
        &[("push_url", "http://localhost:9000/hook")],
        &[base, secret],
        None,
    );
    assert!(local.unwrap().push.is_some());
    let wrong: [(&str, Pairs<'_>, Pairs<'_>); 9] = [
        (
            "push_url",
            &[("push_url", "http://push.example.org/hook")],
            &[base, secret],
        ),
        (
            "push_url",
            &[("push_url", "ftp://push.example.org")],
            &[base, secret],
        ),
        ("push_url", &[("push_url", "push.example.org")], &[base, secret]),
        (
            "push_url",
            &[("push_url", "https://a:b@push.example.org")],
            &[base, secret],
        ),
        ("push_secret", &[url], &[base]),
        ("push_secret", &[url], &[base, ("WHIMBREL_PUSH_SECRET", "short")]),
        (
            "push_secret_file",
            &[url, ("push_secret_file", "/nowhere")],
            &[base],
        ),
        ("push_timeout", &[url, ("push_timeout", "1h")], &[base, secret]),
        ("push_secret", &[], &[base, secret]),
    ];
    for (key, flags, environment) in wrong {
        let flags: Vec<(&'static str, &str)> = flags
            .iter()
            .map(|(key, text)| {
                (
                    *whimbrel_server::KEYS.iter().find(|known| *known == key).unwrap(),
                    *text,
                )
            })
            .collect();
        let error = load(&flags, environment, None).unwrap_err();
        assert_eq!(error.key, key, "{error}");
    }
}
