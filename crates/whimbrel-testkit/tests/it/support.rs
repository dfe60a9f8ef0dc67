//! Raw connections, for what no client would do or tell.

use whimbrel_client::Connector;
use whimbrel_model::{
    ChannelId, Custom, DeviceId, MessageBody, MessageId, Op, OpEnvelope, OpId, Timestamp, UserId,
};
use whimbrel_protocol::{ClientFrame, Hello, Ops, OwnPresence, PROTOCOL, ServerFrame, Token, decode, encode};
use whimbrel_transport::Connection;

pub(crate) const CID: &str = "messaging:general";

pub(crate) fn id(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number)
}

pub(crate) async fn send(connection: &mut Connection, frame: &ClientFrame) {
    let bytes = encode(frame).unwrap();
    connection.sink.send(vec![bytes.into()]).await.unwrap();
}

pub(crate) async fn next(connection: &mut Connection) -> Option<ServerFrame> {
    let bytes = connection.stream.next().await.ok()?;
    Some(decode(&bytes).unwrap())
}

pub(crate) async fn greet(connector: &dyn Connector, token: &str) -> Connection {
    let mut connection = connector.connect().await.unwrap();
    let hello = Hello {
        protocol: PROTOCOL,
        token: Token::new(token),
        device: DeviceId(id(1)),
        agent: "a test".to_owned(),
        presence: OwnPresence::default(),
        background: false,
    };
    send(&mut connection, &ClientFrame::Hello(hello)).await;
    connection
}

/// Opens a connection and waits until it is ready.
pub(crate) async fn ready(connector: &dyn Connector, user: &str) -> Connection {
    let mut connection = greet(connector, &format!("user:{user}")).await;
    let Some(ServerFrame::Ready(ready)) = next(&mut connection).await else {
        panic!("it is not ready");
    };
    assert_eq!(ready.user.as_str(), user);
    connection
}

pub(crate) fn op(number: u128, op: Op) -> ClientFrame {
    let envelope = OpEnvelope {
        id: OpId(id(number)),
        op,
        composed_at: Timestamp(1),
        after: None,
    };
    ClientFrame::Ops(Ops { ops: vec![envelope] })
}

/// Creates a channel with bob in it.
pub(crate) fn create(number: u128) -> ClientFrame {
    op(
        number,
        Op::CreateChannel {
            cid: ChannelId::new(CID).unwrap(),
            name: "General".to_owned(),
            image: String::new(),
            custom: Custom::default(),
            members: vec![UserId::new("bob").unwrap()],
        },
    )
}

pub(crate) fn message(number: u128, text: &str) -> ClientFrame {
    op(
        number,
        Op::SendMessage {
            kind: whimbrel_model::MessageKind::Regular,
            silent: false,
            cid: ChannelId::new(CID).unwrap(),
            id: MessageId(id(number)),
            body: MessageBody::text(text),
            parent: None,
            show_in_channel: false,
            quoted: None,
        },
    )
}
