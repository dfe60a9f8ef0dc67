//! The channel list and its rows.

use super::{
    StoreFixture,
    query::{all, pages},
    sample::{
        ME, c_stream, channel, cid, head, member, membership, message, mid, put, read, reply, start,
        tombstone, user,
    },
};
use whimbrel_model::{Change, ChannelSummary, MemberState, Message, People, Read};
use whimbrel_query::Query;

async fn listed(t: &StoreFixture) -> Vec<String> {
    names(&all(t.store(), &Query::channel_list(), &People::default()).await)
}

fn names(channels: &[ChannelSummary]) -> Vec<String> {
    channels
        .iter()
        .map(|summary| summary.cid.local_id().to_owned())
        .collect()
}

async fn summary(t: &StoreFixture, id: &str) -> ChannelSummary {
    t.store()
        .channel(&cid(id), &People::default())
        .await
        .expect("the store reads")
        .expect("the channel is known")
}

/// A message of `channel` that the server accepted at time `at`.
fn accepted(channel: &str, seq: u64, at: u64) -> Message {
    let id = mid(1_000 * u64::from(channel.as_bytes()[0]) + seq);
    Message {
        id,
        accepted_at: Some(super::sample::at(at)),
        ..message(channel, seq, seq)
    }
}

/// By the time of the message with the greatest sequence; equal ones and those without by id.
pub async fn channels_are_listed_by_newest_message(mut t: StoreFixture) {
    t.apply(start(&["f", "e", "d", "c", "b", "a"])).await;
    t.apply([
        put(accepted("a", 1, 10)),
        put(accepted("b", 1, 30)),
        put(accepted("c", 1, 20)),
        put(accepted("d", 9, 20)),
    ])
    .await;
    for _ in 0..2 {
        assert_eq!(listed(&t).await, ["b", "c", "d", "a", "e", "f"]);
        t.reopen().await;
    }
    // Older history that comes in later does not move a channel; a new message does.
    t.apply([put(accepted("d", 3, 90)), put(accepted("a", 2, 40))])
        .await;
    assert_eq!(listed(&t).await, ["a", "b", "c", "d", "e", "f"]);
    t.apply([put(Message {
        parent: Some(mid(1)),
        ..accepted("f", 1, 99)
    })])
    .await;
    assert_eq!(
        listed(&t).await.last().map(String::as_str),
        Some("f"),
        "a thread-only reply counted"
    );
    for one in all(t.store(), &Query::channel_list(), &People::default()).await {
        assert_eq!(
            t.store().channel(&one.cid, &People::default()).await.unwrap(),
            Some(one),
            "a list row differs from the channel's"
        );
    }
}

/// Pages follow each other without a hole.
pub async fn the_channel_list_is_paged(t: StoreFixture) {
    t.apply(start(&["a", "b", "c", "d", "e"])).await;
    t.apply([put(accepted("c", 1, 10))]).await;
    let query = Query::channel_list();
    let pages = pages(t.store(), &query, 2, &People::default()).await;
    let pages: Vec<_> = pages.iter().map(|page| names(page)).collect();
    assert_eq!(pages, [vec!["c", "a"], vec!["b", "d"], vec!["e"], vec![]]);
    assert_eq!(
        t.store()
            .channels(&query, None, 0, &People::default())
            .await
            .unwrap(),
        []
    );
}

/// Leaving takes a channel from the list and nothing from the device; coming back lists it again.
pub async fn a_left_channel_is_not_listed_and_can_be_read(mut t: StoreFixture) {
    t.apply(start(&["a", "b"])).await;
    t.apply([put(channel("a", 1)), put(accepted("a", 1, 10))]).await;
    t.apply([put(membership("a", 5, MemberState::Gone))]).await;
    for _ in 0..2 {
        assert_eq!(listed(&t).await, ["b"]);
        let left = summary(&t, "a").await;
        assert_eq!(left.membership, Some(membership("a", 5, MemberState::Gone)));
        assert_eq!(
            (left.channel, left.last_message),
            (Some(channel("a", 1)), Some(accepted("a", 1, 10)))
        );
        t.reopen().await;
    }
    t.apply([put(membership("a", 4, MemberState::Active))]).await;
    assert_eq!(listed(&t).await, ["b"], "an older membership came back");
    t.apply([put(membership("a", 6, MemberState::Active))]).await;
    assert_eq!(listed(&t).await, ["a", "b"]);
}

/// The channel's own row comes later.
pub async fn a_channel_with_only_a_membership_is_listed(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    let expected = ChannelSummary {
        mentions: 0,
        cid: cid("a"),
        channel: None,
        membership: Some(membership("a", 1, MemberState::Active)),
        last_message: None,
        read: None,
        waiting_read: None,
        unread: 0,
        unread_unknown: 0,
        members: 0,
        head_seq: 0,
    };
    assert_eq!(
        all(t.store(), &Query::channel_list(), &People::default()).await,
        [expected]
    );
    t.apply([put(channel("a", 1))]).await;
    assert_eq!(summary(&t, "a").await.channel, Some(channel("a", 1)));
}

/// A channel is known by its row or the own membership, and by nothing else.
pub async fn an_unknown_channel_is_nothing(t: StoreFixture) {
    t.apply(start(&[])).await;
    t.apply([
        put(message("a", 1, 1)),
        put(member("a", "bob", 2, MemberState::Active)),
        put(read("a", ME, 1, 3)),
    ])
    .await;
    assert_eq!(
        t.store().channel(&cid("a"), &People::default()).await.unwrap(),
        None
    );
    t.apply([put(channel("a", 4))]).await;
    assert_eq!(summary(&t, "a").await.read, Some(read("a", ME, 1, 3)));
    assert_eq!(listed(&t).await, [""; 0]);
}

