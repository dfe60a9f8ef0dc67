//! The list of pinned messages.

use super::{
    message,
    rows::{Lines, Look, Row},
    style,
};
use crate::{app::App, text};
use ratatui::style::Style;

pub(super) fn look(app: &App) -> Look {
    let open = app.open.as_ref().map(|open| app.channels.title(&open.scope.cid));
    Look {
        title: format!("Pinned in {}", open.unwrap_or_default()),
        empty: "Nothing is pinned here: p on a message pins it.",
        note: String::new(),
        keys: "Enter go to it  p unpin  Esc close",
        row,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let message = &app.pins.items.get(at)?.message;
    let text: String = message::words(message).0.chars().take(400).collect();
    let first = format!("{}: {}", app.known.name(&message.author), text::one_line(&text));
    let second = message.pinned.as_ref().map_or_else(String::new, |pin| {
        let when = text::moment(pin.at.as_millis());
        format!("   ⚑ {} {when}", app.known.name(&pin.by))
    });
    Some([
        row.line([(first, Style::new())]),
        row.line([(second, style::DIM)]),
    ])
}
