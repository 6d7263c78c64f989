// SPDX-License-Identifier: GPL-2.0

//! Where the packets of a flow would go: as the flow does, unless the test has moved it.

use crate::net::flowtable::flow::NextHop;
use crate::world::World;
use crate::{
    net::{
        flowtable::flow::{Encap, Flow},
        netdevice::Netns,
    },
    proto::Dir,
};

pub(crate) struct Way {
    pub(crate) is_up: bool,
    pub(crate) forwards: bool,
    pub(crate) is_blocked: bool,
    pub(crate) hop: NextHop,
    pub(crate) encaps: [Option<Encap>; 2],
    pub(crate) mtu: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) enum NoWay {
    Route,
    Policy,
    Tunnel,
    Neighbour,
    Path,
}

impl Flow {
    pub(crate) fn way(&self, dir: Dir, _mark: u32) -> Result<Way, NoWay> {
        if self.is_moved() {
            return Err(NoWay::Route);
        }
        let hop = self.neighbour(dir).map_err(|_| NoWay::Neighbour)?;
        Ok(Way {
            is_up: true,
            forwards: true,
            is_blocked: false,
            hop: NextHop {
                ifindex: self.ingress_ifindex(dir.other()),
                ..hop
            },
            encaps: self.encaps(dir.other()),
            mtu: self.mtu(dir),
        })
    }
}

impl Netns<'_> {
    pub(crate) fn has_policy_rules(self, _family: u8) -> bool {
        true
    }

    pub(crate) fn has_bridges(self) -> bool {
        false
    }

    pub(crate) fn routing(self) -> u64 {
        World::with(|world| world.routing)
    }
}
