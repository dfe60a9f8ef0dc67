//! Questions to the server.

use crate::support::{general, made, online, open, settled, within};
use whimbrel_client::{Channel, Client, Error, Filter, NewChannel, ServerPage, Sort, SyncState, field};
use whimbrel_model::{Custom, Message, MessageId};
use whimbrel_store::MemoryStore;
use whimbrel_testkit::server::TestServer;

async fn named(server: &TestServer, user: &str, name: &str) -> Client {
    let client = online(server, user).await;
    let queued = client
        .update_profile(Some(name.to_owned()), None, None)
        .await
        .unwrap();
    within("the profile", queued.settled()).await.unwrap();
    client
}

async fn say(channel: &Channel, text: &str) -> MessageId {
    let sent = channel.send(text).await.unwrap();
    let id = sent.id;
    within("the message", sent.settled()).await.unwrap();
    id
}

fn texts(page: &ServerPage<Message>) -> Vec<&str> {
    page.items()
        .iter()
        .map(|message| message.body.text.as_str())
        .collect()
}

#[tokio::test]
async fn users_and_members_are_found_by_their_names() {
    let server = TestServer::new();
    let ada = named(&server, "ada", "Ada Núñez").await;
    let _bob = named(&server, "bob", "Bob").await;
    let channel = made(&ada).await;
    let found = ada.query_users(field("name").autocomplete("nun")).await.unwrap();
    let ids: Vec<&str> = found.items().iter().map(|user| user.id.as_str()).collect();
    assert_eq!(ids, ["ada"]);
    let all = ada
        .query_users(Filter::everything())
        .sort(Sort::by_descending("name"))
        .await
        .unwrap();
    let names: Vec<&str> = all.items().iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["Bob", "Ada Núñez"]);

    let members = channel.query_members(field("role").eq("member")).await.unwrap();
    let seen: Vec<_> = members
        .items()
        .iter()
        .map(|found| {
            (
                found.member.user.as_str(),
                found.profile.as_ref().map(|user| user.name.as_str()),
            )
        })
        .collect();
    assert_eq!(seen, [("bob", Some("Bob")), ("carol", None)]);
}

#[tokio::test]
async fn messages_are_read_page_by_page_onward_and_back() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    for number in 1..=7 {
        say(&channel, &format!("number {number}")).await;
    }
    let first = channel
        .query_messages(field("text").q("number"))
        .limit(3)
        .await
        .unwrap();
    assert_eq!(texts(&first), ["number 7", "number 6", "number 5"]);
    assert!(!first.has_previous());
    let second = first.next_page().await.unwrap().unwrap();
    assert_eq!(texts(&second), ["number 4", "number 3", "number 2"]);
    let third = second.next_page().await.unwrap().unwrap();
    assert_eq!(texts(&third), ["number 1"]);
    assert!(!third.has_next());
    assert!(third.next_page().await.unwrap().is_none());
    let back = third.previous_page().await.unwrap().unwrap();
    assert_eq!(texts(&back), texts(&second));
    let from_five = channel
        .query_messages(Filter::everything())
        .sort(Sort::by_ascending("seq"))
        .offset(5)
        .await
        .unwrap();
    assert_eq!(texts(&from_five), ["number 6", "number 7"]);
    let everywhere = ada
        .query_messages(field("author").eq("ada"))
        // Two can be accepted in one millisecond.
        .sort(Sort::by_descending("seq"))
        .limit(1)
        .await
        .unwrap();
    assert_eq!(texts(&everywhere), ["number 7"]);
}

