//! Where in the bytes a message breaks off: prost tells which field, not which byte.

use prost::DecodeError;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// What begins a file that was meant to be fetched.
const GIT_LFS: &[u8] = b"version https://git-lfs";

/// The decoder's words, and what is known of the place.
pub(crate) fn explain(bytes: &[u8], error: &DecodeError) -> String {
    if bytes.starts_with(GIT_LFS) {
        return "a pointer of git-lfs, not the file itself".to_owned();
    }
    let text = error.to_string();
    let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    match broken_field(bytes) {
        Some(place) => format!("{text}; {place}"),
        None => text.to_owned(),
    }
}

/// The outermost field that is not whole: its number, its place, and the bytes that it needs.
fn broken_field(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    while rest.has_remaining() {
        let start = bytes.len() - rest.len();
        let Ok((number, wire)) = decode_key(&mut rest) else {
            return Some(format!("no field begins at byte {start}"));
        };
        let body = rest;
        if skip_field(wire, number, &mut rest, DecodeContext::default()).is_err() {
            let needs =
                needed(wire, body).map_or(String::new(), |n| format!(" needs {n} bytes and"));
            let left = body.len();
            return Some(format!("field {number} at byte {start}{needs} has {left}"));
        }
    }
    None
}

fn needed(wire: WireType, mut body: &[u8]) -> Option<u64> {
    (wire == WireType::LengthDelimited).then(|| decode_varint(&mut body).ok()).flatten()
}
