//! What people see of each other, and a second device.

use super::{OCEAN, STORM, Story, TABLET};
use crate::{
    Error,
    agent::{Agent, Order, Reached, Sight},
};
use whimbrel_model::MessageId;

/// A setting that is on one device only.
const NOTE: (&str, &str) = ("note", "the tide turns at six");

fn receipt(id: MessageId, reached: Reached) -> Sight {
    let cid = OCEAN.to_owned();
    Sight::Receipt { cid, id, reached }
}

fn request(there: bool) -> Sight {
    let cid = OCEAN.to_owned();
    Sight::Request { cid, there }
}

fn ada_is(online: bool) -> Sight {
    let user = "ada".to_owned();
    Sight::Online { user, online }
}

fn note_is_here() -> Sight {
    let (key, value) = (NOTE.0.to_owned(), NOTE.1.to_owned());
    Sight::Kept { key, value }
}

impl Story<'_> {
    /// Whoever is brought into a channel by somebody new decides; an answer is a decision.
    pub(super) async fn answer_request(
        &mut self,
        ada: &mut Agent,
        bob: &mut Agent,
        first: MessageId,
    ) -> Result<(), Error> {
        self.see(bob, request(true), "a request of ada, whom he does not know")
            .await?;
        self.see(
            ada,
            receipt(first, Reached::Delivered),
            "✓✓ it has arrived at bob",
        )
        .await?;
        self.send(bob, OCEAN, "I am, and the sea is calm").await?;
        self.see(bob, request(false), "no request: the answer has allowed it")
            .await?;
        let cid = OCEAN.to_owned();
        bob.tell(Order::Read { cid }).await?;
        self.see(ada, receipt(first, Reached::Read), "✓✓ bob has read it")
            .await
    }

    /// Who is invisible writes as ever, and is seen by nobody.
    pub(super) async fn hide(&mut self, ada: &mut Agent, bob: &mut Agent) -> Result<(), Error> {
        self.chapter("ada does not want to be seen for a while");
        self.see(bob, ada_is(true), "ada is online").await?;
        ada.tell(Order::Invisible { on: true }).await?;
        self.say("ada", "(turns invisible)");
        self.see(bob, ada_is(false), "ada is offline").await?;
        let sent = self.send(ada, OCEAN, "Who knows that I am here?").await?;
        self.see(ada, receipt(sent, Reached::Delivered), "✓✓ it has arrived at bob")
            .await?;
        self.see(bob, ada_is(false), "ada is offline").await?;
        ada.tell(Order::Invisible { on: false }).await?;
        self.say("ada", "(is visible again)");
        self.see(bob, ada_is(true), "ada is online").await
    }

    /// A new device gets the messages from the server, and what only the other devices have from one of them.
    pub(super) async fn second_device(&mut self, ada: &mut Agent) -> Result<Agent, Error> {
        self.chapter("ada takes a second device. It is offered what only the first one has");
        let (key, value) = (NOTE.0.to_owned(), NOTE.1.to_owned());
        ada.tell(Order::Keep { key, value }).await?;
        self.say(
            "ada",
            &format!("(notes on her phone, which no server sees) {}", NOTE.1),
        );
        let mut tablet = self.device("ada", TABLET).await?;
        tablet.tell(Order::Connect).await?;
        tablet.tell(Order::Await(note_is_here())).await?;
        self.say("", &format!("on ada's tablet: the note, {}", NOTE.1));
        tablet.tell(Order::Drain).await?;
        let rows = self.rows(STORM);
        self.show_on(&mut tablet, "ada's tablet", STORM, rows).await?;
        Ok(tablet)
    }
}
