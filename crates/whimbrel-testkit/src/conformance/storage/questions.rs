//! Questions: what the storage in memory answers, which evaluates everything, every storage answers.

use super::{Opener, Script, pair::Pair};
use serde_json::{Value, json};
use std::ops::Range;
use whimbrel_hub::{Storage, StorageError};
use whimbrel_model::{
    ChannelId, Code, Hide, MembershipChange, MessageId, Mute, Op, PlainJson, Row, SetMute, StreamId,
    Timestamp, UserId,
};
use whimbrel_protocol::{
    Answer, Find, FindChannels, FindMembers, FindMessages, FindReactions, Question, Window,
};
use whimbrel_query::{Endpoint, FieldRule, Kind, Operator, limits};

/// Seeds of the random cases.
const SEEDS: Range<u64> = 200..204;

/// Random questions of everything, in random orders and windows, are answered as in memory, cursors included; and pages by
/// cursors, onward and back, are the slices of the whole.
pub async fn questions_are_answered_as_in_memory<O: Opener>() {
    for seed in SEEDS {
        let place = O::new().await;
        let mut pair = Pair::open(&place, seed).await;
        let mut script = Script::new(seed);
        for round in 0..12 {
            let group = script.group(40);
            pair.apply(&group).await;
            if round == 8 {
                pair.reopen(&place).await;
            }
            for _ in 0..25 {
                let user = script.pick(&Script::users());
                let question = question(&mut script);
                compare_pages(&pair, &user, question).await;
            }
        }
        corners(&mut pair, &mut script).await;
        for user in Script::users().into_iter().take(2) {
            for question in every_field(&mut script) {
                drop(same(&pair, &user, &question).await);
            }
        }
        pair.tested.close().await;
    }
}

/// What the server looks at for one answer is bounded: along an order that an index has, the page is short and goes on;
/// else the question is refused.
pub async fn a_question_looks_at_so_much_and_no_more<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 300).await;
    let mut script = Script::new(300);
    let (ada, cid) = (Script::users()[0].clone(), Script::channels()[0].clone());
    let create = script.create(&cid);
    pair.apply(&[create]).await;
    let count = limits::LOOKED_AT + 30;
    for group in (0..count).collect::<Vec<_>>().chunks(500) {
        let requests: Vec<_> = group
            .iter()
            .map(|number| {
                let text = if *number == 3 { "the needle" } else { "hay" };
                script.send(&ada, &cid, text)
            })
            .collect();
        pair.apply(&requests).await;
    }
    let needle = |cid: Option<&ChannelId>, after: Option<String>| {
        Question::Messages(FindMessages {
            cid: cid.cloned(),
            filter: PlainJson(json!({"text": {"$q": "needle"}})),
            window: Window {
                after,
                ..Window::default()
            },
            ..FindMessages::default()
        })
    };
    let first = same(&pair, &ada, &needle(Some(&cid), None))
        .await
        .expect("it is answered");
    assert!(first.rows.is_empty(), "the needle is too far back");
    assert!(first.next.is_some(), "an empty page says where to go on");
    let second = same(&pair, &ada, &needle(Some(&cid), first.next)).await;
    let second = second.expect("it is answered");
    assert_eq!((second.rows.len(), second.next), (1, None), "the needle is found");
    let everywhere = same(&pair, &ada, &needle(None, None)).await;
    assert_eq!(everywhere, Err(Code::TooLarge), "that would be too much");
    pair.tested.close().await;
}

