// SPDX-License-Identifier: GPL-2.0

//! What a driver answers when it refuses.

use crate::net::{
    bindings,
    errno::eopnotsupp, //
};
use kernel::{
    error::code,
    ffi::c_int,
    fmt,
    prelude::*,
    str::CStr, //
};

/// A driver's refusal: its error and its own words.
#[derive(Clone)]
pub(crate) struct DriverError {
    /// The error; `EIO` where the driver returned a number that is none.
    pub(crate) errno: Error,
    text: [u8; DriverError::MAX_TEXT],
    len: u8,
    /// The words are the driver's own.
    own_words: bool,
}

impl DriverError {
    /// As long as a driver can format one (`NETLINK_MAX_FMTMSG_LEN`).
    const MAX_TEXT: usize = 80;

    pub(in crate::net) fn new(errno: c_int, extack: &bindings::netlink_ext_ack) -> Self {
        const MIN_ERRNO: c_int = -4095;
        let mut error = Self::with_text(code::EIO, b"");
        if errno < MIN_ERRNO {
            error.say(b"the driver returned a number that is no errno");
        } else {
            error.errno = Error::from_errno(errno);
            if !extack._msg.is_null() {
                // SAFETY: A driver sets `_msg` to a string constant or to the buffer in `extack`, both terminated.
                error.say(unsafe { CStr::from_char_ptr(extack._msg) }.to_bytes());
                error.own_words = error.len != 0;
            }
        }
        error
    }

    /// Its own words; empty if it has none.
    pub(crate) fn words(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Whether another attempt may go well: the device is busy, a rule with the same match is just being removed, or
    /// there was no memory.
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

    /// Whether the driver has no room for another rule.
    pub(crate) fn is_full(&self) -> bool {
        self.errno == code::ENOSPC
    }

    /// Whether the error is one of these, which are positive numbers.
    pub(crate) fn is_one_of(&self, errnos: &[u32]) -> bool {
        errnos.contains(&self.errno.to_errno().unsigned_abs())
    }

    /// How much it tells: a driver's own words most, then an error that is not "not supported", then words of ours.
    pub(crate) fn tells(&self) -> u8 {
        if self.own_words {
            3
        } else if self.errno != eopnotsupp() {
            2
        } else {
            u8::from(self.len != 0)
        }
    }

    /// There was no memory to ask the driver.
    pub(crate) fn no_memory() -> Self {
        Self::with_text(code::ENOMEM, b"")
    }

    /// The driver accepted the binding, but has no callback that takes rules.
    pub(crate) fn no_callback() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver accepts flowtables but takes no rules from them",
        )
    }

    /// The driver wants RTNL to be held around its callback, which is not possible for flows.
    pub(in crate::net) fn needs_rtnl() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver takes rules of tc only under the RTNL lock (no unlocked_driver_cb)",
        )
    }

    /// The driver may take rules through its block of tc; nobody has allowed that.
    pub(crate) fn not_asked_for_block() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver takes no flowtables; parameter block allows the block of tc",
        )
    }

    /// Another flowtable still has the block that is to be bound anew.
    pub(in crate::net) fn busy() -> Self {
        Self::with_text(code::EBUSY, b"")
    }

    /// The driver that had the binding has gone.
    pub(crate) fn driver_gone() -> Self {
        Self::with_text(code::ENODEV, b"the driver that took the rules has gone")
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
            // The text comes from a driver: nothing in it may break a log line.
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
