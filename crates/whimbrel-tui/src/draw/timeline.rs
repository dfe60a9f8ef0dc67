//! The right side: the rows that fit around where the reader stands.

use super::{lines, message, rows_area, style};
use crate::{
    app::{Anchor, App, Focus, Pane},
    text,
};
use ratatui::{Frame, layout::Rect, text::Line};

/// Of the rows of a thread, the part that the message it is about may take.
const PARENT_PART: u16 = 3;

pub(super) fn title(app: &App, width: u16) -> String {
    let Some(open) = &app.open else {
        return String::new();
    };
    let channel = app.channels.title(&open.scope.cid);
    let title = if app.thread.is_some() {
        format!("Thread in {channel}")
    } else {
        let members = app.known.members.get(&open.scope.cid);
        let names: Vec<_> = members
            .into_iter()
            .flatten()
            .map(|user| match app.people.online(user) {
                Some(true) => format!("●{}", app.known.name(user)),
                _ => app.known.name(user),
            })
            .collect();
        let channel = match app.people.watchers.as_ref().map(|watchers| watchers.count) {
            None | Some(0) => channel,
            Some(count) => format!("{channel} · {count} here"),
        };
        match names.is_empty() {
            true => channel,
            false => format!("{channel}: {}", names.join(", ")),
        }
    };
    let title = match app.pane().is_some_and(Pane::is_past) {
        true => format!("in the past (End: newest) · {title}"),
        false => title,
    };
    text::cut(&title, usize::from(width.saturating_sub(4)))
}

/// Returns who types, in words.
pub(super) fn typing(app: &App, width: u16) -> String {
    let typing = app.pane().map_or(&[][..], |pane| &pane.typing);
    let names: Vec<_> = typing.iter().map(|user| app.known.name(user)).collect();
    let words = match names.as_slice() {
        [] => return String::new(),
        [one] => format!("{one} is typing …"),
        [one, other] => format!("{one} and {other} are typing …"),
        many => format!("{} people are typing …", many.len()),
    };
    text::cut(&words, usize::from(width.saturating_sub(4)))
}

pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let (top, rows) = split(app, area);
    if let Some(thread) = &app.thread {
        let mut parent = message::parent(app, thread.parent.as_deref(), usize::from(top.width));
        parent.truncate(usize::from(top.height.saturating_sub(1)));
        let replies = match thread.replies.items.len() {
            0 => "no replies yet".to_owned(),
            1 => "1 reply".to_owned(),
            many => format!("{many} replies"),
        };
        parent.push(message::rule(&replies, usize::from(top.width)));
        lines(frame, top, parent);
    }
    let Some(pane) = app.pane() else {
        let hint = ["", "  Enter opens a channel", "  n makes a new one", "  ? helps"];
        return lines(
            frame,
            rows,
            hint.map(|line| Line::styled(line, style::DIM)).to_vec(),
        );
    };
    if pane.items.is_empty() {
        let hint = match pane.ready {
            false if pane.target.is_some() => "  Looking for the message …",
            false => "",
            true => "  Nothing here yet: write the first message",
        };
        if app.thread.is_none() {
            lines(frame, rows, vec![Line::raw(""), Line::styled(hint, style::DIM)]);
        }
        return;
    }
    let visible = visible(app, pane, rows);
    let free = usize::from(rows.height).saturating_sub(visible.lines.len());
    let free = u16::try_from(free).unwrap_or(0);
    let bottom = Rect::new(rows.x, rows.y + free, rows.width, rows.height - free);
    lines(frame, bottom, visible.lines);
}

/// Splits the right side: the top for the message that a thread is about, the rest for rows.
pub(super) fn split(app: &App, area: Rect) -> (Rect, Rect) {
    let Some(thread) = &app.thread else {
        return (Rect::new(area.x, area.y, area.width, 0), area);
    };
    let wanted = message::parent(app, thread.parent.as_deref(), usize::from(area.width)).len() + 1;
    let most = area.height / PARENT_PART;
    let top = u16::try_from(wanted).unwrap_or(most).min(most);
    (
        Rect::new(area.x, area.y, area.width, top),
        Rect::new(area.x, area.y + top, area.width, area.height - top),
    )
}

/// Returns how many lines a row takes.
pub(crate) fn height(app: &App, pane: &Pane, index: usize) -> usize {
    message::row(app, pane, index, usize::from(rows_area(app).width), false).len()
}

/// Returns how many lines of the row where the reader stands are above the screen.
pub(crate) fn skipped(app: &App, pane: &Pane, index: usize) -> usize {
    let most = height(app, pane, index).saturating_sub(usize::from(rows_area(app).height));
    match pane.anchor {
        Anchor::Newest => most,
        Anchor::Row { skip, .. } => skip.min(most),
    }
}

/// Returns whether the end of the open channel can be seen.
pub(crate) fn shows_newest(app: &App) -> bool {
    let rows = rows_area(app);
    app.pane()
        .is_some_and(|pane| !pane.is_past() && rows.height > 0 && visible(app, pane, rows).to_the_end)
}

struct Visible {
    lines: Vec<Line<'static>>,
    /// Whether the last line of the last row is among them.
    to_the_end: bool,
}

/// Collects the lines that fit. The row where the reader stands is in the middle, if there is enough on both sides.
fn visible(app: &App, pane: &Pane, area: Rect) -> Visible {
    let (width, screen) = (usize::from(area.width), usize::from(area.height));
    let Some(index) = pane.index() else {
        return Visible {
            lines: Vec::new(),
            to_the_end: true,
        };
    };
    let shown_selected = app.focus == Focus::Timeline;
    let row = |at: usize| message::row(app, pane, at, width, shown_selected && at == index);
    let here = row(index);
    let last = index + 1 == pane.items.len();
    if here.len() >= screen {
        let skip = match pane.anchor {
            Anchor::Newest => here.len() - screen,
            Anchor::Row { skip, .. } => skip.min(here.len() - screen),
        };
        return Visible {
            to_the_end: last && skip + screen == here.len(),
            lines: here.into_iter().skip(skip).take(screen).collect(),
        };
    }
    let free = screen - here.len();
    let mut below = Vec::new();
    let mut next = index + 1;
    while below.len() < free && next < pane.items.len() {
        below.extend(row(next));
        next += 1;
    }
    let mut above: Vec<Vec<Line<'static>>> = Vec::new();
    let mut count = 0;
    let mut before = index;
    while count < free && before > 0 {
        before -= 1;
        let lines = row(before);
        count += lines.len();
        above.push(lines);
    }
    let all_below = below.len();
    let under = all_below.min((free / 2).max(free.saturating_sub(count)));
    let over = count.min(free - under);
    below.truncate(under);
    let mut lines: Vec<_> = above.into_iter().rev().flatten().skip(count - over).collect();
    lines.extend(here);
    lines.extend(below);
    Visible {
        lines,
        to_the_end: next == pane.items.len() && under == all_below,
    }
}
