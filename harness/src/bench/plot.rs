//! The picture of what grows: tasks by second over the queue's length and over workers.

use std::path::Path;

use anyhow::Context as _;
use plotters::prelude::*;

const SIZE: (u32, u32) = (1_350, 360);
const MARGIN: u32 = 18;

/// Measured points: how many there were, tasks by second.
#[derive(Default)]
pub struct Curves {
    pub queue: Vec<(usize, f64)>,
    pub drain: Vec<(usize, f64)>,
    pub workers: Vec<(usize, f64)>,
}

impl Curves {
    /// As SVG, side by side, the one axis logarithmic; both begin at 0 tasks by second.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn draw(&self, path: &Path) -> anyhow::Result<()> {
        self.try_draw(path).with_context(|| format!("failed to draw {}", path.display()))
    }

    fn try_draw(&self, path: &Path) -> anyhow::Result<()> {
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let curves = [
            ("tasks/s, by tasks queued beside them", &self.queue),
            ("drain in tasks/s, by length of the queue", &self.drain),
            ("tasks/s, by workers", &self.workers),
        ];
        for (area, (title, points)) in root.split_evenly((1, curves.len())).iter().zip(curves) {
            let most = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
            let last = points.iter().map(|(count, _)| *count).max().unwrap_or(10);
            let first = points.iter().map(|(count, _)| *count).min().unwrap_or(1);
            let mut chart = ChartBuilder::on(area)
                .caption(title, ("sans-serif", 17))
                .margin(MARGIN)
                .x_label_area_size(30)
                .y_label_area_size(60)
                .build_cartesian_2d(
                    (first as f64..last as f64 * 1.2).log_scale(),
                    0.0..most * 1.15,
                )?;
            chart.configure_mesh().x_label_formatter(&|x| format!("{x:.0}")).draw()?;
            let marks = points.iter().map(|(count, rate)| {
                Circle::new((*count as f64, *rate), 3, BLUE.mix(0.6).filled())
            });
            chart.draw_series(marks)?;
            chart.draw_series(LineSeries::new(medians(points), BLUE.stroke_width(2)))?;
        }
        root.present()?;
        Ok(())
    }
}

/// One point for each count, ascending.
fn medians(points: &[(usize, f64)]) -> Vec<(f64, f64)> {
    let mut by_count = std::collections::BTreeMap::<usize, Vec<f64>>::new();
    for (count, rate) in points {
        by_count.entry(*count).or_default().push(*rate);
    }
    let median = |rates: &[f64]| super::figures::percentile(rates, 0.5);
    by_count.into_iter().map(|(count, rates)| (count as f64, median(&rates))).collect()
}
