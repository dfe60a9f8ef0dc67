//! Where pushes are posted.

use super::{ConfigError, SECRET_BYTES, Secret, parse_duration, read, source::Settings};
use std::time::Duration;

/// How long the service may take for an answer, by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The service of the operator's own that wakes devices: it is posted what `docs/PROTOCOL.md` says.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The address: `https://…`, or `http://…` on this machine.
    pub url: String,
    /// What is posted is signed with it. At least [`SECRET_BYTES`] long.
    pub secret: Secret,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Certificates as PEM that are trusted beside those of the system.
    pub ca: Option<String>,
}

impl WebhookConfig {
    /// Creates the configuration with the default time.
    #[must_use]
    pub fn new(url: impl Into<String>, secret: impl Into<Vec<u8>>) -> Self {
        Self {
            url: url.into(),
            secret: Secret::new(secret),
            timeout: TIMEOUT,
            ca: None,
        }
    }
}

/// Reads the settings. The address says whether there is a service.
pub(super) fn webhook(settings: &Settings) -> Result<Option<WebhookConfig>, ConfigError> {
    let Some(url) = settings.text("push_url") else {
        let needless = ["push_secret", "push_secret_file", "push_timeout", "push_ca_file"];
        return match needless.into_iter().find(|key| settings.text(key).is_some()) {
            Some(key) => Err(settings.error(key, "is of no use without `push_url`")),
            None => Ok(None),
        };
    };
    crate::webhook::check_address(url).map_err(|problem| settings.error("push_url", problem))?;
    let file = |key| {
        let path = settings.text(key);
        let text = path.map(|path| read(path).map_err(|problem| settings.error(key, problem)));
        text.transpose()
    };
    let (key, secret) = match file("push_secret_file")? {
        Some(text) => (
            "push_secret_file",
            Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        ),
        None => ("push_secret", settings.text("push_secret").map(str::to_owned)),
    };
    let Some(secret) = secret.filter(|secret| secret.len() >= SECRET_BYTES) else {
        let problem =
            format!("must have at least {SECRET_BYTES} bytes: the service tells by it that a push is ours");
        return Err(settings.error(key, problem));
    };
    let timeout = settings.parse("push_timeout", TIMEOUT, parse_duration)?;
    if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&timeout) {
        return Err(settings.error("push_timeout", "must be from 100ms to 1m"));
    }
    Ok(Some(WebhookConfig {
        url: url.to_owned(),
        secret: Secret::new(secret),
        timeout,
        ca: file("push_ca_file")?,
    }))
}