/// Who may not see is refused, and what breaks a rule is refused with its place.
pub async fn questions_that_may_not_be_asked_are_refused<O: Opener>() {
    let place = O::new().await;
    let mut pair = Pair::open(&place, 310).await;
    let mut script = Script::new(310);
    let users = Script::users();
    let cid = Script::channels()[0].clone();
    let create = Op::CreateChannel {
        cid: cid.clone(),
        name: String::new(),
        image: String::new(),
        custom: whimbrel_model::Custom::default(),
        members: vec![users[1].clone()],
    };
    let create = script.request(&users[0], create);
    let sent = script.send(&users[0], &cid, "hello");
    let Op::SendMessage { id, .. } = sent.op.op.clone() else {
        unreachable!("it is a message")
    };
    let remove = Op::RemoveMembers {
        cid: cid.clone(),
        users: vec![users[1].clone()],
    };
    let remove = script.request(&users[0], remove);
    pair.apply(&[create, sent, remove]).await;
    for (user, code) in [(&users[1], Code::NotMember), (&users[2], Code::ChannelNotFound)] {
        for question in [of_members(&cid, json!({})), of_messages(Some(&cid), json!({}))] {
            let refused = same(&pair, user, &question).await;
            assert_eq!(refused, Err(code.clone()), "{question:?}");
        }
        let refused = same(&pair, user, &of_reactions(id, json!({}))).await;
        assert_eq!(
            refused,
            Err(Code::MessageNotFound),
            "it is not told from one that does not exist"
        );
        for question in [
            of_messages(None, json!({})),
            Question::Channels(FindChannels::default()),
        ] {
            let found = same(&pair, user, &question).await.expect("it may be asked");
            assert!(
                found.rows.is_empty(),
                "nothing of a channel that {user} is not in"
            );
        }
    }
    for (question, code, place) in wrong() {
        match pair.tested.ask(&users[0], &question, Timestamp(pair.now)).await {
            Err(StorageError::Refused { code: got, message }) => {
                assert_eq!(got, code, "{question:?}");
                assert!(message.starts_with(place), "{message} is not of {place}");
            }
            other => panic!("{question:?} was answered with {other:?}"),
        }
    }
    pair.tested.close().await;
}

/// Questions that break a rule, with the place that is wrong.
fn wrong() -> Vec<(Question, Code, &'static str)> {
    let users = |filter: Value, sort: Value, window: &Window| {
        Question::Users(Find {
            filter: PlainJson(filter),
            sort: PlainJson(sort),
            window: window.clone(),
        })
    };
    let filters = wrong_filters()
        .into_iter()
        .map(|(filter, code, place)| (users(filter, Value::Null, &Window::default()), code, place));
    let sorts = [
        (
            json!([{"field": "image", "direction": 1}]),
            Code::Invalid,
            "/sort/0/field: ",
        ),
        (json!({}), Code::Invalid, "/sort: "),
    ]
    .map(|(sort, code, place)| (users(Value::Null, sort, &Window::default()), code, place));
    let windows = wrong_windows()
        .into_iter()
        .map(|(window, code, place)| (users(Value::Null, Value::Null, &window), code, place));
    let of_channels = [
        (
            FindChannels {
                window: Window {
                    limit: Some(31),
                    ..Window::default()
                },
                ..FindChannels::default()
            },
            "/window/limit: ",
        ),
        (
            FindChannels {
                state: true,
                message_limit: Some(101),
                ..FindChannels::default()
            },
            "/message_limit: ",
        ),
    ]
    .map(|(find, place)| (Question::Channels(find), Code::TooLarge, place));
    filters.chain(sorts).chain(windows).chain(of_channels).collect()
}

fn wrong_filters() -> Vec<(Value, Code, &'static str)> {
    let deep = (0..10).fold(
        json!({"id": "ada"}),
        |inner, _| json!({"$or": [{"$and": [inner, {"id": "bob"}]}, {"id": "x"}]}),
    );
    let long: Vec<Value> = (0..100).map(|number| json!({"id": number.to_string()})).collect();
    vec![
        (
            json!({"$or": [{"name": {"$near": "x"}}]}),
            Code::Invalid,
            "/filter/$or/0/name/$near: ",
        ),
        (json!({"name": {"$gt": 7}}), Code::Invalid, "/filter/name/$gt: "),
        (json!({"colour": "red"}), Code::Invalid, "/filter/colour"),
        (json!("all"), Code::Invalid, "/filter: "),
        (deep, Code::TooLarge, "/filter/$or"),
        (json!({"$or": long}), Code::TooLarge, "/filter/$or"),
    ]
}

