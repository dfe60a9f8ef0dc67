//! Who someone is: JSON web tokens, with the algorithm pinned by the key.

use crate::{AuthConfig, ConfigError, Source};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};
use whimbrel_hub::{AuthError, Identity};
use whimbrel_model::{Timestamp, UserId};

/// Clock difference between the issuer and this server that is forgiven.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Bytes of a token at most. Far more than any identity provider writes.
const TOKEN_BYTES: usize = 8 * 1024;

/// Decides whether a token is good, and makes tokens when it holds a secret.
///
/// ## Invariants
///
/// - A token is checked with the algorithm that belongs to a configured key, never with what its header asks for.
/// - `exp` and `sub` are always there; `nbf`, `iss` and `aud` are checked.
/// - The signature is compared in constant time, by the hash library.
pub struct Tokens {
    keys: Vec<Key>,
    signing: Option<EncodingKey>,
    issuer: Option<String>,
    audience: Option<String>,
    max_lifetime: Duration,
}

struct Key {
    validation: Validation,
    key: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<serde_json::Value>,
}

impl Tokens {
    /// Prepares the keys.
    ///
    /// # Errors
    /// [`ConfigError`] for a public key that is not one.
    pub fn new(config: &AuthConfig) -> Result<Self, ConfigError> {
        let mut keys = Vec::new();
        let mut signing = None;
        if let Some(secret) = &config.secret {
            let key = DecodingKey::from_secret(secret.expose());
            keys.push(Key::new(Algorithm::HS256, key, config));
            signing = Some(EncodingKey::from_secret(secret.expose()));
        }
        if let Some(pem) = &config.eddsa_public_key {
            let key = DecodingKey::from_ed_pem(pem.as_bytes()).map_err(|error| ConfigError {
                key: "eddsa_key_file".to_owned(),
                origin: Source::Default,
                problem: format!("must hold an Ed25519 public key as PEM: {error}"),
            })?;
            keys.push(Key::new(Algorithm::EdDSA, key, config));
        }
        Ok(Self {
            keys,
            signing,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            max_lifetime: config.max_lifetime,
        })
    }

    /// Decides whether `token` is good at `now`.
    ///
    /// # Errors
    /// [`AuthError`], which never holds the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        let claims = self.signed_claims(token)?;
        let user = claims.sub.ok_or_else(|| invalid("it has no `sub`"))?;
        let user = UserId::new(user).map_err(|error| invalid(format!("its `sub`: {error}")))?;
        let expires = claims.exp.ok_or_else(|| invalid("it has no `exp`"))?;
        let now = now.as_millis().div_euclid(1_000);
        let leeway = seconds(LEEWAY);
        if expires.saturating_add(leeway) <= now {
            return Err(AuthError::Expired);
        }
        if expires.saturating_sub(now) > seconds(self.max_lifetime).saturating_add(leeway) {
            let days = self.max_lifetime.as_secs() / 86_400;
            return Err(invalid(format!("it lives longer than {days} days")));
        }
        if claims.nbf.is_some_and(|from| from > now.saturating_add(leeway)) {
            return Err(invalid("it is not good yet: its `nbf` is in the future"));
        }
        Ok(Identity {
            user,
            expires_at: Some(Timestamp(expires.saturating_add(leeway).saturating_mul(1_000))),
        })
    }

    /// Makes a token for `user` that is good from `now` for `lifetime`, signed with the HS256 secret.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] without a secret, or for a lifetime over the configured one.
    pub fn mint(&self, user: &UserId, lifetime: Duration, now: Timestamp) -> Result<String, AuthError> {
        let key = self
            .signing
            .as_ref()
            .ok_or_else(|| invalid("making one needs an HS256 secret"))?;
        if lifetime > self.max_lifetime {
            return Err(invalid("its lifetime is over `max_token_lifetime`"));
        }
        let now = now.as_millis().div_euclid(1_000);
        let claims = Claims {
            sub: Some(user.as_str().to_owned()),
            exp: Some(now.saturating_add(seconds(lifetime))),
            nbf: None,
            iat: Some(now),
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Into::into),
        };
        encode(&Header::new(Algorithm::HS256), &claims, key).map_err(|error| invalid(error.to_string()))
    }

    fn signed_claims(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > TOKEN_BYTES {
            return Err(invalid(format!("it is over {TOKEN_BYTES} bytes")));
        }
        let header = decode_header(token).map_err(|_| invalid("it is not a JSON web token"))?;
        let key = self
            .keys
            .iter()
            .find(|key| key.validation.algorithms == [header.alg])
            .ok_or_else(|| invalid(format!("no key is configured for {:?}", header.alg)))?;
        let data =
            decode::<Claims>(token, &key.key, &key.validation).map_err(|error| invalid(error.to_string()))?;
        Ok(data.claims)
    }
}

impl Key {
    fn new(algorithm: Algorithm, key: DecodingKey, config: &AuthConfig) -> Self {
        let mut validation = Validation::new(algorithm);
        // The times are checked by `Tokens::verify`, against the server's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let mut required = vec!["exp", "sub"];
        validation.validate_aud = config.audience.is_some();
        if let Some(audience) = &config.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        Self { validation, key }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn invalid(reason: impl Into<String>) -> AuthError {
    AuthError::Invalid(reason.into())
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}
