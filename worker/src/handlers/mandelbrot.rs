//! One tile of a picture of the Mandelbrot set.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Context, Failure, Handler, parse};

/// `mandelbrot`
pub struct Mandelbrot;

/// A rectangle of a picture, and the part of the plane that the whole picture shows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tile {
    /// Points of the whole picture.
    pub width: u32,
    /// Points of the whole picture.
    pub height: u32,
    /// The tile's left edge in the picture.
    pub x: u32,
    /// The tile's upper edge in the picture.
    pub y: u32,
    /// Points.
    pub tile_width: u32,
    /// Points.
    pub tile_height: u32,
    /// The middle of the picture in the plane.
    pub center_re: f64,
    /// The middle of the picture in the plane.
    pub center_im: f64,
    /// Width of the picture in the plane.
    pub scale: f64,
    /// At most 65,535.
    pub max_iterations: u32,
}

/// Points of one tile: two bytes each must fit a result.
const MAX_POINTS: u64 = 1 << 20;

impl Tile {
    fn check(&self) -> Result<(), Failure> {
        let points = u64::from(self.tile_width) * u64::from(self.tile_height);
        let sane = (1..=MAX_POINTS).contains(&points)
            && (1..=u32::from(u16::MAX)).contains(&self.max_iterations)
            && self.width > 0
            && self.height > 0
            && self.scale.is_finite()
            && self.scale > 0.0;
        if sane {
            Ok(())
        } else {
            Err(Failure::invalid_payload(format!(
                "a tile has 1 to {MAX_POINTS} points, 1 to {} iterations and a positive scale",
                u16::MAX
            )))
        }
    }
}

/// Iteration counts of the tile's points, row by row, little-endian `u16`; `max_iterations` for a point
/// that did not escape. The same on every machine: only additions, subtractions and multiplications of `f64`.
pub fn render(tile: &Tile) -> Vec<u8> {
    render_until(tile, || false).unwrap_or_default()
}

/// `None` when `stop` said so between two rows.
fn render_until(tile: &Tile, stop: impl Fn() -> bool) -> Option<Vec<u8>> {
    let step = tile.scale / f64::from(tile.width);
    let left = tile.center_re - step * f64::from(tile.width) / 2.0;
    let top = tile.center_im - step * f64::from(tile.height) / 2.0;
    let mut counts = Vec::with_capacity(tile.tile_width as usize * tile.tile_height as usize * 2);
    for row in 0..tile.tile_height {
        if stop() {
            return None;
        }
        let im = top + step * (f64::from(tile.y) + f64::from(row));
        for column in 0..tile.tile_width {
            let re = left + step * (f64::from(tile.x) + f64::from(column));
            let count = iterations(re, im, tile.max_iterations);
            counts.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
        }
    }
    Some(counts)
}

/// The escape time of z → z² + c.
fn iterations(re: f64, im: f64, max: u32) -> u32 {
    let (mut x, mut y) = (0.0f64, 0.0f64);
    for count in 0..max {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > 4.0 {
            return count;
        }
        y = 2.0 * x * y + im;
        x = xx - yy + re;
    }
    max
}

impl Handler for Mandelbrot {
    fn name(&self) -> &str {
        "mandelbrot"
    }

    fn run(
        &self,
        context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            let tile: Tile = parse(&payload)?;
            tile.check()?;
            let cancelled: CancellationToken = context.cancelled.clone();
            tokio::task::spawn_blocking(move || render_until(&tile, || cancelled.is_cancelled()))
                .await
                .map_err(|error| Failure::new("PANICKED", error.to_string()))?
                .ok_or_else(|| Failure::new("CANCELLED", "cancelled"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile() -> Tile {
        Tile {
            width: 8,
            height: 8,
            x: 0,
            y: 0,
            tile_width: 8,
            tile_height: 8,
            center_re: -0.5,
            center_im: 0.0,
            scale: 3.0,
            max_iterations: 100,
        }
    }

    #[test]
    fn the_middle_does_not_escape_and_the_corner_does() {
        let counts = render(&tile());
        let at = |x: usize, y: usize| {
            u16::from_le_bytes([counts[(y * 8 + x) * 2], counts[(y * 8 + x) * 2 + 1]])
        };
        assert_eq!(at(5, 4), 100);
        assert!(at(0, 0) < 3);
    }

    #[test]
    fn tiles_together_are_the_picture() {
        let whole = render(&tile());
        let half = |x| render(&Tile { x, tile_width: 4, ..tile() });
        let (left, right) = (half(0), half(4));
        let joined: Vec<u8> =
            left.chunks(8).zip(right.chunks(8)).flat_map(|(l, r)| [l, r].concat()).collect();
        assert_eq!(joined, whole);
    }
}
