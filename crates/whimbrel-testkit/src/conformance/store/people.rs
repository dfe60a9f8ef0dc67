//! What depends on what the account holds of others: a store is told with each read, and keeps nothing of it.

use super::{
    StoreFixture,
    sample::{ME, account, cid, membership, message, mid, people, put, reply, thread_of, thread_read, user},
};
use whimbrel_model::{Change, ConsentState, MemberState, Membership, Message, MessageBody, People};
use whimbrel_query::{Endpoint, Query, Sort, field};

use ConsentState::{Allowed, Denied, Unknown};
use MemberState::{Active, Gone, Invited};

/// In a channel, where the account is mentioned, in a thread, and in what a query finds by it.
pub async fn what_silent_people_wrote_counts_as_unread_nowhere(mut t: StoreFixture) {
    let mentions = Message {
        author: user("cyd"),
        body: MessageBody {
            mention_channel: true,
            ..MessageBody::text("everybody")
        },
        ..message("a", 3, 3)
    };
    let in_thread = Message {
        author: user("cyd"),
        ..reply(1, 5)
    };
    t.apply([
        Change::Account(account()),
        put(membership("a", 1, Active)),
        put(thread_of(message("a", 1, 9), 2, 5)),
        put(message("a", 2, 2)),
        put(mentions),
        put(reply(1, 4)),
        put(in_thread),
        put(thread_read(1, ME, 0, 6)),
    ])
    .await;
    let unread = Query::new(&Endpoint::CHANNELS, field("unread_count").gt(0), Sort::by_id()).unwrap();
    for _ in 0..2 {
        for (people, expected) in [
            (People::default(), (3, 1, 2)),
            (people(&["bob"], &[], &[]), (1, 1, 1)),
            (people(&[], &["bob"], &["cyd"]), (2, 0, 1)),
            (people(&["bob"], &[], &["cyd"]), (0, 0, 0)),
        ] {
            let row = t.store().channel(&cid("a"), &people).await.unwrap().unwrap();
            let thread = t.store().thread(mid(1), &people).await.unwrap().unwrap();
            assert_eq!((row.unread, row.mentions, thread.unread), expected);
            let found = t.store().channels(&unread, None, 9, &people).await.unwrap();
            assert_eq!(found.len(), usize::from(row.unread > 0));
            let listed = t.store().threads(None, 9, &people).await.unwrap();
            assert_eq!(listed, [thread]);
        }
        t.reopen().await;
    }
}

/// What was decided of a channel is what counts, else what holds of whoever brought the account in; of a channel that it has left,
/// nothing does.
pub async fn consent_is_of_the_channel_else_of_who_brought_the_account_in(mut t: StoreFixture) {
    let kept = |id: &str, ver, state, consent, by: Option<&str>| {
        put(Membership {
            consent,
            added_by: by.map(user),
            ..membership(id, ver, state)
        })
    };
    t.apply([
        Change::Account(account()),
        kept("a", 1, Active, Unknown, Some("bob")),
        kept("b", 2, Active, Allowed, Some("bob")),
        kept("c", 3, Active, Denied, Some("cyd")),
        kept("d", 4, Active, Unknown, None),
        kept("e", 5, Invited, Unknown, Some("bob")),
        kept("f", 6, Gone, Denied, Some("bob")),
    ])
    .await;
    let found = async |t: &StoreFixture, query: &Query, people: &People| {
        let found = t.store().channels(query, None, 9, people).await.unwrap();
        let mut ids: Vec<_> = found.iter().map(|row| row.cid.local_id().to_owned()).collect();
        ids.sort_unstable();
        ids.concat()
    };
    let with =
        |consent: &str| Query::new(&Endpoint::CHANNELS, field("consent").eq(consent), Sort::by_id()).unwrap();
    for _ in 0..2 {
        for (people, unknown, allowed, denied) in [
            (People::default(), "adef", "b", "c"),
            (people(&["bob"], &["cyd"], &[]), "df", "b", "ace"),
            (people(&["cyd"], &["bob"], &[]), "df", "abe", "c"),
        ] {
            assert_eq!(found(&t, &with("unknown"), &people).await, unknown);
            assert_eq!(found(&t, &with("allowed"), &people).await, allowed);
            assert_eq!(found(&t, &with("denied"), &people).await, denied);
        }
        let nobody = People::default();
        assert_eq!(found(&t, &Query::channel_list(), &nobody).await, "abd");
        assert_eq!(found(&t, &Query::requests(), &nobody).await, "ade");
        assert_eq!(found(&t, &Query::invites(), &nobody).await, "e");
        assert_eq!(found(&t, &Query::every_channel(), &nobody).await, "abcde");
        let without_bob = people(&["bob"], &[], &[]);
        assert_eq!(found(&t, &Query::requests(), &without_bob).await, "d");
        t.reopen().await;
    }
    // Of what is decided later, the newest row counts.
    t.apply([
        kept("a", 9, Active, Denied, Some("bob")),
        kept("a", 8, Active, Allowed, None),
    ])
    .await;
    assert_eq!(found(&t, &with("denied"), &People::default()).await, "ac");
}
