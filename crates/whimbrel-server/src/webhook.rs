//! Pushes over HTTP: a service of the operator's own takes them to the services of the devices' makers.

mod post;

use crate::{ConfigError, Secret, Source, WebhookConfig};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use post::{Post, PostError};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tracing::debug;
use whimbrel_hub::{Clock, Push, PushError, PushProvider};
use whimbrel_model::{DeviceId, PushToken, UserId};
use whimbrel_protocol::PushPayload;

/// How often a batch is posted, the first time included.
const TRIES: u32 = 4;

/// How long is waited after the first try; twice as long after each further one.
const WAIT: Duration = Duration::from_millis(500);

/// Posts batches of pushes to one address, signed.
///
/// `docs/PROTOCOL.md` says what is posted. A batch is tried a few times, with longer and longer waits between, as long as the
/// service cannot be reached, is busy (429) or fails (5xx); another answer than 2xx is final.
#[derive(Debug)]
pub(crate) struct Webhook {
    post: Post,
    secret: Secret,
    clock: Arc<dyn Clock>,
    wait: Duration,
}

/// What is posted.
#[derive(Serialize)]
struct Body<'a> {
    pushes: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    user: &'a UserId,
    device: DeviceId,
    provider: &'a str,
    token: &'a str,
    payload: &'a PushPayload,
}

/// What may be answered.
#[derive(Default, Deserialize)]
struct Answer {
    /// Tokens that are good for nothing any more.
    #[serde(default)]
    gone: Vec<PushToken>,
}

impl Webhook {
    /// Prepares to post.
    ///
    /// # Errors
    /// [`ConfigError`] for an address or certificates that cannot be used.
    pub(crate) fn new(config: &WebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let post =
            Post::new(config).map_err(|(key, problem)| ConfigError::new(key, &Source::Default, problem))?;
        Ok(Self {
            post,
            secret: config.secret.clone(),
            clock,
            wait: WAIT,
        })
    }

    async fn once(&self, body: &[u8]) -> Result<Vec<PushToken>, PostError> {
        // A repeat has the time of now, or a receiver that looks at it would refuse it.
        let seconds = self.clock.now().as_millis() / 1000;
        let signature = sign(self.secret.expose(), seconds, body);
        let headers = [
            ("whimbrel-timestamp", seconds.to_string()),
            ("whimbrel-signature", signature),
        ];
        let answer = self.post.send(&headers, body).await?;
        // What is no answer of ours is none: the batch was taken.
        let Answer { gone } = serde_json::from_slice(&answer).unwrap_or_default();
        Ok(gone)
    }
}

#[async_trait]
impl PushProvider for Webhook {
    async fn push(&self, batch: &[Push]) -> Result<Vec<PushToken>, PushError> {
        let body = Body {
            pushes: batch.iter().map(item).collect(),
        };
        let body = serde_json::to_vec(&body).map_err(|error| PushError(error.to_string()))?;
        let mut tries = 1;
        loop {
            match self.once(&body).await {
                Ok(gone) => return Ok(gone),
                Err(error) if error.is_retryable() && tries < TRIES => {
                    debug!(%error, tries, "a batch of pushes is posted again");
                    tokio::time::sleep(self.wait * 2_u32.pow(tries - 1)).await;
                    tries += 1;
                }
                Err(error) => return Err(PushError(error.to_string())),
            }
        }
    }
}

fn item(push: &Push) -> Item<'_> {
    Item {
        user: &push.user,
        device: push.device,
        provider: &push.to.provider,
        token: &push.to.token,
        payload: &push.payload,
    }
}

/// Checks an address to post to.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_address(text: &str) -> Result<(), String> {
    post::address(text).map(drop)
}

/// Signs a body at a time: `v1=` and the HMAC-SHA256, in hexadecimal, of the seconds, a full stop and the body.
fn sign(secret: &[u8], seconds: i64, body: &[u8]) -> String {
    let mut text = String::from("v1=");
    // A key of any length is one for this hash.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return text;
    };
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_the_protocol_document_says() {
        // By `printf '1764000000.{"pushes":[]}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`.
        let expected = "v1=e8dccf1ea63e711417ca5b42c246626609b87e76d2acca0200ee24f3c406c08c";
        let signed = sign(
            b"0123456789abcdef0123456789abcdef",
            1_764_000_000,
            br#"{"pushes":[]}"#,
        );
        assert_eq!(signed, expected);
    }
}
