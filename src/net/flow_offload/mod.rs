// SPDX-License-Identifier: GPL-2.0

//! Rules for drivers, and the blocks through which drivers receive them.
//!
//! | file              | what it wraps                                                   |
//! |-------------------|-----------------------------------------------------------------|
//! | `block.rs`        | `struct flow_block`: binding a driver, calling it, unbinding it |
//! | `shared_block.rs` | the block that all flowtables with the same device share        |
//! | `rule.rs`         | `struct flow_rule`: the match keys and the actions              |
//! | `driver_error.rs` | the errno and the extack message of a driver                    |

pub(crate) mod block;
pub(crate) mod driver_error;
pub(crate) mod rule;
pub(crate) mod shared_block;
