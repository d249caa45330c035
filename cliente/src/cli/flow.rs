//! Tasks of a file and the order among them. Pure: what the file says, checked before anything is submitted.

use std::collections::{BTreeMap, BTreeSet};

use common::messages::flow::FlowProblem;
use serde::Deserialize;

use super::alike::nearest;
use super::taken;

/// Sections of a file, and the name that it may have.
const SECTIONS: [&str; 3] = ["group", "defaults", "tasks"];

/// Those of a task, and those of the defaults.
const FIELDS: [&str; 32] = [
    "command",
    "shell",
    "env",
    "stdin",
    "handler",
    "payload",
    "array",
    "inputs",
    "inputs_from",
    "outputs",
    "after",
    "after_any_end",
    "delay",
    "not_before",
    "cwd",
    "own_dir",
    "memory_limit",
    "queue",
    "priority",
    "delivery",
    "retries",
    "retry_delay",
    "retry_max_delay",
    "retry_on",
    "max_lost_attempts",
    "attempt_timeout",
    "expires",
    "deadline",
    "slots",
    "labels",
    "resources",
    "webhook",
];
/// What is wrong outside the sections is wrong here.
const FILE: &str = "";

/// A task, as it is written.
#[derive(Clone, Debug, Deserialize)]
pub struct Written {
    /// A program with its arguments.
    pub command: Option<Vec<String>>,
    /// A line for `sh -c`.
    pub shell: Option<String>,
    /// What is in its environment besides that of the worker.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its standard input.
    #[serde(default)]
    pub stdin: String,
    /// Another handler than `command`, and what it is given.
    pub handler: Option<String>,
    /// Text for it.
    pub payload: Option<String>,
    /// Numbers, `0-999`: it stands for so many tasks.
    pub array: Option<String>,
    /// Files that its program takes with it.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Files that other tasks leave and it takes: `NAME[:FILES][=INTO]`.
    #[serde(default)]
    pub inputs_from: Vec<String>,
    /// Files of it that are kept.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The names of the tasks that it comes after.
    #[serde(default)]
    pub after: Vec<String>,
    /// Once they have ended, however.
    #[serde(default)]
    pub after_any_end: bool,
    /// When it may begin, where it comes after none.
    pub delay: Option<String>,
    pub not_before: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub common: Common,
}

impl Written {
    /// The names of all that it comes after: of those whose files it takes, too.
    pub fn comes_after(&self, is_name: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let sources = self.inputs_from.iter().map(move |from| taken::source(from, &is_name));
        self.after.iter().map(String::as_str).chain(sources)
    }
}

/// What tasks may have in common; the words of the command line.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Common {
    /// Where programs run.
    pub cwd: Option<String>,
    pub own_dir: Option<bool>,
    pub memory_limit: Option<String>,
    pub queue: Option<String>,
    pub priority: Option<i8>,
    pub delivery: Option<String>,
    pub retries: Option<u32>,
    pub retry_delay: Option<String>,
    pub retry_max_delay: Option<String>,
    pub retry_on: Option<Vec<String>>,
    pub max_lost_attempts: Option<u32>,
    pub attempt_timeout: Option<String>,
    pub expires: Option<String>,
    pub deadline: Option<String>,
    pub slots: Option<u32>,
    pub labels: Option<BTreeMap<String, String>>,
    pub resources: Option<BTreeMap<String, u64>>,
    pub webhook: Option<String>,
    /// What nobody knows.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, toml::Value>,
}

