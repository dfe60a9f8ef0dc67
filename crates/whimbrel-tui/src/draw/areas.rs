//! Where everything stands.

use super::timeline;
use crate::app::{App, Focus};
use ratatui::layout::Rect;

/// Columns and rows below which there are no frames, and one half of the screen at a time.
const SMALL: (u16, u16) = (50, 11);
const CHANNELS: u16 = 26;

pub(super) struct Areas {
    pub(super) channels: Option<Rect>,
    pub(super) timeline: Option<Rect>,
    pub(super) composer: Option<Rect>,
    pub(super) status: Rect,
    pub(super) frames: bool,
}

impl Areas {
    pub(super) fn of(app: &App, screen: Rect) -> Self {
        let Rect { width, height, .. } = screen;
        let rows = height.saturating_sub(1);
        let status = Rect::new(0, rows, width, height - rows);
        let frames = width >= SMALL.0 && height >= SMALL.1;
        if frames {
            let left = CHANNELS.min(width / 3);
            let bottom = 3;
            return Self {
                channels: Some(Rect::new(0, 0, left, rows)),
                timeline: Some(Rect::new(left, 0, width - left, rows - bottom)),
                composer: Some(Rect::new(left, rows - bottom, width - left, bottom)),
                status,
                frames,
            };
        }
        if app.focus == Focus::Channels {
            return Self {
                channels: Some(Rect::new(0, 0, width, rows)),
                timeline: None,
                composer: None,
                status,
                frames,
            };
        }
        let top = rows.saturating_sub(1);
        Self {
            channels: None,
            timeline: Some(Rect::new(0, 0, width, top)),
            composer: Some(Rect::new(0, top, width, rows - top)),
            status,
            frames,
        }
    }
}

/// Returns where the rows of the timeline stand.
pub(crate) fn rows_area(app: &App) -> Rect {
    let (width, height) = app.size;
    let areas = Areas::of(app, Rect::new(0, 0, width, height));
    let area = areas.timeline.unwrap_or_default();
    let inner = if areas.frames {
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    } else {
        area
    };
    timeline::split(app, inner).1
}
