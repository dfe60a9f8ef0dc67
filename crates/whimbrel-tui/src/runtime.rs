//! Runs the app: keys and news in, actions out, one frame after each.

mod feeds;
mod people;
mod perform;
mod search;

use crate::{
    app::{Action, App, Event, Scope},
    terminal::{Screen, Surface},
};
use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::{Stream, StreamExt};
use std::{io, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};
use whimbrel::{
    Client, Devices, Environment as _, SystemEnvironment,
    model::{MessageId, MessageScope},
};

/// News and actions that may wait. The senders of news wait beyond that, which is all that they should do.
const QUEUE: usize = 128;

/// Events that one frame may stand for: more than come in the time of a frame.
const PER_FRAME: usize = 256;

/// How long closing may take. Everything that was queued is on disk before that.
const CLOSING: Duration = Duration::from_secs(5);

/// Chats until the user has had enough.
///
/// # Errors
/// When the terminal cannot be used, or a task panicked.
pub(crate) async fn run(client: Client, connect: bool) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let ended = chat(client.clone(), connect, &mut screen, EventStream::new()).await;
    let lost = screen.is_lost();
    drop(screen);
    let closed = timeout(CLOSING, client.close()).await;
    if lost {
        return Err(io::Error::other("a task panicked; what was written is on disk"));
    }
    if closed.is_err() {
        return Err(io::Error::other(
            "closing took too long; what was written is on disk",
        ));
    }
    ended
}

/// Chats with any client on any surface until a key ends it, or there are no more keys. What was written is on disk then; the client
/// stays open.
///
/// # Errors
/// When the surface is gone, or the keys cannot be read.
pub async fn chat(
    client: Client,
    connect: bool,
    surface: &mut impl Surface,
    keys: impl Stream<Item = io::Result<TerminalEvent>> + Unpin,
) -> io::Result<()> {
    Runtime::start(client).run(surface, keys, connect).await
}

struct Runtime {
    client: Client,
    tasks: JoinSet<()>,
    news: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    orders: mpsc::Sender<Action>,
    /// Ends when everything that was ordered is done.
    done: oneshot::Receiver<()>,
    /// Who watches the open channel, and the open thread.
    watching: [Vec<AbortHandle>; 2],
    /// Tasks of which there is one of each kind.
    single: [Option<AbortHandle>; 4],
    devices: Devices,
}

const CHANNEL: usize = 0;
const THREAD: usize = 1;

/// What a task is for, of which there is one.
#[derive(Clone, Copy)]
enum Single {
    /// Watches the channel list.
    Listing,
    /// Searches.
    Search,
    /// Watches how the people in the open channel are.
    People,
    /// Watches who has a message.
    Receipts,
}

impl Runtime {
    fn start(client: Client) -> Self {
        let (news, events) = mpsc::channel(QUEUE);
        let (orders, accepted) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(feeds::unread(client.clone(), news.clone()));
        tasks.spawn(feeds::sync(client.clone(), news.clone()));
        tasks.spawn(feeds::outbox(client.clone(), news.clone()));
        tasks.spawn(feeds::threads(client.clone(), news.clone()));
        tasks.spawn(feeds::drafts(client.clone(), news.clone()));
        tasks.spawn(people::requests(client.clone(), news.clone()));
        tasks.spawn(people::account(client.clone(), news.clone()));
        tasks.spawn(people::device_sync(client.clone(), news.clone()));
        let devices = client.devices();
        tasks.spawn(people::devices(devices.clone(), news.clone()));
        let (doing, done) = oneshot::channel();
        tasks.spawn(perform::in_order(client.clone(), accepted, news.clone(), doing));
        let mut runtime = Self {
            client,
            tasks,
            news,
            events,
            orders,
            done,
            watching: [Vec::new(), Vec::new()],
            single: [const { None }; 4],
            devices,
        };
        runtime.list_channels(String::new());
        runtime
    }

    fn list_channels(&mut self, typed: String) {
        let feed = feeds::channels(self.client.clone(), typed, self.news.clone());
        self.run_single(Single::Listing, feed);
    }

    /// Runs a task in place of the one that was for the same.
    fn run_single(&mut self, what: Single, task: impl Future<Output = ()> + Send + 'static) {
        self.end_single(what);
        self.single[what as usize] = Some(self.tasks.spawn(task));
    }

    fn end_single(&mut self, what: Single) {
        if let Some(task) = self.single[what as usize].take() {
            task.abort();
        }
    }

