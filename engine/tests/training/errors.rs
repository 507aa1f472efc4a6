//! What does not fit is said, and nothing panics.

use super::differences::norm;
use engine::PlanError;
use engine::plan::{Interpolation, Window};
use engine::training::{GraphBuilder, Memory};

#[test]
fn one_value_for_each_channel_has_no_variance() -> Result<(), PlanError> {
    for frozen in [false, true] {
        let (mut net, x) = GraphBuilder::new(2);
        let norm = norm(&mut net, x, frozen);
        let y = net.batch_norm(x, norm, false)?;
        let graph = net.build(&[y]);
        let ones = [1.0; 2];
        let memory = Memory::default();
        let parameters = [&ones[..]; 4];
        let pass = graph.forward(&memory, [1, 2, 1, 1], &ones, &parameters, 0);
        assert_eq!(pass.is_ok(), frozen);
        if let Err(error) = pass {
            assert!(error.to_string().contains("has no variance"), "{error}");
        }
    }
    Ok(())
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let (mut net, x) = GraphBuilder::new(3);
    let short = net.parameter(5, true);
    assert!(net.conv(x, Window::same((3, 3), 1), 4, short, None).is_err());
    assert!(net.depthwise(x, Window::same((3, 3), 1), short, None).is_err());
    assert!(net.group_norm(x, 2, (short, short), 1e-5).is_err());
    assert!(net.dropout(x, 1.0, false).is_err());
    assert!(net.resize(x, None, 0, Interpolation::Nearest).is_err());
    assert!(net.concat(&[], 3).is_err());
    assert!(net.concat(&[x, x], 3).is_err());
    let (other, _) = GraphBuilder::new(4);
    drop(other);
    let pooled = net.global_pool(x);
    assert!(pooled.is_ok());
}

#[test]
fn passes_check_what_they_are_given() -> Result<(), PlanError> {
    let (mut net, x) = GraphBuilder::new(3);
    let weight = net.parameter(4 * 27, true);
    let window = Window { padding: (0, 0), ..Window::same((3, 3), 1) };
    let y = net.conv(x, window, 4, weight, None)?;
    let graph = net.build(&[y]);
    let memory = Memory::default();
    let weights = [0.0; 4 * 27];
    let run = |shape: [usize; 4], len: usize, parameters: &[&[f32]]| {
        graph.forward(&memory, shape, &vec![0.0; len], parameters, 0).map(|pass| pass.output(0))
    };
    assert!(run([1, 3, 5, 5], 75, &[&weights]).is_ok());
    assert!(run([1, 3, 5, 5], 74, &[&weights]).is_err());
    assert!(run([1, 2, 5, 5], 50, &[&weights]).is_err());
    assert!(run([1, 3, 2, 5], 30, &[&weights]).is_err());
    assert!(run([0, 3, 5, 5], 0, &[&weights]).is_err());
    assert!(run([1, 3, 5, 5], 75, &[&weights[1..]]).is_err());
    assert!(run([1, 3, 5, 5], 75, &[]).is_err());
    assert!(run([usize::MAX, 3, 5, 5], 75, &[&weights]).is_err());
    let parameters = [&weights[..]];
    let pass = graph.forward(&memory, [1, 3, 5, 5], &[0.0; 75], &parameters, 0)?;
    assert!(pass.backward(&[&[0.0; 3]]).is_err());
    let pass = graph.forward(&memory, [1, 3, 5, 5], &[0.0; 75], &parameters, 0)?;
    assert!(pass.backward(&[]).is_err());
    Ok(())
}
