//! `curve.svg`: how the loss fell and the score rose, for people to look at.

use super::metrics::{FILE, rows};
use crate::Error;
use crate::checkpoint::write_whole;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;
use std::path::Path;

const SIZE: (u32, u32) = (960, 640);
/// A mean is over this share of all points.
const WINDOW: f64 = 0.02;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = Box<dyn std::error::Error>;

/// A line of a panel: name, steps with values, colour.
struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
    colour: RGBAColor,
}

/// Draws what `metrics.jsonl` of a folder has so far; `score` is the name of the score that decides.
///
/// # Errors
/// Files that can't be read or written.
pub(super) fn draw(folder: &Path, score: &str) -> Result<(), Error> {
    let (rows, path) = (rows(&folder.join(FILE))?, folder.join("curve.svg"));
    match picture(&rows, score) {
        Ok(svg) => write_whole(&path, svg.as_bytes()),
        Err(failure) => {
            Err(Error::Configuration(format!("{} can't be drawn: {failure}", path.display())))
        }
    }
}

fn picture(rows: &[Value], score: &str) -> Result<String, Failure> {
    let losses = points(rows, |row| row["loss"].as_f64());
    let of = |weights: &str| points(rows, |row| row[weights][score].as_f64());
    let loss = [
        Line { name: "mean", points: means(&losses), colour: BLUE.mix(1.0) },
        Line { name: "each step", points: losses, colour: BLUE.mix(0.25) },
    ];
    let scores = [
        Line { name: "weights", points: of("weights"), colour: RED.mix(1.0) },
        Line { name: "their moving average", points: of("ema"), colour: BLACK.mix(1.0) },
    ];
    let all = loss.iter().chain(&scores).flat_map(|line| &line.points);
    let end = all.map(|point| point.0).fold(1.0, f64::max);
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    panel(&upper, "loss", end, &loss)?;
    panel(&lower, score, end, &scores)?;
    root.present()?;
    drop((upper, lower, root));
    Ok(svg)
}

fn panel(area: &Area<'_>, title: &str, end: f64, lines: &[Line]) -> Result<(), Failure> {
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    if least > most {
        return Ok(()); // no values yet
    }
    let room = (most - least).max(1e-6) * 0.05;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, ("sans-serif", 18))
        .x_label_area_size(32)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, least - room..most + room)?;
    let whole = |step: &f64| format!("{step:.0}");
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("step").x_label_formatter(&whole).light_line_style(WHITE).draw()?;
    // What is named first lies on top.
    for line in lines.iter().rev().filter(|line| !line.points.is_empty()) {
        let style = line.colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    let labels = chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw();
    Ok(labels?)
}

/// The finite values of the rows that have one, and their steps.
fn points(rows: &[Value], value: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    let point = |row: &Value| Some((row["step"].as_f64()?, value(row).filter(|v| v.is_finite())?));
    rows.iter().filter_map(point).collect()
}

/// Means over the points around each.
fn means(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (points.len() as f64 * WINDOW / 2.0).ceil() as usize;
    let mean = |i: usize| {
        let around = &points[i.saturating_sub(reach)..(i + reach + 1).min(points.len())];
        let sum: f64 = around.iter().map(|point| point.1).sum();
        (points[i].0, sum / around.len() as f64)
    };
    (0..points.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_becomes_a_picture_of_its_lines() {
        let step = |step: u64| json!({ "kind": "step", "step": step, "loss": 1.0 / step as f64 });
        let mut rows: Vec<Value> = (1..40).map(step).collect();
        rows.push(json!({ "kind": "epoch", "step": 20, "weights": { "top1": 10.0 } }));
        rows.push(json!({ "kind": "epoch", "step": 39, "weights": { "top1": 30.0 } }));
        let svg = picture(&rows, "top1").unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for colour in ["#0000FF", "#FF0000"] {
            assert!(svg.contains(colour), "{colour}");
        }
        assert!(!svg.contains("their moving average"), "there is none");
        for text in ["loss", "top1", "each step", "weights"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(picture(&[], "top1").is_ok());
    }

    #[test]
    fn a_mean_of_equals_is_the_same() {
        let points: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(i), 2.0)).collect();
        assert_eq!(means(&points), points);
    }
}
