// SPDX-License-Identifier: GPL-2.0

//! What was refused on the devices of a flowtable: how often for each reason, and the driver's last words.

use super::Reason;
use crate::netfilter::DriverError;
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// The refusals of a device for one reason.
pub(crate) struct Refusal {
    ifindex: u32,
    /// The reason.
    pub(crate) reason: Reason,
    /// How many times.
    pub(crate) count: u64,
    /// What the driver said the last time, if it was the driver.
    pub(crate) error: Option<DriverError>,
}

/// All of them; as many entries as devices and reasons at most.
#[derive(Default)]
pub(crate) struct Refusals(KVec<Refusal>);

impl Refusals {
    /// Counts a refusal. Without memory for a new entry it is not counted. May sleep.
    pub(crate) fn count(&mut self, ifindex: u32, reason: Reason, error: Option<&DriverError>) {
        let same = |refusal: &&mut Refusal| refusal.ifindex == ifindex && refusal.reason == reason;
        if let Some(refusal) = self.0.iter_mut().find(same) {
            refusal.count = refusal.count.saturating_add(1);
            if error.is_some() {
                refusal.error = error.cloned();
            }
            return;
        }
        let refusal = Refusal {
            ifindex,
            reason,
            count: 1,
            error: error.cloned(),
        };
        let _ = self.0.push(refusal, GFP_KERNEL_ACCOUNT);
    }

    /// Those of a device.
    pub(crate) fn of(&self, ifindex: u32) -> impl Iterator<Item = &Refusal> {
        let mine = move |refusal: &&Refusal| refusal.ifindex == ifindex;
        self.0.iter().filter(mine)
    }

    /// A device has left.
    pub(crate) fn forget(&mut self, ifindex: u32) {
        let mine = |refusal: &Refusal| refusal.ifindex == ifindex;
        while let Some(index) = self.0.iter().position(mine) {
            if self.0.remove(index).is_err() {
                return;
            }
        }
    }
}
