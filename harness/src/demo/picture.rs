//! The picture of the demo: cut into tiles, coloured, written as PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context as _;
use worker::handlers::mandelbrot::Tile;

/// The part of the plane that is shown.
const CENTER: (f64, f64) = (-0.743_643_887, 0.131_825_904);
/// Width of that part.
const SCALE: f64 = 0.006;
const MAX_ITERATIONS: u32 = 600;

/// The square tiles of a square picture, row by row.
pub fn tiles(size: u32, tile: u32) -> Vec<Tile> {
    let origins = (0..size).step_by(tile as usize);
    origins
        .clone()
        .flat_map(|y| origins.clone().map(move |x| (x, y)))
        .map(|(x, y)| Tile {
            width: size,
            height: size,
            x,
            y,
            tile_width: tile.min(size - x),
            tile_height: tile.min(size - y),
            center_re: CENTER.0,
            center_im: CENTER.1,
            scale: SCALE,
            max_iterations: MAX_ITERATIONS,
        })
        .collect()
}

/// A picture that tiles are put into.
pub struct Picture {
    size: u32,
    rgb: Vec<u8>,
}

impl Picture {
    pub fn new(size: u32) -> Self {
        Self { size, rgb: vec![0; size as usize * size as usize * 3] }
    }

    /// `counts`: little-endian `u16` iteration counts, row by row.
    ///
    /// # Errors
    /// Not as many as the tile has points.
    pub fn put(&mut self, tile: &Tile, counts: &[u8]) -> anyhow::Result<()> {
        let expected = tile.tile_width as usize * tile.tile_height as usize * 2;
        anyhow::ensure!(
            counts.len() == expected,
            "a tile has {} bytes, not {expected}",
            counts.len()
        );
        for (nth, count) in counts.chunks_exact(2).enumerate() {
            let count = u16::from_le_bytes([count[0], count[1]]);
            let column = tile.x as usize + nth % tile.tile_width as usize;
            let row = tile.y as usize + nth / tile.tile_width as usize;
            let at = (row * self.size as usize + column) * 3;
            self.rgb[at..at + 3].copy_from_slice(&colour(u32::from(count)));
        }
        Ok(())
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let file =
            File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), self.size, self.size);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.rgb)?;
        Ok(())
    }

    /// Each point the mean of `factor` × `factor` points.
    #[must_use]
    pub fn shrunk(&self, factor: u32) -> Self {
        let size = self.size / factor;
        let mut small = Self::new(size);
        let points = (factor * factor) as usize;
        for row in 0..size {
            for column in 0..size {
                for channel in 0..3usize {
                    let mut sum = 0usize;
                    for y in 0..factor {
                        for x in 0..factor {
                            let (row, column) = (row * factor + y, column * factor + x);
                            let at =
                                (row as usize * self.size as usize + column as usize) * 3 + channel;
                            sum += usize::from(self.rgb[at]);
                        }
                    }
                    let at = (row as usize * size as usize + column as usize) * 3 + channel;
                    small.rgb[at] = u8::try_from(sum / points).unwrap_or(u8::MAX);
                }
            }
        }
        small
    }
}

/// Dark blue over gold to white; points of the set are black.
fn colour(count: u32) -> [u8; 3] {
    if count >= MAX_ITERATIONS {
        return [0, 0, 0];
    }
    let t = f64::from(count) / f64::from(MAX_ITERATIONS);
    let wave = |phase: f64| {
        let angle = std::f64::consts::TAU * (2.2 * t.sqrt() + phase);
        (0.5 - 0.5 * angle.cos()) * 255.0
    };
    [wave(0.0) as u8, wave(0.92) as u8, wave(0.80) as u8]
}
