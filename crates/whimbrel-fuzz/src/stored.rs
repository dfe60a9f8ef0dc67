//! What a database holds as JSON, as the stores read it back.

use crate::{json, seeds};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::Debug;
use whimbrel_model::{
    Attachment, Channel, Cursor, Gap, Head, Member, Membership, Message, MessageBody, Op, Range, RangeSet,
    Reaction, Read, Rejection, Row, StreamEvent, User,
};

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let runs = [
        r#"[{"lo":1,"hi":5},{"lo":7,"hi":9,"stale_since":4},{"lo":10,"hi":12}]"#,
        r#"[{"lo":3,"hi":9007199254740991}]"#,
        "[]",
        r#"{"code":"parent_rejected","message":"it needs the send_message","parent":"01900000-0000-7000-8000-000000000001"}"#,
        r#"{"ver":3,"seq":1}"#,
    ];
    let inner = |row: &Vec<u8>| {
        let row: Value = serde_json::from_slice(row).expect("a golden row");
        let object = row.as_object().and_then(|row| row.values().next());
        object.expect("a golden row").to_string().into_bytes()
    };
    let rows = seeds::golden(&["row-"]);
    let inner = rows.iter().map(inner).collect::<Vec<_>>();
    let runs = runs.map(|text| text.as_bytes().to_vec());
    [seeds::golden(&["op-"]), rows, inner, runs.to_vec()].concat()
}

/// Reads JSON as everything that is stored so.
pub(crate) fn stored(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let runs = of::<RangeSet>(text);
    if let Some(runs) = &runs {
        use_runs(runs);
    }
    let others = [
        of::<Op>(text).is_some(),
        of::<Row>(text).is_some(),
        of::<Channel>(text).is_some(),
        of::<Member>(text).is_some(),
        of::<Membership>(text).is_some(),
        of::<Message>(text).is_some(),
        of::<MessageBody>(text).is_some(),
        of::<Attachment>(text).is_some(),
        of::<Reaction>(text).is_some(),
        of::<Read>(text).is_some(),
        of::<User>(text).is_some(),
        of::<Rejection>(text).is_some(),
        of::<Cursor>(text).is_some(),
        of::<Head>(text).is_some(),
        of::<StreamEvent>(text).is_some(),
    ];
    runs.is_some() || others.contains(&true)
}

fn of<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<T> {
    let value = serde_json::from_str::<T>(text).ok()?;
    let written = serde_json::to_string(&value).expect("what was read can be written");
    json::assert_numbers(&serde_json::from_str(&written).expect("what was written is JSON"));
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, value);
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
    Some(value)
}

/// Asserts that runs from a database are runs, and that everything asked of them has an answer.
fn use_runs(runs: &RangeSet) {
    assert_runs(runs.as_slice());
    let ends = runs.as_slice().iter().flat_map(|run| [run.lo, run.hi]);
    let newest = ends.clone().max().unwrap_or(0);
    assert_eq!(runs.has_gap(), runs.newest_gap(1).is_some());
    for head in [0, newest / 2, newest, newest + 1] {
        for Gap { lo, hi, .. } in runs.gaps(head) {
            assert!(1 <= lo && lo <= hi);
        }
        let gap = runs.newest_gap(head);
        assert!(gap.is_none_or(|gap| 1 <= gap.lo && gap.lo <= gap.hi && gap.hi >= head));
        assert!(runs.fresh_start(head) <= head + 1);
    }
    let mut stale = runs.clone();
    stale.mark_stale(9);
    for end in ends {
        assert!(runs.covers(end, end) && !stale.is_fresh(end, end));
        let mut more = runs.clone();
        more.insert(end, end + 2);
        assert!(more.is_fresh(end, end + 2));
        assert_runs(more.as_slice());
    }
}

fn assert_runs(runs: &[Range]) {
    assert!(runs.iter().all(|run| 1 <= run.lo && run.lo <= run.hi));
    assert!(runs.is_sorted_by(|one, next| one.hi < next.lo), "{runs:?}");
}
