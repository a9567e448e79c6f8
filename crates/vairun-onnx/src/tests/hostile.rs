//! Files from strangers: any bytes give a model or an error, soon.

use std::fs;
use std::time::{Duration, Instant};

use prost::Message;

use super::corpus::corpus;
use super::{body, functions, graph, int, model, node, opset, values};
use crate::proto::{NodeProto, SparseTensorProto, TensorProto};
use crate::read_bytes;

/// Longer than any file here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn try_to_read(bytes: &[u8]) {
    let started = Instant::now();
    let _ = read_bytes(bytes, None);
    let took = started.elapsed();
    assert!(took < PATIENCE, "{took:?}");
}

/// A generator whose numbers are the same in every run (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// A small model with a part of everything.
fn everything() -> Vec<u8> {
    let then = graph(&[], vec![node("Neg", &["x"], &["n"])], &["n"]);
    let choose =
        NodeProto { attribute: vec![body("then_branch", then)], ..node("If", &["c"], &["i"]) };
    let call = NodeProto {
        domain: Some("local".into()),
        name: Some("call".into()),
        attribute: vec![int("k", 3)],
        ..node("outer", &["i", "w"], &["y"])
    };
    let tensor = |name: &str, data_type, dims: &[i64]| TensorProto {
        name: Some(name.into()),
        data_type: Some(data_type),
        dims: dims.to_vec(),
        ..TensorProto::default()
    };
    let mut graph = graph(&["x", "c"], vec![call, choose], &["y"]);
    graph.initializer = vec![
        TensorProto { float_data: vec![1.0; 6], ..tensor("w", 1, &[2, 3]) },
        TensorProto { raw_data: Some(vec![1, 2, 3].into()), ..tensor("v", 22, &[5]) },
        TensorProto { string_data: vec!["a".into()], ..tensor("s", 8, &[1]) },
    ];
    graph.sparse_initializer = vec![SparseTensorProto {
        values: Some(TensorProto { float_data: vec![1.0], ..tensor("z", 1, &[1]) }),
        indices: Some(TensorProto { int64_data: vec![3], ..tensor("", 7, &[1]) }),
        dims: vec![4, 4],
    }];
    graph.value_info = values(&["i"]);
    let mut proto = model(graph);
    proto.functions = functions();
    proto.opset_import.push(opset("local", 1));
    proto.encode_to_vec()
}

fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(damaged.len());
        match random.below(4) {
            0 => damaged[at] ^= 1 << random.below(8),
            1 => damaged[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => {
                damaged.remove(at);
            }
            _ => damaged.insert(at, 0xff),
        }
    }
    damaged
}

#[test]
fn the_undamaged_file_is_a_model() {
    read_bytes(&everything(), None).unwrap();
}

#[test]
fn every_truncation_and_every_flipped_bit_is_survived() {
    let bytes = everything();
    (0..bytes.len()).for_each(|length| try_to_read(&bytes[..length]));
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        try_to_read(&flipped);
    }
}

#[test]
fn thousands_of_damaged_files_are_survived() {
    let (bytes, mut random) = (everything(), Random(1));
    (0..20_000).for_each(|_| try_to_read(&damage(&bytes, &mut random)));
}

#[test]
fn damaged_real_models_are_survived() {
    for path in corpus().into_iter().take(12) {
        let bytes = fs::read(path).unwrap();
        let mut random = Random(7);
        for _ in 0..300 {
            try_to_read(&damage(&bytes, &mut random));
            try_to_read(&bytes[..random.below(bytes.len())]);
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let mut inner = graph(&[], vec![node("Neg", &["x"], &["n"])], &["n"]);
    for _ in 0..200 {
        let choose =
            NodeProto { attribute: vec![body("then_branch", inner)], ..node("If", &["x"], &["n"]) };
        inner = graph(&[], vec![choose], &["n"]);
    }
    inner.input = values(&["x"]);
    let error = read_bytes(&model(inner).encode_to_vec(), None).unwrap_err().to_string();
    assert!(error.contains("recursion limit"), "{error}");
}
