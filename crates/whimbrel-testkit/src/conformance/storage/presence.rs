//! Presence beside the streams. [`storage_conformance!`](crate::storage_conformance) runs them all.

use super::{Opener, Script, pair::Pair};
use whimbrel_hub::{LastSeen, PresenceRecord, Storage};
use whimbrel_model::{
    ChannelId, ConsentState, ContactChange, Custom, Op, SetConsent, SettingsChange, Timestamp, UserId,
};

fn cid(id: &str) -> ChannelId {
    ChannelId::new(format!("presence:{id}")).expect("a cid")
}

fn create(id: &str, members: &[&UserId]) -> Op {
    Op::CreateChannel {
        cid: cid(id),
        name: id.to_owned(),
        image: String::new(),
        custom: Custom::default(),
        members: members.iter().map(|user| (*user).clone()).collect(),
    }
}

fn consent(of: &UserId, state: ConsentState, until: Option<Timestamp>) -> Op {
    Op::UpdateContact {
        user: of.clone(),
        change: ContactChange {
            consent: Some(SetConsent { state, until }),
            muted: None,
        },
    }
}

fn settings(status: &str) -> Op {
    Op::UpdateSettings {
        change: SettingsChange {
            invisible: Some(true),
            status: Some(status.to_owned()),
            custom: Some(Custom::default().with("at", "sea")),
            ..SettingsChange::default()
        },
    }
}

fn seen(user: &UserId, at: Option<i64>, status: &str) -> LastSeen {
    LastSeen {
        user: user.clone(),
        last_active: at.map(Timestamp),
        status: status.to_owned(),
        custom: Custom::default().with("status", status),
    }
}

async fn read(storage: &dyn Storage, watcher: &UserId, users: &[UserId]) -> Vec<PresenceRecord> {
    let records = storage.presence(watcher, users).await;
    records.expect("presence is read")
}

/// What has to be known of users is read for everyone as in memory: settings, what was decided, and who shares a channel.
pub async fn what_presence_needs_is_read_as_in_memory<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 1).await;
    let mut script = Script::new(1);
    let users = Script::users();
    let [ada, bob, carol] = [&users[0], &users[1], &users[2]];
    let nobody = UserId::new("nobody").expect("a user id");
    let everyone: Vec<UserId> = users.iter().cloned().chain([nobody.clone()]).collect();
    let leave = Op::RemoveMembers {
        cid: cid("left"),
        users: vec![carol.clone()],
    };
    let invite = Op::InviteMembers {
        cid: cid("invited"),
        users: vec![carol.clone()],
    };
    let group = [
        (ada, create("shared", &[bob])),
        (ada, create("left", &[carol])),
        (carol, leave),
        (ada, create("invited", &[bob])),
        (ada, invite),
        (bob, settings("here")),
        (ada, consent(bob, ConsentState::Denied, Some(Timestamp(77)))),
        (bob, consent(ada, ConsentState::Allowed, None)),
        (bob, consent(carol, ConsentState::Denied, None)),
        (ada, settings("there")),
        (bob, settings("there again")),
    ];
    let group: Vec<_> = group
        .into_iter()
        .map(|(user, op)| script.request(user, op))
        .collect();
    pair.apply(&group).await;
    for reopened in [false, true] {
        if reopened {
            pair.reopen(&place).await;
        }
        for watcher in &everyone {
            let tested = read(&*pair.tested, watcher, &everyone).await;
            assert_eq!(tested, read(&pair.memory, watcher, &everyone).await, "{watcher}");
        }
        assert_eq!(read(&*pair.tested, ada, &[]).await, []);
    }
    let of_ada = read(&*pair.tested, ada, &everyone).await;
    let shared: Vec<bool> = of_ada.iter().map(|record| record.is_shared).collect();
    assert_eq!(
        &shared[..3],
        [true, true, false],
        "who left or is invited shares nothing"
    );
    assert_eq!(of_ada.last(), Some(&PresenceRecord::unknown(nobody)));
    let bob = &of_ada[1];
    let settings = bob.settings.as_ref().expect("bob has settings");
    assert_eq!(
        (settings.status.as_str(), settings.invisible),
        ("there again", true)
    );
    let decided = |contact: &Option<whimbrel_model::Contact>| contact.as_ref().map(|contact| contact.consent);
    assert_eq!(decided(&bob.contact), Some(ConsentState::Allowed));
    assert_eq!(decided(&bob.own_contact), Some(ConsentState::Denied));
}

/// When users were seen last is kept, also over a restart, and moves no stream.
pub async fn when_users_were_seen_last_is_kept_beside_the_streams<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 1).await;
    let mut script = Script::new(1);
    let users = Script::users();
    let [ada, bob, carol] = [&users[0], &users[1], &users[2]];
    let group = [script.request(ada, create("shared", &[bob, carol]))];
    pair.apply(&group).await;
    let first = [seen(ada, Some(10), "\"one\""), seen(bob, None, "")];
    let second = [seen(ada, Some(7), "two"), seen(carol, Some(-3), "three")];
    for storage in [&*pair.tested, &pair.memory as &dyn Storage] {
        storage.put_last_seen(&first).await.expect("it is stored");
        storage.put_last_seen(&second).await.expect("it is stored");
        storage.put_last_seen(&[]).await.expect("nothing is stored");
    }
    pair.compare(&mut script).await;
    pair.reopen(&place).await;
    pair.compare(&mut script).await;
    let records = read(&*pair.tested, ada, &users).await;
    let stored: Vec<_> = records.into_iter().filter_map(|record| record.seen).collect();
    let [ada_now, carol_now] = second;
    let [_, bob_now] = first;
    assert_eq!(stored, [ada_now, bob_now, carol_now], "the last word of each");
}
