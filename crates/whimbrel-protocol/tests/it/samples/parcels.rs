use super::id;
use whimbrel_protocol::{ClientFrame, Parcel, ParcelAct, ParcelPage, PartBytes, PutPart, ServerFrame};

pub(super) fn asks() -> Vec<(&'static str, ClientFrame)> {
    let ask = |number, act| {
        ClientFrame::Parcel(Parcel {
            id: number,
            request: id(40),
            act,
        })
    };
    let put = PutPart {
        total: 6,
        sha256: "0123456789abcdef".repeat(4),
        offset: 2,
        bytes: PartBytes(vec![0, 255, 7, 8]),
    };
    let look = PutPart {
        bytes: PartBytes::default(),
        offset: 0,
        ..put.clone()
    };
    vec![
        ("parcel-put", ask(11, ParcelAct::Put(put))),
        ("parcel-look", ask(12, ParcelAct::Put(look))),
        ("parcel-get", ask(13, ParcelAct::Get { offset: 2 })),
    ]
}

pub(super) fn answers() -> Vec<(&'static str, ServerFrame)> {
    let answer = |bytes| {
        ServerFrame::Parcel(ParcelPage {
            id: 13,
            next: 6,
            total: 6,
            bytes,
        })
    };
    vec![
        ("parcel-put", answer(PartBytes::default())),
        ("parcel-got", answer(PartBytes(vec![0, 255, 7, 8]))),
    ]
}