/// Own, deleted and thread-only messages do not count.
pub async fn unread_counts_what_others_wrote_past_the_read_position(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply((1..=4).map(|seq| put(message("a", seq, seq)))).await;
    assert_eq!(summary(&t, "a").await.unread, 4);
    t.apply([put(read("a", ME, 2, 5)), put(read("a", "bob", 4, 6))])
        .await;
    let own = Message {
        author: user(ME),
        ..message("a", 5, 5)
    };
    let shown = Message {
        show_in_channel: true,
        ..reply(1, 8)
    };
    t.apply([
        put(own),
        put(tombstone(message("a", 6, 6), 7)),
        put(reply(1, 7)),
        put(shown),
    ])
    .await;
    for _ in 0..2 {
        let row = summary(&t, "a").await;
        assert_eq!((row.unread, row.read), (3, Some(read("a", ME, 2, 5))));
        t.reopen().await;
    }
}

/// The count is what a recount gives, after a deletion, an older page and a position that goes back.
pub async fn unread_follows_edits_of_the_log(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply((5..=9).map(|seq| put(message("a", seq, seq)))).await;
    t.apply([put(read("a", ME, 6, 10))]).await;
    assert_eq!(summary(&t, "a").await.unread, 3);
    t.apply([put(tombstone(message("a", 8, 8), 11))]).await;
    t.apply((1..=4).map(|seq| put(message("a", seq, seq)))).await;
    assert_eq!(summary(&t, "a").await.unread, 2);
    t.apply([put(Read {
        epoch: 2,
        ..read("a", ME, 1, 12)
    })])
    .await;
    assert_eq!(summary(&t, "a").await.unread, 7);
    t.apply([put(read("a", ME, 9, 13))]).await;
    assert_eq!(summary(&t, "a").await.unread, 0);
}

/// Found by the simulator: who had been added after the backup was counted for ever.
pub async fn members_of_a_lost_history_are_not_counted(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply([
        put(member("a", "bob", 2, MemberState::Active)),
        put(member("a", "cyd", 3, MemberState::Active)),
    ])
    .await;
    let before = summary(&t, "a").await.members;
    t.apply([
        Change::Rebase(c_stream("a")),
        put(member("a", "bob", 2, MemberState::Active)),
    ])
    .await;
    assert!(before > 1);
    assert_eq!(summary(&t, "a").await.members, 1);
}

/// Found by the simulator: after a restore, new messages at the places of old ones counted as read.
pub async fn what_was_read_of_a_lost_history_does_not_count(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply((1..=3).map(|seq| put(message("a", seq, seq)))).await;
    t.apply([put(read("a", ME, 3, 9))]).await;
    assert_eq!(summary(&t, "a").await.unread, 0);
    t.apply([Change::Rebase(c_stream("a")), put(message("a", 1, 1))])
        .await;
    let row = summary(&t, "a").await;
    assert_eq!((row.unread, row.read), (1, None));
    t.apply([put(read("a", ME, 1, 2))]).await;
    let row = summary(&t, "a").await;
    assert_eq!((row.unread, row.read), (0, Some(read("a", ME, 1, 2))));
}

/// Gone members are listed and not counted.
pub async fn a_summary_counts_active_members(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    let rows = [
        member("a", "cyd", 1, MemberState::Active),
        member("a", "bob", 2, MemberState::Active),
        member("a", ME, 3, MemberState::Gone),
        member("b", "dan", 4, MemberState::Active),
    ];
    t.apply(rows.clone().map(put)).await;
    t.reopen().await;
    assert_eq!(summary(&t, "a").await.members, 2);
    let members = t.store().members(&cid("a")).await.unwrap();
    assert_eq!(members, [rows[2].clone(), rows[1].clone(), rows[0].clone()]);
    t.apply([put(member("a", "bob", 5, MemberState::Gone))]).await;
    assert_eq!(summary(&t, "a").await.members, 1);
}

/// From the head, or from the log where that is ahead or no head is known.
pub async fn a_summary_knows_the_newest_sequence(t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply([put(message("a", 3, 3))]).await;
    assert_eq!(summary(&t, "a").await.head_seq, 3);
    t.apply([Change::Head(c_stream("a"), head(9, 7))]).await;
    assert_eq!(summary(&t, "a").await.head_seq, 7);
    t.apply([put(message("a", 8, 10))]).await;
    assert_eq!(summary(&t, "a").await.head_seq, 8);
    t.apply([Change::Unfollow(c_stream("a"))]).await;
    assert_eq!(summary(&t, "a").await.head_seq, 8);
}

/// An edit and a deletion show at once; a reply in a thread does not.
pub async fn the_last_message_follows_the_log(mut t: StoreFixture) {
    t.apply(start(&["a"])).await;
    t.apply([put(message("a", 1, 1)), put(message("a", 2, 2)), put(reply(1, 3))])
        .await;
    assert_eq!(summary(&t, "a").await.last_message, Some(message("a", 2, 2)));
    t.apply([put(message("a", 2, 4))]).await;
    assert_eq!(summary(&t, "a").await.last_message, Some(message("a", 2, 4)));
    t.apply([put(tombstone(message("a", 2, 2), 5))]).await;
    t.reopen().await;
    assert_eq!(
        summary(&t, "a").await.last_message,
        Some(tombstone(message("a", 2, 2), 5))
    );
}
