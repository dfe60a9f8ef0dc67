//! Servers that are wrong about receipts.

use super::{fails, outcomes};
use crate::tamper::Fault;
use whimbrel_model::{DeviceId, DeviceMark, Op, Row};
use whimbrel_protocol::{ClientFrame, Ops, Outcome, ServerFrame};

const GROWS: &str = "what_has_reached_a_user_only_grows_and_ends_at_the_newest";

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_marks_or_tells_of_devices_is_found() {
    let deaf = outcomes(|result| {
        if let Outcome::Accepted { steps } = &mut result.outcome {
            steps.retain(|step| !step.rows.iter().any(|row| matches!(row, Row::Delivered(_))));
        }
    });
    fails(
        deaf,
        &["what_has_reached_a_user_only_grows_and_ends_at_the_newest"],
    )
    .await;
    let greedy = Fault::none().up(|frame| match frame {
        ClientFrame::Ops(Ops { mut ops }) => {
            for envelope in &mut ops {
                if let Op::MarkDelivered { seq, .. } = &mut envelope.op {
                    *seq += 1;
                }
            }
            vec![ClientFrame::Ops(Ops { ops })]
        }
        frame => vec![frame],
    });
    fails(greedy, &[GROWS]).await;
    let chatty = Fault::none().down(|frame| match frame {
        ServerFrame::Event(mut step) => {
            for row in &mut step.rows {
                if let Row::Delivered(row) = row {
                    let device = DeviceId(uuid::Uuid::from_u128(1));
                    row.devices = vec![DeviceMark { device, seq: row.seq }];
                }
            }
            vec![ServerFrame::Event(step)]
        }
        frame => vec![frame],
    });
    fails(chatty, &[GROWS]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_tells_what_is_private_is_found() {
    let deaf_to_settings = Fault::none().up(|frame| match frame {
        ClientFrame::Ops(Ops { mut ops }) => {
            for envelope in &mut ops {
                if let Op::UpdateSettings { change } = &mut envelope.op {
                    change.read_receipts = change.read_receipts.map(|_| true);
                    change.delivery_receipts = change.delivery_receipts.map(|_| true);
                }
            }
            vec![ClientFrame::Ops(Ops { ops })]
        }
        frame => vec![frame],
    });
    fails(deaf_to_settings, &["private_receipts_reach_nobody_else"]).await;
    // And one that keeps it from the user's own devices too.
    let secretive = Fault::none().down(|frame| match frame {
        ServerFrame::Page(mut page) => {
            let is_private = |row: &Row| matches!(row, Row::Read(row) if row.private);
            page.rows.retain(|row| !is_private(row));
            vec![ServerFrame::Page(page)]
        }
        frame => vec![frame],
    });
    fails(secretive, &["private_receipts_reach_nobody_else"]).await;
}
