//! Questions: what a filter finds on the server.

use crate::{Effects, Engine, Env, Notice, engine::Request, session::Phase};
use whimbrel_model::Code;
use whimbrel_protocol::{Answer, Ask, ClientFrame, Failed, Question};

/// Questions on their way at once: more than any screen asks, and an end to a loop.
const IN_FLIGHT: usize = 16;

/// Why a question was not answered. Nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// There is no live connection, or it broke before the answer.
    #[error("only the server can answer this, and there is no connection to it now: ask again once there is")]
    NotConnected,
    /// Too many questions have no answer yet.
    #[error("{IN_FLIGHT} questions have no answer yet: wait for one of them, then ask again")]
    Busy,
    /// The server refused.
    #[error("the server did not answer the question: {message}")]
    Refused {
        /// The stable code.
        code: Code,
        /// Why, in words.
        message: String,
    },
}

impl AskError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Busy => "busy",
            Self::Refused { code, .. } => code.as_str(),
        }
    }

    /// Returns whether asking again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotConnected | Self::Busy => true,
            Self::Refused { code, .. } => code.is_retryable(),
        }
    }
}

impl Engine {
    /// Asks the server a question. Returns the number that names the answer in [`Notice::Answered`]: exactly one comes, when
    /// the server has answered or the connection is lost.
    ///
    /// The rows of an answer are not part of any stream: they are for who asked, and nothing is stored.
    ///
    /// # Errors
    /// [`AskError::NotConnected`] when there is no live connection, [`AskError::Busy`] when too many have no answer yet.
    pub fn ask(&mut self, question: Question, env: &Env<'_>) -> Result<(u64, Effects), AskError> {
        if !matches!(self.phase, Phase::Online(_)) {
            return Err(AskError::NotConnected);
        }
        let asked = self.requests.sent.values();
        if asked
            .filter(|(_, request)| matches!(request, Request::Question))
            .count()
            >= IN_FLIGHT
        {
            return Err(AskError::Busy);
        }
        let id = self.requests.add(Request::Question, env.mono);
        let effects = Effects {
            frames: vec![ClientFrame::Ask(Ask { id, question })],
            ..Effects::default()
        };
        Ok((id, effects))
    }

    pub(crate) fn answered(&mut self, answer: Answer, effects: &mut Effects) {
        let is_question = |request: &Request| matches!(request, Request::Question | Request::Rows(_));
        match self.requests.take_if(answer.id, is_question) {
            Some(Request::Rows(scope)) => self.rows_came(scope, &answer, &mut effects.delta),
            Some(_) => effects.notices.push(Notice::Answered(answer.id, Ok(answer))),
            None => {}
        }
    }
}

pub(crate) fn refused(failed: Failed) -> Notice {
    let error = AskError::Refused {
        code: failed.code,
        message: failed.message,
    };
    Notice::Answered(failed.id, Err(error))
}
