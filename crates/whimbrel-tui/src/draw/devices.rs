//! The account's devices.

use super::{
    rows::{Lines, Look, Row},
    style,
};
use crate::{app::App, text};
use ratatui::style::Style;
use whimbrel::{DeviceItem, DeviceSyncState};

pub(super) fn look(app: &App) -> Look {
    Look {
        title: "Devices".to_owned(),
        empty: "None is registered yet: a device is when it first connects.",
        note: progress(app),
        keys: "n rename  r revoke  s ask the others for what only they have  u look again  Esc close",
        row,
    }
}

fn row(app: &App, at: usize, row: Row) -> Option<Lines> {
    let item = app.devices.get(at)?;
    let name = app.device_name(item.id());
    let (badge, badge_style) = match (&item.device.revoked_at, item.is_this) {
        (Some(_), _) => (" revoked", style::BAD),
        (None, true) => (" this device", style::GOOD),
        (None, false) => ("", Style::new()),
    };
    Some([
        row.line_with((&name, style::BOLD), (badge.to_owned(), badge_style)),
        row.line([(format!("  {}", said(app, item)), style::DIM)]),
    ])
}

/// Returns how far this device is with what only other devices have. Empty: nothing is asked for.
pub(super) fn progress(app: &App) -> String {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    match &app.device_sync {
        DeviceSyncState::Asked => {
            "Your other devices are asked for what only they have; one has to be online".to_owned()
        }
        DeviceSyncState::Receiving { by, received, total } => {
            let by = app.device_name(*by);
            format!("{} of {} KiB have come from {by}", kib(*received), kib(*total))
        }
        DeviceSyncState::Done(_) => "What another device gave is here".to_owned(),
        DeviceSyncState::Failed { by, reason } => {
            let by = app.device_name(*by);
            text::one_line(&format!("What {by} gave could not be taken in: {reason}"))
        }
        _ => String::new(),
    }
}

/// Returns what is known of a device, in words.
fn said(app: &App, item: &DeviceItem) -> String {
    let now = app.now.as_millis();
    let mut parts = Vec::new();
    let agent = text::one_line(item.device.agent.trim());
    if !agent.is_empty() {
        parts.push(agent);
    }
    if let Some(at) = item.device.revoked_at {
        parts.push(format!("revoked {}", text::ago(at.as_millis(), now)));
        return parts.join(" · ");
    }
    parts.push(format!(
        "since {}",
        text::date(text::day(item.device.registered_at.as_millis()))
    ));
    match item.last_seen() {
        Some(at) => parts.push(format!("seen {}", text::ago(at.as_millis(), now))),
        None => parts.push("when it was seen is not known now".to_owned()),
    }
    match item.behind() {
        Some(0) => parts.push("up to date".to_owned()),
        Some(1) => parts.push("1 channel behind".to_owned()),
        Some(many) => parts.push(format!("{many} channels behind")),
        None => {}
    }
    parts.join(" · ")
}
