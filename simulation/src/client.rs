//! A simulated client: one call after another, each repeated on the other node as the client library does,
//! with the same task id, until an answer counts or the time is up.

use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador::driver::input::Committed;
use orquestrador_core::effect::TaskState;
use orquestrador_core::ids::{ArrayId, Index, RequestId, TaskId, UserName};
use orquestrador_core::{Answer, Command, Rejection};
use tonic::Status;

use crate::clock::{MILLI, Micros, SECOND};
use crate::invariants::{Violation, conservation, linearizable};
use crate::network::{ConnId, End, Party, Side, Wire};
use crate::node::Place;
use crate::orders::{Features, Order};
use crate::plan::Plan;
use crate::random::Random;
use crate::submissions::{needs_something, new_array, with_order};
use crate::world::{Event, Phase, World};

const TRY_TIMEOUT: Micros = 500 * MILLI;
const CALL_TIMEOUT: Micros = 6 * SECOND;
const BACKOFF: (Micros, Micros) = (5 * MILLI, 250 * MILLI);
/// Tasks of one page; more than a client ever has.
const PAGE: usize = 100_000;

#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// The next call is due.
    Next,
    /// The next try of the present call is due.
    Try,
    TryTimeout(ConnId),
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    Submit(Vec<TaskId>),
    /// So many tasks in it.
    SubmitArray(ArrayId, u32),
    Status(TaskId),
    Result(TaskId),
    Cancel(TaskId),
    CancelArray(ArrayId),
    /// Under the second name.
    Retry(TaskId, TaskId),
    List,
    Overview,
    Order(Order),
}

/// A question on its way.
#[derive(Clone, Debug)]
pub struct Call {
    owner: UserName,
    question: Question,
}

impl Call {
    pub fn command(&self, request: RequestId) -> Command {
        let owner = self.owner.clone();
        match &self.question {
            Question::Submit(tasks) => Command::Submit {
                request,
                owner,
                tasks: with_order(tasks),
                allow_unknown_handler: true,
            },
            Question::SubmitArray(id, count) => Command::SubmitArray {
                request,
                owner,
                array: Box::new(new_array(*id, *count)),
                allow_unknown_handler: true,
            },
            Question::Status(task) => {
                Command::Query { request, owner, task: *task, with_result: false }
            }
            Question::Result(task) => {
                Command::Query { request, owner, task: *task, with_result: true }
            }
            Question::Cancel(task) => Command::Cancel { request, owner, task: *task },
            Question::CancelArray(array) => Command::CancelArray { request, owner, array: *array },
            Question::Retry(task, new) => Command::Retry { request, owner, task: *task, new: *new },
            Question::List => Command::List {
                request,
                owner: Some(owner),
                filter: Box::default(),
                after: None,
                limit: PAGE,
            },
            Question::Overview => Command::Overview { request },
            Question::Order(order) => order.command(request, owner),
        }
    }
}

/// Beyond the numbers of tasks.
pub const ID_SHIFT: u32 = 32;

/// With the version of a UUID.
fn with_version(wide: u128, version: u128) -> u128 {
    wide & !(0xf << 76) | version << 76
}

struct Open {
    question: Question,
    /// When the caller gives up.
    deadline: Micros,
    /// What anybody knew when it began.
    floor: Index,
    conn: Option<ConnId>,
    backoff: Micros,
}

pub struct Client {
    nth: usize,
    owner: UserName,
    /// The node that is asked first.
    present: usize,
    pub highest_epoch: u64,
    /// It almost only reads, once it has something to read.
    is_reader: bool,
    /// Every task that it ever tried to submit.
    tasks: Vec<TaskId>,
    /// A batch that was accepted.
    accepted: Vec<TaskId>,
    features: Features,
    /// Of a thousand calls.
    orders: u64,
    call: Option<Open>,
    chance: Random,
}

