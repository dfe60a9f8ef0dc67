//! The line is finished: it becomes a message, or another body of one.

use super::{Action, Anchor, App, Writing, mentions, parent};
use whimbrel::{NewMessage, model::MessageBody};

impl App {
    pub(super) fn submit(&mut self) -> Vec<Action> {
        let Some(scope) = self.pane().map(|pane| pane.scope.clone()) else {
            return Vec::new();
        };
        if self.composer.writing == Writing::New
            && let Some(actions) = self.carry_out(&scope.cid)
        {
            return actions;
        }
        if let Err(invalid) = MessageBody::text(self.composer.input.value()).validate() {
            if !self.composer.input.value().trim().is_empty() {
                self.notify(invalid.to_string());
            }
            return Vec::new();
        }
        if let Writing::Edit(id, body) = self.composer.writing.clone() {
            let text = self.composer.input.value().to_owned();
            self.composer.cancel_edit();
            if body.text == text {
                return Vec::new();
            }
            let before = body.text.clone();
            let mut body = MessageBody { text, ..*body };
            let members = self.known.members.get(&scope.cid).map(Vec::as_slice);
            mentions::apply(&mut body, &before, members);
            return vec![Action::Edit(scope.cid, id, body)];
        }
        // What is sent appears at the end.
        let mut actions = self.go_to_newest();
        let (draft, given_up) = self.finish_draft();
        let message = NewMessage {
            body: draft.body,
            parent: parent(&scope),
            show_in_channel: draft.show_in_channel,
            quoted: draft.quoted,
            silent: draft.silent,
            ..NewMessage::default()
        };
        if let Some(pane) = self.pane_mut() {
            pane.anchor = Anchor::Newest;
        }
        // A message that is sent says by itself that the typing is over.
        self.composer.told = None;
        actions.push(Action::Send(scope.cid, message));
        // After the message: if the program is killed in between, both are there, and not neither.
        actions.extend(given_up);
        actions
    }
}
