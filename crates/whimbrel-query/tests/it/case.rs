//! Random items, filters and sorts: small pools of values, so that they meet.

use proptest::{prelude::*, sample::select};
use serde_json::{Value as Json, json};
use std::sync::LazyLock;
use whimbrel_model::{
    Attachment, Channel, ChannelId, ChannelSummary, ConsentState, Contact, Custom, MemberState, Membership,
    Message, MessageBody, MessageId, MessageKind, Mute, People, Pin, Role, ThreadSummary, Timestamp, UserId,
};
use whimbrel_query::{ChannelItem, Endpoint, FieldRule, Filter, Kind, Operator, Query, Sort};

/// Who asks.
pub(crate) const ME: &str = "ada";

/// What holds of others for who asks.
static PEOPLE: LazyLock<People> = LazyLock::new(|| {
    let of = |name: &str, consent| {
        let (me, of) = (UserId::new(ME).unwrap(), UserId::new(name).unwrap());
        Contact {
            consent,
            ..Contact::new(me, of)
        }
    };
    let contacts = [of("bob", ConsentState::Allowed), of("Cy", ConsentState::Denied)];
    People::at(&contacts, Timestamp(0))
});

/// A channel, with what its row of the list does not say.
#[derive(Clone, Debug)]
pub(crate) struct ChannelRow {
    pub(crate) summary: ChannelSummary,
    pub(crate) members: Vec<UserId>,
}

impl ChannelRow {
    pub(crate) fn item(&self) -> ChannelItem<'_> {
        ChannelItem {
            summary: &self.summary,
            members: &self.members,
            people: &PEOPLE,
        }
    }
}

/// What is asked, of what, in pages of what size.
#[derive(Clone, Debug)]
pub(crate) struct Case<T> {
    pub(crate) items: Vec<T>,
    pub(crate) query: Query,
    pub(crate) page: usize,
}

const USERS: &[&str] = &["ada", "bob", "Cy"];
const TEXTS: &[&str] = &[
    "",
    "5",
    "a",
    "A",
    "B",
    "ann",
    "Ann",
    "Änne",
    "Ann-Marie Smith",
    "José",
    "Jose\u{301}",
    "東京",
    "50%",
    "a_b",
    "true",
    "'; DROP TABLE channels; --",
    "\u{ff5e}",
    "😀",
    "\"{match}\" ?1 $1",
];
const SEARCHES: &[&str] = &[
    "",
    "an",
    "nn",
    "ANN ",
    "jose",
    "José",
    "smith ann",
    "marie sm",
    "東",
    "京",
    "%",
    "_",
    "a b",
    "5",
    "dr",
];
const TIMES: &[i64] = &[0, 1, 1_700_000_000_000, 1_700_000_000_001, 9_007_199_254_740_991];

fn numbers() -> Vec<Json> {
    let numbers = [0.5, -0.0, 5.0, -3.25, 0.1 + 0.2, -1e-300, 123_456.789_012_345_67];
    let whole = [0, 1, 5, -7, 9_007_199_254_740_991_i64];
    numbers
        .map(Json::from)
        .into_iter()
        .chain(whole.map(Json::from))
        .collect()
}

/// What a filter can compare custom data with.
fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        select(vec![json!(true), json!(false)]),
        select(numbers()),
        select(TEXTS).prop_map(Json::from),
    ]
}

/// What custom data can hold.
fn stored() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        6 => value(),
        1 => proptest::num::f64::NORMAL.prop_map(Json::from),
        1 => select(vec![Json::Null, json!(u64::MAX), json!(1e300), json!(i64::MIN), json!(9_007_199_254_740_993_i64), json!({}), json!({"a": 5})]),
    ];
    let list = proptest::collection::vec(leaf.clone(), 0..4).prop_map(Json::from);
    let nested = list.clone().prop_map(|inner| json!([inner]));
    prop_oneof![6 => leaf, 2 => list, 1 => nested]
}

fn custom() -> impl Strategy<Value = Custom> {
    let key = select(vec!["a", "b", "c-d", "id"]);
    proptest::collection::btree_map(key, stored(), 0..4).prop_map(|map| {
        map.into_iter()
            .fold(Custom::default(), |custom, (key, value)| custom.with(key, value))
    })
}

fn user() -> impl Strategy<Value = UserId> {
    select(USERS).prop_map(|id| UserId::new(id).unwrap())
}

fn time() -> impl Strategy<Value = Timestamp> {
    select(TIMES).prop_map(Timestamp)
}

fn message_id() -> impl Strategy<Value = MessageId> {
    (0..6_u8).prop_map(id)
}

