//! The figures of the day.

use orquestrador_core::invariants;

use crate::cost::{self, Kind};
use crate::day::Day;
use crate::pair;
use crate::settings::Settings;
use crate::size;
use crate::tally::NAMES;

/// Length, epoch and hash of each entry on disk.
const ENTRY_BYTES: u64 = 4 + 8 + 32;

/// # Errors
/// What must hold after such a day and does not.
pub fn print(day: &Day, wall_ns: u64) -> Result<(), String> {
    // What follows needs memory of its own.
    let peak = cost::peak_memory_kib() >> 10;
    setting(day);
    costs(day, wall_ns);
    events(day);
    outcome(day);
    fairness(day);
    remains(day, peak)?;
    println!("digest of the state {:032x}", day.machine.digest());
    verdict(day)?;
    println!("invariants hold, 0 tasks unfinished");
    Ok(())
}

fn setting(day: &Day) {
    let Settings { workers, tasks, hours, seed } = day.settings;
    let (slots, mean) = (day.settings.slots(), day.settings.mean_duration_ms() / 1e3);
    println!("{workers} workers, {slots} slots, {tasks} tasks in {hours} h, seed {seed}");
    println!("mean duration {mean:.2} s; all finished after {:.2} h", hours_of(day.length_ms()));
    let tally = &day.tally;
    let busy = tally.busy_seen as f64 / (tally.looks * slots) as f64;
    println!("slots busy {:.1} % on average, until the last task ended", busy * 100.0);
    println!("queued at most {}", tally.peak_queued);
    println!(
        "waited for the first assignment (the power of two above): half {} ms, 99 % {} ms, longest {} ms",
        tally.wait_quantile_ms(0.5),
        tally.wait_quantile_ms(0.99),
        tally.longest_wait_ms,
    );
}

fn costs(day: &Day, wall_ns: u64) {
    let (total, tasks) = (day.costs.total_ns() as f64, day.settings.tasks as f64);
    println!("\nwall time {:.1} s, of it in the core {:.1} s", wall_ns as f64 / 1e9, total / 1e9);
    println!("{:.3} us of core for each task", total / 1e3 / tasks);
    let (on, waited) = cost::processor_ns();
    println!(
        "on a processor {:.1} s, waited for one {:.1} s\n",
        on as f64 / 1e9,
        waited as f64 / 1e9
    );
    println!("| command | steps | total s | us each | us/task | longest ms | >= 1 ms | >= 10 ms |");
    println!("|---|---|---|---|---|---|---|---|");
    for (kind, name) in Kind::ALL {
        let cost = day.costs.of(kind);
        let ns = cost.total_ns as f64;
        println!(
            "| `{name}` | {} | {:.1} | {:.2} | {:.3} | {:.2} | {} | {} |",
            cost.steps,
            ns / 1e9,
            ns / 1e3 / cost.steps.max(1) as f64,
            ns / 1e3 / tasks,
            cost.longest_ns as f64 / 1e6,
            cost.over_1_ms,
            cost.over_10_ms,
        );
    }
}

fn events(day: &Day) {
    let (tally, tasks) = (&day.tally, day.settings.tasks as f64);
    println!("\n| event | count | each task | journal bytes each | MB |");
    println!("|---|---|---|---|---|");
    let (mut count, mut bytes) = (0, 0);
    for (name, kept) in NAMES.iter().zip(&tally.events) {
        let (n, b) = (kept.count as f64, kept.bytes as f64);
        let each = b / n.max(1.0);
        println!("| `{name}` | {n} | {:.4} | {each:.1} | {:.1} |", n / tasks, b / 1e6);
        count += kept.count;
        bytes += kept.bytes;
    }
    let frames = tally.deciding_steps * ENTRY_BYTES;
    println!("\nevents {count}, {:.3} a task", count as f64 / tasks);
    println!(
        "entries at most {}, {:.3} a task",
        tally.deciding_steps,
        tally.deciding_steps as f64 / tasks
    );
    println!(
        "journal {:.1} GB, {:.0} bytes a task; {:.0} with the frames of entries that hold one step each",
        (bytes + frames) as f64 / 1e9,
        bytes as f64 / tasks,
        (bytes + frames) as f64 / tasks,
    );
    println!(
        "effects {}, to workers {} ({:.2} a task), answers {}",
        tally.effects,
        tally.to_workers,
        tally.to_workers as f64 / tasks,
        tally.answers,
    );
}

fn outcome(day: &Day) {
    let tally = &day.tally;
    println!(
        "\nfinished {}: succeeded {}, failed {} (quarantined {}), cancelled {}, lost {}; forgotten {}",
        tally.finished(),
        tally.count("TaskSucceeded"),
        tally.count("TaskFailed"),
        tally.quarantined,
        tally.count("TaskCancelled"),
        tally.count("TaskLost"),
        tally.pruned,
    );
    println!(
        "attempts lost with a worker {}, requeued {}; outcomes fenced {}; requests refused {}; tasks turned away {}",
        tally.lost_attempts(),
        tally.count("TaskRequeued"),
        tally.fenced,
        tally.refused,
        tally.turned_away,
    );
    println!(
        "workers died {}, streams opened again {}, leases ended {}",
        tally.deaths,
        tally.reconnects,
        tally.count("WorkerLost"),
    );
}

/// Of workers that were there all day: those alike should have got alike.
fn fairness(day: &Day) {
    println!("\n| slots | workers never away | tasks: least | mean | most | standard deviation |");
    println!("|---|---|---|---|---|---|");
    for slots in [1, 2] {
        let steady = day.fleet.iter().filter(|worker| worker.slots == slots && !worker.was_away);
        let counts: Vec<_> = steady.map(|worker| worker.assigned).collect();
        let Some((least, most)) = counts.iter().min().zip(counts.iter().max()) else { continue };
        let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        let squares: f64 = counts.iter().map(|count| (*count as f64 - mean).powi(2)).sum();
        let deviation = (squares / counts.len() as f64).sqrt();
        println!("| {slots} | {} | {least} | {mean:.0} | {most} | {deviation:.0} |", counts.len());
    }
}

fn remains(day: &Day, peak_mib: u64) -> Result<(), String> {
    let (snapshots, held) = (day.costs.of(Kind::Snapshot).steps, day.machine.task_count());
    let bytes: u64 = day.machine.history().filter_map(|event| size::of(&event)).sum();
    let last = bytes as f64 / 1e6;
    println!("\nsnapshots {snapshots}; of the last state, with {held} tasks: {last:.1} MB");
    let us = pair::ns_of_one_input(day.settings.workers)? as f64 / 1e3;
    println!("one input of the role machine, with each worker a candidate: {us:.1} us");
    println!("peak memory of this process {peak_mib} MiB");
    Ok(())
}

fn verdict(day: &Day) -> Result<(), String> {
    invariants::check_principal(&day.machine)?;
    let tally = &day.tally;
    let (submitted, finished) = (tally.count("TaskSubmitted"), tally.finished());
    if submitted != finished || submitted + tally.turned_away != day.settings.tasks {
        return Err(format!("{submitted} tasks submitted, {finished} finished"));
    }
    Ok(())
}

fn hours_of(ms: u64) -> f64 {
    ms as f64 / 3_600_000.0
}