impl Client {
    pub fn new(nth: usize, plan: &Plan, mut chance: Random) -> Self {
        let is_reader = chance.one_in_thousand(300);
        let owner = UserName::from(format!("user{}", nth % 2).as_str());
        Self {
            nth,
            owner,
            present: 0,
            highest_epoch: 0,
            is_reader,
            tasks: Vec::new(),
            accepted: Vec::new(),
            features: plan.features,
            orders: plan.orders,
            call: None,
            chance,
        }
    }

    fn end(&self) -> End {
        End { party: Party::Client(self.nth), life: 0 }
    }

    pub fn owner(&self) -> &UserName {
        &self.owner
    }

    pub fn is_idle(&self) -> bool {
        self.call.is_none()
    }

    pub fn open(&self) -> Option<String> {
        self.call.as_ref().map(|call| format!("client {} asks {:?}", self.nth, call.question))
    }

    fn next_question(&mut self) -> Question {
        if self.chance.one_in_thousand(self.orders) {
            let new = self.next_id();
            if let Some(order) = Order::draw(&mut self.chance, self.features, new) {
                self.tasks.extend(order.task());
                return Question::Order(order);
            }
        }
        // What was accepted stays so, whatever limits there are now.
        if !self.accepted.is_empty() && self.chance.one_in_thousand(20) {
            return Question::Submit(self.accepted.clone());
        }
        let known = match self.tasks.len() {
            0 => None,
            // The newest ones are the interesting ones.
            count => {
                let back = self.chance.index(count.min(8));
                self.tasks.get(count - 1 - back).copied()
            }
        };
        let low = if self.is_reader && known.is_some() { 45 } else { 0 };
        match (self.chance.between(low, 99), known) {
            (0..45, _) | (_, None) => {
                let count = if self.chance.coin() { 1 } else { self.chance.between(1, 5) };
                if self.chance.one_in_thousand(200) {
                    return self.next_array(count as u32 * 2);
                }
                let ids: Vec<_> = (0..count).map(|_| self.next_id()).collect();
                self.tasks.extend(&ids);
                Question::Submit(ids)
            }
            (45..65, Some(task)) => Question::Status(task),
            (65..80, Some(task)) => Question::Result(task),
            (80..83, Some(task)) if task.in_array().is_some() => task
                .in_array()
                .map_or(Question::Overview, |(array, _)| Question::CancelArray(array)),
            (80..90, Some(task)) => Question::Cancel(task),
            (90..94, Some(task)) => {
                let new = self.next_id();
                self.tasks.push(new);
                Question::Retry(task, new)
            }
            (94..97, Some(_)) => Question::List,
            (_, Some(_)) => Question::Overview,
        }
    }
}

impl Client {
    fn next_id(&mut self) -> TaskId {
        TaskId(with_version(self.chance.wide(), 7))
    }

    fn next_array(&mut self, count: u32) -> Question {
        let id = ArrayId(with_version(self.chance.wide(), 8) >> ID_SHIFT << ID_SHIFT);
        self.tasks.extend((1..=count).map(|number| id.task(number)));
        Question::SubmitArray(id, count)
    }
}

impl World {
    pub fn client_event(&mut self, nth: usize, event: ClientEvent) -> Result<(), Violation> {
        match event {
            ClientEvent::Next => {
                if self.phase == Phase::Faults && self.clients[nth].call.is_none() {
                    let question = self.clients[nth].next_question();
                    self.ask(nth, question);
                }
            }
            ClientEvent::Try => self.try_call(nth),
            ClientEvent::TryTimeout(conn) => {
                if self.clients[nth].call.as_ref().is_some_and(|call| call.conn == Some(conn)) {
                    self.hang_up(conn, Side::Dialler);
                    self.try_again(nth, None);
                }
            }
        }
        Ok(())
    }

    pub fn order(&mut self, nth: usize, order: Order) {
        self.ask(nth, Question::Order(order));
    }

    fn ask(&mut self, nth: usize, question: Question) {
        let floor = self.memory.linearizable.on_begin();
        let deadline = self.now() + CALL_TIMEOUT;
        self.tell(|_| format!("client {nth} asks {question:?}"));
        let backoff = BACKOFF.0;
        self.clients[nth].call = Some(Open { question, deadline, floor, conn: None, backoff });
        self.try_call(nth);
    }

