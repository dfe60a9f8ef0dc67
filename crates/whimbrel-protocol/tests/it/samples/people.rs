//! Rows and operations about the account itself and others, invitations, and what has reached whom.

use super::{cid, custom, id, user};
use whimbrel_model::{
    AccountRow, ConsentState, Contact, ContactChange, Delivered, Device, DeviceChange, DeviceId, DeviceMark,
    DeviceSync, DeviceSyncState, Invite, Member, MemberState, Membership, MembershipChange, Mute, Op,
    PushToken, Read, Role, Row, SetConsent, SetMute, SetPush, Settings, SettingsChange, Timestamp,
};

const LATER: Timestamp = Timestamp(1_764_100_000_000);
const KEY: &str = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq";

fn device(number: u128) -> DeviceId {
    DeviceId(id(number))
}

fn push() -> PushToken {
    PushToken {
        provider: "webpush".to_owned(),
        token: "d2hpbWJyZWw".to_owned(),
    }
}

/// The operations, by name.
pub(super) fn ops() -> Vec<(&'static str, Op)> {
    let mut ops = account_ops();
    ops.extend(device_ops());
    ops.extend(channel_ops());
    ops
}

fn account_ops() -> Vec<(&'static str, Op)> {
    let settings = SettingsChange {
        invisible: Some(true),
        status: Some("at sea".to_owned()),
        custom: Some(custom()),
        typing_indicators: Some(false),
        read_receipts: Some(false),
        delivery_receipts: Some(false),
        device_receipts: Some(true),
    };
    let visible = SettingsChange {
        invisible: Some(false),
        ..SettingsChange::default()
    };
    let deny = SetConsent {
        state: ConsentState::Denied,
        until: Some(LATER),
    };
    let allow = SetConsent {
        state: ConsentState::Allowed,
        until: None,
    };
    let contact = |consent, muted| Op::UpdateContact {
        user: user("eve@example.org"),
        change: ContactChange { consent, muted },
    };
    vec![
        ("update_settings-all", Op::UpdateSettings { change: settings }),
        ("update_settings", Op::UpdateSettings { change: visible }),
        (
            "update_contact-deny",
            contact(Some(deny), Some(SetMute::On(Mute { until: None }))),
        ),
        ("update_contact", contact(Some(allow), None)),
    ]
}

fn device_ops() -> Vec<(&'static str, Op)> {
    let register = |name: &str, agent: &str, key: Option<&str>| Op::RegisterDevice {
        device: device(9),
        name: name.to_owned(),
        agent: agent.to_owned(),
        key: key.map(str::to_owned),
    };
    let update = |name: Option<&str>, push| Op::UpdateDevice {
        device: device(9),
        change: DeviceChange {
            name: name.map(str::to_owned),
            push,
        },
    };
    vec![
        ("register_device", register("", "", None)),
        (
            "register_device-full",
            register("red phone", "app/1.2", Some(KEY)),
        ),
        ("update_device", update(None, Some(SetPush::Off))),
        (
            "update_device-full",
            update(Some("blue phone"), Some(SetPush::On(push()))),
        ),
        ("revoke_device", Op::RevokeDevice { device: device(9) }),
        (
            "request_device_sync",
            Op::RequestDeviceSync {
                device: device(9),
                request: id(70),
                key: KEY.to_owned(),
            },
        ),
        (
            "offer_device_sync",
            Op::OfferDeviceSync {
                device: device(9),
                request: id(70),
                by: device(8),
                bytes: 4_096,
                sha256: "0f".repeat(32),
            },
        ),
        (
            "end_device_sync",
            Op::EndDeviceSync {
                device: device(9),
                request: id(70),
            },
        ),
    ]
}

fn channel_ops() -> Vec<(&'static str, Op)> {
    vec![
        (
            "invite_members",
            Op::InviteMembers {
                cid: cid(),
                users: vec![user("bob"), user("eve@example.org")],
            },
        ),
        (
            "answer_invite",
            Op::AnswerInvite {
                cid: cid(),
                accept: true,
            },
        ),
        (
            "mark_delivered",
            Op::MarkDelivered {
                cid: cid(),
                device: device(9),
                seq: 3,
            },
        ),
        (
            "update_membership-consent",
            Op::UpdateMembership {
                cid: cid(),
                change: MembershipChange {
                    consent: Some(ConsentState::Allowed),
                    ..MembershipChange::default()
                },
            },
        ),
    ]
}

