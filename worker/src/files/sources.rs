//! Files that other tasks left behind: which ones an attempt takes, and where they go.

use common::blobs::{Content, InputFrom, StagedFile};
use common::proto::{GetSourcesResponse, TaskState};
use serde::Deserialize;

use super::cache::Cache;
use super::remote::{self, Remote};
use crate::handlers::Failure;

/// Files that one task takes of others.
const MAX_TAKEN: usize = 20_000;
/// Names that are told where none is as it should be.
const MAX_TOLD: usize = 10;

/// What one task left.
pub struct Left {
    task_id: String,
    number: Option<u32>,
    state: TaskState,
    files: Vec<StagedFile>,
    /// The result that names the files, where it is long.
    result: Option<Content>,
}

/// Of a result, whatever else is in it.
#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    files: Vec<StagedFile>,
}

impl From<GetSourcesResponse> for Left {
    fn from(told: GetSourcesResponse) -> Self {
        let state = told.state();
        let GetSourcesResponse { task_id, number, result, result_blob, .. } = told;
        let result_blob = result_blob.and_then(|blob| Content::of_ref(&blob));
        Self { task_id, number, state, files: named(&result), result: result_blob }
    }
}

/// Of the handler `command`; others leave none.
fn named(result: &[u8]) -> Vec<StagedFile> {
    serde_json::from_slice::<Named>(result).unwrap_or_default().files
}

/// The files that are meant, under the names that they are to have.
///
/// # Errors
/// One of the tasks has not ended or is forgotten, or left nothing that is meant.
pub async fn inputs(
    (cache, remote): (&Cache, &Remote),
    task_id: &str,
    from: &[InputFrom],
) -> Result<Vec<StagedFile>, Failure> {
    let mut inputs = Vec::new();
    for from in from {
        let gone = |error: remote::Error| match error {
            remote::Error::Missing => forgotten(&from.task),
            remote::Error::Refused(why) => {
                Failure::invalid_payload(format!("inputs_from: {}: {why}", from.task))
            }
            remote::Error::Io(_) => {
                Failure::handler(format!("failed to ask what {} left: {error}", from.task))
            }
        };
        let left = remote.sources(task_id, &from.task).await.map_err(gone)?;
        let (mut is_any, mut others, mut all_succeeded) = (false, Vec::new(), true);
        for mut left in left {
            match left.state {
                TaskState::Unspecified => return Err(forgotten(&left.task_id)),
                TaskState::Queued | TaskState::Running => {
                    let why = format!(
                        "inputs_from: {} has not ended; the task must come after it",
                        left.task_id
                    );
                    return Err(Failure::invalid_payload(why));
                }
                TaskState::Succeeded => {}
                TaskState::Failed | TaskState::Cancelled | TaskState::Lost => all_succeeded = false,
            }
            if let Some(content) = left.result {
                left.files = named(&cache.read(remote, content).await.map_err(gone)?);
            }
            for file in left.files {
                match from.place(&file, left.number) {
                    Some(place) => {
                        is_any = true;
                        inputs.push(StagedFile { name: place.display().to_string(), ..file });
                    }
                    None => others.push(file.name),
                }
            }
            if inputs.len() > MAX_TAKEN {
                let why = format!("inputs_from: there are more than {MAX_TAKEN} files");
                return Err(Failure::invalid_payload(why));
            }
        }
        // Who comes after any end takes what there is.
        if !is_any && all_succeeded {
            return Err(none(from, &others));
        }
    }
    Ok(inputs)
}

fn forgotten(task: &str) -> Failure {
    let why = format!("what {task} left is not known any more: retention has forgotten it");
    Failure::new("INPUT_MISSING", why)
}

fn none(from: &InputFrom, others: &[String]) -> Failure {
    let InputFrom { task, files, .. } = from;
    let wanted = files.as_ref().map(|files| format!(" called `{files}`")).unwrap_or_default();
    let others = match others {
        [] => String::new(),
        others => format!("; it left {}", others[..others.len().min(MAX_TOLD)].join(", ")),
    };
    Failure::new("INPUT_MISSING", format!("{task} left no file{wanted}{others}"))
}
