//! Devices beside the streams. [`storage_conformance!`](crate::storage_conformance) runs them all.

use super::{
    Opener, Script,
    pair::{Pair, heads},
};
use uuid::Uuid;
use whimbrel_hub::{DeviceSeen, DeviceStorage, PushAbout, Request, Seen, Storage};
use whimbrel_model::{
    ChannelId, Code, ConsentState, ContactChange, DeviceChange, DeviceId, MembershipChange, MessageId, Op,
    PushToken, SetConsent, SetMute, SetPush, Timestamp, UserId, limits,
};
use whimbrel_protocol::Outcome;

fn device(number: u64) -> DeviceId {
    DeviceId(Uuid::from_u128(
        0x0190_0000_0000_7000_a000_0000_0000_0000 + u128::from(number),
    ))
}

fn register(number: u64) -> Op {
    Op::RegisterDevice {
        device: device(number),
        name: format!("device {number}"),
        agent: "conformance".to_owned(),
        key: None,
    }
}

fn revoke(number: u64) -> Op {
    Op::RevokeDevice {
        device: device(number),
    }
}

fn set_push(number: u64, push: SetPush) -> Op {
    Op::UpdateDevice {
        device: device(number),
        change: DeviceChange {
            name: None,
            push: Some(push),
        },
    }
}

fn seen(user: &UserId, number: u64, at: i64, token: Option<&str>) -> DeviceSeen {
    DeviceSeen {
        user: user.clone(),
        device: device(number),
        seen: Seen {
            at: Timestamp(at),
            token: token.map(str::to_owned),
        },
    }
}

/// Devices are listed by id with when they were seen, which survives, and moves no stream.
pub async fn devices_are_listed_with_when_they_were_seen<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 1).await;
    let mut script = Script::new(1);
    let [ada, bob] = [Script::users()[0].clone(), Script::users()[1].clone()];
    let group =
        [(&ada, 2), (&ada, 1), (&bob, 1)].map(|(user, number)| script.request(user, register(number)));
    pair.apply(&group).await;
    let notes = [
        seen(&ada, 1, 10, Some("a token")),
        seen(&ada, 2, 20, None),
        seen(&ada, 3, 30, None),
        seen(&bob, 1, 40, None),
    ];
    let later = [seen(&ada, 1, 5, None), seen(&bob, 1, 50, Some("his"))];
    for storage in [&*pair.tested, &pair.memory as &dyn Storage] {
        storage.put_seen(&notes).await.expect("it is stored");
        storage.put_seen(&later).await.expect("it is stored");
        storage.put_seen(&[]).await.expect("nothing is stored");
    }
    pair.compare(&mut script).await;
    pair.reopen(&place).await;
    for user in [&ada, &bob] {
        let tested = pair.tested.devices(user).await.expect("devices are read");
        assert_eq!(tested, pair.memory.devices(user).await.expect("devices are read"));
    }
    let listed = pair.tested.devices(&ada).await.expect("devices are read");
    let listed: Vec<_> = listed
        .into_iter()
        .map(|record| (record.device.id, record.seen))
        .collect();
    let of = |number, at, token| (device(number), Some(seen(&ada, number, at, token).seen));
    assert_eq!(
        listed,
        [of(1, 10, Some("a token")), of(2, 20, None)],
        "the newest is kept"
    );
    pair.tested.close().await;
}

/// How many streams are behind a token is how many heads it would get.
pub async fn a_device_is_behind_by_what_heads_would_name<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 2).await;
    let mut script = Script::new(2);
    let mut tokens: Vec<Option<String>> = vec![None, Some("no token".to_owned())];
    for _ in 0..8 {
        let group = script.group(20);
        pair.apply(&group).await;
        for user in Script::users() {
            let behind = pair.tested.behind(&user, &tokens).await.expect("it is counted");
            assert_eq!(behind.len(), tokens.len());
            for (token, behind) in tokens.iter().zip(behind) {
                let (named, _) = heads(&*pair.tested, &user, token.clone(), 500).await;
                assert_eq!(behind, named.len() as u64, "of {user} since {token:?}");
            }
        }
        let (_, token) = heads(&*pair.tested, &Script::users()[0], None, 500).await;
        tokens.push(Some(token));
    }
    let none = pair.tested.behind(&Script::users()[0], &[]).await;
    assert_eq!(none.expect("nothing is counted"), Vec::<u64>::new());
    pair.tested.close().await;
}

