//! The outbox panel: what waits, and what was rejected and why.

use super::{lines, style};
use crate::{app::App, text};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use whimbrel::model::{Op, OutboxItem};

/// Lines of an operation.
pub(super) const HEIGHT: usize = 2;

pub(super) fn draw(app: &App, at: usize, frame: &mut Frame<'_>, area: Rect) {
    let items = &app.outbox.items;
    let width = usize::from(area.width);
    let keys = Line::styled("R retry  D discard  Esc close", style::DIM);
    if items.is_empty() {
        let empty = Line::raw("Nothing waits: everything has reached the server.");
        return lines(frame, area, vec![empty, keys]);
    }
    let fit = (usize::from(area.height).saturating_sub(1) / HEIGHT).max(1);
    let at = at.min(items.len() - 1);
    let first = at.saturating_sub(fit / 2).min(items.len().saturating_sub(fit));
    let shown = items.iter().enumerate().skip(first).take(fit);
    let mut rows: Vec<_> = shown
        .flat_map(|(index, item)| row(app, item, index == at, width))
        .collect();
    rows.push(keys);
    lines(frame, area, rows);
}

fn row(app: &App, item: &OutboxItem, selected: bool, width: usize) -> [Line<'static>; HEIGHT] {
    let (what, text) = words(&item.op);
    let place = item
        .op
        .cid()
        .map(|cid| app.channels.title(cid))
        .unwrap_or_default();
    let time = text::clock(item.composed_at.as_millis());
    let first = text::one_line(&format!("{time} {what} in {place}: {text}"));
    let mark = if selected { "▌" } else { " " };
    let (state, state_style) = match item.rejection() {
        Some(rejection) => {
            let why = text::one_line(&rejection.message);
            (format!("rejected: {why}"), style::BAD)
        }
        None => (waiting(item), style::WAITING),
    };
    let columns = width.saturating_sub(1);
    [
        Line::from(vec![Span::raw(mark), Span::raw(text::cut(&first, columns))]),
        Line::from(vec![
            Span::raw(mark),
            Span::styled(text::cut(&format!("      {state}"), columns), state_style),
        ]),
    ]
}

fn waiting(item: &OutboxItem) -> String {
    let tries = match item.attempted {
        true => "on its way, not answered yet",
        false => "waits for the connection",
    };
    match &item.last_error {
        Some(code) => format!("{tries} (last answer: {})", text::one_line(code.as_str())),
        None => tries.to_owned(),
    }
}

/// Returns what an operation is, and the words that the user put into it.
fn words(op: &Op) -> (&'static str, String) {
    let users = |users: &[whimbrel::model::UserId]| {
        let names: Vec<_> = users.iter().map(|user| user.as_str()).collect();
        names.join(", ")
    };
    match op {
        Op::CreateChannel { name, .. } => ("new channel", name.clone()),
        Op::UpdateChannel { .. } => ("change of the channel", String::new()),
        Op::AddMembers { users: who, .. } => ("new members", users(who)),
        Op::RemoveMembers { users: who, .. } => ("members removed", users(who)),
        Op::SendMessage { body, .. } => ("message", body.text.clone()),
        Op::EditMessage { body, .. } => ("edit", body.text.clone()),
        Op::DeleteMessage { .. } => ("deletion", String::new()),
        Op::AddReaction { kind, .. } => ("reaction", kind.as_str().to_owned()),
        Op::RemoveReaction { kind, .. } => ("reaction taken back", kind.as_str().to_owned()),
        Op::MarkRead { .. } => ("read position", String::new()),
        Op::PinMessage { .. } => ("pin", String::new()),
        Op::UnpinMessage { .. } => ("pin taken back", String::new()),
        Op::UpdateMembership { .. } => ("how the channel is kept", String::new()),
        Op::SaveDraft {
            content: Some(content),
            ..
        } => ("draft", content.body.text.clone()),
        Op::SaveDraft { content: None, .. } => ("draft given up", String::new()),
        Op::UpdateUser { .. } => ("profile", String::new()),
    }
}
