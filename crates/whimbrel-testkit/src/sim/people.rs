//! What accounts hold about themselves, who is where, and what has reached whom: the accepted operations, carried out by the
//! simplest code there is.

mod check;

pub(super) use check::check_member;

use std::collections::BTreeMap;
use whimbrel_model::{
    AccountKey, AccountRow, ChannelId, ConsentState, Contact, ContactChange, Delivered, Device, DeviceId,
    DeviceSync, DeviceSyncState, MemberState, Membership, Op, Role, SetMute, SetPush, Settings,
    SettingsChange, Timestamp, UserId,
};

/// Somebody in a channel, or on the way into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) state: MemberState,
    pub(super) role: Role,
    pub(super) consent: ConsentState,
    pub(super) added_by: Option<UserId>,
    /// By whom, and what the channel was called then.
    pub(super) invite: Option<(UserId, String)>,
}

/// What has reached somebody in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// The greatest value that was ever said, by device.
    pub(super) devices: BTreeMap<DeviceId, u64>,
    pub(super) private: bool,
    pub(super) devices_public: bool,
}

#[derive(Debug, Default)]
pub(super) struct People {
    /// As they have to be, without versions and without when they were changed.
    pub(super) accounts: BTreeMap<(UserId, AccountKey), AccountRow>,
    pub(super) places: BTreeMap<(ChannelId, UserId), Place>,
    pub(super) reached: BTreeMap<(ChannelId, UserId), Reached>,
}

/// What the channel that an operation is about has at that moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// Its name. Absent: nobody has made it.
    pub(super) name: Option<&'a String>,
    /// How many messages it has.
    pub(super) said: u64,
}

impl Reached {
    pub(super) fn seq(&self) -> u64 {
        self.devices.values().copied().max().unwrap_or_default()
    }

    /// Whether a row says the same, as far as its reader may see.
    pub(super) fn is(&self, row: &Delivered) -> bool {
        let devices: BTreeMap<DeviceId, u64> =
            row.devices.iter().map(|mark| (mark.device, mark.seq)).collect();
        let stripped = devices.is_empty() && !self.devices_public;
        (stripped || devices == self.devices)
            && (row.seq, row.private, row.devices_public) == (self.seq(), self.private, self.devices_public)
    }
}

impl Place {
    pub(super) fn of(row: &Membership) -> Self {
        Self {
            state: row.state,
            role: row.role,
            consent: row.consent,
            added_by: row.added_by.clone(),
            invite: row
                .invite
                .as_ref()
                .map(|invite| (invite.by.clone(), invite.name.clone())),
        }
    }
}

/// Returns a row without what only the server knows: versions, and when something was.
pub(super) fn bare(row: &AccountRow) -> AccountRow {
    let mut row = row.clone();
    row.set_ver(0);
    let never = Timestamp::default();
    match &mut row {
        AccountRow::Settings(_) => {}
        AccountRow::Contact(row) => row.changed_at = never,
        AccountRow::Device(row) => {
            row.registered_at = never;
            row.revoked_at = row.revoked_at.map(|_| never);
        }
        AccountRow::DeviceSync(row) => row.changed_at = never,
    }
    row
}

impl People {
    /// Takes in an operation that was accepted.
    pub(super) fn take(&mut self, user: &UserId, op: &Op, around: Around<'_>) {
        match op {
            Op::UpdateSettings { change } => self.set(user, change),
            Op::UpdateContact { user: of, change } => self.meet(user, of, change),
            Op::RegisterDevice { device, .. }
            | Op::UpdateDevice { device, .. }
            | Op::RevokeDevice { device } => {
                self.equip(user, *device, op);
            }
            Op::RequestDeviceSync { device, .. }
            | Op::OfferDeviceSync { device, .. }
            | Op::EndDeviceSync { device, .. } => self.sync(user, *device, op),
            Op::MarkDelivered { cid, device, seq } => self.reach(cid, user, *device, *seq.min(&around.said)),
            _ => self.move_people(user, op, around),
        }
    }

