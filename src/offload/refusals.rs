// SPDX-License-Identifier: GPL-2.0

//! Counts what was refused on the devices of a flowtable, for each reason, with the driver's last
//! error.

use crate::{
    net::flow_offload::driver_error::DriverError,
    offload::reason::Reason, //
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// The refusals of a device for one reason.
pub(crate) struct Refusal {
    ifindex: u32,
    /// The reason.
    pub(crate) reason: Reason,
    /// The number of refusals.
    pub(crate) count: u64,
    /// The driver's error of the last refusal that had one.
    pub(crate) error: Option<DriverError>,
}

impl Refusal {
    fn key(&self) -> (u32, u8) {
        (self.ifindex, self.reason as u8)
    }
}

/// All refusals, in the order of the devices and reasons.
///
/// The order makes the lookup fast among thousands of devices.
#[derive(Default)]
pub(crate) struct Refusals(KVVec<Refusal>);

impl Refusals {
    /// Counts a refusal. Without memory for a new entry it is not counted. May sleep.
    pub(crate) fn count(&mut self, ifindex: u32, reason: Reason, error: Option<&DriverError>) {
        let key = (ifindex, reason as u8);
        let place = self.0.partition_point(|refusal| refusal.key() < key);
        let present = self.0.get_mut(place);
        if let Some(refusal) = present.filter(|refusal| refusal.key() == key) {
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
        if self.0.reserve(1, GFP_KERNEL_ACCOUNT).is_ok() {
            let _ = self.0.insert_within_capacity(place, refusal);
        }
    }

    /// Returns the refusals of a device.
    pub(crate) fn of(&self, ifindex: u32) -> impl Iterator<Item = &Refusal> {
        let first = self.0.partition_point(|refusal| refusal.ifindex < ifindex);
        let from = self.0.get(first..).unwrap_or_default().iter();
        from.take_while(move |refusal| refusal.ifindex == ifindex)
    }

    /// Forgets the refusals of a device that has left.
    pub(crate) fn forget(&mut self, ifindex: u32) {
        let first = self.0.partition_point(|refusal| refusal.ifindex < ifindex);
        let is = |refusal: &Refusal| refusal.ifindex == ifindex;
        while self.0.get(first).is_some_and(is) && self.0.remove(first).is_ok() {}
    }
}
