//! The loop: keys, news and signals go into the model, and the model onto the screen.

use std::io::IsTerminal as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cliente::Client;
use common::array_id::shown as shown_id;
use common::error_code::ErrorCode;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::error;
use common::messages::top::TopMessage;
use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::super::Context;
use super::super::failure::Failure;
use super::super::terminal;
use super::draw;
use super::feed::{self, Asker, News};
use super::keys::Ask;
use super::model::{Change, Model, Page, Settings};
use super::screen::Screen;

/// Ages and silences are told in seconds.
const REDRAW: Duration = Duration::from_millis(250);
/// News that wait to be shown.
const NEWS: usize = 16;
/// Of a picture that is not shown on a terminal.
const USUAL_WIDTH: u16 = 100;

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn model(context: &Context, every: Duration) -> Model {
    let addresses: Vec<_> = context.orchestrators.iter().map(ToString::to_string).collect();
    Model::new(Settings {
        lang: context.lang,
        is_coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        addresses: addresses.join(", "),
        interval_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
        began_ms: now_ms(),
    })
}

/// One picture as text, of two looks: figures are of what comes between them.
pub async fn once(
    context: &Context,
    (every, all_users): (Duration, bool),
) -> Result<String, Failure> {
    let mut model = model(context, every);
    let mut me = None;
    let asker = Asker { client: context.client.clone(), all_users };
    // The first may wait for a principal as long as any command does.
    asker.client.own_user().await?;
    model.see(feed::look(&asker, Page::Cluster, &mut me).await?, now_ms());
    tokio::time::sleep(every).await;
    model.see(feed::look(&asker, Page::Cluster, &mut me).await?, now_ms());
    Ok(draw::text(&model, width(), now_ms()))
}

/// Of the terminal, or as a shell that tells has it.
fn width() -> u16 {
    let by_shell = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let by_terminal = || crossterm::terminal::size().ok().map(|(columns, _)| columns);
    let found = if std::io::stdout().is_terminal() { by_terminal() } else { by_shell() };
    found.filter(|columns| *columns > 0).unwrap_or(USUAL_WIDTH)
}

/// Until somebody has seen enough.
pub async fn watch(context: &Context, (every, all_users): (Duration, bool)) -> Result<u8, Failure> {
    let (page, shown) = watch::channel(Page::default());
    let (sender, news) = mpsc::channel(NEWS);
    let asker = Asker { client: context.client.clone(), all_users };
    let looking = tokio::spawn(feed::feed(asker, every, shown, sender.clone()));
    let mut turn = Turn {
        context,
        model: model(context, every),
        page,
        sender,
        following: None,
        screen: Screen::enter()?,
    };
    let ended = turn.run(news).await;
    looking.abort();
    turn.close();
    ended
}

struct Turn<'a> {
    context: &'a Context,
    model: Model,
    page: watch::Sender<Page>,
    sender: mpsc::Sender<News>,
    following: Option<JoinHandle<()>>,
    screen: Screen,
}

