//! The threads that the account follows, and the one that is open.

use super::{Action, Anchor, App, Focus, Pane, Scope, Thread, known};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    Items, ThreadItem, TimelineItem,
    model::{ChannelId, MessageId, overlay::MessageView},
};

/// The followed threads, the one with the newest reply first.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    pub(crate) items: Items<ThreadItem>,
    pub(crate) has_more: bool,
}

/// Returns a row for a message that stands alone.
pub(super) fn alone(view: MessageView) -> Arc<TimelineItem> {
    Arc::new(TimelineItem {
        view,
        reactions: Vec::new(),
        replies: 0,
        receipt: None,
        hidden: false,
        gap_before: false,
    })
}

impl App {
    pub(super) fn threads_changed(&mut self, items: Items<ThreadItem>, has_more: bool) -> Vec<Action> {
        let parents = items.iter().map(|item| &item.parent);
        let views = parents.chain(items.iter().filter_map(|item| item.last_reply.as_ref()));
        let unknown = self.known.ask_for_users(views.map(|view| &view.message.author));
        if let Some(thread) = &mut self.thread
            && let Some(item) = items.iter().find(|item| item.parent.message.id == thread.id)
        {
            let shown = thread.parent.get_or_insert_with(|| alone(item.parent.clone()));
            Arc::make_mut(shown).view.clone_from(&item.parent);
        }
        let names = items.iter().map(|item| &item.parent.message.cid);
        let mut actions = self.channels.ask_for_names(names);
        self.threads = Threads { items, has_more };
        actions.extend(known::read_users(unknown));
        actions
    }

    pub(super) fn threads_key(&mut self, at: usize, key: KeyCode) -> Vec<Action> {
        let Some(item) = self.threads.items.get(at).cloned() else {
            return Vec::new();
        };
        match key {
            KeyCode::Enter => {
                self.dialog = None;
                self.open_followed(&item)
            }
            KeyCode::Char('m') => {
                let parent = &item.parent.message;
                vec![Action::MarkThreadRead(parent.cid.clone(), parent.id)]
            }
            KeyCode::Down | KeyCode::PageDown | KeyCode::End
                if at + 1 == self.threads.items.len() && self.threads.has_more =>
            {
                vec![Action::MoreThreads]
            }
            _ => Vec::new(),
        }
    }

    fn open_followed(&mut self, item: &ThreadItem) -> Vec<Action> {
        let parent = &item.parent.message;
        let mut actions = self.open_channel(parent.cid.clone());
        actions.extend(self.show_thread(parent.id, Some(alone(item.parent.clone())), None));
        actions
    }

    /// Opens the thread of the selected message; of a reply that stands in the channel, the one that it is in.
    pub(super) fn open_thread(&mut self) -> Vec<Action> {
        if self.thread.is_some() {
            self.focus = Focus::Composer;
            return Vec::new();
        }
        let Some(selected) = self.open.as_ref().and_then(Pane::selected).cloned() else {
            return Vec::new();
        };
        match selected.view.message.parent {
            Some(parent) => self.show_thread(parent, None, None),
            None => self.show_thread(selected.id(), Some(selected), None),
        }
    }

    /// Shows a thread of the open channel, around one of its replies if that is asked for.
    pub(super) fn show_thread(
        &mut self,
        id: MessageId,
        parent: Option<Arc<TimelineItem>>,
        around: Option<MessageId>,
    ) -> Vec<Action> {
        let Some(open) = &self.open else {
            return Vec::new();
        };
        let cid = open.scope.cid.clone();
        let parent = open.find(id).cloned().or(parent);
        let known = self.known.messages.get(&id).is_some_and(Option::is_some);
        let scope = Scope::thread(cid, id);
        let mut actions: Vec<_> = self.leave_composer().into_iter().collect();
        if parent.is_none() && !known {
            actions.push(Action::ReadMessage(id));
        }
        let replies = Pane {
            target: around,
            ..Pane::new(scope.clone())
        };
        self.thread = Some(Thread { id, parent, replies });
        self.enter_composer();
        self.focus = match around {
            Some(_) => Focus::Timeline,
            None => Focus::Composer,
        };
        actions.push(match around {
            Some(reply) => Action::WatchAround(scope, reply),
            None => Action::Watch(scope),
        });
        actions
    }

    /// Marks the open thread as read, and follows it from now on.
    pub(super) fn read_thread(&mut self) -> Vec<Action> {
        let Some(thread) = &mut self.thread else {
            return Vec::new();
        };
        thread.replies.kept_unread = false;
        let (cid, id) = (thread.replies.scope.cid.clone(), thread.id);
        self.notify("Read. The thread is in the list of threads: T");
        vec![Action::MarkThreadRead(cid, id)]
    }

    /// Marks the open thread as read when its newest reply can be seen, if it is one that is followed.
    pub(super) fn mark_thread_read(&mut self) -> Option<Action> {
        let thread = self.thread.as_ref()?;
        let newest = thread.replies.items.last()?.id();
        let unread = self
            .threads
            .items
            .iter()
            .find(|item| item.parent.message.id == thread.id)
            .is_some_and(|item| item.unread + item.unread_unknown > 0);
        let pane = &thread.replies;
        if !unread || pane.kept_unread || pane.marked == Some(newest) || !crate::draw::shows_newest(self) {
            return None;
        }
        let action = Action::MarkThreadRead(pane.scope.cid.clone(), thread.id);
        self.thread.as_mut()?.replies.marked = Some(newest);
        Some(action)
    }

    /// Goes to the newest messages of what is open.
    pub(super) fn go_to_newest(&mut self) -> Vec<Action> {
        let Some(pane) = self.pane_mut() else {
            return Vec::new();
        };
        pane.anchor = Anchor::Newest;
        pane.target = None;
        match pane.is_past() {
            true => vec![Action::Newest(pane.scope.clone())],
            false => Vec::new(),
        }
    }

    /// Returns how many replies of a channel's followed threads are unread.
    pub(crate) fn unread_threads_in(&self, cid: &ChannelId) -> usize {
        let items = self.threads.items.iter();
        items
            .filter(|item| item.parent.message.cid == *cid && item.unread > 0)
            .count()
    }
}
