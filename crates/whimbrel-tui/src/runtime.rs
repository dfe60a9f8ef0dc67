//! Runs the app: keys and news in, actions out, one frame after each.

mod feeds;
mod perform;

use crate::{
    app::{Action, App, Event, Scope},
    draw,
    terminal::Screen,
};
use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::StreamExt;
use std::{io, time::Duration};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};
use whimbrel::{Client, model::MessageScope};

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
    /// Who watches the open channel, and the open thread.
    watching: [Option<AbortHandle>; 2],
    /// Who watches the channel list.
    listing: AbortHandle,
}

impl Runtime {
    fn start(client: Client) -> Self {
        let (news, events) = mpsc::channel(QUEUE);
        let (orders, accepted) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        let listing = tasks.spawn(feeds::channels(client.clone(), String::new(), news.clone()));
        tasks.spawn(feeds::unread(client.clone(), news.clone()));
        tasks.spawn(feeds::sync(client.clone(), news.clone()));
        tasks.spawn(feeds::outbox(client.clone(), news.clone()));
        tasks.spawn(perform::in_order(client.clone(), accepted, news.clone()));
        Self {
            client,
            tasks,
            news,
            events,
            orders,
            watching: [None, None],
            listing,
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
        while !screen.is_lost() {
            screen.terminal.draw(|frame| draw(&app, frame))?;
            let event = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                key = keys.next() => match key {
                    Some(key) => of_terminal(key?),
                    None => return Ok(()),
                },
                Some(event) = self.events.recv() => Some(event),
                _ = ticks.tick() => Some(Event::Tick),
                Some(_) = self.tasks.join_next() => None,
            };
            let more = std::iter::from_fn(|| self.events.try_recv().ok());
            let events: Vec<_> = event.into_iter().chain(more.take(PER_FRAME)).collect();
            for event in events {
                for action in app.update(event) {
                    if action == Action::Quit {
                        return Ok(());
                    }
                    self.perform(&mut app, action);
                }
            }
        }
        Ok(())
    }

    fn perform(&mut self, app: &mut App, action: Action) {
        match action {
            Action::Watch(scope) => {
                let thread = scope.messages != MessageScope::Channel;
                if !thread {
                    self.unwatch(true);
                }
                self.unwatch(thread);
                self.watch(scope, thread);
            }
            Action::FilterChannels(word) => {
                self.listing.abort();
                let feed = feeds::channels(self.client.clone(), word, self.news.clone());
                self.listing = self.tasks.spawn(feed);
            }
            Action::LeaveThread => self.unwatch(true),
            Action::LoadOlder(scope) => {
                // This one waits for the network, so nothing may wait for it.
                self.tasks
                    .spawn(perform::load_older(self.client.clone(), scope, self.news.clone()));
            }
            action => {
                if self.orders.try_send(action).is_err() {
                    app.notify("Too much at once: the last key was not carried out");
                }
            }
        }
    }

    fn watch(&mut self, scope: Scope, thread: bool) {
        let feed = feeds::timeline(self.client.clone(), scope, self.news.clone());
        self.watching[usize::from(thread)] = Some(self.tasks.spawn(feed));
    }

    fn unwatch(&mut self, thread: bool) {
        if let Some(task) = self.watching[usize::from(thread)].take() {
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
