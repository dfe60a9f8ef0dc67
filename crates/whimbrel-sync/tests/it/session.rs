//! Connecting, greeting, refusals and backing off.

use crate::{
    frames::{accepted, bye, channel, event, message, op_ids, ready, ready_as, send},
    world::World,
};
use whimbrel_model::Code;
use whimbrel_protocol::{ClientFrame, PROTOCOL, Token};
use whimbrel_sync::{Effects, Input, LinkAction, Status};

fn connects(effects: &Effects) -> Option<bool> {
    match effects.link {
        Some(LinkAction::Connect { refresh_token }) => Some(refresh_token),
        _ => None,
    }
}

fn closes(effects: &Effects) -> bool {
    matches!(effects.link, Some(LinkAction::Close { .. }))
}

fn backs_off(world: &World) -> bool {
    matches!(world.engine.status(), Status::BackingOff { .. })
}

#[test]
fn opening_is_not_connecting() {
    let mut world = World::new();
    assert_eq!(world.engine.status(), Status::Offline);
    assert_eq!(world.engine.next_wake(), None);
    assert!(world.input(Input::Timer).link.is_none());
}

#[test]
fn the_way_to_being_live_is_told() {
    let mut world = World::new();
    let effects = world.input(Input::GoOnline);
    assert_eq!(connects(&effects), Some(false));
    assert_eq!(world.engine.status(), Status::Connecting);
    assert!(world.input(Input::GoOnline).link.is_none(), "once is enough");
    let effects = world.input(Input::Connected(Token::new("secret")));
    let ClientFrame::Hello(hello) = &effects.frames[0] else {
        panic!("the first frame is {:?}", effects.frames);
    };
    assert_eq!(
        (hello.protocol, hello.device),
        (PROTOCOL, world.engine.account().device)
    );
    assert_eq!(hello.token.expose(), "secret");
    assert_eq!(world.engine.status(), Status::Authenticating);
    let effects = world.frame(ready());
    world.answer_all(&effects);
    assert_eq!(world.engine.status(), Status::Live);
}

#[test]
fn failures_to_connect_back_off_within_full_jitter() {
    let mut longest = [0_u64; 10];
    for seed in 0..100 {
        let mut world = World::with_seed(seed);
        drop(world.input(Input::GoOnline));
        for (round, longest) in longest.iter_mut().enumerate() {
            let code = Code::Other("transport_connect".to_owned());
            let effects = world.input(Input::ConnectFailed { code });
            assert!(effects.link.is_none());
            let start = world.now;
            let Status::BackingOff { until, .. } = world.engine.status() else {
                panic!("{:?}", world.engine.status());
            };
            assert!(until - start <= (200_u64 << round).min(30_000));
            *longest = (until - start).max(*longest);
            world.now = until;
            assert_eq!(connects(&world.input(Input::Timer)), Some(false));
        }
    }
    assert!(longest[9] > 25_000, "{longest:?}");
}

#[test]
fn a_connection_that_became_live_starts_the_backoff_again() {
    let mut world = World::new();
    drop(world.input(Input::GoOnline));
    for _ in 0..10 {
        drop(world.input(Input::ConnectFailed {
            code: Code::Unavailable,
        }));
        drop(world.input(Input::GoOnline));
    }
    let mut world = world.online();
    drop(world.input(Input::Closed {
        code: Code::HeartbeatLost,
    }));
    let Status::BackingOff { until, reason } = world.engine.status() else {
        panic!("{:?}", world.engine.status());
    };
    assert!(until - world.now <= 200);
    assert_eq!(reason, Code::HeartbeatLost);
}

#[test]
fn a_token_that_is_refused_is_fetched_anew_once() {
    for code in [Code::TokenInvalid, Code::TokenMissing] {
        let mut world = World::new();
        drop(world.greet());
        let effects = world.frame(bye(code.clone(), None));
        assert!(closes(&effects) && backs_off(&world));
        assert_eq!(connects(&world.input(Input::GoOnline)), Some(true));
        drop(world.input(Input::Connected(Token::new("another"))));
        let effects = world.frame(bye(code, None));
        assert!(closes(&effects));
        assert_eq!(
            world.engine.status(),
            Status::NeedsAuth {
                message: "because".to_owned()
            }
        );
        assert_eq!(
            world.engine.next_wake(),
            None,
            "nothing is tried until somebody asks"
        );
        assert_eq!(connects(&world.input(Input::GoOnline)), Some(true));
    }
}

#[test]
fn a_token_that_was_good_in_between_gets_its_second_chance_again() {
    let mut world = World::new();
    drop(world.greet());
    drop(world.frame(bye(Code::TokenInvalid, None)));
    let mut world = world.online();
    drop(world.frame(bye(Code::TokenInvalid, None)));
    assert!(backs_off(&world));
    assert_eq!(connects(&world.input(Input::GoOnline)), Some(true));
}

#[test]
fn an_expired_token_is_fetched_anew_as_often_as_it_takes() {
    let mut world = World::new();
    drop(world.input(Input::GoOnline));
    for _ in 0..5 {
        drop(world.input(Input::Connected(Token::new("old"))));
        assert!(closes(&world.frame(bye(Code::TokenExpired, None))));
        assert!(backs_off(&world));
        assert_eq!(connects(&world.input(Input::GoOnline)), Some(true));
    }
}

