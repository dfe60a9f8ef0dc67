//! How a message looks.

use super::{note, style};
use crate::{
    app::{App, Pane},
    text,
};
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use whimbrel::{
    OlderEdge, Receipt, ReceiptStatus, TimelineItem,
    model::{Message, MessageKind, MessageScope, overlay::MessageStatus},
};

/// Columns below which the time is left out.
const NARROW: usize = 30;

/// Returns the lines of a row: what stands before it, and the message itself.
pub(super) fn row(app: &App, pane: &Pane, index: usize, width: usize, selected: bool) -> Vec<Line<'static>> {
    let Some(item) = pane.items.get(index) else {
        return Vec::new();
    };
    let before = index.checked_sub(1).and_then(|before| pane.items.get(before));
    let message = &item.view.message;
    let mut lines = Vec::new();
    if before.is_none() {
        lines.extend(edge(pane).map(|text| rule(text, width)));
    }
    if item.gap_before {
        lines.push(rule("messages missing", width).style(style::WAITING));
    }
    let today = text::day(shown_time(message));
    if before.is_none_or(|before| text::day(shown_time(&before.view.message)) != today) {
        lines.push(rule(&text::date(today), width));
    }
    let said = |message: &Message| message.kind == MessageKind::Regular || message.is_deleted();
    let continues = lines.is_empty()
        && before
            .is_some_and(|before| before.view.message.author == message.author && said(&before.view.message));
    let in_thread = pane.scope.messages != MessageScope::Channel;
    if said(message) {
        if !continues {
            lines.push(author(app, message, width));
        }
        lines.extend(body(app, Some(pane), item, width, selected));
    } else {
        lines.extend(note::lines(&words(message).0, width, selected));
    }
    lines.extend(below(app, item, width, in_thread));
    if pane.is_past() && index + 1 == pane.items.len() {
        let text = match pane.loading_newer {
            true => "loading newer messages …",
            false => "newer messages: PgDn, newest: End",
        };
        lines.push(rule(text, width).style(style::WAITING));
    }
    lines
}

/// Returns the lines of the message that a thread is about.
pub(super) fn parent(app: &App, item: Option<&TimelineItem>, width: usize) -> Vec<Line<'static>> {
    let Some(item) = item else {
        let text = text::cut(" (the first message is not on this device)", width);
        return vec![Line::styled(text, style::DIM)];
    };
    let mut lines = vec![author(app, &item.view.message, width)];
    lines.extend(body(app, app.open.as_ref(), item, width, false));
    lines
}

/// Returns a line across with a text in it.
pub(super) fn rule(text: &str, width: usize) -> Line<'static> {
    let text = text::cut(text, width.saturating_sub(8));
    Line::styled(format!("─── {text} ───"), style::DIM)
}

const fn edge(pane: &Pane) -> Option<&'static str> {
    match (pane.loading, pane.edge) {
        (true, _) => Some("loading older messages …"),
        (false, OlderEdge::Start) => None,
        (false, OlderEdge::OnDisk) => Some("older messages: PgUp"),
        (false, OlderEdge::OnServer) => Some("older messages are on the server: PgUp"),
    }
}

/// The order is the server's; the time that people talk about is the author's.
const fn shown_time(message: &Message) -> i64 {
    message.composed_at.as_millis()
}

fn author(app: &App, message: &Message, width: usize) -> Line<'static> {
    let name = text::cut(&app.known.name(&message.author), width.saturating_sub(1));
    Line::from(vec![
        Span::raw(" "),
        Span::styled(name, style::author(&message.author)),
    ])
}

fn body(
    app: &App,
    pane: Option<&Pane>,
    item: &TimelineItem,
    width: usize,
    selected: bool,
) -> Vec<Line<'static>> {
    let message = &item.view.message;
    let gutter = gutter_width(width);
    let columns = width.saturating_sub(gutter);
    let mut lines = Vec::new();
    if let Some(quote) = quote(app, pane, message) {
        let quote = text::cut(&quote, columns);
        lines.push(Line::from(vec![
            Span::raw(" ".repeat(gutter)),
            Span::styled(quote, style::DIM),
        ]));
    }
    let (text, mut text_style) = match item.hidden {
        true => ("(of somebody you blocked)".to_owned(), style::DIM),
        false => words(message),
    };
    if is_mentioned(app, message) {
        text_style = text_style.patch(style::MENTION);
    }
    for (number, line) in text::wrap(&text, columns).into_iter().enumerate() {
        let mut spans = match number {
            0 => gutter_spans(app, item, width, selected),
            _ => vec![
                Span::raw(if selected { "▌" } else { " " }),
                Span::raw(" ".repeat(gutter.saturating_sub(1))),
            ],
        };
        spans.push(Span::styled(line, text_style));
        lines.push(Line::from(spans));
    }
    lines
}

const fn gutter_width(width: usize) -> usize {
    if width < NARROW { 4 } else { 10 }
}

