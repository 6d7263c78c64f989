// SPDX-License-Identifier: GPL-2.0

//! What the module reports: [`netlink`] answers requests and sends events, [`log`] writes to the
//! kernel log.

pub(crate) mod filter;
pub(crate) mod log;
pub(crate) mod netlink;