/// Who may be woken, and what they hold of channel and people, is what it is in memory.
pub async fn who_may_be_woken_is_read_as_in_memory<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 3).await;
    let mut script = Script::new(3);
    let channels = Script::channels();
    let mut group: Vec<Request> = channels.iter().map(|cid| script.create(cid)).collect();
    for user in Script::users() {
        group.extend((0..3).map(|number| script.request(&user, register(number))));
    }
    pair.apply(&group).await;
    let mut threads: Vec<(ChannelId, MessageId)> = Vec::new();
    let mut woken = 0;
    for round in 0..40 {
        let user = script.pick(&Script::users());
        let cid = script.pick(&channels);
        let message = script.send(&user, &cid, "a message");
        threads.extend(message.op.op.message().map(|id| (cid.clone(), id)));
        let reply = thread_reply(&mut script, &threads);
        let change = changes(&mut script, round);
        let mut group: Vec<Request> = change
            .into_iter()
            .map(|(user, op)| script.request(&user, op))
            .collect();
        group.extend(reply.map(|(user, op)| script.request(&user, op)));
        group.push(message);
        pair.apply(&group).await;
        if round % 10 == 9 {
            pair.reopen(&place).await;
        }
        for cid in &channels {
            for author in Script::users() {
                let thread = script.pick(&threads).1;
                for thread in [None, Some(thread)] {
                    let about = PushAbout {
                        cid: cid.clone(),
                        author: author.clone(),
                        thread,
                    };
                    let tested = pair.tested.push_targets(&about).await.expect("targets are read");
                    let memory = pair.memory.push_targets(&about).await.expect("targets are read");
                    assert_eq!(tested, memory, "round {round}, of {about:?}");
                    woken += tested.len();
                }
            }
        }
    }
    assert!(woken > 100, "somebody is woken: {woken}");
    let nowhere = PushAbout {
        cid: ChannelId::new("messaging:nowhere").expect("a cid"),
        author: Script::users()[0].clone(),
        thread: None,
    };
    assert_eq!(
        pair.tested.push_targets(&nowhere).await.expect("none are read"),
        []
    );
    pair.tested.close().await;
}

fn thread_reply(script: &mut Script, threads: &[(ChannelId, MessageId)]) -> Option<(UserId, Op)> {
    let (cid, parent) = script.pick(threads);
    if script.below(3) > 0 {
        return None;
    }
    let user = script.pick(&Script::users());
    let mut op = script.send(&user, &cid, "a reply").op.op;
    if let Op::SendMessage { parent: of, .. } = &mut op {
        *of = Some(parent);
    }
    Some((user, op))
}

/// Draws a few changes of what push targets are made of.
fn changes(script: &mut Script, round: u64) -> Vec<(UserId, Op)> {
    let (users, channels) = (Script::users(), Script::channels());
    let mut changes = Vec::new();
    for _ in 0..3 {
        let (user, other) = (script.pick(&users), script.pick(&users));
        let (cid, number) = (script.pick(&channels), script.below(3));
        let token = PushToken {
            provider: "test".to_owned(),
            token: format!("{user} {number} {round}"),
        };
        let op = match script.below(8) {
            0..=2 => set_push(number, SetPush::On(token)),
            3 => set_push(number, SetPush::Off),
            4 if round > 20 => revoke(number),
            5 => Op::UpdateContact {
                user: other,
                change: ContactChange {
                    consent: Some(SetConsent {
                        state: script.pick(&[ConsentState::Denied, ConsentState::Allowed]),
                        until: None,
                    }),
                    muted: Some(SetMute::Off),
                },
            },
            6 => Op::UpdateMembership {
                cid,
                change: MembershipChange {
                    consent: Some(script.pick(&[ConsentState::Denied, ConsentState::Allowed])),
                    ..MembershipChange::default()
                },
            },
            _ => Op::RemoveMembers {
                cid,
                users: vec![script.pick(&users[1..])],
            },
        };
        changes.push((user, op));
    }
    changes
}

/// Devices that were revoked long ago are deleted; what is newer, and other users', stays, and no stream moves.
pub async fn devices_that_were_revoked_long_ago_are_deleted<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 4).await;
    let mut script = Script::new(4);
    let ada = Script::users()[0].clone();
    // More than are deleted at once.
    for chunk in 0..3 {
        let group: Vec<Request> = (0..50)
            .map(|number| script.request(&ada, revoke(chunk * 50 + number)))
            .collect();
        pair.apply(&group).await;
    }
    let border = pair.now + 1;
    let group = [revoke(200), register(201)].map(|op| script.request(&ada, op));
    pair.apply(&group).await;
    for storage in [&*pair.tested, &pair.memory as &dyn Storage] {
        let before = storage.heads(&ada, None, 10).await.expect("heads are read").heads;
        let deleted = storage
            .prune_devices(Timestamp(border))
            .await
            .expect("they are deleted");
        assert_eq!(deleted, 150);
        let left = storage.devices(&ada).await.expect("devices are read");
        let left: Vec<DeviceId> = left.into_iter().map(|record| record.device.id).collect();
        assert_eq!(left, [device(200), device(201)]);
        assert_eq!(
            storage.heads(&ada, None, 10).await.expect("heads are read").heads,
            before
        );
        assert_eq!(storage.prune_devices(Timestamp(border)).await, Ok(0));
    }
    pair.compare(&mut script).await;
    pair.tested.close().await;
}

/// An account has so many devices at a time, also when they come in one group.
pub async fn an_account_has_so_many_devices_at_a_time<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 5).await;
    let mut script = Script::new(5);
    let ada = Script::users()[0].clone();
    let most = limits::DEVICES as u64;
    for chunk in 0..2 {
        let group: Vec<Request> = (0..most / 2 + 1)
            .map(|number| script.request(&ada, register(chunk * 1_000 + number)))
            .collect();
        let applied = pair.apply(&group).await;
        let refused = applied.iter().filter(
            |applied| matches!(&applied.outcome, Outcome::Rejected { code, .. } if *code == Code::TooLarge),
        );
        assert_eq!(refused.count() as u64, if chunk == 0 { 0 } else { 2 });
    }
    let group = [revoke(0), register(5_000), register(5_001)].map(|op| script.request(&ada, op));
    let applied = pair.apply(&group).await;
    assert!(
        matches!(applied[1].outcome, Outcome::Accepted { .. }),
        "there is room again"
    );
    assert!(matches!(applied[2].outcome, Outcome::Rejected { .. }));
    pair.tested.close().await;
}
