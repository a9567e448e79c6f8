use vairun_compare::{Layer, ModelDiff};

use crate::number::plural;
use crate::style::{Style, Tone};
use crate::table::{Align, Table};

/// Rows that are shown where not all are asked for.
const ROWS: usize = 10;

/// What quantizing has done to each layer, the worst first.
pub fn model_diff(diff: &ModelDiff, title: &str, style: &Style) -> String {
    let mut layers: Vec<&Layer> = diff.layers.iter().collect();
    layers.sort_by(|a, b| a.badness().total_cmp(&b.badness()));
    let shown = if style.all { layers.len() } else { layers.len().min(ROWS) };
    let mut table = Table::new(&[
        ("tensor", Align::Elastic),
        ("op", Align::Left),
        ("local SQNR", Align::Right),
        ("cumul. SQNR", Align::Right),
        ("weight SQNR", Align::Right),
        ("rmse/step", Align::Right),
        ("clip %", Align::Right),
        ("unused %", Align::Right),
    ]);
    for layer in &layers[..shown] {
        let tone = if layer.badness() < 10.0 { Tone::Bad } else { Tone::Plain };
        table.row(tone, cells(layer), "");
    }
    let mut text = Tone::Strong.paint(style, &format!("vairun diff · {title}")) + "\n";
    text += &format!(
        "{} in both models, the worst first{}\n\n",
        plural(layers.len(), "tensor"),
        if shown < layers.len() {
            format!(" ({shown} shown; --all for the rest)")
        } else {
            String::new()
        }
    );
    text += &table.render(style);
    text += "\nlocal: the layer is fed the float model's tensors; 0.29 steps are ideal rounding\n";
    if !diff.unmatched.is_empty() {
        text += &format!(
            "{} of the float model without a counterpart\n",
            plural(diff.unmatched.len(), "tensor")
        );
    }
    text
}

fn cells(layer: &Layer) -> Vec<String> {
    let number = |x: Option<f64>, unit: &str, digits: usize| match x {
        None => "–".to_owned(),
        Some(x) if x.is_infinite() && x > 0.0 => "exact".to_owned(),
        Some(x) => format!("{x:.digits$}{unit}"),
    };
    vec![
        layer.name.clone(),
        layer.op.clone(),
        number(layer.local_sqnr, " dB", 1),
        number(layer.cumulative_sqnr, " dB", 1),
        number(layer.weight_sqnr, " dB", 1),
        number(layer.steps_rmse, "", 2),
        number(layer.clipped, "", 2),
        number(layer.unused, "", 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, local: Option<f64>) -> Layer {
        Layer {
            name: name.into(),
            float: name.into(),
            op: "Conv".into(),
            local_sqnr: local,
            cumulative_sqnr: Some(12.0),
            weight_sqnr: None,
            steps_rmse: Some(0.29),
            clipped: Some(0.0),
            unused: Some(50.0),
        }
    }

    #[test]
    fn the_worst_layer_stands_first() {
        let layers = vec![
            layer("good", Some(40.0)),
            layer("exact", Some(f64::INFINITY)),
            layer("bad", Some(5.0)),
        ];
        let text = model_diff(
            &ModelDiff { layers, unmatched: vec!["x".into()] },
            "a and b",
            &Style::default(),
        );
        let place = |name: &str| text.find(name).unwrap();
        assert!(place("bad") < place("good"), "{text}");
        assert!(text.contains("1 tensor of the float model without a counterpart"), "{text}");
    }
}
