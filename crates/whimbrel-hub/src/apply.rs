//! The decision on operations: a pure function from what is stored to what is to be stored and told.

mod account;
mod channel;
mod delivered;
mod draft;
mod member;
mod message;
mod reaction;
mod read;
mod replay;
mod step;
mod user;

use crate::{Answer, Digest, Keys, Request, ResultRecord, Rules, Storage, StorageError, WorkingSet};
use step::Steps;
use whimbrel_model::{
    ChannelId, Code, DeviceSyncState, Invalid, MemberState, Message, Op, OpEnvelope, ReadPosition,
    StreamEvent, Timestamp, UserId, permission,
};
use whimbrel_protocol::Outcome;

/// What became of one operation, and who has to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the actor, with the steps that the actor may see.
    pub outcome: Outcome,
    /// The steps of all streams, in commit order.
    pub events: Vec<StreamEvent>,
}

/// Decides a group of requests in one transaction of `storage`: what the hub's writer does, without a task, for
/// whoever schedules by themselves.
///
/// # Errors
/// Those of [`Storage::transact`]: nothing may be answered or told then.
pub async fn apply_group(
    storage: &dyn Storage,
    rules: &Rules,
    now: Timestamp,
    requests: &[Request],
) -> Result<Vec<Applied>, StorageError> {
    let mut applied = Vec::new();
    let mut decide = |set: &mut WorkingSet| applied = apply(set, rules, now, requests);
    storage.transact(&Keys::of(requests), &mut decide).await?;
    Ok(applied)
}

/// Decides requests in order, on a set that holds what [`Keys::of`] them names. Returns one [`Applied`] each.
///
/// `now` is the server's time. It is stamped on rows and decides nothing.
pub fn apply(set: &mut WorkingSet, rules: &Rules, now: Timestamp, requests: &[Request]) -> Vec<Applied> {
    let decide = |request: &Request| {
        let digest = request.op.digest();
        let scene = Scene {
            rules,
            now,
            user: &request.user,
            op: &request.op,
            digest,
        };
        decide_one(set, &scene)
    };
    requests.iter().map(decide).collect()
}

/// One operation and what surrounds it.
struct Scene<'a> {
    rules: &'a Rules,
    now: Timestamp,
    user: &'a UserId,
    op: &'a OpEnvelope,
    digest: Digest,
}

/// A final refusal.
#[derive(Debug)]
struct Refusal {
    code: Code,
    message: String,
}

fn decide_one(set: &mut WorkingSet, scene: &Scene<'_>) -> Applied {
    // Neither is stored: the first has no id to store it under, and the second is not about the stored operation.
    if let Err(invalid) = check_ids(scene.op) {
        return refused(invalid.into());
    }
    if let Some(known) = replay::find(set, scene) {
        return match known {
            Ok(Answer::Accepted) => replay::accepted(set, scene),
            Ok(Answer::Rejected { code, message }) => refused(Refusal { code, message }),
            Err(conflict) => refused(conflict),
        };
    }
    if let Some(earlier) = scene
        .op
        .after
        .filter(|earlier| !is_answered(set, scene.user, *earlier))
    {
        let outcome = Outcome::Retry {
            code: Code::OutOfOrder,
            message: format!(
                "operation {earlier} comes before this one and has no answer yet: send it first"
            ),
            retry_after_ms: None,
        };
        return Applied {
            outcome,
            events: Vec::new(),
        };
    }
    match carry_out(set, scene) {
        Ok(steps) => {
            // A message is its own record.
            if !matches!(scene.op.op, Op::SendMessage { .. }) && !scene.op.op.leaves_no_result() {
                record(set, scene, Answer::Accepted);
            }
            if steps.is_empty() && matches!(scene.op.op, Op::CreateChannel { .. } | Op::MarkDelivered { .. })
            {
                // A distinct channel that is there, or a mark that is known: the actor learns of it at once, as after a repeat.
                return replay::accepted(set, scene);
            }
            let events = steps.finish(set);
            let steps = events
                .iter()
                .filter(|event| replay::may_see(set, scene, event))
                .cloned()
                .collect();
            Applied {
                outcome: Outcome::Accepted { steps },
                events,
            }
        }
        Err(refusal) => {
            if !scene.op.op.leaves_no_result() {
                let Refusal { code, message } = &refusal;
                let answer = Answer::Rejected {
                    code: code.clone(),
                    message: message.clone(),
                };
                record(set, scene, answer);
            }
            refused(refusal)
        }
    }
}

fn check_ids(op: &OpEnvelope) -> Result<(), Invalid> {
    op.id.validate()?;
    if op.after == Some(op.id) {
        return Err(Invalid::new("after", "must not be the operation itself"));
    }
    Ok(())
}

fn is_answered(set: &WorkingSet, user: &UserId, op: whimbrel_model::OpId) -> bool {
    set.result(user, op).is_some() || set.message_of_op(user, op).is_some()
}

