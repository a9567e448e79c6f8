/// An integer type that carries codes.
pub trait Code: Copy + Ord + Default + Send + Sync + 'static {
    /// The smallest code.
    const LEAST: Self;

    /// The code as the widest type.
    fn widen(self) -> i64;

    /// The code of a number that the type holds; panics in tests where it does not.
    fn narrow(code: i64) -> Self;
}

macro_rules! code {
    ($($type:ty)*) => {$(
        impl Code for $type {
            const LEAST: Self = <$type>::MIN;

            #[inline(always)]
            fn widen(self) -> i64 {
                self.into()
            }

            #[inline(always)]
            fn narrow(code: i64) -> Self {
                debug_assert!(<$type>::try_from(code).is_ok(), "{code} is no {}", stringify!($type));
                code as $type
            }
        }
    )*};
}

code! { i8 u8 i16 u16 i32 u32 i64 }
