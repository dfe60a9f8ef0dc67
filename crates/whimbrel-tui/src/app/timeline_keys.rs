//! What a key does in a timeline.

use super::{Action, Anchor, App, Dialog, Focus, Pane};
use crate::draw;
use crossterm::event::{KeyCode, KeyEvent};
use tui_input::Input;
use whimbrel::{
    OlderEdge, TimelineItem,
    model::{Role, overlay::MessageStatus},
};

impl App {
    pub(super) fn timeline_key(&mut self, key: KeyEvent) -> Vec<Action> {
        match key.code {
            KeyCode::Up => return self.move_up(1),
            KeyCode::PageUp => {
                let page = draw::rows_area(self).height.saturating_sub(1).max(1);
                return self.move_up(usize::from(page));
            }
            KeyCode::Down => return self.move_down(1),
            KeyCode::PageDown => {
                let page = draw::rows_area(self).height.saturating_sub(1).max(1);
                return self.move_down(usize::from(page));
            }
            KeyCode::Home => {
                if let Some(pane) = self.pane_mut()
                    && let Some(first) = pane.items.front()
                {
                    pane.target = None;
                    pane.anchor = Anchor::Row {
                        id: first.id(),
                        skip: 0,
                    };
                }
                return self.load_older();
            }
            KeyCode::End => return self.go_to_newest(),
            KeyCode::Left => self.focus = Focus::Channels,
            KeyCode::Enter => return self.open_thread(),
            KeyCode::Esc => return self.back(),
            _ => {}
        }
        Vec::new()
    }

    /// Moves up by `lines`, at least to the row before. At the first row it loads older ones.
    fn move_up(&mut self, lines: usize) -> Vec<Action> {
        let Some((pane, mut index)) = self.standing() else {
            return Vec::new();
        };
        let screen = usize::from(draw::rows_area(self).height);
        let height = draw::height(self, pane, index);
        let mut skip = draw::skipped(self, pane, index);
        if skip > 0 {
            skip = skip.saturating_sub(lines);
        } else if index == 0 {
            return self.load_older();
        } else {
            let mut left = lines.saturating_sub(height.min(screen));
            index -= 1;
            // A row that is taller than the screen is not jumped over.
            while index > 0 && left > 0 && draw::height(self, pane, index) <= screen {
                left = left.saturating_sub(draw::height(self, pane, index));
                index -= 1;
            }
            skip = draw::height(self, pane, index).saturating_sub(screen);
        }
        self.stand(index, skip);
        if index == 0 && lines > 1 {
            return self.load_older();
        }
        Vec::new()
    }

    /// Moves down by `lines`, at least to the row after. Beyond the last row is the composer, or what is newer.
    fn move_down(&mut self, lines: usize) -> Vec<Action> {
        let Some((pane, mut index)) = self.standing() else {
            self.focus = Focus::Composer;
            return Vec::new();
        };
        let screen = usize::from(draw::rows_area(self).height);
        let last = pane.items.len() - 1;
        let skip = draw::skipped(self, pane, index);
        let most = draw::height(self, pane, index).saturating_sub(screen);
        if skip < most {
            self.stand(index, (skip + lines).min(most));
            return Vec::new();
        }
        if index == last && pane.is_past() {
            return self.load_newer();
        }
        if index == last {
            if let Some(pane) = self.pane_mut() {
                pane.anchor = Anchor::Newest;
            }
            self.focus = Focus::Composer;
            return Vec::new();
        }
        let mut left = lines.saturating_sub(draw::height(self, pane, index).min(screen));
        index += 1;
        while index < last && left > 0 && draw::height(self, pane, index) <= screen {
            left = left.saturating_sub(draw::height(self, pane, index));
            index += 1;
        }
        self.stand(index, 0);
        match index == last && lines > 1 {
            true => self.load_newer(),
            false => Vec::new(),
        }
    }

    fn standing(&self) -> Option<(&Pane, usize)> {
        let pane = self.pane()?;
        Some((pane, pane.index()?))
    }

