// SPDX-License-Identifier: GPL-2.0

//! The error of a driver that rejects a rule or a binding.

use crate::net::{
    errno::eopnotsupp, //
};
use kernel::{
    error::code,
    ffi::{
        c_char,
        c_int, //
    },
    fmt,
    prelude::*,
    str::CStr, //
};

/// The error of a driver: an errno and a message.
#[derive(Clone)]
pub(crate) struct DriverError {
    /// The error; `EIO` if the driver returned a number that is not a valid errno.
    pub(crate) errno: Error,
    text: [u8; DriverError::MAX_TEXT],
    len: u8,
    /// Whether the message is the driver's own.
    own_words: bool,
}

impl DriverError {
    /// The maximum length of a message that a driver can format (`NETLINK_MAX_FMTMSG_LEN`).
    const MAX_TEXT: usize = 80;

    /// Creates the error of a driver from its errno and its message, which is null or a terminated
    /// string.
    ///
    /// # Safety
    ///
    /// `message` is null, or points to a terminated string that does not change during the call.
    pub(in crate::net) unsafe fn new(errno: c_int, message: *const c_char) -> Self {
        const MIN_ERRNO: c_int = -4095;
        let mut error = Self::with_text(code::EIO, b"");
        if errno < MIN_ERRNO {
            error.say(b"the driver returned an invalid errno");
        } else {
            error.errno = Error::from_errno(errno);
            if !message.is_null() {
                // SAFETY: By the safety requirement; `say` copies the string.
                error.say(unsafe { CStr::from_char_ptr(message) }.to_bytes());
                error.own_words = error.len != 0;
            }
        }
        error
    }

    /// Returns the message; empty if there is none.
    pub(crate) fn words(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Returns whether a retry may succeed.
    ///
    /// That is so if the device is busy, if a rule with the same match is just being removed, or if
    /// memory was short.
    pub(crate) fn is_temporary(&self) -> bool {
        [
            code::EBUSY,
            code::EEXIST,
            code::ENOMEM,
            code::EAGAIN,
            code::EINTR,
        ]
        .contains(&self.errno)
    }

    /// Returns whether the driver has no room for another rule.
    pub(crate) fn is_full(&self) -> bool {
        self.errno == code::ENOSPC
    }

    /// Returns whether the errno is one of these positive numbers.
    pub(crate) fn is_one_of(&self, errnos: &[u32]) -> bool {
        errnos.contains(&self.errno.to_errno().unsigned_abs())
    }

    /// Returns how informative the error is.
    ///
    /// A driver's own message ranks highest, then an errno other than "not supported", then a
    /// message of this module.
    pub(crate) fn tells(&self) -> u8 {
        if self.own_words {
            3
        } else if self.errno != eopnotsupp() {
            2
        } else {
            u8::from(self.len != 0)
        }
    }

    /// Creates the error for a driver that could not be called for lack of memory.
    pub(crate) fn no_memory() -> Self {
        Self::with_text(code::ENOMEM, b"")
    }

    /// Creates the error for a driver that accepted the binding, but has no callback for rules.
    pub(crate) fn no_callback() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver registered no flow block callback",
        )
    }

    /// Creates the error for a driver whose callback requires RTNL, which cannot be taken for
    /// flows.
    pub(in crate::net) fn needs_rtnl() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver's tc block callback requires RTNL (no unlocked_driver_cb)",
        )
    }

    /// Creates the error for a driver that may accept rules through its block of tc, which is not
    /// enabled.
    pub(crate) fn not_asked_for_block() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver lacks TC_SETUP_FT; parameter block allows its tc block",
        )
    }

    /// Creates the error for a device whose previous block another flowtable has yet to leave.
    pub(in crate::net) fn busy() -> Self {
        Self::with_text(code::EBUSY, b"")
    }

    /// Creates the error for a driver that has gone away with its binding.
    pub(crate) fn driver_gone() -> Self {
        Self::with_text(code::ENODEV, b"the driver that accepted the rules is gone")
    }

    pub(in crate::net) fn with_text(errno: Error, text: &[u8]) -> Self {
        let mut error = Self {
            errno,
            text: [0; Self::MAX_TEXT],
            len: 0,
            own_words: false,
        };
        error.say(text);
        error
    }

    fn say(&mut self, words: &[u8]) {
        self.len = 0;
        for (to, from) in self.text.iter_mut().zip(words) {
            // The text comes from a driver: it must not contain characters that break a log line.
            *to = if from.is_ascii_graphic() || *from == b' ' {
                *from
            } else {
                b'?'
            };
            self.len += 1;
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno.name() {
            Some(name) => f.write_str(name.to_str().unwrap_or("?"))?,
            None => write!(f, "errno {}", self.errno.to_errno())?,
        }
        match core::str::from_utf8(self.words()) {
            Ok(text) if !text.is_empty() => write!(f, ", \"{text}\""),
            _ => Ok(()),
        }
    }
}
