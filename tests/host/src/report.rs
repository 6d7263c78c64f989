// SPDX-License-Identifier: GPL-2.0

//! The report's pure files.

#[path = "../../../src/report/filter.rs"]
pub(crate) mod filter;
