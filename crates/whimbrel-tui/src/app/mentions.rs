//! Who is meant by `@bob`, `@channel` and `@here` in a text.

use whimbrel::model::{MessageBody, UserId};

/// Whom a text names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    users: Vec<UserId>,
    channel: bool,
    here: bool,
}

/// Makes the mentions of a body those of its text. What it mentioned without a word in the text that it had `before` stays, for
/// another app may name people in another way. `members` are who can be meant; absent: anybody.
pub(super) fn apply(body: &mut MessageBody, before: &str, members: Option<&[UserId]>) {
    let old = named(before, members);
    let new = named(&body.text, members);
    body.mentions.retain(|user| !old.users.contains(user));
    for user in new.users {
        if !body.mentions.contains(&user) {
            body.mentions.push(user);
        }
    }
    body.mention_channel = new.channel || (body.mention_channel && !old.channel);
    body.mention_here = new.here || (body.mention_here && !old.here);
}

fn named(text: &str, members: Option<&[UserId]>) -> Named {
    let mut named = Named::default();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let starts = c == '@' && !of_id(before);
        before = c;
        if !starts {
            continue;
        }
        let rest = &text[at + 1..];
        let word = &rest[..rest.find(|c| !of_id(c)).unwrap_or(rest.len())];
        match word.trim_end_matches(['.', '-', '_', '@']) {
            "channel" => named.channel = true,
            "here" => named.here = true,
            _ => {
                let user = user(word, members).filter(|user| !named.users.contains(user));
                named.users.extend(user);
            }
        }
    }
    named
}

const fn of_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@')
}

/// Returns the user whose id a word begins with: the longest of the members', and what punctuation follows is not in it.
fn user(word: &str, members: Option<&[UserId]>) -> Option<UserId> {
    let mut id = word;
    loop {
        let may_be = UserId::new(id).ok()?;
        let known = members.is_none_or(|members| members.contains(&may_be));
        if known && !(members.is_none() && id.ends_with(['.', '-', '@'])) {
            return Some(may_be);
        }
        id = id.strip_suffix(['.', '-', '_', '@'])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|id| UserId::new(*id).unwrap()).collect()
    }

    fn mentions(text: &str, members: Option<&[UserId]>) -> Vec<UserId> {
        named(text, members).users
    }

    #[test]
    fn members_are_named_and_punctuation_is_not() {
        let members = users(&["bob", "eve.x", "ada"]);
        let text = "@bob, and @eve.x. (@ada) @bob! mail@bob @nobody @";
        assert_eq!(mentions(text, Some(&members)), users(&["bob", "eve.x", "ada"]));
        assert_eq!(mentions("@bob. @zoe-", None), users(&["bob", "zoe"]));
    }

    #[test]
    fn all_and_those_who_are_there_are_words_of_their_own() {
        let all = named("@channel: look, @here.", Some(&[]));
        assert!(all.channel && all.here && all.users.is_empty());
        assert_eq!(named("@channels", Some(&[])), Named::default());
    }

    #[test]
    fn an_edit_takes_back_what_the_text_no_longer_says_and_no_more() {
        let members = users(&["ada", "bob", "eve"]);
        let mut body = MessageBody::text("hello @eve");
        body.mentions = users(&["ada", "bob"]);
        body.mention_channel = true;
        apply(&mut body, "hello @bob @channel", Some(&members));
        assert_eq!(body.mentions, users(&["ada", "eve"]));
        assert!(!body.mention_channel);
    }
}