    pub(super) fn settings(&self, user: &UserId) -> Settings {
        match self.accounts.get(&(user.clone(), AccountKey::Settings)) {
            Some(AccountRow::Settings(row)) => row.clone(),
            _ => Settings::new(user.clone()),
        }
    }

    fn set(&mut self, user: &UserId, change: &SettingsChange) {
        let before = self.settings(user);
        let mut row = before.clone();
        row.invisible = change.invisible.unwrap_or(row.invisible);
        row.typing_indicators = change.typing_indicators.unwrap_or(row.typing_indicators);
        row.read_receipts = change.read_receipts.unwrap_or(row.read_receipts);
        row.delivery_receipts = change.delivery_receipts.unwrap_or(row.delivery_receipts);
        row.device_receipts = change.device_receipts.unwrap_or(row.device_receipts);
        row.status = change.status.clone().unwrap_or(row.status);
        row.custom = change.custom.clone().unwrap_or(row.custom);
        if row != before {
            self.put(AccountRow::Settings(row));
        }
    }

    fn meet(&mut self, user: &UserId, of: &UserId, change: &ContactChange) {
        let before = match self
            .accounts
            .get(&(user.clone(), AccountKey::Contact(of.clone())))
        {
            Some(AccountRow::Contact(row)) => row.clone(),
            _ => Contact::new(user.clone(), of.clone()),
        };
        let mut row = before.clone();
        if let Some(consent) = change.consent {
            (row.consent, row.denied_until) = (consent.state, consent.until);
        }
        match change.muted {
            Some(SetMute::On(mute)) => row.muted = Some(mute),
            Some(SetMute::Off) => row.muted = None,
            None => {}
        }
        if row != before {
            self.put(AccountRow::Contact(row));
        }
    }

    fn device(&self, user: &UserId, device: DeviceId) -> Option<Device> {
        match self.accounts.get(&(user.clone(), AccountKey::Device(device))) {
            Some(AccountRow::Device(row)) => Some(row.clone()),
            _ => None,
        }
    }

    fn equip(&mut self, user: &UserId, device: DeviceId, op: &Op) {
        let new = Device {
            user: user.clone(),
            id: device,
            name: String::new(),
            agent: String::new(),
            key: None,
            registered_at: Timestamp::default(),
            revoked_at: None,
            push: None,
            ver: 0,
        };
        let mut row = self.device(user, device).unwrap_or(new);
        match op {
            Op::RegisterDevice { name, agent, key, .. } => {
                if row.name.is_empty() {
                    row.name.clone_from(name);
                }
                row.agent.clone_from(agent);
                row.key.clone_from(key);
            }
            Op::UpdateDevice { change, .. } => {
                row.name = change.name.clone().unwrap_or(row.name);
                match &change.push {
                    Some(SetPush::On(token)) => row.push = Some(token.clone()),
                    Some(SetPush::Off) => row.push = None,
                    Some(SetPush::Gone(token)) if row.push.as_ref() == Some(token) => row.push = None,
                    Some(SetPush::Gone(_)) | None => {}
                }
            }
            _ if row.revoked_at.is_none() => {
                row.revoked_at = Some(Timestamp::default());
                row.push = None;
            }
            _ => {}
        }
        self.put(AccountRow::Device(row));
    }

    fn sync(&mut self, user: &UserId, device: DeviceId, op: &Op) {
        let known = match self.accounts.get(&(user.clone(), AccountKey::DeviceSync(device))) {
            Some(AccountRow::DeviceSync(row)) => Some(row.clone()),
            _ => None,
        };
        let row = match (op, known) {
            (Op::RequestDeviceSync { request, .. }, Some(known)) if known.request == *request => known,
            (Op::RequestDeviceSync { request, key, .. }, _) => DeviceSync {
                user: user.clone(),
                device,
                request: *request,
                key: key.clone(),
                state: DeviceSyncState::Asked,
                changed_at: Timestamp::default(),
                ver: 0,
            },
            (
                Op::OfferDeviceSync {
                    request,
                    by,
                    bytes,
                    sha256,
                    ..
                },
                Some(known),
            ) if known.request == *request && known.state == DeviceSyncState::Asked => DeviceSync {
                state: DeviceSyncState::Offered {
                    by: *by,
                    bytes: *bytes,
                    sha256: sha256.clone(),
                },
                ..known
            },
            (Op::EndDeviceSync { request, .. }, Some(known)) if known.request == *request => DeviceSync {
                state: DeviceSyncState::Done,
                ..known
            },
            _ => return,
        };
        self.put(AccountRow::DeviceSync(row));
    }

