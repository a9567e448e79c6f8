//! From the element type of a tensor to a Rust type.

/// Evaluates `$body` with `$T` standing for the Rust type that carries `$dtype`, whatever it is.
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        with_element!(@ $dtype.carrier(), $T, $body,
            Bool bool, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64,
            F16 vairun_tensor::f16, BF16 vairun_tensor::bf16, F32 f32, F64 f64, String String)
    };
    (@ $carrier:expr, $T:ident, $body:expr, $($variant:ident $rust:ty),*) => {
        match $carrier {
            // One body for strings and for numbers.
            $(#[allow(clippy::clone_on_copy)] vairun_tensor::Carrier::$variant => {
                type $T = $rust;
                $body
            })*
        }
    };
}

/// Evaluates `$body`, a `Result<_, OpError>`, with `$T` standing for the Rust type of a number; other types are refused
/// in the name of `$input`.
macro_rules! with_number {
    ($dtype:expr, $input:expr, $T:ident => $body:expr) => {
        $crate::common::dispatch::with_type!($dtype, $crate::common::types::NUMBERS, $input, $T => $body;
            I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64,
            F16 vairun_tensor::f16, BF16 vairun_tensor::bf16, F32 f32, F64 f64)
    };
}

/// As [`with_number`] for floating-point numbers.
macro_rules! with_float {
    ($dtype:expr, $input:expr, $T:ident => $body:expr) => {
        $crate::common::dispatch::with_type!($dtype, $crate::common::types::FLOATS, $input, $T => $body;
            F16 vairun_tensor::f16, BF16 vairun_tensor::bf16, F32 f32, F64 f64)
    };
}

/// As [`with_number`] for integers.
macro_rules! with_integer {
    ($dtype:expr, $input:expr, $T:ident => $body:expr) => {
        $crate::common::dispatch::with_type!($dtype, $crate::common::types::INTEGERS, $input, $T => $body;
            I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64)
    };
}

/// Evaluates `$body` for the types that are listed; others are refused.
macro_rules! with_type {
    ($dtype:expr, $types:expr, $input:expr, $T:ident => $body:expr; $($variant:ident $rust:ty),*) => {
        match $dtype {
            $(vairun_tensor::DType::$variant => {
                type $T = $rust;
                $body
            })*
            got => Err($types.error(got, $input)),
        }
    };
}

pub(crate) use {with_element, with_float, with_integer, with_number, with_type};
