//! Programs that run as another user than their worker (`--run-as`), and what they cannot do with it. It needs root, and an
//! account that is not root's.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::exit;
use harness::cli::Run;
use harness::{Cli, Cluster, Layout};
use mutirao_tests::{runs, wait_for};
use rustix::process::geteuid;

const SOON: Duration = Duration::from_secs(20);
const TRIES: usize = 200;

/// An account of this machine.
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// As `id -G` says them.
    groups: String,
    home: String,
}

fn output(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let done = Command::new(program).args(args).output()?;
    anyhow::ensure!(done.status.success(), "{program} {args:?}: {done:?}");
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

/// The one with the most groups; `None`, said aloud, for whoever is not root.
fn account() -> anyhow::Result<Option<Account>> {
    if !geteuid().is_root() {
        writeln!(std::io::stderr(), "SKIPPED other_user: only root becomes another user")?;
        return Ok(None);
    }
    let mut best: Option<Account> = None;
    for line in output("getent", &["passwd"])?.lines() {
        let [name, _, uid, gid, _, home, ..] = *line.split(':').collect::<Vec<_>>() else {
            continue;
        };
        let groups = output("id", &["-G", name])?;
        let (uid, gid) = (uid.parse()?, gid.parse()?);
        let most = best.as_ref().map_or(0, |best| best.groups.split(' ').count());
        if uid != 0 && groups.split(' ').count() > most {
            best = Some(Account { name: name.into(), uid, gid, groups, home: home.into() });
        }
    }
    Ok(Some(best.expect("a system has accounts")))
}

/// A worker whose programs run as this user.
fn cluster(dir: &Path, account: &Account) -> anyhow::Result<(Cli, Cluster)> {
    // The directory of a test is its user's alone.
    fs::set_permissions(dir, Permissions::from_mode(0o711))?;
    let root = dir.join("attempts");
    fs::create_dir(&root)?;
    let args = ["--run-as", &account.name, "--work-root", &root.display().to_string()];
    Cluster::with_programs(dir, 1, &args)
}

fn refused(run: &Run, said: &str) {
    assert!(run.stderr.contains(said), "`{said}` is not in: {run:?}");
}

fn in_dir(cli: &Cli, dir: &Path, args: &[&str]) -> anyhow::Result<Run> {
    Ok(cli.command(args).current_dir(dir).output()?.into())
}

#[test]
fn programs_are_that_user_in_all_things() -> anyhow::Result<()> {
    let Some(account) = account()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (cli, cluster) = cluster(dir.path(), &account)?;
    let worker = cluster.workers[0].as_ref().expect("runs");
    worker.wait_for(&format!("Programas de tarefas executam como {}", account.name), SOON)?;
    let script = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; stat -c %u:%g:%a .; \
                  grep NoNewPrivs /proc/self/status; test $PWD = $MUTIRAO_WORK_DIR && echo own; \
                  echo said > /dev/stderr; echo $MUTIRAO_ATTEMPT $A";
    for more in [&[][..], &["--memory-limit", "1GiB"]] {
        let mine = ["--env", "A=b c", "--env", "MUTIRAO_ATTEMPT=7", "--", "sh", "-c", script];
        let run = cli.run(&[&["run"], more, &mine].concat())?;
        let Account { name, uid, gid, groups, home } = &account;
        let expected = format!(
            "{uid}\n{gid}\n{groups}\n{home} {name} {name}\n{uid}:{gid}:700\nNoNewPrivs:\t1\nown\n1 b c\n"
        );
        assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(0), &*expected, "said\n"));
    }
    // What is not there, or closed, is told as ever.
    let run = cli.run(&["run", "--", "/no/such/program"])?;
    assert_eq!(run.code, Some(127), "{run:?}");
    refused(&run, "/no/such/program");
    let closed = dir.path().join("closed/inner");
    fs::create_dir_all(&closed)?;
    fs::set_permissions(dir.path().join("closed"), Permissions::from_mode(0o700))?;
    let closed = closed.display().to_string();
    let run = cli.run(&["run", "--cwd", &closed, "--", "pwd"])?;
    assert_eq!((run.code, &*run.stdout), (Some(126), ""), "{run:?}");
    let run = cli.run(&["run", "--cwd", "/", "--", "pwd"])?;
    assert_eq!((run.code, &*run.stdout), (Some(0), "/\n"), "{run:?}");
    let attempts = fs::read_dir(dir.path().join("attempts"))?;
    for place in attempts.flatten().filter(|place| place.path().is_dir()) {
        if !place.file_name().to_string_lossy().contains("cache") {
            assert_eq!(fs::read_dir(place.path())?.count(), 0, "nothing is left");
        }
    }
    Ok(())
}

