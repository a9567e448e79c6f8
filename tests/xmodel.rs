//! .xmodel files: run, and compared with each other and with the ONNX exports of the same networks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use vairun::xmodel::proto::{Attr, AttrValue, Graph};
use vairun::xmodel::{Layout, RoundMode, Xmodel};
use vairun::{Builder, Error, Inputs, Model, NodeEvent, Observer, ObserverError, Tensor};
use vairun_compare::pair::{PairOptions, check_pair, inputs};
use vairun_compare::{Report, Status};

use crate::material::{read_npz, repository, shared};

/// Fingerprints of every value of a run, by name.
#[derive(Default)]
struct Fingerprints(Seen);

impl Observer for Fingerprints {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs {
            let tensor = value.as_tensor()?;
            let bytes = tensor.as_bytes().ok_or("only numbers")?;
            let digest = Sha256::digest(bytes);
            let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            self.0.insert((*name).to_owned(), (tensor.shape().to_vec(), hex));
        }
        Ok(())
    }
}

fn fingerprints(model: &Model, inputs: Inputs) -> Result<Seen> {
    let mut seen = Fingerprints::default();
    model.observe(inputs, &mut seen)?;
    Ok(seen.0)
}

/// The codes of the activations of `file`, as an independent executor has computed them, are in `seen`.
fn assert_expected(seen: &Seen, file: &Path) -> Result<()> {
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let tensors = json["tensors"].as_object().context("a list of tensors")?;
    assert!(!tensors.is_empty());
    for (name, expected) in tensors {
        let (shape, hash) = seen.get(name).with_context(|| format!("no `{name}`"))?;
        let dims: Vec<u64> = shape.iter().map(|&dim| dim as u64).collect();
        assert_eq!(serde_json::json!(dims), expected["shape"], "{name}");
        assert_eq!(expected["sha256"], hash.as_str(), "{name}");
    }
    Ok(())
}

type Seen = BTreeMap<String, (Vec<usize>, String)>;

/// The names of codes that both files have; around a custom op a compiled file has numbers under the same names.
fn codes_of_both<'a>(compiled: &'a Seen, source: &Seen) -> Vec<&'a str> {
    let names = compiled.keys().map(String::as_str);
    names.filter(|name| name.ends_with("_fix") && source.contains_key(*name)).collect()
}

fn cnn_inputs(folder: &Path) -> Result<Inputs> {
    Ok(read_npz(&folder.join("CNN_int.inputs.npz"))?.into_iter().collect())
}

/// The inputs that the README of the shared files describes.
fn voxelnet_inputs() -> Result<Inputs> {
    let point = |i: u64| ((i.wrapping_mul(2_654_435_761) >> 13 & 255) as f32 - 128.0) / 64.0;
    let points = (0..12000 * 100 * 4).map(point).collect();
    let place = |k: u64| {
        let at = 17 * k % (496 * 432);
        [0.0, 0.0, (at / 432) as f32, (at % 432) as f32]
    };
    let places: Vec<f32> = (0..12000).flat_map(place).collect();
    Ok(vairun::inputs! {
        "VoxelNet__input_0" => Tensor::new(&[1, 12000, 100, 4], points)?,
        "VoxelNet__input_1" => Tensor::new(&[1, 12000, 4], places)?,
    })
}

#[test]
fn a_quantized_file_gives_the_codes_of_an_independent_executor() -> Result<()> {
    let Some(folder) = shared("xmodel") else { return Ok(()) };
    let seen = fingerprints(&Model::open(folder.join("CNN_int.xmodel"))?, cnn_inputs(&folder)?)?;
    assert_expected(&seen, &folder.join("CNN_int.expected.json"))
}

#[test]
fn a_compiled_file_gives_the_codes_of_its_source() -> Result<()> {
    let Some(folder) = shared("xmodel") else { return Ok(()) };
    let run = |file: &str| fingerprints(&Model::open(folder.join(file))?, cnn_inputs(&folder)?);
    let (source, compiled) = (run("CNN_int.xmodel")?, run("CNN_zcu104.xmodel")?);
    let shared = codes_of_both(&compiled, &source);
    assert!(shared.len() >= 5, "{}", shared.len());
    shared.into_iter().for_each(|name| assert_eq!(compiled[name], source[name], "{name}"));
    Ok(())
}

#[test]
fn a_point_cloud_network_runs_with_its_custom_op_and_as_compiled() -> Result<()> {
    let Some(folder) = shared("xmodel") else { return Ok(()) };
    let expected = folder.join("VoxelNet_int.expected.json");
    let source =
        fingerprints(&Model::open(folder.join("VoxelNet_int.xmodel"))?, voxelnet_inputs()?)?;
    assert_expected(&source, &expected)?;
    let compiled = Model::open(folder.join("pointpillars_custom_op.zcu102.xmodel"))?;
    let names: Vec<_> = compiled.inputs().iter().map(|port| port.name.clone()).collect();
    let fed: Vec<_> = voxelnet_inputs()?.iter().map(|(_, value)| value.clone()).collect();
    let compiled = fingerprints(&compiled, names.into_iter().zip(fed).collect())?;
    let shared = codes_of_both(&compiled, &source);
    assert!(shared.len() >= 20, "{}", shared.len());
    shared.into_iter().for_each(|name| assert_eq!(compiled[name], source[name], "{name}"));
    Ok(())
}

