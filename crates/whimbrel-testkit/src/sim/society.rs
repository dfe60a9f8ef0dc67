//! What an operation says that somebody makes about other people, about their own devices, or about how they want things.

use super::{Violation, action::Kind, device::or_broken, storage::now_or, world::World};
use whimbrel_model::{
    AccountRow, ChannelId, ConsentState, ContactChange, Device, DeviceChange, DeviceId, DeviceSync,
    DeviceSyncState, MemberState, MembershipChange, Mute, Op, People, PushToken, SetConsent, SetMute,
    SetPush, SettingsChange, UserId,
};
use whimbrel_store::{AccountReader as _, StoreReader as _};

impl World {
    /// Something that is about no channel, or about being in one. Nothing: there is nothing to say.
    pub(super) fn social(
        &mut self,
        index: usize,
        kind: Kind,
        channels: &[ChannelId],
    ) -> Result<Option<Op>, Violation> {
        let op = match kind {
            Kind::Settings => Some(self.other_settings()),
            Kind::Contact => self.other_contact(index),
            Kind::Consent => self.other_consent(index, channels)?,
            Kind::Answer => self.answer_invite(index, channels)?,
            Kind::Register => self.register(index),
            Kind::Rename => self.rename_device(index)?,
            Kind::Revoke => self.revoke(index)?,
            Kind::AskSync => self.ask_sync(index),
            Kind::OfferSync | Kind::EndSync => self.move_sync(index, kind)?,
            _ => None,
        };
        Ok(op)
    }

    fn other_settings(&mut self) -> Op {
        let mut change = SettingsChange::default();
        let yes = self.dice.per_mille(500);
        match self.dice.below(7) {
            0 | 1 => change.invisible = Some(yes),
            2 => change.status = Some(format!("busy {}", self.dice.below(100))),
            3 => change.read_receipts = Some(yes),
            4 => change.delivery_receipts = Some(yes),
            5 => change.device_receipts = Some(yes),
            _ => change.typing_indicators = Some(yes),
        }
        if self.dice.per_mille(200) {
            change.status = Some(String::new());
        }
        Op::UpdateSettings { change }
    }

    /// Somebody else than the user of a device.
    pub(super) fn somebody_else(&mut self, index: usize) -> Option<UserId> {
        let me = self.devices[index].user.clone();
        let others: Vec<UserId> = self.users().into_iter().filter(|user| *user != me).collect();
        self.dice.pick(&others).cloned()
    }

    fn other_contact(&mut self, index: usize) -> Option<Op> {
        let user = self.somebody_else(index)?;
        let mut change = ContactChange::default();
        if self.dice.per_mille(700) {
            let state = self.some_consent();
            let until = self.some_time().filter(|_| state == ConsentState::Denied);
            change.consent = Some(SetConsent { state, until });
        } else {
            let until = self.some_time();
            let off = self.dice.per_mille(400);
            change.muted = Some(if off {
                SetMute::Off
            } else {
                SetMute::On(Mute { until })
            });
        }
        Some(Op::UpdateContact { user, change })
    }

    fn some_consent(&mut self) -> ConsentState {
        let all = [ConsentState::Allowed, ConsentState::Denied, ConsentState::Unknown];
        all[self.dice.index(3)]
    }

    fn other_consent(&mut self, index: usize, channels: &[ChannelId]) -> Result<Option<Op>, Violation> {
        let fit = self.in_state(index, channels, MemberState::Active)?;
        let Some(cid) = self.dice.pick(&fit).cloned() else {
            return Ok(None);
        };
        let change = MembershipChange {
            consent: Some(self.some_consent()),
            ..MembershipChange::default()
        };
        Ok(Some(Op::UpdateMembership { cid, change }))
    }

    /// Accepts an invitation, or rejects it: the last one is answered more than once, now and then.
    fn answer_invite(&mut self, index: usize, channels: &[ChannelId]) -> Result<Option<Op>, Violation> {
        let fit = self.in_state(index, channels, MemberState::Invited)?;
        let drawn = self
            .dice
            .pick(&fit)
            .or(channels.first().filter(|_| fit.is_empty()));
        let (cid, accept) = (drawn.cloned(), self.dice.per_mille(650));
        Ok(cid.map(|cid| Op::AnswerInvite { cid, accept }))
    }

