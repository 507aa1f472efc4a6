//! Anchors: the boxes around every cell of a pyramid that a detector starts from.

use crate::boxes::BBox;
use candle::{Result, bail};

/// Which anchors there are.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorConfig {
    /// For each level, fine to coarse, the sides of its square anchors in pixels.
    pub sizes: Vec<Vec<f32>>,
    /// Height over width of the anchors; each size comes in each of them, with the same area.
    pub ratios: Vec<f32>,
    /// How cells are turned into pixels.
    pub grid: Grid,
}

/// How cells are turned into pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// torchvision's: edges of the anchors are rounded to whole pixels, and cells are as far from
    /// each other as the padded picture over the map, rounded down, tells.
    Rounded,
    /// mmdetection's: no rounding, and 8 pixels from cell to cell at the finest level, twice as
    /// many at each that follows.
    Exact,
}

/// The finest level of [`Grid::Exact`] has that stride.
const FINEST_STRIDE: usize = 8;

impl AnchorConfig {
    /// Five levels of three sizes and three ratios, as torchvision has them.
    ///
    /// # Source
    /// `_default_anchorgen` in torchvision's `models/detection/retinanet.py`.
    pub fn torchvision() -> Self {
        let sizes = |side: f64| {
            [0.0, 1.0, 2.0].map(|third: f64| (side * (third / 3.0).exp2()).floor() as f32).to_vec()
        };
        let sizes = [32.0, 64.0, 128.0, 256.0, 512.0].map(sizes).to_vec();
        Self { sizes, ratios: vec![0.5, 1.0, 2.0], grid: Grid::Rounded }
    }

    /// The same sizes and ratios without any rounding.
    ///
    /// # Source
    /// `octave_base_scale=4, scales_per_octave=3` in mmdetection's RetinaNet configurations.
    pub fn mmdet() -> Self {
        let sizes = |side: f64| {
            [0.0, 1.0, 2.0].map(|third: f64| (side * (third / 3.0).exp2()) as f32).to_vec()
        };
        let sizes = [32.0, 64.0, 128.0, 256.0, 512.0].map(sizes).to_vec();
        Self { sizes, ratios: vec![0.5, 1.0, 2.0], grid: Grid::Exact }
    }

    /// Anchors per cell, the same at every level.
    ///
    /// # Errors
    /// No levels, no anchors, or more at some levels than at others.
    pub fn per_cell(&self) -> Result<usize> {
        let Some(sizes) = self.sizes.first().map(Vec::len) else { bail!("anchors: no levels") };
        if sizes == 0 || self.ratios.is_empty() {
            bail!("anchors: expected at least one size and one ratio")
        }
        if let Some(other) = self.sizes.iter().find(|other| other.len() != sizes) {
            bail!("anchors: {sizes} sizes at one level, {} at another: expected equal", other.len())
        }
        Ok(sizes * self.ratios.len())
    }

    /// The anchors of each level for a padded picture, (height, width), whose maps have the sizes
    /// `maps`.
    ///
    /// # Errors
    /// Another number of maps than of levels, or a map without cells.
    pub fn levels(
        &self,
        (height, width): (usize, usize),
        maps: &[(usize, usize)],
    ) -> Result<Vec<LevelAnchors>> {
        if maps.len() != self.sizes.len() {
            bail!("anchors for {} levels, but {} maps", self.sizes.len(), maps.len())
        }
        let level = |(i, (sizes, &(rows, columns))): (usize, (&Vec<f32>, &(usize, usize)))| {
            if rows == 0 || columns == 0 {
                bail!("anchors: a map of {rows}x{columns} cells")
            }
            let (stride_y, stride_x) = match self.grid {
                Grid::Rounded => (height / rows, width / columns),
                Grid::Exact => (FINEST_STRIDE << i.min(16), FINEST_STRIDE << i.min(16)),
            };
            Ok(LevelAnchors { base: self.base(sizes), stride: (stride_y, stride_x), rows, columns })
        };
        self.sizes.iter().zip(maps).enumerate().map(level).collect()
    }

