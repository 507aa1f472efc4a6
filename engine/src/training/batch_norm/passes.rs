//! What a batch-norm does with all pixels: sums, and what is made of each of them.
//!
//! Up to four vectors of channels at a time go over the pixels, so that sums and factors of
//! channels stay in registers. Products and sums are rounded one by one, on every instruction set.

use crate::isa::{Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};

/// Vectors that go over the pixels together.
const GROUP: usize = 4;

/// Calls `$tile` of `$op` for groups of vectors of `$channels`: with their first channel and how
/// many channels the last of them has.
macro_rules! each_group {
    ($isa:ident: $I:ident, $channels:expr, $op:ident.$tile:ident) => {
        let mut channel = 0;
        while channel < $channels {
            let left = $channels - channel;
            let vectors = left.div_ceil($I::LANES).min(GROUP);
            let lanes = left.min(vectors * $I::LANES) - (vectors - 1) * $I::LANES;
            match vectors {
                1 => $op.$tile::<$I, 1>($isa, channel, lanes),
                2 => $op.$tile::<$I, 2>($isa, channel, lanes),
                3 => $op.$tile::<$I, 3>($isa, channel, lanes),
                _ => $op.$tile::<$I, GROUP>($isa, channel, lanes),
            }
            channel += vectors * $I::LANES;
        }
    };
}

/// `N` vectors from a slice, of the last only some lanes.
#[inline(always)]
fn vectors<I: Isa, const N: usize>(isa: I, from: &[f32], lanes: usize) -> [I::F32; N] {
    assert!(from.len() >= (N - 1) * I::LANES + lanes);
    let mut vectors = [isa.splat(0.0); N];
    for (z, vector) in vectors.iter_mut().enumerate() {
        let lanes = if z + 1 == N { lanes } else { I::LANES };
        // SAFETY: the slice has these elements.
        *vector = unsafe { load_lanes(isa, from.as_ptr().add(z * I::LANES), lanes) };
    }
    vectors
}

/// Adds vectors to a slice, of the last only some lanes.
#[inline(always)]
fn add_vectors<I: Isa, const N: usize>(isa: I, sums: [I::F32; N], lanes: usize, to: &mut [f32]) {
    let before = vectors::<I, N>(isa, to, lanes);
    for (z, (sum, before)) in sums.iter().zip(before).enumerate() {
        let lanes = if z + 1 == N { lanes } else { I::LANES };
        // SAFETY: the slice has these elements, which `vectors` has checked.
        unsafe {
            store_lanes(isa, to.as_mut_ptr().add(z * I::LANES), isa.add(before, *sum), lanes)
        };
    }
}

/// Adds first and second powers around an origin.
pub(super) struct Powers<'a> {
    pub(super) x: &'a [f32],
    pub(super) origin: &'a [f32],
    pub(super) sums: &'a mut [f32],
}

impl Op for Powers<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let channels = self.origin.len();
        each_group!(isa: I, channels, self.tile);
    }
}

impl Powers<'_> {
    #[inline(always)]
    fn tile<I: Isa, const N: usize>(&mut self, isa: I, channel: usize, lanes: usize) {
        let channels = self.origin.len();
        let origin = vectors::<I, N>(isa, &self.origin[channel..], lanes);
        let (mut first, mut second) = ([isa.splat(0.0); N], [isa.splat(0.0); N]);
        for x in self.x.chunks_exact(channels) {
            let x = vectors::<I, N>(isa, &x[channel..], lanes);
            for z in 0..N {
                let d = isa.sub(x[z], origin[z]);
                first[z] = isa.add(first[z], d);
                second[z] = isa.add(second[z], isa.mul(d, d));
            }
        }
        let (firsts, seconds) = self.sums.split_at_mut(channels);
        add_vectors(isa, first, lanes, &mut firsts[channel..]);
        add_vectors(isa, second, lanes, &mut seconds[channel..]);
    }
}

/// `y = x · scale + shift`, cut off at 0 where `relu`.
pub(super) struct Affine<'a> {
    pub(super) x: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) relu: bool,
    pub(super) y: &'a mut [f32],
}

impl Op for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let channels = self.scale.len();
        each_group!(isa: I, channels, self.tile);
    }
}

impl Affine<'_> {
    #[inline(always)]
    fn tile<I: Isa, const N: usize>(&mut self, isa: I, channel: usize, lanes: usize) {
        let channels = self.scale.len();
        let scale = vectors::<I, N>(isa, &self.scale[channel..], lanes);
        let shift = vectors::<I, N>(isa, &self.shift[channel..], lanes);
        let least = isa.splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        for (y, x) in self.y.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
            let x = vectors::<I, N>(isa, &x[channel..], lanes);
            let mut made = [isa.splat(0.0); N];
            for z in 0..N {
                // In this order what is no number stays so, except on WebAssembly.
                let value = isa.add(isa.mul(x[z], scale[z]), shift[z]);
                made[z] = isa.max(least, value);
            }
            write(isa, made, lanes, &mut y[channel..]);
        }
    }
}

