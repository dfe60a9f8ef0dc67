//! The line that is being written, and the ones that were put away and are not heard of yet.

use super::Scope;
use std::collections::HashMap;
use tui_input::Input;
use whimbrel::model::{DraftContent, DraftSeen, MessageBody, MessageId};

/// What the line will become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Writing {
    /// A message.
    #[default]
    New,
    /// A message with another one above it.
    Quote(MessageId),
    /// Another body of a message.
    Edit(MessageId, Box<MessageBody>),
}

#[derive(Debug, Default)]
pub(crate) struct Composer {
    pub(crate) input: Input,
    pub(crate) writing: Writing,
    /// Whether the message will never count as unread.
    pub(crate) silent: bool,
    /// Whether a reply will stand in the channel too.
    pub(crate) in_channel: bool,
    /// What was written before an edit began.
    before_edit: Option<(Input, Box<Writing>)>,
    /// Where the others were told that the user types.
    pub(super) told: Option<Scope>,
    /// How the draft stands to what is kept of it.
    pub(super) kept: Kept,
    /// Drafts that were put away, until the client shows them.
    pub(super) recent: HashMap<Scope, Kept>,
}

/// What is kept of a draft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// As it was shown or saved last. It holds what the line cannot show, too.
    pub(super) content: DraftContent,
    /// Whether the client has not shown yet what was saved last.
    pub(super) awaited: bool,
    /// What other devices wrote that is in it.
    pub(super) replaces: Vec<DraftSeen>,
    /// Seconds since the last key.
    pub(super) idle: u8,
}

/// Returns whether two drafts say the same. Mentions follow from the text.
pub(super) fn same(one: &DraftContent, other: &DraftContent) -> bool {
    let of = |content: &DraftContent| (content.quoted, content.show_in_channel, content.silent);
    one.body.text == other.body.text && of(one) == of(other)
}

pub(super) fn is_empty(content: &DraftContent) -> bool {
    same(content, &DraftContent::default()) && content.body.is_empty()
}

impl Composer {
    /// Shows a draft.
    pub(super) fn show(&mut self, kept: Kept) {
        let content = &kept.content;
        self.before_edit = None;
        self.input = Input::new(content.body.text.clone());
        self.writing = content.quoted.map_or(Writing::New, Writing::Quote);
        self.silent = content.silent;
        self.in_channel = content.show_in_channel;
        self.kept = kept;
    }

    /// Returns the draft as it is now. An edit is none, and the one before it stays.
    pub(super) fn draft(&self) -> DraftContent {
        let (input, writing) = match &self.before_edit {
            Some((input, writing)) => (input, &**writing),
            None => (&self.input, &self.writing),
        };
        let mut content = self.kept.content.clone();
        content.body.text = input.value().to_owned();
        content.quoted = match writing {
            Writing::Quote(id) => Some(*id),
            Writing::New | Writing::Edit(..) => None,
        };
        content.silent = self.silent;
        content.show_in_channel = self.in_channel;
        content
    }

    pub(crate) fn edits(&self) -> bool {
        matches!(self.writing, Writing::Edit(..))
    }

    pub(crate) fn edit(&mut self, id: MessageId, body: MessageBody) {
        self.cancel_edit();
        let input = Input::new(body.text.clone());
        let before = std::mem::replace(&mut self.input, input);
        let writing = std::mem::replace(&mut self.writing, Writing::Edit(id, Box::new(body)));
        self.before_edit = Some((before, Box::new(writing)));
    }

    pub(crate) fn quote(&mut self, id: MessageId) {
        self.cancel_edit();
        self.writing = Writing::Quote(id);
    }

    /// Ends an edit or a quote. Returns whether there was one.
    pub(crate) fn cancel(&mut self) -> bool {
        if self.cancel_edit() {
            return true;
        }
        std::mem::take(&mut self.writing) != Writing::New
    }

    /// Ends an edit: the draft before it is back. Returns whether there was one.
    pub(super) fn cancel_edit(&mut self) -> bool {
        let Some((input, writing)) = self.before_edit.take() else {
            return false;
        };
        self.input = input;
        self.writing = *writing;
        true
    }
}
