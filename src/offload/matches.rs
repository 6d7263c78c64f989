// SPDX-License-Identifier: GPL-2.0

//! Which flow's rule has a match.
//!
//! After a teardown the core learns a flow anew at once, and asks for its rules up to two seconds before it destroys those of
//! the old one, which match the same packets. Drivers refuse the new rule then, or keep the old one's actions. So the
//! holder of a match has to let go first.

use crate::netfilter::FlowId;
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::Mutex, //
};

/// The flow whose rule has a match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The rule.
    pub(crate) cookie: u64,
    /// Its flow.
    pub(crate) flow: FlowId,
}

/// The holders of matches, which go by their hash.
#[pin_data]
pub(crate) struct Matches {
    #[pin]
    holders: Mutex<RBTree<u64, Holder>>,
}

impl Matches {
    /// No holders.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            holders <- new_mutex!(RBTree::new(), "Matches::holders"),
        })
    }

    /// The present holder of a match.
    pub(crate) fn holder(&self, matching: u64) -> Option<Holder> {
        self.holders.lock().get(&matching).copied()
    }

    /// Makes `holder` the holder of a match.
    pub(crate) fn claim(&self, matching: u64, holder: Holder) -> Result {
        self.holders
            .lock()
            .try_create_and_insert(matching, holder, GFP_KERNEL)?;
        Ok(())
    }

    /// The rule `cookie` lets go of its match, if it has it.
    pub(crate) fn release(&self, matching: u64, cookie: u64) {
        let mut holders = self.holders.lock();
        if holders.get(&matching).is_some_and(|h| h.cookie == cookie) {
            holders.remove_node(&matching);
        }
    }
}
