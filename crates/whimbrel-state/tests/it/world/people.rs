//! Who may reach the account, invitations, and what the account keeps about itself: what the user decides, what is decided on
//! other devices, who brings the account into channels, and what the server makes of it.

use super::{CHANNELS, World, pick};
use crate::disk::{cid, user};
use proptest::prelude::*;
use whimbrel_model::{
    AccountKey, AccountRow, ChannelId, ConsentState, Contact, ContactChange, Invite, MemberState,
    MembershipChange, Mute, Op, Row, SetConsent, SetMute, Settings, SettingsChange, Timestamp, UserId,
};

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// The user does something; it goes to the outbox.
    OfPerson(u8, u8),
    OfChannel(u8, u8),
    Answer(u8, bool),
    Invite(u8, u8),
    Set(u8),
    /// Another device of the account does something.
    OtherOfPerson(u8, u8),
    OtherOfChannel(u8, u8),
    OtherSets(u8),
    /// Somebody brings the account into a channel, or invites it.
    Brought(u8, u8, bool),
}

pub(super) fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        4 => any::<(u8, u8)>().prop_map(|(who, what)| Decision::OfPerson(who, what)),
        3 => any::<(u8, u8)>().prop_map(|(channel, what)| Decision::OfChannel(channel, what)),
        2 => any::<(u8, bool)>().prop_map(|(channel, accept)| Decision::Answer(channel, accept)),
        1 => any::<(u8, u8)>().prop_map(|(channel, who)| Decision::Invite(channel, who)),
        1 => any::<u8>().prop_map(Decision::Set),
        3 => any::<(u8, u8)>().prop_map(|(who, what)| Decision::OtherOfPerson(who, what)),
        2 => any::<(u8, u8)>().prop_map(|(channel, what)| Decision::OtherOfChannel(channel, what)),
        1 => any::<u8>().prop_map(Decision::OtherSets),
        4 => any::<(u8, u8, bool)>().prop_map(|(channel, by, invited)| Decision::Brought(channel, by, invited)),
    ]
}

const PEOPLE: [&str; 3] = ["bob", "carol", "dora"];

fn person(n: u8) -> UserId {
    user(PEOPLE[usize::from(n) % PEOPLE.len()])
}

fn state(n: u8) -> ConsentState {
    [ConsentState::Unknown, ConsentState::Allowed, ConsentState::Denied][usize::from(n) % 3]
}

fn of_person(what: u8) -> ContactChange {
    let until = (what % 8 < 4).then(|| Timestamp(i64::from(what / 16)));
    let state = state(what / 8);
    let mut change = ContactChange::default();
    match what % 4 {
        0 => change.muted = Some(SetMute::On(Mute { until })),
        1 => change.muted = Some(SetMute::Off),
        _ => {
            let until = until.filter(|_| state == ConsentState::Denied);
            change.consent = Some(SetConsent { state, until });
        }
    }
    change
}

fn of_channel(what: u8) -> MembershipChange {
    MembershipChange {
        consent: Some(state(what)),
        ..MembershipChange::default()
    }
}

fn setting(what: u8) -> SettingsChange {
    SettingsChange {
        invisible: Some(what.is_multiple_of(2)),
        status: what.is_multiple_of(3).then(|| format!("status {what}")),
        ..SettingsChange::default()
    }
}

impl World {
    pub(super) fn own_decision(&self, decision: &Decision) -> Option<Op> {
        let channel = |n: &u8| cid(CHANNELS[usize::from(*n) % CHANNELS.len()]);
        Some(match decision {
            Decision::OfPerson(who, what) => Op::UpdateContact {
                user: person(*who),
                change: of_person(*what),
            },
            Decision::OfChannel(n, what) => Op::UpdateMembership {
                cid: channel(n),
                change: of_channel(*what),
            },
            Decision::Answer(n, accept) => Op::AnswerInvite {
                cid: channel(n),
                accept: *accept,
            },
            Decision::Invite(n, who) => Op::InviteMembers {
                cid: channel(n),
                users: vec![person(*who)],
            },
            Decision::Set(what) => Op::UpdateSettings {
                change: setting(*what),
            },
            _ => return None,
        })
    }

    pub(super) fn other_decision(&mut self, decision: &Decision) {
        match decision {
            Decision::OtherOfPerson(who, what) => drop(self.decide(&person(*who), &of_person(*what))),
            Decision::OtherOfChannel(n, what) => {
                let cid = cid(pick(&CHANNELS, *n).unwrap());
                self.put_membership(&cid, |row| {
                    row.change(&of_channel(*what), Timestamp(0));
                });
            }
            Decision::OtherSets(what) => drop(self.set(&setting(*what))),
            Decision::Brought(n, by, invited) => {
                let (cid, by) = (cid(pick(&CHANNELS, *n).unwrap()), person(*by));
                self.put_membership(&cid, |row| {
                    row.added_by = Some(by.clone());
                    row.state = MemberState::Active;
                    row.invite = None;
                    if *invited {
                        row.state = MemberState::Invited;
                        row.invite = Some(Invite {
                            by,
                            at: Timestamp(0),
                            name: String::new(),
                        });
                    }
                });
            }
            _ => {}
        }
    }

    pub(super) fn accept_decision(&mut self, op: &Op) -> Vec<Row> {
        match op {
            Op::UpdateContact { user, change } => self.decide(user, change),
            Op::UpdateSettings { change } => self.set(change),
            Op::AnswerInvite { cid, accept } => {
                let known = self.memberships.get(cid);
                if known.is_none_or(|row| row.state != MemberState::Invited) {
                    return Vec::new();
                }
                vec![self.put_membership(cid, |row| {
                    row.invite = None;
                    row.state = MemberState::Gone;
                    if *accept {
                        row.state = MemberState::Active;
                        row.consent = ConsentState::Allowed;
                    }
                })]
            }
            _ => Vec::new(),
        }
    }

    /// Whoever writes in a channel of which nothing was decided allows it.
    pub(super) fn allow_by_writing(&mut self, cid: &ChannelId) -> Option<Row> {
        let known = self.memberships.get(cid)?;
        let undecided = known.consent == ConsentState::Unknown;
        undecided.then(|| self.put_membership(cid, |row| row.consent = ConsentState::Allowed))
    }

    fn decide(&mut self, of: &UserId, change: &ContactChange) -> Vec<Row> {
        let key = AccountKey::Contact(of.clone());
        let mut row = match self.account.get(&key) {
            Some(AccountRow::Contact(row)) => row.clone(),
            _ => Contact::new(user("ada"), of.clone()),
        };
        if !row.change(change) {
            return Vec::new();
        }
        self.put_account(AccountRow::Contact(row))
    }

    fn set(&mut self, change: &SettingsChange) -> Vec<Row> {
        let mut row = match self.account.get(&AccountKey::Settings) {
            Some(AccountRow::Settings(row)) => row.clone(),
            _ => Settings::new(user("ada")),
        };
        if !row.change(change) {
            return Vec::new();
        }
        self.put_account(AccountRow::Settings(row))
    }

    fn put_account(&mut self, mut row: AccountRow) -> Vec<Row> {
        row.set_ver(self.next());
        self.account.insert(row.key(), row.clone());
        self.log.push(Row::Account(row.clone()));
        vec![Row::Account(row)]
    }
}
