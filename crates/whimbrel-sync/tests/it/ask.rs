//! Questions, and their one answer each.

use crate::{frames::failed, world::World};
use whimbrel_model::Code;
use whimbrel_protocol::{Answer, ClientFrame, Find, Question, ServerFrame};
use whimbrel_sync::{AskError, Effects, Input, Notice};

fn ask(world: &mut World) -> Result<(u64, Effects), AskError> {
    world.with_env(|engine, env| engine.ask(Question::Users(Find::default()), env))
}

fn answer(id: u64) -> Answer {
    Answer {
        id,
        next: Some("a1".to_owned()),
        ..Answer::default()
    }
}

#[test]
fn a_question_is_sent_and_answered_once() {
    let mut world = World::live();
    let (id, effects) = ask(&mut world).unwrap();
    assert!(
        matches!(&effects.frames[..], [ClientFrame::Ask(ask)] if ask.id == id),
        "{effects:?}"
    );
    assert!(effects.delta.is_empty(), "nothing is written for a question");
    let effects = world.frame(ServerFrame::Answer(answer(id)));
    assert_eq!(effects.notices, [Notice::Answered(id, Ok(answer(id)))]);
    assert!(effects.delta.is_empty(), "an answer is for who asked");
    let again = world.frame(ServerFrame::Answer(answer(id)));
    assert_eq!(again.notices, []);
    let unasked = world.frame(ServerFrame::Answer(answer(id + 7)));
    assert_eq!(unasked.notices, []);
}

#[test]
fn a_refusal_and_a_lost_connection_are_answers_too() {
    let mut world = World::live();
    let (id, _) = ask(&mut world).unwrap();
    let effects = world.frame(failed(id, Code::Invalid, None));
    let refused = AskError::Refused {
        code: Code::Invalid,
        message: "because".to_owned(),
    };
    assert!(!refused.is_retryable());
    assert_eq!(effects.notices, [Notice::Answered(id, Err(refused))]);
    let (id, _) = ask(&mut world).unwrap();
    let effects = world.input(Input::GoOffline);
    let lost = AskError::NotConnected;
    assert!(lost.is_retryable());
    assert_eq!(effects.notices, [Notice::Answered(id, Err(lost))]);
    assert_eq!(ask(&mut world).unwrap_err(), AskError::NotConnected);
}

#[test]
fn so_many_questions_may_wait_and_no_more() {
    let mut world = World::live();
    let ids: Vec<u64> = (0..16).map(|_| ask(&mut world).unwrap().0).collect();
    let busy = ask(&mut world).unwrap_err();
    assert_eq!((busy.code(), busy.is_retryable()), ("busy", true));
    drop(world.frame(ServerFrame::Answer(answer(ids[3]))));
    assert!(ask(&mut world).is_ok());
}

#[test]
fn a_page_of_something_else_does_not_answer_a_question() {
    let mut world = World::live();
    let (id, _) = ask(&mut world).unwrap();
    let effects = world.frame(ServerFrame::Heads(whimbrel_protocol::HeadsPage {
        id,
        server_time: whimbrel_model::Timestamp(1),
        heads: Vec::new(),
        token: "7.1".to_owned(),
        more: false,
    }));
    assert_eq!(effects.notices, []);
    let effects = world.frame(ServerFrame::Answer(answer(id)));
    assert_eq!(effects.notices, [Notice::Answered(id, Ok(answer(id)))]);
}
