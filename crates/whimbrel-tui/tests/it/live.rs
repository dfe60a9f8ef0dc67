//! Whole apps: real clients and a real hub, keys in, and what is on the screens out.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures_util::{StreamExt, stream};
use ratatui::{Terminal, backend::TestBackend};
use std::{io, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use whimbrel_testkit::server::TestServer;
use whimbrel_tui::{App, Surface, chat, draw};

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);
const SIZE: (u16, u16) = (100, 24);

/// A screen that others look at.
struct Paper {
    terminal: Terminal<TestBackend>,
    shown: watch::Sender<String>,
}

impl Surface for Paper {
    fn size(&self) -> io::Result<(u16, u16)> {
        Ok(SIZE)
    }

    fn paint(&mut self, app: &App) -> io::Result<()> {
        self.terminal.draw(|frame| draw(app, frame)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(SIZE.0));
        let lines: Vec<String> = rows
            .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
            .collect();
        self.shown.send_replace(lines.join("\n"));
        Ok(())
    }

    fn is_lost(&self) -> bool {
        false
    }
}

/// Somebody with a device in the hands.
struct Device {
    keys: mpsc::Sender<Event>,
    shown: watch::Receiver<String>,
    _app: JoinSet<()>,
}

impl Device {
    async fn of(server: &TestServer, user: &str, name: &str) -> Self {
        let client = server.client(user).device_name(name).open().await.unwrap();
        let (keys, pressed) = mpsc::channel(64);
        let (shown, looked_at) = watch::channel(String::new());
        let mut app = JoinSet::new();
        app.spawn(async move {
            let terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap();
            let mut paper = Paper { terminal, shown };
            let next = |mut pressed: mpsc::Receiver<Event>| async {
                let key = pressed.recv().await?;
                Some((Ok(key), pressed))
            };
            let keys = stream::unfold(pressed, next).boxed();
            chat(client.clone(), true, &mut paper, keys).await.unwrap();
            client.close().await;
        });
        let device = Self {
            keys,
            shown: looked_at,
            _app: app,
        };
        device.sees(" live ").await
    }

    async fn press(&self, code: KeyCode) -> &Self {
        let key = Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        self.keys.send(key).await.unwrap();
        self
    }

    async fn types(&self, text: &str) -> &Self {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter)).await;
        }
        self
    }

    /// Writes a line.
    async fn says(&self, text: &str) {
        self.types(text).await.press(KeyCode::Enter).await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let mut shown = self.shown.clone();
        if timeout(DEADLINE, shown.wait_for(|text| is_so(text)))
            .await
            .is_err()
        {
            let text = shown.borrow().clone();
            panic!("waited {DEADLINE:?} for {what}:\n{text}");
        }
    }

    async fn sees(self, what: &str) -> Self {
        self.until(what, |text| text.contains(what)).await;
        self
    }

    async fn see(&self, what: &str) {
        self.until(what, |text| text.contains(what)).await;
    }

    async fn see_no(&self, what: &str) {
        self.until(&format!("no {what}"), |text| !text.contains(what))
            .await;
    }
}

/// A channel of ada with bob in it, which is open on her device, and a message.
async fn made(ada: &Device) {
    ada.types("nocean").await.press(KeyCode::Enter).await;
    ada.types("Ocean").await.press(KeyCode::Enter).await;
    ada.types("bob").await.press(KeyCode::Enter).await;
    ada.see("▸Ocean").await;
    ada.says("hello stranger").await;
    ada.see("hello stranger").await;
}

