//! As whom programs run: as the worker itself, or as another user without any of its rights.
//!
//! `setpriv` (util-linux) becomes that user and then the program: between fork and exec this process itself could do it by
//! unsafe code alone. All that is looked up is looked up once, when the worker starts.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::messages::run_as::RunAsProblem;
use nix::unistd::{Gid, Group, Uid, User as Account, getgrouplist};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, chownat, fchown, openat, statat};
use rustix::process::{getegid, geteuid};

use super::removal;

/// In the environment of the worker, and no business of another user's programs.
const OF_WORKER: [&str; 10] = [
    "CREDENTIALS_DIRECTORY",
    "DBUS_SESSION_BUS_ADDRESS",
    "MAIL",
    "OLDPWD",
    "SSH_AUTH_SOCK",
    "SUDO_COMMAND",
    "SUDO_GID",
    "SUDO_UID",
    "SUDO_USER",
    "XDG_RUNTIME_DIR",
];
const OURS: &str = "MUTIRAO_";
/// Others may put something there.
const WRITABLE: u32 = 0o022;
/// But not in the place of what is another's.
const STICKY: u32 = 0o1000;

/// Whose rights programs have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunAs {
    /// The worker's, and nobody said so.
    #[default]
    Unsaid,
    /// The worker's.
    Worker,
    /// Another user's.
    Other(Arc<User>),
}

/// Another user.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: u32,
    gid: u32,
    /// With that one.
    groups: Vec<u32>,
    home: PathBuf,
    shell: PathBuf,
    setpriv: PathBuf,
}

impl RunAs {
    /// `USER` or `USER:GROUP`, names or numbers.
    ///
    /// # Errors
    /// There is no such user or group, or this process cannot become it.
    pub fn of(wanted: &str) -> Result<Self, RunAsProblem> {
        let (user, group) = match wanted.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (wanted, None),
        };
        let group = group.map(group_id).transpose()?;
        let (uid, account) = account(user)?;
        let gid = group.or_else(|| account.as_ref().map(|account| account.gid));
        let gid = gid.ok_or_else(|| RunAsProblem::NoGroup { user: user.to_owned() })?;
        let is_own_group = group.is_none() || gid.as_raw() == getegid().as_raw();
        if uid.as_raw() == geteuid().as_raw() && is_own_group {
            return Ok(Self::Worker);
        }
        if !geteuid().is_root() {
            return Err(RunAsProblem::NotRoot { user: wanted.to_owned() });
        }
        let groups = match &account {
            Some(account) => {
                groups(&account.name, gid).map_err(|error| system(wanted, &error.into()))?
            }
            None => vec![gid],
        };
        let setpriv = setpriv().ok_or(RunAsProblem::NoSetpriv)?;
        let (name, home, shell) = match account {
            Some(Account { name, dir, shell, .. }) => (name, dir, shell),
            None => (uid.to_string(), "/".into(), "/bin/sh".into()),
        };
        let groups = groups.into_iter().map(Gid::as_raw).collect();
        let (uid, gid) = (uid.as_raw(), gid.as_raw());
        Ok(Self::Other(Arc::new(User { name, uid, gid, groups, home, shell, setpriv })))
    }

    /// The other user.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::Unsaid | Self::Worker => None,
            Self::Other(user) => Some(user),
        }
    }

    /// Programs have all rights, and nobody said that they should.
    pub fn is_root_unsaid(&self) -> bool {
        *self == Self::Unsaid && geteuid().is_root()
    }
}

fn system(user: &str, error: &io::Error) -> RunAsProblem {
    RunAsProblem::System { user: user.to_owned(), why: error.to_string() }
}

fn account(user: &str) -> Result<(Uid, Option<Account>), RunAsProblem> {
    let found = Account::from_name(user).map_err(|error| system(user, &error.into()))?;
    let unknown = || RunAsProblem::UnknownUser { user: user.to_owned() };
    match (found, user.parse()) {
        (Some(account), _) => Ok((account.uid, Some(account))),
        // The system takes the last number for none.
        (None, Ok(u32::MAX)) | (None, Err(_)) => Err(unknown()),
        (None, Ok(number)) => {
            let uid = Uid::from_raw(number);
            let account = Account::from_uid(uid).map_err(|error| system(user, &error.into()))?;
            Ok((uid, account))
        }
    }
}

fn group_id(group: &str) -> Result<Gid, RunAsProblem> {
    let found = Group::from_name(group).map_err(|error| system(group, &error.into()))?;
    let unknown = || RunAsProblem::UnknownGroup { group: group.to_owned() };
    match (found, group.parse()) {
        (Some(group), _) => Ok(group.gid),
        (None, Ok(u32::MAX)) | (None, Err(_)) => Err(unknown()),
        (None, Ok(number)) => Ok(Gid::from_raw(number)),
    }
}

fn groups(name: &str, gid: Gid) -> nix::Result<Vec<Gid>> {
    let name = CString::new(name).map_err(|_| nix::errno::Errno::EINVAL)?;
    getgrouplist(&name, gid)
}

/// Where the system has its own programs; `PATH` may be somebody else's.
fn setpriv() -> Option<PathBuf> {
    let places = ["/usr/bin/setpriv", "/bin/setpriv", "/usr/sbin/setpriv", "/sbin/setpriv"];
    places.into_iter().map(PathBuf::from).find(|place| place.is_file())
}

