// SPDX-License-Identifier: GPL-2.0

//! Initialisers. Nothing is pinned on the host, so one is a function that returns the value.

use core::convert::Infallible;

/// An initialiser of a `T`.
pub trait PinInit<T, E = Infallible>: Sized {
    /// Makes the value.
    fn build(self) -> Result<T, E>;
}

/// A function as an initialiser.
pub struct FromFn<F>(pub F);

impl<T, E, F: FnOnce() -> Result<T, E>> PinInit<T, E> for FromFn<F> {
    fn build(self) -> Result<T, E> {
        (self.0)()
    }
}

/// An initialiser of an array, each element by its own.
pub fn pin_init_array_from_fn<I, const N: usize, T, E>(
    mut make: impl FnMut(usize) -> I,
) -> impl PinInit<[T; N], E>
where
    I: PinInit<T, E>,
{
    FromFn(move || {
        let made: Result<Vec<T>, E> = (0..N).map(|i| make(i).build()).collect();
        let array: Result<[T; N], Vec<T>> = made?.try_into();
        Ok(array.unwrap_or_else(|_| unreachable!("as long as the range")))
    })
}

/// As in the kernel, but that a field given by `<-` must not fail.
#[macro_export]
macro_rules! pin_init {
    ($($tokens:tt)*) => {
        $crate::struct_init!(::core::convert::Infallible; $($tokens)*)
    };
}

/// As [`pin_init!`], with the error type of the kernel crate.
#[macro_export]
macro_rules! try_pin_init {
    ($($tokens:tt)*) => {
        $crate::struct_init!($crate::error::Error; $($tokens)*)
    };
}

/// The fields of an initialiser, one after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! struct_init {
    ($error:ty; $name:ident $(<$($generic:ty),*>)? { $($fields:tt)* } $(? $given:ty)?) => {
        $crate::init::FromFn(move || {
            ::core::result::Result::<_, $error>::Ok(
                $crate::struct_init!(@fields $name [] $($fields)*)
            )
        })
    };
    (@fields $name:ident [$($done:tt)*] $field:ident <- $value:expr, $($rest:tt)*) => {
        $crate::struct_init!(@fields $name [$($done)* $field: $crate::init::PinInit::build($value)?,] $($rest)*)
    };
    (@fields $name:ident [$($done:tt)*] $field:ident : $value:expr, $($rest:tt)*) => {
        $crate::struct_init!(@fields $name [$($done)* $field: $value,] $($rest)*)
    };
    (@fields $name:ident [$($done:tt)*] $field:ident, $($rest:tt)*) => {
        $crate::struct_init!(@fields $name [$($done)* $field,] $($rest)*)
    };
    (@fields $name:ident [$($done:tt)*]) => {
        $name { $($done)* }
    };
}
