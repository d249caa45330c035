//! `cliente map -- PROGRAM ::: INPUT…`: a program for each input, in the spirit of GNU parallel.

use std::collections::BTreeSet;
use std::future::ready;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use cliente::TaskSpec;
use common::blobs::is_pattern;
use common::messages::Message as _;
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;
use common::messages::client_usage::UsageMessage;
use common::proto::{Task, TaskState, TaskUpdate};
use futures::stream::{self, Stream, StreamExt as _};
use indicatif::ProgressBar;
use tokio_stream::wrappers::ReceiverStream;

use super::super::Context;
use super::super::args::{Map, Submit};
use super::super::failure::Failure;
use super::super::files::{self, Sender};
use super::super::inputs::{self, Inputs};
use super::super::output::{self, TaskView};
use super::super::report::Report;
use super::super::terminal::{self, say};
use super::payload::{self, Template};
use super::wait::{self, Tally};

/// Tasks under way that are asked to end at the same time.
const CANCELLATIONS: usize = 64;

/// The ids of the tasks under way.
type Open = Arc<Mutex<BTreeSet<String>>>;

/// A task that ended, and what for.
struct Done {
    input: String,
    task: Task,
    result: Vec<u8>,
    /// Of the program, with what is long.
    report: Option<Report>,
}

pub async fn run(context: &Context, options: Map) -> Result<u8, Failure> {
    let (program, sources) = inputs::split(&options.run.argv);
    if program.is_empty() {
        return Err(Failure::usage(ClientMessage::NoCommandLine));
    }
    check(&options, &program, &sources)?;
    let count = inputs::count(&sources);
    let count = count.ok_or_else(|| Failure::usage(ClientMessage::TooManyInputs))?;
    let inputs = self::inputs(&options, &sources, count)?;
    // As long as their number is known.
    let bar = if sources.is_empty() { ProgressBar::hidden() } else { wait::bar(count as usize) };
    let Map { jobs, keep_order, tag, halt_on_error, .. } = options;
    let jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
    let submit = Submit::from(options.run);
    let queue = submit.way.place().queue;
    let (template, allow_unknown) = (Template::read(&submit)?, submit.allow_unknown_handler);

    let sender = Sender::new(context.client.clone(), queue);
    let open = Open::default();
    let (client, of_end) = (context.client.clone(), Arc::clone(&open));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (so_far, lang, is_json) = (Arc::clone(&tally), context.lang, context.is_json);
    let until_it_ends = terminal::before_end(async move {
        // Those that are cancelled may be counted where they end, too.
        let mut tally = so_far.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tally.cancelled(cancel_all(&client, &of_end).await);
        if !is_json {
            say(&tally.summary().text(lang));
        }
    });
    let tally = || tally.lock().unwrap_or_else(PoisonError::into_inner);
    // One that is no text ends the inputs; those before it were submitted, and are worth to be waited for.
    let bad_input = Mutex::new(None);
    let inputs = inputs.scan((), |(), inputs| match inputs {
        Ok(inputs) => ready(Some(inputs)),
        Err(failure) => {
            *bad_input.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            ready(None)
        }
    });
    let tasks = inputs.enumerate().map(|(nth, inputs)| {
        let open = Arc::clone(&open);
        let (program, template, sender) = (&program, &template, &sender);
        async move {
            let number = nth as u64 + 1;
            let argv = inputs::fill(program, &inputs, number);
            let fill = |text: &str| inputs::fill_text(text, &inputs, number);
            let outputs = template.outputs(fill)?;
            let prepared = sender.prepare(&template.inputs(fill)).await?;
            let taken = template.taken(fill)?;
            let template = template.clone().with_files((&prepared, taken), &outputs);
            let work = (inputs.join(" "), template.task(template.order(argv)));
            let run = || one(context, &open, work.clone(), allow_unknown);
            let mut done = files::submit_with(sender, &prepared, run).await??;
            if !outputs.is_empty()
                && let Some(report) = Report::read(&done.result)
            {
                files::receive(&context.client, &report.files, &outputs, Path::new(".")).await?;
            }
            if let Some(report) = Report::read(&done.result).filter(|_| !context.is_json) {
                done.report = Some(report.received(&context.client).await?);
            }
            Ok(done)
        }
    });
    let done = match keep_order {
        true => tasks.buffered(jobs).left_stream(),
        false => tasks.buffer_unordered(jobs).right_stream(),
    };
    let mut done = pin!(done);
    let mut long_waited = pin!(tokio::time::sleep(wait::PATIENCE));
    let mut is_told = context.is_json;
    let failure = loop {
        let next = tokio::select! {
            next = done.next() => next,
            () = &mut long_waited, if !is_told => {
                is_told = true;
                let first = lock(&open).first().cloned();
                if let Some(first) = first.filter(|_| *tally() == Tally::default()) {
                    wait::say_why_pending(context, &first).await;
                }
                continue;
            }
        };
        let Some(done) = next else {
            break bad_input.lock().unwrap_or_else(PoisonError::into_inner).take();
        };
        let shown = done.and_then(|done| {
            bar.inc(1);
            bar.suspend(|| show(context, &done, tag))?;
            let task = done.task;
            tally().count(&TaskUpdate { task: Some(task.clone()), ..TaskUpdate::default() });
            Ok(task.state() != TaskState::Succeeded)
        });
        match shown {
            Ok(has_failed) if has_failed && halt_on_error => break None,
            Ok(_) => {}
            Err(failure) => break Some(failure),
        }
    };
    bar.finish_and_clear();
    // What is still under way is of no use to anybody.
    let cancelled = cancel_all(&context.client, &open).await;
    until_it_ends.over().await;
    tally().cancelled(cancelled);
    if let Some(failure) = failure {
        return Err(failure);
    }
    if !context.is_json {
        say(&tally().summary().text(context.lang));
    }
    Ok(tally().exit_code())
}

