//! Devices: registered, listed, shut out.

use super::{
    Checked, Problem,
    handshake::refused,
    peer::{Peer, Stranger},
    script::World,
};
use whimbrel_model::{
    AccountRow, Code, Device, DeviceChange, DeviceId, DraftContent, Op, PushToken, Row, SetPush, StreamId,
};
use whimbrel_protocol::{DeviceState, FindDevices, PROTOCOL, Question};

fn register(device: DeviceId, name: &str, agent: &str) -> Op {
    Op::RegisterDevice {
        device,
        name: name.to_owned(),
        agent: agent.to_owned(),
        key: None,
    }
}

fn rename(device: DeviceId, name: &str) -> Op {
    Op::UpdateDevice {
        device,
        change: DeviceChange {
            name: Some(name.to_owned()),
            push: None,
        },
    }
}

fn set_push(device: DeviceId, push: SetPush) -> Op {
    Op::UpdateDevice {
        device,
        change: DeviceChange {
            name: None,
            push: Some(push),
        },
    }
}

fn token(token: &str) -> PushToken {
    PushToken {
        provider: "conformance".to_owned(),
        token: token.to_owned(),
    }
}

impl Peer {
    /// Carries out an operation that changes one device, and returns its row.
    async fn device(&mut self, world: &World, op: Op) -> Result<Device, Problem> {
        let name = op.name();
        let steps = self.accepted(world.op(op)).await?;
        let own = StreamId::User(self.user.clone());
        let rows: Vec<&Row> = steps.iter().flat_map(|step| &step.rows).collect();
        match rows.as_slice() {
            [Row::Account(AccountRow::Device(device))] if steps[0].stream == own => Ok(device.clone()),
            _ => Err(Problem::Failed(format!(
                "{name} did not change one row of {own}: {steps:?}"
            ))),
        }
    }

    /// Asks for one of the devices.
    async fn listed(&mut self, device: DeviceId) -> Result<Option<(Device, DeviceState)>, Problem> {
        let answer = self.ask(Question::Devices(FindDevices {})).await?;
        let row = answer.rows.iter().find_map(|row| match row {
            Row::Account(AccountRow::Device(row)) if row.id == device => Some(row.clone()),
            _ => None,
        });
        let state = answer.devices.into_iter().find(|state| state.device == device);
        ensure!(
            row.is_some() == state.is_some(),
            "of {device} the answer has the row {row:?} and the state {state:?}"
        );
        Ok(row.zip(state))
    }

    /// Leaves nothing behind that is in the way.
    async fn revoke_itself(mut self, world: &World) -> Checked {
        let device = self.device;
        self.device(world, Op::RevokeDevice { device }).await?;
        match self.ended().await? {
            Some(bye) if bye.code == Code::DeviceRevoked => Ok(()),
            other => Err(Problem::Failed(format!(
                "the connection of a device that was revoked ended with {other:?}"
            ))),
        }
    }
}

pub(super) async fn a_device_is_registered_and_listed(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let device = ada.device;
    ensure!(
        ada.listed(device).await?.is_none(),
        "a device is listed that was never registered"
    );
    let row = ada.device(world, register(device, "phone", "one")).await?;
    ensure!(
        (row.id, row.name.as_str(), row.agent.as_str()) == (device, "phone", "one"),
        "a registration made {row:?}"
    );
    let row = ada.device(world, rename(device, "my phone")).await?;
    ensure!(row.name == "my phone", "a new name made {row:?}");
    let row = ada.device(world, register(device, "phone", "two")).await?;
    ensure!(
        (row.name.as_str(), row.agent.as_str()) == ("my phone", "two"),
        "a registration does not change a name that was given: {row:?}"
    );
    let again = ada.accepted(world.op(register(device, "phone", "two"))).await?;
    ensure!(again.is_empty(), "the same registration again changed {again:?}");
    let on = set_push(device, SetPush::On(token("old")));
    let row = ada.device(world, on).await?;
    ensure!(row.push == Some(token("old")), "a push token made {row:?}");
    let row = ada
        .device(world, set_push(device, SetPush::On(token("new"))))
        .await?;
    ensure!(row.push == Some(token("new")), "a push token made {row:?}");
    let gone = ada
        .accepted(world.op(set_push(device, SetPush::Gone(token("old")))))
        .await?;
    ensure!(
        gone.is_empty(),
        "another token than the one that is gone was taken off: {gone:?}"
    );
    let (listed, state) = ada.listed(device).await?.ok_or_else(|| not_listed(device))?;
    ensure!(listed == row, "the list has {listed:?} instead of {row:?}");
    ensure!(
        state.connected,
        "a device that asks is listed without a connection"
    );
    let bobs = world.bob().await?.listed(device).await?;
    ensure!(bobs.is_none(), "another user is told of the device: {bobs:?}");
    ada.revoke_itself(world).await
}