    async fn run(
        mut self,
        surface: &mut impl Surface,
        mut keys: impl Stream<Item = io::Result<TerminalEvent>> + Unpin,
        connect: bool,
    ) -> io::Result<()> {
        let mut app = App::new(self.client.user().clone(), surface.size()?);
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stop = std::pin::pin!(stop_signal());
        if connect {
            self.perform(&mut app, Action::Connect);
        }
        'running: while !surface.is_lost() {
            surface.paint(&app)?;
            let event = tokio::select! {
                biased;
                () = &mut stop => Some(Event::Stop),
                key = keys.next() => match key {
                    Some(key) => of_terminal(key?),
                    None => Some(Event::Stop),
                },
                Some(event) = self.events.recv() => Some(event),
                _ = ticks.tick() => Some(Event::Tick(SystemEnvironment.wall())),
                Some(_) = self.tasks.join_next() => None,
            };
            let more = std::iter::from_fn(|| self.events.try_recv().ok());
            let events: Vec<_> = event.into_iter().chain(more.take(PER_FRAME)).collect();
            for event in events {
                for action in app.update(event) {
                    if action == Action::Quit {
                        break 'running;
                    }
                    self.perform(&mut app, action);
                }
            }
        }
        self.finish().await;
        Ok(())
    }

    /// Waits until what was ordered is done: a draft is on disk then.
    async fn finish(self) {
        let Self {
            orders,
            mut events,
            done,
            tasks,
            ..
        } = self;
        drop(orders);
        events.close();
        // Either way the end has come: what is not done within that time is given up.
        let _ = timeout(CLOSING, done).await;
        drop(tasks);
    }

    fn perform(&mut self, app: &mut App, action: Action) {
        match action {
            Action::Watch(scope) => self.watch(scope, None),
            Action::WatchAround(scope, message) => self.watch(scope, Some(message)),
            Action::Search(text) => {
                let search = search::run(self.client.clone(), text, self.news.clone());
                self.run_single(Single::Search, search);
            }
            Action::FilterChannels(typed) => self.list_channels(typed),
            Action::LeaveThread => self.unwatch(THREAD),
            Action::WatchPeople(users) => {
                let feed = people::presence(self.client.clone(), users, self.news.clone());
                self.run_single(Single::People, feed);
            }
            Action::WatchReceipts(cid, id) => {
                let feed = people::receipts(self.client.clone(), cid, id, self.news.clone());
                self.run_single(Single::Receipts, feed);
            }
            Action::LeaveReceipts => self.end_single(Single::Receipts),
            Action::RefreshDevices => {
                // It waits for the network, so nothing may wait for it.
                self.tasks.spawn(people::refresh(self.devices.clone()));
            }
            action @ (Action::LoadOlder(_) | Action::LoadNewer(_) | Action::Newest(_)) => {
                // These wait for the network, so nothing may wait for them.
                self.tasks
                    .spawn(perform::load(self.client.clone(), action, self.news.clone()));
            }
            action => {
                if self.orders.try_send(action).is_err() {
                    app.notify("Too much at once: the last key was not carried out");
                }
            }
        }
    }

    fn watch(&mut self, scope: Scope, around: Option<MessageId>) {
        let place = match scope.messages {
            MessageScope::Channel => CHANNEL,
            MessageScope::Thread(_) => THREAD,
        };
        self.unwatch(THREAD);
        self.unwatch(place);
        if place == CHANNEL {
            let pins = feeds::pins(self.client.clone(), scope.cid.clone(), self.news.clone());
            self.watching[place].push(self.tasks.spawn(pins));
            let watchers = people::watchers(self.client.clone(), scope.cid.clone(), self.news.clone());
            self.watching[place].push(self.tasks.spawn(watchers));
        }
        let typing = people::typing(self.client.clone(), scope.clone(), self.news.clone());
        self.watching[place].push(self.tasks.spawn(typing));
        let feed = feeds::timeline(self.client.clone(), scope, around, self.news.clone());
        self.watching[place].push(self.tasks.spawn(feed));
    }

    fn unwatch(&mut self, place: usize) {
        self.watching[place].drain(..).for_each(|task| task.abort());
    }
}

fn of_terminal(event: TerminalEvent) -> Option<Event> {
    match event {
        TerminalEvent::Key(key) => Some(Event::Key(key)),
        TerminalEvent::Paste(text) => Some(Event::Paste(text)),
        TerminalEvent::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost | TerminalEvent::Mouse(_) => None,
    }
}

/// Waits until the system wants the program to end. The keys for it arrive as keys.
#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Waits until the system wants the program to end. The keys for it arrive as keys.
#[cfg(not(unix))]
async fn stop_signal() {
    std::future::pending().await
}
