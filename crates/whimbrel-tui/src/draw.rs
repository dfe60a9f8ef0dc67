//! Paints the app. Nothing here changes it, and nothing here can fail: what does not fit is left out.

mod areas;
mod channels;
mod composer;
mod devices;
mod dialogs;
mod help;
mod hits;
mod message;
mod note;
mod outbox;
mod people;
mod pins;
mod requests;
mod rows;
mod settings;
mod status;
mod style;
mod threads;
mod timeline;

pub(crate) use areas::rows_area;
pub(crate) use help::most_scroll as help_scroll;
pub(crate) use timeline::{height, shows_newest, skipped};

use crate::app::{App, Focus};
use areas::Areas;
use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Paragraph},
};

/// Paints the whole screen.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let areas = Areas::of(app, frame.area());
    if let Some(area) = areas.channels {
        let title = channels::title(app, area.width);
        let requests = channels::requests(app);
        let focused = app.focus == Focus::Channels;
        let inner = framed(frame, &areas, area, [&title, &requests], focused);
        channels::draw(app, frame, inner);
    }
    if let Some(area) = areas.timeline {
        let title = timeline::title(app, area.width);
        let typing = timeline::typing(app, area.width);
        let inner = framed(
            frame,
            &areas,
            area,
            [&title, &typing],
            app.focus == Focus::Timeline,
        );
        timeline::draw(app, frame, inner);
    }
    if let Some(area) = areas.composer {
        let title = composer::title(app, area.width);
        let inner = framed(frame, &areas, area, [&title, ""], app.focus == Focus::Composer);
        composer::draw(app, frame, inner);
    }
    status::draw(app, areas.frames, frame, areas.status);
    dialogs::draw(app, frame);
}

/// Draws a frame with a title above and one below, if there is room for frames, and returns what is inside.
fn framed(
    frame: &mut Frame<'_>,
    areas: &Areas,
    area: Rect,
    [above, below]: [&str; 2],
    focused: bool,
) -> Rect {
    if !areas.frames {
        return area;
    }
    let style = if focused { style::FOCUSED } else { style::FRAME };
    let mut block = Block::bordered().border_style(style);
    if !above.is_empty() {
        block = block.title(format!(" {above} "));
    }
    if !below.is_empty() {
        block = block.title_bottom(format!(" {below} "));
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// Writes lines from the top of an area.
fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    frame.render_widget(Paragraph::new(lines), area);
}
