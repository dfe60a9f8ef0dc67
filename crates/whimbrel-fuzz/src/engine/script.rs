//! Scripts that go well, to be changed a little.

use crate::seeds;

const READY: &str = r#"{"ready":{"protocol":1,"user":"ada","epoch":7,"server_time":1700000000000,"heartbeat_ms":20000,"retention_days":30}}"#;

/// Comes online, learns of two channels, and is live.
const LIVE: &str = r#"{"heads":{"id":1,"server_time":1700000000000,"heads":[{"stream":"U:ada","head":{"ver":2,"seq":0}},{"stream":"C:messaging:reef","head":{"ver":9,"seq":4}}],"token":"7.3","more":false}}
{"page":{"id":2,"stream":"U:ada","reset":true,"from":0,"to":{"epoch":7,"ver":2,"seq":0},"head":{"ver":2,"seq":0},"rows":[{"membership":{"cid":"messaging:reef","user":"ada","role":"owner","state":"active","ver":1}},{"membership":{"cid":"messaging:b","user":"ada","role":"member","state":"active","ver":2}}],"more":false}}
{"page":{"id":3,"stream":"C:messaging:reef","reset":true,"from":0,"to":{"epoch":7,"ver":4,"seq":0,"window":{"lo":2,"ver":9}},"head":{"ver":9,"seq":4},"rows":[],"more":true}}
{"page":{"id":4,"stream":"C:messaging:b","reset":true,"from":0,"to":{"epoch":7,"ver":1,"seq":0},"head":{"ver":1,"seq":0},"rows":[],"more":false}}
{"page":{"id":5,"stream":"C:messaging:reef","reset":false,"from":4,"to":{"epoch":7,"ver":9,"seq":4},"head":{"ver":9,"seq":4},"rows":[],"more":false}}"#;

/// Events in order, a hole, older messages, a refusal, a lost connection.
const WORK: &str = r#"{"event":{"stream":"C:messaging:reef","from":9,"to":10,"seq":5,"rows":[]}}
{"event":{"stream":"C:messaging:reef","from":14,"to":15,"seq":9,"rows":[]}}
{"page":{"id":6,"stream":"C:messaging:reef","reset":true,"from":0,"to":{"epoch":7,"ver":15,"seq":9},"head":{"ver":15,"seq":9},"rows":[],"more":false}}
h12
{"history":{"id":7,"cid":"messaging:reef","lo":1,"hi":3,"rows":[]}}
b
{"failed":{"id":8,"code":"unavailable","message":"not now","retry_after_ms":500}}
t
{"results":{"results":[{"id":"01900000-0000-7000-8000-000000000001","outcome":{"retry":{"code":"out_of_order","message":"","retry_after_ms":5}}}]}}
t
{"results":{"results":[{"id":"01900000-0000-7000-8000-000000000001","outcome":{"rejected":{"code":"not_member","message":""}}},{"id":"01900000-0000-7000-8000-000000000002","outcome":{"accepted":{"steps":[{"stream":"C:messaging:reef","from":15,"to":16,"seq":9,"rows":[]}]}}}]}}
d0
r0
x3
t
c
!
{"bye":{"code":"server_stopping","message":"","retry_after_ms":1000}}"#;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let start = format!("o\nc\n{READY}");
    let queued: Vec<String> = seeds::golden(&["op-"])
        .iter()
        .map(|op| format!("q{}", String::from_utf8_lossy(op)))
        .collect();
    let heard: Vec<String> = seeds::golden(&["server-"])
        .iter()
        .map(|frame| String::from_utf8_lossy(frame).into_owned())
        .collect();
    let (queued, heard) = (queued.join("\n"), heard.join("\n"));
    let scripts = [
        format!("{start}\n{LIVE}\n{WORK}\n{start}\n{LIVE}"),
        format!("{queued}\n{start}\n{LIVE}\n{WORK}"),
        format!("{start}\n{LIVE}\n{queued}\n{WORK}\no\nt\nc\n{READY}\n{LIVE}"),
        format!("{start}\n{LIVE}\n{heard}\n{queued}\n{heard}"),
    ];
    scripts.map(String::into_bytes).to_vec()
}
