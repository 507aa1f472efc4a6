//! Every operation of every instruction set that this CPU has, against plain arithmetic.

use engine::isa::{AnyIsa, Isa, MAX_LANES, Op};

/// Runs `check` on every set that the CPU has.
fn on_every_isa<O: Op<Output = ()>>(check: impl Fn() -> O) {
    for isa in AnyIsa::available() {
        isa.run(check());
    }
    for name in AnyIsa::missing() {
        println!("left out: this CPU has no {name}");
    }
}

fn ramp(first: f32) -> [f32; 2 * MAX_LANES] {
    std::array::from_fn(|i| first + i as f32)
}

/// The lanes of a vector.
fn lanes<I: Isa>(isa: I, vector: I::F32) -> Vec<f32> {
    let mut lanes = vec![f32::NAN; I::LANES];
    // SAFETY: there is room for every lane.
    unsafe { isa.store(lanes.as_mut_ptr(), vector) };
    lanes
}

fn vector<I: Isa>(isa: I, values: &[f32]) -> I::F32 {
    assert!(values.len() >= I::LANES);
    // SAFETY: checked above.
    unsafe { isa.load(values.as_ptr()) }
}

struct Arithmetic;

impl Op for Arithmetic {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (a, b, c) = (ramp(-3.0), ramp(2.0).map(|x| 9.0 - x), ramp(0.5));
        let (va, vb, vc) = (vector(isa, &a), vector(isa, &b), vector(isa, &c));
        let expect = |f: &dyn Fn(usize) -> f32| (0..I::LANES).map(f).collect::<Vec<_>>();
        assert_eq!(lanes(isa, isa.splat(1.5)), vec![1.5; I::LANES], "{}", I::NAME);
        assert_eq!(lanes(isa, isa.add(va, vb)), expect(&|i| a[i] + b[i]), "{}", I::NAME);
        assert_eq!(lanes(isa, isa.sub(va, vb)), expect(&|i| a[i] - b[i]), "{}", I::NAME);
        assert_eq!(lanes(isa, isa.mul(va, vb)), expect(&|i| a[i] * b[i]), "{}", I::NAME);
        assert_eq!(lanes(isa, isa.fma(va, vb, vc)), expect(&|i| a[i] * b[i] + c[i]), "{}", I::NAME);
        assert_eq!(lanes(isa, isa.max(va, vb)), expect(&|i| a[i].max(b[i])), "{}", I::NAME);
        assert_eq!(lanes(isa, isa.min(va, vb)), expect(&|i| a[i].min(b[i])), "{}", I::NAME);
        assert_eq!(lanes(isa, isa.div(va, vc)), expect(&|i| a[i] / c[i]), "{}", I::NAME);
        assert_eq!(isa.sum(va), a[..I::LANES].iter().sum::<f32>(), "{}", I::NAME);
    }
}

/// Calls `check` with vectors that hold all of `values` one after another, and those.
fn in_vectors<I: Isa>(isa: I, values: &[f32], check: impl Fn(I::F32, &[f32])) {
    for first in 0..values.len() {
        let part: Vec<f32> = values.iter().cycle().skip(first).take(I::LANES).copied().collect();
        check(vector(isa, &part), &part);
    }
}

struct Rounding;

impl Op for Rounding {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let mut values = vec![0.0, -0.0, 1e9, -1e9, 8_388_608.5, 0.499_999_97, f32::MAX, f32::MIN];
        values.extend((-40..=40).map(|i| i as f32 / 8.0));
        in_vectors(isa, &values, |vector, values| {
            let expected: Vec<f32> = values.iter().map(|x| x.round_ties_even()).collect();
            assert_eq!(lanes(isa, isa.round(vector)), expected, "{values:?} on {}", I::NAME);
        });
    }
}

struct PowersOfTwo;

impl Op for PowersOfTwo {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let exponents: Vec<f32> = (-126..=127).map(|exponent| exponent as f32).collect();
        in_vectors(isa, &exponents, |vector, exponents| {
            let expected: Vec<f32> = exponents.iter().map(|x| x.exp2()).collect();
            assert_eq!(lanes(isa, isa.pow2(vector)), expected, "{exponents:?} on {}", I::NAME);
        });
    }
}

struct Bfloat16;