fn wrong_windows() -> Vec<(Window, Code, &'static str)> {
    let limit = |limit| Window {
        limit: Some(limit),
        ..Window::default()
    };
    let offset = |offset| Window {
        offset: Some(offset),
        ..Window::default()
    };
    let after = |text: &str| Window {
        after: Some(text.to_owned()),
        ..Window::default()
    };
    let of_another = Window {
        before: Some("a00000000000000005b22616461225d".to_owned()),
        ..Window::default()
    };
    let two_places = Window {
        offset: Some(1),
        ..after("a")
    };
    vec![
        (limit(101), Code::TooLarge, "/window/limit: "),
        (limit(0), Code::Invalid, "/window/limit: "),
        (offset(1_001), Code::TooLarge, "/window/offset: "),
        (two_places, Code::Invalid, "/window: "),
        (after("never"), Code::Invalid, "/window/after: "),
        (of_another, Code::Invalid, "/window/before: "),
    ]
}

fn of_members(cid: &ChannelId, filter: Value) -> Question {
    Question::Members(FindMembers {
        cid: cid.clone(),
        filter: PlainJson(filter),
        sort: PlainJson::default(),
        window: Window::default(),
    })
}

fn of_messages(cid: Option<&ChannelId>, filter: Value) -> Question {
    Question::Messages(FindMessages {
        cid: cid.cloned(),
        filter: PlainJson(filter),
        ..FindMessages::default()
    })
}

fn of_reactions(message: MessageId, filter: Value) -> Question {
    Question::Reactions(FindReactions {
        message,
        filter: PlainJson(filter),
        sort: PlainJson::default(),
        window: Window::default(),
    })
}

/// Compares the answers, and returns them or their code.
async fn same(pair: &Pair, user: &UserId, question: &Question) -> Result<Answer, Code> {
    let tested = pair.tested.ask(user, question, Timestamp(pair.now)).await;
    let memory = pair.memory.ask(user, question, Timestamp(pair.now)).await;
    let seed = pair.seed;
    match (tested, memory) {
        (Ok(tested), Ok(memory)) => {
            assert_eq!(tested, memory, "{user} asks {question:?}, seed {seed}");
            Ok(tested)
        }
        (Err(tested), Err(memory)) => {
            assert_eq!(
                tested.code(),
                memory.code(),
                "{user} asks {question:?}, seed {seed}"
            );
            Err(tested.code())
        }
        (tested, memory) => panic!("{user} asks {question:?}, seed {seed}: {tested:?}, not {memory:?}"),
    }
}

/// Compares an answer, and the pages that lead on from it and back.
async fn compare_pages(pair: &Pair, user: &UserId, mut question: Question) {
    let Ok(first) = same(pair, user, &question).await else {
        return;
    };
    if window(&mut question).offset.is_some() {
        return;
    }
    let kind = endpoint(&question);
    let mut seen = vec![of_kind(kind, &first)];
    let mut next = first.next;
    while let Some(after) = next.take() {
        assert!(seen.len() < 1_000, "pages end: {question:?}");
        let limit = window(&mut question).limit;
        *window(&mut question) = Window {
            limit,
            after: Some(after),
            ..Window::default()
        };
        let page = same(pair, user, &question)
            .await
            .expect("the next page is answered");
        let previous = page.previous.clone();
        seen.push(of_kind(kind, &page));
        next = page.next;
        if let Some(before) = previous {
            *window(&mut question) = Window {
                limit,
                before: Some(before),
                ..Window::default()
            };
            let back = same(pair, user, &question)
                .await
                .expect("the page before is answered");
            let earlier = &seen[seen.len() - 2];
            assert_eq!(
                &of_kind(kind, &back),
                earlier,
                "back is where it came from: {question:?}"
            );
        }
    }
}

/// Returns the rows of an answer that it was asked for.
fn of_kind(endpoint: &'static Endpoint, answer: &Answer) -> Vec<Row> {
    let wanted = |row: &&Row| match (endpoint.name, row) {
        ("channels", Row::Channel(_))
        | ("members", Row::Member(_))
        | ("users", Row::User(_))
        | ("messages", Row::Message(_))
        | ("reactions", Row::Reaction(_))
        | ("drafts", Row::Draft(_)) => true,
        ("threads", Row::Message(message)) => message.parent.is_none(),
        _ => false,
    };
    answer.rows.iter().filter(wanted).cloned().collect()
}