#[test]
fn files_that_cannot_run_say_why() -> Result<()> {
    let Some(folder) = shared("xmodel") else { return Ok(()) };
    for (file, reason) in [
        ("gru_imdb.u50lv.batch3.xmodel", "can be listed, not run"),
        ("ssd_pedestrian_old.u50.xmodel", "can be listed, not run"),
        ("CNN_u50.xmodel", "whose order is not known"),
    ] {
        let error = Model::open(folder.join(file)).err().context("it does not run")?.to_string();
        assert!(error.contains(reason), "{file}: {error}");
    }
    Ok(())
}

fn pairs(file: &str) -> PathBuf {
    repository().join("testdata/xmodel_pairs").join(file)
}

/// An input for both models: the channels of images are second, as in ONNX.
fn open_pair(onnx: &Path, xmodel: &Path, builder: Builder) -> Result<(Model, Model)> {
    Ok((Model::open(onnx)?, builder.layout(Layout::Nchw).open(xmodel)?))
}

fn compare(onnx: &Model, xmodel: &Model, values: &Inputs, strict: bool) -> Result<Report, Error> {
    let places = inputs(&onnx.source().graph, &xmodel.source().graph);
    let fed = places.iter().map(|&(i, j)| {
        let value = values.get(&onnx.inputs()[i].name).expect("a value for each input");
        (xmodel.inputs()[j].name.clone(), value.clone())
    });
    let fed: Inputs = fed.collect();
    check_pair(
        (&onnx.source().graph, &xmodel.source().graph),
        |observer| onnx.observe(values.clone(), observer).map(drop),
        |observer| xmodel.observe(fed.clone(), observer).map(drop),
        ("onnx", "xmodel"),
        PairOptions { same_format: false, strict },
        None,
    )
}

fn check(onnx: &str, xmodel: &str, builder: Builder, strict: bool) -> Result<Report> {
    let net = onnx.split('_').next().expect("a name");
    let values = read_npz(&pairs(&format!("{net}.inputs.npz")))?.into_iter().collect();
    let (onnx, xmodel) = open_pair(&pairs(onnx), &pairs(xmodel), builder)?;
    Ok(compare(&onnx, &xmodel, &values, strict)?)
}

/// Everything is paired, and the parameters lie as both exporters write them.
fn assert_all_paired(report: &Report, sites: usize) {
    assert!(report.unmatched.is_empty(), "{:?}", report.unmatched);
    assert_eq!(report.records.len(), sites);
    for record in &report.records {
        // An op is called <kind>_<n> there, its quantizer <op>_fix; a module <n> has the same number in both.
        if let Some((module, role)) =
            record.name.strip_prefix("module_").and_then(|rest| rest.split_once('.'))
        {
            let expected = format!("_module_{module}_{role}_fix");
            assert!(
                record.golden.name.ends_with(&expected),
                "{} ↔ {}",
                record.name,
                record.golden.name
            );
        }
    }
}

#[test]
fn the_vai_export_and_the_xmodel_are_bit_identical() -> Result<()> {
    for (net, sites) in [("layers", 29), ("shuffle", 17), ("curve", 54), ("wide", 8)] {
        let report =
            check(&format!("{net}_vai.onnx"), &format!("{net}.xmodel"), Model::builder(), true)?;
        assert_all_paired(&report, sites);
        for record in &report.records {
            assert!(record.pass(), "{net}: {} {:?}", record.name, record.differences);
            let metrics = record.cumulative.as_ref().and_then(|c| c.metrics.as_ref());
            assert_eq!(
                metrics.map(|metrics| metrics.differing()),
                Some(0),
                "{net}: {}",
                record.name
            );
        }
        assert!(report.passed() && report.unchecked_outputs.is_empty());
    }
    Ok(())
}

#[test]
fn the_native_export_differs_in_ties_and_not_at_all_when_they_are_rounded_alike() -> Result<()> {
    let mut ties = 0;
    for (net, sites) in [("layers", 29), ("shuffle", 17), ("curve", 54)] {
        let (onnx, xmodel) = (format!("{net}_native.onnx"), format!("{net}.xmodel"));
        let report = check(&onnx, &xmodel, Model::builder(), false)?;
        assert_all_paired(&report, sites);
        assert!(report.passed());
        for record in &report.records {
            let differences = record.differences.expect("counted");
            assert_eq!(differences.total(), differences.tie, "{}: {differences}", record.name);
            ties += differences.tie;
        }
        assert!(
            !check(&onnx, &xmodel, Model::builder(), true)?.passed(),
            "--strict passes nothing that differs"
        );
        let alike = check(&onnx, &xmodel, Model::builder().xmodel_round(RoundMode::Py3), true)?;
        assert!(alike.passed(), "{net}: {:?}", alike.summary);
    }
    assert!(ties > 100, "{ties}");
    Ok(())
}

