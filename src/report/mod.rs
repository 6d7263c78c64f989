// SPDX-License-Identifier: GPL-2.0

//! What the module tells people: [`netlink`] answers those who ask, [`log`] writes to the kernel log.

pub(crate) mod filter;
pub(crate) mod log;
pub(crate) mod netlink;
