//! Files of tasks: which ones the flags mean, their way to the orchestrators, and what tasks made back to this machine.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::Permissions;
use std::io::IsTerminal as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cliente::{Client, Unreceived};
use common::blobs::{
    Content, Hash, MAX_FILES, StagedFile, content_of, found, is_pattern, pattern_fits,
    relative_path,
};
use common::error_code::ErrorCode;
use common::messages::client::ClientMessage;
use common::messages::client_files::FilesMessage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::Mutex;

use super::failure::Failure;

/// Less than this is there before a bar could be read.
const WORTH_A_BAR: u64 = 4 << 20;
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// The files of one task on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// As its order names them.
    pub inputs: Vec<StagedFile>,
    /// What they hold, and where.
    pub sources: Vec<(Content, PathBuf)>,
}

/// Sends what the orchestrators lack, each content once.
pub struct Sender {
    client: Client,
    /// Of the tasks that are given it.
    queue: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of files that were read already.
    contents: HashMap<PathBuf, Content>,
    there: HashSet<Hash>,
}

impl Sender {
    pub fn new(client: Client, queue: String) -> Self {
        Self { client, queue, state: Mutex::default() }
    }

    /// What the values of `--input` mean, and hold.
    pub async fn prepare(&self, inputs: &[String]) -> Result<Prepared, Failure> {
        let mut prepared = Prepared::default();
        if inputs.is_empty() {
            return Ok(prepared);
        }
        let named = tokio::task::block_in_place(|| all_named(inputs))?;
        let mut state = self.state.lock().await;
        for (name, path) in named {
            let content = match state.contents.get(&path) {
                Some(content) => *content,
                None => tokio::task::block_in_place(|| content_of(&path))
                    .map_err(Failure::input(&path.display().to_string()))?,
            };
            state.contents.insert(path.clone(), content);
            let metadata = std::fs::metadata(&path);
            let metadata = metadata.map_err(Failure::input(&path.display().to_string()))?;
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let (blob, bytes) = (content.hash.to_string(), content.bytes);
            prepared.inputs.push(StagedFile { name, blob, bytes, executable });
            prepared.sources.push((content, path));
        }
        Ok(prepared)
    }

