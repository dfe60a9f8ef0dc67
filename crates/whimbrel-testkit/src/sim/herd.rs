//! Many devices at once, and a server that restarts under them.

use super::{Cut, Violation, world::World};
use whimbrel_model::Op;

/// How a restart went for everyone.
#[derive(Clone, Debug)]
pub struct Herd {
    /// How many devices there were.
    pub devices: usize,
    /// When each connection was made, in milliseconds since the server was there again, in ascending order.
    pub connects: Vec<u64>,
    /// When everyone was up to date again, counted from the same moment.
    pub synced_ms: u64,
}

/// Lets four people with `each` devices be connected, ends the server for up to six seconds (it says goodbye, or it
/// does not), and waits until all are up to date again. Nothing else goes wrong.
///
/// # Errors
/// What did not hold, as in a schedule.
pub fn herd(seed: u64, each: u64, goodbye: bool) -> Result<Herd, Violation> {
    let cut = Cut {
        actions: 0,
        ..Cut::default()
    };
    let mut world = World::crowded(seed, &cut, each);
    let devices = world.devices.len();
    world.calm(10_000)?;
    let op = world.create(0);
    if let Some(op @ Op::CreateChannel { .. }) = op {
        world.command(0, &mut |engine, env| {
            Some(engine.enqueue(op.clone(), env).ok()?.1)
        })?;
    }
    world.calm(60_000)?;
    if goodbye {
        world.server_stops();
    } else {
        world.server_dies("before everyone's eyes");
    }
    while !world.server.up {
        world.step(&mut 0, &mut { u64::MAX })?;
    }
    let (back, before) = (world.now, world.net.made_at.len());
    let synced = world.calm(0)?;
    let made = world.net.made_at.iter().skip(before);
    Ok(Herd {
        devices,
        connects: made.map(|at| at - back).collect(),
        synced_ms: synced - back,
    })
}
