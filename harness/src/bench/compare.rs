//! The ratchet: figures beside those that were recorded before, each against its machine's limits.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::figures::{Better, Figure};

/// What may be lost without a decision that says why.
const TOLERATED: f64 = 0.85;

/// One figure now and before.
#[derive(Debug, PartialEq)]
pub struct Comparison {
    pub figure: String,
    /// Above 1 is better, whichever way the figure goes; the better one of itself and by its limit, where it has one: what is
    /// as good as it was on a machine that got faster is not lost, nor what is as good as the machine.
    pub ratio: f64,
}

impl Comparison {
    pub fn is_tolerated(&self) -> bool {
        self.ratio >= TOLERATED
    }
}

/// # Errors
/// The file cannot be read, or is not what `--json` prints.
pub fn read(path: &Path) -> anyhow::Result<Vec<Figure>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {shown}"))?;
    let figures: Result<Vec<Figure>, _> = text.lines().map(serde_json::from_str).collect();
    let figures = figures.with_context(|| format!("{shown} is not what `bench --json` prints"))?;
    ensure!(!figures.is_empty(), "{shown} has no figures");
    Ok(figures)
}

/// Those that both have, but for the limits themselves: these are the machine's.
pub fn compare(before: &[Figure], now: &[Figure]) -> Vec<Comparison> {
    let before: HashMap<&str, &Figure> = before.iter().map(|f| (f.figure.as_str(), f)).collect();
    now.iter()
        .filter(|now| !now.figure.starts_with("limit_"))
        .filter_map(|now| {
            let before = before.get(now.figure.as_str())?;
            let better = |new: f64, old: f64| match now.better {
                _ if new == old => 1.0,
                Better::Higher => new / old,
                Better::Lower => old / new,
            };
            let as_it_is = better(now.median, before.median);
            let by_limit = now.ratio.zip(before.ratio).map(|(new, old)| better(new, old));
            let ratio = by_limit.map_or(as_it_is, |by_limit| by_limit.max(as_it_is));
            Some(Comparison { figure: now.figure.clone(), ratio })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_is_above_one_whichever_way_a_figure_goes() {
        let figures = |rate, wait| {
            [Figure::higher("rate", "/s", vec![rate]), Figure::lower("wait", "ms", vec![wait])]
        };
        let compared = compare(&figures(100.0, 4.0), &figures(80.0, 2.0));
        assert_eq!(compared[0], Comparison { figure: "rate".into(), ratio: 0.8 });
        assert_eq!(compared[1], Comparison { figure: "wait".into(), ratio: 2.0 });
        assert!(!compared[0].is_tolerated() && compared[1].is_tolerated());
    }

    #[test]
    fn a_slower_machine_is_no_loss() {
        let on = |machine: f64| {
            let limit = Figure::higher("limit", "/s", vec![1_000.0 * machine]);
            [Figure::higher("rate", "/s", vec![100.0 * machine]).of(&limit)]
        };
        assert_eq!(compare(&on(1.0), &on(0.5))[0].ratio, 1.0);
        let figure = |limit: f64, rate: f64| {
            [Figure::higher("rate", "/s", vec![rate]).of(&Figure::higher("l", "/s", vec![limit]))]
        };
        let faster_machine = compare(&figure(1_000.0, 100.0), &figure(2_000.0, 99.0));
        assert_eq!(faster_machine[0].ratio, 0.99);
        let lost = compare(&figure(1_000.0, 100.0), &figure(1_000.0, 80.0));
        assert!(!lost[0].is_tolerated());
    }

    #[test]
    fn nothing_is_no_worse_than_nothing() {
        let none = [Figure::lower("memory", "KiB", vec![0.0])];
        assert!(compare(&none, &none)[0].is_tolerated());
        assert!(!compare(&none, &[Figure::lower("memory", "KiB", vec![4.0])])[0].is_tolerated());
    }

    #[test]
    fn what_only_one_of_them_has_is_left_out() {
        let before = [Figure::higher("old", "/s", vec![1.0])];
        assert_eq!(compare(&before, &[Figure::higher("new", "/s", vec![1.0])]), []);
        let limit = [Figure::higher("limit_calls", "/s", vec![1.0])];
        assert_eq!(compare(&limit, &limit), []);
    }
}
