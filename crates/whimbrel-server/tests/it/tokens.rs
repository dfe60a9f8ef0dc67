use crate::support::user;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::Duration;
use whimbrel_model::{Code, Timestamp};
use whimbrel_server::{AuthConfig, Secret, Tokens};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "another secret that is not the one";
const NOW: i64 = 1_700_000_000;
/// The key pair of RFC 8410, section 10.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

fn config() -> AuthConfig {
    AuthConfig {
        secret: Some(Secret::new(SECRET)),
        eddsa_public_key: None,
        issuer: None,
        audience: None,
        max_lifetime: Duration::from_secs(30 * 86_400),
        dev: false,
    }
}

fn strict() -> AuthConfig {
    AuthConfig {
        issuer: Some("the issuer".to_owned()),
        audience: Some("whimbrel".to_owned()),
        ..config()
    }
}

fn eddsa() -> AuthConfig {
    AuthConfig {
        secret: None,
        eddsa_public_key: Some(PUBLIC.to_owned()),
        ..config()
    }
}

fn sign(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn hs256(claims: &Value) -> String {
    sign(Algorithm::HS256, SECRET.as_bytes(), claims)
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

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn code(config: &AuthConfig, token: &str) -> Code {
    let tokens = Tokens::new(config).unwrap();
    let error = tokens.verify(token, Timestamp(NOW * 1_000)).unwrap_err();
    assert!(token.is_empty() || !error.to_string().contains(token));
    error.code()
}

fn accepted(config: &AuthConfig, token: &str) -> bool {
    let tokens = Tokens::new(config).unwrap();
    tokens
        .verify(token, Timestamp(NOW * 1_000))
        .is_ok_and(|identity| identity.user == user("ada"))
}

#[test]
fn a_good_token_is_accepted() {
    let claims = json!({"sub": "ada", "exp": NOW + 60});
    assert!(accepted(&config(), &hs256(&claims)));
    // An audience that nobody asks for does no harm.
    assert!(accepted(
        &config(),
        &hs256(&json!({"sub": "ada", "exp": NOW + 60, "aud": "x"}))
    ));
    let full =
        json!({"sub": "ada", "exp": NOW + 60, "nbf": NOW, "iss": "the issuer", "aud": ["a", "whimbrel"]});
    assert!(accepted(&strict(), &hs256(&full)));
    let key = EncodingKey::from_ed_pem(PRIVATE.as_bytes()).unwrap();
    let token = encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap();
    assert!(accepted(&eddsa(), &token));
}

#[test]
fn clocks_may_differ_by_thirty_seconds_and_no_more() {
    assert!(accepted(
        &config(),
        &hs256(&json!({"sub": "ada", "exp": NOW - 29}))
    ));
    assert_eq!(
        code(&config(), &hs256(&json!({"sub": "ada", "exp": NOW - 30}))),
        Code::TokenExpired
    );
    assert!(accepted(
        &config(),
        &hs256(&json!({"sub": "ada", "exp": NOW + 60, "nbf": NOW + 30}))
    ));
    let early = hs256(&json!({"sub": "ada", "exp": NOW + 60, "nbf": NOW + 31}));
    assert_eq!(code(&config(), &early), Code::TokenInvalid);
}

#[test]
fn what_was_minted_is_good_until_it_expires() {
    let tokens = Tokens::new(&strict()).unwrap();
    let token = tokens
        .mint(&user("ada"), Duration::from_secs(60), Timestamp(NOW * 1_000))
        .unwrap();
    assert!(accepted(&strict(), &token));
    let later = Timestamp((NOW + 90) * 1_000);
    assert_eq!(
        tokens.verify(&token, later).unwrap_err().code(),
        Code::TokenExpired
    );
    let forever = tokens.mint(&user("ada"), Duration::from_secs(31 * 86_400), Timestamp(0));
    assert!(forever.is_err());
    let no_secret = Tokens::new(&eddsa()).unwrap();
    assert!(
        no_secret
            .mint(&user("ada"), Duration::from_secs(60), Timestamp(0))
            .is_err()
    );
}

fn good() -> Value {
    json!({"sub": "ada", "exp": NOW + 60})
}

fn none_is_accepted(config: &AuthConfig, forged: &[(&str, String)]) {
    for (what, token) in forged {
        assert_eq!(code(config, token), Code::TokenInvalid, "{what}");
    }
}

#[test]
fn a_token_whose_signature_is_not_of_it_is_refused() {
    let token = hs256(&good());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let claims = base64url(json!({"sub": "bob", "exp": NOW + 60}).to_string().as_bytes());
    let reversed: String = signature.chars().rev().collect();
    let hs = json!({"alg": "HS256", "typ": "JWT"});
    let forged = [
        ("empty signature", format!("{signed}.")),
        ("no signature part", signed.to_owned()),
        ("truncated", token[..token.len() - 4].to_owned()),
        ("truncated claims", token[..token.len() / 2].to_owned()),
        ("a part more", format!("{token}.x")),
        ("other claims", format!("{header}.{claims}.{signature}")),
        ("reversed", format!("{signed}.{reversed}")),
        ("made up", unsigned(&hs, &good(), &base64url(&[7; 32]))),
        (
            "another secret",
            sign(Algorithm::HS256, OTHER.as_bytes(), &good()),
        ),
        ("an empty secret", sign(Algorithm::HS256, b"", &good())),
        ("not a token", "garbage".to_owned()),
        ("dots", "..".to_owned()),
        ("spaces around", format!(" {token} ")),
        ("huge", "a".repeat(100_000)),
    ];
    none_is_accepted(&config(), &forged);
    assert_eq!(code(&config(), ""), Code::TokenMissing);
}

#[test]
fn the_algorithm_is_that_of_the_key_and_not_of_the_header() {
    let token = hs256(&good());
    let (_, signature) = token.rsplit_once('.').unwrap();
    let with = |alg: &str, signature: &str| unsigned(&json!({"alg": alg}), &good(), signature);
    let forged = [
        ("none", with("none", "")),
        ("None", with("None", "")),
        ("none with a signature", with("none", signature)),
        ("no alg", unsigned(&json!({"typ": "JWT"}), &good(), signature)),
        ("HS384", sign(Algorithm::HS384, SECRET.as_bytes(), &good())),
        ("HS512", sign(Algorithm::HS512, SECRET.as_bytes(), &good())),
        ("RS256", with("RS256", signature)),
        ("EdDSA", with("EdDSA", signature)),
    ];
    none_is_accepted(&config(), &forged);
    let forged = [
        (
            "the public key as a secret",
            sign(Algorithm::HS256, PUBLIC.as_bytes(), &good()),
        ),
        ("HS256 where only EdDSA is", token.clone()),
        ("no real signature", with("EdDSA", &base64url(&[0; 64]))),
    ];
    none_is_accepted(&eddsa(), &forged);
}

#[test]
fn claims_that_do_not_hold_are_refused() {
    let exp = NOW + 60;
    let wrong = [
        ("no exp", json!({"sub": "ada"})),
        ("exp as text", json!({"sub": "ada", "exp": "tomorrow"})),
        ("exp null", json!({"sub": "ada", "exp": null})),
        ("exp negative", json!({"sub": "ada", "exp": -1})),
        ("exp too far", json!({"sub": "ada", "exp": NOW + 31 * 86_400})),
        ("exp at the end of time", json!({"sub": "ada", "exp": i64::MAX})),
        (
            "not yet",
            json!({"sub": "ada", "exp": NOW + 600, "nbf": NOW + 300}),
        ),
        ("no sub", json!({"exp": exp})),
        ("an empty sub", json!({"sub": "", "exp": exp})),
        ("a sub with spaces", json!({"sub": "ada lovelace", "exp": exp})),
        ("a sub with a line feed", json!({"sub": "ada\n", "exp": exp})),
        ("a long sub", json!({"sub": "a".repeat(65), "exp": exp})),
        ("a number as sub", json!({"sub": 7, "exp": exp})),
    ];
    none_is_accepted(&config(), &wrong.map(|(what, claims)| (what, hs256(&claims))));
    let (iss, aud) = ("the issuer", "whimbrel");
    let wrong = [
        (
            "another audience",
            json!({"sub": "ada", "exp": exp, "iss": iss, "aud": "another"}),
        ),
        (
            "other audiences",
            json!({"sub": "ada", "exp": exp, "iss": iss, "aud": ["a", "b"]}),
        ),
        ("no audience", json!({"sub": "ada", "exp": exp, "iss": iss})),
        (
            "another issuer",
            json!({"sub": "ada", "exp": exp, "iss": "another", "aud": aud}),
        ),
        ("no issuer", json!({"sub": "ada", "exp": exp, "aud": aud})),
    ];
    none_is_accepted(&strict(), &wrong.map(|(what, claims)| (what, hs256(&claims))));
    for expired in [NOW - 30, NOW - 86_400, 0] {
        let token = hs256(&json!({"sub": "ada", "exp": expired}));
        assert_eq!(code(&config(), &token), Code::TokenExpired, "{expired}");
    }
}

#[test]
fn a_public_key_that_is_none_is_refused_at_start() {
    let config = AuthConfig {
        eddsa_public_key: Some("not a key".to_owned()),
        ..config()
    };
    assert_eq!(Tokens::new(&config).unwrap_err().key, "eddsa_key_file");
}
