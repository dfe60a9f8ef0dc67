//! What is written and not sent: kept with every pause, shown again, and beside it what other devices wrote.

use super::{
    Action, App, Scope,
    composer::{Kept, Writing, is_empty, same},
    mentions,
};
use tui_input::Input;
use whimbrel::model::{ChannelId, DraftContent, DraftSeen, MessageId, MessageScope};

/// Seconds without a key after which a draft is saved.
const PAUSE: u8 = 1;

/// The drafts of one place. What this device wrote comes first: the line does not change under its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDraft {
    /// For which channel or thread.
    pub scope: Scope,
    /// What it says.
    pub content: DraftContent,
    /// Which version of another device's it is. Absent: this device wrote it.
    pub seen: Option<DraftSeen>,
    /// What other devices wrote beside it.
    pub beside: Vec<(DraftContent, DraftSeen)>,
}

/// Returns for which thread a draft of a scope is.
pub(crate) const fn parent(scope: &Scope) -> Option<MessageId> {
    match scope.messages {
        MessageScope::Channel => None,
        MessageScope::Thread(parent) => Some(parent),
    }
}

/// Returns what the line shows of a draft.
fn kept(shown: Option<&ShownDraft>) -> Kept {
    shown.map_or_else(Kept::default, |shown| Kept {
        content: shown.content.clone(),
        replaces: shown.seen.into_iter().collect(),
        ..Kept::default()
    })
}

/// Returns whether what the client shows is what was saved.
fn confirms(shown: Option<&ShownDraft>, saved: &DraftContent) -> bool {
    match shown.filter(|shown| shown.seen.is_none()) {
        Some(own) => same(&own.content, saved),
        None => is_empty(saved),
    }
}

impl App {
    /// Puts what is being written away, under the place that it is written for, and saves it.
    pub(crate) fn leave_composer(&mut self) -> Option<Action> {
        self.composer.cancel_edit();
        let action = self.save_draft();
        if let Some(scope) = self.pane().map(|pane| pane.scope.clone()) {
            let kept = std::mem::take(&mut self.composer.kept);
            if kept.awaited {
                self.composer.recent.insert(scope, kept);
            }
        }
        self.composer.show(Kept::default());
        action
    }

    /// Takes out what was written here before.
    pub(crate) fn enter_composer(&mut self) {
        let Some(scope) = self.pane().map(|pane| pane.scope.clone()) else {
            return;
        };
        let recent = self.composer.recent.remove(&scope);
        let kept = recent.unwrap_or_else(|| kept(self.draft_of(&scope)));
        self.composer.show(kept);
    }

    /// Saves what is being written, if it is not kept already.
    pub(super) fn save_draft(&mut self) -> Option<Action> {
        let scope = self.pane()?.scope.clone();
        let mut content = self.composer.draft();
        if same(&content, &self.composer.kept.content) {
            return None;
        }
        let members = self.known.members.get(&scope.cid).map(Vec::as_slice);
        mentions::apply(&mut content.body, &self.composer.kept.content.body.text, members);
        let kept = &mut self.composer.kept;
        kept.content.clone_from(&content);
        (kept.awaited, kept.idle) = (true, 0);
        let replaces = kept.replaces.clone();
        let content = Some(content).filter(|content| !is_empty(content));
        Some(Action::SaveDraft(scope, content, replaces))
    }

    /// Takes the finished draft for a message. The action gives up what is kept of it.
    pub(super) fn finish_draft(&mut self) -> (DraftContent, Option<Action>) {
        let mut content = self.composer.draft();
        let Some(scope) = self.pane().map(|pane| pane.scope.clone()) else {
            return (content, None);
        };
        let members = self.known.members.get(&scope.cid).map(Vec::as_slice);
        mentions::apply(&mut content.body, &self.composer.kept.content.body.text, members);
        let before = std::mem::take(&mut self.composer.kept);
        let was_kept = before.awaited || !is_empty(&before.content) || !before.replaces.is_empty();
        self.composer.show(Kept {
            awaited: was_kept,
            ..Kept::default()
        });
        let action = was_kept.then_some(Action::SaveDraft(scope, None, before.replaces));
        (content, action)
    }

    /// Saves what is written once there is a pause.
    pub(super) fn draft_tick(&mut self) -> Option<Action> {
        if self.composer.kept.idle < PAUSE {
            self.composer.kept.idle += 1;
            return None;
        }
        self.save_draft()
    }

    pub(super) fn drafts_changed(&mut self, drafts: Vec<ShownDraft>) {
        self.drafts = drafts;
        let shown = |scope: &Scope| self.drafts.iter().find(|draft| draft.scope == *scope);
        self.composer
            .recent
            .retain(|scope, kept| !confirms(shown(scope), &kept.content));
        let Some(scope) = self.pane().map(|pane| pane.scope.clone()) else {
            return;
        };
        let shown = self.draft_of(&scope).cloned();
        let written = self.composer.draft();
        let here = &mut self.composer.kept;
        if here.awaited {
            here.awaited = !confirms(shown.as_ref(), &here.content);
            return;
        }
        let news = kept(shown.as_ref());
        let unchanged = same(&written, &here.content) && !self.composer.edits();
        if unchanged && !same(&news.content, &written) {
            self.composer.show(news);
        }
    }

    pub(crate) fn draft_of(&self, scope: &Scope) -> Option<&ShownDraft> {
        self.drafts.iter().find(|draft| draft.scope == *scope)
    }

    /// Returns what is written in a channel: in its line, else in one of its threads.
    pub(crate) fn draft_in(&self, cid: &ChannelId) -> Option<&ShownDraft> {
        let mut here = self.drafts.iter().filter(|draft| draft.scope.cid == *cid);
        let first = here.next();
        let in_channel = |draft: &&ShownDraft| draft.scope.messages == MessageScope::Channel;
        first
            .filter(in_channel)
            .or_else(|| here.find(in_channel))
            .or(first)
    }

    /// Returns what another device wrote here, and is not in the line.
    pub(crate) fn draft_beside(&self) -> Option<(&DraftContent, DraftSeen)> {
        let shown = self.draft_of(&self.pane()?.scope)?;
        let replaced = &self.composer.kept.replaces;
        let mut beside = shown.beside.iter();
        let (content, seen) = beside.find(|(_, seen)| !replaced.contains(seen))?;
        Some((content, *seen))
    }

    /// Takes what another device wrote into the line, behind what is there.
    pub(super) fn take_beside(&mut self) {
        if self.composer.edits() {
            return self.notify("An edit is in the line: finish it first");
        }
        let beside = self.draft_beside();
        let Some((content, seen)) = beside.map(|(content, seen)| (content.clone(), seen)) else {
            return self.notify("No other device has a draft here");
        };
        let here = self.composer.input.value();
        let text = match here.is_empty() {
            true => content.body.text,
            false => format!("{here}\n{}", content.body.text),
        };
        self.composer.input = Input::new(text);
        if let (Writing::New, Some(quoted)) = (&self.composer.writing, content.quoted) {
            self.composer.writing = Writing::Quote(quoted);
        }
        self.composer.kept.replaces.push(seen);
    }
}
