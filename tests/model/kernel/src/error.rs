// SPDX-License-Identifier: GPL-2.0

//! Error numbers.

use crate::alloc::{AllocError, InsertError};
use core::{convert::Infallible, ffi::CStr};

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Error(i32);

/// As in the kernel.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

impl Error {
    /// From a negative number; one that is none becomes `EINVAL`.
    pub const fn from_errno(errno: i32) -> Self {
        if errno < 0 && errno >= -4095 {
            Self(errno)
        } else {
            code::EINVAL
        }
    }

    /// The negative number.
    pub const fn to_errno(self) -> i32 {
        self.0
    }

    /// Its name; the host's table is short.
    pub fn name(&self) -> Option<&'static CStr> {
        code::NAMES
            .iter()
            .find(|(error, _)| error == self)
            .map(|(_, name)| *name)
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl<T> From<InsertError<T>> for Error {
    fn from(_: InsertError<T>) -> Self {
        code::EINVAL
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A negative number as an error.
pub fn to_result(errno: i32) -> Result {
    if errno < 0 {
        Err(Error::from_errno(errno))
    } else {
        Ok(())
    }
}

macro_rules! codes {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// The numbers by their names.
        pub mod code {
            use super::Error;
            use core::ffi::CStr;
            $(
                #[doc = stringify!($name)]
                pub const $name: Error = Error(-$number);
            )*
            pub(super) const NAMES: &[(Error, &CStr)] = &[$(($name, $text)),*];
        }
    };
}

codes! {
    EPERM = 1, c"EPERM";
    ENOENT = 2, c"ENOENT";
    EINTR = 4, c"EINTR";
    EIO = 5, c"EIO";
    ENXIO = 6, c"ENXIO";
    E2BIG = 7, c"E2BIG";
    EAGAIN = 11, c"EAGAIN";
    ENOMEM = 12, c"ENOMEM";
    EFAULT = 14, c"EFAULT";
    EBUSY = 16, c"EBUSY";
    EEXIST = 17, c"EEXIST";
    ENODEV = 19, c"ENODEV";
    EINVAL = 22, c"EINVAL";
    ENOSPC = 28, c"ENOSPC";
    ERANGE = 34, c"ERANGE";
    EOVERFLOW = 75, c"EOVERFLOW";
    ETIMEDOUT = 110, c"ETIMEDOUT";
}
