// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `nft_offload`: devices, flows, totals, reasons.
//!
//! The family is specified in `docs/netlink/nft_offload.yaml`; its numbers come from there, by way
//! of [`uapi`]. An answer shows only the network namespace of the caller. No lock is held between
//! two packets of a dump.

pub(crate) mod attribute;
pub(crate) mod device;
pub(crate) mod event;
pub(crate) mod flow;
pub(crate) mod message;
pub(crate) mod reason;
pub(crate) mod stats;
pub(crate) mod walk;

use crate::{
    net::genetlink::{
        command::Operation,
        family::Family, //
    },
    report::netlink::{
        device::{
            DeviceGet,
            DeviceSet, //
        },
        flow::{
            FlowDump,
            FlowEvict,
            FlowGet, //
        },
        reason::{
            ReasonDump,
            ReasonGet, //
        },
        stats::StatsGet, //
    },
    uapi, //
};
use kernel::{
    prelude::*,
    ThisModule, //
};

/// Registers the family.
pub(crate) fn register(module: &'static ThisModule) -> Result<Family> {
    const OPERATIONS: &[Operation] = &[
        Operation::once::<DeviceGet>(),
        Operation::list::<DeviceGet>(),
        Operation::once::<FlowGet>(),
        Operation::list::<FlowDump>(),
        Operation::once::<StatsGet>(),
        Operation::once::<ReasonGet>(),
        Operation::list::<ReasonDump>(),
        Operation::once::<FlowEvict>(),
        Operation::once::<DeviceSet>(),
    ];
    let (name, version) = (
        uapi::NFT_OFFLOAD_FAMILY_NAME,
        uapi::NFT_OFFLOAD_FAMILY_VERSION,
    );
    Family::new(module, name, version, OPERATIONS)
}
