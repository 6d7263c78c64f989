// SPDX-License-Identifier: GPL-2.0

//! Generic netlink: a family, its commands, their requests and replies.
//!
//! | File | Contents |
//! |------|----------|
//! | `family.rs` | a registered family and its events |
//! | `command.rs` | a command: one reply, or a list of replies |
//! | `policy.rs` | the type and range of each attribute of a request |
//! | `request.rs` | a request and its attributes |
//! | `message.rs` | replies and events: headers and attributes |
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

pub(crate) mod command;
pub(crate) mod family;
pub(crate) mod message;
pub(crate) mod policy;
pub(crate) mod request;
