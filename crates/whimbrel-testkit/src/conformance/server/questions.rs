//! Questions: what a filter finds.

use super::{
    Checked, Problem,
    peer::{Peer, unexpected},
    script::{Room, World},
};
use serde_json::{Value, json};
use uuid::Uuid;
use whimbrel_model::{Code, MessageId, PlainJson, Row};
use whimbrel_protocol::{
    Answer, Ask, ClientFrame, Failed, Find, FindChannels, FindMembers, FindMessages, FindReactions, Question,
    ServerFrame, Window,
};

impl Peer {
    async fn try_ask(&mut self, id: u64, question: Question) -> Result<Result<Answer, Failed>, Problem> {
        self.send(&ClientFrame::Ask(Ask { id, question })).await?;
        match self.answer("an answer").await? {
            ServerFrame::Answer(answer) if answer.id == id => Ok(Ok(answer)),
            ServerFrame::Failed(failed) if failed.id == id => Ok(Err(failed)),
            other => Err(unexpected(&format!("answer {id}"), &other)),
        }
    }

    pub(super) async fn ask(&mut self, question: Question) -> Result<Answer, Problem> {
        let asked = format!("{question:?}");
        let answer = self.try_ask(9_000, question).await?;
        answer.map_err(|failed| Problem::Failed(format!("{asked} was answered with {failed:?}")))
    }
}

fn messages(room: &Room, filter: Value, sort: Value, window: Window) -> Question {
    Question::Messages(FindMessages {
        cid: Some(room.cid.clone()),
        filter: PlainJson(filter),
        sort: PlainJson(sort),
        window,
    })
}

fn texts(answer: &Answer) -> Vec<&str> {
    let messages = answer.rows.iter().filter_map(|row| match row {
        Row::Message(message) => Some(message.body.text.as_str()),
        _ => None,
    });
    messages.collect()
}

fn limit(limit: u32) -> Window {
    Window {
        limit: Some(limit),
        ..Window::default()
    }
}

/// Sends messages, and returns their ids.
async fn say(world: &World, peer: &mut Peer, room: &Room, texts: &[&str]) -> Result<Vec<Uuid>, Problem> {
    let mut ids = Vec::new();
    for text in texts {
        let id = world.id();
        peer.accepted(world.op(room.send(id, text))).await?;
        ids.push(id);
    }
    Ok(ids)
}

pub(super) async fn a_question_finds_what_its_filter_says_in_its_order(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let sent = ["a reef", "an atoll", "the reef of reefs", "REEF"];
    let ids = say(world, &mut ada, &room, &sent).await?;
    let usual = ada
        .ask(messages(&room, Value::Null, Value::Null, Window::default()))
        .await?;
    let newest_first: Vec<&str> = sent.iter().rev().copied().collect();
    ensure!(
        texts(&usual) == newest_first,
        "the usual order is not the newest first: {usual:?}"
    );
    let up = json!([{"field": "seq", "direction": 1}]);
    for (filter, expected) in [
        (
            json!({"text": {"$q": "reef"}}),
            vec!["a reef", "the reef of reefs", "REEF"],
        ),
        (json!({"text": {"$autocomplete": "an at"}}), vec!["an atoll"]),
        (json!({"$nor": [{"text": {"$q": "reef"}}]}), vec!["an atoll"]),
        (json!({"seq": {"$in": [1, 4]}}), vec!["a reef", "REEF"]),
        (
            json!({"$or": [{"seq": {"$lt": 2}}, {"seq": 2}]}),
            vec!["a reef", "an atoll"],
        ),
        (json!({"id": ids[2].to_string()}), vec!["the reef of reefs"]),
        (json!({"author": "nobody"}), vec![]),
        (json!({"pinned": true}), vec![]),
    ] {
        let answer = ada
            .ask(messages(&room, filter.clone(), up.clone(), Window::default()))
            .await?;
        ensure!(texts(&answer) == expected, "{filter} finds {:?}", texts(&answer));
        ensure!(
            answer.next.is_none() && answer.previous.is_none(),
            "there is nothing else to find"
        );
    }
    Ok(())
}

