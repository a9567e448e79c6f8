//! Real files, which lie outside of the repository: skipped with a word where they are absent.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests, which clippy does not take for tests

use std::collections::BTreeMap;
use std::path::PathBuf;

use prost::Message;
use vairun_xmodel::proto::Graph;
use vairun_xmodel::{ConstantHome, Constants, FileKind, Listing, Xmodel};

/// Every file, with its bytes.
fn files() -> Vec<(String, Vec<u8>)> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var_os("VAIRUN_SHARED").map_or_else(|| beside.into(), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(shared.join("xmodel")) else {
        eprintln!("skipped: no folder {}", shared.join("xmodel").display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "xmodel"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn models() -> BTreeMap<String, Xmodel> {
    files().into_iter().map(|(name, bytes)| (name, Xmodel::from_bytes(&bytes).unwrap())).collect()
}

#[test]
fn re_encoding_gives_an_equal_message_of_the_same_length() {
    for (name, bytes) in files() {
        assert!(Xmodel::sniff(&bytes), "{name}");
        let model = Xmodel::from_bytes(&bytes).unwrap();
        let encoded = model.encode();
        assert!(Graph::decode(&encoded[..]).unwrap() == *model.graph(), "{name}");
        // Equal lengths: nothing was dropped, only maps are in another order. One file spells out three empty values in
        // maps (`REG_1` has no parameters), which is two bytes more for each.
        let spelt_out = if name == "ssd_pedestrian_old.u50" { 3 * 2 } else { 0 };
        assert_eq!(encoded.len() + spelt_out, bytes.len(), "{name}");
    }
}

#[test]
fn every_file_lists_completely() {
    let models = models();
    for (name, model) in &models {
        let listing = Listing::of(model);
        assert_eq!(listing.ops.len(), model.graph().op_node.len(), "{name}");
        assert!(listing.to_string().contains(&format!("`{}`", listing.name)), "{name}");
        serde_json::to_string(&listing).unwrap();
        listing.ops.iter().for_each(|op| assert!(!op.to_string().is_empty()));
        let in_tree = listing.subgraphs.as_ref().map_or(0, |root| root.ops);
        assert_eq!(in_tree, listing.ops.len(), "{name}: every op is in one subgraph");
    }
    if models.is_empty() {
        return;
    }
    let kinds: BTreeMap<_, _> = models.iter().map(|(n, m)| (n.as_str(), m.kind())).collect();
    for (name, kind) in [
        ("CNN_int", FileKind::Quantized),
        ("CNN_u50", FileKind::Compiled),
        ("CNN_zcu104", FileKind::Compiled),
        ("VoxelNet_int", FileKind::Quantized),
        ("densebox.vck190", FileKind::Compiled),
        ("dpu_mnist_classifier.pynq", FileKind::Compiled),
        ("gru_imdb.u50lv.batch3", FileKind::Rnn),
        ("pointpillars_custom_op.zcu102", FileKind::Compiled),
        ("ssd_pedestrian_old.u50", FileKind::Legacy),
        ("tf2_custom_op.zcu102", FileKind::Compiled),
    ] {
        assert_eq!(kinds.get(name), Some(&kind), "{name}");
    }
}

#[test]
fn compiled_files_name_their_source() {
    let models = models();
    for (compiled, source) in [
        ("CNN_zcu104", "CNN_int"),
        ("CNN_u50", "CNN_int"),
        ("pointpillars_custom_op.zcu102", "VoxelNet_int"),
    ] {
        if let (Some(compiled), Some(source)) = (models.get(compiled), models.get(source)) {
            assert!(Listing::of(compiled).is_made_from(&Listing::of(source)));
            assert!(!Listing::of(source).is_made_from(&Listing::of(compiled)));
        }
    }
}

#[test]
fn weights_of_a_compiled_file_are_those_of_its_source() {
    let models = models();
    for (compiled, source) in
        [("CNN_zcu104", "CNN_int"), ("pointpillars_custom_op.zcu102", "VoxelNet_int")]
    {
        let (Some(compiled), Some(source)) = (models.get(compiled), models.get(source)) else {
            return;
        };
        let mut found = 0;
        for op in compiled.graph().op_node.iter().filter(|op| op.op_type == "const-fix") {
            let codes = Constants::of(compiled).values(op).unwrap();
            let scale = 2f32.powi(op.quantizer_int("fix_point").unwrap() as i32);
            let float = source.graph().op_node.iter().find(|o| o.op_name == op.op_name).unwrap();
            let float = Constants::of(source).values(float).unwrap();
            assert_eq!(codes.shape(), float.shape(), "{}", op.op_name);
            let codes = codes.as_slice::<i8>().unwrap().iter().map(|&code| f32::from(code));
            let float = float.as_slice::<f32>().unwrap().iter().map(|&value| value * scale);
            assert!(codes.eq(float), "{}", op.op_name);
            found += 1;
        }
        assert!(found >= 8, "{found}");
    }
}

#[test]
fn permuted_weights_are_listed_as_such() {
    if let Some(model) = models().get("CNN_u50") {
        let constants = Constants::of(model);
        let weights = model.graph().op_node.iter().find(|op| op.op_type == "const-fix").unwrap();
        assert!(matches!(constants.home(weights), ConstantHome::Permuted { .. }));
    }
}

#[test]
fn truncated_and_damaged_files_are_errors_or_other_models_never_panics() {
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for (name, bytes) in files() {
        for _ in 0..40 {
            let cut = random(bytes.len());
            read_and_list(&bytes[..cut]);
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(4) {
                // Most of a file is weights: half of the damage goes to the structure at the beginning.
                let within = if random(2) == 0 { bytes.len() } else { bytes.len().min(4096) };
                damaged[random(within)] ^= 1 << random(8);
            }
            read_and_list(&damaged);
        }
        eprintln!("{name}: no panic");
    }
}

fn read_and_list(bytes: &[u8]) {
    let Ok(model) = Xmodel::from_bytes(bytes) else { return };
    let listing = Listing::of(&model);
    let _ = listing.to_string();
    let constants = Constants::of(&model);
    model.graph().op_node.iter().for_each(|op| drop(constants.values(op)));
    assert!(Xmodel::from_bytes(&model.encode()).is_ok() || model.size() == 0);
}
