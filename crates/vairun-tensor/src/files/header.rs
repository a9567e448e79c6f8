//! The header of an .npy file: a Python dictionary with three entries.
//!
//! Format: `numpy/lib/_format_impl.py` of numpy 2.

use super::FileErrorKind;
use crate::DType;

pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// A header with more dimensions than any array has; numpy itself refuses 10 000 bytes in files it does not trust.
const MAX_HEADER: usize = 1 << 18;

/// What an .npy file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Whether the first index varies fastest.
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<usize>,
}

/// The type of the elements, as numpy's `descr` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) big_endian: bool,
    /// `b`, `i`, `u`, `f`, `U`, `S`, `V`
    pub(crate) letter: char,
    /// Bytes; characters for `U`.
    pub(crate) size: usize,
    /// The one field of a structured type, which names the type that numpy lacks.
    pub(crate) field: Option<String>,
}

impl Kind {
    /// Bytes of one element.
    pub(crate) fn bytes(&self) -> Option<usize> {
        if self.letter == 'U' { self.size.checked_mul(4) } else { Some(self.size) }
    }
}

/// The header of the file that begins with `bytes`, and where its elements begin; `None` where `bytes` end before.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, FileErrorKind> {
    let Some((magic, rest)) = bytes.split_at_checked(8) else { return Ok(None) };
    if !magic.starts_with(MAGIC) {
        return Err(FileErrorKind::malformed(
            "not an .npy file: it does not begin with \\x93NUMPY",
        ));
    }
    let (length, at) = match (magic[6], rest) {
        (1, [a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 10),
        (2 | 3, [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
        (1..=3, _) => return Ok(None),
        (version, _) => {
            return Err(FileErrorKind::unsupported(format!(".npy version {version}")));
        }
    };
    if length > MAX_HEADER {
        return Err(FileErrorKind::malformed(format!("a header of {length} bytes")));
    }
    let Some(text) = bytes.get(at..at + length) else { return Ok(None) };
    let text = std::str::from_utf8(text)
        .map_err(|_| FileErrorKind::malformed("a header that is no UTF-8"))?;
    let header = Cursor(text).dictionary().ok_or_else(|| {
        FileErrorKind::malformed(format!(
            "header {:?}, expected descr, fortran_order and shape",
            text.trim()
        ))
    })?;
    Ok(Some((header?, at + length)))
}

/// The header as bytes, its end aligned to 64 bytes as numpy does.
pub(crate) fn write(descr: &str, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    let shape = match dims.as_slice() {
        [one] => format!("({one},)"),
        _ => format!("({})", dims.join(", ")),
    };
    let mut text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
    let version = if text.len() + 11 + 64 > usize::from(u16::MAX) { 2u8 } else { 1 };
    let before = if version == 1 { 10 } else { 12 };
    let padding = 63 - (before + text.len()) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// The type of a tensor of `dtype` as numpy writes it; `text` is the longest string, in characters.
///
/// A type that numpy lacks is a structure with one field of its carrier, named as ONNX names the type.
pub(crate) fn descr(dtype: DType, text: usize) -> String {
    use DType::*;
    match dtype {
        Bool => "'|b1'".to_owned(),
        I8 => "'|i1'".to_owned(),
        I16 => "'<i2'".to_owned(),
        I32 => "'<i4'".to_owned(),
        I64 => "'<i8'".to_owned(),
        U8 => "'|u1'".to_owned(),
        U16 => "'<u2'".to_owned(),
        U32 => "'<u4'".to_owned(),
        U64 => "'<u8'".to_owned(),
        F16 => "'<f2'".to_owned(),
        F32 => "'<f4'".to_owned(),
        F64 => "'<f8'".to_owned(),
        String => format!("'<U{}'", text.max(1)),
        I2 | I4 => format!("[('{dtype}', '|i1')]"),
        BF16 => format!("[('{dtype}', '<u2')]"),
        U2 | U4 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F4E2M1 => {
            format!("[('{dtype}', '|u1')]")
        }
    }
}

/// What is left to read of a Python literal. Every function gives `None` where the text is something else.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn dictionary(mut self) -> Option<Result<Header, FileErrorKind>> {
        let (mut kind, mut fortran_order, mut shape) = (None, None, None);
        self.eat('{')?;
        while self.eat('}').is_none() {
            let key = self.string()?;
            self.eat(':')?;
            match key {
                "descr" => match self.kind()? {
                    Ok(found) => kind = Some(found),
                    // The type alone is reason enough; the rest of the dictionary stays unread.
                    Err(error) => return Some(Err(error)),
                },
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.eat(',').is_none() && !self.0.trim_start().starts_with('}') {
                return None;
            }
        }
        Some(Ok(Header { kind: kind?, fortran_order: fortran_order?, shape: shape? }))
    }

    fn kind(&mut self) -> Option<Result<Kind, FileErrorKind>> {
        if self.eat('[').is_none() {
            let descr = self.string()?;
            return Some(kind_of(descr, None));
        }
        let structured =
            |text: &str| FileErrorKind::unsupported(format!("a structured type {text}"));
        let whole = self.0;
        self.eat('(')?;
        let field = self.string()?;
        self.eat(',')?;
        let descr = self.string()?;
        let simple = self.eat(')').is_some() && {
            self.eat(',');
            self.eat(']').is_some()
        };
        if !simple {
            let shown: String = whole.chars().take(60).collect();
            return Some(Err(structured(&format!("[{shown}…"))));
        }
        Some(kind_of(descr, Some(field)))
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn eat(&mut self, symbol: char) -> Option<()> {
        self.skip_space();
        self.0 = self.0.strip_prefix(symbol)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.skip_space();
        let quote = self.0.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = self.0[1..].split_once(quote)?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Some(value);
            }
        }
        None
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.eat('(')?;
        let mut numbers = Vec::new();
        while self.eat(')').is_none() {
            numbers.push(self.number()?);
            if self.eat(',').is_none() && !self.0.trim_start().starts_with(')') {
                return None;
            }
        }
        Some(numbers)
    }

    fn number(&mut self) -> Option<usize> {
        self.skip_space();
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let number = self.0[..end].parse().ok()?;
        // Python 2 wrote long integers as 3L.
        self.0 = self.0[end..].trim_start_matches('L');
        Some(number)
    }
}

fn kind_of(descr: &str, field: Option<&str>) -> Result<Kind, FileErrorKind> {
    let unknown = || FileErrorKind::unsupported(format!("elements of type {descr:?}"));
    let mut letters = descr.chars();
    let big_endian = match letters.next() {
        Some('>') => true,
        Some('<' | '|' | '=') => false,
        _ => return Err(unknown()),
    };
    let letter = letters.next().ok_or_else(unknown)?;
    if letter == 'O' {
        return Err(FileErrorKind::unsupported("Python objects, which would have to be executed"));
    }
    let size = letters.as_str().parse().map_err(|_| unknown())?;
    Ok(Kind { big_endian, letter, size, field: field.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_of(text: &str) -> Result<Option<(Header, usize)>, String> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        parse(&bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn numpy_s_spellings_are_read() {
        let (header, at) =
            header_of("{'descr': '>f4', 'fortran_order': True, 'shape': (3L, 4), } \n")
                .unwrap()
                .unwrap();
        assert_eq!((header.kind.big_endian, header.fortran_order), (true, true));
        assert_eq!((header.shape, at), (vec![3, 4], 71));
        let scalar = header_of(r#"{"shape": (), "descr": "|b1", "fortran_order": False}"#);
        assert!(scalar.unwrap().unwrap().0.shape.is_empty());
    }

    #[test]
    fn what_is_written_is_read_and_aligned() {
        for shape in [vec![], vec![3], vec![1, 0, 7], vec![1; 40_000]] {
            let bytes = write("'<f4'", &shape);
            let (header, at) = parse(&bytes).unwrap().unwrap_or_else(|| panic!("{}", shape.len()));
            assert_eq!((header.shape, at, at % 64), (shape, bytes.len(), 0));
        }
    }

    #[test]
    fn a_type_that_numpy_lacks_is_a_named_field() {
        let bytes = write(&descr(DType::BF16, 0), &[2]);
        let kind = parse(&bytes).unwrap().unwrap().0.kind;
        assert_eq!((kind.letter, kind.size, kind.field.as_deref()), ('u', 2, Some("bfloat16")));
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let error = |descr: &str| {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ()}}");
            header_of(&text).unwrap_err()
        };
        assert_eq!(error("'|O'"), "Python objects, which would have to be executed");
        assert_eq!(error("'<M8[ns]'"), "elements of type \"<M8[ns]\"");
        assert!(
            error("[('a', '<f4'), ('b', '<i4')]").starts_with("a structured type [('a', '<f4')")
        );
    }

    #[test]
    fn any_bytes_are_an_error_or_too_short() {
        assert!(parse(b"PK\x03\x04....").is_err());
        assert_eq!(parse(b"\x93NUMPY\x01").unwrap(), None);
        assert!(header_of("{'descr'").is_err());
        assert!(header_of("{'shape': (((((((((((((((((((((").is_err());
        assert!(header_of("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}").is_err());
        assert!(parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").is_err());
    }
}