#[test]
fn without_a_token_the_outbox_waits_for_one() {
    let mut world = World::new();
    let (id, _) = world.queue(send("general", 1));
    drop(world.input(Input::GoOnline));
    drop(world.input(Input::NoToken {
        message: "signed out".to_owned(),
    }));
    assert_eq!(
        world.engine.status(),
        Status::NeedsAuth {
            message: "signed out".to_owned()
        }
    );
    assert_eq!(world.item(id).failures, 0);
    assert_eq!(op_ids(&world.hello().frames), [id]);
}

#[test]
fn versions_that_do_not_fit_end_trying_and_do_not_blame_the_token() {
    let mut world = World::new();
    drop(world.greet());
    let effects = world.frame(bye(Code::ProtocolUnsupported, None));
    assert!(closes(&effects));
    assert!(matches!(world.engine.status(), Status::Failed { .. }));
    assert_eq!(world.engine.next_wake(), None);
    assert_eq!(connects(&world.input(Input::GoOnline)), Some(false));
}

#[test]
fn a_revoked_device_tries_no_more_and_keeps_what_it_has() {
    for live in [false, true] {
        let mut world = if live { World::live() } else { World::new() };
        if !live {
            drop(world.greet());
        }
        let (id, _) = world.queue(send("general", 1));
        let effects = world.frame(bye(Code::DeviceRevoked, None));
        assert!(closes(&effects));
        assert!(matches!(world.engine.status(), Status::Revoked { .. }));
        assert_eq!(world.engine.next_wake(), None);
        assert_eq!(
            world.item(id).rejection(),
            None,
            "the user's words are still there"
        );
        assert_eq!(connects(&world.input(Input::GoOnline)), Some(false));
    }
}

#[test]
fn a_token_of_another_user_is_refused_before_anything_is_sent() {
    let mut world = World::new();
    drop(world.queue(send("general", 1)));
    drop(world.greet());
    let effects = world.frame(ready_as("bob", crate::frames::EPOCH));
    assert!(closes(&effects) && effects.frames.is_empty() && effects.delta.is_empty());
    assert!(matches!(world.engine.status(), Status::NeedsAuth { .. }));
}

#[test]
fn a_bye_that_says_when_to_come_back_is_obeyed() {
    for seed in 0..50 {
        let mut world = World::with_seed(seed).online();
        let effects = world.frame(bye(Code::ServerStopping, Some(10_000)));
        assert!(closes(&effects));
        let Status::BackingOff { until, .. } = world.engine.status() else {
            panic!("{:?}", world.engine.status());
        };
        assert!((10_000..=12_000).contains(&(until - world.now)));
    }
}

#[test]
fn a_hello_without_an_answer_is_given_up() {
    let mut world = World::new();
    drop(world.greet());
    let start = world.now;
    assert!(closes(&world.wake()));
    assert_eq!(world.now - start, 30_000);
    assert!(backs_off(&world));
}

#[test]
fn connecting_without_an_outcome_is_given_up() {
    let mut world = World::new();
    drop(world.input(Input::GoOnline));
    assert!(closes(&world.wake()));
    assert!(backs_off(&world));
    // What comes of it later is too late.
    assert!(
        world
            .input(Input::Connected(Token::new("late")))
            .frames
            .is_empty()
    );
}

type Reach = fn(&mut World);

#[test]
fn going_offline_ends_every_phase() {
    let to: [(&str, Reach); 6] = [
        ("offline", |_| {}),
        ("connecting", |world| drop(world.input(Input::GoOnline))),
        ("greeting", |world| drop(world.greet())),
        ("online", |world| drop(world.hello())),
        ("waiting", |world| {
            drop(world.greet());
            drop(world.input(Input::Closed {
                code: Code::HeartbeatLost,
            }));
        }),
        ("needs auth", |world| {
            drop(world.input(Input::GoOnline));
            drop(world.input(Input::NoToken {
                message: String::new(),
            }));
        }),
    ];
    for (phase, reach) in to {
        let mut world = World::new();
        let (id, _) = world.queue(send("general", 1));
        reach(&mut world);
        let effects = world.input(Input::GoOffline);
        assert_eq!(world.engine.status(), Status::Offline, "from {phase}");
        assert_eq!(world.engine.next_wake(), None, "from {phase}");
        assert!(effects.frames.is_empty());
        let linked = matches!(phase, "connecting" | "greeting" | "online");
        assert!(!linked || closes(&effects), "from {phase}");
        // What comes late of that connection changes nothing.
        for late in [
            ready(),
            event(channel("general"), 0, 1, 1, vec![message("general", 1, 1)]),
            bye(Code::Unavailable, None),
        ] {
            let effects = world.frame(late);
            assert!(effects.delta.is_empty() && effects.frames.is_empty() && effects.link.is_none());
        }
        drop(world.input(Input::Closed {
            code: Code::Unavailable,
        }));
        assert_eq!(world.engine.status(), Status::Offline, "from {phase}");
        assert_eq!(op_ids(&world.hello().frames), [id], "from {phase}");
    }
}

#[test]
fn frames_of_a_connection_that_was_given_up_change_nothing() {
    let mut world = World::live();
    let (id, _) = world.queue(send("general", 1));
    drop(world.input(Input::Closed {
        code: Code::HeartbeatLost,
    }));
    let effects = world.frame(accepted(id, Vec::new()));
    assert!(effects.delta.is_empty() && effects.notices.is_empty());
    assert_eq!(world.outbox(), [id], "it goes again, and gets the same answer");
}

#[test]
fn a_second_ready_changes_nothing() {
    let mut world = World::live();
    let effects = world.frame(ready());
    assert!(effects.delta.is_empty() && effects.frames.is_empty() && effects.link.is_none());
}
