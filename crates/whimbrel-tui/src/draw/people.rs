//! The people in the open channel, and who has a message.

use super::{
    rows::{Lines, Look, Row},
    style,
};
use crate::{app::App, text};
use ratatui::style::Style;
use whimbrel::{
    PresenceOf,
    model::{ConsentState, Timestamp, UserId},
};

pub(super) fn look(app: &App) -> Look {
    let open = app.open.as_ref().map(|open| app.channels.title(&open.scope.cid));
    Look {
        title: format!("People in {}", open.unwrap_or_default()),
        empty: "It is not known who is here.",
        note: String::new(),
        keys: "m mute  b block  a allow; the same key again undoes  Esc close",
        row,
    }
}

pub(super) fn receipts(app: &App) -> Look {
    let asked = app.people.receipts.as_ref().map(|(id, _)| *id);
    let item = asked.and_then(|id| app.pane()?.find(id));
    let words = item.map_or(String::new(), |item| {
        item.view.message.body.text.chars().take(100).collect()
    });
    Look {
        title: format!("Who has \"{}\"", text::one_line(&words)),
        empty: "Nobody, or it is not told: it has to be sent, in a channel that is not too large.",
        note: String::new(),
        keys: "Esc close",
        row: receipt,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let user = app.person(at)?;
    let invited = at >= app.people_here().len();
    let name = app.known.name(user);
    let id = match name == user.as_str() {
        true => String::new(),
        false => format!(" ({user})"),
    };
    let (dot, dot_style) = match app.people.online(user) {
        Some(true) => ("● ", style::GOOD),
        Some(false) => ("○ ", style::DIM),
        None => ("? ", style::DIM),
    };
    let presence = app.people.presence.get(user);
    let words = match presence {
        _ if invited => "invited".to_owned(),
        Some(presence) => said(presence, app.now),
        None => "not asked about".to_owned(),
    };
    Some([
        row.line([
            (dot.to_owned(), dot_style),
            (name, style::BOLD),
            (id, Style::new()),
            (held(app, user), style::WAITING),
        ]),
        row.line([(format!("  {words}"), style::DIM)]),
    ])
}

/// Returns what the account has decided of somebody.
fn held(app: &App, user: &UserId) -> String {
    let now = app.account.people.of(user);
    let contact = app.account.contacts.get(user);
    let until = |time: Option<Timestamp>| match time {
        Some(time) => format!(" until {}", text::moment(time.as_millis())),
        None => String::new(),
    };
    let mut parts = Vec::new();
    match now.consent {
        ConsentState::Unknown => {}
        ConsentState::Allowed => parts.push("allowed".to_owned()),
        ConsentState::Denied => {
            let end = contact.and_then(|contact| contact.denied_until);
            parts.push(format!("blocked{}", until(end)));
        }
    }
    if now.muted {
        let end = contact.and_then(|contact| contact.muted?.until);
        parts.push(format!("muted{}", until(end)));
    }
    match parts.is_empty() {
        true => String::new(),
        false => format!("  {}", parts.join(", ")),
    }
}

/// Returns how somebody is, in words.
fn said(of: &PresenceOf, now: Timestamp) -> String {
    if let Some((_, why)) = &of.refused {
        return text::one_line(&format!("the server does not tell: {why}"));
    }
    let active = of
        .last_active
        .map(|at| text::ago(at.as_millis(), now.as_millis()));
    let mut parts = Vec::new();
    match (of.online, active) {
        (Some(true), _) if of.invisible => parts.push("online, and offline for others".to_owned()),
        (Some(true), _) => parts.push("online".to_owned()),
        (Some(false), Some(active)) => parts.push(format!("active {active}")),
        (Some(false), None) => parts.push("offline".to_owned()),
        (None, Some(active)) => parts.push(format!("not known now; was active {active}")),
        (None, None) => parts.push("not known now".to_owned()),
    }
    if !of.status.is_empty() {
        parts.push(text::one_line(&of.status));
    }
    parts.join(" · ")
}

fn receipt(app: &App, at: usize, row: Row) -> Option<Lines> {
    let (_, items) = app.people.receipts.as_ref()?;
    let item = items.get(at)?;
    let (state, state_style) = match (item.delivered, item.read) {
        (_, true) => ("✓✓ read", style::READ),
        (true, false) => ("✓✓ delivered", style::GOOD),
        (false, false) => ("✓  not there yet", style::DIM),
    };
    let devices = item.devices.iter().map(|of| {
        let mark = if of.delivered { "✓✓" } else { "✓" };
        format!("{mark} {}", app.device_name(of.device))
    });
    let devices = devices.collect::<Vec<_>>().join("  ");
    let name = app.known.name(&item.user);
    Some([
        row.line_with((&name, style::BOLD), (state.to_owned(), state_style)),
        row.line([(format!("  {devices}"), style::DIM)]),
    ])
}