    /// Returns when the orchestrators have all of it.
    pub async fn send(&self, prepared: &Prepared) -> Result<(), Failure> {
        let mut state = self.state.lock().await;
        let mut wanted: HashMap<Hash, (Content, &PathBuf)> = HashMap::new();
        for (content, path) in &prepared.sources {
            if !state.there.contains(&content.hash) {
                wanted.insert(content.hash, (*content, path));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let client = self.client.of_queue(&self.queue).await?;
        let hashes: Vec<_> = wanted.keys().copied().collect();
        let there = client.has_blobs(&hashes).await?;
        state.there.extend(&there);
        wanted.retain(|hash, _| !there.contains(hash));
        let total = wanted.values().map(|(content, _)| content.bytes).sum();
        let sent = Arc::new(AtomicU64::new(0));
        let bar = bar(total);
        let moving = move_bar(bar.clone(), Arc::clone(&sent));
        let sending = async {
            for (hash, (content, path)) in wanted {
                let put = client.put_blob(path.clone(), content, Arc::clone(&sent)).await;
                put.map_err(|error| changed(error, path, content))?;
                state.there.insert(hash);
            }
            Ok::<(), Failure>(())
        };
        let done = tokio::select! {
            done = sending => done,
            () = moving => Ok(()),
        };
        bar.finish_and_clear();
        done
    }

    /// What was there may be there no more: the orchestrator that had it is gone.
    pub async fn forget(&self) {
        self.state.lock().await.there.clear();
    }
}

/// Why an orchestrator does not take what was sent: usually somebody has written to the file meanwhile.
fn changed(error: cliente::Error, path: &Path, content: Content) -> Failure {
    let is_refused = error.code == ErrorCode::InvalidArgument;
    let is_other = || tokio::task::block_in_place(|| content_of(path)).is_ok_and(|c| c != content);
    match is_refused && is_other() {
        true => {
            let file = path.display().to_string();
            Failure::usage(ClientMessage::Files(FilesMessage::Changed { file }))
        }
        false => error.into(),
    }
}

async fn move_bar(bar: ProgressBar, sent: Arc<AtomicU64>) {
    loop {
        tokio::time::sleep(TICK).await;
        bar.set_position(sent.load(Ordering::Relaxed));
    }
}

fn bar(total: u64) -> ProgressBar {
    if total < WORTH_A_BAR || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}");
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Each file with its name in the directory of the attempt.
fn all_named(inputs: &[String]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut all = Vec::new();
    for input in inputs {
        all.extend(named(input)?);
        if all.len() > MAX_FILES {
            return Err(Failure::usage(ClientMessage::Files(FilesMessage::TooManyFiles {
                limit: MAX_FILES as u64,
            })));
        }
    }
    let mut names = HashSet::new();
    match all.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => Err(Failure::usage(ClientMessage::Files(FilesMessage::FileTwice {
            name: name.clone(),
        }))),
        None => Ok(all),
    }
}

/// What stands before the last `=`, and behind it; with nothing behind it, all before it is the one name.
fn parts(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('=') {
        Some((first, second)) => (first, Some(second).filter(|second| !second.is_empty())),
        None => (text, None),
    }
}

/// `FILE[=NAME]`; a file whose name has a `=` is meant as it is.
fn named(input: &str) -> Result<Vec<(String, PathBuf)>, Failure> {
    let (source, name) = if Path::new(input).exists() { (input, None) } else { parts(input) };
    let none = || {
        Failure::usage(ClientMessage::Files(FilesMessage::NoSuchInput { input: source.to_owned() }))
    };
    let is_several = is_pattern(source) && !Path::new(source).exists();
    let paths: Vec<PathBuf> = match is_several {
        true => {
            let unreadable = |error: glob::GlobError| {
                let place = error.path().display().to_string();
                Failure::input(&place)(error.into())
            };
            let found = glob::glob(source).map_err(|_| none())?;
            found.map(|path| path.map_err(unreadable)).collect::<Result<_, _>>()?
        }
        false => vec![PathBuf::from(source)],
    };
    let mut files = Vec::new();
    for path in &paths {
        let base = match name {
            Some(name) if is_several => Path::new(name).join(name_of(path)),
            Some(name) => PathBuf::from(name),
            None => name_of(path),
        };
        let metadata =
            std::fs::metadata(path).map_err(Failure::input(&path.display().to_string()))?;
        if metadata.is_dir() {
            let below = found(path, "*", MAX_FILES);
            let mut below = below.map_err(Failure::input(&path.display().to_string()))?;
            linked(path, Path::new(""), &mut below)?;
            files.extend(below.into_iter().map(|file| (base.join(&file), path.join(&file))));
        } else if metadata.is_file() {
            files.push((base, path.clone()));
        } else {
            let input = path.display().to_string();
            let message = FilesMessage::NoRegularFile { input };
            return Err(Failure::usage(ClientMessage::Files(message)));
        }
    }
    if files.is_empty() {
        return Err(match Path::new(source).is_dir() {
            true => {
                let folder = source.to_owned();
                Failure::usage(ClientMessage::Files(FilesMessage::EmptyFolder { folder }))
            }
            false => none(),
        });
    }
    let checked = |(name, path): (PathBuf, PathBuf)| {
        let name = name.display().to_string();
        match relative_path(&name) {
            Ok(plain) => Ok((plain.display().to_string(), path)),
            Err(_) => Err(Failure::usage(ClientMessage::Files(FilesMessage::BadFileName { name }))),
        }
    };
    files.into_iter().map(checked).collect()
}

/// Adds the files that links in a folder lead to: the worker gets copies of them, as with a link that is named itself. One
/// that leads to a folder, or nowhere, cannot be meant.
fn linked(folder: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let here = folder.join(below);
    let shown = here.display().to_string();
    for entry in std::fs::read_dir(&here).map_err(Failure::input(&shown))? {
        let entry = entry.map_err(Failure::input(&shown))?;
        let kind = entry.file_type().map_err(Failure::input(&shown))?;
        let name = below.join(entry.file_name());
        if kind.is_dir() {
            linked(folder, &name, files)?;
        } else if kind.is_symlink() {
            match std::fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => files.push(name),
                Ok(_) | Err(_) => {
                    let link = entry.path().display().to_string();
                    let message = FilesMessage::LinkInFolder { link };
                    return Err(Failure::usage(ClientMessage::Files(message)));
                }
            }
        }
    }
    Ok(())
}