fn endpoint(question: &Question) -> &'static Endpoint {
    match question {
        Question::Channels(_) => &Endpoint::CHANNELS,
        Question::Users(_) => &Endpoint::USERS,
        Question::Members(_) => &Endpoint::MEMBERS,
        Question::Messages(_) | Question::Search(_) => &Endpoint::MESSAGES,
        Question::Reactions(_) => &Endpoint::REACTIONS,
        Question::Threads(_) => &Endpoint::THREADS,
        Question::Drafts(_) => &Endpoint::DRAFTS,
        Question::Devices(_) => panic!("the list of devices has no fields"),
    }
}

fn window(question: &mut Question) -> &mut Window {
    match question {
        Question::Channels(find) => &mut find.window,
        Question::Users(find) | Question::Threads(find) | Question::Drafts(find) => &mut find.window,
        Question::Members(find) => &mut find.window,
        Question::Messages(find) => &mut find.window,
        Question::Reactions(find) => &mut find.window,
        Question::Search(_) | Question::Devices(_) => panic!("it has another window, or none"),
    }
}

/// Does what random operations seldom do: in each channel of each user a message that is deleted, one that is last in the
/// channel and not in its timeline, and a channel that is muted again and hidden up to its last message, or to the one before.
async fn corners(pair: &mut Pair, script: &mut Script) {
    for user in Script::users() {
        let page = pair.memory.heads(&user, None, 100).await.expect("heads are read");
        for named in page.heads {
            let StreamId::Channel(cid) = named.stream else {
                continue;
            };
            let keep = |change| Op::UpdateMembership {
                cid: cid.clone(),
                change,
            };
            let mute = |until| {
                keep(MembershipChange {
                    muted: Some(SetMute::On(Mute {
                        until: Some(Timestamp(until)),
                    })),
                    ..MembershipChange::default()
                })
            };
            let deleted = script.send(&user, &cid, "to be deleted");
            let parent = script.send(&user, &cid, "to be replied to");
            let mut reply = script.send(&user, &cid, "a reply");
            let id = deleted.op.op.message().expect("it is a message");
            if let Op::SendMessage { parent: of, .. } = &mut reply.op.op {
                *of = parent.op.op.message();
            }
            let delete = Op::DeleteMessage { cid: cid.clone(), id };
            let last = named.head.seq + 3 - script.below(2);
            let hide = keep(MembershipChange {
                hidden: Some(Hide::Until { seq: last }),
                ..MembershipChange::default()
            });
            let mut group = vec![deleted, parent, reply];
            for op in [delete, mute(1_003), mute(1_009), hide] {
                group.push(script.request(&user, op));
            }
            pair.apply(&group).await;
        }
    }
}

/// Asks of every field with every operator, with a few values each, and by every order.
fn every_field(script: &mut Script) -> Vec<Question> {
    let mut questions = Vec::new();
    for ends in Endpoint::ALL {
        let custom = ends.custom.then_some(&FieldRule::CUSTOM);
        for rule in ends.fields.iter().chain(custom) {
            for operator in rule.operators {
                for _ in 0..4 {
                    let filter = PlainJson(term_of(script, rule, *operator));
                    questions.push(of(script, ends, filter, PlainJson::default(), Window::default()));
                }
            }
            for direction in [1, -1] {
                if rule.sortable {
                    let sort = json!([{"field": name(script, rule), "direction": direction}]);
                    let filter = PlainJson::default();
                    questions.push(of(script, ends, filter, PlainJson(sort), Window::default()));
                }
            }
        }
    }
    questions
}

fn question(script: &mut Script) -> Question {
    let ends = script.pick(Endpoint::ALL);
    let filter = match script.below(4) {
        0 => PlainJson::default(),
        1 => PlainJson(term(script, ends)),
        _ => {
            let group = script.pick(&["$and", "$or", "$nor"]);
            let terms: Vec<Value> = (0..1 + script.below(3)).map(|_| term(script, ends)).collect();
            PlainJson(json!({ group: terms }))
        }
    };
    let sort = sort(script, ends);
    let window = Window {
        limit: Some(1 + u32::try_from(script.below(7)).unwrap_or(0)),
        offset: (script.below(4) == 0).then(|| u32::try_from(script.below(5)).unwrap_or(0)),
        ..Window::default()
    };
    of(script, ends, filter, sort, window)
}