impl Turn<'_> {
    async fn run(&mut self, mut news: mpsc::Receiver<News>) -> Result<u8, Failure> {
        let mut events = EventStream::new();
        let mut stop =
            signal(SignalKind::from_raw(Signal::TSTP.as_raw())).map_err(Failure::io("SIGTSTP"))?;
        let mut go_on =
            signal(SignalKind::from_raw(Signal::CONT.as_raw())).map_err(Failure::io("SIGCONT"))?;
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signalled = std::pin::pin!(terminal::signalled());
        loop {
            let (model, now) = (&mut self.model, now_ms());
            self.screen.draw(|buffer| {
                model.height = buffer.area.height;
                draw::frame(model, buffer, now);
            })?;
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(Event::Key(key))) => {
                        let ask = self.model.key(key, now_ms());
                        if self.does(ask)? { return Ok(exit::OK) }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(Failure::io("terminal")(error)),
                    // The terminal is gone.
                    None => return Ok(exit::OK),
                },
                Some(told) = news.recv() => self.learn(told)?,
                _ = redraw.tick() => {}
                _ = stop.recv() => self.suspend()?,
                _ = go_on.recv() => self.screen.come_back()?,
                code = &mut signalled => return Err(Failure::Signalled(code)),
            }
        }
    }

    /// True at the end.
    fn does(&mut self, ask: Option<Ask>) -> Result<bool, Failure> {
        match ask {
            None => {}
            Some(Ask::Quit) => return Ok(true),
            // Everybody who belongs to it stops, as the terminal would have it.
            Some(Ask::Suspend) => kill_current_process_group(Signal::TSTP)
                .map_err(|error| Failure::io("SIGTSTP")(error.into()))?,
            Some(Ask::Look) => {
                self.page.send_replace(self.model.page);
            }
            Some(Ask::Open(id)) => {
                self.close();
                let follow = feed::follow(self.client_of(&id)?, id, self.sender.clone());
                self.following = Some(tokio::spawn(follow));
            }
            Some(Ask::Close) => {
                self.close();
                self.page.send_replace(self.model.page);
            }
            Some(Ask::Change(change)) => {
                let (Change::Cancel(id) | Change::Retry(id)) = &change;
                let change = feed::change(self.client_of(id)?, change, self.sender.clone());
                tokio::spawn(change);
            }
        }
        Ok(false)
    }

    /// In the place of whose task it is.
    fn client_of(&self, id: &str) -> Result<Client, Failure> {
        let client = &self.context.client;
        match self.model.other_owner(id) {
            Some(owner) => client
                .acting_as(owner)
                .map_err(|_| Failure::usage(ClientMessage::UnusableCredentials)),
            None => Ok(client.clone()),
        }
    }

    fn close(&mut self) {
        if let Some(following) = self.following.take() {
            following.abort();
        }
    }

    /// The terminal belongs to whoever started this, until they say that it goes on.
    fn suspend(&mut self) -> Result<(), Failure> {
        self.screen.leave()?;
        kill_process(getpid(), Signal::STOP).map_err(|error| Failure::io("SIGSTOP")(error.into()))
    }

    fn learn(&mut self, news: News) -> Result<(), Failure> {
        let now = now_ms();
        match news {
            News::Picture(picture) => self.model.see(*picture, now),
            News::Missed(error) if self.model.picture.is_none() && !error.code.retryable() => {
                return Err(error.into());
            }
            News::Missed(error) => {
                let is_known = matches!(error.code, ErrorCode::Unavailable | ErrorCode::NotPrimary);
                self.model.miss((!is_known).then(|| self.why(&error)));
            }
            News::Part(id, part) => {
                if let Some(opened) = self.model.opened.as_mut().filter(|o| o.task_id == id) {
                    opened.part(*part);
                }
            }
            News::Steps(id, steps) => {
                if let Some(opened) = self.model.opened.as_mut().filter(|o| o.task_id == id) {
                    opened.steps(*steps);
                }
            }
            News::Unopened(id, error) => {
                let why = self.why(&error);
                if let Some(opened) = self.model.opened.as_mut().filter(|o| o.task_id == id) {
                    opened.problem = Some(why);
                }
            }
            News::Changed(change, done) => {
                let note = self.changed(&change, done);
                self.model.tell(note, now);
            }
        }
        Ok(())
    }

    fn why(&self, error: &cliente::Error) -> String {
        error::text(error.code, &error.message, self.context.lang)
    }

    fn changed(&self, change: &Change, done: Result<String, cliente::Error>) -> String {
        let message = match (change, done) {
            (_, Err(error)) => return self.why(&error),
            (Change::Cancel(id), Ok(_)) => TopMessage::Cancelled { task: shown_id(id) },
            (Change::Retry(_), Ok(by)) => TopMessage::Retried { by: shown_id(&by) },
        };
        message.text(self.context.lang)
    }
}
