//! What is for one user only: it is in no frame to anybody else, and on nobody else's disk.

use super::{Violation, device::or_broken, log::violated, storage::now_or, world::World};
use whimbrel_model::{Row, StreamEvent, UserId};
use whimbrel_protocol::{Outcome, ServerFrame};
use whimbrel_store::{AccountReader as _, StoreReader as _};

/// Returns why `reader` must not have a row.
fn forbidden(row: &Row, reader: &UserId) -> Option<&'static str> {
    match row {
        Row::Account(row) if row.user() != reader => Some("it is of another account"),
        Row::Draft(row) if row.user != *reader => Some("somebody else is writing it"),
        Row::Membership(row) if row.user != *reader => Some("it says how somebody else keeps a channel"),
        Row::Read(row) if row.private && row.user != *reader => Some("its user does not let it be seen"),
        Row::Delivered(row) if row.private && row.user != *reader => Some("its user does not let it be seen"),
        Row::Delivered(row) if !row.devices_public && !row.devices.is_empty() && row.user != *reader => {
            Some("its user does not let each device be seen")
        }
        _ => None,
    }
}

/// Returns an event as somebody may see it.
pub(super) fn seen(event: &StreamEvent, reader: &UserId) -> StreamEvent {
    let rows = event.rows.iter().cloned();
    StreamEvent {
        rows: rows.filter_map(|row| row.seen_by(reader)).collect(),
        ..event.clone()
    }
}

/// Leaves of the rows of a frame what its reader may see, as the hub does at its exits.
pub(super) fn screened(frame: ServerFrame, reader: &UserId) -> ServerFrame {
    let keep = |rows: Vec<Row>| rows.into_iter().filter_map(|row| row.seen_by(reader)).collect();
    match frame {
        ServerFrame::Page(mut page) => {
            page.rows = keep(page.rows);
            ServerFrame::Page(page)
        }
        ServerFrame::History(mut page) => {
            page.rows = keep(page.rows);
            ServerFrame::History(page)
        }
        ServerFrame::Answer(mut answer) => {
            answer.rows = keep(answer.rows);
            ServerFrame::Answer(answer)
        }
        ServerFrame::Results(mut results) => {
            for result in &mut results.results {
                if let Outcome::Accepted { steps } = &mut result.outcome {
                    for step in steps {
                        step.rows = keep(std::mem::take(&mut step.rows));
                    }
                }
            }
            ServerFrame::Results(results)
        }
        frame => frame,
    }
}

/// S19: a frame has nothing that is for somebody else only.
pub(super) fn check_frame(frame: &ServerFrame, reader: &UserId) -> Result<(), Violation> {
    let rows: Vec<&Row> = match frame {
        ServerFrame::Event(event) => event.rows.iter().collect(),
        ServerFrame::Page(page) => page.rows.iter().collect(),
        ServerFrame::History(page) => page.rows.iter().collect(),
        ServerFrame::Answer(answer) => answer.rows.iter().collect(),
        ServerFrame::Results(results) => {
            let steps = results.results.iter().filter_map(|result| match &result.outcome {
                Outcome::Accepted { steps } => Some(steps),
                _ => None,
            });
            steps.flatten().flat_map(|step| &step.rows).collect()
        }
        _ => return Ok(()),
    };
    for row in rows {
        if let Some(why) = forbidden(row, reader) {
            return violated("S19", format!("{reader} is sent {row:?}: {why}"));
        }
    }
    Ok(())
}

impl World {
    /// S19 of what is on the disk of a device, in the end.
    pub(super) fn check_disk(&self, index: usize) -> Result<(), Violation> {
        let device = &self.devices[index];
        let store = &device.store;
        let accounts = or_broken(now_or(store.account_rows())?)?
            .into_iter()
            .map(Row::Account);
        let drafts = or_broken(now_or(store.drafts())?)?.into_iter().map(Row::Draft);
        let mut rows: Vec<Row> = accounts.chain(drafts).collect();
        for cid in self.ghost.server.cids() {
            rows.extend(
                or_broken(now_or(store.delivered(&cid))?)?
                    .into_iter()
                    .map(Row::Delivered),
            );
            rows.extend(
                or_broken(now_or(store.reads(&cid, None))?)?
                    .into_iter()
                    .map(Row::Read),
            );
        }
        for row in rows {
            if let Some(why) = forbidden(&row, &device.user) {
                return violated("S19", format!("{} has {row:?}: {why}", device.name));
            }
        }
        Ok(())
    }
}
