//! The last line: the connection, the outbox, and the keys that are of use here.

use super::{channels, devices, lines, style, timeline};
use crate::{
    app::{App, Focus},
    text,
};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use whimbrel::{DeviceSyncState, SyncState, UnreadTotals};

/// Columns that the reason of a broken connection may take.
const REASON: usize = 44;

pub(super) fn draw(app: &App, has_frames: bool, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    let (state, state_style) = connection(&app.sync);
    let state = text::cut(&format!(" {state}"), width);
    let mut free = width - text::width(&state);
    let mut spans = vec![Span::styled(state, state_style)];
    let mut push = |text: String, style: Style| {
        let text = text::cut(&text, free);
        free -= text::width(&text);
        spans.push(Span::styled(text, style));
    };
    let outbox = app.outbox.summary;
    if outbox.queued > 0 {
        push(format!("  {} queued", outbox.queued), style::WAITING);
    }
    if outbox.rejected > 0 {
        push(format!("  {} rejected (x)", outbox.rejected), style::BAD);
    }
    if app.account.settings.invisible {
        push("  invisible".to_owned(), style::WAITING);
    }
    if let DeviceSyncState::Receiving { .. } = app.device_sync {
        push(format!("  {}", devices::progress(app)), style::WAITING);
    }
    let unread = unread(&app.channels.unread);
    if !unread.is_empty() {
        push(format!("  {unread}"), style::BOLD);
    }
    // Without frames there is no other place for it.
    let typing = timeline::typing(app, area.width);
    let requests = channels::requests(app);
    if !requests.is_empty() && !has_frames {
        push(format!("  {requests}"), style::WAITING);
    }
    match &app.notice {
        Some(notice) => push(format!("  {}", text::one_line(&notice.text)), style::BOLD),
        None if !typing.is_empty() && !has_frames => push(format!("  {typing}"), style::FOCUSED),
        None => push(format!("  {}", keys(app)), style::DIM),
    }
    lines(frame, area, vec![Line::from(spans)]);
}

/// How much is unread in all of the account: what is muted counts for itself.
fn unread(totals: &UnreadTotals) -> String {
    let more = if totals.unknown > 0 { "+" } else { "" };
    let mut parts = Vec::new();
    let mut part = |count: u64, words: String| {
        if count > 0 {
            parts.push(words);
        }
    };
    // What nobody let in yet is counted by the list of requests.
    let messages = totals.messages.saturating_sub(totals.requested);
    part(messages + totals.unknown, format!("{messages}{more} unread"));
    part(totals.mentions, format!("@{}", totals.mentions));
    part(totals.threads, format!("↳{}", totals.threads));
    part(totals.muted, format!("{} muted", totals.muted));
    parts.join(" ")
}

fn connection(state: &SyncState) -> (String, Style) {
    match state {
        SyncState::Offline => ("offline by choice (o)".to_owned(), style::WAITING),
        SyncState::Connecting => ("connecting".to_owned(), style::WAITING),
        SyncState::Authenticating => ("signing in".to_owned(), style::WAITING),
        SyncState::CatchingUp { behind } => (format!("catching up {behind}"), style::WAITING),
        SyncState::Live => ("live".to_owned(), style::GOOD),
        SyncState::BackingOff { retry_in_ms, reason } => {
            let seconds = retry_in_ms.div_ceil(1_000);
            let reason = text::cut(&text::one_line(reason), REASON);
            (format!("waiting {seconds}s: {reason}"), style::WAITING)
        }
        SyncState::NeedsAuth { reason } => {
            let reason = text::cut(&text::one_line(reason), REASON);
            (format!("signed out: {reason} (o)"), style::BAD)
        }
        SyncState::Failed { reason } => {
            let reason = text::cut(&text::one_line(reason), REASON);
            (format!("stopped: {reason} (o)"), style::BAD)
        }
        SyncState::Revoked { .. } => ("this device was revoked".to_owned(), style::BAD),
        SyncState::Closed => ("closed".to_owned(), style::BAD),
        _ => ("in a state of a newer client".to_owned(), style::WAITING),
    }
}

fn keys(app: &App) -> &'static str {
    match app.focus {
        Focus::Channels => "? help  Enter open  s search  T threads  p pin  a archive  h hide  m mute  n new",
        Focus::Timeline if app.thread.is_some() => {
            "? help  e edit  d delete  r react  q quote  p pin  u unread  m read and follow"
        }
        Focus::Timeline => "? help  e edit  d delete  r react  t thread  q quote  p pin  P pins  u unread",
        Focus::Composer => "Enter send  Up messages  ^S silent  Esc lists, where ? o s T work",
    }
}