impl Op for Bfloat16 {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // Every sign and exponent, subnormal numbers and infinities among them, in several
        // mantissas; a read that is one element off shows.
        let halves: Vec<u16> = (0..=u16::MAX).step_by(37).collect();
        for part in halves.chunks_exact(I::LANES) {
            // A slice of its own, so that a memory checker sees a read behind its end.
            let source = part.to_vec();
            // SAFETY: `source` has as many elements as there are lanes.
            let loaded = lanes(isa, unsafe { isa.load_bf16(source.as_ptr()) });
            let bits: Vec<u32> = loaded.iter().map(|lane| lane.to_bits()).collect();
            let expected: Vec<u32> = part.iter().map(|half| u32::from(*half) << 16).collect();
            assert_eq!(bits, expected, "{}", I::NAME);
        }
        // At every address, not only at those of whole vectors.
        for first in 0..I::LANES {
            // SAFETY: many more elements follow.
            let loaded = lanes(isa, unsafe { isa.load_bf16(halves[first..].as_ptr()) });
            assert_eq!(loaded[0].to_bits(), u32::from(halves[first]) << 16, "{}", I::NAME);
        }
    }
}

struct Above;

impl Op for Above {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let numbers = [0.5, f32::NAN, -0.0, 2.0, f32::INFINITY, -3.0, f32::NEG_INFINITY];
        for floor in [0.0, 0.5, f32::NAN, f32::NEG_INFINITY, f32::INFINITY] {
            in_vectors(isa, &numbers, |vector, part| {
                let bit = |(lane, &value): (usize, &f32)| u32::from(value > floor) << lane;
                let expected: u32 = part.iter().enumerate().map(bit).sum();
                assert_eq!(isa.above(vector, isa.splat(floor)), expected, "{} {floor}", I::NAME);
                let kept = lanes(isa, isa.where_above(vector, isa.splat(floor), isa.splat(7.0)));
                for (value, kept) in part.iter().zip(kept) {
                    let expected = if *value > floor { 7.0 } else { 0.0 };
                    assert_eq!(kept, expected, "{} {value} above {floor}", I::NAME);
                }
            });
        }
    }
}

struct Prefetch;

impl Op for Prefetch {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        isa.prefetch(std::ptr::null());
        isa.prefetch(std::ptr::dangling::<f32>().wrapping_byte_add(1));
        isa.prefetch(ramp(0.0).as_ptr().wrapping_add(1 << 20));
    }
}

struct Deinterleave;

impl Op for Deinterleave {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let values = ramp(1.0);
        let (a, b) = (vector(isa, &values), vector(isa, &values[I::LANES..]));
        let (even, odd) = isa.deinterleave(a, b);
        for i in 0..I::LANES {
            assert_eq!(lanes(isa, even)[i], values[2 * i], "{} lane {i}", I::NAME);
            assert_eq!(lanes(isa, odd)[i], values[2 * i + 1], "{} lane {i}", I::NAME);
        }
    }
}

struct Halves;

impl Op for Halves {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let values = ramp(1.0);
        let (a, b) = values[..2 * I::LANES].split_at(I::LANES);
        let (first, second) = isa.halves(vector(isa, a), vector(isa, b));
        let half = I::LANES / 2;
        assert_eq!(lanes(isa, first), [&a[..half], &b[..half]].concat(), "{}", I::NAME);
        assert_eq!(lanes(isa, second), [&a[half..], &b[half..]].concat(), "{}", I::NAME);
    }
}

struct Partial;

impl Op for Partial {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let values = ramp(1.0);
        for count in 0..=I::LANES {
            // A slice of its own, so that a memory checker sees a read or write behind its end.
            let source = values[..count].to_vec();
            // SAFETY: `source` has `count` elements.
            let loaded = unsafe { isa.load_partial(source.as_ptr(), count) };
            for (i, lane) in lanes(isa, loaded).into_iter().enumerate() {
                assert_eq!(lane, if i < count { values[i] } else { 0.0 }, "{}", I::NAME);
            }
            let mut target = vec![f32::MAX; I::LANES];
            // SAFETY: `target` has more than `count` elements.
            unsafe { isa.store_partial(target.as_mut_ptr(), vector(isa, &values), count) };
            for (i, element) in target.into_iter().enumerate() {
                assert_eq!(element, if i < count { values[i] } else { f32::MAX }, "{}", I::NAME);
            }
            let mut target = vec![0.0; count];
            // SAFETY: `target` has `count` elements.
            unsafe { isa.store_partial(target.as_mut_ptr(), vector(isa, &values), count) };
            assert_eq!(target, values[..count], "{}", I::NAME);
        }
    }
}

/// The lanes of a vector of whole numbers, by way of their nearest `f32`.
fn whole_lanes<I: Isa>(isa: I, vector: I::I32) -> Vec<f32> {
    lanes(isa, isa.to_f32(vector))
}

