// SPDX-License-Identifier: GPL-2.0

//! Hardware offload of nftables flowtables: the module and its wiring.
//!
//! The module registers its own `nf_flowtable_type` for the families inet, ip and ip6. The kernel's
//! flowtable core keeps the flows; the module translates each flow into rules for the driver of the
//! NIC, installs them, and removes them again.

mod container;
mod net;
mod offload;
mod proto;
mod report;
mod translate;
mod uapi;

use crate::{
    net::{
        flow_offload::rule::SpareRules,
        flowtable::{
            instances::Instances,
            registration::Registration, //
        },
        genetlink::family::Family,
        notifier::Notifier,
        params,
        watch::Watch, //
    },
    offload::{
        parameter,
        table::Table, //
    },
    report::{
        log::{
            self,
            Log, //
        },
        netlink, //
    }, //
};
use kernel::{
    error::code,
    prelude::*,
    str::CStr, //
};

module! {
    type: NftOffload,
    name: "nft_offload",
    authors: ["The nft_offload developers"],
    description: "nftables flowtable hardware offload",
    license: "GPL",
    // nf_tables requests "nf-flowtable-<NFPROTO>": inet, ip, ip6.
    alias: ["nf-flowtable-1", "nf-flowtable-2", "nf-flowtable-10"],
}

struct NftOffload {
    // Dropped in this order: the last instance goes before the fields that access instances.
    _types: Registration<Table<Log>>,
    _notifier: Notifier<Instances>,
    _watch: Watch<Instances>,
    _family: Family,
    _instances: Instances,
    _rules: SpareRules,
}

/// Checks the module parameters, and logs what is wrong with the first invalid one.
fn check_parameters() -> Result {
    parameter::check_profile(params::profile().to_bytes()).map_err(|invalid| {
        log::profile_invalid(&invalid);
        code::EINVAL
    })?;
    parameter::check_limit(params::limit().to_bytes()).map_err(|invalid| {
        log::limit_invalid(&invalid);
        code::EINVAL
    })?;
    parameter::check_block(params::block().to_bytes()).map_err(|invalid| {
        log::block_invalid(&invalid);
        code::EINVAL
    })?;
    let one_of = |name, text: &CStr, is_right: bool, expected| {
        if is_right {
            return Ok(());
        }
        log::word_invalid(name, text.to_bytes(), expected);
        Err(code::EINVAL)
    };
    let text = params::unsupported();
    let right = parameter::unsupported(text.to_bytes()).is_some();
    one_of("unsupported", text, right, "software or reject")?;
    let text = params::directions();
    let right = parameter::directions(text.to_bytes()).is_some();
    one_of("directions", text, right, "both or any")?;
    let text = params::admit();
    let right = parameter::admit(text.to_bytes()).is_some();
    one_of("admit", text, right, "a packet count")
}

impl kernel::Module for NftOffload {
    fn init(module: &'static ThisModule) -> Result<Self> {
        check_parameters()?;
        let instances = Instances::new()?;
        let family = netlink::register(module)?;
        let watch = Watch::new()?;
        let notifier = Notifier::new(&watch)?;
        // Last, because flowtables can be created as soon as the types are visible.
        let (types, shadowed) = Registration::new(module).inspect_err(log::registration_failed)?;
        if let Some(error) = shadowed {
            log::registration_failed(&error);
        }
        Ok(NftOffload {
            _types: types,
            _notifier: notifier,
            _watch: watch,
            _family: family,
            _instances: instances,
            _rules: SpareRules,
        })
    }
}
