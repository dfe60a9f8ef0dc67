//! The line that is being written, and the ones that were put away.

use super::Scope;
use std::collections::HashMap;
use tui_input::Input;
use whimbrel::model::{MessageBody, MessageId};

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
    /// What was written before an edit began.
    before_edit: Option<(Input, Box<Writing>)>,
    drafts: HashMap<Scope, Input>,
}

impl Composer {
    pub(crate) fn put_away(&mut self, scope: Scope) {
        self.cancel();
        let input = std::mem::take(&mut self.input);
        if input.value().is_empty() {
            self.drafts.remove(&scope);
        } else {
            self.drafts.insert(scope, input);
        }
    }

    pub(crate) fn take_out(&mut self, scope: &Scope) {
        self.writing = Writing::New;
        self.input = self.drafts.remove(scope).unwrap_or_default();
    }

    pub(crate) fn edit(&mut self, id: MessageId, body: MessageBody) {
        self.cancel();
        let input = Input::new(body.text.clone());
        let before = std::mem::replace(&mut self.input, input);
        let writing = std::mem::replace(&mut self.writing, Writing::Edit(id, Box::new(body)));
        self.before_edit = Some((before, Box::new(writing)));
    }

    pub(crate) fn quote(&mut self, id: MessageId) {
        self.cancel();
        self.writing = Writing::Quote(id);
    }

    /// Ends an edit or a quote. Returns whether there was one.
    pub(crate) fn cancel(&mut self) -> bool {
        match std::mem::take(&mut self.writing) {
            Writing::New => return false,
            Writing::Quote(_) => {}
            Writing::Edit(..) => {
                if let Some((input, writing)) = self.before_edit.take() {
                    self.input = input;
                    self.writing = *writing;
                }
            }
        }
        true
    }

    /// Takes the finished text, and what it is for.
    pub(crate) fn finish(&mut self) -> (String, Writing) {
        let text = self.input.value().to_owned();
        let writing = self.writing.clone();
        match writing {
            Writing::Edit(..) => {
                self.cancel();
            }
            Writing::New | Writing::Quote(_) => {
                self.input.reset();
                self.writing = Writing::New;
            }
        }
        (text, writing)
    }
}
