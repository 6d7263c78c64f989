// SPDX-License-Identifier: GPL-2.0

//! A driver's block. The driver itself is in [`crate::driver`].

use super::{eopnotsupp, NetDevice, Netns, RuleBuilder};
use crate::driver;
use kernel::{alloc, error::code, fmt, prelude::*};

#[derive(Clone, Copy)]
pub(crate) enum Command<'a> {
    Replace(&'a RuleBuilder<'a>),
    Destroy,
    Stats,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) last_used: u64,
}

/// A driver's refusal.
#[derive(Clone)]
pub(crate) struct DriverError {
    pub(crate) errno: Error,
    text: &'static str,
}

impl DriverError {
    fn new(errno: Error) -> Self {
        Self { errno, text: "" }
    }

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

    pub(crate) fn is_full(&self) -> bool {
        self.errno == code::ENOSPC
    }

    pub(crate) fn is_unknown_rule(&self) -> bool {
        self.errno == code::ENOENT
    }

    pub(crate) fn no_memory() -> Self {
        Self::new(code::ENOMEM)
    }

    pub(crate) fn no_callback() -> Self {
        Self {
            errno: eopnotsupp(),
            text: "the driver accepts flowtables but takes no rules from them",
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, \"{}\"", self.errno.to_errno(), self.text)
    }
}

/// A block that is bound to a device.
pub(crate) struct Block {
    /// Its number in the world.
    id: usize,
    unbound: bool,
}

impl Block {
    pub(crate) fn bind(dev: &NetDevice, net: Netns<'_>) -> Result<Self, DriverError> {
        let answer = alloc::allocate()
            .map_err(|_| code::ENOMEM)
            .and_then(|()| driver::bind(net.table(), dev.ifindex()));
        driver::bind_answered(net.table(), dev.ifindex(), answer);
        answer
            .map_err(DriverError::new)
            .map(|id| Self { id, unbound: false })
    }

    pub(crate) fn unbind(mut self, dev: &NetDevice, _: Netns<'_>) {
        self.unbound = true;
        driver::unbind(self.id, dev.ifindex());
    }

    pub(crate) fn command(&self, cookie: u64, command: Command<'_>) -> Result<Stats, DriverError> {
        driver::command(self.id, cookie, command).map_err(DriverError::new)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.unbound, "a bound block was dropped");
        }
    }
}
