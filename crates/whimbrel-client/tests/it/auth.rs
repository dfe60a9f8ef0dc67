//! Tokens and accounts.

use crate::support::{general, go_live, open, reaches, within};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use whimbrel_client::{SyncState, Token, TokenError, TokenProvider};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

/// What the app would get from its own backend.
#[derive(Debug)]
struct Backend {
    kept: Mutex<String>,
    fresh: Mutex<Result<String, TokenError>>,
}

impl Backend {
    fn new(kept: &str, fresh: &str) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::new(kept.to_owned()),
            fresh: Mutex::new(Ok(fresh.to_owned())),
        })
    }

    fn set_fresh(&self, fresh: Result<&str, TokenError>) {
        *self.fresh.lock().unwrap() = fresh.map(str::to_owned);
    }
}

#[async_trait]
impl TokenProvider for Backend {
    async fn token(&self, refresh: bool) -> Result<Token, TokenError> {
        if refresh {
            let fresh = self.fresh.lock().unwrap().clone()?;
            *self.kept.lock().unwrap() = fresh;
        }
        Ok(Token::new(self.kept.lock().unwrap().clone()))
    }
}

fn needs_auth(status: &SyncState) -> bool {
    matches!(status, SyncState::NeedsAuth { .. })
}

#[tokio::test]
async fn a_token_that_is_refused_twice_needs_the_user_and_connect_recovers() {
    let server = TestServer::new();
    server.revoke("user:ada/old");
    server.revoke("user:ada/new");
    let backend = Backend::new("user:ada/old", "user:ada/new");
    let ada = server
        .client("ada")
        .token_provider(backend.clone())
        .open()
        .await
        .unwrap();
    let queued = general(&ada).create("General", ["bob"]).await.unwrap();
    ada.connect().await.unwrap();
    reaches(&ada, needs_auth).await;
    assert_eq!(ada.outbox().len(), 1, "nothing is lost");
    assert_eq!(server.connections(), 0);
    backend.set_fresh(Ok("user:ada/third"));
    go_live(&ada).await;
    within("the channel", queued.settled()).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_is_replaced_without_anyone_noticing() {
    let server = TestServer::new();
    server.expire("user:ada/old");
    let backend = Backend::new("user:ada/old", "user:ada/new");
    let ada = server.client("ada").token_provider(backend).open().await.unwrap();
    go_live(&ada).await;
}

#[tokio::test]
async fn a_backend_that_is_down_is_asked_again() {
    let server = TestServer::new();
    server.expire("user:ada/old");
    let backend = Backend::new("user:ada/old", "");
    backend.set_fresh(Err(TokenError::Unavailable("the backend is down".to_owned())));
    let ada = server
        .client("ada")
        .token_provider(backend.clone())
        .open()
        .await
        .unwrap();
    ada.connect().await.unwrap();
    let unavailable = "a token could not be fetched: ";
    reaches(
        &ada,
        |status| matches!(status, SyncState::BackingOff { reason, .. } if reason.starts_with(unavailable)),
    )
    .await;
    backend.set_fresh(Ok("user:ada/new"));
    reaches(&ada, |status| *status == SyncState::Live).await;
}

#[tokio::test]
async fn the_one_token_that_there_is_needs_the_user_when_it_is_refused() {
    let server = TestServer::new();
    server.revoke("user:ada");
    let ada = server.client("ada").open().await.unwrap();
    ada.connect().await.unwrap();
    reaches(&ada, needs_auth).await;
}

#[tokio::test]
async fn a_token_of_somebody_else_sends_nothing() {
    let server = TestServer::new();
    let ada = server.client("ada").token("user:bob").open().await.unwrap();
    general(&ada).create("General", ["bob"]).await.unwrap();
    ada.connect().await.unwrap();
    let SyncState::NeedsAuth { reason } = reaches(&ada, needs_auth).await else {
        unreachable!("it was waited for");
    };
    assert!(reason.contains("bob") && reason.contains("ada"), "{reason}");
    assert!(!ada.outbox()[0].attempted);
}

#[tokio::test]
async fn a_database_of_another_account_is_refused() {
    let server = TestServer::new();
    let disk = MemoryStore::new();
    open(&server, "ada", &disk).await.close().await;
    let error = server
        .client("bob")
        .store(Arc::new(disk.reopen()))
        .open()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "wrong_account");
    open(&server, "ada", &disk).await;
}

#[tokio::test]
async fn a_builder_without_a_part_says_which() {
    let error = whimbrel_client::Client::builder().open().await.unwrap_err();
    assert_eq!(error.code(), "builder_incomplete");
    assert!(error.to_string().contains("a user"), "{error}");
}
