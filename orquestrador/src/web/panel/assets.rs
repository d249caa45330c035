//! The files of the panel, as they lie in `orquestrador/panel/`: written by hand, and in the binary.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        [$(($name, $kind, include_str!(concat!("../../../panel/", $name)))),*]
    };
}

const FILES: &[(&str, &str, &str)] = &files![
    "index.html": HTML,
    "icon.svg": PICTURE,
    "style.css": STYLE,
    "parts.css": STYLE,
    "main.js": SCRIPT,
    "net.js": SCRIPT,
    "dom.js": SCRIPT,
    "text.js": SCRIPT,
    "pt.js": SCRIPT,
    "en.js": SCRIPT,
    "format.js": SCRIPT,
    "figures.js": SCRIPT,
    "chart.js": SCRIPT,
    "login.js": SCRIPT,
    "overview.js": SCRIPT,
    "tasks.js": SCRIPT,
    "task.js": SCRIPT,
    "output.js": SCRIPT,
    "submit.js": SCRIPT,
    "workers.js": SCRIPT,
    "gantt.js": SCRIPT,
    "attempts.js": SCRIPT,
    "queues.js": SCRIPT,
    "history.js": SCRIPT,
];

pub async fn index() -> Response {
    found("index.html")
}

pub async fn file(Path(name): Path<String>) -> Response {
    found(&name)
}

fn found(name: &str) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        // An upgrade is seen at once: the files have no versions in their names.
        Some((_, kind, text)) => {
            ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "no-cache")], *text).into_response()
        }
        None => (StatusCode::NOT_FOUND, "/panel/\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        FILES.iter().find(|(known, ..)| *known == name).expect("is a file").2
    }

    /// The keys of a table of sentences, one for each line.
    fn keys(name: &str) -> Vec<&'static str> {
        let key = |line: &'static str| Some(line.trim().split_once(": ")?.0);
        text(name).lines().filter(|line| line.starts_with("  ")).filter_map(key).collect()
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let (pt, en) = (keys("pt.js"), keys("en.js"));
        assert!(pt.len() > 100, "{}", pt.len());
        assert_eq!(pt, en);
    }

    #[test]
    fn what_is_said_is_in_the_tables() {
        let pt = keys("pt.js");
        for (name, _, text) in FILES {
            for rest in text.split(" t('").chain(text.split("(t('")).skip(1) {
                let key = rest.split('\'').next().unwrap_or_default();
                if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                    assert!(pt.contains(&key), "{name} says {key}");
                }
            }
        }
    }

    /// What is shown may come from anybody.
    #[test]
    fn nothing_is_parsed_as_markup_or_program() {
        for (name, _, text) in FILES {
            for word in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
                assert!(!text.contains(word), "{name} contains {word}");
            }
            for outside in ["http://", "https://"] {
                let others = text.split(outside).skip(1).filter(|r| !r.starts_with("www.w3.org/"));
                assert_eq!(others.count(), 0, "{name} names an address");
            }
        }
        assert!(!text("index.html").contains("style="));
    }
}
