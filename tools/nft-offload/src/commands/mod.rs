// SPDX-License-Identifier: GPL-2.0

//! The commands, one module each, with its arguments.

pub mod completion;
pub mod devices;
pub mod doctor;
pub mod evict;
pub mod flows;
pub mod metrics;
pub mod monitor;
pub mod reasons;
pub mod set;
pub mod status;
pub mod support;
pub mod switch;
pub mod top;
pub mod why;
