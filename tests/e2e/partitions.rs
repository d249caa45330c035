//! Every process on a machine of its own, and links, processes and disks that fail: what docs/failover.md
//! promises in each fault, and after each one the audit.
//!
//! It needs root, `ip` and `iptables`; without them each test says that it is skipped, and why, unless the environment
//! says that they are required.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use harness::net::{self, Answer, Cut, Host, How, Load, Network, SmallDisk, Source, SpreadCluster};
use rustix::process::Signal;

/// Set where a skipped test is a failed one.
const REQUIRED: &str = "MUTIRAO_TEST_PARTITIONS";
/// Whatever comes by itself.
const SOON: Duration = Duration::from_secs(60);
/// Acknowledgements that make a service.
const SERVED: u32 = 20;
/// A node that begins needs a fraction of it.
const SMALL_DISK_MB: u32 = 64;

/// A whole cluster with a client in a submit loop. What it holds ends in this order.
struct Story {
    name: &'static str,
    load: Load,
    cluster: SpreadCluster,
    _dir: tempfile::TempDir,
}

/// Past the test runner, which shows what is printed only when a test fails.
fn say(line: &str) {
    // Whoever closed the output does not want to know.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// `None`, said aloud, where there can be no network namespaces.
fn story(name: &'static str) -> anyhow::Result<Option<Story>> {
    story_with(name, |_| Ok(()))
}

/// `prepare` is called before anything runs.
fn story_with(
    name: &'static str,
    prepare: impl FnOnce(&mut SpreadCluster) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Story>> {
    if let Some(reason) = Network::unavailable() {
        ensure!(std::env::var_os(REQUIRED).is_none(), "partitions are required: {reason}");
        say(&format!("SKIPPED partitions::{name}: {reason}"));
        return Ok(None);
    }
    let dir = tempfile::tempdir()?;
    let mut cluster = SpreadCluster::new(dir.path())?;
    prepare(&mut cluster)?;
    cluster.start()?;
    let load = Load::start(&cluster)?;
    load.wait_served(load.mark())?;
    Ok(Some(Story { name, load, cluster, _dir: dir }))
}

impl Story {
    /// The client is served after what just happened, again and again.
    fn served(&self) -> anyhow::Result<Answer> {
        for _ in 1..SERVED {
            self.informed(self.load.wait_served(self.load.mark()))?;
        }
        self.informed(self.load.wait_served(self.load.mark()))
    }

    /// The client is served by the principal alone.
    fn served_locally(&self) -> anyhow::Result<Answer> {
        let locally = |a: &Answer| a.source == Source::User && !a.replicated;
        let served = self.load.wait_for(self.load.mark(), "LOCAL_ONLY acknowledgement", locally);
        self.informed(served)
    }

    /// The client is served by a later principal than that of `epoch`.
    fn served_after(&self, epoch: u64) -> anyhow::Result<Answer> {
        let later = |a: &Answer| a.source == Source::User && a.epoch > epoch;
        self.informed(self.load.wait_for(self.load.mark(), "acknowledgement of a successor", later))
    }

    fn informed<T>(&self, waited: anyhow::Result<T>) -> anyhow::Result<T> {
        waited.with_context(|| self.cluster.condition())
    }

    /// Without anybody's help: a pair again, the client served, everything accounted for.
    fn ends_well(self) -> anyhow::Result<()> {
        self.cluster.wait_whole()?;
        let last = self.served()?;
        ensure!(last.replicated, "the pair is in sync: {last:?}");
        let history = self.load.stop()?;
        self.cluster.audit(&history)?;
        say(&format!(
            "partitions::{}: the client waited {} ms at most; {} acknowledged, epochs {:?}",
            self.name,
            history.outage().as_millis(),
            history.acknowledged().len(),
            history.epochs(),
        ));
        Ok(())
    }
}

/// The witnesses stay loyal: no failover, and service goes on.
fn cut_between_the_two(name: &'static str, cuts: &[Cut]) -> anyhow::Result<()> {
    let Some(story) = story(name)? else { return Ok(()) };
    let before = story.served()?;
    story.cluster.cut(cuts)?;
    let alone = story.served_locally()?;
    ensure!(alone.epoch == before.epoch, "no failover: {alone:?}");
    story.cluster.heal()?;
    story.cluster.wait_whole()?;
    let healed = story.served()?;
    ensure!(healed.epoch == before.epoch, "no failover: {healed:?}");
    story.ends_well()
}

#[test]
fn the_link_between_the_two_is_cut() -> anyhow::Result<()> {
    let cuts = Cut::link(Host::Principal, Host::Backup, How::Drop);
    cut_between_the_two("the_link_between_the_two_is_cut", &cuts)
}

/// A refused port proves nobody dead but on loopback (V11).
#[test]
fn a_firewall_resets_the_link_between_the_two() -> anyhow::Result<()> {
    let cuts = Cut::link(Host::Principal, Host::Backup, How::Reject);
    cut_between_the_two("a_firewall_resets_the_link_between_the_two", &cuts)
}

#[test]
fn the_backup_does_not_hear_the_principal() -> anyhow::Result<()> {
    let cuts = Cut::one_way(Host::Principal, Host::Backup);
    cut_between_the_two("the_backup_does_not_hear_the_principal", &cuts)
}

#[test]
fn the_principal_does_not_hear_the_backup() -> anyhow::Result<()> {
    let cuts = Cut::one_way(Host::Backup, Host::Principal);
    cut_between_the_two("the_principal_does_not_hear_the_backup", &cuts)
}

#[test]
fn the_backup_is_isolated() -> anyhow::Result<()> {
    cut_between_the_two("the_backup_is_isolated", &Cut::isolate(Host::Backup, How::Drop))
}

/// The backup takes over. The old principal answers nobody, not even on its own machine and not even a
/// read, and comes back as the backup.
fn principal_cut_off(name: &'static str, cuts: &[Cut]) -> anyhow::Result<Option<Story>> {
    let Some(story) = story(name)? else { return Ok(None) };
    let before = story.served()?;
    story.cluster.cut(cuts)?;
    let after = story.served_after(before.epoch)?;
    ensure!(!net::answers(&story.cluster, Host::Principal)?, "it was deposed, and answers");
    ensure!(net::answers(&story.cluster, Host::Backup)?, "it is principal");
    story.cluster.heal()?;
    story.cluster.wait_whole()?;
    ensure!(story.served()?.epoch == after.epoch, "one failover, and no more");
    Ok(Some(story))
}

/// A principal that hears nobody does not know that it was deposed: it wrote down what it was asked.
fn deaf_principal(name: &'static str, cuts: &[Cut]) -> anyhow::Result<()> {
    let Some(story) = principal_cut_off(name, cuts)? else { return Ok(()) };
    let old = story.cluster.orchestrator(Host::Principal)?;
    old.wait_for("nunca confirmadas foram postas de lado", SOON)?;
    story.ends_well()
}

#[test]
fn the_principal_is_isolated() -> anyhow::Result<()> {
    deaf_principal("the_principal_is_isolated", &Cut::isolate(Host::Principal, How::Drop))
}

#[test]
fn a_firewall_resets_everything_around_the_principal() -> anyhow::Result<()> {
    let cuts = Cut::isolate(Host::Principal, How::Reject);
    deaf_principal("a_firewall_resets_everything_around_the_principal", &cuts)
}

#[test]
fn the_principal_hears_nobody() -> anyhow::Result<()> {
    deaf_principal("the_principal_hears_nobody", &Cut::deafen(Host::Principal))
}

#[test]
fn nobody_hears_the_principal() -> anyhow::Result<()> {
    let cuts = Cut::mute(Host::Principal);
    let story = principal_cut_off("nobody_hears_the_principal", &cuts)?;
    story.map_or(Ok(()), Story::ends_well)
}

/// The same where nothing waits for its commit, which would keep the read from being answered, too.
#[test]
fn a_principal_that_is_isolated_while_nothing_happens_answers_no_read() -> anyhow::Result<()> {
    let name = "a_principal_that_is_isolated_while_nothing_happens_answers_no_read";
    let Some(Story { load, cluster, _dir, .. }) = story(name)? else { return Ok(()) };
    let history = load.stop()?;
    cluster.audit(&history)?;
    cluster.cut(&Cut::isolate(Host::Principal, How::Drop))?;
    let deadline = Instant::now() + SOON;
    while !net::answers(&cluster, Host::Backup)? {
        ensure!(Instant::now() < deadline, "nobody took over:\n{}", cluster.condition());
    }
    ensure!(!net::answers(&cluster, Host::Principal)?, "it was deposed, and answers");
    cluster.heal()?;
    cluster.wait_whole()?;
    cluster.audit(&history)?;
    let load = Load::start(&cluster)?;
    Story { name, load, cluster, _dir }.ends_well()
}

/// Stops it where it stands for at least `pause`, until the backup has taken over.
fn principal_paused(name: &'static str, pause: Duration) -> anyhow::Result<()> {
    let Some(story) = story(name)? else { return Ok(()) };
    let before = story.served()?;
    let principal = story.cluster.orchestrator(Host::Principal)?;
    principal.signal(Signal::STOP)?;
    let until = Instant::now() + pause;
    let after = story.served_after(before.epoch)?;
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    principal.signal(Signal::CONT)?;
    story.cluster.wait_whole()?;
    ensure!(story.served()?.epoch == after.epoch, "one failover, and no more");
    story.ends_well()
}

#[test]
fn the_principal_is_paused() -> anyhow::Result<()> {
    principal_paused("the_principal_is_paused", Duration::ZERO)
}

#[test]
fn the_principal_is_paused_for_half_a_minute() -> anyhow::Result<()> {
    let name = "the_principal_is_paused_for_half_a_minute";
    principal_paused(name, Duration::from_secs(30))
}

#[test]
fn the_backup_is_paused() -> anyhow::Result<()> {
    let Some(story) = story("the_backup_is_paused")? else { return Ok(()) };
    let before = story.served()?;
    let backup = story.cluster.orchestrator(Host::Backup)?;
    backup.signal(Signal::STOP)?;
    story.served_locally()?;
    backup.signal(Signal::CONT)?;
    story.cluster.wait_whole()?;
    ensure!(story.served()?.epoch == before.epoch, "no failover");
    story.ends_well()
}

/// `kill -9` in this order, and a start in that order.
fn both_killed(name: &'static str, killed: [Host; 2], started: [Host; 2]) -> anyhow::Result<()> {
    let Some(mut story) = story(name)? else { return Ok(()) };
    for host in killed {
        story.cluster.kill(host)?;
    }
    for host in started {
        story.cluster.start_orchestrator(host)?;
    }
    story.ends_well()
}

const PRINCIPAL_FIRST: [Host; 2] = [Host::Principal, Host::Backup];
const BACKUP_FIRST: [Host; 2] = [Host::Backup, Host::Principal];

#[test]
fn both_are_killed_and_the_principal_returns_first() -> anyhow::Result<()> {
    let name = "both_are_killed_and_the_principal_returns_first";
    both_killed(name, BACKUP_FIRST, PRINCIPAL_FIRST)
}

#[test]
fn both_are_killed_and_the_backup_returns_first() -> anyhow::Result<()> {
    let name = "both_are_killed_and_the_backup_returns_first";
    both_killed(name, PRINCIPAL_FIRST, BACKUP_FIRST)
}

#[test]
fn both_are_killed_and_return_in_the_same_order() -> anyhow::Result<()> {
    let name = "both_are_killed_and_return_in_the_same_order";
    both_killed(name, PRINCIPAL_FIRST, PRINCIPAL_FIRST)?;
    both_killed(name, BACKUP_FIRST, BACKUP_FIRST)
}

/// The node at that address is another node: it learns, and joins.
fn disk_lost(name: &'static str, host: Host) -> anyhow::Result<()> {
    let Some(mut story) = story(name)? else { return Ok(()) };
    story.cluster.kill(host)?;
    story.served()?;
    std::fs::remove_dir_all(story.cluster.data_dir(host))?;
    story.cluster.start_orchestrator(host)?;
    story.ends_well()
}

#[test]
fn the_principal_s_data_is_deleted_while_it_is_stopped() -> anyhow::Result<()> {
    disk_lost("the_principal_s_data_is_deleted_while_it_is_stopped", Host::Principal)
}

#[test]
fn the_backup_s_data_is_deleted_while_it_is_stopped() -> anyhow::Result<()> {
    disk_lost("the_backup_s_data_is_deleted_while_it_is_stopped", Host::Backup)
}

/// A founder without history meets the cluster that it belonged to.
#[test]
fn both_are_stopped_and_the_principal_returns_first_without_its_data() -> anyhow::Result<()> {
    let name = "both_are_stopped_and_the_principal_returns_first_without_its_data";
    let Some(mut story) = story(name)? else { return Ok(()) };
    story.cluster.kill(Host::Principal)?;
    story.cluster.kill(Host::Backup)?;
    std::fs::remove_dir_all(story.cluster.data_dir(Host::Principal))?;
    story.cluster.start_orchestrator(Host::Principal)?;
    story.cluster.start_orchestrator(Host::Backup)?;
    story.ends_well()
}

/// The node whose disk is full ends, and says why; the other one goes on; with space it comes back.
fn disk_full(name: &'static str, host: Host) -> anyhow::Result<()> {
    let mut mounted = None;
    let story = story_with(name, |cluster| {
        mounted = Some(SmallDisk::mount(&cluster.data_dir(host), SMALL_DISK_MB)?);
        Ok(())
    })?;
    let (Some(mut story), Some(disk)) = (story, mounted) else { return Ok(()) };
    disk.fill()?;
    let full = story.cluster.wait_end(host)?;
    let says = |line: &String| line.contains("o diário não pôde ser gravado");
    ensure!(full.lines().iter().any(says), "it ends and says why: {:?}", full.lines());
    story.served()?;
    disk.free()?;
    story.cluster.start_orchestrator(host)?;
    story.ends_well()
}

#[test]
fn the_principal_s_disk_is_full() -> anyhow::Result<()> {
    disk_full("the_principal_s_disk_is_full", Host::Principal)
}

#[test]
fn the_backup_s_disk_is_full() -> anyhow::Result<()> {
    disk_full("the_backup_s_disk_is_full", Host::Backup)
}

/// Heartbeats come, late: nobody is given up, and the service goes on.
fn slow(name: &'static str, from: &[Host], delay: Duration) -> anyhow::Result<()> {
    let mut links = Vec::new();
    let story = story_with(name, |cluster| {
        for host in from {
            links.extend(cluster.slow_links(*host)?);
        }
        Ok(())
    })?;
    let Some(story) = story else { return Ok(()) };
    let before = story.served()?;
    links.iter().for_each(|link| link.delay(delay));
    let slow = story.served()?;
    ensure!(slow.epoch == before.epoch, "no failover: {slow:?}");
    links.iter().for_each(|link| link.delay(Duration::ZERO));
    story.ends_well()
}

#[test]
fn the_two_are_far_from_each_other() -> anyhow::Result<()> {
    slow("the_two_are_far_from_each_other", &PRINCIPAL_FIRST, Duration::from_millis(150))
}

#[test]
fn the_backup_hears_the_principal_very_late() -> anyhow::Result<()> {
    let name = "the_backup_hears_the_principal_very_late";
    slow(name, &[Host::Principal], Duration::from_millis(1_500))
}

#[test]
fn the_principal_hears_the_backup_very_late() -> anyhow::Result<()> {
    let name = "the_principal_hears_the_backup_very_late";
    slow(name, &[Host::Backup], Duration::from_millis(1_500))
}

/// What the principal acknowledged alone is on no other disk: nobody may take over without it.
#[test]
fn the_principal_dies_while_the_backup_is_cut_off_and_comes_back() -> anyhow::Result<()> {
    let name = "the_principal_dies_while_the_backup_is_cut_off_and_comes_back";
    let Some(mut story) = story(name)? else { return Ok(()) };
    story.cluster.cut(&Cut::link(Host::Principal, Host::Backup, How::Drop))?;
    story.served_locally()?;
    story.served()?;
    story.cluster.kill(Host::Principal)?;
    story.cluster.heal()?;
    story.cluster.start_orchestrator(Host::Principal)?;
    story.ends_well()
}

/// Two of three witnesses are left, and one disk.
#[test]
fn a_worker_and_the_principal_are_isolated_together() -> anyhow::Result<()> {
    let mut cuts = Cut::isolate(Host::Principal, How::Drop);
    cuts.extend(Cut::isolate(Host::Worker(0), How::Drop));
    deaf_principal("a_worker_and_the_principal_are_isolated_together", &cuts)
}

/// Without a majority of witnesses, but with both disks.
#[test]
fn two_of_the_three_workers_are_isolated() -> anyhow::Result<()> {
    let Some(story) = story("two_of_the_three_workers_are_isolated")? else { return Ok(()) };
    let before = story.served()?;
    let mut cuts = Cut::isolate(Host::Worker(0), How::Drop);
    cuts.extend(Cut::isolate(Host::Worker(1), How::Drop));
    story.cluster.cut(&cuts)?;
    story.cluster.wait_until("the one witness that is left, or none", |nodes| {
        nodes.iter().all(|node| node.witnesses.len() < 2)
    })?;
    story.cluster.heal()?;
    story.cluster.wait_whole()?;
    ensure!(story.served()?.epoch == before.epoch, "no failover");
    story.ends_well()
}
