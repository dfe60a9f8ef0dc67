//! Searching: what is typed, what was found, and where it leads.

use super::{Action, App, Dialog, Pane, Scope, field, known};
use crossterm::event::{KeyCode, KeyEvent};
use tui_input::Input;
use whimbrel::{
    NotSearched, SearchHit,
    model::{ChannelId, UserId},
};

/// What a search found so far.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// What was searched for.
    pub text: String,
    /// The messages, newest first.
    pub hits: Vec<SearchHit>,
    /// What was not searched.
    pub not_searched: Vec<NotSearched>,
    /// Whether there are more than these.
    pub more: bool,
    /// Whether the server has been asked, and has answered or not.
    pub done: bool,
    /// Why nothing was searched, in words.
    pub problem: Option<String>,
}

/// The last search. It stays while one of its hits is looked at.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) input: Input,
    pub(crate) results: Results,
    pub(crate) at: usize,
}

/// What a typed search asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) text: String,
    pub(crate) channels: Vec<ChannelId>,
    pub(crate) by: Option<UserId>,
}

/// Reads what was typed: `in:general` and `by:bob` beside the words. The last one of several `by:` counts.
pub(crate) fn terms(typed: &str) -> Result<Terms, String> {
    let mut terms = Terms::default();
    let mut words = Vec::new();
    for word in typed.split_whitespace() {
        match word.split_once(':') {
            Some(("in", id)) => {
                let cid = if id.contains(':') {
                    ChannelId::new(id)
                } else {
                    ChannelId::new(format!("messaging:{id}"))
                };
                terms.channels.push(cid.map_err(|error| error.to_string())?);
            }
            Some(("by", id)) => terms.by = Some(UserId::new(id).map_err(|error| error.to_string())?),
            _ => words.push(word),
        }
    }
    terms.text = words.join(" ");
    // The end of the last word says that it is whole.
    if !words.is_empty() && typed.ends_with(char::is_whitespace) {
        terms.text.push(' ');
    }
    Ok(terms)
}

impl App {
    pub(super) fn search_key(&mut self, key: KeyEvent) -> Vec<Action> {
        self.dialog = Some(Dialog::Search);
        let last = self.search.results.hits.len().saturating_sub(1);
        match key.code {
            KeyCode::Up => self.search.at = self.search.at.saturating_sub(1),
            KeyCode::Down => self.search.at = (self.search.at + 1).min(last),
            KeyCode::Enter => {
                let hit = self.search.results.hits.get(self.search.at).cloned();
                return hit.map_or_else(Vec::new, |hit| {
                    self.dialog = None;
                    self.go_to_hit(&hit)
                });
            }
            _ => {
                field::key(&mut self.search.input, key);
                return self.search_typed();
            }
        }
        Vec::new()
    }

    /// Searches for what was typed, if it is something else than before.
    pub(super) fn search_typed(&mut self) -> Vec<Action> {
        let text = self.search.input.value().to_owned();
        if text == self.search.results.text {
            return Vec::new();
        }
        self.search.at = 0;
        self.search.results.text.clone_from(&text);
        self.search.results.done = false;
        if text.trim().is_empty() {
            self.search.results = Results {
                text: text.clone(),
                done: true,
                ..Results::default()
            };
        }
        vec![Action::Search(text)]
    }

    pub(super) fn found(&mut self, results: Results) -> Vec<Action> {
        if results.text != self.search.results.text {
            return Vec::new();
        }
        // The selection stays with its message when the server adds others.
        let selected = self.search.results.hits.get(self.search.at);
        let selected = selected.map(|hit| hit.message.id);
        self.search.results = results;
        let hits = &self.search.results.hits;
        let at = hits.iter().position(|hit| Some(hit.message.id) == selected);
        self.search.at = at.unwrap_or(0);
        let unknown = self
            .known
            .ask_for_users(hits.iter().map(|hit| &hit.message.author));
        let names = hits.iter().map(|hit| &hit.message.cid);
        let mut actions = self.channels.ask_for_names(names);
        actions.extend(known::read_users(unknown));
        actions
    }

    fn go_to_hit(&mut self, hit: &SearchHit) -> Vec<Action> {
        let message = &hit.message;
        match message.parent.filter(|_| !message.is_in_channel()) {
            Some(parent) => {
                let mut actions = self.open_channel(message.cid.clone());
                actions.extend(self.show_thread(parent, None, Some(message.id)));
                actions
            }
            None => self.go_to(message.cid.clone(), message.id),
        }
    }

    /// Shows the channel around a message of it.
    pub(super) fn go_to(&mut self, cid: ChannelId, message: whimbrel::model::MessageId) -> Vec<Action> {
        let mut actions = self.open_channel(cid.clone());
        self.focus = super::Focus::Timeline;
        let scope = Scope::channel(cid);
        let Some(open) = &mut self.open else {
            return actions;
        };
        if open.find(message).is_some() {
            open.anchor = super::Anchor::Row { id: message, skip: 0 };
            return actions;
        }
        *open = Pane {
            target: Some(message),
            ..Pane::new(scope.clone())
        };
        actions.retain(|action| !matches!(action, Action::Watch(_)));
        actions.push(Action::WatchAround(scope, message));
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_and_an_author_stand_beside_the_words() {
        let all = terms("in:general by:bob \"the reef\" in:team:x na").unwrap();
        let cid = |id: &str| ChannelId::new(id).unwrap();
        assert_eq!(all.text, "\"the reef\" na");
        assert_eq!(all.channels, [cid("messaging:general"), cid("team:x")]);
        assert_eq!(all.by, Some(UserId::new("bob").unwrap()));
        assert_eq!(terms("whole ").unwrap().text, "whole ");
        assert!(terms("by:").is_err());
    }
}