    fn stand(&mut self, index: usize, skip: usize) {
        let Some(pane) = self.pane() else { return };
        let Some(item) = pane.items.get(index) else { return };
        let screen = usize::from(draw::rows_area(self).height);
        let at_end = !pane.is_past()
            && index + 1 == pane.items.len()
            && skip + screen >= draw::height(self, pane, index);
        let anchor = match at_end {
            true => Anchor::Newest,
            false => Anchor::Row { id: item.id(), skip },
        };
        if let Some(pane) = self.pane_mut() {
            pane.anchor = anchor;
            pane.target = None;
        }
    }

    fn load_older(&mut self) -> Vec<Action> {
        let Some(pane) = self.pane_mut() else {
            return Vec::new();
        };
        if pane.loading || pane.edge == OlderEdge::Start {
            return Vec::new();
        }
        pane.loading = true;
        vec![Action::LoadOlder(pane.scope.clone())]
    }

    fn load_newer(&mut self) -> Vec<Action> {
        let Some(pane) = self.pane_mut().filter(|pane| pane.is_past()) else {
            return Vec::new();
        };
        if std::mem::replace(&mut pane.loading_newer, true) {
            return Vec::new();
        }
        vec![Action::LoadNewer(pane.scope.clone())]
    }

    /// Carries out a letter on the selected message.
    pub(super) fn message_command(&mut self, letter: char) -> Vec<Action> {
        if letter == 'm' {
            return self.read_thread();
        }
        let Some(item) = self.pane().and_then(Pane::selected).cloned() else {
            return Vec::new();
        };
        match letter {
            'v' => return self.show_receipts(),
            't' => return self.open_thread(),
            'i' => return vec![Action::Explain(item.id())],
            'u' => return self.mark_unread(&item),
            'e' | 'd' | 'r' | 'q' | 'p' if item.view.message.is_deleted() => {
                self.notify("The message is deleted");
            }
            'e' | 'r' | 'q' | 'd' if matches!(item.view.status, MessageStatus::Failed(_)) => {
                self.notify("The server did not accept this message. Retry or discard it in the outbox: x");
            }
            'e' => self.edit(&item),
            'p' => return self.toggle_pin(&item.view),
            'd' => self.ask_to_delete(&item),
            'r' => self.dialog = Some(Dialog::React(item.id(), Input::default())),
            'q' => {
                self.composer.quote(item.id());
                self.focus = Focus::Composer;
            }
            _ => {}
        }
        Vec::new()
    }

    fn mark_unread(&mut self, item: &TimelineItem) -> Vec<Action> {
        let message = &item.view.message;
        if let Some(thread) = &mut self.thread {
            if message.seq == 0 {
                self.notify("Only a reply that was sent can be marked as unread");
                return Vec::new();
            }
            thread.replies.kept_unread = true;
            return vec![Action::MarkThreadUnread(message.cid.clone(), message.id)];
        }
        if message.seq == 0 || !message.is_in_channel() {
            self.notify("Only a message that was sent, and stands in the channel, can be marked as unread");
            return Vec::new();
        }
        if let Some(open) = &mut self.open {
            open.kept_unread = true;
        }
        vec![Action::MarkUnread(message.cid.clone(), message.id)]
    }

    fn edit(&mut self, item: &TimelineItem) {
        let message = &item.view.message;
        if message.author != self.me {
            return self.notify("Only the author can edit a message");
        }
        self.composer.edit(message.id, message.body.clone());
        self.focus = Focus::Composer;
    }

    fn ask_to_delete(&mut self, item: &TimelineItem) {
        let message = &item.view.message;
        let owner = self
            .channels
            .get(&message.cid)
            .is_some_and(|channel| channel.role == Role::Owner);
        if message.author != self.me && !owner {
            return self.notify("Only the author or an owner of the channel can delete a message");
        }
        self.dialog = Some(Dialog::Delete(message.id));
    }
}