#[test]
fn faults_are_real_and_named() -> Result<()> {
    for onnx in ["layers_vai.onnx", "layers_native.onnx"] {
        let guilty = |file: &str| -> Result<Vec<String>> {
            let report = check(onnx, file, Model::builder(), false)?;
            assert!(report.unmatched.is_empty() && !report.passed());
            let guilty = report.records.iter().filter(|record| record.status == Status::Guilty);
            Ok(guilty.map(|record| record.golden.name.clone()).collect())
        };
        let weight = guilty("layers_wrong_weight.xmodel")?;
        assert_eq!(weight[0], "Layers__module_1_weight_fix", "{weight:?}");
        assert!(weight[1..].iter().all(|name| name.contains("leaky_relu")), "{weight:?}");
        let fix = guilty("layers_wrong_fix.xmodel")?;
        assert!(fix.len() == 1 && fix[0].contains("_add_"), "{fix:?}");
    }
    Ok(())
}

/// Every parameter in turn with one value off by a step: each is named, and no other parameter is.
#[test]
fn every_parameter_that_is_off_by_one_is_found() -> Result<()> {
    let values: Inputs = read_npz(&pairs("layers.inputs.npz"))?.into_iter().collect();
    let original = Xmodel::open(&pairs("layers.xmodel"))?.into_graph();
    let onnx = Model::open(pairs("layers_native.onnx"))?;
    let is_parameter = |name: &str| name.contains("_module_");
    let parameters: Vec<usize> = (0..original.op_node.len())
        .filter(|&i| {
            original.op_node[i].op_type == "const" && is_parameter(&original.op_node[i].op_name)
        })
        .collect();
    assert_eq!(parameters.len(), 12);
    for i in parameters {
        let mut graph = original.clone();
        let step = step_of(&original, i);
        let op = &mut graph.op_node[i];
        let Some(Attr::Bytes(data)) =
            op.op_attr.get_mut("data").and_then(|value| value.value.as_mut())
        else {
            anyhow::bail!("no values");
        };
        let value = f32::from_le_bytes(data.value[..4].try_into()?);
        data.value[..4].copy_from_slice(&(value - step.copysign(value)).to_le_bytes());
        let name = format!("{}_fix", op.op_name);
        let lowered = Xmodel::from_graph(graph)
            .lower(&vairun::xmodel::LowerOptions { round_mode: None, layout: Layout::Nchw })?;
        let xmodel = Model::builder().from_graph(lowered)?;
        let report = compare(&onnx, &xmodel, &values, false)?;
        assert!(report.unmatched.is_empty(), "{name}: {:?}", report.unmatched);
        let guilty: Vec<_> =
            report.records.iter().filter(|r| !r.pass()).map(|r| r.golden.name.as_str()).collect();
        assert!(guilty.contains(&name.as_str()), "{name}: {guilty:?}");
        assert_eq!(
            guilty.iter().filter(|name| is_parameter(name)).count(),
            1,
            "{name}: {guilty:?}"
        );
    }
    Ok(())
}

/// The step of the `fix` that reads constant `i`.
fn step_of(graph: &Graph, i: usize) -> f32 {
    let name = format!("{}_fix", graph.op_node[i].op_name);
    let fix = graph.op_node.iter().find(|op| op.op_name == name).expect("its quantizer");
    let fix_point = fix.op_attr["fix_point"].as_int().expect("an integer");
    (-fix_point as f32).exp2()
}

#[test]
fn two_versions_of_a_file_are_compared_by_name() -> Result<()> {
    let Some(folder) = shared("xmodel") else { return Ok(()) };
    let source = Model::open(folder.join("CNN_int.xmodel"))?;
    let compiled = Model::open(folder.join("CNN_zcu104.xmodel"))?;
    let values = cnn_inputs(&folder)?;
    let report = check_pair(
        (&source.source().graph, &compiled.source().graph),
        |observer| source.observe(values.clone(), observer).map(drop),
        |observer| compiled.observe(values.clone(), observer).map(drop),
        ("CNN_int", "CNN_zcu104"),
        PairOptions { same_format: true, strict: true },
        None,
    )?;
    assert!(report.passed(), "{:?}", report.summary);
    assert!(report.records.len() >= 12, "{}", report.records.len());
    Ok(())
}

#[test]
fn unknown_ops_are_refused_by_name_unless_registered() -> Result<()> {
    let mut graph = Xmodel::open(&pairs("shuffle.xmodel"))?.into_graph();
    let relu = graph
        .op_node
        .iter_mut()
        .find(|op| op.op_type == "hard-sigmoid")
        .context("a hard sigmoid")?;
    let name = relu.op_name.clone();
    relu.op_type = "AcmeGate".into();
    relu.op_attr.insert("level".into(), AttrValue { value: Some(Attr::Int32(3)) });
    let bytes = Xmodel::from_graph(graph).encode();
    let error = Model::from_bytes(&bytes).err().context("it is refused")?.to_string();
    assert!(error.contains("AcmeGate") && error.contains(&name), "{error}");
    Ok(())
}
