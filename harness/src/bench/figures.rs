//! Figures as a table or as JSON.

use serde_json::json;

/// One figure with all its runs.
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    runs: Vec<f64>,
}

impl Figure {
    pub fn new(name: &'static str, unit: &'static str, mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        Self { name, unit, runs }
    }

    /// Of its runs.
    pub fn median(&self) -> f64 {
        self.runs.get(self.runs.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn range(&self) -> (f64, f64) {
        let first = self.runs.first().copied().unwrap_or(f64::NAN);
        (first, self.runs.last().copied().unwrap_or(f64::NAN))
    }
}

pub fn print_table(figures: &[Figure]) {
    println!("{:<17} {:>12} {:>12} {:>12}  {:<8} runs", "figure", "median", "min", "max", "unit");
    for figure in figures {
        let (min, max) = figure.range();
        let (name, unit, runs) = (figure.name, figure.unit, figure.runs.len());
        println!("{name:<17} {:>12.2} {min:>12.2} {max:>12.2}  {unit:<8} {runs}", figure.median());
    }
}

pub fn print_json(figures: &[Figure]) {
    for figure in figures {
        let (min, max) = figure.range();
        println!(
            "{}",
            json!({
                "figure": figure.name, "unit": figure.unit, "median": figure.median(), "min": min, "max": max,
                "runs": figure.runs,
            })
        );
    }
}
