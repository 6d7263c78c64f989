// SPDX-License-Identifier: GPL-2.0

//! The engine's pure files.

#[path = "../../../src/offload/backoff.rs"]
pub(crate) mod backoff;
#[path = "../../../src/offload/behind.rs"]
pub(crate) mod behind;
#[path = "../../../src/offload/counters.rs"]
pub(crate) mod counters;
#[path = "../../../src/offload/ip_version.rs"]
pub(crate) mod ip_version;
#[path = "../../../src/offload/parameter.rs"]
pub(crate) mod parameter;
#[path = "../../../src/offload/profile/mod.rs"]
pub(crate) mod profile;
#[path = "../../../src/offload/rate.rs"]
pub(crate) mod rate;
#[path = "../../../src/offload/reason.rs"]
pub(crate) mod reason;
#[path = "../../../src/offload/reload.rs"]
pub(crate) mod reload;
