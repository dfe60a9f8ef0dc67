//! The story of the demo: two people chat through a network cut, a killed app and a restarted server, and one of them takes a
//! second device.

mod people;

use crate::{
    Error,
    agent::{self, Agent, Answer, Order, Setup, Sight},
    check::{Device, Expected, Promise, Verdict, judge},
    server::{self, ServerProcess},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;
use whimbrel_model::{ChannelId, Invalid, MessageId, UserId};
use whimbrel_testkit::proxy::Proxy;

const OCEAN: &str = "messaging:ocean";
const STORM: &str = "messaging:storm";

/// The second device of ada, and where it keeps its files.
const TABLET: &str = "ada-tablet";

/// Tells what happens.
pub type Narrator<'a> = &'a mut (dyn FnMut(Line<'_>) + Send);

/// One line of the story.
#[derive(Clone, Copy, Debug)]
pub enum Line<'a> {
    /// A new chapter.
    Chapter(&'a str),
    /// What somebody does or what is seen.
    Event(&'a str, &'a str),
}

/// The world of the story, after it was told.
#[derive(Debug)]
pub struct Told {
    /// What the judge says.
    pub verdict: Verdict,
    /// What was promised in it, in order.
    pub promises: Vec<Promise>,
    /// The server, still running.
    pub server: ServerProcess,
}

struct Story<'a> {
    directory: PathBuf,
    proxy: Proxy,
    server: ServerProcess,
    promises: Vec<Promise>,
    narrate: Narrator<'a>,
}

/// Tells the story with all its files under `directory`, which must be empty.
///
/// # Errors
/// [`Error`] when a program or a file fails. A story that ends badly is not an error: see [`Told::verdict`].
pub async fn tell(directory: &Path, narrate: Narrator<'_>) -> Result<Told, Error> {
    let server = ServerProcess::start(directory).await?;
    let proxy = Proxy::open(server.address())
        .await
        .map_err(Error::io("opening the proxy"))?;
    let mut story = Story {
        directory: directory.to_owned(),
        proxy,
        server,
        promises: Vec::new(),
        narrate,
    };
    let mut ada = story.agent("ada").await?;
    let mut bob = story.agent("bob").await?;

    story.chat(&mut ada, &mut bob).await?;
    story.hide(&mut ada, &mut bob).await?;
    story.lose_an_answer(&mut ada).await?;
    story.cut(&mut ada, &mut bob).await?;
    let mut ada = story.kill_and_reopen(ada).await?;
    story.restart_server().await?;
    story.reconnect(&mut ada, &mut bob).await?;
    let tablet = story.second_device(&mut ada).await?;
    let verdict = story.verdict([ada, bob, tablet]).await?;
    story.proxy.close().await;
    Ok(Told {
        verdict,
        promises: story.promises,
        server: story.server,
    })
}

impl Story<'_> {
    fn chapter(&mut self, title: &str) {
        (self.narrate)(Line::Chapter(title));
    }

    fn say(&mut self, who: &str, what: &str) {
        (self.narrate)(Line::Event(who, what));
    }

    async fn agent(&mut self, user: &str) -> Result<Agent, Error> {
        self.device(user, user).await
    }

    /// Starts a device of somebody, or opens it again.
    async fn device(&mut self, user: &str, directory: &str) -> Result<Agent, Error> {
        let token = server::token(&self.directory, user).await?;
        Agent::start(&Setup {
            user,
            server: &format!("http://{}", self.proxy.address()),
            token: &token,
            directory: &self.directory.join(directory),
        })
    }

    /// Waits until somebody's device shows something, and tells of it.
    async fn see(&mut self, of: &mut Agent, sight: Sight, what: &str) -> Result<(), Error> {
        of.tell(Order::Await(sight)).await?;
        let screen = format!("on {}'s screen: {what}", of.user());
        self.say("", &screen);
        Ok(())
    }

    async fn send(&mut self, by: &mut Agent, cid: &str, text: &str) -> Result<MessageId, Error> {
        self.send_in(by, cid, text, None).await
    }

    async fn send_in(
        &mut self,
        by: &mut Agent,
        cid: &str,
        text: &str,
        parent: Option<MessageId>,
    ) -> Result<MessageId, Error> {
        let id = by.send(cid, text, parent).await?;
        let wrong = |error: Invalid| Error::program("the story", error);
        self.promises.push(Promise {
            id,
            cid: ChannelId::new(cid).map_err(wrong)?,
            author: UserId::new(by.user()).map_err(wrong)?,
            device: by.user().to_owned(),
            texts: vec![Some(text.to_owned())],
        });
        let user = by.user().to_owned();
        self.say(
            &user,
            &format!("{}{text}", if parent.is_some() { "(in the thread) " } else { "" }),
        );
        Ok(id)
    }

    async fn edit(&mut self, by: &mut Agent, cid: &str, id: MessageId, text: &str) -> Result<(), Error> {
        by.tell(Order::Edit {
            cid: cid.to_owned(),
            id,
            text: text.to_owned(),
        })
        .await?;
        self.expect(id, Some(text.to_owned()));
        self.say(by.user(), &format!("(edits) {text}"));
        Ok(())
    }

    async fn delete(&mut self, by: &mut Agent, cid: &str, id: MessageId, which: &str) -> Result<(), Error> {
        by.tell(Order::Delete {
            cid: cid.to_owned(),
            id,
        })
        .await?;
        self.expect(id, None);
        self.say(by.user(), &format!("(deletes {which})"));
        Ok(())
    }

    async fn react(&mut self, by: &mut Agent, cid: &str, id: MessageId, kind: &str) -> Result<(), Error> {
        by.tell(Order::React {
            cid: cid.to_owned(),
            id,
            kind: kind.to_owned(),
        })
        .await?;
        self.say(by.user(), &format!("(reacts) {kind}"));
        Ok(())
    }

    async fn unreact(&mut self, by: &mut Agent, cid: &str, id: MessageId, kind: &str) -> Result<(), Error> {
        by.tell(Order::Unreact {
            cid: cid.to_owned(),
            id,
            kind: kind.to_owned(),
        })
        .await?;
        self.say(by.user(), &format!("(takes back) {kind}"));
        Ok(())
    }

    fn expect(&mut self, id: MessageId, text: Option<String>) {
        if let Some(promise) = self.promises.iter_mut().find(|promise| promise.id == id) {
            promise.texts = vec![text];
        }
    }

    async fn show(&mut self, of: &mut Agent, cid: &str, rows: usize) -> Result<(), Error> {
        let screen = format!("{}'s screen", of.user());
        self.show_on(of, &screen, cid, rows).await
    }

    async fn show_on(&mut self, of: &mut Agent, screen: &str, cid: &str, rows: usize) -> Result<(), Error> {
        if let Answer::Shown(lines) = of
            .tell(Order::Show {
                cid: cid.to_owned(),
                rows,
            })
            .await?
        {
            self.say("", &format!("on {screen}, {cid}:"));
            for line in lines {
                self.say("", &format!("   {line}"));
            }
        }
        Ok(())
    }

    /// Returns how many rows the timeline of a channel has in the end.
    fn rows(&self, cid: &str) -> usize {
        // One reply stands in its thread only.
        let threads = usize::from(cid == OCEAN);
        let here = self.promises.iter().filter(|promise| promise.cid.as_str() == cid);
        // The one message that is deleted in it and never left ada's phone is nowhere.
        here.filter(|promise| promise.texts != [None]).count() - threads
    }

    async fn chat(&mut self, ada: &mut Agent, bob: &mut Agent) -> Result<(), Error> {
        self.chapter("Before any connection, ada opens her app and writes");
        let members = vec![bob.user().to_owned()];
        ada.tell(Order::Create {
            cid: OCEAN.to_owned(),
            name: "Ocean".to_owned(),
            members,
        })
        .await?;
        self.say("ada", "(creates the channel Ocean with bob)");
        let first = self.send(ada, OCEAN, "Hello bob, are you there?").await?;

        self.chapter("Both connect and chat");
        for agent in [&mut *ada, &mut *bob] {
            agent.tell(Order::Connect).await?;
        }
        ada.tell(Order::Drain).await?;
        bob.tell(Order::Show {
            cid: OCEAN.to_owned(),
            rows: 1,
        })
        .await?;
        self.answer_request(ada, bob, first).await?;
        self.react(bob, OCEAN, first, "👋").await?;
        for agent in [&mut *ada, &mut *bob] {
            agent.tell(Order::Drain).await?;
        }
        self.show(ada, OCEAN, 2).await
    }

    async fn lose_an_answer(&mut self, ada: &mut Agent) -> Result<(), Error> {
        self.chapter("The server's answer is lost on the way: ada's app cannot know, and asks again");
        self.proxy.drop_reply_after(16);
        self.send(ada, OCEAN, "This one arrives exactly once").await?;
        ada.tell(Order::Drain).await?;
        Ok(())
    }

    async fn cut(&mut self, ada: &mut Agent, bob: &mut Agent) -> Result<(), Error> {
        self.chapter("The network is cut. Both go on");
        self.proxy.cut();
        for agent in [&mut *ada, &mut *bob] {
            agent.tell(Order::Lost).await?;
        }
        let tunnel = self.send(ada, OCEAN, "Now I am in a tunel").await?;
        self.edit(ada, OCEAN, tunnel, "Now I am in a tunnel").await?;
        self.react(ada, OCEAN, tunnel, "🚇").await?;
        let mistake = self.send(ada, OCEAN, "This was a mistake").await?;
        self.delete(ada, OCEAN, mistake, "that message, which nobody has seen")
            .await?;
        self.send_in(ada, OCEAN, "It is a long one", Some(tunnel)).await?;
        let calm = self.promises[1].id;
        self.delete(
            bob,
            OCEAN,
            calm,
            "what he said of the calm sea, which ada has seen",
        )
        .await?;
        let waves = self.send(bob, OCEAN, "And I am among waves").await?;
        self.react(bob, OCEAN, waves, "🌊").await?;
        self.unreact(bob, OCEAN, waves, "🌊").await?;
        self.react(bob, OCEAN, waves, "⛵").await?;
        let members = vec![bob.user().to_owned()];
        ada.tell(Order::Create {
            cid: STORM.to_owned(),
            name: "Storm".to_owned(),
            members,
        })
        .await?;
        self.say("ada", "(creates the channel Storm, which no server knows of)");
        let thunder = self.send(ada, STORM, "Did you hear that?").await?;
        self.react(ada, STORM, thunder, "⚡").await?;
        Ok(())
    }

    async fn kill_and_reopen(&mut self, ada: Agent) -> Result<Agent, Error> {
        self.chapter("ada's app is killed, and opened again with no network");
        ada.kill().await?;
        let mut ada = self.agent("ada").await?;
        ada.tell(Order::Connect).await?;
        self.show(&mut ada, OCEAN, 4).await?;
        self.send(&mut ada, OCEAN, "My phone died, and nothing was lost")
            .await?;
        Ok(ada)
    }

    async fn restart_server(&mut self) -> Result<(), Error> {
        self.chapter("The server is killed, and started again");
        // First killed, then started: two servers cannot have one database.
        self.server.kill().await?;
        let next = ServerProcess::start(&self.directory).await?;
        self.proxy.set_target(next.address());
        self.server = next;
        self.say("", &format!("the server listens at {}", self.server.address()));
        Ok(())
    }

    async fn reconnect(&mut self, ada: &mut Agent, bob: &mut Agent) -> Result<(), Error> {
        self.chapter("The network is back. Nobody does anything");
        self.proxy.restore();
        // Twice: what one of them sends last has to reach the other.
        for agent in [&mut *ada, &mut *bob] {
            agent.tell(Order::Drain).await?;
        }
        for cid in [OCEAN, STORM] {
            let rows = self.rows(cid);
            for agent in [&mut *ada, &mut *bob] {
                agent
                    .tell(Order::Show {
                        cid: cid.to_owned(),
                        rows,
                    })
                    .await?;
            }
        }
        for agent in [&mut *ada, &mut *bob] {
            agent
                .tell(Order::Read {
                    cid: OCEAN.to_owned(),
                })
                .await?;
            agent.tell(Order::Drain).await?;
        }
        let (ocean, storm) = (self.rows(OCEAN), self.rows(STORM));
        self.show(bob, OCEAN, ocean).await?;
        self.show(bob, STORM, storm).await
    }

    async fn verdict(&mut self, agents: [Agent; 3]) -> Result<Verdict, Error> {
        self.chapter("The four databases are compared from outside");
        let settled = self.settle().await;
        for agent in agents {
            agent.close().await?;
        }
        settled
    }

    /// Judges until everything has arrived everywhere: a live event may still be on its way to the other device.
    async fn settle(&self) -> Result<Verdict, Error> {
        let mut devices = Vec::new();
        for (user, directory) in [("ada", "ada"), ("ada", TABLET), ("bob", "bob")] {
            let path = agent::database(&self.directory.join(directory))?;
            let user = UserId::new(user).map_err(|error| Error::program("the story", error))?;
            devices.push((directory, user, path));
        }
        let devices: Vec<_> = devices
            .iter()
            .map(|(name, user, path)| Device {
                name,
                user: user.clone(),
                path,
            })
            .collect();
        let expected = Expected::messages(&self.promises);
        let database = server::database(&self.directory);
        let mut verdict = judge(&expected, &database, &devices).await?;
        for _ in 0..100 {
            if verdict.converged {
                break;
            }
            sleep(Duration::from_millis(100)).await; // tidy: allow sleep: files are polled from outside, by design
            verdict = judge(&expected, &database, &devices).await?;
        }
        Ok(verdict)
    }
}
