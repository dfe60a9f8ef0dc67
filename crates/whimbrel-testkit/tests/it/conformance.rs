//! The suite for servers: ours passes, and one that is wrong in any single thing fails for that thing.

mod beside;
mod devices;
mod questions;
mod receipts;
mod subtle;

use crate::tamper::{Fault, Faulty};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use whimbrel_client::Connector;
use whimbrel_hub::{HubConfig, MemoryStorage};
use whimbrel_model::{Code, Epoch, OpId, Row, UserId};
use whimbrel_protocol::{Bye, ClientFrame, Heads, OpResult, Outcome, Results, ServerFrame, Token};
use whimbrel_testkit::{
    conformance::server::{Report, Target, Verdict, case_names, run, run_some},
    server::TestServer,
};

fn target(connector: Arc<dyn Connector>) -> Target {
    let person = |user: &str| (UserId::new(user).unwrap(), Token::new(format!("user:{user}")));
    Target::new(connector, [person("ada"), person("bob"), person("carol")]).patience(Duration::from_secs(5))
}

#[tokio::test(start_paused = true)]
async fn the_hub_passes_every_case() {
    let config = HubConfig {
        heartbeat: Duration::from_secs(2),
        ..HubConfig::default()
    };
    let server = TestServer::over(MemoryStorage::new(Epoch(7)), config);
    server.expire("user:ada/tired");
    let target = target(server.connector()).expired_token(Token::new("user:ada/tired"));
    let report = run(&target).await;
    assert!(
        report.cases.iter().all(|case| case.verdict == Verdict::Passed),
        "{report}"
    );
    assert_eq!(report.cases.len(), case_names().count());
    // It cleans nothing up, and needs nothing clean.
    let again = run(&target).await;
    assert!(again.passed(), "{again}");
}