    /// Returns the channels of which a device knows that its user is in them so.
    fn in_state(
        &self,
        index: usize,
        channels: &[ChannelId],
        state: MemberState,
    ) -> Result<Vec<ChannelId>, Violation> {
        let mut fit = Vec::new();
        for cid in channels {
            let row = or_broken(now_or(
                self.devices[index].store.channel(cid, &People::default()),
            )?)?;
            if row
                .and_then(|row| row.membership)
                .is_some_and(|row| row.state == state)
            {
                fit.push(cid.clone());
            }
        }
        Ok(fit)
    }

    /// Returns what a device knows of the devices of its account, and of what they ask for.
    fn own_devices(&self, index: usize) -> Result<(Vec<Device>, Vec<DeviceSync>), Violation> {
        let (mut devices, mut syncs) = (Vec::new(), Vec::new());
        for row in or_broken(now_or(self.devices[index].store.account_rows())?)? {
            match row {
                AccountRow::Device(row) => devices.push(row),
                AccountRow::DeviceSync(row) => syncs.push(row),
                AccountRow::Settings(_) | AccountRow::Contact(_) => {}
            }
        }
        Ok((devices, syncs))
    }

    pub(super) fn register(&mut self, index: usize) -> Option<Op> {
        let device = self.devices[index].id?;
        Some(Op::RegisterDevice {
            device,
            name: ["", "phone", "laptop"][self.dice.index(3)].to_owned(),
            agent: format!("sim/{}", self.dice.below(3)),
            key: self.dice.per_mille(500).then(|| "a key".to_owned()),
        })
    }

    fn rename_device(&mut self, index: usize) -> Result<Option<Op>, Violation> {
        let (devices, _) = self.own_devices(index)?;
        let known = self.dice.pick(&devices).map(|row| row.id);
        let mut change = DeviceChange::default();
        match self.dice.below(3) {
            0 => change.name = Some(format!("mine {}", self.dice.below(100))),
            1 => change.push = Some(SetPush::Off),
            _ => {
                let token = PushToken {
                    provider: "sim".to_owned(),
                    token: format!("token {}", self.dice.below(100)),
                };
                change.push = Some(SetPush::On(token));
            }
        }
        let device = known.or(self.devices[index].id);
        Ok(device.map(|device| Op::UpdateDevice { device, change }))
    }

    /// Shuts another device of the account out: whoever has only one keeps it.
    fn revoke(&mut self, index: usize) -> Result<Option<Op>, Violation> {
        let own = self.devices[index].id;
        let (devices, _) = self.own_devices(index)?;
        let fit = devices
            .iter()
            .filter(|row| row.revoked_at.is_none() && Some(row.id) != own);
        let fit: Vec<DeviceId> = fit.map(|row| row.id).collect();
        let device = self.dice.pick(&fit).copied();
        Ok(device.map(|device| Op::RevokeDevice { device }))
    }

    fn ask_sync(&mut self, index: usize) -> Option<Op> {
        let device = self.devices[index].id?;
        let request = self.with_env(index, |engine, env| engine.new_id(env))?;
        Some(Op::RequestDeviceSync {
            device,
            request,
            key: "a key".to_owned(),
        })
    }

    /// Answers what another device asks for, or ends what this one asked for.
    fn move_sync(&mut self, index: usize, kind: Kind) -> Result<Option<Op>, Violation> {
        let Some(by) = self.devices[index].id else {
            return Ok(None);
        };
        let (_, syncs) = self.own_devices(index)?;
        let ends = matches!(kind, Kind::EndSync);
        let fit = syncs.iter().filter(|row| (row.device == by) == ends);
        let fit: Vec<&DeviceSync> = fit.filter(|row| row.state != DeviceSyncState::Done).collect();
        let Some(row) = self.dice.pick(&fit) else {
            return Ok(None);
        };
        let (device, request) = (row.device, row.request);
        Ok(Some(if ends {
            Op::EndDeviceSync { device, request }
        } else {
            Op::OfferDeviceSync {
                device,
                request,
                by,
                bytes: 1 + self.dice.below(1_000),
                sha256: format!("{:064x}", self.dice.next()),
            }
        }))
    }
}
