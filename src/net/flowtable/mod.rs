// SPDX-License-Identifier: GPL-2.0

//! Flowtables: their types, their engines, their flows.

pub(crate) mod adapter;
pub(crate) mod engine;
pub(crate) mod flow;
pub(crate) mod flow_map;
pub(crate) mod instances;
pub(crate) mod promise;
pub(crate) mod registration;
pub(crate) mod ruleset;
pub(crate) mod view;
