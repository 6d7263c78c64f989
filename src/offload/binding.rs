// SPDX-License-Identifier: GPL-2.0

//! A device of a flowtable: its private block, and how its driver reads rules.

use super::profile::{
    Profile,
    TC, //
};
use crate::netfilter::{
    Block,
    Command,
    DriverError,
    NetDevice,
    Netns,
    RuleBuilder,
    Stats, //
};
use kernel::alloc::KVec;

/// A device that takes rules.
pub(crate) struct Binding {
    /// The index of the device.
    pub(crate) ifindex: u32,
    /// How its driver reads rules.
    pub(crate) profile: &'static Profile,
    block: Block,
}

impl Binding {
    /// Binds a device; the driver's refusal says why it takes no rules.
    pub(crate) fn new(dev: &NetDevice, net: Netns) -> Result<Self, DriverError> {
        Ok(Self {
            ifindex: dev.ifindex(),
            profile: &TC,
            block: Block::bind(dev, net)?,
        })
    }

    /// Whether the driver can be given rules; some accept the binding and never take one.
    pub(crate) fn takes_rules(&self) -> bool {
        self.block.takes_rules()
    }

    /// Gives the driver a rule.
    pub(crate) fn replace(&self, cookie: u64, rule: &RuleBuilder) -> Result<(), DriverError> {
        self.block.command(cookie, Command::Replace(rule)).map(drop)
    }

    /// Takes a rule back from the driver.
    pub(crate) fn destroy(&self, cookie: u64) -> Result<(), DriverError> {
        self.block.command(cookie, Command::Destroy).map(drop)
    }

    /// What a rule has carried since the last time.
    pub(crate) fn stats(&self, cookie: u64) -> Result<Stats, DriverError> {
        self.block.command(cookie, Command::Stats)
    }

    /// Unbinds the device. Its rules are destroyed before.
    pub(crate) fn unbind(self, dev: &NetDevice, net: Netns) {
        self.block.unbind(dev, net);
    }
}

/// The bindings of a flowtable.
pub(crate) struct Bindings(pub(crate) KVec<Binding>);

impl Bindings {
    /// The binding of the device with this index.
    pub(crate) fn get(&self, ifindex: u32) -> Option<&Binding> {
        self.0.iter().find(|binding| binding.ifindex == ifindex)
    }

    /// The binding for packets that arrive on a device: its own, or that of another port of the same switch.
    pub(crate) fn for_ingress(&self, ifindex: u32, net: Netns) -> Option<&Binding> {
        if let Some(binding) = self.get(ifindex) {
            return Some(binding).filter(|binding| binding.takes_rules());
        }
        let ingress = net.device(ifindex)?;
        self.0.iter().find(|binding| {
            binding.takes_rules()
                && net
                    .device(binding.ifindex)
                    .is_some_and(|dev| ingress.same_switch(&dev))
        })
    }
}
