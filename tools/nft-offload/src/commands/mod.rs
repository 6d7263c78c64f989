// SPDX-License-Identifier: GPL-2.0

//! The commands, one module each.

pub mod metrics;
pub mod support;
pub mod switch;
