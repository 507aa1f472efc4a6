//! Maps of a plan against those of candle.

use candle::{Result, Tensor};

/// Equal within 1e-4 of the largest value.
pub(crate) fn equal(expected: &Tensor, found: &Tensor, what: &str) -> Result<()> {
    assert_eq!(expected.dims(), found.dims(), "{what}");
    if expected.elem_count() == 0 {
        return Ok(());
    }
    let largest = |t: &Tensor| t.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
    let (off, scale) = (largest(&(expected - found)?)?, largest(expected)?);
    assert!(off <= 1e-4 * scale, "{what}: differs by {off} of {scale}");
    Ok(())
}
