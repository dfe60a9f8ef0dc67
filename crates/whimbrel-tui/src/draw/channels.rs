//! The left side: two lines for each channel.

use super::{lines, rows, style};
use crate::{
    app::{App, Focus, ShownDraft, is_muted},
    text,
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use whimbrel::{ChannelItem, model::overlay::MessageStatus};

const HEIGHT: usize = 2;

pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let items = &app.channels.items;
    if items.is_empty() && !app.channels.filter.is_empty() {
        let hint = Line::styled("None is like that.", style::DIM);
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
    let first = rows::first(selected, items.len(), fit);
    let rows = items.iter().enumerate().skip(first).take(fit);
    let rows = rows.flat_map(|(index, item)| row(app, item, index == selected, usize::from(area.width)));
    lines(frame, area, rows.collect());
}

/// The title of the list: which channels are in it.
pub(super) fn title(app: &App, width: u16) -> String {
    let title = match app.channels.filter.as_str() {
        "" => "Channels".to_owned(),
        filter => format!("Channels /{filter}"),
    };
    text::cut(&title, usize::from(width.saturating_sub(4)))
}

/// What waits for a decision, beside the list.
pub(super) fn requests(app: &App) -> String {
    match app.channels.unread.requests {
        0 => String::new(),
        1 => "1 request (R)".to_owned(),
        many => format!("{many} requests (R)"),
    }
}

/// How the account keeps a channel, and how much in it waits for somebody.
fn badge(app: &App, item: &ChannelItem) -> String {
    let marks = [
        (item.pending > 0, "○"),
        (app.draft_in(&item.cid).is_some(), "✎"),
        (item.pinned_at.is_some(), "^"),
        (is_muted(item, app.now), "~"),
        (item.archived, "#"),
        (item.hidden, "-"),
    ];
    let marks: String = marks
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, mark)| *mark)
        .collect();
    let count = match item.unread {
        0 => String::new(),
        count @ 1..=99 => count.to_string(),
        _ => "99+".to_owned(),
    };
    let mentions = match item.mentions {
        0 => String::new(),
        count => format!(" @{count}"),
    };
    let unread = match (item.unread, item.unread_unknown) {
        (0, 0) => String::new(),
        (0, _) => "(?)".to_owned(),
        (1..=99, 1..) => format!("({count}+{mentions})"),
        _ => format!("({count}{mentions})"),
    };
    let threads = match app.unread_threads_in(&item.cid) {
        0 => String::new(),
        count => format!("↳{count}"),
    };
    [marks, unread, threads].concat()
}

fn row(app: &App, item: &ChannelItem, selected: bool, width: usize) -> [Line<'static>; HEIGHT] {
    let open = app.open.as_ref().is_some_and(|pane| pane.scope.cid == item.cid);
    let badge = badge(app, item);
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
    let badge_style = match (item.mentions, is_muted(item, app.now)) {
        (1.., _) => style::MENTION,
        (0, true) => style::DIM,
        (0, false) => style::WAITING,
    };
    let first = Line::from(vec![
        Span::styled(format!("{mark}{title} "), title_style),
        Span::styled(badge, badge_style),
    ]);
    let draft = app.draft_in(&item.cid).filter(|_| !open);
    let preview = draft.map_or_else(|| preview(app, item), written);
    let preview = text::cut(&preview, width.saturating_sub(2));
    [first, Line::styled(format!("  {preview}"), style::DIM)]
}

/// What is written and not sent.
fn written(draft: &ShownDraft) -> String {
    let text: String = draft.content.body.text.chars().take(200).collect();
    format!("✎ {}", text::one_line(&text))
}

pub(super) fn preview(app: &App, item: &ChannelItem) -> String {
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
    if item.last_message_hidden {
        return "(blocked)".to_owned();
    }
    let mark = match view.status {
        MessageStatus::Pending => "○ ",
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
