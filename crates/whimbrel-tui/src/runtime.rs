//! Runs the app: keys and news in, actions out, one frame after each.

mod feeds;
mod perform;
mod search;

use crate::{
    app::{Action, App, Event, Scope},
    draw,
    terminal::Screen,
};
use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::StreamExt;
use std::{io, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};
use whimbrel::{
    Client, Environment as _, SystemEnvironment,
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
    let ended = Runtime::start(client.clone()).run(&mut screen, connect).await;
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

struct Runtime {
    client: Client,
    tasks: JoinSet<()>,
    news: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    orders: mpsc::Sender<Action>,
    /// Ends when everything that was ordered is done.
    done: oneshot::Receiver<()>,
    /// Who watches the open channel, the open thread, and the channel's pins.
    watching: [Option<AbortHandle>; 3],
    /// Who watches the channel list.
    listing: AbortHandle,
    /// Who searches.
    searching: Option<AbortHandle>,
}

const CHANNEL: usize = 0;
const THREAD: usize = 1;
const PINS: usize = 2;

impl Runtime {
    fn start(client: Client) -> Self {
        let (news, events) = mpsc::channel(QUEUE);
        let (orders, accepted) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        let listing = tasks.spawn(feeds::channels(client.clone(), String::new(), news.clone()));
        tasks.spawn(feeds::unread(client.clone(), news.clone()));
        tasks.spawn(feeds::sync(client.clone(), news.clone()));
        tasks.spawn(feeds::outbox(client.clone(), news.clone()));
        tasks.spawn(feeds::threads(client.clone(), news.clone()));
        tasks.spawn(feeds::drafts(client.clone(), news.clone()));
        let (doing, done) = oneshot::channel();
        tasks.spawn(perform::in_order(client.clone(), accepted, news.clone(), doing));
        Self {
            client,
            tasks,
            news,
            events,
            orders,
            done,
            watching: [None, None, None],
            listing,
            searching: None,
        }
    }

    async fn run(mut self, screen: &mut Screen, connect: bool) -> io::Result<()> {
        let size = screen.terminal.size()?;
        let mut app = App::new(self.client.user().clone(), (size.width, size.height));
        let mut keys = EventStream::new();
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stop = std::pin::pin!(stop_signal());
        if connect {
            self.perform(&mut app, Action::Connect);
        }
        'running: while !screen.is_lost() {
            screen.terminal.draw(|frame| draw(&app, frame))?;
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
                if let Some(task) = self.searching.take() {
                    task.abort();
                }
                let search = search::run(self.client.clone(), text, self.news.clone());
                self.searching = Some(self.tasks.spawn(search));
            }
            Action::FilterChannels(word) => {
                self.listing.abort();
                let feed = feeds::channels(self.client.clone(), word, self.news.clone());
                self.listing = self.tasks.spawn(feed);
            }
            Action::LeaveThread => self.unwatch(THREAD),
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
            self.unwatch(PINS);
            let pins = feeds::pins(self.client.clone(), scope.cid.clone(), self.news.clone());
            self.watching[PINS] = Some(self.tasks.spawn(pins));
        }
        let feed = feeds::timeline(self.client.clone(), scope, around, self.news.clone());
        self.watching[place] = Some(self.tasks.spawn(feed));
    }

    fn unwatch(&mut self, place: usize) {
        if let Some(task) = self.watching[place].take() {
            task.abort();
        }
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