pub(super) async fn pages_of_an_answer_lead_onward_and_back(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    say(world, &mut ada, &room, &["1", "2", "3", "4", "5"]).await?;
    let sort = json!([{"field": "accepted_at", "direction": 1}, {"field": "seq", "direction": 1}]);
    let page = |window| messages(&room, Value::Null, sort.clone(), window);
    let first = ada.ask(page(limit(2))).await?;
    ensure!(
        texts(&first) == ["1", "2"] && first.previous.is_none(),
        "the first page: {first:?}"
    );
    let after = first.next.clone();
    let second = ada.ask(page(Window { after, ..limit(2) })).await?;
    ensure!(texts(&second) == ["3", "4"], "the page after it: {second:?}");
    let after = second.next.clone();
    let third = ada.ask(page(Window { after, ..limit(2) })).await?;
    ensure!(
        texts(&third) == ["5"] && third.next.is_none(),
        "the last page: {third:?}"
    );
    let before = third.previous.clone();
    let back = ada.ask(page(Window { before, ..limit(2) })).await?;
    ensure!(texts(&back) == ["3", "4"], "the page before the last: {back:?}");
    let before = back.previous.clone();
    let begin = ada.ask(page(Window { before, ..limit(2) })).await?;
    ensure!(texts(&begin) == ["1", "2"], "the page before that: {begin:?}");
    ensure!(
        begin.previous.is_none() && begin.next.is_some(),
        "there is nothing before it, and more after"
    );
    let skipped = ada
        .ask(page(Window {
            offset: Some(3),
            ..limit(9)
        }))
        .await?;
    ensure!(texts(&skipped) == ["4", "5"], "all but three: {skipped:?}");
    Ok(())
}

pub(super) async fn a_question_that_breaks_a_rule_fails_with_its_place(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    let other = messages(&room, json!({"seq": 1}), Value::Null, limit(1));
    say(world, &mut ada, &room, &["one", "two"]).await?;
    let first = ada
        .ask(messages(&room, Value::Null, Value::Null, limit(1)))
        .await?;
    let Question::Messages(mut of_another) = other else {
        return Ok(());
    };
    of_another.window.after = first.next;
    for (question, code, place) in [
        (
            messages(
                &room,
                json!({"$and": [{"seq": {"$gt": "x"}}]}),
                Value::Null,
                limit(1),
            ),
            Code::Invalid,
            "/filter/$and/0/seq/$gt",
        ),
        (
            messages(&room, json!({"seq": {"$near": 1}}), Value::Null, limit(1)),
            Code::Invalid,
            "/filter/seq/$near",
        ),
        (
            messages(
                &room,
                Value::Null,
                json!([{"field": "text", "direction": 1}]),
                limit(1),
            ),
            Code::Invalid,
            "/sort/0/field",
        ),
        (
            messages(&room, Value::Null, Value::Null, limit(101)),
            Code::TooLarge,
            "/window/limit",
        ),
        (Question::Messages(of_another), Code::Invalid, "/window/after"),
    ] {
        let asked = format!("{question:?}");
        match ada.try_ask(9_001, question).await? {
            Err(failed) => ensure!(
                failed.code == code && failed.message.starts_with(place),
                "{asked} fails with {failed:?}, not with {code} at {place}"
            ),
            Ok(answer) => return Err(Problem::Failed(format!("{asked} was answered with {answer:?}"))),
        }
    }
    ada.ask(messages(&room, Value::Null, Value::Null, limit(1)))
        .await?;
    Ok(())
}

