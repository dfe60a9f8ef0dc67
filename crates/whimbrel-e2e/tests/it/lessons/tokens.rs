//! Tokens that expire, are refused, or cannot be had.

use super::support::{World, go_live, go_offline, made, reaches, reef, settled, within};
use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;
use whimbrel::{SyncState, Token, TokenError, TokenProvider};

/// What the app's backend gives, and what it was asked for.
#[derive(Debug)]
struct Backend {
    /// The answers to come; the last one is given again and again.
    answers: Mutex<VecDeque<Result<String, TokenError>>>,
    asked: Mutex<Vec<bool>>,
    at_once: watch::Sender<usize>,
}

impl Backend {
    fn new(answers: impl IntoIterator<Item = Result<String, TokenError>>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
            at_once: watch::Sender::new(0),
        })
    }

    /// Returns what it was asked for since the last call: for a refresh or not.
    fn asked(&self) -> Vec<bool> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn answer(&self) -> Result<String, TokenError> {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            return answers.pop_front().expect("there are two");
        }
        answers[0].clone()
    }
}

#[async_trait]
impl TokenProvider for Backend {
    async fn token(&self, refresh: bool) -> Result<Token, TokenError> {
        self.asked.lock().unwrap().push(refresh);
        self.at_once.send_modify(|count| *count += 1);
        assert_eq!(*self.at_once.borrow(), 1, "two ask at the same time");
        tokio::task::yield_now().await;
        self.at_once.send_modify(|count| *count -= 1);
        self.answer().map(Token::new)
    }
}

#[tokio::test]
async fn u21_a_refused_token_pauses_the_outbox_and_asks_once() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let bad = || Ok("not a token".to_owned());
    let backend = Backend::new([bad(), bad(), Ok(world.token("ada"))]);
    let ada = device
        .builder()
        .token_provider(backend.clone())
        .open()
        .await
        .unwrap();
    let created = reef(&ada).create("Reef", ["bob"]).await.unwrap();
    let sent = reef(&ada).send("patience").await.unwrap();
    assert!(backend.asked().is_empty(), "offline nobody is asked");
    ada.connect().await.unwrap();
    reaches(&ada, "needing a sign-in", |status| {
        matches!(status, SyncState::NeedsAuth { .. })
    })
    .await;
    // Once for a token, once for a better one, and then it is the user's turn.
    assert_eq!(backend.asked(), [false, true]);
    let outbox = ada.outbox();
    assert_eq!(outbox.len(), 2);
    assert!(
        outbox.iter().all(|item| item.rejection().is_none()),
        "an operation failed"
    );
    go_live(&ada).await;
    within("the channel", created.settled()).await.unwrap();
    within("the message", sent.settled()).await.unwrap();
    assert_eq!(backend.asked().len(), 1);
}

#[tokio::test]
async fn u21_a_broken_network_does_not_cost_the_token() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let backend = Backend::new([Ok(world.token("ada"))]);
    let ada = device
        .builder()
        .token_provider(backend.clone())
        .open()
        .await
        .unwrap();
    go_live(&ada).await;
    made(&ada).await;
    for _ in 0..5 {
        device.link.cut();
        reaches(&ada, "a failed attempt", |status| {
            matches!(status, SyncState::BackingOff { .. })
        })
        .await;
        device.link.restore();
        go_live(&ada).await;
    }
    go_offline(&ada).await;
    let asked = backend.asked();
    assert!(
        asked.iter().all(|refresh| !refresh),
        "a new token for a broken network: {asked:?}"
    );
    settled(&ada).await;
    assert!(backend.asked().is_empty(), "offline nobody is asked");
}

#[tokio::test]
async fn u21_a_backend_that_is_down_is_not_stormed() {
    let world = World::start().await;
    let device = world.device("ada").await;
    let down = || Err(TokenError::Unavailable("the backend is down".to_owned()));
    let backend = Backend::new([down(), down(), down(), Ok(world.token("ada"))]);
    let ada = device
        .builder()
        .token_provider(backend.clone())
        .open()
        .await
        .unwrap();
    let sent = reef(&ada).create("Reef", ["bob"]).await.unwrap();
    ada.connect().await.unwrap();
    within("the answer", sent.settled()).await.unwrap();
    assert_eq!(backend.asked().len(), 4, "each attempt asks once");
}
