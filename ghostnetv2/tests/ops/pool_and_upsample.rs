//! Pooling and nearest upsampling, where candle's own gradients are wrong or missing.

use crate::finite_differences::{check, values};
use candle::{DType, Result, Tensor};
use ghostnetv2::ops::{
    avg_pool2x2, global_avg_pool, max_pool2d, upsample_bilinear2d, upsample_nearest2d,
};

#[test]
fn values_are_pytorchs() -> Result<()> {
    // torch.nn.functional.avg_pool2d(x, 2) and interpolate(x, size=7) drop and floor.
    let row = Tensor::arange(0f32, 7., &candle::Device::Cpu)?.reshape((1, 1, 1, 7))?;
    let x = row.broadcast_as((1, 1, 3, 7))?;
    assert_eq!(avg_pool2x2(&x)?.flatten_all()?.to_vec1::<f32>()?, [0.5, 2.5, 4.5]);
    let x = row.narrow(3, 0, 3)?;
    let y = upsample_nearest2d(&x, (2, 7))?;
    assert_eq!(y.flatten_to(2)?.get(0)?.to_vec1::<f32>()?, [0., 0., 0., 1., 1., 2., 2.]);
    Ok(())
}

#[test]
fn gradients_at_odd_sizes() -> Result<()> {
    for (h, w) in [(7, 7), (2, 5), (3, 8), (13, 2)] {
        let x = [values(1, (2, 3, h, w))];
        check(&format!("pool {h}x{w}"), &x, |o| avg_pool2x2(&o[0]))?;
        check(&format!("global {h}x{w}"), &x, |o| global_avg_pool(&o[0]))?;
        for to in [(7, 7), (1, 1), (2 * h, 2 * w), (h, w), (h + 5, 3)] {
            let name = format!("upsample {h}x{w} to {to:?}");
            check(&name, &x, |o| upsample_nearest2d(&o[0], to))?;
            for corners in [false, true] {
                let name = format!("bilinear {h}x{w} to {to:?}, corners {corners}");
                check(&name, &x, |o| upsample_bilinear2d(&o[0], to, corners))?;
            }
        }
    }
    // What DFC attention does at 224 pixels: 7 to 3 and back to 7.
    check("7 to 3 to 7", &[values(2, (1, 2, 7, 7))], |o| {
        upsample_nearest2d(&avg_pool2x2(&o[0])?, (7, 7))
    })
}

#[test]
fn other_types_take_another_way_to_the_same_values() -> Result<()> {
    let x = values(3, (2, 3, 7, 5)).transpose(0, 1)?;
    let wide = x.to_dtype(DType::F64)?;
    let same = |a: Tensor, b: Tensor| -> Result<()> {
        assert_eq!(a.dims(), b.dims());
        let difference = (a - b.to_dtype(DType::F32)?)?.abs()?.max_all()?;
        assert!(difference.to_scalar::<f32>()? < 1e-6);
        Ok(())
    };
    same(avg_pool2x2(&x)?, avg_pool2x2(&wide)?)?;
    for to in [(7, 5), (3, 11), (20, 2)] {
        same(upsample_nearest2d(&x, to)?, upsample_nearest2d(&wide, to)?)?;
        for corners in [false, true] {
            let (x, wide) = (&x, &wide);
            same(upsample_bilinear2d(x, to, corners)?, upsample_bilinear2d(wide, to, corners)?)?;
        }
    }
    let (kernel, padding) = ((3, 2), (1, 0));
    same(max_pool2d(&x, kernel, 2, padding)?, max_pool2d(&wide, kernel, 2, padding)?)?;
    assert_eq!(upsample_nearest2d(&x, (0, 4))?.dims(), [3, 2, 0, 4]);
    assert_eq!(avg_pool2x2(&values(1, (0, 3, 4, 4)))?.dims(), [0, 3, 2, 2]);
    Ok(())
}

#[test]
fn empty_maps_are_refused() {
    assert!(avg_pool2x2(&values(1, (1, 1, 1, 4))).is_err());
    let empty = values(1, (1, 1, 0, 4));
    assert!(upsample_nearest2d(&empty, (2, 2)).is_err());
    assert!(upsample_bilinear2d(&empty, (2, 2), false).is_err());
    for (kernel, stride, padding) in [((0, 1), 1, (0, 0)), ((2, 2), 0, (0, 0)), ((2, 2), 1, (2, 0))]
    {
        assert!(max_pool2d(&values(1, (1, 1, 4, 4)), kernel, stride, padding).is_err());
    }
    assert!(max_pool2d(&values(1, (1, 1, 2, 2)), (5, 5), 1, (1, 1)).is_err());
}

#[test]
fn corners_by_hand() -> Result<()> {
    let x = Tensor::new(&[0f32, 6.0], &candle::Device::Cpu)?.reshape((1, 1, 1, 2))?;
    let row = |align| upsample_bilinear2d(&x, (1, 4), align)?.flatten_all()?.to_vec1::<f32>();
    assert_eq!(row(false)?, [0.0, 1.5, 4.5, 6.0]);
    assert_eq!(row(true)?, [0.0, 2.0, 4.0, 6.0]);
    let one = upsample_bilinear2d(&x, (3, 1), true)?;
    assert_eq!(one.flatten_all()?.to_vec1::<f32>()?, [0.0; 3]);
    Ok(())
}
