//! `cliente schedule`

use cliente::ScheduleSpec;
use common::exit;
use common::messages::Message as _;
use common::messages::client::ClientMessage;

use super::super::Context;
use super::super::args::Submit;
use super::super::args::schedule::{ScheduleAction, Set};
use super::super::failure::Failure;
use super::super::output;
use super::super::terminal::say;
use super::payload::Template;
use super::submit;

pub async fn run(context: &Context, action: ScheduleAction) -> Result<u8, Failure> {
    let client = &context.client;
    match action {
        ScheduleAction::Set(options) => set(context, *options).await?,
        ScheduleAction::List => {
            output::print(&context.output.schedules(&client.schedules().await?))?;
        }
        ScheduleAction::Show { name } => {
            output::print(&context.output.schedule(&client.schedule(&name).await?))?;
        }
        ScheduleAction::Pause { name } => pause(context, &name, true).await?,
        ScheduleAction::Resume { name } => pause(context, &name, false).await?,
        ScheduleAction::Run { name, wait } => {
            let done = client.run_schedule(&name, cliente::new_task_id()).await?;
            return submit::tell(context, done, &wait, &[]).await;
        }
        ScheduleAction::Remove { name } => {
            let removed = client.remove_schedule(&name).await?;
            match context.is_json {
                true => output::print(&context.output.schedules(&[removed]))?,
                false => say(&ClientMessage::ScheduleRemoved { schedule: name }.text(context.lang)),
            }
        }
    }
    Ok(exit::OK)
}

async fn set(context: &Context, options: Set) -> Result<(), Failure> {
    let Set { name, cron, zone, catch_up, overlap, task } = options;
    let options = Submit::from(task);
    let template = Template::read(&options)?;
    let spec = ScheduleSpec {
        name,
        expression: cron,
        zone,
        task: template.task(template.only_payload()),
        catch_up: catch_up.into(),
        overlap: overlap.into(),
    };
    let set = context.client.set_schedule(spec, options.allow_unknown_handler).await?;
    output::print(&context.output.schedules(&[set]))
}

async fn pause(context: &Context, name: &str, paused: bool) -> Result<(), Failure> {
    let schedule = context.client.pause_schedule(name, paused).await?;
    output::print(&context.output.schedules(&[schedule]))
}
