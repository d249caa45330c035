//! Whether a task costs the same however many there are, and however many workers.

use std::path::Path;

use super::figures::Runs;
use super::plot::Curves;
use super::{Options, backlog, workers};

/// A run over fewer tasks says little.
const SMALLEST_QUEUE: usize = 1_000;

pub async fn by_workers(
    dir: &Path,
    options: &Options,
    say: &dyn Fn(&str),
    runs: &mut Runs,
    curves: &mut Curves,
) -> anyhow::Result<()> {
    for count in powers_of_ten(1, options.workers) {
        say(&format!("  {count} workers"));
        let rate = workers::run(dir, count, options.tasks, runs).await?;
        curves.workers.push((count, rate));
    }
    Ok(())
}

pub async fn by_queue(
    dir: &Path,
    options: &Options,
    say: &dyn Fn(&str),
    runs: &mut Runs,
    curves: &mut Curves,
) -> anyhow::Result<()> {
    for queued in powers_of_ten(SMALLEST_QUEUE, options.backlog) {
        say(&format!("  {queued} tasks queued"));
        let rate = backlog::growth(dir, queued, options.tasks).await?;
        runs.higher(format!("growth_queued_{queued}"), "tasks/s", rate);
        curves.queue.push((queued, rate));
        let rate = backlog::drain_of(dir, queued).await?;
        runs.higher(format!("growth_drain_{queued}"), "tasks/s", rate);
        curves.drain.push((queued, rate));
    }
    Ok(())
}

fn powers_of_ten(from: usize, to: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from), |count| count.checked_mul(10)).take_while(move |n| *n <= to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_tenfold_up_to_the_limit() {
        assert_eq!(powers_of_ten(1, 1_000).collect::<Vec<_>>(), [1, 10, 100, 1_000]);
        assert_eq!(powers_of_ten(1_000, 999).count(), 0);
    }
}
