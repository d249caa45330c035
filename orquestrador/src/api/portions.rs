//! What a watcher is told, in messages that it can take.

use common::proto::WatchTasksResponse;
use futures::{Stream, StreamExt as _};
use prost::Message as _;
use tonic::Status;

/// Bytes of updates in one message, but for the last of them, which may be a long result: whoever reads takes 16 MiB.
const MAX_BYTES: usize = 4 << 20;

/// The same in messages of bounded size. `position`: where the watch is before its first message, if that is known; a part of a
/// batch says where it was before the whole of it.
pub fn in_portions(
    batches: impl Stream<Item = Result<WatchTasksResponse, Status>>,
    mut position: Option<u64>,
) -> impl Stream<Item = Result<WatchTasksResponse, Status>> {
    let portions = move |batch: Result<WatchTasksResponse, Status>| {
        let portions = match batch {
            Ok(batch) => {
                let before = position.replace(batch.position);
                portions(batch, before).into_iter().map(Ok).collect()
            }
            Err(status) => vec![Err(status)],
        };
        futures::stream::iter(portions)
    };
    batches.flat_map(portions)
}

/// Whole as long as nobody knows where the watch was before.
fn portions(batch: WatchTasksResponse, before: Option<u64>) -> Vec<WatchTasksResponse> {
    let Some(before) = before.filter(|_| batch.encoded_len() > MAX_BYTES) else {
        return vec![batch];
    };
    let WatchTasksResponse { updates, established, position, is_over } = batch;
    let part = |established| WatchTasksResponse {
        established,
        position: before,
        ..WatchTasksResponse::default()
    };
    let (mut all, mut last, mut bytes) = (Vec::new(), part(established), 0);
    for update in updates {
        if bytes > MAX_BYTES {
            all.push(std::mem::replace(&mut last, part(false)));
            bytes = 0;
        }
        bytes += update.encoded_len();
        last.updates.push(update);
    }
    all.push(WatchTasksResponse { position, is_over, ..last });
    all
}

#[cfg(test)]
mod tests {
    use common::proto::{Task, TaskUpdate};

    use super::*;

    fn update(nth: usize, bytes: usize) -> TaskUpdate {
        let task = Some(Task { task_id: nth.to_string(), ..Task::default() });
        TaskUpdate { task, result: vec![0; bytes].into(), ..TaskUpdate::default() }
    }

    fn batch(count: usize, bytes: usize) -> WatchTasksResponse {
        let updates = (0..count).map(|nth| update(nth, bytes)).collect();
        WatchTasksResponse { updates, established: true, position: 9, is_over: true }
    }

    #[test]
    fn a_long_batch_comes_in_parts_and_is_over_at_its_end() {
        let parts = portions(batch(5_000, 4_096), Some(7));
        assert!(parts.len() > 4, "{} parts", parts.len());
        assert!(parts.iter().all(|part| part.encoded_len() < 2 * MAX_BYTES));
        let ids = parts.iter().flat_map(|part| &part.updates).filter_map(|u| u.task.as_ref());
        assert!(ids.map(|task| task.task_id.clone()).eq((0..5_000).map(|nth| nth.to_string())));
        let marks = |part: &WatchTasksResponse| (part.established, part.position, part.is_over);
        assert_eq!(marks(&parts[0]), (true, 7, false));
        assert_eq!(marks(&parts[1]), (false, 7, false));
        assert_eq!(parts.last().map(marks), Some((false, 9, true)));
    }

    #[test]
    fn what_fits_and_what_has_no_place_before_it_stays_whole() {
        assert_eq!(portions(batch(3, 10), Some(7)).len(), 1);
        assert_eq!(portions(batch(5_000, 4_096), None).len(), 1);
    }
}
