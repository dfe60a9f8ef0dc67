//! Who types: passed on to who is there, and nothing else.

use crate::support::{Client, accept, cid, create, message_id, remove, start, user};
use std::time::Duration;
use tokio::time::advance;
use whimbrel_hub::HubConfig;
use whimbrel_model::{MessageId, limits};
use whimbrel_protocol::{AskPresence, ClientFrame, Heads, ServerFrame, Typing, UserTyping, Watch, Watching};

const EVERY: Duration = Duration::from_millis(limits::TYPING_EVERY_MS);

async fn types(client: &Client, parent: Option<MessageId>, on: bool) {
    let cid = cid();
    let frame = ClientFrame::Typing(Typing { cid, parent, on });
    client.session.handle(frame).await.unwrap();
}

/// Returns what was said of typing by now: whether each started or ended.
async fn heard(client: &mut Client) -> Vec<UserTyping> {
    let ask = Heads { id: 99, since: None };
    client.session.handle(ClientFrame::Heads(ask)).await.unwrap();
    let mut heard = Vec::new();
    loop {
        match client.next().await {
            ServerFrame::Typing(typing) => heard.push(typing),
            ServerFrame::Heads(page) if page.id == 99 => return heard,
            ServerFrame::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn ada(parent: Option<MessageId>, on: bool) -> UserTyping {
    UserTyping {
        cid: cid(),
        parent,
        user: user("ada"),
        on,
    }
}

#[tokio::test]
async fn typing_reaches_the_other_members_that_watch_the_channel_and_nobody_else() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut phone = Client::connect(&hub, "ada").await;
    let mut laptop = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    let mut away = Client::connect(&hub, "bob").await;
    let mut eve = Client::connect(&hub, "eve").await;
    let (cids, on) = (vec![cid()], false);
    let unwatch = ClientFrame::Watch(Watch { cids, on });
    away.session.handle(unwatch).await.unwrap();
    let thread = Some(message_id());
    types(&phone, None, true).await;
    types(&phone, thread, true).await;
    types(&phone, None, false).await;
    let said = [ada(None, true), ada(thread, true), ada(None, false)];
    assert_eq!(heard(&mut bob).await, said);
    for other in [&mut phone, &mut laptop, &mut away, &mut eve] {
        assert_eq!(heard(other).await, []);
    }
    hub.close().await;
}

#[tokio::test]
async fn who_is_not_a_member_is_not_heard_and_who_was_removed_neither() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut ada = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    let eve = Client::connect(&hub, "eve").await;
    types(&eve, None, true).await;
    types(&eve, None, false).await;
    assert_eq!(heard(&mut bob).await, []);
    accept(&hub, "ada", remove(&["bob"])).await;
    types(&bob, None, true).await;
    assert_eq!(heard(&mut ada).await, []);
    types(&ada, None, true).await;
    assert_eq!(heard(&mut bob).await, []);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_is_passed_on_once_in_two_seconds_and_an_end_only_after_a_start() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let phone = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    types(&phone, None, false).await;
    for _ in 0..10 {
        types(&phone, None, true).await;
    }
    assert_eq!(heard(&mut bob).await, [ada(None, true)]);
    types(&phone, None, false).await;
    types(&phone, None, false).await;
    types(&phone, None, true).await;
    assert_eq!(heard(&mut bob).await, [ada(None, false)]);
    advance(EVERY).await;
    types(&phone, None, true).await;
    assert_eq!(heard(&mut bob).await, [ada(None, true)]);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_types_in_so_many_places_at_once_and_later_in_others() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let phone = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    for _ in 0..=limits::TYPING_PLACES {
        types(&phone, Some(message_id()), true).await;
    }
    assert_eq!(heard(&mut bob).await.len(), limits::TYPING_PLACES);
    advance(Duration::from_millis(limits::TYPING_HEARD_MS)).await;
    types(&phone, None, true).await;
    assert_eq!(heard(&mut bob).await, [ada(None, true)]);
    hub.close().await;
}

#[tokio::test]
async fn a_connection_that_ends_no_longer_types() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let phone = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    types(&phone, None, true).await;
    drop(phone);
    assert_eq!(heard(&mut bob).await, [ada(None, true), ada(None, false)]);
    hub.close().await;
}

#[tokio::test]
async fn in_a_channel_of_very_many_nobody_is_told() {
    let (hub, _) = start(HubConfig::default());
    let names: Vec<String> = (0..limits::TYPING_MEMBERS - 1)
        .map(|at| format!("u{at}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    accept(&hub, "ada", create(&names)).await;
    let phone = Client::connect(&hub, "ada").await;
    let mut last = Client::connect(&hub, "u0").await;
    types(&phone, None, true).await;
    assert_eq!(heard(&mut last).await, [ada(None, true)]);
    types(&phone, None, false).await;
    accept(&hub, "ada", crate::support::add(&["one-more"])).await;
    heard(&mut last).await;
    let other = Client::connect(&hub, "ada").await;
    types(&other, None, true).await;
    assert_eq!(heard(&mut last).await, []);
    hub.close().await;
}

/// Returns everything that the heads say since a token, and the next one; what else arrives is passed over.
async fn heads(client: &mut Client, since: Option<String>) -> (usize, String) {
    let ask = Heads { id: 98, since };
    client.session.handle(ClientFrame::Heads(ask)).await.unwrap();
    loop {
        match client.next().await {
            ServerFrame::Heads(page) if page.id == 98 => return (page.heads.len(), page.token),
            _ => {}
        }
    }
}

#[tokio::test]
async fn typing_and_presence_leave_no_trace_in_any_stream() {
    let (hub, _) = start(HubConfig::default());
    accept(&hub, "ada", create(&["bob"])).await;
    let mut phone = Client::connect(&hub, "ada").await;
    let mut bob = Client::connect(&hub, "bob").await;
    let (streams, token) = heads(&mut bob, None).await;
    assert_eq!(streams, 2);
    types(&phone, None, true).await;
    let ask = AskPresence {
        id: 1,
        add: vec![user("bob")],
        remove: Vec::new(),
        background: None,
    };
    phone.session.handle(ClientFrame::Presence(ask)).await.unwrap();
    assert!(matches!(phone.next().await, ServerFrame::Presence(_)));
    let open = Watching { cid: cid(), on: true };
    phone.session.handle(ClientFrame::Watching(open)).await.unwrap();
    assert!(matches!(phone.next().await, ServerFrame::Watchers(_)));
    assert_eq!(heard(&mut bob).await, [ada(None, true)]);
    assert_eq!(heads(&mut bob, Some(token.clone())).await, (0, token));
    let (_, of_ada) = heads(&mut phone, None).await;
    assert_eq!(heads(&mut phone, Some(of_ada.clone())).await, (0, of_ada));
    hub.close().await;
}