impl Common {
    /// These, and the others where they say nothing.
    fn or(self, other: &Self) -> Self {
        // A place is one of the two: who names the one does not have the other from elsewhere.
        let of_cwd = self.cwd.as_ref().map(|_| false);
        let cwd = self.cwd.or_else(|| other.cwd.clone().filter(|_| self.own_dir != Some(true)));
        Self {
            cwd,
            own_dir: self.own_dir.or(of_cwd).or(other.own_dir),
            memory_limit: self.memory_limit.or_else(|| other.memory_limit.clone()),
            queue: self.queue.or_else(|| other.queue.clone()),
            priority: self.priority.or(other.priority),
            delivery: self.delivery.or_else(|| other.delivery.clone()),
            retries: self.retries.or(other.retries),
            retry_delay: self.retry_delay.or_else(|| other.retry_delay.clone()),
            retry_max_delay: self.retry_max_delay.or_else(|| other.retry_max_delay.clone()),
            retry_on: self.retry_on.or_else(|| other.retry_on.clone()),
            max_lost_attempts: self.max_lost_attempts.or(other.max_lost_attempts),
            attempt_timeout: self.attempt_timeout.or_else(|| other.attempt_timeout.clone()),
            expires: self.expires.or_else(|| other.expires.clone()),
            deadline: self.deadline.or_else(|| other.deadline.clone()),
            slots: self.slots.or(other.slots),
            labels: self.labels.or_else(|| other.labels.clone()),
            resources: self.resources.or_else(|| other.resources.clone()),
            webhook: self.webhook.or_else(|| other.webhook.clone()),
            unknown: self.unknown,
        }
    }
}

/// A file that can be submitted.
#[derive(Debug)]
pub struct Flow {
    pub group: Option<String>,
    /// By name, each after all that it comes after.
    pub tasks: Vec<(String, Written)>,
}

///
/// # Errors
/// What is wrong with it, the first thing that is found.
pub fn read(text: &str) -> Result<Flow, FlowProblem> {
    let mut file: toml::Table = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
    if let Some(name) = file.keys().find(|name| !SECTIONS.contains(&name.as_str())) {
        let meant = nearest(name, SECTIONS);
        return Err(FlowProblem::UnknownSection { name: name.clone(), meant });
    }
    let group = file.remove("group").map(|value| typed(FILE, "group", value)).transpose()?;
    let defaults: Common = match file.remove("defaults") {
        Some(value) => section("defaults", value)?,
        None => Common::default(),
    };
    if let Some(field) = defaults.unknown.keys().next() {
        return Err(unknown_field("defaults", field));
    }
    contradiction("defaults", &defaults)?;
    let all = match file.remove("tasks") {
        Some(value) => typed(FILE, "tasks", value)?,
        None => toml::Table::new(),
    };
    let mut tasks = Vec::new();
    for (name, value) in all {
        let written: Written = section(&name, value)?;
        if let Some(field) = written.common.unknown.keys().next() {
            return Err(unknown_field(&name, field));
        }
        let works = [
            written.command.as_ref().is_some_and(|argv| !argv.is_empty()),
            written.shell.is_some(),
            written.handler.is_some(),
        ];
        if works.into_iter().filter(|is_given| *is_given).count() != 1 {
            return Err(FlowProblem::WorkNotClear { task: name });
        }
        contradiction(&name, &written.common)?;
        let starts = [
            (!written.after.is_empty(), "after"),
            (!written.inputs_from.is_empty() && written.after.is_empty(), "inputs_from"),
            (written.delay.is_some(), "delay"),
            (written.not_before.is_some(), "not_before"),
        ];
        let mut starts =
            starts.into_iter().filter_map(|(is_given, field)| is_given.then_some(field));
        if let (Some(one), Some(other)) = (starts.next(), starts.next()) {
            return Err(FlowProblem::Contradiction { task: name, fields: [one, other] });
        }
        let common = written.common.clone().or(&defaults);
        if let Some(field) = useless(&written, &common) {
            return Err(FlowProblem::Useless { task: name, field });
        }
        tasks.push((name, Written { common, ..written }));
    }
    if tasks.is_empty() {
        return Err(FlowProblem::Empty);
    }
    Ok(Flow { group, tasks: in_order(tasks)? })
}

fn unreadable(text: &str, error: &toml::de::Error) -> FlowProblem {
    let at = error.span().and_then(|span| text.get(..span.start)).map(|before| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    });
    FlowProblem::Unreadable { at, why: error.message().to_owned() }
}