fn id(number: u8) -> MessageId {
    let id = format!("0190a1b2-c3d4-7000-8000-0000000000{number:02x}");
    id.parse().unwrap()
}

pub(crate) fn channels() -> impl Strategy<Value = Vec<ChannelRow>> {
    let own = (select(TEXTS), custom(), user(), time(), time());
    let seen = (
        proptest::option::of(time()),
        proptest::option::of(select(vec![
            MemberState::Active,
            MemberState::Gone,
            MemberState::Invited,
        ])),
        0..3_u64,
        proptest::collection::btree_set(user(), 0..3),
        kept(),
    );
    let rows = proptest::collection::vec((proptest::option::weighted(0.9, own), seen), 0..9);
    rows.prop_map(|rows| {
        let each = rows.into_iter().enumerate();
        each.map(|(index, (own, (last_at, state, unread, members, kept)))| {
            let kind = ["messaging", "team"][index % 2];
            let cid = ChannelId::new(format!("{kind}:{index}")).unwrap();
            let channel = own.map(|(name, custom, created_by, created_at, updated_at)| Channel {
                cid: cid.clone(),
                name: name.to_owned(),
                image: String::new(),
                custom,
                created_by,
                created_at,
                updated_at,
                ver: 1,
            });
            let membership = state.map(|state| Membership {
                cid: cid.clone(),
                user: UserId::new(ME).unwrap(),
                role: [Role::Member, Role::Owner][index % 2],
                state,
                ..kept
            });
            let last_message = last_at.map(|at| Message {
                accepted_at: Some(at),
                ..message(id(0), cid.clone())
            });
            ChannelRow {
                summary: ChannelSummary {
                    mentions: 0,
                    cid,
                    channel,
                    membership,
                    last_message,
                    read: None,
                    waiting_read: None,
                    unread,
                    unread_unknown: 0,
                    members: members.len() as u64,
                    head_seq: 2,
                },
                members: members.into_iter().collect(),
            }
        })
        .collect()
    })
}

/// How a user keeps a channel.
fn kept() -> impl Strategy<Value = Membership> {
    let times = proptest::array::uniform2(proptest::option::of(time()));
    let hidden = proptest::option::of(0..4_u64);
    let muted = proptest::option::of(proptest::option::of(time()));
    let consent = select(vec![
        ConsentState::Unknown,
        ConsentState::Allowed,
        ConsentState::Denied,
    ]);
    let consent = (consent, proptest::option::of(user()));
    let kept = (times, hidden, muted, consent);
    kept.prop_map(
        |([pinned_at, archived_at], hidden_seq, muted, (consent, added_by))| {
            let cid = ChannelId::new("team:kept").unwrap();
            let me = UserId::new(ME).unwrap();
            Membership {
                pinned_at,
                archived_at,
                hidden_seq,
                muted: muted.map(|until| Mute { until }),
                consent,
                added_by,
                ..Membership::new(cid, me, Role::Member, MemberState::Active, 1)
            }
        },
    )
}

fn message(id: MessageId, cid: ChannelId) -> Message {
    Message {
        kind: MessageKind::Regular,
        silent: false,
        pinned: None,
        thread: None,
        id,
        cid,
        author: UserId::new("bob").unwrap(),
        seq: 1,
        ver: 1,
        body: MessageBody::default(),
        parent: None,
        show_in_channel: false,
        quoted: None,
        composed_at: Timestamp(0),
        accepted_at: None,
        edited_at: None,
        revision: 0,
        deleted_at: None,
    }
}

pub(crate) fn messages() -> impl Strategy<Value = Vec<Message>> {
    let body = (
        select(TEXTS),
        custom(),
        proptest::collection::vec(user(), 0..3),
        proptest::collection::vec(select(vec!["image", "file"]), 0..3),
    );
    let times = proptest::array::uniform3(proptest::option::of(time()));
    let ids = proptest::array::uniform2(proptest::option::of(message_id()));
    let pin =
        (user(), time(), proptest::option::of(time())).prop_map(|(by, at, until)| Pin { by, at, until });
    let thread = (0..3_u32, time()).prop_map(|(replies, last_at)| ThreadSummary {
        replies,
        last_seq: 1,
        last_at,
    });
    let marks = (
        select(vec![MessageKind::Regular, MessageKind::System]),
        any::<bool>(),
        proptest::option::of(pin),
        proptest::option::of(thread),
    );
    let rows = proptest::collection::vec((user(), 1..4_u64, body, times, ids, marks), 0..9);
    rows.prop_map(|rows| {
        let each = rows.into_iter().zip(10..);
        each.map(
            |((author, seq, (text, custom, mentions, kinds), times, ids, marks), number)| Message {
                kind: marks.0,
                silent: marks.1,
                pinned: marks.2,
                thread: marks.3,
                author,
                seq,
                body: MessageBody {
                    text: text.to_owned(),
                    mentions,
                    attachments: kinds.into_iter().map(attachment).collect(),
                    custom,
                    ..MessageBody::default()
                },
                parent: ids[0],
                quoted: ids[1],
                accepted_at: times[0],
                edited_at: times[1],
                deleted_at: times[2],
                ..message(id(number), ChannelId::new("messaging:general").unwrap())
            },
        )
        .collect()
    })
}

