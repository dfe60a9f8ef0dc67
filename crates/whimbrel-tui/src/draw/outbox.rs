//! The outbox: what waits, and what was rejected and why.

use super::{
    rows::{Lines, Look, Row},
    style,
};
use crate::{app::App, text};
use ratatui::style::Style;
use whimbrel::model::{ConsentState, ContactChange, MembershipChange, Op, OutboxItem, UserId};

pub(super) fn look() -> Look {
    Look {
        title: "Outbox".to_owned(),
        empty: "Nothing waits: everything has reached the server.",
        note: String::new(),
        keys: "R retry  D discard  Esc close",
        row,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let item = app.outbox.items.get(at)?;
    let (what, words) = words(&item.op);
    let place = item
        .op
        .cid()
        .map(|cid| format!(" in {}", app.channels.title(cid)));
    let place = place.unwrap_or_default();
    let time = text::clock(item.composed_at.as_millis());
    let first = match words.is_empty() {
        true => format!("{time} {what}{place}"),
        false => format!("{time} {what}{place}: {words}"),
    };
    let (state, state_style) = match item.rejection() {
        Some(rejection) => {
            let why = text::one_line(&rejection.message);
            (format!("rejected: {why}"), style::BAD)
        }
        None => (waiting(item), style::WAITING),
    };
    Some([
        row.line([(text::one_line(&first), Style::new())]),
        row.line([(format!("      {state}"), state_style)]),
    ])
}

fn waiting(item: &OutboxItem) -> String {
    let tries = match item.attempted {
        true => "on its way, not answered yet",
        false => "waits for the connection",
    };
    match &item.last_error {
        Some(code) => format!("{tries} (last answer: {})", text::one_line(code.as_str())),
        None => tries.to_owned(),
    }
}

/// Returns what an operation is, and the words that the user put into it.
fn words(op: &Op) -> (&'static str, String) {
    match op {
        Op::CreateChannel { name, .. } => ("new channel", name.clone()),
        Op::UpdateChannel { .. } => ("change of the channel", String::new()),
        Op::AddMembers { users: who, .. } => ("new members", users(who)),
        Op::RemoveMembers { users: who, .. } => ("members removed", users(who)),
        Op::InviteMembers { users: who, .. } => ("invitation", users(who)),
        Op::AnswerInvite { accept: true, .. } => ("invitation accepted", String::new()),
        Op::AnswerInvite { accept: false, .. } => ("invitation rejected", String::new()),
        Op::SendMessage { body, .. } => ("message", body.text.clone()),
        Op::EditMessage { body, .. } => ("edit", body.text.clone()),
        Op::DeleteMessage { .. } => ("deletion", String::new()),
        Op::AddReaction { kind, .. } => ("reaction", kind.as_str().to_owned()),
        Op::RemoveReaction { kind, .. } => ("reaction taken back", kind.as_str().to_owned()),
        Op::MarkRead { .. } => ("read position", String::new()),
        Op::MarkDelivered { .. } => ("what has arrived here", String::new()),
        Op::PinMessage { .. } => ("pin", String::new()),
        Op::UnpinMessage { .. } => ("pin taken back", String::new()),
        Op::UpdateMembership { change, .. } => (kept(change), String::new()),
        Op::SaveDraft {
            content: Some(content),
            ..
        } => ("draft", content.body.text.clone()),
        Op::SaveDraft { content: None, .. } => ("draft given up", String::new()),
        Op::UpdateUser { .. } => ("profile", String::new()),
        Op::UpdateContact { user, change } => (decided(change), user.to_string()),
        _ => (of_account(op), String::new()),
    }
}

fn users(users: &[UserId]) -> String {
    let names: Vec<_> = users.iter().map(UserId::as_str).collect();
    names.join(", ")
}

const fn kept(change: &MembershipChange) -> &'static str {
    match change.consent {
        Some(ConsentState::Allowed) => "request allowed",
        Some(ConsentState::Denied) => "request denied",
        Some(ConsentState::Unknown) => "decision taken back",
        None => "how the channel is kept",
    }
}

const fn decided(change: &ContactChange) -> &'static str {
    match &change.consent {
        Some(consent) => match consent.state {
            ConsentState::Allowed => "allowed",
            ConsentState::Denied => "blocked",
            ConsentState::Unknown => "no longer blocked",
        },
        None => "muting",
    }
}

/// Returns what an operation on the account itself is.
const fn of_account(op: &Op) -> &'static str {
    match op {
        Op::UpdateSettings { .. } => "settings",
        Op::RegisterDevice { .. } => "this device",
        Op::UpdateDevice { .. } => "change of a device",
        Op::RevokeDevice { .. } => "device revoked",
        Op::RequestDeviceSync { .. } => "request to the other devices",
        Op::OfferDeviceSync { .. } => "offer to another device",
        Op::EndDeviceSync { .. } => "end of a device sync",
        _ => "change",
    }
}
