//! The account's devices, and what one has of another.

use crate::{
    deciding::{account, decide},
    support::{Screen, id, user},
};
use crossterm::event::KeyCode;
use std::sync::Arc;
use whimbrel::{
    DeviceItem, DeviceSyncState,
    model::{Device, DeviceId, Timestamp},
};
use whimbrel_tui::{Action, Decision, Feed};

/// 2026-11-24 12:00 UTC.
const NOON: i64 = 1_795_521_600_000;

fn device(number: u64) -> DeviceId {
    id(number).to_string().parse().unwrap()
}

fn item(number: u64, name: &str, is_this: bool) -> DeviceItem {
    DeviceItem {
        device: Arc::new(Device {
            user: user("ada"),
            id: device(number),
            name: name.to_owned(),
            agent: "whimbrel-tui 1".to_owned(),
            key: None,
            registered_at: Timestamp(NOON),
            revoked_at: None,
            push: None,
            ver: 1,
        }),
        is_this,
        state: None,
    }
}

/// The devices of ada: this one, and a laptop.
fn with_devices() -> Screen {
    let mut screen = Screen::new(90, 20);
    let items = vec![item(1, "phone", true), item(2, "laptop", false)];
    let mut facts = account(&[]);
    facts.devices = items
        .iter()
        .map(|item| (item.id(), item.device.clone()))
        .collect();
    screen.feed(Feed::Account(facts));
    screen.feed(Feed::Devices(items));
    screen
}

#[test]
fn the_devices_are_listed_and_the_server_is_asked_when_each_was_seen() {
    let mut screen = with_devices();
    assert_eq!(screen.write("D"), [Action::RefreshDevices]);
    screen.sees("phone");
    screen.sees("this device");
    screen.sees("whimbrel-tui 1 · since 2026-11-24 · when it was seen is not known now");
}

#[test]
fn a_device_is_revoked_after_a_question_and_never_the_one_in_the_hands() {
    let mut screen = with_devices();
    screen.write("D");
    assert!(screen.write("r").is_empty());
    screen.sees("This is the device in your hands");
    screen.press(KeyCode::Down);
    screen.write("r");
    screen.sees("Shut out laptop for good?");
    assert!(screen.write("n").is_empty());
    screen.sees("Devices");
    screen.write("r");
    assert_eq!(screen.write("y"), decide(Decision::RevokeDevice(device(2))));
}

#[test]
fn a_device_is_given_another_name() {
    let mut screen = with_devices();
    screen.write("D");
    screen.press(KeyCode::Down);
    screen.write("n");
    screen.sees("> laptop");
    screen.write("!");
    let renamed = Decision::RenameDevice(device(2), "laptop!".to_owned());
    assert_eq!(screen.press(KeyCode::Enter), decide(renamed));
    screen.sees("n rename");
}

#[test]
fn a_list_that_became_shorter_does_not_lose_its_selection() {
    let mut screen = with_devices();
    screen.write("D");
    screen.press(KeyCode::End);
    screen.feed(Feed::Devices(vec![item(1, "phone", true)]));
    screen.sees("▌phone");
    screen.feed(Feed::Devices(Vec::new()));
    screen.sees("None is registered yet");
    assert!(screen.write("r").is_empty());
}

#[test]
fn how_far_what_another_device_gives_has_come_is_told() {
    let mut screen = with_devices();
    screen.write("D");
    assert_eq!(screen.write("s"), [Action::AskDevices]);
    screen.feed(Feed::DeviceSync(DeviceSyncState::Asked));
    screen.sees("Your other devices are asked");
    screen.feed(Feed::DeviceSync(DeviceSyncState::Receiving {
        by: device(2),
        received: 1_500,
        total: 10_240,
    }));
    screen.sees("2 of 10 KiB have come from laptop");
    // It can be seen with no dialog too.
    screen.press(KeyCode::Esc);
    screen.sees("2 of 10 KiB have come from laptop");
    screen.feed(Feed::DeviceSync(DeviceSyncState::Failed {
        by: device(2),
        reason: "it was cut \u{1b}[31mshort".to_owned(),
    }));
    screen.write("D");
    screen.sees("What laptop gave could not be taken in: it was cut ␛[31mshort");
}