fn attachment(kind: &str) -> Attachment {
    Attachment {
        kind: kind.to_owned(),
        url: String::new(),
        title: String::new(),
        mime: String::new(),
        size: None,
        custom: Custom::default(),
    }
}

pub(crate) fn case<T: Clone + std::fmt::Debug>(
    endpoint: &'static Endpoint,
    items: impl Strategy<Value = Vec<T>>,
) -> impl Strategy<Value = Case<T>> {
    (items, filter(endpoint), sort(endpoint), 1..4_usize).prop_map(move |(items, filter, sort, page)| {
        let filter = Filter::from_json_for(endpoint, &filter).unwrap();
        let sort = Sort::from_json(&sort).unwrap();
        Case {
            items,
            query: Query::new(endpoint, filter, sort).unwrap(),
            page,
        }
    })
}

fn fields(endpoint: &'static Endpoint) -> Vec<(String, &'static FieldRule)> {
    let custom = ["a", "b", "c-d", "never"].map(|key| (format!("custom.{key}"), &FieldRule::CUSTOM));
    let built_in = endpoint.fields.iter().map(|rule| (rule.name.to_owned(), rule));
    // Custom data is where types mix: half of all terms are about it.
    let mut fields: Vec<_> = built_in.collect();
    for _ in 0..fields.len().div_ceil(custom.len()) {
        fields.extend(custom.iter().cloned());
    }
    fields
}

fn filter(endpoint: &'static Endpoint) -> impl Strategy<Value = Json> {
    let term = select(fields(endpoint)).prop_flat_map(|(field, rule)| {
        select(rule.operators).prop_flat_map(move |operator| {
            let field = field.clone();
            operand(rule.kind, operator)
                .prop_map(move |operand| json!({ &field: { operator.as_str(): operand } }))
        })
    });
    term.prop_recursive(3, 12, 3, |inner| {
        let group = select(vec!["$and", "$or", "$nor"]);
        (group, proptest::collection::vec(inner, 0..4)).prop_map(|(group, filters)| json!({ group: filters }))
    })
}

fn operand(kind: Kind, operator: Operator) -> BoxedStrategy<Json> {
    let one = match kind {
        Kind::Any => value().boxed(),
        Kind::Text | Kind::TextList => {
            let words = [
                TEXTS,
                USERS,
                &[
                    "messaging:0",
                    "team:1",
                    "messaging",
                    "owner",
                    "image",
                    "system",
                    "regular",
                    "unknown",
                    "allowed",
                    "denied",
                ],
            ]
            .concat();
            select(words).prop_map(Json::from).boxed()
        }
        Kind::Uuid => message_id().prop_map(|id| json!(id)).boxed(),
        Kind::Number => prop_oneof![(-1..3_i64).prop_map(Json::from), Just(json!(1.5))].boxed(),
        Kind::Time => select(TIMES).prop_map(Json::from).boxed(),
        Kind::Bool => any::<bool>().prop_map(Json::from).boxed(),
    };
    match operator {
        Operator::Exists => any::<bool>().prop_map(Json::from).boxed(),
        Operator::Autocomplete | Operator::Q => select(SEARCHES).prop_map(Json::from).boxed(),
        Operator::In | Operator::Nin => proptest::collection::vec(one, 0..4).prop_map(Json::from).boxed(),
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
            one.prop_filter("an order", |value| !value.is_boolean()).boxed()
        }
        Operator::Eq | Operator::Ne | Operator::Contains => one,
    }
}

fn sort(endpoint: &'static Endpoint) -> impl Strategy<Value = Json> {
    let mut able: Vec<String> = fields(endpoint)
        .into_iter()
        .filter(|(_, rule)| rule.sortable)
        .map(|(name, _)| name)
        .collect();
    able.sort();
    able.dedup();
    let keys = proptest::sample::subsequence(able, 0..=3).prop_shuffle();
    (keys, any::<[bool; 3]>()).prop_map(|(keys, up)| {
        let key = |(field, up)| json!({ "field": field, "direction": if up { 1 } else { -1 } });
        keys.into_iter().zip(up).map(key).collect()
    })
}
