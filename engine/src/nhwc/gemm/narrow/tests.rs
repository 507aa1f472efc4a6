//! Products of bfloat16 with a [`Dot`] in plain Rust: packing, words and tiles are those of the
//! instructions, which few CPUs have.

use super::super::{Narrow, Pixels, Target};
use super::{Activation, Product, Stream};
use crate::buffer::{Buffer, Store};
use crate::isa::{AnyIsa, Columns, Dot, DotOp, Isa, MAX_LANES, Op};
use crate::pack::{Matrix, Packing};

/// What `vdpbf16ps` does, but for the rounding of its sums.
#[derive(Clone, Copy)]
struct Plain;

/// Both numbers of a word.
fn factors(word: u32) -> [f32; 2] {
    let [a, b, c, d] = word.to_ne_bytes();
    [[a, b], [c, d]].map(|half| f32::from_bits(u32::from(u16::from_ne_bytes(half)) << 16))
}

impl<I: Isa> Dot<I> for Plain {
    const GROUP: usize = 2;
    const WEIGHT_BYTES: usize = 2;
    const WHOLE: bool = false;
    type Words = [u32; MAX_LANES];
    type Sums = [f32; MAX_LANES];

    unsafe fn start(self, isa: I, columns: Columns, column: usize) -> Self::Sums {
        let mut sums = [0.0; MAX_LANES];
        // SAFETY: the caller vouches for the biases, and there is room for the longest vector.
        unsafe { isa.store(sums.as_mut_ptr(), isa.load(columns.bias.add(column))) };
        sums
    }

    unsafe fn finish(self, isa: I, sums: Self::Sums, _: Columns, _: usize) -> I::F32 {
        // SAFETY: there are as many elements as in the longest vector.
        unsafe { isa.load(sums.as_ptr()) }
    }

    unsafe fn pixel(self, _: I, src: *const f32) -> Self::Words {
        // SAFETY: the caller vouches for the memory.
        [unsafe { src.cast::<u32>().read_unaligned() }; MAX_LANES]
    }

    unsafe fn weights(self, _: I, src: *const u8) -> Self::Words {
        let mut words = [0; MAX_LANES];
        // SAFETY: the caller vouches for a vector of words.
        unsafe { words.as_mut_ptr().copy_from(src.cast(), I::LANES) };
        words
    }

    fn dot(self, _: I, pixel: Self::Words, weights: Self::Words, sums: Self::Sums) -> Self::Sums {
        std::array::from_fn(|lane| {
            let ([a, c], [b, d]) = (factors(pixel[lane]), factors(weights[lane]));
            sums[lane] + (a * b + c * d)
        })
    }

    unsafe fn sums(self, isa: I, src: *const f32) -> Self::Sums {
        let mut sums = [0.0; MAX_LANES];
        // SAFETY: the caller vouches for the memory, and there is room for the longest vector.
        unsafe { isa.store(sums.as_mut_ptr(), isa.load(src)) };
        sums
    }

    unsafe fn store(self, isa: I, dst: *mut u8, values: I::F32) {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: there is room for the longest vector; the caller vouches for `dst`.
        unsafe {
            isa.store(lanes.as_mut_ptr(), values);
            for (lane, value) in lanes[..I::LANES].iter().enumerate() {
                let half = (value.to_bits() >> 16) as u16; // exact for what the test has
                dst.cast::<u16>().add(lane).write_unaligned(half);
            }
        }
    }
}

struct OnPlain<O>(O);

impl<O: DotOp> Op for OnPlain<O> {
    type Output = ();

    fn eval<I: Isa>(self, isa: I) {
        self.0.eval(isa, Plain);
    }
}

/// Whole numbers up to 127, which bfloat16 holds, so that all sums are exact.
fn whole(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 255) as f32 - 127.0).collect()
}

#[test]
fn sums_are_those_of_plain_loops() {
    let isa = AnyIsa::available().last().expect("plain Rust is always there");
    for (k, n, count) in [(1, 1, 1), (2, 5, 3), (7, 9, 4), (16, 33, 1), (31, 70, 13), (64, 8, 29)] {
        let (weights, bias, x) = (whole(n * k, 1), whole(n, 2), whole(count * k, 3));
        let mut store = Store::default();
        let matrix = Matrix::pack(
            &mut store,
            isa,
            Packing::Halves { tiles: false },
            (n, k),
            &weights,
            &bias,
        )
        .unwrap();
        let words = matrix.words.unwrap();
        let mut scratch = Buffer::zeroed(words.scratch_len(k, count)).unwrap();
        let to = scratch.as_mut_ptr();
        let (x_at, scale) = (x.as_ptr(), std::ptr::null());
        isa.run(OnPlain(Narrow { x: x_at, scale, k, count, words, to }));
        let mut y = vec![f32::NAN; count * n];
        let activation = Activation::Identity;
        if count == 1 {
            let panels = &matrix.panels[..];
            isa.run(OnPlain(Stream { x: to, y: y.as_mut_ptr(), panels, activation }));
        }
        for (column, panel) in matrix.panels.iter().filter(|_| count > 1) {
            let a = Pixels { data: to, ld: words.per_pixel(k), count };
            let c = Target::dense(y[*column..].as_mut_ptr(), n, usize::MAX, activation);
            isa.run(OnPlain(Product::new(a, *panel, c, panel.narrow())));
        }
        for (pixel, y) in x.chunks_exact(k).zip(y.chunks_exact(n)) {
            for ((row, bias), found) in weights.chunks_exact(k).zip(&bias).zip(y) {
                let products = row.iter().zip(pixel).map(|(w, x)| w * x);
                assert_eq!(*found, bias + products.sum::<f32>(), "{k} by {n}, {count} pixels");
            }
        }
    }
}
