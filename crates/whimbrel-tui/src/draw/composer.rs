//! The line at the bottom.

use super::{lines, style};
use crate::{
    app::{App, Focus, Writing},
    text,
};
use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span},
};
use whimbrel::model::MessageId;

pub(super) fn title(app: &App, width: u16) -> String {
    let mut title = match &app.composer.writing {
        _ if app.pane().is_none() => String::new(),
        Writing::Edit(..) => "Edit (Esc cancels)".to_owned(),
        Writing::Quote(id) => format!("Quote of {} (Esc cancels)", whose(app, *id)),
        Writing::New if request(app).is_some() => request(app).unwrap_or_default(),
        Writing::New if app.thread.is_some() => "Reply in the thread".to_owned(),
        Writing::New => "Message".to_owned(),
    };
    if app.pane().is_some() && !app.composer.edits() {
        if app.composer.silent {
            title.push_str(", silent");
        }
        if app.composer.in_channel {
            title.push_str(", in the channel too");
        }
        if let Some((beside, _)) = app.draft_beside() {
            let words: String = beside.body.text.chars().take(100).collect();
            let words = text::cut(&text::one_line(&words), 30);
            title.push_str(&format!(" · another device wrote \"{words}\" (Ctrl-D takes it)"));
        }
    }
    text::cut(&title, usize::from(width.saturating_sub(4)))
}

/// What the line says in a channel of which nothing was decided.
fn request(app: &App) -> Option<String> {
    let item = app.requests.get(&app.open.as_ref()?.scope.cid)?;
    let who = item.added_by.as_ref().map(|user| app.known.name(user));
    let who = who.map_or_else(String::new, |who| format!(" of {who}"));
    Some(format!(
        "A request{who}: writing allows it, R in the lists decides"
    ))
}

fn whose(app: &App, id: MessageId) -> String {
    let item = app.pane().and_then(|pane| pane.find(id));
    item.map_or_else(String::new, |item| app.known.name(&item.view.message.author))
}

pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let prompt = match &app.composer.writing {
        Writing::New => "> ",
        Writing::Quote(_) => "│ ",
        Writing::Edit(..) => "✎ ",
    };
    let columns = usize::from(area.width).saturating_sub(2);
    let input = &app.composer.input;
    let (visible, column) = text::scroll(input.value(), input.cursor(), columns);
    let line = Line::from(vec![Span::styled(prompt, style::DIM), Span::raw(visible)]);
    lines(frame, area, vec![line]);
    if app.focus == Focus::Composer && app.dialog.is_none() && area.height > 0 {
        let column = u16::try_from(column + 2).unwrap_or(u16::MAX);
        let x = area.x.saturating_add(column).min(area.right().saturating_sub(1));
        frame.set_cursor_position(Position::new(x, area.y));
    }
}
