//! The processes of a round, and what can be done to them.

use crate::{
    Error,
    agent::{self, Agent, Order, Setup},
    check::{self, Expected, Verdict, judge},
    server::{self, ServerProcess},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{process::Command, time::sleep};
use whimbrel_model::UserId;
use whimbrel_testkit::proxy::{Direction, Proxy};

/// Between two looks at the files of a round that comes to rest.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until a round that does not come to rest has failed: ten seconds, for events that take milliseconds.
const LOOKS: u32 = 200;

/// One device: its files, its way to the server, and its client while that runs.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) user: UserId,
    pub(super) way: Proxy,
    pub(super) agent: Option<Agent>,
    /// Whether its process is held with SIGSTOP.
    pub(super) held: bool,
    directory: PathBuf,
    token: String,
}

/// One server, some devices, and what happened to them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) devices: Vec<Device>,
    pub(super) server: Option<ServerProcess>,
    /// How many programs were killed.
    pub(super) kills: usize,
    /// What happened, in words.
    pub(super) events: Vec<String>,
    directory: PathBuf,
}

impl World {
    /// Starts a server, and makes a device for each (user, name), whose client does not run yet. All files are under
    /// `directory`.
    pub(super) async fn open(directory: &Path, devices: &[(&str, &str)]) -> Result<Self, Error> {
        let server = ServerProcess::start(directory).await?;
        let mut world = Self {
            devices: Vec::new(),
            kills: 0,
            events: Vec::new(),
            directory: directory.to_owned(),
            server: None,
        };
        for (user, name) in devices {
            let way = Proxy::open(server.address())
                .await
                .map_err(Error::io("opening a proxy"))?;
            world.devices.push(Device {
                name: (*name).to_owned(),
                user: UserId::new(user).map_err(|error| Error::program(user, error))?,
                way,
                agent: None,
                held: false,
                directory: directory.join(name),
                token: server::token(directory, user).await?,
            });
        }
        world.server = Some(server);
        Ok(world)
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.events.push(what.into());
    }

    /// Returns the client of a device that runs.
    pub(super) fn agent(&mut self, at: usize) -> Result<&mut Agent, Error> {
        let device = &mut self.devices[at];
        let name = &device.name;
        device
            .agent
            .as_mut()
            .ok_or_else(|| Error::program(name, "it does not run"))
    }

    pub(super) async fn kill_client(&mut self, at: usize) -> Result<(), Error> {
        let device = &mut self.devices[at];
        if let Some(agent) = device.agent.take() {
            agent.kill().await?;
            device.held = false;
            self.kills += 1;
            let event = format!("kill -9 {}", device.name);
            self.note(event);
        }
        Ok(())
    }

    /// Starts a client that does not run.
    pub(super) fn start_client(&mut self, at: usize) -> Result<(), Error> {
        let device = &mut self.devices[at];
        if device.agent.is_none() {
            device.agent = Some(Agent::start(&device.setup(&device.address()))?);
            let event = format!("{} starts", device.name);
            self.note(event);
        }
        Ok(())
    }

    /// Starts a client again with files that can grow by about `room` bytes, see [`Agent::start_limited`].
    pub(super) async fn limit_client(&mut self, at: usize, room: u64) -> Result<(), Error> {
        if let Some(agent) = self.devices[at].agent.take() {
            agent.close().await?;
        }
        let device = &mut self.devices[at];
        let size = std::fs::metadata(agent::database(&device.directory)?)
            .map_err(Error::io("asking for the size of a database"))?
            .len();
        let agent = Agent::start_limited(&device.setup(&device.address()), size + room)?;
        device.agent = Some(agent);
        self.agent(at)?.tell(Order::Connect).await?;
        Ok(())
    }

    pub(super) async fn kill_server(&mut self) -> Result<(), Error> {
        if let Some(mut server) = self.server.take() {
            server.kill().await?;
            self.kills += 1;
            self.note("kill -9 the server");
        }
        Ok(())
    }

    /// Starts a server that does not run, and leads everyone to it.
    pub(super) async fn start_server(&mut self) -> Result<(), Error> {
        if self.server.is_none() {
            let server = ServerProcess::start(&self.directory).await?;
            for device in &self.devices {
                device.way.set_target(server.address());
            }
            self.server = Some(server);
            self.note("the server starts again");
        }
        Ok(())
    }

    /// Holds the process of a client, or lets it go on.
    pub(super) async fn hold(&mut self, at: usize, hold: bool) -> Result<(), Error> {
        let device = &mut self.devices[at];
        let id = device.agent.as_ref().and_then(Agent::process_id);
        let Some(id) = id.filter(|_| device.held != hold) else {
            return Ok(());
        };
        let signal = if hold { "STOP" } else { "CONT" };
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {id}")])
            .status()
            .await
            .map_err(Error::io("running kill"))?;
        if !status.success() {
            return Err(Error::program("kill", status));
        }
        device.held = hold;
        let event = format!("kill -{signal} {}", device.name);
        self.note(event);
        Ok(())
    }

    /// Ends every fault: everything runs and is connected.
    pub(super) async fn calm(&mut self) -> Result<(), Error> {
        self.note("all faults end");
        self.start_server().await?;
        for at in 0..self.devices.len() {
            self.hold(at, false).await?;
            self.start_client(at)?;
            let way = &self.devices[at].way;
            way.restore();
            way.drop_reply_after(usize::MAX);
            for direction in [Direction::Up, Direction::Down] {
                way.set_delay(direction, Duration::ZERO);
            }
            self.agent(at)?.tell(Order::Connect).await?;
        }
        Ok(())
    }

    /// Lets everything arrive, and judges until it has: a live event may still be on its way to another device.
    pub(super) async fn settle(&mut self, expected: &Expected) -> Result<Verdict, Error> {
        for at in 0..self.devices.len() {
            self.agent(at)?.tell(Order::Drain).await?;
        }
        let mut paths = Vec::new();
        for device in &self.devices {
            paths.push(agent::database(&device.directory)?);
        }
        let devices: Vec<_> = self
            .devices
            .iter()
            .zip(&paths)
            .map(|(device, path)| check::Device {
                name: &device.name,
                user: device.user.clone(),
                path,
            })
            .collect();
        let database = server::database(&self.directory);
        let mut verdict = judge(expected, &database, &devices).await?;
        for _ in 0..LOOKS {
            if verdict.converged {
                break;
            }
            sleep(LOOK).await; // tidy: allow sleep: files are polled from outside, by design
            verdict = judge(expected, &database, &devices).await?;
        }
        Ok(verdict)
    }

    /// Ends every program that still runs, in good order where it can.
    pub(super) async fn close(self) -> Result<(), Error> {
        for device in self.devices {
            if let Some(agent) = device.agent {
                agent.close().await?;
            }
            device.way.close().await;
        }
        if let Some(mut server) = self.server {
            server.kill().await?;
        }
        Ok(())
    }
}

impl Device {
    fn address(&self) -> String {
        format!("http://{}", self.way.address())
    }

    fn setup<'a>(&'a self, address: &'a str) -> Setup<'a> {
        Setup {
            user: self.user.as_str(),
            server: address,
            token: &self.token,
            directory: &self.directory,
        }
    }
}
