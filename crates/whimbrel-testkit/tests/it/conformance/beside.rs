//! Servers that are wrong about what is beside the streams.

use super::fails;
use crate::tamper::Fault;
use whimbrel_protocol::{ClientFrame, ServerFrame, UserPresence, Watchers};

/// Changes how users are told to be.
fn presences(change: impl Fn(&mut UserPresence) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Presence(mut presence) => {
            presence.users.iter_mut().for_each(&change);
            vec![ServerFrame::Presence(presence)]
        }
        frame => vec![frame],
    })
}

/// Changes who is told to have a channel open.
fn watchers(change: impl Fn(&mut Watchers) + Send + Sync + 'static) -> Fault {
    Fault::none().down(move |frame| match frame {
        ServerFrame::Watchers(mut watchers) => {
            change(&mut watchers);
            vec![ServerFrame::Watchers(watchers)]
        }
        frame => vec![frame],
    })
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shows_users_as_they_are_not_is_found() {
    let told = "whose_presence_is_wanted_is_told_at_once_and_with_each_change";
    let hidden = "an_invisible_user_is_offline_to_others_and_knows_the_truth";
    let denied = "who_is_denied_is_shown_nobody";
    fails(presences(|user| user.online = true), &[hidden, denied]).await;
    fails(presences(|user| user.online = false), &[told, hidden, denied]).await;
    fails(presences(|user| user.last_active = None), &[told]).await;
    let same = presences(|user| {
        user.last_active.get_or_insert_default();
    });
    fails(same, &[denied]).await;
    fails(
        presences(|user| user.custom = whimbrel_model::Custom::default()),
        &[told],
    )
    .await;
    fails(presences(|user| user.invisible = true), &[hidden]).await;
    fails(presences(|user| user.invisible = false), &[hidden]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_believes_the_silent_is_found() {
    // It says a second, and waits for thirty.
    let patient = Fault::none().down(|frame| match frame {
        ServerFrame::Ready(mut ready) => {
            ready.heartbeat_ms = 1_000;
            vec![ServerFrame::Ready(ready)]
        }
        frame => vec![frame],
    });
    let report = fails(patient, &["who_is_silent_is_offline_within_the_lease"]).await;
    assert!(report.to_string().contains("still told to be online"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_for_strangers_is_found() {
    let open = Fault::none().down(|frame| match frame {
        ServerFrame::Presence(mut presence) => {
            for refused in presence.refused.drain(..) {
                presence.users.push(UserPresence {
                    user: refused.user,
                    online: false,
                    last_active: None,
                    status: String::new(),
                    custom: whimbrel_model::Custom::default(),
                    invisible: false,
                });
            }
            vec![ServerFrame::Presence(presence)]
        }
        frame => vec![frame],
    });
    fails(open, &["presence_is_for_those_who_share_a_channel"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_counts_wrong_who_has_a_channel_open_is_found() {
    let case = ["who_has_a_channel_open_is_told_to_the_others_who_have"];
    fails(watchers(|news| news.count += 1), &case).await;
    fails(watchers(|news| news.started.clear()), &case).await;
    fails(watchers(|news| news.stopped.clear()), &case).await;
    let deaf = Fault::none().up(|frame| match frame {
        ClientFrame::Watching(watching) if !watching.on => Vec::new(),
        frame => vec![frame],
    });
    fails(deaf, &case).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_passes_typing_on_wrong_is_found() {
    let case = ["who_types_is_told_to_the_other_members"];
    let twice = Fault::none().down(|frame| match frame {
        ServerFrame::Typing(typing) => vec![ServerFrame::Typing(typing.clone()), ServerFrame::Typing(typing)],
        frame => vec![frame],
    });
    fails(twice, &case).await;
    let never = Fault::none().up(|frame| match frame {
        ClientFrame::Typing(typing) if !typing.on => Vec::new(),
        frame => vec![frame],
    });
    fails(never, &case).await;
}
