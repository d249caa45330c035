//! Figures, as a table or as JSON, one object a line.

use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Higher,
    Lower,
}

/// One figure with all its runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    pub figure: String,
    pub unit: String,
    pub better: Better,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Ascending.
    pub runs: Vec<f64>,
    /// The physical limit of the same run that it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Median of the figure by median of the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

impl Figure {
    pub fn new(figure: impl Into<String>, unit: &str, better: Better, mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let at = |place: Option<&f64>| place.copied().unwrap_or(f64::NAN);
        Self {
            figure: figure.into(),
            unit: unit.to_owned(),
            better,
            median: at(runs.get(runs.len() / 2)),
            min: at(runs.first()),
            max: at(runs.last()),
            runs,
            limit: None,
            ratio: None,
        }
    }

    pub fn higher(figure: impl Into<String>, unit: &str, runs: Vec<f64>) -> Self {
        Self::new(figure, unit, Better::Higher, runs)
    }

    pub fn lower(figure: impl Into<String>, unit: &str, runs: Vec<f64>) -> Self {
        Self::new(figure, unit, Better::Lower, runs)
    }

    /// Compares it with a limit that was measured beside it.
    #[must_use]
    pub fn of(mut self, limit: &Self) -> Self {
        self.ratio = Some(self.median / limit.median);
        self.limit = Some(limit.figure.clone());
        self
    }
}

/// Runs that belong to several figures, collected by name in the order in which the names first came.
#[derive(Default)]
pub struct Runs(Vec<(String, &'static str, Better, Vec<f64>)>);

impl Runs {
    pub fn higher(&mut self, figure: impl Into<String>, unit: &'static str, value: f64) {
        self.add(figure.into(), unit, Better::Higher, value);
    }

    pub fn lower(&mut self, figure: impl Into<String>, unit: &'static str, value: f64) {
        self.add(figure.into(), unit, Better::Lower, value);
    }

    fn add(&mut self, figure: String, unit: &'static str, better: Better, value: f64) {
        match self.0.iter_mut().find(|(known, ..)| *known == figure) {
            Some((.., runs)) => runs.push(value),
            None => self.0.push((figure, unit, better, vec![value])),
        }
    }

    pub fn figures(self) -> Vec<Figure> {
        let figure = |(name, unit, better, runs)| Figure::new(name, unit, better, runs);
        self.0.into_iter().map(figure).collect()
    }
}

/// The value below which the given share of them lies.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub fn print_header() {
    println!("{:<34} {:>12} {:>12} {:>12}  {:<9} runs", "figure", "median", "min", "max", "unit");
}

pub fn print_row(figure: &Figure) {
    let Figure { figure: name, unit, median, min, max, runs, limit, ratio, .. } = figure;
    let against = match (limit, ratio) {
        (Some(limit), Some(ratio)) => format!("  {ratio:.3} × {limit}"),
        _ => String::new(),
    };
    let runs = runs.len();
    println!("{name:<34} {median:>12.2} {min:>12.2} {max:>12.2}  {unit:<9} {runs}{against}");
}

/// # Errors
/// It is not representable: never for a finite figure.
pub fn print_json(figure: &Figure) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(figure)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_its_median_and_its_range() {
        let figure = Figure::higher("f", "x", vec![3.0, 1.0, 2.0]);
        assert_eq!((figure.median, figure.min, figure.max), (2.0, 1.0, 3.0));
        let half = figure.clone().of(&Figure::higher("limit", "x", vec![4.0]));
        assert_eq!((half.limit.as_deref(), half.ratio), (Some("limit"), Some(0.5)));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (0..=100).map(f64::from).rev().collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