/// The rows, by name.
pub(super) fn rows() -> Vec<(&'static str, Row)> {
    let mut rows = account_rows();
    rows.extend(channel_rows());
    rows
}

fn account_rows() -> Vec<(&'static str, Row)> {
    let settings = Settings {
        invisible: true,
        status: "at sea".to_owned(),
        custom: custom(),
        typing_indicators: false,
        read_receipts: false,
        delivery_receipts: false,
        device_receipts: true,
        ver: 20,
        ..Settings::new(user("ada"))
    };
    let contact = Contact {
        consent: ConsentState::Denied,
        denied_until: Some(LATER),
        muted: Some(Mute { until: None }),
        changed_at: LATER,
        ver: 21,
        ..Contact::new(user("ada"), user("eve@example.org"))
    };
    let device_row = Device {
        user: user("ada"),
        id: device(9),
        name: "red phone".to_owned(),
        agent: "app/1.2".to_owned(),
        key: Some(KEY.to_owned()),
        registered_at: LATER,
        revoked_at: None,
        push: Some(push()),
        ver: 22,
    };
    let revoked = Device {
        key: None,
        revoked_at: Some(LATER),
        push: None,
        ver: 23,
        ..device_row.clone()
    };
    let sync = |state, ver| {
        Row::Account(AccountRow::DeviceSync(DeviceSync {
            user: user("ada"),
            device: device(9),
            request: id(70),
            key: KEY.to_owned(),
            state,
            changed_at: LATER,
            ver,
        }))
    };
    let offered = DeviceSyncState::Offered {
        by: device(8),
        bytes: 4_096,
        sha256: "0f".repeat(32),
    };
    vec![
        ("account-settings", Row::Account(AccountRow::Settings(settings))),
        ("account-contact", Row::Account(AccountRow::Contact(contact))),
        ("account-device", Row::Account(AccountRow::Device(device_row))),
        (
            "account-device-revoked",
            Row::Account(AccountRow::Device(revoked)),
        ),
        ("account-device_sync", sync(DeviceSyncState::Asked, 24)),
        ("account-device_sync-offered", sync(offered, 25)),
        ("account-device_sync-done", sync(DeviceSyncState::Done, 26)),
    ]
}

fn channel_rows() -> Vec<(&'static str, Row)> {
    let delivered = Delivered {
        cid: cid(),
        user: user("bob"),
        seq: 3,
        devices: Vec::new(),
        private: false,
        devices_public: false,
        ver: 30,
    };
    let of_devices = Delivered {
        devices: vec![DeviceMark {
            device: device(9),
            seq: 3,
        }],
        private: true,
        devices_public: true,
        ver: 31,
        ..delivered.clone()
    };
    let mut read = Read::new(cid(), user("bob"), None);
    (read.seq, read.private, read.ver) = (3, true, 32);
    let invited = Member {
        cid: cid(),
        user: user("bob"),
        role: Role::Member,
        state: MemberState::Invited,
        joined_at: LATER,
        ver: 33,
    };
    let mut invitation = Membership::new(cid(), user("bob"), Role::Member, MemberState::Invited, 34);
    invitation.added_by = Some(user("ada"));
    invitation.invite = Some(Invite {
        by: user("ada"),
        at: LATER,
        name: "Reef".to_owned(),
    });
    let mut allowed = Membership::new(cid(), user("bob"), Role::Member, MemberState::Active, 35);
    allowed.consent = ConsentState::Allowed;
    allowed.added_by = Some(user("ada"));
    vec![
        ("delivered", Row::Delivered(delivered)),
        ("delivered-devices", Row::Delivered(of_devices)),
        ("read-private", Row::Read(read)),
        ("member-invited", Row::Member(invited)),
        ("membership-invited", Row::Membership(invitation)),
        ("membership-allowed", Row::Membership(allowed)),
    ]
}
