//! What stands over the screen.

use super::{help, hits, lines, rows, style};
use crate::{
    app::{
        App, Dialog, Form, QUICK_REACTIONS,
        decide::{Lasting, TIMES},
        listing,
    },
    text,
};
use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Block, Clear},
};
use tui_input::Input;
use whimbrel::model::UserId;

pub(super) fn draw(app: &App, frame: &mut Frame<'_>) {
    match &app.dialog {
        None => {}
        Some(Dialog::Help(from)) => {
            let screen = frame.area().height;
            let area = window(frame, "Help", 76, help::rows(screen));
            help::draw(*from, screen, frame, area);
        }
        Some(Dialog::List(list, at)) => rows::draw(app, *list, *at, frame),
        Some(Dialog::Search) => search(app, frame),
        Some(Dialog::Explanation(words)) => {
            let columns = 68;
            let text = text::wrap(&text::clean(words), columns);
            let area = window(frame, "Why", 68, text.len());
            lines(frame, area, text.into_iter().map(Line::raw).collect());
        }
        Some(Dialog::Delete(id)) => {
            let item = app.pane().and_then(|pane| pane.find(*id));
            let text = item
                .map(|item| item.view.message.body.text.as_str())
                .unwrap_or_default();
            let area = window(frame, "Delete for everyone?", 50, 2);
            let text = text::cut(&text::one_line(text), usize::from(area.width));
            let keys = Line::styled("y deletes, any other key keeps it", style::DIM);
            lines(frame, area, vec![Line::raw(text), keys]);
        }
        Some(Dialog::HowLong(lasting, user)) => how_long(app, *lasting, user, frame),
        Some(Dialog::Rename(_, input)) => {
            let area = window(frame, "Name of the device", 60, 2);
            let keys = Line::styled("Enter keeps it, Esc does not", style::DIM);
            lines(frame, area, vec![Line::raw(""), keys]);
            field(frame, area, 0, "> ", input, true);
        }
        Some(Dialog::Revoke(device)) => {
            let title = format!("Shut out {} for good?", app.device_name(*device));
            let area = window(frame, &title, 70, 3);
            let what = [
                "It keeps what is on it, and hears of nothing new.",
                "It cannot be let in again.",
            ];
            let mut rows: Vec<_> = what.map(Line::raw).into();
            rows.push(Line::styled("y revokes, any other key does not", style::DIM));
            lines(frame, area, rows);
        }
        Some(Dialog::React(_, input)) => {
            let area = window(frame, "React", 50, 3);
            let quick = QUICK_REACTIONS.iter().enumerate();
            let quick: Vec<_> = quick
                .map(|(index, kind)| format!("{} {kind}", index + 1))
                .collect();
            let hint = Line::styled("or a word; the same again takes it back", style::DIM);
            lines(
                frame,
                area,
                vec![Line::raw(""), Line::raw(quick.join("  ")), hint],
            );
            field(frame, area, 0, "> ", input, true);
        }
        Some(Dialog::Filter(input)) => filter(input, frame),
        Some(Dialog::Create(form)) => create(form, frame),
    }
}

fn how_long(app: &App, lasting: Lasting, user: &UserId, frame: &mut Frame<'_>) {
    let (title, what) = match lasting {
        Lasting::Mute => ("Mute", "What they write is shown, and counts as unread nowhere."),
        Lasting::Block => (
            "Block",
            "What they write is hidden, and what they bring you into leaves the list.",
        ),
    };
    let title = format!("{title} {}", app.known.name(user));
    let area = window(frame, &title, 74, 3);
    let times = TIMES.iter().enumerate();
    let times: Vec<_> = times
        .map(|(index, (words, _))| format!("{} {words}", index + 1))
        .collect();
    let keys = Line::styled("any other key does nothing", style::DIM);
    lines(
        frame,
        area,
        vec![Line::raw(what), Line::raw(times.join("   ")), keys],
    );
}

fn search(app: &App, frame: &mut Frame<'_>) {
    let area = window(frame, "Search", 100, 30);
    let field_rows = 1.min(area.height);
    let below = Rect::new(area.x, area.y + field_rows, area.width, area.height - field_rows);
    hits::draw(app, frame, below);
    field(frame, area, 0, "? ", &app.search.input, true);
}

fn filter(input: &Input, frame: &mut Frame<'_>) {
    let area = window(frame, "Find channels", 76, 3);
    let said = match listing::filter(input.value()) {
        Ok(_) => Line::styled("Enter keeps the list so, Esc shows the usual one", style::DIM),
        Err(why) => Line::styled(
            text::cut(&text::one_line(&why), usize::from(area.width)),
            style::WAITING,
        ),
    };
    let keys = "words  archived: hidden: pinned: muted: unread: all:true  member:bob  {JSON}";
    let keys = Line::styled(text::cut(keys, usize::from(area.width)), style::DIM);
    lines(frame, area, vec![Line::raw(""), said, keys]);
    field(frame, area, 0, "/ ", input, true);
}

fn create(form: &Form, frame: &mut Frame<'_>) {
    let area = window(frame, "New channel", 60, Form::LABELS.len() + 1);
    let labels = Form::LABELS.iter().zip(Form::HINTS).zip(&form.fields);
    let mut rows: Vec<_> = labels
        .map(|((label, hint), input)| {
            let hint = if input.value().is_empty() { hint } else { "" };
            Line::styled(format!("{label:<10}{hint}"), style::DIM)
        })
        .collect();
    rows.push(match &form.problem {
        Some(problem) => Line::styled(text::one_line(problem), style::BAD),
        None => Line::styled("Tab next field  Enter create  Esc cancel", style::DIM),
    });
    lines(frame, area, rows);
    for (row, input) in form.fields.iter().enumerate() {
        let label = format!("{:<10}", Form::LABELS[row]);
        if row == form.at || !input.value().is_empty() {
            field(frame, area, row, &label, input, row == form.at);
        }
    }
}

/// Draws a text field in a row of an area, and the cursor if it is there.
fn field(frame: &mut Frame<'_>, area: Rect, row: usize, label: &str, input: &Input, at: bool) {
    let row = u16::try_from(row).unwrap_or(u16::MAX);
    let label_width = text::width(label);
    if row >= area.height || usize::from(area.width) <= label_width {
        return;
    }
    let columns = usize::from(area.width) - label_width;
    let (visible, column) = text::scroll(input.value(), input.cursor(), columns);
    let place = Rect::new(area.x, area.y + row, area.width, 1);
    let mut spans = vec![Span::styled(label.to_owned(), style::DIM)];
    if !input.value().is_empty() {
        spans.push(Span::raw(visible));
    }
    lines(frame, place, vec![Line::from(spans)]);
    if at {
        let column = u16::try_from(label_width + column).unwrap_or(u16::MAX);
        frame.set_cursor_position(Position::new(place.x.saturating_add(column), place.y));
    }
}

/// Clears a window in the middle of the screen and returns what is inside its frame.
pub(super) fn window(frame: &mut Frame<'_>, title: &str, columns: u16, rows: usize) -> Rect {
    let screen = frame.area();
    let width = columns.saturating_add(4).min(screen.width);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(screen.height);
    let x = (screen.width - width) / 2;
    let y = (screen.height - height) / 2;
    let area = Rect::new(x, y, width, height);
    frame.render_widget(Clear, area);
    let title = text::cut(title, usize::from(width.saturating_sub(4)));
    let block = Block::bordered()
        .border_style(style::FOCUSED)
        .title(format!(" {title} "))
        .padding(ratatui::widgets::Padding::horizontal(u16::from(width > 10)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}
