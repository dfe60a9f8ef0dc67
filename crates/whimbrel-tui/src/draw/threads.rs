//! The list of threads: two lines for each.

use super::{lines, message, style};
use crate::{
    app::{App, Scope},
    text,
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use whimbrel::{ThreadItem, model::overlay::MessageView};

/// Lines of a thread.
pub(super) const HEIGHT: usize = 2;

pub(super) fn draw(app: &App, at: usize, frame: &mut Frame<'_>, area: Rect) {
    let items = &app.threads.items;
    let width = usize::from(area.width);
    let keys = Line::styled("Enter open  m mark as read  Esc close", style::DIM);
    if items.is_empty() {
        let empty = Line::raw("You follow none: a reply follows a thread, and so does m in it.");
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

fn row(app: &App, item: &ThreadItem, selected: bool, width: usize) -> [Line<'static>; HEIGHT] {
    let place = app.channels.title(&item.parent.message.cid);
    let replies = match item.replies {
        1 => "1 reply".to_owned(),
        many => format!("{many} replies"),
    };
    let unread = match (item.unread, item.unread_unknown) {
        (0, 0) => String::new(),
        (0, _) => " (?)".to_owned(),
        (count, 0) => format!(" ({count})"),
        (count, _) => format!(" ({count}+)"),
    };
    let pending = if item.pending > 0 { " ·" } else { "" };
    let parent = &item.parent.message;
    let draft = app.draft_of(&Scope::thread(parent.cid.clone(), parent.id));
    let draft = if draft.is_some() { " ✎" } else { "" };
    let badge = format!("  {replies}{pending}{draft}{unread}");
    let columns = width.saturating_sub(1 + text::width(&badge));
    let title = text::fit(&format!("{place} · {}", says(app, &item.parent)), columns);
    let title_style = match item.unread {
        0 => ratatui::style::Style::new(),
        _ => style::BOLD,
    };
    let mark = if selected { "▌" } else { " " };
    let last = match &item.last_reply {
        Some(last) => says(app, last),
        None => "no reply on this device".to_owned(),
    };
    let last = text::cut(&format!("  ↳ {last}"), width.saturating_sub(1));
    [
        Line::from(vec![
            Span::raw(mark),
            Span::styled(title, title_style),
            Span::styled(badge, style::WAITING),
        ]),
        Line::from(vec![Span::raw(mark), Span::styled(last, style::DIM)]),
    ]
}

fn says(app: &App, view: &MessageView) -> String {
    let text: String = message::words(&view.message).0.chars().take(200).collect();
    format!(
        "{}: {}",
        app.known.name(&view.message.author),
        text::one_line(&text)
    )
}
