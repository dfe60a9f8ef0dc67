//! Questions to the server.

use super::{Driver, Round};
use crate::{Error, command::Reply};
use whimbrel_protocol::{Answer, Question};
use whimbrel_sync::AskError;

impl Driver {
    /// Passes a question on. Its answer comes with [`Driver::answered`].
    pub(super) fn question(&mut self, question: Question, reply: Reply<Answer>, round: &mut Round) {
        match self.with_env(|engine, env| engine.ask(question, env)) {
            Ok((request, effects)) => {
                self.questions.insert(request, reply);
                round.effects.merge(effects);
            }
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    pub(super) fn answered(&mut self, request: u64, outcome: Result<Answer, AskError>) {
        if let Some(reply) = self.questions.remove(&request) {
            // The caller may have gone.
            let _ = reply.send(outcome.map_err(Error::from));
        }
    }

    pub(super) fn fail_questions(&mut self, error: &Error) {
        for (_, reply) in self.questions.drain() {
            let _ = reply.send(Err(error.clone()));
        }
        self.fail_parcels(error);
    }
}