#[tokio::test]
async fn pins_reactions_threads_and_drafts_are_found() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let channel = made(&ada).await;
    let first = say(&channel, "first").await;
    let second = say(&channel, "second").await;
    let sent = channel.reply(first, "a reply").await.unwrap();
    within("the reply", sent.settled()).await.unwrap();
    channel.pin_message(second, None).await.unwrap();
    channel.react(second, "👍").await.unwrap();
    channel.react(second, "like").await.unwrap();
    channel.unreact(second, "like").await.unwrap();
    settled(&ada).await;

    let pinned = channel.pinned_messages().await.unwrap();
    assert_eq!(texts(&pinned), ["second"]);
    let reactions = ada.query_reactions(second).await.unwrap();
    let kinds: Vec<&str> = reactions
        .items()
        .iter()
        .map(|reaction| reaction.kind.as_str())
        .collect();
    assert_eq!(kinds, ["👍"]);
    let likes = ada
        .query_reactions(second)
        .filter(field("type").eq("like"))
        .await
        .unwrap();
    assert!(likes.items().is_empty());

    let threads = ada.query_threads(Filter::everything()).await.unwrap();
    let thread = &threads.items()[0];
    assert_eq!(threads.items().len(), 1);
    assert_eq!(thread.parent.id, first);
    let reply = thread.last_reply.as_ref().unwrap();
    assert_eq!(reply.body.text, "a reply");
    assert_eq!(thread.read.as_ref().map(|read| read.seq), Some(reply.seq));
    let unread = ada.query_threads(field("has_unread").eq(true)).await.unwrap();
    assert!(unread.items().is_empty(), "the own reply is read");
    let drafts = ada.query_drafts(Filter::everything()).await.unwrap();
    assert!(drafts.items().is_empty());
}

#[tokio::test]
async fn channels_come_with_what_a_screen_shows_of_them() {
    let server = TestServer::new();
    let ada = named(&server, "ada", "Ada").await;
    for (id, team) in [("reef", "red"), ("atoll", "blue"), ("cay", "red")] {
        let channel = ada.channel(format!("messaging:{id}")).unwrap();
        let new = NewChannel {
            name: id.to_owned(),
            custom: Custom::default().with("team", team),
            members: vec![whimbrel_model::UserId::new("bob").unwrap()],
            ..NewChannel::default()
        };
        channel.create_with(new).await.unwrap();
        say(&channel, &format!("hello {id}")).await;
        say(&channel, "more").await;
    }
    let bob = online(&server, "bob").await;
    let page = bob
        .query_channels(field("custom.team").eq("red"))
        .from_server()
        .messages(1)
        .members(10)
        .await
        .unwrap();
    let names: Vec<&str> = page
        .items()
        .iter()
        .map(|found| found.channel.name.as_str())
        .collect();
    assert_eq!(names, ["cay", "reef"], "the newest message first");
    let cay = &page.items()[0];
    let newest: Vec<&str> = cay
        .messages
        .iter()
        .map(|message| message.body.text.as_str())
        .collect();
    assert_eq!(newest, ["more"]);
    assert_eq!(cay.last_message, cay.messages.last().cloned());
    assert!(cay.membership.is_some() && cay.read.is_none());
    let members: Vec<_> = cay
        .members
        .iter()
        .map(|found| (found.member.user.as_str(), found.profile.is_some()))
        .collect();
    assert_eq!(members, [("ada", true), ("bob", false)]);
    let plain = bob
        .query_channels(Filter::everything())
        .from_server()
        .without_state()
        .await
        .unwrap();
    assert_eq!(plain.items().len(), 3);
    assert!(
        plain
            .items()
            .iter()
            .all(|found| found.messages.is_empty() && found.membership.is_none())
    );
}

#[tokio::test]
async fn without_a_connection_a_question_fails_at_once_and_can_be_asked_again() {
    let server = TestServer::new();
    let ada = open(&server, "ada", &MemoryStore::new()).await;
    let error = within("an answer", ada.query_users(Filter::everything()).into_future())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.is_retryable()),
        ("not_connected", true)
    );
    // What is wrong with the question needs no server to say so.
    let wrong = ada.query_users(field("nmae").eq("x")).await.unwrap_err();
    assert!(matches!(wrong, Error::Query(_)), "{wrong}");
    crate::support::go_live(&ada).await;
    assert!(ada.query_users(Filter::everything()).await.is_ok());
    server.stop().await;
    crate::support::reaches(&ada, |status| *status != SyncState::Live).await;
    let error = within("an answer", ada.query_users(Filter::everything()).into_future())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_connected");
}

#[tokio::test]
async fn what_the_server_refuses_says_why() {
    let server = TestServer::new();
    let ada = online(&server, "ada").await;
    let error = general(&ada)
        .query_members(Filter::everything())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.is_retryable()),
        ("channel_not_found", false)
    );
    let error = ada
        .query_users(Filter::everything())
        .limit(101)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "too_large");
    assert!(error.to_string().contains("/window/limit"), "{error}");
}
