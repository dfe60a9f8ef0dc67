//! The left side: two lines for each channel.

use super::{lines, style};
use crate::{
    app::{App, Focus},
    text,
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use whimbrel::{ChannelItem, UnreadTotals, model::overlay::MessageStatus};

const HEIGHT: usize = 2;

pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let items = &app.channels.items;
    if items.is_empty() && !app.channels.filter.is_empty() {
        let hint = Line::styled("None has such a name.", style::DIM);
        return lines(frame, area, vec![hint]);
    }
    if items.is_empty() {
        let hint = vec![
            Line::styled("No channels yet.", style::DIM),
            Line::styled("n makes one.", style::DIM),
        ];
        return lines(frame, area, hint);
    }
    let fit = (usize::from(area.height) / HEIGHT).max(1);
    let selected = app.channels.index().unwrap_or(0);
    // The selection is in the middle, if there is enough on both sides.
    let first = selected
        .saturating_sub(fit / 2)
        .min(items.len().saturating_sub(fit));
    let rows = items.iter().enumerate().skip(first).take(fit);
    let rows = rows.flat_map(|(index, item)| row(app, item, index == selected, usize::from(area.width)));
    lines(frame, area, rows.collect());
}

/// The title of the list: how much is unread in all of it.
pub(super) fn title(app: &App, width: u16) -> String {
    if !app.channels.filter.is_empty() {
        let title = format!("Channels /{}", app.channels.filter);
        return text::cut(&title, usize::from(width.saturating_sub(4)));
    }
    let UnreadTotals {
        messages, unknown, ..
    } = app.channels.unread;
    match (messages, unknown) {
        (0, 0) => "Channels".to_owned(),
        (count, 0) => format!("Channels: {count} unread"),
        (count, _) => format!("Channels: {count}+ unread"),
    }
}

fn row(app: &App, item: &ChannelItem, selected: bool, width: usize) -> [Line<'static>; HEIGHT] {
    let open = app.open.as_ref().is_some_and(|pane| pane.scope.cid == item.cid);
    let pending = if item.pending > 0 { "·" } else { "" };
    let unread = match (item.unread, item.unread_unknown) {
        (0, 0) => String::new(),
        (0, _) => "(?)".to_owned(),
        (1..=99, 0) => format!("({})", item.unread),
        (1..=99, _) => format!("({}+)", item.unread),
        _ => "(99+)".to_owned(),
    };
    let badge = [pending, &unread].concat();
    let mark = if open { "▸" } else { " " };
    let columns = width.saturating_sub(2 + text::width(&badge));
    let title = text::fit(&app.channels.title(&item.cid), columns);
    let mut title_style = if item.unread > 0 {
        style::BOLD
    } else {
        ratatui::style::Style::new()
    };
    if selected && app.focus == Focus::Channels {
        title_style = title_style.patch(style::SELECTED);
    }
    let first = Line::from(vec![
        Span::styled(format!("{mark}{title} "), title_style),
        Span::styled(badge, style::WAITING),
    ]);
    let preview = text::cut(&preview(app, item), width.saturating_sub(2));
    [first, Line::styled(format!("  {preview}"), style::DIM)]
}

fn preview(app: &App, item: &ChannelItem) -> String {
    let Some(view) = &item.last_message else {
        return match item.created_locally {
            true => "not on the server yet".to_owned(),
            false => "no messages".to_owned(),
        };
    };
    let message = &view.message;
    if message.is_deleted() {
        return "(deleted)".to_owned();
    }
    let mark = match view.status {
        MessageStatus::Pending => "· ",
        MessageStatus::Failed(_) => "! ",
        MessageStatus::Sent => "",
    };
    let who = match message.author == app.me {
        true => "you".to_owned(),
        false => app.known.name(&message.author),
    };
    let text: String = message.body.text.chars().take(200).collect();
    format!("{mark}{who}: {}", text::one_line(&text))
}
