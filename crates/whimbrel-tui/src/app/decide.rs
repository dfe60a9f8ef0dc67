//! What the account decides: of people, of channels that others bring it into, of itself and its devices.

use super::{Action, App, Dialog};
use crossterm::event::KeyCode;
use whimbrel::model::{ChannelId, ConsentState, DeviceId, SettingsChange, Timestamp, UserId};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// For how long somebody is muted or blocked. Absent: until it is taken back.
pub(crate) const TIMES: [(&str, Option<i64>); 4] = [
    ("an hour", Some(HOUR_MS)),
    ("a day", Some(24 * HOUR_MS)),
    ("a week", Some(7 * 24 * HOUR_MS)),
    ("for good", None),
];

/// Something that the account decides, on every device of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// How it wants things.
    Settings(SettingsChange),
    /// What holds of somebody.
    Person(UserId, Hold),
    /// Whether a channel may reach it.
    Consent(ChannelId, ConsentState),
    /// Whether it comes into a channel that it is invited to.
    Answer(ChannelId, bool),
    /// Who is asked into a channel.
    Invite(ChannelId, Vec<UserId>),
    /// What one of its devices is called.
    RenameDevice(DeviceId, String),
    /// Which of its devices is shut out.
    RevokeDevice(DeviceId),
}

/// What holds of somebody from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// They may reach the account.
    Allow,
    /// They may not, until a time if there is one.
    Block(Option<Timestamp>),
    /// Nothing is decided of them.
    Unblock,
    /// They disturb nobody, until a time if there is one.
    Mute(Option<Timestamp>),
    /// They are not muted.
    Unmute,
}

/// What is to last for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Block,
    Mute,
}

impl App {
    /// Blocks or mutes somebody, after it was said for how long; takes it back at once.
    pub(super) fn toggle_hold(&mut self, user: UserId, lasting: Lasting) -> Vec<Action> {
        if user == self.me {
            self.notify("That is you");
            return Vec::new();
        }
        let now = self.account.people.of(&user);
        let back = match lasting {
            Lasting::Block => (now.consent == ConsentState::Denied).then_some(Hold::Unblock),
            Lasting::Mute => now.muted.then_some(Hold::Unmute),
        };
        match back {
            Some(back) => vec![Action::Decide(Decision::Person(user, back))],
            None => {
                self.dialog = Some(Dialog::HowLong(lasting, user));
                Vec::new()
            }
        }
    }

    /// Anything else than one of the numbers changes nothing.
    pub(super) fn how_long_key(&mut self, lasting: Lasting, user: UserId, key: KeyCode) -> Vec<Action> {
        let KeyCode::Char(digit) = key else {
            return Vec::new();
        };
        let index = digit.to_digit(10).and_then(|digit| digit.checked_sub(1));
        let Some((words, time)) = index.and_then(|index| TIMES.get(index as usize)) else {
            return Vec::new();
        };
        let name = self.known.name(&user);
        let done = match lasting {
            Lasting::Block => "is blocked",
            Lasting::Mute => "is muted",
        };
        let how_long = match time {
            Some(_) => format!("for {words}"),
            None => (*words).to_owned(),
        };
        self.notify(format!("{name} {done} {how_long}"));
        let until = time.map(|time| Timestamp(self.now.0.saturating_add(time)));
        let hold = match lasting {
            Lasting::Block => Hold::Block(until),
            Lasting::Mute => Hold::Mute(until),
        };
        vec![Action::Decide(Decision::Person(user, hold))]
    }
}
