//! Parcels between the devices of the account: what is left at the server, and fetched from it.

use crate::{AskError, Effects, Engine, Env, Notice, engine::Request, session::Phase};
use uuid::Uuid;
use whimbrel_model::Code;
use whimbrel_protocol::{ClientFrame, Failed, Parcel, ParcelAct, ParcelPage};

impl Engine {
    /// Puts or gets a part of a parcel. Returns the number that names the answer in [`Notice::Parcel`]: exactly one comes, when the
    /// server has answered or the connection is lost. One at a time is on its way: more would only fill the link.
    ///
    /// # Errors
    /// [`AskError::NotConnected`] when there is no live connection, [`AskError::Busy`] when one has no answer yet.
    pub fn carry(
        &mut self,
        request: Uuid,
        act: ParcelAct,
        env: &Env<'_>,
    ) -> Result<(u64, Effects), AskError> {
        if !matches!(self.phase, Phase::Online(_)) {
            return Err(AskError::NotConnected);
        }
        let mut asked = self.requests.sent.values();
        if asked.any(|(_, request)| matches!(request, Request::Parcel)) {
            return Err(AskError::Busy);
        }
        let id = self.requests.add(Request::Parcel, env.mono);
        let effects = Effects {
            frames: vec![ClientFrame::Parcel(Parcel { id, request, act })],
            ..Effects::default()
        };
        Ok((id, effects))
    }

    pub(crate) fn carried(&mut self, page: ParcelPage, effects: &mut Effects) {
        let is_parcel = |request: &Request| matches!(request, Request::Parcel);
        if self.requests.take_if(page.id, is_parcel).is_some() {
            effects.notices.push(Notice::Parcel(page.id, Ok(page)));
        }
    }
}

pub(crate) fn refused(failed: Failed) -> Notice {
    let error = AskError::Refused {
        code: failed.code,
        message: failed.message,
    };
    Notice::Parcel(failed.id, Err(error))
}

impl AskError {
    /// Returns whether the server says that the parcel is over: nobody wants it any more, or it is not there.
    #[must_use]
    pub fn is_parcel_gone(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: Code::ParcelGone,
                ..
            }
        )
    }
}
