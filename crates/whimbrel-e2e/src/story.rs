//! The story of the demo: two people chat through a network cut, a killed app and a restarted server.

use crate::{
    Error,
    agent::{self, Agent, Answer, Order, Setup},
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
    story.lose_an_answer(&mut ada).await?;
    story.cut(&mut ada, &mut bob).await?;
    let mut ada = story.kill_and_reopen(ada).await?;
    story.restart_server().await?;
    story.reconnect(&mut ada, &mut bob).await?;
    let verdict = story.verdict(ada, bob).await?;
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
        let token = server::token(&self.directory, user).await?;
        Agent::start(&Setup {
            user,
            server: &format!("http://{}", self.proxy.address()),
            token: &token,
            directory: &self.directory.join(user),
        })
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
        if let Answer::Shown(lines) = of
            .tell(Order::Show {
                cid: cid.to_owned(),
                rows,
            })
            .await?
        {
            self.say("", &format!("on {}'s screen, {cid}:", of.user()));
            for line in lines {
                self.say("", &format!("   {line}"));
            }
        }
        Ok(())
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
        self.send(bob, OCEAN, "I am, and the sea is calm").await?;
        self.react(bob, OCEAN, first, "👋").await?;
        bob.tell(Order::Read {
            cid: OCEAN.to_owned(),
        })
        .await?;
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
        let channel = |cid: &str| ChannelId::new(cid).ok();
        let top = |cid: &str, story: &Self| {
            let threads = usize::from(cid == OCEAN);
            story
                .promises
                .iter()
                .filter(|promise| Some(&promise.cid) == channel(cid).as_ref())
                // The one message that is deleted in it never left ada's phone.
                .filter(|promise| promise.texts != [None])
                .count()
                - threads
        };
        for cid in [OCEAN, STORM] {
            let rows = top(cid, self);
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
        self.show(bob, OCEAN, top(OCEAN, self)).await?;
        self.show(bob, STORM, top(STORM, self)).await
    }

    async fn verdict(&mut self, ada: Agent, bob: Agent) -> Result<Verdict, Error> {
        self.chapter("The three databases are compared from outside");
        let settled = self.settle().await;
        ada.close().await?;
        bob.close().await?;
        settled
    }

    /// Judges until everything has arrived everywhere: a live event may still be on its way to the other device.
    async fn settle(&self) -> Result<Verdict, Error> {
        let users = ["ada", "bob"];
        let mut devices = Vec::new();
        for user in users {
            let path = agent::database(&self.directory.join(user))?;
            devices.push((
                UserId::new(user).map_err(|error| Error::program("the story", error))?,
                path,
            ));
        }
        let devices: Vec<_> = devices
            .iter()
            .map(|(user, path)| Device {
                name: user.as_str(),
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
