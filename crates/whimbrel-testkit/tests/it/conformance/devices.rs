//! Servers that are wrong about devices.

use super::{fails, outcomes};
use crate::tamper::Fault;
use whimbrel_model::Code;
use whimbrel_protocol::{Answer, Outcome, ServerFrame};

fn answers(change: impl Fn(&mut Answer) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Answer(mut answer) => {
            change(&mut answer);
            vec![ServerFrame::Answer(answer)]
        }
        frame => vec![frame],
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lists_devices_wrong_is_found() {
    let forgetful = answers(|answer| answer.devices.clear());
    fails(
        forgetful,
        &["a_device_is_registered_and_listed", "how_far_a_device_is_is_told"],
    )
    .await;
    let wrong = answers(|answer| {
        for state in &mut answer.devices {
            state.behind = Some(0);
        }
    });
    fails(wrong, &["how_far_a_device_is_is_told"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_a_revoked_device_to_come_back_is_found() {
    let kind = Fault::none().down(|frame| match frame {
        ServerFrame::Bye(mut bye) => {
            bye.code = Code::ServerStopping;
            vec![ServerFrame::Bye(bye)]
        }
        frame => vec![frame],
    });
    fails(kind, &["a_revoked_device_is_shut_out"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lets_a_device_act_for_another_is_found() {
    let lenient = outcomes(|result| {
        if matches!(&result.outcome, Outcome::Rejected { code, .. } if *code == Code::Forbidden) {
            result.outcome = Outcome::Accepted { steps: Vec::new() };
        }
    });
    fails(lenient, &["what_a_device_does_for_itself_no_other_does_for_it"]).await;
}
