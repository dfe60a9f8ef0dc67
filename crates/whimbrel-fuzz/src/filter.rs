//! Filters, sorts and page cursors, as an app or a client hands them over.

use crate::json::depth;
use serde_json::Value;
use std::cmp::Ordering;
use uuid::Uuid;
use whimbrel_model::{ChannelId, Custom, Message, MessageBody, MessageId, Timestamp, User, UserId};
use whimbrel_query::{Endpoint, Filter, Item, PageCursor, Query, QueryError, Sort, limits};

/// A filter, a sort and a cursor, each on its line.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"$and":[{"name":{"$autocomplete":"ad"}},{"custom.team":"blue"}]}"#,
        r#"{"$or":[{"id":{"$in":["ada","bob"]}},{"$nor":[{"custom.level":{"$gt":3}},{"name":{"$exists":false}}]}]}"#,
        r#"{"text":{"$q":"hello there"},"author":{"$ne":"ada"},"custom.a":{"$nin":[1,true,"x"]}}"#,
        r#"{"id":"ada","name":null}"#,
        "{}",
    ];
    let sorts = [
        r#"[{"field":"name","direction":-1},{"field":"custom.level","direction":1}]"#,
        "[]",
    ];
    let both = texts.iter().zip(sorts.iter().cycle());
    let seed = |(filter, sort): (&&str, &&str)| {
        let cursor = parsed(filter)
            .ok()
            .zip(order(sort).ok())
            .and_then(|(filter, sort)| {
                let query = Query::new(&Endpoint::USERS, filter, sort).ok()?;
                Some(query.cursor(&users()[0]).to_string())
            });
        format!("{filter}\n{sort}\n{}", cursor.unwrap_or_default()).into_bytes()
    };
    both.map(seed).collect()
}

/// Reads a filter, a sort and a cursor, and uses them on items. Returns whether there was a filter.
pub(crate) fn filter(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (filter, sort, cursor) = (line(), line(), line());
    let cursor = cursor.parse::<PageCursor>().ok();
    if let Some(cursor) = &cursor {
        assert_eq!(cursor.to_string().parse().as_ref(), Ok(cursor));
    }
    let sort = order(sort).unwrap_or_default();
    assert_eq!(Sort::from_json(&sort.to_json()).as_ref(), Ok(&sort));
    let Ok(filter) = parsed(filter) else {
        return false;
    };
    for endpoint in Endpoint::ALL {
        use_on(endpoint, &filter, &sort, cursor.as_ref());
    }
    true
}

/// Reads a filter. What is wrong has its place in what was written; what is right has one form.
fn parsed(text: &str) -> Result<Filter, QueryError> {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let filter = Filter::from_json(&json).inspect_err(|error| assert_place(error, &json))?;
    let form = filter.to_json();
    assert_eq!(Filter::from_json(&form).as_ref(), Ok(&filter));
    assert_eq!(filter.to_json(), form);
    // Each group is an object and a list; a term has three levels more.
    assert!(
        depth(&form) <= 2 * (limits::DEPTH + 1) + 3,
        "a filter of depth {}",
        depth(&form)
    );
    for endpoint in Endpoint::ALL {
        match Filter::from_json_for(endpoint, &json) {
            Ok(same) => assert!(same == filter && filter.validate(endpoint).is_ok()),
            Err(error) => {
                assert_place(&error, &json);
                assert!(filter.validate(endpoint).is_err());
            }
        }
    }
    Ok(filter)
}

fn order(text: &str) -> Result<Sort, QueryError> {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    Sort::from_json(&json).inspect_err(|error| assert_place(error, &json))
}

fn assert_place(error: &QueryError, json: &Value) {
    assert!(!error.problem().is_empty() && !error.is_retryable());
    // What is missing has its place in what is there.
    let around = error.pointer().rsplit_once('/').map_or("", |(around, _)| around);
    assert!(json.pointer(around).is_some(), "{error} is nowhere in {json}");
}

fn use_on(endpoint: &'static Endpoint, filter: &Filter, sort: &Sort, cursor: Option<&PageCursor>) {
    let Ok(query) = Query::new(endpoint, filter.clone(), sort.clone()) else {
        return;
    };
    let (users, messages) = (users(), messages());
    let is_users = endpoint.name == Endpoint::USERS.name;
    let is_messages = endpoint.name == Endpoint::MESSAGES.name;
    let items: Vec<&dyn Item> = match (is_users, is_messages) {
        (true, _) => users.iter().map(|item| item as &dyn Item).collect(),
        (_, true) => messages.iter().map(|item| item as &dyn Item).collect(),
        _ => return,
    };
    for a in &items {
        let others = Filter::nor([filter.clone()]);
        assert_ne!(filter.matches(*a), others.matches(*a), "neither or both");
        let own = query.cursor(*a);
        assert_eq!(query.is_after(&own, *a), Ok(false), "after itself");
        for b in &items {
            let order = query.compare(*a, *b);
            assert_eq!(order, query.compare(*b, *a).reverse());
            assert_eq!(query.is_after(&own, *b), Ok(order == Ordering::Less));
            if let Some(cursor) = cursor {
                let (first, second) = (query.is_after(cursor, *a), query.is_after(cursor, *b));
                let torn = first == Ok(true) && second == Ok(false) && order == Ordering::Less;
                assert!(!torn, "an item after the cursor comes before one that is not");
            }
        }
    }
}

fn users() -> Vec<User> {
    let user = |id: &str, name: &str, custom| User {
        id: UserId::new(id).expect("a user id"),
        name: name.to_owned(),
        image: String::new(),
        custom,
        ver: 1,
    };
    let custom = Custom::default();
    vec![
        user("ada", "Ada", custom.clone().with("team", "blue").with("level", 3)),
        user("bob", "", custom.clone().with("level", 3.5).with("a", vec![1, 2])),
        user(
            "eve",
            "José",
            custom.clone().with("team", true).with("level", "x"),
        ),
        user("x", "ada", custom),
    ]
}

fn messages() -> Vec<Message> {
    let message = |number: u64, text: &str| Message {
        kind: whimbrel_model::MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id: MessageId(Uuid::from_u128(u128::from(number))),
        cid: ChannelId::new("messaging:general").expect("a channel id"),
        author: UserId::new(["ada", "bob"][usize::from(number.is_multiple_of(2))]).expect("a user id"),
        seq: number,
        ver: number,
        body: MessageBody::text(text),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(i64::MIN),
        accepted_at: Some(Timestamp(1)),
        edited_at: None,
        revision: 0,
        deleted_at: (number == 3).then_some(Timestamp(3)),
    };
    vec![message(1, "hello there"), message(2, "HELLO"), message(3, "")]
}