fn of(
    script: &mut Script,
    ends: &'static Endpoint,
    filter: PlainJson,
    sort: PlainJson,
    window: Window,
) -> Question {
    match ends.name {
        "channels" => Question::Channels(FindChannels {
            filter,
            sort,
            window,
            state: script.below(2) == 0,
            message_limit: (script.below(2) == 0).then_some(3),
            member_limit: (script.below(2) == 0).then_some(2),
        }),
        "members" => Question::Members(FindMembers {
            cid: script.pick(&Script::channels()),
            filter,
            sort,
            window,
        }),
        "messages" => Question::Messages(FindMessages {
            cid: (script.below(3) > 0).then(|| script.pick(&Script::channels())),
            filter,
            sort,
            window,
        }),
        "reactions" => Question::Reactions(FindReactions {
            message: script.known_message(),
            filter,
            sort,
            window,
        }),
        "users" => Question::Users(Find { filter, sort, window }),
        "threads" => Question::Threads(Find { filter, sort, window }),
        _ => Question::Drafts(Find { filter, sort, window }),
    }
}

fn term(script: &mut Script, endpoint: &'static Endpoint) -> Value {
    let custom = endpoint.custom.then_some(&FieldRule::CUSTOM);
    let rules: Vec<&'static FieldRule> = endpoint.fields.iter().chain(custom).collect();
    let rule = script.pick(&rules);
    let operator = script.pick(rule.operators);
    term_of(script, rule, operator)
}

fn term_of(script: &mut Script, rule: &'static FieldRule, operator: Operator) -> Value {
    let field = name(script, rule);
    let mut value = || match rule.kind {
        Kind::Text | Kind::TextList => json!(script.pick(&[
            "ada",
            "bob",
            "messaging:one",
            "team:three",
            "messaging",
            "team",
            "owner",
            "member",
            "Name",
            "renamed 1",
            "👍",
            "like",
            "regular",
            "system",
            "image",
            "name of messaging:two",
            "unknown",
            "allowed",
            "denied",
        ])),
        Kind::Uuid => json!(script.known_message()),
        Kind::Number => {
            let most = script.pick(&[4, 12, 40]);
            json!(script.below(most))
        }
        Kind::Time => json!(1_000 + script.below(14)),
        Kind::Bool => json!(script.below(2) == 0),
        Kind::Any => script.pick(&[json!("dice"), json!(3), json!(true)]),
    };
    let operand = match operator {
        Operator::Exists => json!(script.below(2) == 0),
        Operator::In | Operator::Nin => json!([value(), value()]),
        Operator::Autocomplete | Operator::Q => {
            json!(script.pick(&["na", "name", "ren", "1", "other", "text", "rich"]))
        }
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte if rule.kind == Kind::Any => json!(2),
        _ => value(),
    };
    json!({ field: { operator.as_str(): operand } })
}

fn sort(script: &mut Script, endpoint: &'static Endpoint) -> PlainJson {
    let custom = endpoint.custom.then_some(&FieldRule::CUSTOM);
    let rules = endpoint.fields.iter().chain(custom).filter(|rule| rule.sortable);
    let mut rules: Vec<&FieldRule> = rules.collect();
    let mut keys = Vec::new();
    match script.below(4) {
        0 => return PlainJson::default(),
        // The order that an index has.
        1 if endpoint.name == "messages" => {
            let direction = if script.below(2) == 0 { 1 } else { -1 };
            return PlainJson(json!([{"field": "seq", "direction": direction}]));
        }
        _ => {}
    }
    for _ in 0..script.below(3) {
        let at = usize::try_from(script.below(rules.len() as u64)).unwrap_or(0);
        let rule = rules.swap_remove(at);
        let field = name(script, rule);
        let direction = if script.below(2) == 0 { 1 } else { -1 };
        keys.push(json!({"field": field, "direction": direction}));
    }
    PlainJson(Value::from(keys))
}

fn name(script: &mut Script, rule: &FieldRule) -> String {
    match rule.kind {
        Kind::Any => format!("custom.{}", script.pick(&["made", "kind", "never"])),
        _ => rule.name.to_owned(),
    }
}