    /// All is idle and equal: a task for each worker at least, and no more than all can begin at once.
    pub fn spread(&mut self) {
        self.phase = Phase::Spreading;
        self.spread_in = self.clients[0].highest_epoch;
        for worker in 0..self.workers.len() {
            self.spread.insert(crate::worker::Worker::name(worker), 0);
        }
        let workers = self.plan.workers as u64;
        let count = self.chance.between(workers, workers * u64::from(self.plan.slots));
        let client = &mut self.clients[0];
        // For one that needs something, workers are equal no longer once one has given that.
        let any = std::iter::repeat_with(|| client.next_id());
        let plain = any.filter(|id| !needs_something(*id));
        let ids: Vec<_> = plain.take(count as usize).collect();
        client.tasks.extend(&ids);
        self.ask(0, Question::Submit(ids));
    }

    fn try_call(&mut self, nth: usize) {
        let now = self.now();
        let client = &mut self.clients[nth];
        let (end, place) = (client.end(), client.present);
        let Some(open) = &client.call else { return };
        let call = Call { owner: client.owner.clone(), question: open.question.clone() };
        let server = self.places[place].end();
        let conn = self.network.open(end, server);
        if let Some(open) = &mut self.clients[nth].call {
            open.conn = Some(conn);
        }
        let is_clear = self.network.is_clear(end.party, server.party, now);
        if self.places[place].process.is_none() && is_clear {
            let delay = self.network.delay();
            self.schedule.put(now + delay, Event::Broken(conn, Side::Dialler));
        } else {
            self.send(conn, Side::Dialler, Wire::Call(Box::new(call)));
        }
        self.schedule.put(now + TRY_TIMEOUT, Event::Client(nth, ClientEvent::TryTimeout(conn)));
    }

    pub fn client_loses(&mut self, nth: usize, conn: ConnId) -> Result<(), Violation> {
        if self.clients[nth].call.as_ref().is_some_and(|call| call.conn == Some(conn)) {
            self.try_again(nth, None);
        }
        Ok(())
    }

    /// The present try failed: the node that was named, or else the other one.
    fn try_again(&mut self, nth: usize, refusal: Option<&Status>) {
        let now = self.now();
        let meaning = refusal.map(grpc_status::meaning);
        let code = meaning.as_ref().map(|meaning| meaning.code);
        let client = &mut self.clients[nth];
        let Some(call) = &mut client.call else { return };
        call.conn = None;
        let pause = call.backoff * client.chance.between(500, 1_000) / 1_000;
        call.backoff = (call.backoff * 2).min(BACKOFF.1);
        if code != Some(ErrorCode::Overloaded) {
            let named = meaning.and_then(|meaning| meaning.principal);
            let named = (0..2).find(|place| named.as_ref() == Some(&Place::address(*place)));
            client.present =
                named.filter(|place| *place != client.present).unwrap_or(1 - client.present);
        }
        // When the faults are over nobody gives up any more.
        let gives_up = self.phase == Phase::Faults && now + pause >= call.deadline;
        if gives_up || code.is_some_and(|code| !code.retryable()) {
            client.call = None;
            self.call_over(nth);
        } else {
            self.schedule.put(now + pause, Event::Client(nth, ClientEvent::Try));
        }
    }

    fn call_over(&mut self, nth: usize) {
        // Some know nothing of what happened meanwhile when they come back.
        let rests = self.chance.one_in_thousand(100);
        let rest = if rests { self.chance.between(0, 3 * SECOND) } else { 0 };
        let at = self.now() + 1 + rest + self.chance.around(self.plan.think);
        self.schedule.put(at, Event::Client(nth, ClientEvent::Next));
    }