/// Checks and carries out an operation. A refusal has changed nothing.
fn carry_out(set: &mut WorkingSet, scene: &Scene<'_>) -> Result<Steps, Refusal> {
    let op = &scene.op.op;
    op.validate()?;
    op.validate_for(scene.user)?;
    authorize(set, scene)?;
    match op {
        Op::CreateChannel {
            cid,
            name,
            image,
            custom,
            members,
        } => {
            let looks = channel::Looks { name, image, custom };
            channel::create(set, scene, cid, &looks, members)
        }
        Op::UpdateChannel {
            cid,
            name,
            image,
            custom,
        } => {
            let patch = channel::Patch { name, image, custom };
            Ok(channel::update(set, scene, cid, &patch))
        }
        Op::AddMembers { cid, users } => Ok(member::add(set, scene, cid, users)),
        Op::RemoveMembers { cid, users } => Ok(member::remove(set, cid, users)),
        Op::InviteMembers { cid, users } => Ok(member::invite(set, scene, cid, users)),
        Op::AnswerInvite { cid, accept } => Ok(member::answer(set, scene, cid, *accept)),
        Op::MarkDelivered { cid, device, seq } => Ok(delivered::mark(set, scene, cid, *device, *seq)),
        Op::SendMessage { .. } => message::send(set, scene),
        Op::EditMessage { id, body, .. } => Ok(message::edit(set, scene, *id, body)),
        Op::DeleteMessage { id, .. } => Ok(message::delete(set, scene, *id)),
        Op::PinMessage { id, until, .. } => Ok(message::pin(set, scene, *id, *until)),
        Op::UnpinMessage { id, .. } => Ok(message::unpin(set, *id)),
        Op::AddReaction { message, kind, .. } => Ok(reaction::set(set, scene, *message, kind, false)),
        Op::RemoveReaction { message, kind, .. } => Ok(reaction::set(set, scene, *message, kind, true)),
        Op::MarkRead {
            cid,
            thread,
            epoch,
            seq,
        } => {
            let position = ReadPosition {
                epoch: *epoch,
                seq: *seq,
            };
            read::mark(set, scene, cid, *thread, position)
        }
        Op::UpdateMembership { cid, change } => Ok(member::keep(set, scene, cid, change)),
        Op::SaveDraft {
            cid,
            parent,
            device,
            content,
            replaces,
        } => {
            let place = draft::Place { cid, parent: *parent };
            Ok(draft::save(set, scene, place, (*device, content), replaces))
        }
        Op::UpdateUser { name, image, custom } => {
            let patch = channel::Patch { name, image, custom };
            Ok(user::update(set, scene, &patch))
        }
        op => carry_out_account(set, scene, op),
    }
}

/// Carries out what is about the account itself.
fn carry_out_account(set: &mut WorkingSet, scene: &Scene<'_>, op: &Op) -> Result<Steps, Refusal> {
    match op {
        Op::UpdateSettings { change } => Ok(account::change_settings(set, scene, change)),
        Op::UpdateContact { user, change } => Ok(account::change_contact(set, scene, user, change)),
        Op::RegisterDevice {
            device,
            name,
            agent,
            key,
        } => {
            let key = key.as_ref();
            account::register(set, scene, *device, &account::Registration { name, agent, key })
        }
        Op::UpdateDevice { device, change } => account::update(set, scene, *device, change),
        Op::RevokeDevice { device } => Ok(account::revoke(set, scene, *device)),
        Op::RequestDeviceSync { device, request, key } => {
            Ok(account::request_sync(set, scene, *device, (*request, key)))
        }
        Op::OfferDeviceSync {
            device,
            request,
            by,
            bytes,
            sha256,
        } => {
            let offer = DeviceSyncState::Offered {
                by: *by,
                bytes: *bytes,
                sha256: sha256.clone(),
            };
            Ok(account::offer_sync(set, scene, (*device, *request), offer))
        }
        Op::EndDeviceSync { device, request } => Ok(account::end_sync(set, scene, (*device, *request))),
        _ => Ok(Steps::default()),
    }
}

fn authorize(set: &WorkingSet, scene: &Scene<'_>) -> Result<(), Refusal> {
    let op = &scene.op.op;
    let target = op.cid().zip(op.message());
    let place = permission::Scene {
        actor: scene.user,
        channel_exists: op.cid().is_some_and(|cid| set.channel(cid).is_some()),
        member: op.cid().and_then(|cid| set.member(cid, scene.user)),
        message: target.and_then(|(cid, id)| message_in(set, cid, id)),
    };
    permission::authorize(op, place).map_err(|denied| Refusal {
        code: denied.code,
        message: denied.reason,
    })
}

/// Returns a message if it is in that channel: ids are global, rights are the channel's.
fn message_in<'a>(
    set: &'a WorkingSet,
    cid: &ChannelId,
    id: whimbrel_model::MessageId,
) -> Option<&'a Message> {
    set.message(id)
        .map(|record| &record.message)
        .filter(|message| message.cid == *cid)
}

fn is_active(set: &WorkingSet, cid: &ChannelId, user: &UserId) -> bool {
    set.member(cid, user)
        .is_some_and(|member| member.state == MemberState::Active)
}

fn record(set: &mut WorkingSet, scene: &Scene<'_>, answer: Answer) {
    set.put_result(ResultRecord {
        user: scene.user.clone(),
        op: scene.op.id,
        digest: scene.digest,
        answer,
        at: scene.now,
    });
}

fn refused(Refusal { code, message }: Refusal) -> Applied {
    Applied {
        outcome: Outcome::Rejected { code, message },
        events: Vec::new(),
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self {
            code: invalid.code(),
            message: invalid.to_string(),
        }
    }
}
