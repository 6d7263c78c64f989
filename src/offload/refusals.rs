// SPDX-License-Identifier: GPL-2.0

//! What was refused on the devices of a flowtable: how often for each reason, and the driver's last words.

use super::Reason;
use crate::netfilter::DriverError;
use core::mem::swap;
use kernel::{
    alloc::KVVec,
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

impl Refusal {
    fn key(&self) -> (u32, u8) {
        (self.ifindex, self.reason as u8)
    }
}

/// All of them, in the order of the devices and reasons, so that one among those of thousands of devices is found quickly.
#[derive(Default)]
pub(crate) struct Refusals(KVVec<Refusal>);

impl Refusals {
    /// Counts a refusal. Without memory for a new entry it is not counted. May sleep.
    pub(crate) fn count(&mut self, ifindex: u32, reason: Reason, error: Option<&DriverError>) {
        let key = (ifindex, reason as u8);
        let place = self.0.binary_search_by_key(&key, Refusal::key);
        if let Some(refusal) = place.ok().and_then(|place| self.0.get_mut(place)) {
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
        // Down to its place.
        let mut len = self.0.len();
        while let Some([.., before, last]) = self.0.get_mut(..len) {
            if before.key() <= last.key() {
                break;
            }
            swap(before, last);
            len = len.saturating_sub(1);
        }
    }

    /// Those of a device.
    pub(crate) fn of(&self, ifindex: u32) -> impl Iterator<Item = &Refusal> {
        let first = self.0.partition_point(|refusal| refusal.ifindex < ifindex);
        let from = self.0.get(first..).unwrap_or_default().iter();
        from.take_while(move |refusal| refusal.ifindex == ifindex)
    }

    /// A device has left.
    pub(crate) fn forget(&mut self, ifindex: u32) {
        let first = self.0.partition_point(|refusal| refusal.ifindex < ifindex);
        let is = |refusal: &Refusal| refusal.ifindex == ifindex;
        while self.0.get(first).is_some_and(is) && self.0.remove(first).is_ok() {}
    }
}