pub(super) async fn a_revoked_device_is_shut_out(world: &World) -> Checked {
    let (mut ada, lost) = (world.ada().await?, world.ada().await?);
    let device = lost.device;
    let row = ada.device(world, Op::RevokeDevice { device }).await?;
    ensure!(row.revoked_at.is_some(), "a revocation made {row:?}");
    let last = lost.ended().await?;
    ensure!(
        last.as_ref().is_some_and(|bye| bye.code == Code::DeviceRevoked),
        "the connection of a device that was revoked ended with {last:?}"
    );
    let mut stranger = Stranger::connect(world).await?;
    stranger.hello_on(world.token(0), PROTOCOL, device).await?;
    refused(stranger, &Code::DeviceRevoked).await?;
    // It is one account's device that was revoked.
    drop(Peer::login_on(world, 1, device).await?);
    ada.rejected(world.op(rename(device, "phone")), &[Code::DeviceRevoked])
        .await?;
    let again = ada.accepted(world.op(Op::RevokeDevice { device })).await?;
    ensure!(again.is_empty(), "a second revocation changed {again:?}");
    Ok(())
}

pub(super) async fn what_a_device_does_for_itself_no_other_does_for_it(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let other = DeviceId(world.id());
    let draft = Op::SaveDraft {
        cid: room.cid.clone(),
        parent: None,
        device: other,
        content: Some(DraftContent {
            body: "a draft".into(),
            ..DraftContent::default()
        }),
        replaces: Vec::new(),
    };
    for op in [register(other, "phone", "one"), draft] {
        ada.rejected(world.op(op), &[Code::Forbidden]).await?;
    }
    Ok(())
}

pub(super) async fn how_far_a_device_is_is_told(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let device = ada.device;
    let room = world.room(&mut ada).await?;
    ada.device(world, register(device, "phone", "one")).await?;
    let (_, token) = ada.all_heads(None).await?;
    ada.all_heads(Some(&token)).await?;
    let (_, state) = ada.listed(device).await?.ok_or_else(|| not_listed(device))?;
    ensure!(
        state.behind == Some(0) && state.seen_at.is_some(),
        "a device that has all heads is {state:?}"
    );
    let mut bob = world.bob().await?;
    bob.accepted(world.op(room.send(world.id(), "one"))).await?;
    let (_, state) = ada.listed(device).await?.ok_or_else(|| not_listed(device))?;
    ensure!(
        state.behind == Some(1),
        "after one channel moved a device is {state:?}"
    );
    let (_, token) = ada.all_heads(Some(&token)).await?;
    ada.all_heads(Some(&token)).await?;
    let (_, state) = ada.listed(device).await?.ok_or_else(|| not_listed(device))?;
    ensure!(
        state.behind == Some(0),
        "a device that has all heads again is {state:?}"
    );
    ada.revoke_itself(world).await
}

fn not_listed(device: DeviceId) -> Problem {
    Problem::Failed(format!("the device {device} is registered, and not listed"))
}
