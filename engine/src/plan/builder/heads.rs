//! What detection and segmentation heads add to a network.

use std::sync::Arc;

use super::{Folded, NetworkBuilder};
use crate::PlanError;
use crate::nhwc::activation::Activation;
use crate::pack::Affine;
use crate::plan::graph::{GroupNorm, Node, Op, Value};
use crate::plan::resize::{Extent, Interpolation, Resize};
use crate::plan::window::Window;

impl NetworkBuilder {
    /// The dense, pointwise or depthwise convolution or the group normalisation that made `like`,
    /// on another map: with the same weights, which are kept once, and the same activation. The
    /// towers of a head are made so for all levels of a pyramid but the first; layer by layer,
    /// each layer for all levels, the weights stay in the cache from level to level.
    ///
    /// # Errors
    /// A value that something else made, or a map of other channels than it read.
    pub fn repeat(&mut self, like: Value, x: Value) -> Result<Value, PlanError> {
        let known = self.node(like).and_then(|node| Some((node.op.again(x)?, node)));
        let Some((op, &Node { channels, repeats, .. })) = known else {
            let reason = "expected a value that a convolution or a group-norm made".into();
            return Err(PlanError::Operands { operation: "repeat", reason });
        };
        let read = self.node(like).and_then(|node| node.op.operands().next());
        let same = read.is_some_and(|read| self.channels(read) == self.channels(x));
        PlanError::expect("repeat", self.is_map(x) && same, "a map of the same channels")?;
        let repeats = repeats.or(Some(like.0));
        self.network.nodes.push(Node { op, channels, vector: false, repeats });
        Ok(Value(self.network.nodes.len() - 1))
    }

    /// Means of windows without dilation, over the pixels of the map in each, or over the zeros of
    /// the padding too: PyTorch's `count_include_pad`.
    ///
    /// # Errors
    /// An operand that is not a map, an impossible window.
    pub fn avg_pool(
        &mut self,
        x: Value,
        window: Window,
        count_padding: bool,
    ) -> Result<Value, PlanError> {
        window.check("avg-pool")?;
        PlanError::expect("avg-pool", window.dilation == 1, "a window without dilation")?;
        PlanError::expect("avg-pool", self.is_map(x), "a map")?;
        let channels = self.channels(x);
        Ok(self.push(Op::AvgPool { x, window, count_padding }, channels, false))
    }

    /// A map or vector in another size, to which `add` is added before the activation. A vector
    /// is a map of one pixel here.
    ///
    /// # Errors
    /// Operands that do not fit.
    pub fn resize(
        &mut self,
        x: Value,
        extent: Extent,
        interpolation: Interpolation,
        add: Option<Value>,
        activation: Activation,
    ) -> Result<Value, PlanError> {
        let channels = self.channels(x);
        PlanError::expect("resize", self.is_map(x) || self.is_vector(x), "a map or a vector")?;
        let fits = add.is_none_or(|add| self.is_map(add) && self.channels(add) == channels);
        PlanError::expect("resize", fits, "a map of the same channels to add")?;
        let known = !matches!(extent, Extent::Like(value) if self.node(value).is_none());
        PlanError::expect("resize", known, "the size of a value of this network")?;
        let resize = Resize { x, extent, interpolation, add, activation };
        resize.check()?;
        Ok(self.push(Op::Resize(resize), channels, false))
    }

    /// The activation of a map, to which `add` is added before.
    ///
    /// # Errors
    /// Operands that do not fit.
    pub fn activation(
        &mut self,
        x: Value,
        add: Option<Value>,
        activation: Activation,
    ) -> Result<Value, PlanError> {
        self.resize(x, Extent::Times(1), Interpolation::Nearest, add, activation)
    }

    /// Group normalisation over `groups` runs of channels, with a scale and a shift for each
    /// channel.
    ///
    /// # Errors
    /// Operands that do not fit, groups that do not divide the channels, no memory.
    pub fn group_norm(
        &mut self,
        x: Value,
        groups: usize,
        (scale, shift): Folded,
        epsilon: f32,
        activation: Activation,
    ) -> Result<Value, PlanError> {
        let channels = self.channels(x);
        PlanError::expect("group-norm", self.is_map(x), "a map")?;
        let divides = groups > 0 && channels.is_multiple_of(groups);
        PlanError::expect("group-norm", divides, "groups that divide the channels")?;
        let affine = Arc::new(Affine::keep(&mut self.store, channels, scale, shift)?);
        let norm = GroupNorm { x, groups, affine, epsilon, activation };
        Ok(self.push(Op::GroupNorm(norm), channels, false))
    }

    /// The channels of maps of the same size, one behind the other.
    ///
    /// # Errors
    /// No operand, or one that is not a map.
    pub fn concat(&mut self, parts: &[Value]) -> Result<Value, PlanError> {
        let fits = !parts.is_empty() && parts.iter().all(|part| self.is_map(*part));
        PlanError::expect("concat", fits, "one map or more")?;
        let mut channels = parts.iter().map(|part| self.channels(*part));
        let Some(channels) = channels.try_fold(0, usize::checked_add) else {
            return Err(PlanError::Memory { elements: usize::MAX });
        };
        Ok(self.push(Op::Concat { parts: parts.to_vec() }, channels, false))
    }
}