/// A relative path keeps its directories; of any other the last part is enough.
fn name_of(path: &Path) -> PathBuf {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let is_name = |part: &Component<'_>| matches!(part, Component::Normal(_));
    match path.file_name() {
        _ if path.components().all(is_plain) => path.components().filter(is_name).collect(),
        Some(name) => PathBuf::from(name),
        None => PathBuf::new(),
    }
}

/// How often what the orchestrators have lost is sent once more.
pub const RESENDS: usize = 3;

/// Submits what takes these files, and sends once more what went with an orchestrator meanwhile.
pub async fn submit_with<T, F>(
    sender: &Sender,
    prepared: &Prepared,
    mut submit: impl FnMut() -> F,
) -> Result<Result<T, cliente::Error>, Failure>
where
    F: Future<Output = Result<T, cliente::Error>>,
{
    for _ in 0..RESENDS {
        sender.send(prepared).await?;
        match submit().await {
            Err(error) if error.code == ErrorCode::BlobNotFound => sender.forget().await,
            done => return Ok(done),
        }
    }
    sender.send(prepared).await?;
    Ok(submit().await)
}

/// A value of `--output-file`: `NAME[=LOCAL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    local: Option<String>,
}

impl Output {
    /// `NAME[=FILE]`, divided before its places are filled: what fills them may have a `=`.
    pub fn read(text: &str, fill: impl Fn(&str) -> String) -> Result<Self, Failure> {
        let (name, local) = parts(text);
        let (name, local) = (fill(name), local.map(fill));
        if relative_path(&name).is_err() {
            let message = FilesMessage::BadFileName { name };
            return Err(Failure::usage(ClientMessage::Files(message)));
        }
        Ok(Self { name, local })
    }

    /// Where a file that this one stands for goes: a directory that it must not leave, and its name there. The directory
    /// is empty where the user said which file it is to be.
    fn place(&self, file: &StagedFile) -> Option<(PathBuf, PathBuf)> {
        let name = relative_path(&file.name).ok()?;
        let own = relative_path(&self.name).ok()?;
        if is_pattern(&self.name) {
            let fits = pattern_fits(&own, &name).ok()?;
            return fits.then(|| (self.directory(), name));
        }
        let rest = name.strip_prefix(&own).ok()?;
        Some(match &self.local {
            Some(local) if rest.as_os_str().is_empty() => (PathBuf::new(), PathBuf::from(local)),
            Some(_) => (self.directory(), rest.to_owned()),
            None => (self.directory(), name),
        })
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from(self.local.as_deref().unwrap_or("."))
    }
}

/// Receives the files of a result: where the outputs say, or each under its own name. Names that lead out of `into` are
/// refused, wherever they come from. Gives how many.
pub async fn receive(
    client: &Client,
    files: &[StagedFile],
    outputs: &[Output],
    into: &Path,
) -> Result<u64, Failure> {
    for file in files {
        let refused = || {
            Failure::usage(ClientMessage::Files(FilesMessage::BadFileName {
                name: file.name.clone(),
            }))
        };
        let name = relative_path(&file.name).map_err(|_| refused())?;
        let place = outputs.iter().find_map(|output| output.place(file));
        let (root, place) = match place {
            Some(place) => place,
            None if outputs.is_empty() => (into.to_owned(), name),
            None => continue,
        };
        let content = file.content().ok_or_else(refused)?;
        one(client, (content, file.executable), &root, &place).await?;
    }
    Ok(files.len() as u64)
}