    pub fn client_receives(
        &mut self,
        nth: usize,
        conn: ConnId,
        wire: Wire,
    ) -> Result<(), Violation> {
        let Wire::Answer(answer) = wire else { return Ok(()) };
        let client = &mut self.clients[nth];
        if client.call.as_ref().is_none_or(|call| call.conn != Some(conn)) {
            return Ok(());
        }
        self.hang_up(conn, Side::Dialler);
        let client = &mut self.clients[nth];
        let committed = match *answer {
            Err(status) => {
                self.try_again(nth, Some(&status));
                return Ok(());
            }
            Ok(committed) if committed.receipt.epoch < client.highest_epoch => {
                self.try_again(nth, None);
                return Ok(());
            }
            Ok(committed) => committed,
        };
        client.highest_epoch = committed.receipt.epoch;
        let Some(call) = client.call.take() else { return Ok(()) };
        self.judge(nth, &call, &committed)?;
        self.call_over(nth);
        Ok(())
    }

    fn judge(&mut self, nth: usize, call: &Open, answer: &Committed) -> Result<(), Violation> {
        let receipt = &answer.receipt;
        self.memory.linearizable.on_answer(call.floor, receipt)?;
        let index = Index(receipt.journal_index);
        self.mix(index.0);
        self.tell(|_| {
            format!("client {nth} is answered at entry {index}: {}", brief(&answer.answer))
        });
        match (&call.question, &answer.answer) {
            (Question::Submit(tasks), Ok(Answer::Submitted { first, .. })) => {
                for task in tasks {
                    self.memory.acknowledged.on_submitted(&self.truth, *task)?;
                }
                self.clients[nth].accepted.clone_from(tasks);
                linearizable::check_task(&self.truth, first, None, index)
            }
            (Question::Retry(_, new), Ok(Answer::Submitted { first, .. })) => {
                self.memory.acknowledged.on_submitted(&self.truth, *new)?;
                linearizable::check_task(&self.truth, first, None, index)
            }
            (
                Question::Retry(..),
                Err(Rejection::NotRetriable { .. } | Rejection::ComesAfterFailed { .. }),
            ) => Ok(()),
            (Question::SubmitArray(id, count), Ok(Answer::ArraySubmitted { snapshot, .. })) => {
                for number in 1..=*count {
                    self.memory.acknowledged.on_submitted(&self.truth, id.task(number))?;
                }
                let known = snapshot.counts.iter().sum::<u64>();
                match known == u64::from(*count) {
                    true => Ok(()),
                    false => {
                        let what = format!("of {count} tasks an array has {known}");
                        Err(Violation::new("conservation", what))
                    }
                }
            }
            (Question::CancelArray(_), Ok(Answer::Array { snapshot })) => {
                let [queued, running, ..] = snapshot.counts;
                match queued + running {
                    0 => Ok(()),
                    left => {
                        let what = format!("{left} tasks of a cancelled array are left");
                        Err(Violation::new("G4 linearizable", what))
                    }
                }
            }
            (Question::CancelArray(array), Err(Rejection::ArrayNotFound { .. })) => {
                linearizable::check_absent(&self.truth, array.task(1), index)
            }
            (
                Question::Status(_) | Question::Result(_),
                Ok(Answer::Task { snapshot, result, .. }),
            ) => linearizable::check_task(&self.truth, snapshot, result.as_ref(), index),
            (Question::Cancel(_), Ok(Answer::Cancelled { snapshot })) => {
                let is_over = snapshot.state.is_finished();
                let state: TaskState = snapshot.state;
                if !is_over {
                    let what = format!("a cancelled task is {state:?}");
                    return Err(Violation::new("G4 linearizable", what));
                }
                linearizable::check_task(&self.truth, snapshot, None, index)
            }
            (
                Question::Status(task)
                | Question::Result(task)
                | Question::Cancel(task)
                | Question::Retry(task, _),
                Err(Rejection::TaskNotFound { .. }),
            ) => linearizable::check_absent(&self.truth, *task, index),
            (Question::Cancel(task), Err(Rejection::TaskFinished { .. })) => {
                linearizable::check_finished(&self.truth, *task, index)
            }
            (Question::List, Ok(Answer::Tasks { tasks, .. })) => {
                linearizable::check_list(&self.truth, &self.clients[nth].owner, tasks, index)
            }
            (Question::Overview, Ok(Answer::Overview(overview))) => {
                conservation::on_overview(&self.truth, overview, index)
            }
            (Question::Order(order), answer) => {
                if let (Some(_), Ok(Answer::Submitted { first, .. })) = (order.task(), answer) {
                    self.memory.acknowledged.on_submitted(&self.truth, first.id)?;
                }
                let owner = &self.clients[nth].owner;
                let judged = self.judge_order(owner, order, answer, index);
                judged.unwrap_or_else(|| Err(unexpected(&call.question, answer)))
            }
            (question, Err(rejection)) => {
                let owner = &self.clients[nth].owner;
                let (tasks, bytes) = question.size();
                if let Question::Submit(ids) = question {
                    self.memory.acknowledged.on_refused(&self.truth, ids)?;
                }
                // Unfinished tasks may refer to as many blobs as may be.
                let has_blobs = matches!(question, Question::Submit(_));
                let is_full = has_blobs
                    && matches!(rejection, Rejection::BacklogFull { unit: "files of tasks", .. });
                let quotas = &self.truth.quotas;
                let judged = quotas.check_refusal(owner, (tasks, bytes), rejection, index);
                match judged {
                    Some(judged) => judged,
                    None if is_full => Ok(()),
                    None => Err(unexpected(question, &answer.answer)),
                }
            }
            (question, other) => Err(unexpected(question, other)),
        }
    }
}

