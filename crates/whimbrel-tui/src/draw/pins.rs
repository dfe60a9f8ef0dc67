//! The list of pinned messages: two lines for each.

use super::{lines, message, style};
use crate::{app::App, text};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use whimbrel::model::overlay::MessageView;

/// Lines of a pinned message.
pub(super) const HEIGHT: usize = 2;

pub(super) fn draw(app: &App, at: usize, frame: &mut Frame<'_>, area: Rect) {
    let items = &app.pins.items;
    let width = usize::from(area.width);
    let keys = Line::styled("Enter go to it  p unpin  Esc close", style::DIM);
    if items.is_empty() {
        let empty = Line::raw("Nothing is pinned here: p on a message pins it.");
        return lines(frame, area, vec![empty, keys]);
    }
    let fit = (usize::from(area.height).saturating_sub(1) / HEIGHT).max(1);
    let at = at.min(items.len() - 1);
    let first = at.saturating_sub(fit / 2).min(items.len().saturating_sub(fit));
    let shown = items.iter().enumerate().skip(first).take(fit);
    let mut rows: Vec<_> = shown
        .flat_map(|(index, view)| row(app, view, index == at, width))
        .collect();
    rows.push(keys);
    lines(frame, area, rows);
}

fn row(app: &App, view: &MessageView, selected: bool, width: usize) -> [Line<'static>; HEIGHT] {
    let message = &view.message;
    let mark = if selected { "▌" } else { " " };
    let text: String = message::words(message).0.chars().take(400).collect();
    let first = format!("{}: {}", app.known.name(&message.author), text::one_line(&text));
    let second = message.pinned.as_ref().map_or_else(String::new, |pin| {
        let at = pin.at.as_millis();
        let date = text::date(text::day(at));
        format!("   ⚑ {} {date} {}", app.known.name(&pin.by), text::clock(at))
    });
    let columns = width.saturating_sub(1);
    [
        Line::from(vec![Span::raw(mark), Span::raw(text::cut(&first, columns))]),
        Line::from(vec![
            Span::raw(mark),
            Span::styled(text::cut(&second, columns), style::DIM),
        ]),
    ]
}
