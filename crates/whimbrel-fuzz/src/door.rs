//! Tokens at the server's door.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use whimbrel_hub::AuthError;
use whimbrel_model::{Timestamp, UserId};
use whimbrel_server::{AuthConfig, LEEWAY, Secret, Tokens};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_700_000_000;
const LIFETIME: i64 = 30 * 86_400;
const GOOD: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Claims, to be signed; and whole tokens: signed, unsigned, with another algorithm and with another key.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let claims = [
        json!({"sub": "ada", "exp": NOW + 60}),
        json!({"sub": "ada", "exp": NOW - 29, "nbf": NOW + 29, "iat": NOW, "iss": "x", "aud": ["a", "b"]}),
        json!({"sub": "ada", "exp": NOW + LIFETIME + 29}),
        json!({"exp": NOW + 60}),
        json!({"sub": "ada"}),
    ];
    let mut seeds: Vec<Vec<u8>> = claims
        .iter()
        .map(|claims| claims.to_string().into_bytes())
        .collect();
    let first = claims[0].to_string();
    seeds.push(sign(GOOD, &first, SECRET).into_bytes());
    seeds.push(sign(GOOD, &first, b"another secret that is not the one").into_bytes());
    seeds.push(sign(r#"{"alg":"none"}"#, &first, SECRET).into_bytes());
    seeds.push(sign(r#"{"alg":"HS512","typ":"JWT"}"#, &first, SECRET).into_bytes());
    seeds
}

/// Shows a token at the door. An object is claims, which are signed first: those are judged by what they say.
/// Anything else is let in only as it was signed.
pub(crate) fn token(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let config = AuthConfig {
        secret: Some(Secret::new(SECRET)),
        eddsa_public_key: None,
        issuer: None,
        audience: None,
        max_lifetime: Duration::from_secs(LIFETIME.unsigned_abs()),
        dev: false,
    };
    let tokens = Tokens::new(&config).expect("the configuration is good");
    let claims = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    let token = match &claims {
        Some(claims) => sign(GOOD, &claims.to_string(), SECRET),
        None => text.to_owned(),
    };
    let verdict = tokens.verify(&token, Timestamp(NOW * 1_000));
    if let Err(error) = &verdict {
        let shown = error.to_string();
        assert!(
            token.len() < 8 || !shown.contains(&token),
            "the token is in {shown:?}"
        );
        assert!(!matches!(error, AuthError::Unavailable(_)));
    }
    let expected = match &claims {
        Some(claims) => judge(claims).filter(|_| token.len() <= 8 * 1024),
        None => is_signed(&token)
            .then(|| verdict.as_ref().ok().map(|identity| identity.user.clone()))
            .flatten(),
    };
    assert_eq!(
        verdict.as_ref().ok().map(|identity| &identity.user),
        expected.as_ref()
    );
    if let Ok(identity) = &verdict {
        assert!(!identity.has_expired(Timestamp(NOW * 1_000)));
    }
    verdict.is_ok()
}

/// Says whom the claims name, if they are good now.
fn judge(claims: &Value) -> Option<UserId> {
    let user = UserId::new(claims.get("sub")?.as_str()?).ok()?;
    let leeway = i64::try_from(LEEWAY.as_secs()).ok()?;
    let number = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_i64().map(Some),
    };
    let (expires, from) = (number("exp")??, number("nbf")?);
    number("iat")?;
    let text = |name: &str| matches!(claims.get(name), None | Some(Value::Null | Value::String(_)));
    let good = expires > NOW - leeway
        && expires <= NOW + LIFETIME + leeway
        && from.is_none_or(|from| from <= NOW + leeway)
        && text("iss");
    good.then_some(user)
}

/// Says whether it was signed here, as what it says that it is: a signature under another algorithm's name is none.
fn is_signed(token: &str) -> bool {
    let Some((content, signature)) = token.rsplit_once('.') else {
        return false;
    };
    let header = content.split('.').next();
    header == Some(&base64url(GOOD.as_bytes())) && base64url(&hmac(SECRET, content.as_bytes())) == signature
}

fn sign(header: &str, claims: &str, secret: &[u8]) -> String {
    let content = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(claims.as_bytes())
    );
    let signature = base64url(&hmac(secret, content.as_bytes()));
    format!("{content}.{signature}")
}

/// HMAC-SHA-256 (RFC 2104) with a key of at most one block: a second opinion on the library's.
fn hmac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).unwrap_or(&0) ^ byte).collect() };
    let inner = Sha256::digest([&pad(0x36), content].concat());
    Sha256::digest([pad(0x5c).as_slice(), inner.as_slice()].concat()).to_vec()
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[number >> (18 - 6 * place) & 63]));
        }
    }
    text
}
