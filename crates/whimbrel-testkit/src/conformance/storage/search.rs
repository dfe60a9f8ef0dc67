//! Searches: what the storage in memory finds, which looks at every message, every storage finds.

use super::{Opener, Script, pair::Pair};
use serde_json::json;
use std::{future::Future, time::Duration};
use whimbrel_hub::{Storage, StorageError};
use whimbrel_model::{ChannelId, Code, Custom, Message, MessageId, Op, PlainJson, Row, Timestamp, UserId};
use whimbrel_protocol::{Answer, Question, Search};
use whimbrel_query::limits;

const TEXTS: [&str; 10] = [
    "the reef",
    "The REEF crew",
    "reefs and crabs \u{1f980}",
    "José Ñandú",
    "東京タワー",
    "京東 tower",
    "v1.2 of the-reef",
    "\u{1f980}",
    "'; DROP TABLE rows; --",
    "reef\u{1f980}crew",
];

const SEARCHES: [&str; 12] = [
    "reef",
    "ree",
    "the ",
    "\"the reef\"",
    "crew reef",
    "jose",
    "東京",
    "京",
    "tow",
    "v1.2",
    "drop-table",
    "nothing",
];

/// Whatever was said, edited, deleted and left: found is what is found in memory.
pub async fn searches_find_what_is_found_in_memory<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 400).await;
    let mut script = Script::new(400);
    for round in 0..4 {
        talk(&mut pair, &mut script).await;
        if round == 2 {
            pair.reopen(&place).await;
        }
        compare(&pair).await;
    }
    pair.tested.close().await;
}

/// Does so, and waits with `settled` after each round: for storages that index behind their commits.
///
/// # Panics
/// If what is found differs.
pub async fn searches_of_what_has_settled<O: Opener, F>(place: &O, settled: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    let mut pair = Pair::open(place, 410).await;
    let mut script = Script::new(410);
    for _ in 0..3 {
        talk(&mut pair, &mut script).await;
        compare(&pair).await;
        settled().await;
        compare(&pair).await;
    }
    pair.tested.close().await;
}

/// Of a user who is in more channels than a search looks in, it says how many were left out, and which to search next.
pub async fn a_search_says_which_channels_it_left_out<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 420).await;
    let mut script = Script::new(420);
    let ada = Script::users()[0].clone();
    let count = limits::SEARCH_CHANNELS + 3;
    let cids: Vec<_> = (0..count)
        .map(|n| ChannelId::new(format!("messaging:n{n}")).expect("a channel id"))
        .collect();
    for some in cids.chunks(40) {
        let both = some.iter().flat_map(|cid| {
            let create = Op::CreateChannel {
                cid: cid.clone(),
                name: String::new(),
                image: String::new(),
                custom: Custom::default(),
                members: Vec::new(),
            };
            [script.request(&ada, create), script.send(&ada, cid, "the reef")]
        });
        let group: Vec<_> = both.collect();
        pair.apply(&group).await;
    }
    let search = Search {
        text: "reef".to_owned(),
        limit: Some(100),
        ..Search::default()
    };
    let answer = when_indexed(&*pair.tested, &ada, &search).await;
    let left = answer.unsearched.expect("some channels were left out");
    assert_eq!((left.channels, left.next_channels.len()), (3, 3));
    let (found, _) = find(&*pair.tested, &ada, &search).await.expect("it is answered");
    assert_eq!(found.len(), limits::SEARCH_CHANNELS);
    assert!(
        !found
            .iter()
            .any(|message| left.next_channels.contains(&message.cid))
    );
    let rest = Search {
        channels: PlainJson(json!({"cid": {"$in": left.next_channels}})),
        ..search
    };
    let answer = ask(&*pair.tested, &ada, &rest).await.expect("it is answered");
    let left = answer.unsearched.map_or(0, |left| left.channels);
    assert_eq!((answer.rows.len(), left), (3, 0));
    pair.tested.close().await;
}

/// Asks until the index has everything: a storage may be behind for a moment, and says so.
async fn when_indexed(storage: &dyn Storage, user: &UserId, search: &Search) -> Answer {
    let indexed = async {
        loop {
            let answer = ask(storage, user, search).await.expect("it is answered");
            if answer.unsearched.as_ref().is_none_or(|left| left.messages == 0) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await; // tidy: allow sleep: nothing tells when the index has caught up
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), indexed).await;
    answer.expect("the index catches up")
}

/// What is no search is refused, with its place.
pub async fn searches_that_make_no_sense_are_refused<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 430).await;
    let mut script = Script::new(430);
    let ada = Script::users()[0].clone();
    talk(&mut pair, &mut script).await;
    for (search, code, place) in wrong() {
        for storage in [&*pair.tested, &pair.memory as &dyn Storage] {
            let refused = ask(storage, &ada, &search).await.expect_err("it is refused");
            assert_eq!(refused.code(), code, "{search:?}");
            assert!(
                refused.to_string().starts_with(place),
                "{refused} is not of {place}"
            );
        }
    }
    pair.tested.close().await;
}

