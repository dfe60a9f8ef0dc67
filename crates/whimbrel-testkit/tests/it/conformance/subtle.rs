//! Servers that are wrong where it is seldom noticed.

use super::{fails, outcomes, pages, target};
use crate::tamper::Fault;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use whimbrel_model::{Code, MessageId, Op, OpId, Read, Row, StreamEvent, StreamId, UserId};
use whimbrel_protocol::{ClientFrame, Failed, Outcome, ServerFrame, Token};
use whimbrel_testkit::{conformance::server::run_some, server::TestServer};

/// Changes what is said of requests that fail.
fn failures(change: impl Fn(&mut Failed) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Failed(mut failed) => {
            change(&mut failed);
            vec![ServerFrame::Failed(failed)]
        }
        frame => vec![frame],
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_tells_other_reasons_or_promises_is_found() {
    let vague = failures(|failed| failed.code = Code::Unavailable);
    fails(
        vague,
        &[
            "the_stream_of_another_user_is_forbidden",
            "a_channel_that_is_not_there_fails_and_the_connection_goes_on",
        ],
    )
    .await;
    let forgetful = Fault::none().down(|frame| match frame {
        ServerFrame::Ready(mut ready) => {
            ready.retention_days = 0;
            vec![ServerFrame::Ready(ready)]
        }
        frame => vec![frame],
    });
    fails(forgetful, &["hello_is_answered_with_ready"]).await;
    fails(Fault::none().strict(), &["unknown_fields_are_ignored"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_an_expired_token_is_found() {
    let server = TestServer::new();
    let target = target(server.connector()).expired_token(Token::new("user:ada/tired"));
    let report = run_some(&target, |name| name == "an_expired_token_is_refused").await;
    assert_eq!(report.failed().count(), 1, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_what_it_should_not_is_found() {
    let lenient = outcomes(|result| {
        if matches!(&result.outcome, Outcome::Rejected { code, .. } if *code == Code::TooLarge) {
            result.outcome = Outcome::Accepted { steps: Vec::new() };
        }
    });
    fails(lenient, &["values_that_break_a_rule_are_rejected"]).await;
    let busy = outcomes(|result| {
        if let Outcome::Accepted { steps } = &mut result.outcome
            && steps.is_empty()
        {
            steps.push(StreamEvent {
                stream: StreamId::User(UserId::new("ada").unwrap()),
                from: 1,
                to: 2,
                seq: 0,
                rows: Vec::new(),
            });
        }
    });
    fails(busy, &["what_changes_nothing_is_accepted_without_a_step"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_read_positions_wrong_is_found() {
    let reads = |change: fn(&mut Read)| {
        pages(move |page| {
            page.rows.iter_mut().for_each(|row| {
                if let Row::Read(read) = row {
                    change(read);
                }
            });
        })
    };
    let stuck = reads(|read| read.seq = read.seq.min(1));
    fails(stuck, &["a_read_position_only_grows"]).await;
    let without_epochs = reads(|read| read.epoch = 0);
    fails(without_epochs, &["marking_unread_wins_and_takes_no_receipt_back"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_remembers_answers_instead_of_what_they_were_about_is_found() {
    let first: Mutex<HashMap<OpId, Outcome>> = Mutex::default();
    let fault = outcomes(move |result| {
        let mut first = first.lock().unwrap();
        let known = first.entry(result.id).or_insert_with(|| result.outcome.clone());
        result.outcome.clone_from(known);
    });
    fails(fault, &["a_repeat_carries_the_current_rows"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_makes_a_message_of_each_copy_is_found() {
    let given: Arc<Mutex<HashMap<OpId, OpId>>> = Arc::default();
    let known = Arc::clone(&given);
    let fault = outcomes(move |result| {
        let known = known.lock().unwrap();
        result.id = known.get(&result.id).copied().unwrap_or(result.id);
    });
    let fault = fault.up(move |frame| match frame {
        ClientFrame::Ops(mut frame) => {
            for op in &mut frame.ops {
                let mut given = given.lock().unwrap();
                let number = 0x0190_0000_0000_7000_8000_0000_0001_0000 + given.len() as u128;
                let new = uuid::Uuid::from_u128(number);
                if let Op::SendMessage { id, .. } = &mut op.op {
                    *id = MessageId(new);
                }
                given.insert(OpId(new), std::mem::replace(&mut op.id, OpId(new)));
            }
            vec![ClientFrame::Ops(frame)]
        }
        frame => vec![frame],
    });
    fails(
        fault,
        &[
            "the_same_operation_on_two_connections_acts_once",
            "an_answer_that_nobody_waited_for_was_given_all_the_same",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_in_another_order_is_found() {
    let held: Mutex<Option<ServerFrame>> = Mutex::default();
    let fault = Fault::none().down(move |frame| {
        let mut held = held.lock().unwrap();
        match (held.take(), frame) {
            (None, ServerFrame::Heads(page)) => {
                *held = Some(ServerFrame::Heads(page));
                Vec::new()
            }
            (before, frame) => [Some(frame), before].into_iter().flatten().collect(),
        }
    });
    fails(fault, &["answers_come_in_the_order_of_the_asking"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_something_out_is_found() {
    let without_profiles = pages(|page| page.rows.retain(|row| !matches!(row, Row::User(_))));
    fails(without_profiles, &["a_profile_comes_beside_members"]).await;
    let nothing_missed = pages(|page| {
        if !page.reset {
            page.rows.clear();
        }
    });
    fails(nothing_missed, &["who_comes_back_sees_what_was_missed"]).await;
    let newest = Fault::none().down(|frame| match frame {
        ServerFrame::History(mut page) => {
            page.rows
                .retain(|row| !matches!(row, Row::Message(message) if message.seq == page.hi));
            page.hi = page.hi.saturating_sub(1);
            vec![ServerFrame::History(page)]
        }
        frame => vec![frame],
    });
    fails(
        newest,
        &[
            "history_is_every_message_before",
            "history_is_asked_for_around_any_place",
        ],
    )
    .await;
    // What came last is in no page yet, and is told to nobody.
    let late = Fault::none().down(|frame| match frame {
        ServerFrame::Event(_) => Vec::new(),
        ServerFrame::Page(mut page) if page.head.seq > 0 => {
            let last = page.head.seq;
            page.rows
                .retain(|row| !matches!(row, Row::Message(message) if message.seq == last));
            page.head.seq -= 1;
            page.to.seq = page.to.seq.min(page.head.seq);
            vec![ServerFrame::Page(page)]
        }
        frame => vec![frame],
    });
    fails(late, &["nothing_is_missed_between_ready_and_the_first_event"]).await;
}
