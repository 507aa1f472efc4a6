//! Random networks of all operations: do maps that are still needed keep their memory?

use engine::{
    isa::AnyIsa,
    plan::{PlanOptions, Precision, Window},
};
use proptest::prelude::*;

use crate::check::{THREADS, bits, check_batch, every_dot, pictures, run, whole_team};
use crate::int8::calibrated;
use crate::layer::Size;
use crate::model::{INPUT, Id, Joint, Model};
use crate::oracle::output_size;
use crate::strategies::{ACTIVATIONS, MODES, cases};

/// A layer as four numbers: which operation, on which value, how many channels, and what else.
type Choice = (u8, u8, u8, u8);

/// A network that grows by what fits its values.
struct Growing {
    model: Model,
    /// Of each value: none for the input, which only a convolution can read, and for vectors.
    sizes: Vec<Option<(usize, usize)>>,
}

impl Growing {
    fn new(size: (usize, usize), channels: usize, n: usize) -> Self {
        let mut model = Model::new(channels);
        model.conv(INPUT, Window::same((3, 3), 1), n, ACTIVATIONS[0]);
        Self { model, sizes: vec![None, Some(size)] }
    }

    fn maps(&self) -> Vec<Id> {
        (0..self.sizes.len()).filter(|id| self.sizes[*id].is_some()).collect()
    }

    /// A map or vector for which `fits` holds, if there is one.
    fn find(&self, choice: u8, fits: impl Fn(Id) -> bool) -> Option<Id> {
        let fitting: Vec<Id> = (1..self.sizes.len()).filter(|id| fits(*id)).collect();
        (!fitting.is_empty()).then(|| fitting[usize::from(choice) % fitting.len()])
    }

    /// Adds the layer that `choice` means, or nothing where it does not fit.
    fn grow(&mut self, (operation, on, n, more): Choice) {
        let maps = self.maps();
        let x = maps[usize::from(on) % maps.len()];
        let Some(size) = self.sizes[x] else { return };
        let channels = self.model.channels.clone();
        let n = usize::from(n % 37) + 1;
        let activation = ACTIVATIONS[usize::from(more) % 4];
        let stride = usize::from(more / 4 % 2) + 1;
        let side = [1, 3, 5][usize::from(more / 8 % 3)];
        let kernel = (side, [3, 1, 5][usize::from(more / 24 % 3)]);
        let window = match stride {
            1 if more > 200 => Window::dilated(kernel, 1 + usize::from(more % 3)),
            _ => Window::same(kernel, stride),
        };
        let to = output_size(window, size);
        let vector = |id: Id| self.sizes[id].is_none();
        let scale = self.find(more, |id| vector(id) && channels[id] == channels[x]);
        let (model, size) = match operation % 14 {
            0 => (self.model.conv(x, window, n, activation), to),
            1 => (self.model.pointwise(x, n, activation, None), Some(size)),
            2 => {
                let add = self.find(more, |id| self.sizes[id] == Some(size));
                let n = add.map_or(n, |add| channels[add]);
                (self.model.pointwise(x, n, activation, add), Some(size))
            }
            3 => (self.model.depthwise(x, window, activation), to),
            4 => {
                let total = n + usize::from(on) % (n + 1);
                let joint = Joint::None;
                let made = self.model.ghost((x, scale), (n, total), side, activation, joint);
                self.model.dilate(1 + usize::from(on) % 4);
                (made, Some(size))
            }
            5 => {
                let add = self.find(more, |id| self.sizes[id] == Some(size));
                let (total, joint) =
                    add.map_or((n, Joint::None), |id| (channels[id], Joint::Add(id)));
                let split = (total.div_ceil(2), total);
                (self.model.ghost((x, scale), split, side, activation, joint), Some(size))
            }
            6 => {
                let gate = self.find(more, |id| !vector(id));
                let (total, joint) =
                    gate.map_or((n, Joint::None), |id| (channels[id], Joint::Gate(id)));
                let split = (total.div_ceil(2), total);
                let made = self.model.ghost((x, scale), split, side, activation, joint);
                self.model.dilate(1 + usize::from(on) % 3);
                if on % 2 == 0 {
                    self.model.then_depthwise(window);
                }
                (made, if on % 2 == 0 { to } else { Some(size) })
            }
            7 => (self.model.dfc(x, n, window.kernel), Some(size)),
            9 => {
                let like = self.find(more, |id| !vector(id));
                let to = like.map_or(Some(size), |like| self.sizes[like]);
                let add = like.filter(|like| channels[*like] == channels[x]);
                let extent = like.map_or(Size::Times(1), Size::Like);
                (self.model.resize(x, extent, MODES[usize::from(on) % 3], add, activation), to)
            }
            10 => {
                // One group: with few values in each, rounding could be scaled up.
                (self.model.group_norm(x, 1, activation), Some(size))
            }
            11 => {
                let beside = self.find(more, |id| self.sizes[id] == Some(size));
                let parts: Vec<Id> = [x].into_iter().chain(beside).collect();
                (self.model.concat(&parts), Some(size))
            }
            12 => {
                let first = match on % 3 {
                    0 => self.model.pointwise(x, channels[x], activation, None),
                    _ => self.model.conv(x, Window::same((3, 3), 1), channels[x], activation),
                };
                self.sizes.push(Some(size));
                (self.model.repeat(first, first), Some(size))
            }
            13 if window.dilation == 1 && to.is_some() => {
                (self.model.avg_pool(x, window, on % 2 == 0), to)
            }
            8 if size.0.min(size.1) > 1 => {
                (self.model.avg_pool2x2(x), Some((size.0 / 2, size.1 / 2)))
            }
            _ => match self.find(more, vector) {
                Some(vector) if on % 2 == 0 => (self.model.linear(vector, n, activation), None),
                _ => (self.model.global_pool(x), None),
            },
        };
        assert_eq!(model, self.sizes.len());
        self.sizes.push(size);
    }
}

