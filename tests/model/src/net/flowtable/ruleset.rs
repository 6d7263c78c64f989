// SPDX-License-Identifier: GPL-2.0

//! The ruleset, of which the world has a number.

use super::{engine::Flowtable, flow::Flow};
use crate::net::netdevice::Netns;
use crate::world::World;

pub(crate) fn generation(_: Netns<'_>) -> (u32, u8) {
    let now = World::with(|world| world.generation());
    (now.number, now.cursor)
}

/// There are no packets on their way.
pub(crate) fn wait_for_packets() {}

impl Flowtable {
    /// As in `src/net/ruleset.rs`.
    pub(crate) fn teardown<F: FnMut(&Flow) -> bool>(&self, mut wants: F) -> u64 {
        let flows = World::with(|world| world.flows_of(self.number()));
        let mut ended = 0;
        for address in flows {
            let flow = Flow::at(address);
            if !flow.is_torn_down() && wants(&flow) {
                flow.teardown();
                ended += 1;
            }
        }
        ended
    }
}
