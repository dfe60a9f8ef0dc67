//! The list of threads.

use super::{
    message,
    rows::{Lines, Look, Row},
    style,
};
use crate::{
    app::{App, Scope},
    text,
};
use ratatui::style::Style;
use whimbrel::model::overlay::MessageView;

pub(super) fn look() -> Look {
    Look {
        title: "Threads".to_owned(),
        empty: "You follow none: a reply follows a thread, and so does m in it.",
        note: String::new(),
        keys: "Enter open  m mark as read  Esc close",
        row,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let item = app.threads.items.get(at)?;
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
    let pending = if item.pending > 0 { " ○" } else { "" };
    let parent = &item.parent.message;
    let draft = app.draft_of(&Scope::thread(parent.cid.clone(), parent.id));
    let draft = if draft.is_some() { " ✎" } else { "" };
    let badge = format!("  {replies}{pending}{draft}{unread}");
    let title = format!("{place} · {}", says(app, &item.parent));
    let title_style = match item.unread {
        0 => Style::new(),
        _ => style::BOLD,
    };
    let last = match &item.last_reply {
        Some(_) if item.last_reply_hidden => "(blocked)".to_owned(),
        Some(last) => says(app, last),
        None => "no reply on this device".to_owned(),
    };
    Some([
        row.line_with((&title, title_style), (badge, style::WAITING)),
        row.line([(format!("  ↳ {last}"), style::DIM)]),
    ])
}

fn says(app: &App, view: &MessageView) -> String {
    let text: String = message::words(&view.message).0.chars().take(200).collect();
    format!(
        "{}: {}",
        app.known.name(&view.message.author),
        text::one_line(&text)
    )
}