impl Question {
    /// Tasks and payload bytes that it adds, at most.
    fn size(&self) -> (u64, u64) {
        let tasks = match self {
            Self::Submit(tasks) => tasks.len() as u64,
            Self::SubmitArray(_, count) => u64::from(*count),
            Self::Retry(..) => 1,
            Self::Status(_)
            | Self::Result(_)
            | Self::Cancel(_)
            | Self::CancelArray(_)
            | Self::List
            | Self::Overview
            | Self::Order(_) => 0,
        };
        // The longest payload is that of a key.
        (tasks, tasks * 32)
    }
}

fn unexpected(question: &Question, answer: &Result<Answer, Rejection>) -> Violation {
    Violation::new("G4 linearizable", format!("{question:?} is answered by {answer:?}"))
}

/// An answer in a few words.
fn brief(answer: &Result<Answer, Rejection>) -> String {
    match answer {
        Ok(Answer::Submitted { accepted, .. }) => format!("{accepted} accepted"),
        Ok(Answer::ArraySubmitted { snapshot, .. } | Answer::Array { snapshot }) => {
            format!("array {} of {}", snapshot.id, snapshot.count)
        }
        Ok(Answer::Task { snapshot, .. } | Answer::Cancelled { snapshot }) => {
            format!("{} {:?}, attempt {}", snapshot.id, snapshot.state, snapshot.attempt)
        }
        Ok(Answer::Tasks { tasks, .. }) => format!("{} tasks", tasks.len()),
        Ok(Answer::Overview(overview)) => format!("{:?}", overview.counts),
        Ok(
            Answer::UserAdded
            | Answer::UserRemoved
            | Answer::TokenIssued
            | Answer::TokenRevoked
            | Answer::Users { .. }
            | Answer::User { .. }
            | Answer::Queues { .. }
            | Answer::Purged { .. }
            | Answer::Group { .. }
            | Answer::Groups { .. }
            | Answer::GroupCancelled { .. }
            | Answer::Watched { .. }
            | Answer::Looked { .. }
            | Answer::FlowSubmitted { .. }
            | Answer::Sources { .. }
            | Answer::Schedule { .. }
            | Answer::Webhooks { .. }
            | Answer::WebhooksRetried { .. }
            | Answer::Schedules { .. },
        ) => "done".into(),
        Err(rejection) => rejection.to_string(),
    }
}