/// A section whose fields are of the types that they should be. Which of them is not, the parser does not tell of one
/// that has fields in common with others: each is tried alone.
fn section<T: serde::de::DeserializeOwned>(
    name: &str,
    value: toml::Value,
) -> Result<T, FlowProblem> {
    let fields: toml::Table = typed(FILE, name, value)?;
    let whole = fields.clone().try_into::<T>();
    whole.map_err(|error| {
        let is_bad = |(field, value): &(&String, &toml::Value)| {
            let alone = toml::Table::from_iter([((*field).clone(), (*value).clone())]);
            alone.try_into::<T>().is_err()
        };
        match fields.iter().find(is_bad) {
            Some((field, value)) => FlowProblem::BadType {
                task: name.to_owned(),
                field: field.clone(),
                value: shown(value),
            },
            None => {
                FlowProblem::Unreadable { at: None, why: format!("{name}: {}", error.message()) }
            }
        }
    })
}

fn typed<T: serde::de::DeserializeOwned>(
    section: &str,
    field: &str,
    value: toml::Value,
) -> Result<T, FlowProblem> {
    let shown = shown(&value);
    value.try_into().map_err(|_| FlowProblem::BadType {
        task: section.to_owned(),
        field: field.to_owned(),
        value: shown,
    })
}

/// As JSON, which is nearly as it is written.
fn shown(value: &toml::Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| value.type_str().to_owned())
}

fn unknown_field(task: &str, field: &str) -> FlowProblem {
    let meant = nearest(field, FIELDS.into_iter().filter(|known| *known != field));
    FlowProblem::UnknownField { task: task.to_owned(), field: field.to_owned(), meant }
}

/// Fields that cannot both be meant.
fn contradiction(task: &str, common: &Common) -> Result<(), FlowProblem> {
    match common.cwd.is_some() && common.own_dir == Some(true) {
        true => {
            Err(FlowProblem::Contradiction { task: task.to_owned(), fields: ["cwd", "own_dir"] })
        }
        false => Ok(()),
    }
}

/// A field that would change nothing.
fn useless(task: &Written, common: &Common) -> Option<&'static str> {
    let is_program = task.handler.is_none();
    let retries = common.retries.unwrap_or_default() > 0;
    [
        (!is_program && task.common.cwd.is_some(), "cwd"),
        (!is_program && task.common.own_dir.is_some(), "own_dir"),
        (!is_program && task.common.memory_limit.is_some(), "memory_limit"),
        (!is_program && !task.env.is_empty(), "env"),
        (!is_program && !task.stdin.is_empty(), "stdin"),
        (!is_program && !task.inputs.is_empty(), "inputs"),
        (!is_program && !task.inputs_from.is_empty(), "inputs_from"),
        (!is_program && !task.outputs.is_empty(), "outputs"),
        (is_program && task.payload.is_some(), "payload"),
        (task.comes_after(|_| false).next().is_none() && task.after_any_end, "after_any_end"),
        (!retries && task.common.retry_delay.is_some(), "retry_delay"),
        (!retries && task.common.retry_max_delay.is_some(), "retry_max_delay"),
        (!retries && task.common.retry_on.is_some(), "retry_on"),
    ]
    .into_iter()
    .find_map(|(is_useless, field)| is_useless.then_some(field))
}

/// Each behind what it comes after, otherwise in the order of the file.
fn in_order(tasks: Vec<(String, Written)>) -> Result<Vec<(String, Written)>, FlowProblem> {
    let names: BTreeMap<&str, usize> =
        tasks.iter().enumerate().map(|(nth, (name, _))| (name.as_str(), nth)).collect();
    let mut after = Vec::new();
    for (name, task) in &tasks {
        let others = task.comes_after(|name| names.contains_key(name)).map(|other| {
            let unknown =
                || FlowProblem::UnknownTask { task: name.clone(), other: other.to_owned() };
            names.get(other).copied().ok_or_else(unknown)
        });
        after.push(others.collect::<Result<BTreeSet<_>, _>>()?);
    }
    let mut search =
        Search { after: &after, order: Vec::new(), done: BTreeSet::new(), path: vec![] };
    for nth in 0..tasks.len() {
        if let Err(cycle) = search.visit(nth) {
            let names: Vec<_> = cycle.iter().map(|nth| tasks[*nth].0.as_str()).collect();
            return Err(FlowProblem::Cycle { names: names.join(" → ") });
        }
    }
    let order = search.order;
    let mut tasks: Vec<_> = tasks.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|nth| tasks[nth].take()).collect())
}