impl User {
    /// Tries it, and whether this user comes into the directory.
    ///
    /// # Errors
    /// It cannot, or others could put something else in the directory's place.
    pub fn try_in(&self, work_root: &Path) -> Result<(), RunAsProblem> {
        let dir = work_root.to_owned();
        if let Some(open) = first_open(work_root) {
            return Err(RunAsProblem::OpenDir { dir: open });
        }
        let shell = || {
            let mut command = Command::new(&self.setpriv);
            command.args(self.options()).arg("/bin/sh");
            command.env_clear().current_dir("/").stdin(Stdio::null());
            command
        };
        let user = || self.name.clone();
        let done = shell().args(["-c", ":"]).output();
        let done = done.map_err(|error| system(&self.name, &error))?;
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            return Err(RunAsProblem::System { user: user(), why });
        }
        let enter = "cd \"$1\" 2> /dev/null";
        let done = shell().args(["-c", enter, "sh"]).arg(work_root).output();
        match done.map_err(|error| system(&self.name, &error))?.status.success() {
            true => Ok(()),
            false => Err(RunAsProblem::ClosedDir { user: user(), dir }),
        }
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Before the program and its arguments.
    pub fn prefix(&self) -> impl Iterator<Item = OsString> {
        [OsString::from(&self.setpriv)].into_iter().chain(self.options())
    }

    fn options(&self) -> impl Iterator<Item = OsString> {
        let groups: Vec<_> = self.groups.iter().map(u32::to_string).collect();
        let options = [
            format!("--reuid={}", self.uid),
            format!("--regid={}", self.gid),
            format!("--groups={}", groups.join(",")),
            // Nothing that is set-user-id gives them back.
            "--no-new-privs".to_owned(),
            "--".to_owned(),
        ];
        options.into_iter().map(OsString::from)
    }

    /// What the program is to have in its environment; without a value, what it is not to have.
    pub fn environment(&self) -> impl Iterator<Item = (OsString, Option<OsString>)> {
        let is_ours = |name: &OsString| name.as_bytes().starts_with(OURS.as_bytes());
        let ours = std::env::vars_os().map(|(name, _)| name).filter(is_ours);
        let gone = ours.chain(OF_WORKER.map(OsString::from)).map(|name| (name, None));
        let own = [
            ("HOME", self.home.as_os_str()),
            ("USER", self.name.as_ref()),
            ("LOGNAME", self.name.as_ref()),
            ("SHELL", self.shell.as_os_str()),
        ];
        gone.chain(own.map(|(name, value)| (name.into(), Some(value.to_owned()))))
    }

    /// Makes what is open this user's.
    pub fn give(&self, fd: impl AsFd) -> io::Result<()> {
        let (uid, gid) = self.owner();
        Ok(fchown(fd, uid, gid)?)
    }

    /// Makes the directory this user's, and all that is in it, in which nobody else can be. Itself it comes last: from then on
    /// somebody can.
    pub fn give_all(&self, dir: &File) -> io::Result<()> {
        let (uid, gid) = self.owner();
        for name in removal::names(dir)? {
            let stat = statat(dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                self.give_all(&openat(dir, name.as_c_str(), flags, Mode::empty())?.into())?;
            } else {
                chownat(dir, name.as_c_str(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        self.give(dir)
    }

    fn owner(&self) -> (Option<rustix::process::Uid>, Option<rustix::process::Gid>) {
        let (uid, gid) = (rustix::process::Uid::from_raw(self.uid), self.gid);
        (Some(uid), Some(rustix::process::Gid::from_raw(gid)))
    }
}

/// The first directory on the way, from the top, in which another than root could put something else in the place of what is
/// below it.
fn first_open(dir: &Path) -> Option<PathBuf> {
    let way: Vec<_> = dir.ancestors().collect();
    let is_open = |place: &&Path| {
        fs::symlink_metadata(place).is_ok_and(|found| {
            let may_write = found.mode() & WRITABLE != 0 && found.mode() & STICKY == 0;
            found.uid() != 0 || may_write
        })
    };
    way.into_iter().rev().find(is_open).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_there_is_refused() {
        let refused = |wanted: &str| RunAs::of(wanted).expect_err("is refused");
        for unknown in ["no-such-user", "", ":root", "-1", "4294967295"] {
            let is_so = matches!(refused(unknown), RunAsProblem::UnknownUser { .. });
            assert!(is_so, "{unknown}");
        }
        assert!(matches!(refused("root:no-such"), RunAsProblem::UnknownGroup { .. }));
        // Whoever is in no list has no group of their own.
        assert!(matches!(refused("3999999999"), RunAsProblem::NoGroup { .. }));
    }

    #[test]
    fn the_worker_itself_is_nobody_else() {
        let own = geteuid().as_raw().to_string();
        let group = getegid().as_raw();
        assert_eq!(RunAs::of(&format!("{own}:{group}")), Ok(RunAs::Worker));
        if !geteuid().is_root() {
            let refused = RunAs::of("root");
            assert!(matches!(refused, Err(RunAsProblem::NotRoot { .. })), "{refused:?}");
        }
    }

    #[test]
    fn a_directory_that_others_can_exchange_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().canonicalize().expect("is there").join("open/inner");
        fs::create_dir_all(&place).expect("is made");
        let open = place.parent().expect("has one");
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        if geteuid().is_root() {
            assert_eq!(first_open(&place), None);
            fs::set_permissions(open, mode(0o1777)).expect("is changed");
            assert_eq!(first_open(&place), None, "nobody can take away what is another's");
            fs::set_permissions(open, mode(0o777)).expect("is changed");
            assert_eq!(first_open(&place).as_deref(), Some(open));
        }
    }
}