/// What would be taken for something else than it is, or not at all.
fn check(options: &Map, program: &[String], sources: &[Vec<String>]) -> Result<(), Failure> {
    if let Some(word) = inputs::foreign_separator(&options.run.argv) {
        return Err(Failure::usage(ClientMessage::MapSeparator { word: word.clone() }));
    }
    let files = &options.run.files;
    let mut texts =
        program.iter().chain(&files.input).chain(&files.input_from).chain(&files.output_file);
    // Lines are one source.
    let known = sources.len().max(1);
    if let Some(place) = texts.find_map(|text| inputs::place_beyond(text, known)) {
        let message = UsageMessage::NoSuchSource { place: place.to_owned(), sources: known };
        return Err(Failure::usage(ClientMessage::Usage(message)));
    }
    let of_lines = options.inputs.as_deref().unwrap_or(payload::STDIN);
    let takes_lines = sources.is_empty() && of_lines == payload::STDIN;
    if takes_lines && options.run.stdin_from.as_deref() == Some(payload::STDIN) {
        return Err(Failure::usage(ClientMessage::TwoInputs));
    }
    let is_several = sources.is_empty() || inputs::count(sources).is_none_or(|count| count > 1);
    let outputs = &files.output_file;
    if let Some(name) = outputs.iter().find(|name| is_several && is_same_of_all(name, sources)) {
        let message = FilesMessage::SameOutput { name: name.clone() };
        return Err(Failure::usage(ClientMessage::Files(message)));
    }
    match !sources.is_empty() && (options.inputs.is_some() || options.null) {
        true => Err(Failure::usage(ClientMessage::MapInputs)),
        false => Ok(()),
    }
}

/// The file would be written anew for each input: nothing of the input is in its name.
fn is_same_of_all(output: &str, sources: &[Vec<String>]) -> bool {
    let of = |input: &str, number| {
        let inputs = vec![input.to_owned(); sources.len().max(1)];
        inputs::fill_text(output, &inputs, number)
    };
    !is_pattern(output) && of("a", 1) == of("b", 2)
}

fn inputs(
    options: &Map,
    sources: &[Vec<String>],
    count: u32,
) -> Result<impl Stream<Item = Result<Inputs, Failure>> + use<>, Failure> {
    if !sources.is_empty() {
        return Ok(stream::iter(inputs::combinations(sources, count).map(Ok)).left_stream());
    }
    let end = if options.null { payload::End::Null } else { payload::End::Newline };
    let source = options.inputs.as_deref().unwrap_or(payload::STDIN);
    let lines = ReceiverStream::new(payload::lines(source, end)?);
    Ok(lines
        .flat_map(|lines| match lines {
            Ok(lines) => stream::iter(lines).map(|line| Ok(vec![line])).left_stream(),
            Err(failure) => stream::iter([Err(failure)]).right_stream(),
        })
        .right_stream())
}

async fn one(
    context: &Context,
    open: &Open,
    (input, task): (String, TaskSpec),
    allow_unknown: bool,
) -> Result<Done, cliente::Error> {
    let id = task.task_id.clone();
    lock(open).insert(id.clone());
    let ran = context.client.run(task, allow_unknown).await;
    if let Err(error) = &ran
        && error.code.retryable()
    {
        say(&ClientMessage::MayGoOn { task: id.clone() }.text(context.lang));
    }
    lock(open).remove(&id);
    let (task, result) = ran?;
    Ok(Done { input, task, result, report: None })
}

/// Nobody waits for them any more. Gives how many there were.
async fn cancel_all(client: &cliente::Client, open: &Open) -> u64 {
    let ids = std::mem::take(&mut *lock(open));
    let count = ids.len() as u64;
    let cancelled = stream::iter(ids).map(|id| async move { client.cancel(&id).await });
    let refused = cancelled.buffer_unordered(CANCELLATIONS).filter_map(|done| async { done.err() });
    let mut refused = pin!(refused);
    while let Some(error) = refused.next().await {
        tracing::debug!(%error, "a task under way was not cancelled");
    }
    count
}

fn lock(open: &Open) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program printed goes where it printed it, whole, with its input before each line if that is wanted.
fn show(context: &Context, done: &Done, tag: bool) -> Result<(), Failure> {
    let Done { input, task, result, report } = done;
    let view = TaskView::new(task.clone(), result.clone(), None);
    if context.is_json {
        return output::print(&context.output.named(("input", input), &view));
    }
    if let Some(report) = report {
        report.show(context, tag.then_some(input.as_str()))?;
    }
    if let Some(error) = &task.error {
        let (code, message) = (error.code.clone(), error.message.clone());
        let (input, task) = (input.clone(), task.task_id.clone());
        say(&ClientMessage::MapFailed { input, task, code, message }.text(context.lang));
    }
    Ok(())
}