async fn one(
    client: &Client,
    (content, executable): (Content, bool),
    root: &Path,
    below: &Path,
) -> Result<(), Failure> {
    let place = root.join(below);
    let shown = place.display().to_string();
    if place.is_dir() {
        let message = FilesMessage::PlaceIsFolder { place: shown };
        return Err(Failure::usage(ClientMessage::Files(message)));
    }
    let io = |error| Failure::io(shown.clone())(error);
    let parent = place.parent().filter(|dir| !dir.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if !stays_below(root, below).map_err(io)? {
        return Err(Failure::usage(ClientMessage::Files(FilesMessage::BadFileName {
            name: shown,
        })));
    }
    std::fs::create_dir_all(parent).map_err(io)?;
    let partial = parent.join(format!(".mutirao-{}.part", uuid::Uuid::new_v4()));
    let _coming = Coming::begin(partial.clone());
    match client.get_blob(content, &partial, &place).await {
        Ok(()) => {}
        Err(Unreceived::Refused(refusal)) => return Err(refusal.into()),
        Err(Unreceived::Io(error)) => return Err(io(error)),
    }
    if executable {
        std::fs::set_permissions(&place, Permissions::from_mode(0o755)).map_err(io)?;
    }
    Ok(())
}

/// What is being received, and is of use to nobody unless it comes as a whole.
static COMING: std::sync::Mutex<BTreeSet<PathBuf>> = std::sync::Mutex::new(BTreeSet::new());

fn coming() -> std::sync::MutexGuard<'static, BTreeSet<PathBuf>> {
    COMING.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Coming(PathBuf);

impl Coming {
    fn begin(partial: PathBuf) -> Self {
        coming().insert(partial.clone());
        Self(partial)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        coming().remove(&self.0);
    }
}

/// The process ends now.
pub fn remove_coming() {
    for partial in coming().iter() {
        match std::fs::remove_file(partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(path = %partial.display(), %error, "what was received in part stays");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// No directory on the way is a symbolic link.
fn stays_below(root: &Path, below: &Path) -> std::io::Result<bool> {
    let mut path = root.to_owned();
    if root.as_os_str().is_empty() {
        // Named by the user himself.
        return Ok(true);
    }
    for part in below.parent().into_iter().flat_map(Path::components) {
        path.push(part);
        match std::fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(input: &str) -> Vec<String> {
        named(input).expect("is there").into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn inputs_have_names_below_the_directory_of_the_attempt() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().display().to_string();
        std::fs::create_dir_all(dir.path().join("scene/deep")).expect("is made");
        for name in ["a.png", "b.png", "x=y", "scene/s.blend", "scene/deep/t.png"] {
            std::fs::write(dir.path().join(name), name).expect("is written");
        }
        assert_eq!(names(&format!("{root}/a.png")), ["a.png"]);
        assert_eq!(names(&format!("{root}/a.png=in/first.png")), ["in/first.png"]);
        assert_eq!(names(&format!("{root}/x=y")), ["x=y"]);
        assert_eq!(names(&format!("{root}/x=y=z")), ["z"]);
        assert_eq!(names(&format!("{root}/x=y=")), ["x=y"]);
        assert_eq!(names(&format!("{root}/*.png")), ["a.png", "b.png"]);
        assert_eq!(names(&format!("{root}/*.png=in")), ["in/a.png", "in/b.png"]);
        assert_eq!(names(&format!("{root}/scene")), ["scene/deep/t.png", "scene/s.blend"]);
        assert_eq!(name_of(Path::new("./a/b.png")), Path::new("a/b.png"));
        assert_eq!(name_of(Path::new("../a/b.png")), Path::new("b.png"));
        for wrong in ["/a.png=../b", "/a.png=/b", "/none", "/*.none"] {
            assert!(named(&format!("{root}{wrong}")).is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn outputs_go_where_they_are_told_to() {
        let file = |name: &str| StagedFile {
            name: name.into(),
            blob: String::new(),
            bytes: 0,
            executable: false,
        };
        let read = |output: &str| Output::read(output, str::to_owned);
        let place = |output: &str, name: &str| read(output).expect("is right").place(&file(name));
        let path = |root: &str, below: &str| Some((PathBuf::from(root), PathBuf::from(below)));
        assert_eq!(place("a.png", "a.png"), path(".", "a.png"));
        assert_eq!(place("a.png=/tmp/b.png", "a.png"), path("", "/tmp/b.png"));
        assert_eq!(place("a=b=/tmp/c", "a=b"), path("", "/tmp/c"));
        assert_eq!(place("a=b=", "a=b"), path(".", "a=b"));
        assert_eq!(place("out=here", "out/a.png"), path("here", "a.png"));
        assert_eq!(place("*.png=here", "a.png"), path("here", "a.png"));
        assert_eq!(place("*.png", "a.txt"), None);
        assert_eq!(place("*", "../a"), None);
        assert!(read("../a").is_err() && read("/a").is_err());
        let filled = Output::read("{}.out=to/{}", |text| text.replace("{}", "a=b"));
        let filled = filled.expect("is right");
        assert_eq!((filled.name.as_str(), filled.local.as_deref()), ("a=b.out", Some("to/a=b")));
    }
}