#[tokio::test]
async fn an_answer_allows_a_request_and_the_ticks_tell_how_far_a_message_is() {
    let server = TestServer::new();
    let (ada, bob) = (
        Device::of(&server, "ada", "phone").await,
        Device::of(&server, "bob", "phone").await,
    );
    made(&ada).await;
    bob.see("1 request (R)").await;
    ada.see("✓✓ hello stranger").await;
    bob.types("R").await.press(KeyCode::Enter).await;
    bob.see("A request of ada").await;
    bob.see("   hello stranger").await;
    // Looking at it told nobody: it arrived, and is not read.
    ada.press(KeyCode::Up).await;
    ada.types("v").await;
    ada.see("✓✓ delivered").await;
    bob.types("who are").await;
    ada.press(KeyCode::Esc).await;
    ada.see("bob is typing …").await;
    bob.says(" you").await;
    bob.see_no("request").await;
    bob.see("▸Ocean").await;
    ada.see("who are you").await;
    ada.see_no("typing").await;
    ada.press(KeyCode::Up).await.types("v").await;
    ada.see("✓✓ read").await;
    server.close().await;
}

#[tokio::test]
async fn dots_come_and_go_and_who_is_invisible_is_so_on_all_devices() {
    let server = TestServer::new();
    let (ada, bob) = (
        Device::of(&server, "ada", "phone").await,
        Device::of(&server, "bob", "phone").await,
    );
    made(&ada).await;
    ada.see("●ada, ●bob").await;
    bob.see("1 request").await;
    bob.types("Ra").await.press(KeyCode::Esc).await;
    bob.see(" Ocean ").await;
    bob.press(KeyCode::Enter).await;
    bob.see("●ada, ●bob").await;
    let tablet = Device::of(&server, "ada", "tablet").await;
    ada.says("/status on a train").await;
    ada.says("/invisible on").await;
    bob.see("Ocean").await;
    bob.see(": ada, ●bob").await;
    tablet.see("  invisible").await;
    // Without the server nobody knows, and what was set holds when it is back.
    server.stop().await;
    bob.see(": ada, bob").await;
    server.start();
    bob.see(": ada, ●bob").await;
    tablet.types("S").await.press(KeyCode::Enter).await;
    bob.see("●ada, ●bob").await;
    bob.press(KeyCode::Esc).await.types("w").await;
    bob.see("online · on a train").await;
    server.close().await;
}

#[tokio::test]
async fn a_device_that_another_one_revokes_is_shut_out() {
    let server = TestServer::new();
    let (phone, tablet) = (
        Device::of(&server, "ada", "phone").await,
        Device::of(&server, "ada", "tablet").await,
    );
    phone.types("D").await;
    phone.see("tablet").await;
    phone.see("this device").await;
    phone.press(KeyCode::Down).await.types("n").await;
    phone.says(" of mine").await;
    phone.see("tablet of mine").await;
    phone.types("r").await;
    phone.see("Shut out tablet of mine for good?").await;
    phone.types("y").await;
    phone.see(" revoked ").await;
    tablet.see("this device was revoked").await;
    server.close().await;
}

#[tokio::test]
async fn who_is_invited_comes_in_by_accepting_and_who_is_blocked_is_not_heard() {
    let server = TestServer::new();
    let (ada, eve) = (
        Device::of(&server, "ada", "phone").await,
        Device::of(&server, "eve", "phone").await,
    );
    made(&ada).await;
    ada.see("✓ ").await;
    ada.says("/invite eve").await;
    eve.see("1 request (R)").await;
    eve.types("R").await;
    eve.see("invited by ada").await;
    eve.types("a").await;
    eve.see("Nothing waits for a decision").await;
    eve.press(KeyCode::Esc).await;
    eve.see(" Ocean ").await;
    eve.press(KeyCode::Enter).await;
    eve.see("hello stranger").await;
    eve.press(KeyCode::Esc).await.types("w").await;
    eve.see("● ada").await;
    eve.types("b").await;
    eve.see("Block ada").await;
    eve.types("4").await;
    eve.see("(of somebody you blocked)").await;
    eve.see_no("hello stranger").await;
    eve.types("w").await;
    eve.see("ada  blocked").await;
    eve.types("b").await.press(KeyCode::Esc).await;
    eve.see("hello stranger").await;
    server.close().await;
}
