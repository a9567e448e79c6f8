use std::sync::Arc;

use half::{bf16, f16};

use crate::dtype::{Carrier, DType};
use crate::storage::Storage;

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that carries tensor elements.
///
/// `DTYPE` is the plain type (`i8` is `int8`); a tensor of a narrow type with the same carrier (`int4`) is read
/// through the same slices, see [`DType::carrier`].
pub trait Element: sealed::Sealed + Clone + Send + Sync + 'static {
    /// The type that a tensor made from this Rust type has.
    const DTYPE: DType;
    /// The carrier that this Rust type is.
    const CARRIER: Carrier;
    #[doc(hidden)]
    fn into_storage(data: Vec<Self>) -> Storage;
    #[doc(hidden)]
    fn slice(storage: &Storage) -> Option<&[Self]>;
    #[doc(hidden)]
    fn slice_mut(storage: &mut Storage) -> Option<&mut [Self]>;
    #[doc(hidden)]
    fn take(storage: Storage) -> Option<Vec<Self>>;
}

macro_rules! plain {
    ($($rust:ty, $variant:ident);* $(;)?) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
            const CARRIER: Carrier = Carrier::$variant;
            fn into_storage(data: Vec<Self>) -> Storage {
                Storage::$variant(data)
            }
            fn slice(storage: &Storage) -> Option<&[Self]> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    Storage::Mapped(map, Carrier::$variant) => bytemuck::try_cast_slice(map.bytes()).ok(),
                    Storage::Buffer(buffer, Carrier::$variant) => bytemuck::try_cast_slice(buffer.bytes()).ok(),
                    _ => None,
                }
            }
            fn take(storage: Storage) -> Option<Vec<Self>> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    _ => None,
                }
            }
            fn slice_mut(storage: &mut Storage) -> Option<&mut [Self]> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    Storage::Buffer(buffer, Carrier::$variant) => {
                        let bytes = Arc::get_mut(buffer)?.bytes_mut()?;
                        bytemuck::try_cast_slice_mut(bytes).ok()
                    }
                    _ => None,
                }
            }
        }
    )*};
}

plain! {
    i8, I8; i16, I16; i32, I32; i64, I64; u8, U8; u16, U16; u32, U32; u64, U64; f16, F16; bf16, BF16; f32, F32;
    f64, F64;
}

macro_rules! owned_only {
    ($($rust:ty, $variant:ident);* $(;)?) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
            const CARRIER: Carrier = Carrier::$variant;
            fn into_storage(data: Vec<Self>) -> Storage {
                Storage::$variant(data)
            }
            fn slice(storage: &Storage) -> Option<&[Self]> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    _ => None,
                }
            }
            fn take(storage: Storage) -> Option<Vec<Self>> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    _ => None,
                }
            }
            fn slice_mut(storage: &mut Storage) -> Option<&mut [Self]> {
                match storage {
                    Storage::$variant(data) => Some(data),
                    _ => None,
                }
            }
        }
    )*};
}

owned_only! { bool, Bool; String, String; }