/// The selection bar, the time, and how far an own message has come.
fn gutter_spans(app: &App, item: &TimelineItem, width: usize, selected: bool) -> Vec<Span<'static>> {
    let view = &item.view;
    let mut spans = vec![Span::raw(if selected { "▌" } else { " " })];
    if width >= NARROW {
        let time = text::clock(shown_time(&view.message));
        let time_style = if selected { style::SELECTED } else { style::DIM };
        spans.push(Span::styled(time, time_style));
        spans.push(Span::raw(" "));
    }
    let mark = match &view.status {
        MessageStatus::Failed(_) => Span::styled("!  ", style::BAD),
        MessageStatus::Pending => Span::styled("○  ", style::WAITING),
        MessageStatus::Sent if view.change_pending => Span::styled("○  ", style::WAITING),
        MessageStatus::Sent if view.message.author == app.me => arrived(item.receipt),
        MessageStatus::Sent if is_mentioned(app, &view.message) => Span::styled("@  ", style::MENTION),
        MessageStatus::Sent => Span::raw("   "),
    };
    spans.push(mark);
    spans
}

/// The mark of an own message that the server has: whom it has reached.
fn arrived(receipt: Option<Receipt>) -> Span<'static> {
    match receipt.map(|receipt| receipt.status) {
        Some(ReceiptStatus::Read) => Span::styled("✓✓ ", style::READ),
        Some(ReceiptStatus::Delivered) => Span::styled("✓✓ ", style::GOOD),
        _ => Span::styled("✓  ", style::GOOD),
    }
}

fn is_mentioned(app: &App, message: &Message) -> bool {
    message.author != app.me && !message.is_deleted() && message.body.mentions(&app.me)
}

/// Returns the text of a message, with its files and the mark of an edit.
pub(super) fn words(message: &Message) -> (String, Style) {
    if message.is_deleted() {
        return ("(deleted)".to_owned(), style::DIM);
    }
    let mut parts = Vec::new();
    if !message.body.text.is_empty() {
        parts.push(text::clean(&message.body.text));
    }
    for file in &message.body.attachments {
        let words = [file.title.as_str(), file.url.as_str()];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        parts.push(text::one_line(&format!("[{}] {}", file.kind, words.join(" "))));
    }
    if parts.is_empty() {
        parts.push("(data of another app)".to_owned());
    }
    let mut text = parts.join("\n");
    if message.edited_at.is_some() {
        text.push_str(" ✎");
    }
    if message.silent {
        text.push_str(" (silent)");
    }
    (text, Style::new())
}

fn quote(app: &App, pane: Option<&Pane>, message: &Message) -> Option<String> {
    let id = message.quoted.filter(|_| !message.is_deleted())?;
    let shown = pane.and_then(|pane| pane.find(id)).map(|item| &item.view.message);
    let quoted = shown.or_else(|| app.known.messages.get(&id).and_then(Option::as_deref));
    Some(match quoted {
        Some(quoted) => preview(app, quoted),
        None => "│ (a message that is not here)".to_owned(),
    })
}

fn preview(app: &App, message: &Message) -> String {
    let words = words(message).0.replace('\n', " ");
    format!("│ {}: {words}", app.known.name(&message.author))
}

/// Returns what stands below a message: why it failed, who pinned it, reactions, replies.
fn below(app: &App, item: &TimelineItem, width: usize, in_thread: bool) -> Vec<Line<'static>> {
    let gutter = gutter_width(width);
    let columns = width.saturating_sub(gutter);
    let mut lines = Vec::new();
    let mut push = |text: &str, style: Style| {
        for line in text::wrap(text, columns) {
            let indent = Span::raw(" ".repeat(gutter));
            lines.push(Line::from(vec![indent, Span::styled(line, style)]));
        }
    };
    if let MessageStatus::Failed(rejection) = &item.view.status {
        let why = text::one_line(&rejection.message);
        push(&format!("not accepted: {why} (x: retry or discard)"), style::BAD);
    }
    if app.pins.has(item.id()) {
        let by = item.view.message.pinned.as_ref();
        let by = by.map_or_else(|| app.me.clone(), |pin| pin.by.clone());
        push(&format!("⚑ pinned by {}", app.known.name(&by)), style::WAITING);
    }
    if !item.reactions.is_empty() && !item.view.message.is_deleted() {
        let groups = item.reactions.iter().map(|group| {
            let kind = text::one_line(group.kind.as_str());
            let mine = if group.mine { "*" } else { "" };
            format!("{kind} {}{mine}", group.count)
        });
        push(&groups.collect::<Vec<_>>().join("  "), style::DIM);
    }
    // The server's number, for not all replies need be here; those that wait are only here.
    let told = item.view.message.thread.map_or(0, |thread| thread.replies);
    match item.replies.max(told) {
        _ if in_thread => {}
        0 if item.view.message.parent.is_some() => push("↳ in a thread", style::FOCUSED),
        0 => {}
        1 => push("↳ 1 reply", style::FOCUSED),
        many => push(&format!("↳ {many} replies"), style::FOCUSED),
    }
    lines
}