pub(super) async fn nothing_is_found_that_may_not_be_seen(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let mut bob = world.bob().await?;
    let room = world.room(&mut ada).await?;
    let ids = say(world, &mut ada, &room, &["between us"]).await?;
    ada.accepted(world.op(room.react(ids[0], "like")?)).await?;
    ada.accepted(world.op(room.remove(world.user(1)))).await?;
    let members = Question::Members(FindMembers {
        cid: room.cid.clone(),
        filter: PlainJson::default(),
        sort: PlainJson::default(),
        window: Window::default(),
    });
    let reactions = Question::Reactions(FindReactions {
        message: MessageId(ids[0]),
        filter: PlainJson::default(),
        sort: PlainJson::default(),
        window: Window::default(),
    });
    for (question, codes) in [
        (members, [Code::NotMember, Code::ChannelNotFound]),
        (
            messages(&room, Value::Null, Value::Null, limit(1)),
            [Code::NotMember, Code::ChannelNotFound],
        ),
        (reactions.clone(), [Code::MessageNotFound, Code::MessageNotFound]),
    ] {
        let asked = format!("{question:?}");
        match bob.try_ask(9_002, question).await? {
            Err(failed) if codes.contains(&failed.code) => {}
            other => return Err(Problem::Failed(format!("{asked} of one who left: {other:?}"))),
        }
    }
    let mine = |filter: Value| {
        Question::Channels(FindChannels {
            filter: PlainJson(filter),
            ..FindChannels::default()
        })
    };
    let cid = json!({"cid": room.cid.as_str()});
    let found = bob.ask(mine(cid.clone())).await?;
    ensure!(
        found.rows.is_empty(),
        "a channel that bob has left is found: {found:?}"
    );
    let everywhere = Question::Messages(FindMessages {
        filter: PlainJson(json!({"id": ids[0].to_string()})),
        ..FindMessages::default()
    });
    let found = bob.ask(everywhere.clone()).await?;
    ensure!(found.rows.is_empty(), "a message of it is found: {found:?}");
    let found = ada.ask(mine(cid)).await?;
    ensure!(
        matches!(&found.rows[..], [Row::Channel(_)]),
        "ada does not find it: {found:?}"
    );
    let found = ada.ask(everywhere).await?;
    ensure!(
        texts(&found) == ["between us"],
        "ada does not find its message: {found:?}"
    );
    let found = ada.ask(reactions).await?;
    ensure!(
        matches!(&found.rows[..], [Row::Reaction(_)]),
        "nor its reaction: {found:?}"
    );
    Ok(())
}

pub(super) async fn channels_come_with_their_state_if_it_is_wanted(world: &World) -> Checked {
    let mut ada = world.ada().await?;
    let room = world.room(&mut ada).await?;
    say(world, &mut ada, &room, &["1", "2", "3"]).await?;
    ada.accepted(world.op(room.read(2))).await?;
    let state = |state| {
        Question::Channels(FindChannels {
            filter: PlainJson(json!({"cid": room.cid.as_str()})),
            state,
            message_limit: Some(2),
            member_limit: Some(1),
            ..FindChannels::default()
        })
    };
    let plain = ada.ask(state(false)).await?;
    ensure!(
        matches!(&plain.rows[..], [Row::Channel(_)]),
        "only the channel is wanted: {plain:?}"
    );
    let full = ada.ask(state(true)).await?;
    ensure!(
        matches!(full.rows.first(), Some(Row::Channel(_))),
        "the channel comes first"
    );
    ensure!(texts(&full) == ["3", "2"], "the newest two messages: {full:?}");
    let count = |of: fn(&Row) -> bool| full.rows.iter().filter(|row| of(row)).count();
    ensure!(
        count(|row| matches!(row, Row::Membership(_))) == 1,
        "the own membership"
    );
    ensure!(
        count(|row| matches!(row, Row::Read(read) if read.seq == 2)) == 1,
        "the own read position"
    );
    ensure!(count(|row| matches!(row, Row::Member(_))) == 1, "one member");
    let users = Question::Users(Find {
        filter: PlainJson(json!({"id": world.user(0).as_str()})),
        ..Find::default()
    });
    let found = ada.ask(users).await?;
    ensure!(found.rows.len() <= 1, "one user at most has an id: {found:?}");
    Ok(())
}