/// A network and the size of its pictures.
fn networks() -> impl Strategy<Value = (Model, (usize, usize))> {
    let choices = prop::collection::vec(any::<Choice>(), 1..16);
    let outputs = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    ((1..24usize, 1..24usize), 1..4usize, 1..33usize, choices, outputs).prop_map(
        |(size, channels, first, choices, outputs)| {
            let mut growing = Growing::new(size, channels, first);
            choices.into_iter().for_each(|choice| growing.grow(choice));
            let Growing { mut model, sizes } = growing;
            // The last value, so that nothing is left out, and some of those before.
            model.outputs = vec![sizes.len() - 1];
            model.outputs.extend(outputs.iter().map(|index| 1 + index.index(sizes.len() - 1)));
            (model, size)
        },
    )
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn equal_the_oracle((model, size) in networks(), batch in 1..4usize) {
        check_batch(&model, size, batch);
    }

    /// Where bfloat16 holds the weights exactly, they give the same bits as in f32.
    #[test]
    fn have_the_same_bits_with_half_the_weights((mut model, size) in networks(), batch in 1..4usize) {
        model.shorten();
        let input = pictures(&model, size, batch);
        let shape = [batch, model.channels[INPUT], size.0, size.1];
        // Products of bfloat16 would round the maps too.
        for isa in AnyIsa::available().map(AnyIsa::without_dots) {
            let outputs = [Precision::F32, Precision::Bf16].map(|precision| {
                let options = PlanOptions::default().with_isa(isa).with_precision(precision);
                bits(&run(&model.network(&options).unwrap(), shape, 1, &input).unwrap())
            });
            prop_assert!(outputs[0] == outputs[1], "{:?} into {:?}", shape, model);
        }
    }

    /// In bytes: the same bits for any number of threads, whatever is divided or passes by.
    #[test]
    fn have_the_same_bits_in_int8((model, size) in networks(), batch in 1..4usize) {
        let input = pictures(&model, size, batch);
        let shape = [batch, model.channels[INPUT], size.0, size.1];
        for isa in every_dot() {
            let options = PlanOptions::default().with_isa(isa);
            let ranges = calibrated(&model.network(&options).unwrap(), shape, &input);
            let options = options.with_precision(Precision::Int8).with_calibration(ranges);
            let network = model.network(&options).unwrap();
            let alone = bits(&run(&network, shape, 1, &input).unwrap());
            for threads in if THREADS { 2..=3 } else { 1..=1 } {
                let _team = whole_team();
                let together = bits(&run(&network, shape, threads, &input).unwrap());
                prop_assert!(alone == together, "{threads} threads, {isa:?}: {:?} into {:?}", shape, model);
            }
        }
    }
}