struct Narrow;

impl Op for Narrow {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let numbers: [i32; MAX_LANES] = std::array::from_fn(|i| (i as i32 - 3) * 50_000_017);
        let expect = |f: &dyn Fn(usize) -> i32| -> Vec<f32> {
            (0..I::LANES).map(|lane| f(lane) as f32).collect()
        };
        // SAFETY: there are as many elements as in the longest vector.
        let loaded = unsafe { isa.load_i32(numbers.as_ptr()) };
        assert_eq!(whole_lanes(isa, loaded), expect(&|i| numbers[i]), "{}", I::NAME);
        assert_eq!(whole_lanes(isa, isa.splat_i32(-7)), expect(&|_| -7), "{}", I::NAME);

        let factors: [f32; MAX_LANES] = std::array::from_fn(|i| [255.0, 0.0, 128.0, 77.0][i % 4]);
        let mut shorts = [-1i16; 2 * MAX_LANES];
        // SAFETY: there is room for the longest vector, twice.
        unsafe {
            isa.store_i16(shorts.as_mut_ptr(), vector(isa, &factors));
            isa.store_i16(shorts.as_mut_ptr().add(I::LANES), vector(isa, &factors));
        }
        for (i, short) in shorts.iter().enumerate() {
            let expected = if i < 2 * I::LANES { factors[i % I::LANES] as i16 } else { -1 };
            assert_eq!(*short, expected, "{} lane {i}", I::NAME);
        }

        let bytes: [i8; 2 * MAX_LANES] =
            std::array::from_fn(|i| [-127, 127, 1, -128, 0, 55][i % 6]);
        // SAFETY: two bytes for each lane, two shorts for each lane.
        let (a, b) =
            unsafe { (isa.load_i8_pairs(bytes.as_ptr()), isa.load_i32(shorts.as_ptr().cast())) };
        let product = |i: usize| i32::from(bytes[i]) * i32::from(shorts[i]);
        let sums = isa.dot_i16_pairs(b, a, isa.splat_i32(-1000));
        let expected = expect(&|i| product(2 * i) + product(2 * i + 1) - 1000);
        assert_eq!(whole_lanes(isa, sums), expected, "{}", I::NAME);
        // Sums wrap around: what began beyond the range comes back.
        let sums = isa.dot_i16_pairs(a, b, isa.splat_i32(i32::MIN));
        let back = isa.dot_i16_pairs(isa.splat_i32(0x7fff_7fff), isa.splat_i32(0x7fff_7fff), sums);
        let expected = expect(&|i| {
            let sum = i32::MIN.wrapping_add(product(2 * i) + product(2 * i + 1));
            sum.wrapping_add(2 * 0x7fff * 0x7fff)
        });
        assert_eq!(whole_lanes(isa, back), expected, "{}", I::NAME);
    }
}

#[test]
fn products_of_narrow_numbers() {
    on_every_isa(|| Narrow);
}

#[test]
fn arithmetic() {
    on_every_isa(|| Arithmetic);
}

#[test]
fn rounding_to_whole_numbers_and_halves_to_even_ones() {
    on_every_isa(|| Rounding);
}

#[test]
fn powers_of_two() {
    on_every_isa(|| PowersOfTwo);
}

#[test]
fn bfloat16_is_widened_exactly() {
    on_every_isa(|| Bfloat16);
}

#[test]
fn comparisons_are_a_bit_for_each_lane() {
    on_every_isa(|| Above);
}

#[test]
fn prefetches_of_any_address_are_harmless() {
    on_every_isa(|| Prefetch);
}

#[test]
fn deinterleave() {
    on_every_isa(|| Deinterleave);
}

#[test]
fn halves() {
    on_every_isa(|| Halves);
}

#[test]
fn partial_loads_and_stores() {
    on_every_isa(|| Partial);
}

#[test]
fn available_sets_come_best_first_and_end_with_scalar() {
    let available: Vec<_> = AnyIsa::available().collect();
    assert_eq!(available.first(), Some(&AnyIsa::best()));
    assert_eq!(available.last().map(|isa| isa.name()), Some("scalar"));
    assert!(available.windows(2).all(|pair| pair[0].lanes() >= pair[1].lanes()));
    assert!(available.iter().all(|isa| isa.lanes() <= MAX_LANES && isa.registers() >= 8));
    assert!(AnyIsa::missing().all(|name| available.iter().all(|isa| isa.name() != name)));
}