    fn put(&mut self, row: AccountRow) {
        self.accounts.insert((row.user().clone(), row.key()), row);
    }

    fn reach(&mut self, cid: &ChannelId, user: &UserId, device: DeviceId, seq: u64) {
        let settings = self.settings(user);
        let reached = self.reached.entry((cid.clone(), user.clone())).or_default();
        let mark = reached.devices.get(&device).copied().unwrap_or_default();
        if seq > mark {
            reached.devices.insert(device, seq);
            reached.private = !settings.delivery_receipts;
            reached.devices_public = settings.device_receipts;
        }
    }

    fn move_people(&mut self, user: &UserId, op: &Op, around: Around<'_>) {
        match op {
            Op::CreateChannel { cid, members, .. } => match around.name {
                None => {
                    let others = members.iter().filter(|other| *other != user);
                    for other in others {
                        self.bring(cid, user, other, MemberState::Active);
                    }
                    self.bring(cid, user, user, MemberState::Active);
                    if let Some(place) = self.places.get_mut(&(cid.clone(), user.clone())) {
                        place.role = Role::Owner;
                    }
                }
                Some(_) if cid.is_distinct() => self.bring(cid, user, user, MemberState::Active),
                Some(_) => {}
            },
            Op::AddMembers { cid, users } => {
                for other in users {
                    self.bring(cid, user, other, MemberState::Active);
                }
            }
            Op::InviteMembers { cid, users } => {
                for other in users {
                    self.bring(cid, user, other, MemberState::Invited);
                    let name = around.name.cloned().unwrap_or_default();
                    let place = self.places.get_mut(&(cid.clone(), other.clone()));
                    if let Some(place) = place.filter(|place| place.state == MemberState::Invited) {
                        place.invite.get_or_insert((user.clone(), name));
                    }
                }
            }
            Op::RemoveMembers { cid, users } => {
                for other in users {
                    if let Some(place) = self.places.get_mut(&(cid.clone(), other.clone())) {
                        (place.state, place.invite) = (MemberState::Gone, None);
                    }
                }
            }
            Op::AnswerInvite { cid, accept } => {
                let place = self.places.get_mut(&(cid.clone(), user.clone()));
                if let Some(place) = place.filter(|place| place.state == MemberState::Invited) {
                    place.invite = None;
                    place.state = if *accept {
                        MemberState::Active
                    } else {
                        MemberState::Gone
                    };
                    if *accept {
                        place.consent = ConsentState::Allowed;
                    }
                }
            }
            Op::UpdateMembership { cid, change } => {
                if let Some(place) = self.places.get_mut(&(cid.clone(), user.clone())) {
                    place.consent = change.consent.unwrap_or(place.consent);
                }
            }
            _ => {}
        }
    }

    /// Whoever writes where nothing was decided wants it.
    pub(super) fn writes(&mut self, cid: &ChannelId, user: &UserId) {
        let place = self.places.get_mut(&(cid.clone(), user.clone()));
        if let Some(place) = place.filter(|place| place.consent == ConsentState::Unknown) {
            place.consent = ConsentState::Allowed;
        }
    }

    /// Brings somebody in, or on the way, who is not there yet.
    fn bring(&mut self, cid: &ChannelId, by: &UserId, whom: &UserId, state: MemberState) {
        let key = (cid.clone(), whom.clone());
        let before = self.places.get(&key);
        let there = before.map_or(MemberState::Gone, |place| place.state);
        if there == MemberState::Active || there == state {
            return;
        }
        let consent = before.map(|place| place.consent).unwrap_or_default();
        let own = by == whom;
        let place = Place {
            state,
            role: Role::Member,
            consent: if own { ConsentState::Allowed } else { consent },
            added_by: (!own).then(|| by.clone()),
            invite: None,
        };
        self.places.insert(key, place);
    }
}
