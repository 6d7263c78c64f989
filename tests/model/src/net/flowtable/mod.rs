// SPDX-License-Identifier: GPL-2.0

//! Flowtables: their engines, their flows.

pub(crate) mod engine;
pub(crate) mod flow;
pub(crate) mod flow_map;
pub(crate) mod ruleset;

pub(crate) mod view {
    pub(crate) use super::engine::Flowtable;
}
