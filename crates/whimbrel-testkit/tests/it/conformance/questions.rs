//! Servers that answer questions wrong.

use super::fails;
use crate::tamper::Fault;
use whimbrel_model::{Code, PlainJson, Row};
use whimbrel_protocol::{Answer, ClientFrame, Question, ServerFrame};

/// Changes every answer to a question.
fn answers(change: impl Fn(&mut Answer) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Answer(mut answer) => {
            change(&mut answer);
            vec![ServerFrame::Answer(answer)]
        }
        frame => vec![frame],
    })
}

/// Changes every question for messages.
fn questions(change: impl Fn(&mut whimbrel_protocol::FindMessages) + Send + Sync + 'static) -> Fault {
    Fault::none().up(move |frame| match frame {
        ClientFrame::Ask(mut ask) => {
            if let Question::Messages(find) = &mut ask.question {
                change(find);
            }
            vec![ClientFrame::Ask(ask)]
        }
        frame => vec![frame],
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_filter_or_order_is_found() {
    let case = "a_question_finds_what_its_filter_says_in_its_order";
    fails(questions(|find| find.filter = PlainJson::default()), &[case]).await;
    fails(questions(|find| find.sort = PlainJson::default()), &[case]).await;
    fails(answers(|answer| answer.rows.reverse()), &[case]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_pages_lead_nowhere_is_found() {
    let case = "pages_of_an_answer_lead_onward_and_back";
    fails(answers(|answer| answer.next = None), &[case]).await;
    fails(answers(|answer| answer.previous = None), &[case]).await;
    fails(questions(|find| find.window.before = None), &[case]).await;
    fails(questions(|find| find.window.offset = None), &[case]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_say_what_is_wrong_or_tells_of_others_is_found() {
    let failures = |change: fn(&mut whimbrel_protocol::Failed)| {
        Fault::none().down(move |frame| match frame {
            ServerFrame::Failed(mut failed) => {
                change(&mut failed);
                vec![ServerFrame::Failed(failed)]
            }
            frame => vec![frame],
        })
    };
    let vague = failures(|failed| failed.message = "no".to_owned());
    fails(vague, &["a_question_that_breaks_a_rule_fails_with_its_place"]).await;
    let tells = failures(|failed| {
        if failed.code == Code::MessageNotFound {
            failed.code = Code::NotMember;
        }
    });
    fails(tells, &["nothing_is_found_that_may_not_be_seen"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_out_the_state_of_channels_is_found() {
    let case = "channels_come_with_their_state_if_it_is_wanted";
    let without = answers(|answer| answer.rows.retain(|row| !matches!(row, Row::Membership(_))));
    fails(without, &[case]).await;
    let always = Fault::none().up(|frame| match frame {
        ClientFrame::Ask(mut ask) => {
            if let Question::Channels(find) = &mut ask.question {
                find.state = true;
            }
            vec![ClientFrame::Ask(ask)]
        }
        frame => vec![frame],
    });
    fails(always, &[case]).await;
}
