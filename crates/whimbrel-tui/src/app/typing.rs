//! Who types: what the others are told.

use super::{Action, App, Scope, commands};

impl App {
    /// Does what a key does, and tells the others if it was one of a message.
    pub(super) fn types(&mut self, key: impl FnOnce(&mut Self) -> Vec<Action>) -> Vec<Action> {
        let before = self.line();
        let mut actions = key(self);
        actions.extend(self.say_typing(before));
        actions
    }

    /// Returns what is in the line, and where it is going to be a message. An edit is none.
    fn line(&self) -> (Option<Scope>, String) {
        let pane = self.pane().filter(|_| !self.composer.edits());
        let scope = pane.map(|pane| pane.scope.clone());
        (scope, self.composer.input.value().to_owned())
    }

    /// Tells the others that the user types, if a key changed the line from what was there before; and that it is over, if they
    /// were told and what is in the line is nothing for them any more.
    fn say_typing(&mut self, (scope, text): (Option<Scope>, String)) -> Vec<Action> {
        let (here, now) = self.line();
        let writes = !now.is_empty() && !commands::is_one(&now);
        let here = here.filter(|_| writes);
        let told = &mut self.composer.told;
        let over = told.take_if(|told| Some(&*told) != here.as_ref());
        let mut actions: Vec<_> = over.map(|told| Action::Typing(told, false)).into_iter().collect();
        if let Some(here) = here.filter(|here| Some(here) == scope.as_ref() && now != text) {
            self.composer.told = Some(here.clone());
            actions.push(Action::Typing(here, true));
        }
        actions
    }
}