#[test]
fn what_a_task_sets_means_nothing_to_what_is_still_root() -> anyhow::Result<()> {
    let Some(account) = account()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = cluster(dir.path(), &account)?;
    let traces = dir.path().join("traces");
    fs::create_dir(&traces)?;
    fs::set_permissions(&traces, Permissions::from_mode(0o777))?;
    // The loader of each program that knows these variables leaves a file that belongs to its user.
    let trace = format!("LD_DEBUG_OUTPUT={}", traces.join("trace").display());
    let set = ["--env", "LD_DEBUG=files", "--env", &trace, "--env", "LD_PRELOAD=/none.so"];
    for more in [&[][..], &["--memory-limit", "1GiB"]] {
        let run = cli.run(&[&["run"], &set[..], more, &["--", "sh", "-c", ":"]].concat())?;
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let owners: Vec<_> = fs::read_dir(&traces)?
        .map(|file| Ok(file?.metadata()?.uid()))
        .collect::<anyhow::Result<_>>()?;
    assert_eq!(owners, [account.uid; 2], "the program alone knew of them");
    Ok(())
}

#[test]
fn files_come_and_go_and_the_cache_stays_as_it_is() -> anyhow::Result<()> {
    let Some(account) = account()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = cluster(dir.path(), &account)?;
    let desk = dir.path().join("desk");
    fs::create_dir_all(desk.join("in"))?;
    fs::write(desk.join("in/text"), "given\n")?;
    let script =
        "cat in/text && echo changed > in/text && cp in/text made && mkdir d && ln made d/linked";
    let with = ["--input", "in/text", "--output-file", "made", "--output-file", "d"];
    for _ in 0..2 {
        let run =
            in_dir(&cli, &desk, &[&["run"], &with[..], &["--", "sh", "-c", script]].concat())?;
        assert_eq!((run.code, &*run.stdout), (Some(0), "given\n"), "{run:?}");
        for made in ["made", "d/linked"] {
            assert_eq!(fs::read_to_string(desk.join(made))?, "changed\n");
            fs::remove_file(desk.join(made))?;
        }
    }
    Ok(())
}

#[test]
fn a_program_cannot_make_the_worker_read_for_it() -> anyhow::Result<()> {
    let Some(account) = account()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (cli, _cluster) = cluster(dir.path(), &account)?;
    let desk = dir.path().join("desk");
    fs::create_dir(&desk)?;
    let secret = dir.path().join("secret");
    fs::write(&secret, "secret")?;
    fs::set_permissions(&secret, Permissions::from_mode(0o600))?;
    let (folder, path) = (dir.path().display(), secret.display());
    let cases = [
        (format!("ln -s {path} out"), "out", "OUTPUT_MISSING"),
        (format!("ln -s {folder} out"), "out/secret", "OUTPUT_MISSING"),
        (
            format!("mkdir out; ln -s {path} out/x; rmdir in; ln -s {folder} in"),
            "in/secret",
            "OUTPUT_MISSING",
        ),
        (format!("! cat {path} && ! ln {path} out"), "out", "OUTPUT_MISSING"),
        ("mkfifo out".into(), "out", "OUTPUT_MISSING"),
    ];
    for (script, wanted, code) in &cases {
        let run = ["submit", "--wait", "--output-file", wanted, "--", "sh", "-c", script];
        let run = in_dir(&cli, &desk, &run)?;
        assert_eq!(run.code, Some(1), "{script}: {run:?}");
        assert!(format!("{}{}", run.stdout, run.stderr).contains(code), "{script}: {run:?}");
    }
    // Where the system lets users make such links; here it is made for them.
    let go = dir.path().join("go");
    let script =
        format!("pwd > $HOME_OF_TEST/at; until test -e {}; do sleep 0.05; done", go.display());
    let told = dir.path().join("told");
    fs::create_dir(&told)?;
    fs::set_permissions(&told, Permissions::from_mode(0o777))?;
    let named = format!("HOME_OF_TEST={}", told.display());
    let task =
        cli.submit(&["--env", &named, "--output-file", "linked", "--", "sh", "-c", &script])?;
    let at = wait_for("its directory", || {
        fs::read_to_string(told.join("at")).ok().filter(|at| at.ends_with('\n'))
    });
    fs::hard_link(&secret, Path::new(at.trim()).join("linked"))?;
    fs::write(&go, "")?;
    let ended = cli.finished(&task, TRIES)?.expect("it ends");
    assert!(ended.to_string().contains("it belongs to another user"), "{ended}");
    Ok(())
}

#[test]
fn they_end_when_cancelled_and_with_their_worker() -> anyhow::Result<()> {
    let Some(account) = account()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (cli, mut cluster) = cluster(dir.path(), &account)?;
    let told = dir.path().join("told");
    fs::create_dir(&told)?;
    fs::set_permissions(&told, Permissions::from_mode(0o777))?;
    let family = |name: &str| -> anyhow::Result<(String, Vec<String>)> {
        let pids = told.join(name);
        let script = format!(
            "trap '' TERM; sleep 1000 & a=$!; env -i setsid sleep 1000 & echo $$ $a $! > {}; wait",
            pids.display()
        );
        let task = cli.submit(&["--", "sh", "-c", &script])?;
        let family = wait_for("the program", || {
            let text = fs::read_to_string(&pids).ok()?;
            let family: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            (family.len() == 3).then_some(family)
        });
        for pid in &family {
            assert_eq!(fs::metadata(format!("/proc/{pid}"))?.uid(), account.uid);
        }
        Ok((task, family))
    };
    let (task, cancelled) = family("cancelled")?;
    cli.ok(&["cancel", &task])?;
    wait_for("its end", || (!cancelled.iter().any(|pid| runs(pid))).then_some(()));
    let (_, orphaned) = family("orphaned")?;
    cluster.workers[0].take().expect("runs").kill()?;
    wait_for("its end", || (!orphaned.iter().any(|pid| runs(pid))).then_some(()));
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_at_the_start() -> anyhow::Result<()> {
    let Some(account) = account()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path(), 1)?;
    let port = layout.worker_ports[0].to_string();
    let start = |args: &[&str]| -> anyhow::Result<Run> {
        // One that is not refused would run for ever.
        let mut command = Command::new("timeout");
        command.arg("20").arg(layout.binary("worker"));
        let command = command.args(["--port", &port, "--handlers", "command"]).args(args);
        Ok(command.output()?.into())
    };
    let cases = [
        (&["--run-as", "ninguem-com-este-nome"][..], "não há usuário `ninguem-com-este-nome`"),
        (&["--run-as", "ninguem-com-este-nome", "--lang", "en"], "there is no user"),
        (&["--run-as", "root:nenhum-grupo"], "não há grupo `nenhum-grupo`"),
        (&["--run-as", "3999999999"], "escreva 3999999999:GRUPO"),
    ];
    for (args, said) in cases {
        let run = start(args)?;
        assert_eq!(run.code, Some(i32::from(exit::USAGE)), "{run:?}");
        refused(&run, said);
    }
    // Closed to others, and then open to them.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700))?;
    let root = dir.path().join("root");
    fs::create_dir(&root)?;
    let (name, given) = (&*account.name, root.display().to_string());
    let run = start(&["--run-as", name, "--work-root", &given])?;
    refused(&run, "não consegue entrar em");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777))?;
    let run = start(&["--run-as", name, "--work-root", &given])?;
    refused(&run, "outros podem trocar o que está em");
    // Who is not root becomes nobody else.
    let worker = dir.path().join("worker");
    fs::copy(layout.binary("worker"), &worker)?;
    let user = [format!("--reuid={}", account.uid), format!("--regid={}", account.gid)];
    let run: Run = Command::new("setpriv")
        .args(user)
        .args(["--clear-groups", "--"])
        .arg(worker)
        .args(["--port", &port, "--run-as", "root"])
        .output()?
        .into();
    assert_eq!(run.code, Some(i32::from(exit::USAGE)), "{run:?}");
    refused(&run, "só root pode executar programas como outro usuário");
    Ok(())
}

#[test]
fn whoever_runs_programs_as_root_is_warned_unless_it_is_meant() -> anyhow::Result<()> {
    if account()?.is_none() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let warned = |dir: &Path, args: &[&str]| -> anyhow::Result<bool> {
        fs::create_dir(dir)?;
        let (cli, cluster) = Cluster::with_programs(dir, 1, args)?;
        let run = cli.run(&["run", "--", "id", "-u"])?;
        assert_eq!((run.code, &*run.stdout), (Some(0), "0\n"), "{run:?}");
        let lines = cluster.workers[0].as_ref().expect("runs").lines();
        Ok(lines.iter().any(|line| line.contains("executam como root")))
    };
    assert!(warned(&dir.path().join("unsaid"), &[])?);
    assert!(!warned(&dir.path().join("meant"), &["--run-as", "root"])?);
    Ok(())
}
