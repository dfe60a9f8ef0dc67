//! What a search found, and what it did not look at.

use super::{lines, rows, rows::Row, style};
use crate::{app::App, text};
use ratatui::{Frame, layout::Rect, style::Style, text::Line};
use whimbrel::{Found, NotSearched, SearchHit};

/// Lines of what was not searched, at most.
const SAID: usize = 3;

/// Lines of a hit.
const HEIGHT: usize = 2;

/// Draws everything below the field.
pub(super) fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let results = &app.search.results;
    let width = usize::from(area.width);
    let said = said(app, width);
    let free = usize::from(area.height).saturating_sub(said.len() + 1);
    let fit = (free / HEIGHT).max(1);
    let at = app.search.at;
    let first = rows::first(at, results.hits.len(), fit);
    let shown = results.hits.iter().enumerate().skip(first).take(fit);
    let mut shown: Vec<_> = shown
        .flat_map(|(index, hit)| {
            let selected = index == at;
            row(app, hit, Row { selected, width })
        })
        .collect();
    shown.resize(free, Line::raw(""));
    shown.extend(said);
    let keys = "Enter go there  ↑ ↓ choose  \"a phrase\"  in:general  by:bob  Esc close";
    shown.push(Line::styled(text::cut(keys, width), style::DIM));
    lines(frame, area, shown);
}

fn row(app: &App, hit: &SearchHit, row: Row) -> rows::Lines {
    let message = &hit.message;
    let at = message.accepted_at.unwrap_or(message.composed_at).as_millis();
    let place = app.channels.title(&message.cid);
    let thread = if message.is_in_channel() {
        ""
    } else {
        " ↳ thread"
    };
    let (found, found_style) = match hit.found {
        Found::Local => ("device", style::WAITING),
        Found::Server => ("server", style::FOCUSED),
        Found::Both => ("both", style::GOOD),
    };
    let who = app.known.name(&message.author);
    let head = format!("{place}{thread} · {who} · {}", text::moment(at));
    let words: String = message.body.text.chars().take(400).collect();
    [
        row.line_with((&head, style::BOLD), (format!(" [{found}]"), found_style)),
        row.line([(format!("  {}", text::one_line(&words)), Style::new())]),
    ]
}

/// What says how far the search has come, and what it leaves out.
fn said(app: &App, width: usize) -> Vec<Line<'static>> {
    let results = &app.search.results;
    let (words, words_style) = match &results.problem {
        Some(problem) => (text::one_line(problem), style::BAD),
        None if results.text.trim().is_empty() => (String::new(), style::DIM),
        None => {
            let more = if results.more { "+" } else { "" };
            let mut words = format!("{}{more} found", results.hits.len());
            if !results.done {
                words.push_str(" on this device; asking the server …");
                return vec![Line::styled(text::cut(&words, width), style::WAITING)];
            }
            let left: Vec<_> = results
                .not_searched
                .iter()
                .map(|part| left_out(app, part))
                .collect();
            if left.is_empty() {
                words.push_str("; everything was searched");
                (words, style::GOOD)
            } else {
                (
                    format!("{words}; not searched: {}", left.join("; ")),
                    style::WAITING,
                )
            }
        }
    };
    let mut lines = text::wrap(&words, width);
    lines.truncate(SAID);
    lines
        .into_iter()
        .map(|line| Line::styled(line, words_style))
        .collect()
}

/// Returns what was not searched, in words.
fn left_out(app: &App, part: &NotSearched) -> String {
    match part {
        NotSearched::Server { error: Some(error) } => {
            format!("the server ({})", text::one_line(&error.to_string()))
        }
        NotSearched::Server { error: None } => "the server".to_owned(),
        NotSearched::Gaps { channels } => {
            let names: Vec<_> = channels.iter().map(|cid| app.channels.title(cid)).collect();
            format!("what this device lacks of {}", names.join(", "))
        }
        NotSearched::Channels { count, .. } => format!("{count} channels on the server"),
        NotSearched::UnindexedHere { messages } => format!("{messages} not indexed here yet"),
        NotSearched::UnindexedThere { messages } => format!("{messages} not indexed on the server yet"),
        _ => "a part that this client does not know of".to_owned(),
    }
}
