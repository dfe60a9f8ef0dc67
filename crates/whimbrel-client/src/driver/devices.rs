//! This device says who it is.

use super::{Driver, Round};
use tracing::warn;
use whimbrel_model::{Op, OpId, limits};
use whimbrel_sync::Status;

/// Returns what a device is called of which the app says nothing: its operating system.
pub(crate) fn system_name() -> &'static str {
    match std::env::consts::OS {
        "android" => "Android",
        "ios" => "iOS",
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    }
}

impl Driver {
    /// Registers this device once for each connection, if the account does not know it as it is.
    pub(super) fn register_when_connected(&mut self, round: &mut Round) {
        let connected = matches!(self.engine.status(), Status::CatchingUp { .. } | Status::Live);
        if connected && self.broken.is_none() && self.registered_on != self.links {
            self.registered_on = self.links;
            self.register(round);
        }
    }

    /// Registers this device before an operation that needs it to be.
    pub(super) fn register_before(&mut self, op: &Op, round: &mut Round) {
        let own = self.engine.account().device;
        if matches!(op, Op::UpdateDevice { device, .. } if *device == own) {
            self.register(round);
        }
    }

    /// Queues the registration of this device, unless the account has it as it is, or has revoked it. One that was rejected, for
    /// there were too many, is made anew.
    fn register(&mut self, round: &mut Round) {
        let device = self.engine.account().device;
        let agent = cut(&self.parts.config.agent);
        let facts = self.parts.state.account();
        let known = facts.devices.get(&device);
        if known.is_some_and(|known| known.revoked_at.is_some() || known.agent == agent) {
            return;
        }
        for rejected in self.rejected_registrations() {
            if let Ok(effects) = self.with_env(|engine, env| engine.discard(rejected, env)) {
                round.effects.merge(effects);
            }
        }
        let op = Op::RegisterDevice {
            device,
            name: self.parts.device_name.clone(),
            agent,
            // Nothing is encrypted to a device for good: each request of it has a key of its own.
            key: None,
        };
        match self.with_env(|engine, env| engine.enqueue(op, env)) {
            Ok((_, effects)) => round.effects.merge(effects),
            // It is tried again with the next connection.
            Err(error) => warn!(%error, "this device could not be registered"),
        }
    }

    fn rejected_registrations(&self) -> Vec<OpId> {
        let outbox = self.parts.state.outbox();
        let rejected = outbox.iter().filter(|item| item.rejection().is_some());
        let registrations = rejected.filter(|item| matches!(item.op, Op::RegisterDevice { .. }));
        registrations.map(|item| item.id).collect()
    }
}

/// Returns as much of the software's name as a device may have.
fn cut(agent: &str) -> String {
    let mut end = agent.len().min(limits::AGENT_BYTES);
    while !agent.is_char_boundary(end) {
        end -= 1;
    }
    agent[..end].to_owned()
}
