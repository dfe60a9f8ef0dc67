//! What waits for a decision.

use super::{
    channels,
    rows::{Lines, Look, Row},
    style,
};
use crate::{app::App, text};

pub(super) fn look() -> Look {
    Look {
        title: "Requests".to_owned(),
        empty: "Nothing waits for a decision.",
        note: String::new(),
        keys: "Enter look  a allow, accept  d deny, reject  b block who it is from  Esc close",
        row,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let item = app.requests.items.get(at)?;
    let title = app.channels.title(&item.cid);
    let who = item.added_by.as_ref().map(|user| app.known.name(user));
    let who = who.unwrap_or_else(|| "somebody".to_owned());
    let (badge, below) = match &item.invite {
        Some(invite) => {
            let at = text::ago(invite.at.as_millis(), app.now.as_millis());
            (format!(" invited by {who}"), format!("  {at}"))
        }
        None => (
            format!(" from {who}"),
            format!("  {}", channels::preview(app, item)),
        ),
    };
    let unread = match item.unread {
        0 => String::new(),
        unread => format!(" ({unread})"),
    };
    Some([
        row.line_with(
            (&title, style::BOLD),
            (format!("{badge}{unread}"), style::WAITING),
        ),
        row.line([(below, style::DIM)]),
    ])
}
