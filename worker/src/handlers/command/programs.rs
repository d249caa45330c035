//! Which programs the operator lets tasks start.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::handlers::Failure;

/// By default any, with any variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs(Option<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    /// By absolute paths.
    programs: BTreeSet<PathBuf>,
    /// That tasks may set: a variable can make another program of one (`LD_PRELOAD`, `PATH`).
    variables: BTreeSet<String>,
}

impl Programs {
    /// Only these: names, looked for in this process's `PATH`, or absolute paths.
    ///
    /// # Errors
    /// The one that is not there.
    pub fn only(programs: &[String], variables: &[String]) -> Result<Self, String> {
        let found = programs.iter().map(|name| find(name).ok_or_else(|| name.clone()));
        let programs = found.collect::<Result<_, _>>()?;
        Ok(Self(Some(Allowed { programs, variables: variables.iter().cloned().collect() })))
    }

    /// Puts the path of what is to be started in the place of its name, so that nothing else is.
    ///
    /// # Errors
    /// `PROGRAM_NOT_ALLOWED`
    pub fn admit(
        &self,
        argv: &mut [String],
        env: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let (Some(allowed), [program, ..]) = (&self.0, argv) else { return Ok(()) };
        let refused = |what: String| {
            let text = format!("the operator of this worker does not allow {what}");
            Err(Failure::new("PROGRAM_NOT_ALLOWED", text))
        };
        let path = find(program).filter(|path| allowed.programs.contains(path));
        // A program that is not text can be in no list: those of the command line are.
        let Some(path) = path.as_deref().and_then(Path::to_str) else {
            return refused(format!("the program `{program}`"));
        };
        if let Some(name) = env.keys().find(|name| !allowed.variables.contains(*name)) {
            return refused(format!("tasks to set the variable `{name}`"));
        }
        path.clone_into(program);
        Ok(())
    }
}

/// The path of a program: its folder without links, its own name as it is, because some programs go by that.
fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(name)
            .filter(|name| name.starts_with('/'))
            .and_then(|name| place(name.as_ref()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect();
    folders.into_iter().find_map(|folder| place(&folder.join(name)))
}

fn place(path: &Path) -> Option<PathBuf> {
    let own_name = path.file_name().filter(|name| *name != OsStr::new(".."))?;
    let place = path.parent()?.canonicalize().ok()?.join(own_name);
    let metadata = place.metadata().ok()?;
    (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0).then_some(place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn admit(programs: &Programs, program: &str) -> Result<String, String> {
        let mut argv = [program.to_owned()];
        match programs.admit(&mut argv, &BTreeMap::new()) {
            Ok(()) => Ok(argv[0].clone()),
            Err(failure) => Err(failure.code),
        }
    }

    #[test]
    fn what_is_named_is_started_by_its_path_and_nothing_else_is() {
        let any = Programs::default();
        assert_eq!(admit(&any, "anything"), Ok("anything".into()));
        let only = Programs::only(&["true".into()], &[]).expect("is there");
        let path = admit(&only, "true").expect("is allowed");
        assert!(path.starts_with('/') && path.ends_with("/true"), "{path}");
        assert_eq!(admit(&only, &path), Ok(path.clone()));
        let [dots, relative] = [format!("{path}/../true"), format!("./..{path}")];
        for other in ["false", "./true", "", ".", "..", "/", &dots, &relative] {
            assert_eq!(admit(&only, other), Err("PROGRAM_NOT_ALLOWED".into()), "{other}");
        }
        assert_eq!(Programs::only(&["nao-existe".into()], &[]), Err("nao-existe".into()));
    }

    #[test]
    fn a_program_by_another_name_is_another_program() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let alias = folder.path().join("alias");
        symlink("/bin/true", &alias)?;
        let alias = alias.display().to_string();
        let only = Programs::only(&["/bin/true".into()], &[]).expect("is there");
        assert_eq!(admit(&only, &alias), Err("PROGRAM_NOT_ALLOWED".into()));
        let by_alias = Programs::only(std::slice::from_ref(&alias), &[]).expect("is there");
        assert_eq!(admit(&by_alias, &alias), Ok(alias));
        assert_eq!(admit(&by_alias, "/bin/true"), Err("PROGRAM_NOT_ALLOWED".into()));
        Ok(())
    }

    #[test]
    fn variables_are_set_only_as_far_as_they_are_named() {
        let only = Programs::only(&["true".into()], &["QUALITY".into()]).expect("is there");
        let admit = |name: &str| {
            let env = BTreeMap::from([(name.to_owned(), String::new())]);
            only.admit(&mut ["true".to_owned()], &env).map_err(|failure| failure.code)
        };
        assert_eq!(admit("QUALITY"), Ok(()));
        assert_eq!(admit("LD_PRELOAD"), Err("PROGRAM_NOT_ALLOWED".into()));
    }
}