#[tokio::test(start_paused = true)]
async fn what_a_suite_is_not_given_is_skipped_and_said() {
    let server = TestServer::new();
    let report = run_some(&target(server.connector()), |name| {
        name.contains("expired") || name.contains("silence")
    })
    .await;
    assert!(report.passed(), "{report}");
    assert!(
        report.to_string().ends_with("0 passed, 0 failed, 2 skipped"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_fails_every_case_with_words() {
    let server = TestServer::new();
    server.stop().await;
    let report = run(&target(server.connector())).await;
    assert_eq!(report.failed().count(), case_names().count() - 1, "{report}");
    assert!(report.to_string().contains("no connection: "), "{report}");
}

/// Runs the named cases against a server with a fault, all of which have to fail.
async fn fails(fault: Fault, cases: &[&str]) -> Report {
    fails_on(&TestServer::new(), fault, cases).await
}

async fn fails_on(server: &TestServer, fault: Fault, cases: &[&str]) -> Report {
    let faulty = Faulty {
        inner: server.connector(),
        fault,
        told: Arc::default(),
    };
    for case in cases {
        assert!(case_names().any(|name| name == *case), "there is no case {case}");
    }
    let report = run_some(&target(Arc::new(faulty)), |name| cases.contains(&name)).await;
    assert_eq!(report.failed().count(), cases.len(), "{report}");
    report
}

/// Changes what is said of operations.
fn outcomes(change: impl Fn(&mut OpResult) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Results(Results { mut results }) => {
            results.iter_mut().for_each(&change);
            vec![ServerFrame::Results(Results { results })]
        }
        frame => vec![frame],
    })
}

/// Changes pages.
fn pages(change: impl Fn(&mut whimbrel_protocol::Page) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Page(mut page) => {
            change(&mut page);
            vec![ServerFrame::Page(page)]
        }
        frame => vec![frame],
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_fault_passes_through_the_same_relay() {
    let server = TestServer::new();
    let faulty = Faulty {
        inner: server.connector(),
        fault: Fault::none(),
        told: Arc::default(),
    };
    let report = run(&target(Arc::new(faulty))).await;
    assert!(report.passed(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_operations_is_found() {
    let given: Arc<Mutex<HashMap<OpId, OpId>>> = Arc::default();
    let known = Arc::clone(&given);
    let fault = outcomes(move |result| {
        result.id = known
            .lock()
            .unwrap()
            .get(&result.id)
            .copied()
            .unwrap_or(result.id);
    });
    let fault = fault.up(move |frame| match frame {
        ClientFrame::Ops(mut frame) => {
            for op in &mut frame.ops {
                let mut given = given.lock().unwrap();
                let number = 0x0190_0000_0000_7000_8000_0000_0000_0000 + given.len() as u128;
                let id = OpId(uuid::Uuid::from_u128(number));
                given.insert(id, std::mem::replace(&mut op.id, id));
            }
            vec![ClientFrame::Ops(frame)]
        }
        frame => vec![frame],
    });
    let report = fails(
        fault,
        &[
            "a_repeat_gets_the_same_answer_and_acts_once",
            "a_rejection_is_repeated_for_ever",
            "an_id_with_another_content_is_op_conflict",
        ],
    )
    .await;
    assert!(
        report
            .to_string()
            .contains("the repeat of edit_message moves a cursor"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_too_early_or_never_is_found() {
    let config = HubConfig {
        heartbeat: Duration::from_secs(1),
        ..HubConfig::default()
    };
    let server = TestServer::over(MemoryStorage::new(Epoch(7)), config);
    for (told, words) in [(2_500, "it ended after"), (100, "still open")] {
        let fault = Fault::none().down(move |frame| match frame {
            ServerFrame::Ready(mut ready) => {
                ready.heartbeat_ms = told;
                vec![ServerFrame::Ready(ready)]
            }
            frame => vec![frame],
        });
        let report = fails_on(&server, fault, &["silence_ends_the_connection"]).await;
        assert!(report.to_string().contains(words), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_look_at_after_is_found() {
    let fault = Fault::none().up(|frame| match frame {
        ClientFrame::Ops(mut frame) => {
            frame.ops.iter_mut().for_each(|op| op.after = None);
            vec![ClientFrame::Ops(frame)]
        }
        frame => vec![frame],
    });
    fails(fault, &["an_operation_after_an_unseen_one_is_out_of_order"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_any_token_is_found() {
    let fault = Fault::none().up(|frame| match frame {
        ClientFrame::Hello(mut hello) if !hello.token.expose().starts_with("user:") => {
            hello.token = Token::new("user:ada");
            vec![ClientFrame::Hello(hello)]
        }
        frame => vec![frame],
    });
    let cases = ["a_missing_token_is_refused", "a_wrong_token_is_refused"];
    let report = fails(fault, &cases).await;
    assert!(report.to_string().contains("still open after"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_when_it_hangs_up_is_found() {
    let fault = Fault::none().down(|frame| match frame {
        ServerFrame::Bye(Bye { .. }) => Vec::new(),
        frame => vec![frame],
    });
    let cases = [
        "hello_comes_first",
        "hello_is_said_once",
        "a_wrong_token_is_refused",
        "an_unknown_version_is_refused_with_the_range",
        "what_is_no_frame_ends_the_connection",
        "too_many_operations_in_a_frame_are_refused",
    ];
    fails(fault, &cases).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_anything_for_a_frame_is_found() {
    let fault = Fault::none().instead_of_garbage(ClientFrame::Heads(Heads { id: 1, since: None }));
    let cases = [
        "what_is_no_frame_ends_the_connection",
        "a_frame_over_the_limit_ends_the_connection",
    ];
    fails(fault, &cases).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_doubles_loses_or_echoes_events_is_found() {
    let case = ["everyone_else_gets_each_step_once_and_in_order"];
    let doubles = Fault::none().down(|frame| match frame {
        ServerFrame::Event(event) => vec![ServerFrame::Event(event.clone()), ServerFrame::Event(event)],
        frame => vec![frame],
    });
    fails(doubles, &case).await;
    let count = Mutex::new(0);
    let loses = Fault::none().down(move |frame| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match frame {
            ServerFrame::Event(_) if *count % 20 == 0 => Vec::new(),
            frame => vec![frame],
        }
    });
    let report = fails(loses, &case).await;
    assert!(report.to_string().contains("got a step from"), "{report}");
    let echoes = Fault::none().down(|frame| match frame {
        ServerFrame::Results(results) => {
            let accepted = results.results.iter().filter_map(|result| match &result.outcome {
                Outcome::Accepted { steps } => Some(steps.clone()),
                _ => None,
            });
            let mut frames: Vec<_> = accepted.flatten().map(ServerFrame::Event).collect();
            frames.push(ServerFrame::Results(results));
            frames
        }
        frame => vec![frame],
    });
    fails(echoes, &case).await;
    let silent = Fault::none().down(|frame| match frame {
        ServerFrame::Event(_) => Vec::new(),
        frame => vec![frame],
    });
    let cases = [
        case[0],
        "an_event_is_what_the_feed_says",
        "a_new_member_is_told_and_sees_everything",
    ];
    let report = fails(silent, &cases).await;
    assert!(report.to_string().contains("did not come within 5s"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_tells_everybody_everything_is_found() {
    let fault = Fault::none().leaks();
    let report = fails(fault, &["a_removed_member_is_told_and_sees_nothing_more"]).await;
    assert!(report.to_string().contains("go to who was removed"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_with_wrong_numbers_is_found() {
    let later = pages(|page| {
        for row in &mut page.rows {
            if let Row::Message(message) = row {
                message.ver += 1;
            }
        }
    });
    let cases = [
        "the_feed_from_nothing_is_everything",
        "an_event_is_what_the_feed_says",
    ];
    fails(later, &cases).await;
    let twice = outcomes(|result| {
        let Outcome::Accepted { steps } = &mut result.outcome else {
            return;
        };
        for row in steps.iter_mut().flat_map(|step| &mut step.rows) {
            if let Row::Message(message) = row {
                message.seq = 1;
            }
        }
    });
    let cases = [
        "numbers_are_dense_and_given_once",
        "operations_of_a_frame_act_in_their_order",
    ];
    fails(twice, &cases).await;
    let holes = outcomes(|result| {
        if let Outcome::Accepted { steps } = &mut result.outcome {
            steps.iter_mut().for_each(|step| step.to += 1);
        }
    });
    fails(
        holes,
        &[
            "numbers_are_dense_and_given_once",
            "a_channel_and_a_message_come_back_as_rows",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_pages_are_not_whole_is_found() {
    let short = pages(|page| drop(page.rows.pop()));
    let cases = [
        "the_feed_from_nothing_is_everything",
        "a_long_feed_comes_in_pages",
    ];
    fails(short, &cases).await;
    let one_only = pages(|page| page.more = false);
    let cases = ["a_long_feed_comes_in_pages", "who_is_far_behind_gets_a_snapshot"];
    let report = fails(one_only, &cases).await;
    assert!(report.to_string().contains("the last page of C:"), "{report}");
    let no_window = pages(|page| page.to.window = None);
    fails(no_window, &["who_is_far_behind_gets_a_snapshot"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_believes_every_cursor_is_found() {
    let asked: Arc<Mutex<HashMap<u64, u64>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let fault = pages(move |page| {
        if let Some(ver) = seen.lock().unwrap().remove(&page.id) {
            page.reset = false;
            page.from = ver;
            page.rows.clear();
        }
    });
    let fault = fault.up(move |frame| {
        if let ClientFrame::Sync(ask) = &frame
            && let Some(cursor) = ask.cursor
        {
            asked.lock().unwrap().insert(ask.id, cursor.ver);
        }
        vec![frame]
    });
    let cases = [
        "a_cursor_of_another_epoch_is_reset",
        "a_cursor_ahead_of_the_server_is_reset",
        "the_feed_from_a_cursor_is_what_changed_since",
    ];
    fails(fault, &cases).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_heads_or_history_have_holes_is_found() {
    let heads = Fault::none().down(|frame| match frame {
        ServerFrame::Heads(mut page) => {
            page.heads.retain(|named| named.head.seq == 0);
            vec![ServerFrame::Heads(page)]
        }
        frame => vec![frame],
    });
    fails(heads, &["heads_say_what_moved_since_the_token"]).await;
    let history = Fault::none().down(|frame| match frame {
        ServerFrame::History(mut page) => {
            page.rows
                .retain(|row| !matches!(row, Row::Message(message) if message.is_deleted()));
            vec![ServerFrame::History(page)]
        }
        frame => vec![frame],
    });
    let report = fails(history, &["history_is_every_message_before"]).await;
    assert!(
        report.to_string().contains("history says 1 to 20 and holds"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_with_other_codes_or_without_rejections_is_found() {
    let cases = [
        "what_is_not_there_is_not_found",
        "who_is_not_in_a_channel_may_not_write",
        "only_owners_change_the_channel_and_its_members",
        "only_the_author_edits",
        "an_id_with_another_content_is_op_conflict",
        "ids_that_are_taken_are_id_conflict",
    ];
    let vague = outcomes(|result| {
        if let Outcome::Rejected { code, .. } = &mut result.outcome {
            *code = Code::Invalid;
        }
    });
    fails(vague, &cases).await;
    let kind = outcomes(|result| {
        if let Outcome::Rejected { .. } = &result.outcome {
            result.outcome = Outcome::Accepted { steps: Vec::new() };
        }
    });
    let report = fails(kind, &cases).await;
    assert!(
        report
            .to_string()
            .contains("instead of a rejection with forbidden"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_what_was_deleted_is_found() {
    let fault = pages(|page| {
        for row in &mut page.rows {
            if let Row::Message(message) = row
                && message.is_deleted()
            {
                message.body.text = "a secret".to_owned();
            }
        }
    });
    fails(fault, &["deletion_is_final"]).await;
}

#[test]
fn every_case_has_a_server_that_fails_it() {
    let here = concat!(
        include_str!("conformance.rs"),
        include_str!("conformance/beside.rs"),
        include_str!("conformance/devices.rs"),
        include_str!("conformance/questions.rs"),
        include_str!("conformance/receipts.rs"),
        include_str!("conformance/subtle.rs")
    );
    let never: Vec<&str> = case_names()
        .filter(|case| !here.contains(&format!("\"{case}\"")))
        .collect();
    assert!(never.is_empty(), "no server fails {never:?}");
}