    /// Anchors around the origin, ratio by ratio.
    fn base(&self, sizes: &[f32]) -> Vec<BBox> {
        let both = self.ratios.iter().flat_map(|&ratio| sizes.iter().map(move |&s| (ratio, s)));
        both.map(|(ratio, size)| {
            let tall = ratio.sqrt();
            let (w, h) = (1.0 / tall * size, tall * size);
            let edges = [-w / 2.0, -h / 2.0, w / 2.0, h / 2.0];
            match self.grid {
                Grid::Rounded => edges.map(f32::round_ties_even),
                Grid::Exact => edges,
            }
        })
        .collect()
    }
}

/// The anchors of one level.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelAnchors {
    base: Vec<BBox>,
    /// Pixels from row to row and from column to column.
    stride: (usize, usize),
    rows: usize,
    columns: usize,
}

impl LevelAnchors {
    /// Anchors per cell.
    pub fn per_cell(&self) -> usize {
        self.base.len()
    }

    /// Rows and columns of the map.
    pub fn cells(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Pixels from row to row and from column to column.
    pub fn stride(&self) -> (usize, usize) {
        self.stride
    }

    /// An anchor of a cell, counted row by row; `None` where there is no such anchor.
    pub fn get(&self, cell: usize, anchor: usize) -> Option<BBox> {
        let base = self.base.get(anchor)?;
        let (row, column) = (cell / self.columns, cell % self.columns);
        (row < self.rows).then(|| {
            let (x, y) = ((column * self.stride.1) as f32, (row * self.stride.0) as f32);
            [base[0] + x, base[1] + y, base[2] + x, base[3] + y]
        })
    }

    /// All anchors: row by row, cell by cell, and in each cell ratio by ratio.
    pub fn iter(&self) -> impl Iterator<Item = BBox> {
        let cells = 0..self.rows * self.columns;
        cells.flat_map(move |cell| (0..self.base.len()).filter_map(move |a| self.get(cell, a)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torchvisions_sizes_are_whole() {
        let sizes = AnchorConfig::torchvision().sizes;
        let expected = [[32., 40., 50.], [64., 80., 101.], [128., 161., 203.]];
        assert_eq!(sizes[..3], expected.map(|sizes: [f32; 3]| sizes.to_vec()));
        assert_eq!(sizes[3..], [vec![256., 322., 406.], vec![512., 645., 812.]]);
    }

    #[test]
    fn strides_are_of_the_padded_picture() -> Result<()> {
        // P7 of 160 pixels has two cells, 80 pixels from each other in torchvision, 128 in mmdet.
        let maps = [(12, 20), (6, 10), (3, 5), (2, 3), (1, 2)];
        let torchvision = AnchorConfig::torchvision().levels((96, 160), &maps)?;
        assert_eq!(torchvision[4].stride(), (96, 80));
        assert_eq!(torchvision[4].get(1, 3), Some([80.0 - 256.0, -256.0, 80.0 + 256.0, 256.0]));
        let mmdet = AnchorConfig::mmdet().levels((96, 160), &maps)?;
        assert_eq!(mmdet[4].stride(), (128, 128));
        assert_eq!(mmdet[0].get(0, 99), None);
        assert_eq!(mmdet[0].get(12 * 20, 0), None);
        assert_eq!(mmdet[0].iter().count(), 12 * 20 * 9);
        Ok(())
    }

    #[test]
    fn what_fits_no_pyramid_is_refused() {
        let config = AnchorConfig::torchvision();
        assert!(config.levels((64, 64), &[(8, 8)]).is_err());
        assert!(config.levels((64, 64), &[(0, 8); 5]).is_err());
        let uneven = AnchorConfig { sizes: vec![vec![1.0], vec![]], ..config.clone() };
        assert!(uneven.per_cell().is_err());
        assert!(AnchorConfig { ratios: vec![], ..config }.per_cell().is_err());
    }
}