/// Writes vectors to a slice, of the last only some lanes.
#[inline(always)]
fn write<I: Isa, const N: usize>(isa: I, values: [I::F32; N], lanes: usize, to: &mut [f32]) {
    assert!(to.len() >= (N - 1) * I::LANES + lanes);
    for (z, value) in values.iter().enumerate() {
        let lanes = if z + 1 == N { lanes } else { I::LANES };
        // SAFETY: the slice has these elements.
        unsafe { store_lanes(isa, to.as_mut_ptr().add(z * I::LANES), *value, lanes) };
    }
}

/// Adds `Σ dy` and `Σ dy · (x - mean)`.
pub(super) struct Products<'a> {
    pub(super) x: &'a [f32],
    /// The output, where it was cut off at 0: there nothing of the gradient comes through.
    pub(super) y: Option<&'a [f32]>,
    pub(super) gradient: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) sums: &'a mut [f32],
}

impl Op for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let channels = self.mean.len();
        each_group!(isa: I, channels, self.tile);
    }
}

impl Products<'_> {
    #[inline(always)]
    fn tile<I: Isa, const N: usize>(&mut self, isa: I, channel: usize, lanes: usize) {
        let channels = self.mean.len();
        let mean = vectors::<I, N>(isa, &self.mean[channel..], lanes);
        let (mut plain, mut centred) = ([isa.splat(0.0); N], [isa.splat(0.0); N]);
        let pixels = self.x.chunks_exact(channels).zip(self.gradient.chunks_exact(channels));
        for (pixel, (x, gradient)) in pixels.enumerate() {
            let x = vectors::<I, N>(isa, &x[channel..], lanes);
            let mut gradient = vectors::<I, N>(isa, &gradient[channel..], lanes);
            if let Some(y) = self.y {
                let y = vectors::<I, N>(isa, &y[pixel * channels + channel..], lanes);
                gradient = passed(isa, y, gradient);
            }
            for z in 0..N {
                plain[z] = isa.add(plain[z], gradient[z]);
                let centre = isa.sub(x[z], mean[z]);
                centred[z] = isa.add(centred[z], isa.mul(gradient[z], centre));
            }
        }
        let (plains, centreds) = self.sums.split_at_mut(channels);
        add_vectors(isa, plain, lanes, &mut plains[channel..]);
        add_vectors(isa, centred, lanes, &mut centreds[channel..]);
    }
}

/// What of a gradient comes through a ReLU whose output is `y`.
#[inline(always)]
fn passed<I: Isa, const N: usize>(isa: I, y: [I::F32; N], gradient: [I::F32; N]) -> [I::F32; N] {
    let mut passed = gradient;
    for z in 0..N {
        passed[z] = isa.where_above(y[z], isa.splat(0.0), gradient[z]);
    }
    passed
}

/// `dx = a · dy + (b · (x - mean) + c)`, in place.
pub(super) struct Combine<'a> {
    pub(super) x: &'a [f32],
    /// As that of [`Products`].
    pub(super) y: Option<&'a [f32]>,
    pub(super) mean: &'a [f32],
    pub(super) factors: (&'a [f32], &'a [f32], &'a [f32]),
    pub(super) gradient: &'a mut [f32],
}

impl Op for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let channels = self.mean.len();
        each_group!(isa: I, channels, self.tile);
    }
}

impl Combine<'_> {
    #[inline(always)]
    fn tile<I: Isa, const N: usize>(&mut self, isa: I, channel: usize, lanes: usize) {
        let channels = self.mean.len();
        let mean = vectors::<I, N>(isa, &self.mean[channel..], lanes);
        let (a, b, c) = self.factors;
        let a = vectors::<I, N>(isa, &a[channel..], lanes);
        let b = vectors::<I, N>(isa, &b[channel..], lanes);
        let c = vectors::<I, N>(isa, &c[channel..], lanes);
        let pixels = self.x.chunks_exact(channels).zip(self.gradient.chunks_exact_mut(channels));
        for (pixel, (x, gradient)) in pixels.enumerate() {
            let x = vectors::<I, N>(isa, &x[channel..], lanes);
            let mut own = vectors::<I, N>(isa, &gradient[channel..], lanes);
            if let Some(y) = self.y {
                let y = vectors::<I, N>(isa, &y[pixel * channels + channel..], lanes);
                own = passed(isa, y, own);
            }
            for z in 0..N {
                let rest = isa.add(isa.mul(b[z], isa.sub(x[z], mean[z])), c[z]);
                own[z] = isa.add(isa.mul(a[z], own[z]), rest);
            }
            write(isa, own, lanes, &mut gradient[channel..]);
        }
    }
}