/// Searches that make no sense, with what the refusal says.
fn wrong() -> Vec<(Search, Code, &'static str)> {
    let good = Search {
        text: "reef".to_owned(),
        ..Search::default()
    };
    let some = |json| PlainJson(json);
    vec![
        (
            Search {
                text: "?!".to_owned(),
                ..good.clone()
            },
            Code::Invalid,
            "/text",
        ),
        (
            Search {
                text: "x".repeat(600),
                ..good.clone()
            },
            Code::TooLarge,
            "/text",
        ),
        (
            Search {
                channels: some(json!({"nmae": "x"})),
                ..good.clone()
            },
            Code::Invalid,
            "/channels/nmae",
        ),
        (
            Search {
                filter: some(json!({"cid": 5})),
                ..good.clone()
            },
            Code::Invalid,
            "/filter/cid",
        ),
        (
            Search {
                limit: Some(0),
                ..good.clone()
            },
            Code::Invalid,
            "/limit",
        ),
        (
            Search {
                limit: Some(101),
                ..good.clone()
            },
            Code::Invalid,
            "/limit",
        ),
        (
            Search {
                after: Some("'; --".to_owned()),
                ..good.clone()
            },
            Code::Invalid,
            "/after",
        ),
    ]
}

/// One round of a conversation: channels, messages, edits, deletions, and users who come and go.
async fn talk(pair: &mut Pair, script: &mut Script) {
    let creates: Vec<_> = Script::channels().iter().map(|cid| script.create(cid)).collect();
    pair.apply(&creates).await;
    for _ in 0..4 {
        let mut group = Vec::new();
        for _ in 0..30 {
            let (user, cid) = (script.pick(&Script::users()), script.pick(&Script::channels()));
            let text = script.pick(&TEXTS);
            group.push(script.send(&user, &cid, text));
        }
        let sent: Vec<(UserId, ChannelId, MessageId)> = group
            .iter()
            .filter_map(|request| match &request.op.op {
                Op::SendMessage { cid, id, .. } => Some((request.user.clone(), cid.clone(), *id)),
                _ => None,
            })
            .collect();
        for _ in 0..8 {
            let (user, cid, id) = script.pick(&sent);
            let op = if script.below(3) == 0 {
                Op::DeleteMessage { cid, id }
            } else {
                let body = script.pick(&TEXTS).into();
                Op::EditMessage {
                    cid,
                    id,
                    body,
                    base_revision: 0,
                }
            };
            group.push(script.request(&user, op));
        }
        let (cid, users) = (
            script.pick(&Script::channels()),
            vec![script.pick(&Script::users())],
        );
        let op = if script.below(2) == 0 {
            Op::RemoveMembers { cid, users }
        } else {
            Op::AddMembers { cid, users }
        };
        group.push(script.request(&Script::users()[0], op));
        pair.apply(&group).await;
    }
}

async fn compare(pair: &Pair) {
    let bob = Script::users()[1].clone();
    let narrow = [
        Search::default(),
        Search {
            author: Some(bob),
            limit: Some(3),
            ..Search::default()
        },
        Search {
            channels: PlainJson(json!({"cid": {"$in": [Script::channels()[0]]}})),
            limit: Some(7),
            ..Search::default()
        },
        Search {
            filter: PlainJson(json!({"author": {"$ne": "bob"}})),
            limit: Some(5),
            ..Search::default()
        },
    ];
    for user in Script::users().into_iter().take(2) {
        for text in SEARCHES {
            for search in &narrow {
                let search = Search {
                    text: text.to_owned(),
                    ..search.clone()
                };
                let (mut tested, unsearched) =
                    find(&*pair.tested, &user, &search).await.expect("it is answered");
                assert!(!unsearched, "so few messages are all looked at");
                let (mut memory, _) = find(&pair.memory, &user, &search).await.expect("it is answered");
                tested.sort_unstable_by_key(|message| message.id);
                memory.sort_unstable_by_key(|message| message.id);
                assert_eq!(tested, memory, "{search:?} of {user}, seed {}", pair.seed);
            }
        }
    }
}

/// Finds everything, page by page, and whether anything was left out.
async fn find(
    storage: &dyn Storage,
    user: &UserId,
    search: &Search,
) -> Result<(Vec<Message>, bool), StorageError> {
    let mut search = search.clone();
    let mut found: Vec<Message> = Vec::new();
    let mut unsearched = false;
    for _ in 0..1_000 {
        let answer = ask(storage, user, &search).await?;
        unsearched |= answer.unsearched.is_some();
        let rows = answer.rows.into_iter();
        found.extend(rows.map(|row| match row {
            Row::Message(message) => message,
            other => panic!("{other:?} is no message"),
        }));
        search.after = answer.next;
        if search.after.is_none() {
            let times: Vec<_> = found.iter().map(|message| message.accepted_at).collect();
            assert!(times.is_sorted_by(|a, b| a >= b), "not newest first: {times:?}");
            return Ok((found, unsearched));
        }
    }
    panic!("the pages have no end");
}

async fn ask(storage: &dyn Storage, user: &UserId, search: &Search) -> Result<Answer, StorageError> {
    let answer = storage
        .ask(user, &Question::Search(search.clone()), Timestamp(0))
        .await?;
    let limit = search
        .limit
        .map_or(limits::USUAL_SEARCH_HITS, |limit| limit as usize);
    assert!(answer.rows.len() <= limit, "an answer has more than was asked");
    Ok(answer)
}
