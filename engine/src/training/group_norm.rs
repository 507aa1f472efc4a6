//! Group normalisation and its gradients.
//!
//! # Source
//! Group Normalization (arXiv 1803.08494), equations 1 to 7; PyTorch's `GroupNorm`.

use rayon::prelude::*;

use super::map::MapShape;
use super::pass::Normalized;

/// A group normalisation of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupNorm {
    pub(super) shape: MapShape,
    pub(super) groups: usize,
    pub(super) epsilon: f32,
}

impl GroupNorm {
    /// Values of a group in a picture.
    fn values(&self) -> f64 {
        (self.shape.picture_len() / self.groups.max(1)) as f64
    }

    /// Sums over the pixels of a picture for each group, of what `of` makes of a channel's value.
    fn sums(&self, x: &[f32], of: impl Fn(usize, usize, f32) -> f64) -> Vec<f64> {
        let channels = self.shape.channels;
        let each = channels / self.groups;
        let mut sums = vec![0f64; self.groups];
        for (pixel, x) in x.chunks_exact(channels).enumerate() {
            for (channel, x) in x.iter().enumerate() {
                sums[channel / each] += of(pixel, channel, *x);
            }
        }
        sums
    }

    /// Mean and inverse deviation are kept for each group of each picture.
    pub(super) fn forward(
        &self,
        x: &[f32],
        (scale, shift): (&[f32], &[f32]),
        y: &mut [f32],
    ) -> Normalized {
        let (len, channels) = (self.shape.picture_len(), self.shape.channels);
        let each = channels / self.groups;
        let n = self.values();
        let pictures: Vec<(Vec<f32>, Vec<f32>)> = (y.par_chunks_mut(len).zip(x.par_chunks(len)))
            .map(|(y, x)| {
                let means: Vec<f64> =
                    self.sums(x, |_, _, x| f64::from(x)).iter().map(|sum| sum / n).collect();
                let squares = self.sums(x, |_, channel, x| {
                    let d = f64::from(x) - means[channel / each];
                    d * d
                });
                let inv_std = |sum: &f64| (sum / n + f64::from(self.epsilon)).sqrt().recip() as f32;
                let inv_std: Vec<f32> = squares.iter().map(inv_std).collect();
                let means: Vec<f32> = means.iter().map(|mean| *mean as f32).collect();
                for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    for (channel, (y, x)) in y.iter_mut().zip(x).enumerate() {
                        let group = channel / each;
                        let normal = (x - means[group]) * inv_std[group];
                        *y = normal * scale[channel] + shift[channel];
                    }
                }
                (means, inv_std)
            })
            .collect();
        let (mean, inv_std): (Vec<_>, Vec<_>) = pictures.into_iter().unzip();
        Normalized { mean: mean.concat(), inv_std: inv_std.concat() }
    }

    /// Turns the gradient of the output into that of the input, and gives those of scale and shift.
    pub(super) fn backward(
        &self,
        x: &[f32],
        kept: &Normalized,
        scale: &[f32],
        gradient: &mut [f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let (len, channels) = (self.shape.picture_len(), self.shape.channels);
        let each = channels / self.groups;
        let n = self.values();
        let statistics =
            kept.mean.par_chunks(self.groups).zip(kept.inv_std.par_chunks(self.groups));
        let pictures = gradient.par_chunks_mut(len).zip(x.par_chunks(len)).zip(statistics);
        let of_pictures: Vec<(Vec<f64>, Vec<f64>)> = pictures
            .map(|((gradient, x), (mean, inv_std))| {
                let normal =
                    |channel: usize, x: f32| (x - mean[channel / each]) * inv_std[channel / each];
                let (mut ds, mut db) = (vec![0f64; channels], vec![0f64; channels]);
                for (dy, x) in gradient.chunks_exact(channels).zip(x.chunks_exact(channels)) {
                    for (channel, (dy, x)) in dy.iter().zip(x).enumerate() {
                        ds[channel] += f64::from(dy * normal(channel, *x));
                        db[channel] += f64::from(*dy);
                    }
                }
                let of_group = |sums: &[f64]| -> Vec<f32> {
                    let groups = sums.chunks_exact(each).zip(scale.chunks_exact(each));
                    let sum = |(sums, scale): (&[f64], &[f32])| -> f32 {
                        let products = sums.iter().zip(scale).map(|(s, by)| s * f64::from(*by));
                        (products.sum::<f64>() / n) as f32
                    };
                    groups.map(sum).collect()
                };
                let (by_normal, constant) = (of_group(&ds), of_group(&db));
                for (dy, x) in gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    for (channel, (dy, x)) in dy.iter_mut().zip(x).enumerate() {
                        let group = channel / each;
                        let rest = constant[group] + normal(channel, *x) * by_normal[group];
                        *dy = inv_std[group] * (scale[channel] * *dy - rest);
                    }
                }
                (ds, db)
            })
            .collect();
        let (mut ds, mut db) = (vec![0f64; channels], vec![0f64; channels]);
        for (s, b) in of_pictures {
            for ((ds, db), (s, b)) in ds.iter_mut().zip(&mut db).zip(s.iter().zip(&b)) {
                (*ds, *db) = (*ds + s, *db + b);
            }
        }
        let narrow = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
        (narrow(ds), narrow(db))
    }
}