/// Depth first; whoever is met again on its own path is in a cycle.
struct Search<'a> {
    after: &'a [BTreeSet<usize>],
    order: Vec<usize>,
    done: BTreeSet<usize>,
    path: Vec<usize>,
}

impl Search<'_> {
    /// The cycle that it found, its first element again at its end. Without recursion: a file may be one long chain.
    fn visit(&mut self, first: usize) -> Result<(), Vec<usize>> {
        let mut open = vec![(first, false)];
        while let Some((nth, is_behind)) = open.pop() {
            if is_behind {
                self.path.pop();
                self.done.insert(nth);
                self.order.push(nth);
                continue;
            }
            if let Some(place) = self.path.iter().position(|other| *other == nth) {
                let mut cycle = self.path[place..].to_vec();
                cycle.push(nth);
                return Err(cycle);
            }
            if self.done.contains(&nth) {
                continue;
            }
            self.path.push(nth);
            open.push((nth, true));
            open.extend(self.after[nth].iter().rev().map(|other| (*other, false)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, FlowProblem> {
        read(text).map(|flow| flow.tasks.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn each_comes_behind_what_it_comes_after_otherwise_as_in_the_file() {
        let text = r#"
            [tasks.z]
            shell = "z"
            after = ["a", "m"]
            [tasks.m]
            command = ["m"]
            [tasks.a]
            handler = "echo"
            after = ["m"]
            [tasks.b]
            shell = "b"
        "#;
        assert_eq!(names(text).expect("is right"), ["m", "a", "z", "b"]);
    }

    #[test]
    fn a_cycle_is_named() {
        let text = r#"
            [tasks]
            a = { shell = "x", after = ["b"] }
            b = { shell = "x", after = ["c"] }
            c = { shell = "x", after = ["d", "b"] }
            d = { shell = "x" }
        "#;
        let cycle = ["b", "c", "b"];
        assert_eq!(names(text), Err(FlowProblem::Cycle { names: cycle.join(" → ") }));
        let own = names("tasks.a = { shell = \"x\", after = [\"a\"] }");
        assert_eq!(own, Err(FlowProblem::Cycle { names: "a → a".into() }));
    }

    #[test]
    fn a_long_chain_and_a_wide_fan_are_no_trouble() {
        let chain: String = (1..5_000)
            .map(|n| format!("[tasks.t{n}]\nshell = \"x\"\nafter = [\"t{}\"]\n", n - 1))
            .collect();
        let all = names(&format!("[tasks.t0]\nshell = \"x\"\n{chain}")).expect("is right");
        assert_eq!((all.len(), all[4_999].as_str()), (5_000, "t4999"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problem = |text: &str| names(text).expect_err("is wrong");
        for empty in ["", "# nothing", "[tasks]", "group = \"g\""] {
            assert_eq!(problem(empty), FlowProblem::Empty);
        }
        let (task, other) = ("a".to_owned(), "b".to_owned());
        assert_eq!(
            problem("[tasks.a]\nshell = \"x\"\nafter = [\"b\"]"),
            FlowProblem::UnknownTask { task: task.clone(), other }
        );
        for (field, meant) in
            [("retrys", Some("retries")), ("comand", Some("command")), ("zzz", None)]
        {
            let text = format!("[tasks.a]\nshell = \"x\"\n{field} = 1");
            let (task, field) = (task.clone(), field.to_owned());
            assert_eq!(problem(&text), FlowProblem::UnknownField { task, field, meant });
        }
        assert_eq!(
            problem("[defaults]\nretrys = 1\n[tasks.a]\nshell = \"x\""),
            FlowProblem::UnknownField {
                task: "defaults".into(),
                field: "retrys".to_owned(),
                meant: Some("retries")
            }
        );
        for work in ["", "shell = \"x\"\ncommand = [\"y\"]", "command = []"] {
            let text = format!("[tasks.a]\n{work}");
            assert_eq!(problem(&text), FlowProblem::WorkNotClear { task: task.clone() }, "{work}");
        }
        for (text, field) in [
            ("handler = \"echo\"\ncwd = \"/\"", "cwd"),
            ("handler = \"echo\"\nown_dir = false", "own_dir"),
            ("handler = \"echo\"\nmemory_limit = \"1GiB\"", "memory_limit"),
            ("shell = \"x\"\npayload = \"y\"", "payload"),
            ("shell = \"x\"\nafter_any_end = true", "after_any_end"),
            ("shell = \"x\"\nretry_delay = \"1s\"", "retry_delay"),
        ] {
            let text = format!("[tasks.a]\n{text}");
            assert_eq!(
                problem(&text),
                FlowProblem::Useless { task: task.clone(), field },
                "{text}"
            );
        }
        let both = "cwd = \"/\"\nown_dir = true";
        let fields = ["cwd", "own_dir"];
        let of = |task: &str| FlowProblem::Contradiction { task: task.to_owned(), fields };
        assert_eq!(problem(&format!("[tasks.a]\nshell = \"x\"\n{both}")), of("a"));
        let fields = ["after", "delay"];
        assert_eq!(
            problem(
                "[tasks.b]\nshell = \"x\"\n[tasks.a]\nshell = \"x\"\nafter = [\"b\"]\ndelay = \"1s\""
            ),
            FlowProblem::Contradiction { task: task.clone(), fields }
        );
        let defaults = format!("[defaults]\n{both}\n[tasks.a]\nshell = \"x\"");
        assert_eq!(problem(&defaults), of("defaults"));
        let bad = |task: &str, field: &str, value: &str| {
            let (task, field, value) = (task.to_owned(), field.to_owned(), value.to_owned());
            FlowProblem::BadType { task, field, value }
        };
        assert_eq!(problem("[tasks.a]\nshell = 1"), bad("a", "shell", "1"));
        assert_eq!(problem("[tasks.a]\nshell = \"x\"\nafter = \"b\""), bad("a", "after", "\"b\""));
        assert_eq!(problem("[defaults]\npriority = 200"), bad("defaults", "priority", "200"));
        assert_eq!(problem("tasks = 1"), bad(FILE, "tasks", "1"));
        let section =
            |name: &str, meant| FlowProblem::UnknownSection { name: name.to_owned(), meant };
        assert_eq!(problem("[other]"), section("other", None));
        assert_eq!(problem("[[task]]\nshell = \"x\""), section("task", Some("tasks")));
        let FlowProblem::Unreadable { at, .. } = problem("[tasks.a]\nshell = [") else {
            panic!("it is not TOML");
        };
        assert_eq!(at, Some((2, 10)));
    }

    #[test]
    fn the_fields_that_may_be_meant_are_there() {
        for field in FIELDS {
            let text = format!("[tasks.a]\nshell = \"x\"\n{field} = 1");
            let is_unknown = matches!(names(&text), Err(FlowProblem::UnknownField { .. }));
            assert!(!is_unknown, "{field}");
        }
    }

    #[test]
    fn a_place_of_the_task_goes_before_that_of_the_defaults() {
        let place = |defaults: &str, task: &str| {
            let text = format!("[defaults]\n{defaults}\n[tasks.a]\nshell = \"x\"\n{task}");
            let common = read(&text).expect("is right").tasks.remove(0).1.common;
            (common.cwd, common.own_dir)
        };
        let (cwd, own_dir) = ("cwd = \"/\"", "own_dir = true");
        assert_eq!(place(cwd, ""), (Some("/".into()), None));
        assert_eq!(place(cwd, own_dir), (None, Some(true)));
        assert_eq!(place(cwd, "own_dir = false"), (Some("/".into()), Some(false)));
        assert_eq!(place(own_dir, ""), (None, Some(true)));
        assert_eq!(place(own_dir, cwd), (Some("/".into()), Some(false)));
        assert_eq!(place(own_dir, "own_dir = false"), (None, Some(false)));
    }

    #[test]
    fn a_task_has_the_defaults_that_it_does_not_change() {
        let text = r#"
            [defaults]
            queue = "q"
            retries = 3
            [tasks.a]
            shell = "x"
            retries = 0
        "#;
        let (_, task) = read(text).expect("is right").tasks.remove(0);
        assert_eq!((task.common.queue.as_deref(), task.common.retries), (Some("q"), Some(0)));
    }
}
