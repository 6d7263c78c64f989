// SPDX-License-Identifier: GPL-2.0

//! The trait that the engine implements, and what stands between it and the core.

use super::{
    flow::{Flow, LiveFlow},
    flow_map::{FlowAddress, FlowMap},
};
use crate::{
    net::{
        flow_offload::block::{BlockId, Stats},
        listener::{Change, DeviceEvent},
        netdevice::{NetDevice, Netns},
        skbuff::SkBuff,
    },
    proto::Dir,
    world::World,
};
use kernel::prelude::*;

/// A flowtable as its engine sees it.
pub(crate) struct Flowtable(usize);

impl Flowtable {
    pub(in crate::net) fn number(&self) -> usize {
        self.0
    }

    pub(crate) fn net(&self) -> Netns<'_> {
        Netns::of_table(self.0)
    }

    pub(crate) fn is_going(&self) -> bool {
        false
    }

    pub(crate) fn is_committed(&self) -> bool {
        true
    }

    pub(crate) fn collect(&self) {}

    pub(crate) fn counts(&self) -> bool {
        World::with(|world| world.counts)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ipv4,
    Ipv6,
    Accept,
}

/// As in `src/net/flowtable.rs`.
pub(crate) trait Engine: Sized + Send + Sync + 'static {
    type Record: Copy + Send + Unpin;

    fn new(table: Flowtable) -> impl PinInit<Self, Error>;

    fn bind(&self, dev: &NetDevice) -> Result;

    fn unbind(&self, flows: &FlowMap<Self::Record>, dev: &NetDevice);

    fn replace(&self, flows: &FlowMap<Self::Record>, flow: LiveFlow<'_>);

    fn destroy(&self, flows: &FlowMap<Self::Record>, flow: &Flow);

    fn stats(&self, flows: &FlowMap<Self::Record>, flow: &Flow, dir: Dir) -> Result<Stats>;

    fn has_chores(&self) -> bool;

    fn do_chores(&self, flows: &FlowMap<Self::Record>);

    fn driver_gone(&self, flows: &FlowMap<Self::Record>, block: BlockId);

    fn device_changed(&self, event: DeviceEvent);

    fn network_changed(&self, change: Change) -> Option<u32>;

    fn watch(&self, flows: &FlowMap<Self::Record>) -> Option<u32>;

    fn wake(&self) -> Option<u32>;

    fn flow_closes(&self, flow: FlowAddress);

    fn remove_closing(&self, flows: &FlowMap<Self::Record>);

    fn not_handed_over();

    fn mishandled(flow: &Flow);

    fn ends_are_not_promised();

    fn demultiplex(skb: &mut SkBuff, protocol: u16) -> Verdict;
}

/// What the callback of a flowtable owns, and what the adapter does with it.
pub(crate) struct Instance<T: Engine> {
    engine: T,
    flows: FlowMap<T::Record>,
}

impl<T: Engine> Instance<T> {
    pub(crate) fn new(table: usize) -> Self {
        let made = try_pin_init!(Self {
            engine <- T::new(Flowtable(table)),
            flows <- FlowMap::new(),
        })
        .build();
        let Ok(owned) = made else {
            panic!("no engine");
        };
        owned
    }

    pub(crate) fn bind(&self, dev: &NetDevice) -> Result {
        self.engine.bind(dev)
    }

    /// What the adapter's work does, about a second after the engine has said that there is something to do.
    pub(crate) fn look_after(&self) {
        if self.engine.has_chores() {
            self.engine.do_chores(&self.flows);
        }
    }

    pub(crate) fn driver_gone(&self, block: BlockId) {
        self.engine.driver_gone(&self.flows, block);
    }

    /// Returns whether the work is to be run.
    pub(crate) fn network_changed(&self, change: Change) -> bool {
        self.engine.network_changed(change).is_some()
    }

    pub(crate) fn watch(&self) {
        self.engine.watch(&self.flows);
    }

    pub(crate) fn flow_closes(&self, flow: FlowAddress) {
        self.engine.flow_closes(flow);
    }

    pub(crate) fn remove_closing(&self) {
        self.engine.remove_closing(&self.flows);
    }

    pub(crate) fn device_changed(&self, event: DeviceEvent) {
        self.engine.device_changed(event);
    }

    pub(crate) fn unbind(&self, dev: &NetDevice) {
        self.engine.unbind(&self.flows, dev);
    }

    pub(crate) fn replace(&self, flow: &Flow) {
        if let Some(flow) = LiveFlow::new(flow) {
            self.engine.replace(&self.flows, flow);
        }
    }

    pub(crate) fn destroy(&self, flow: &Flow, dir: Dir) {
        if dir == Dir::Original {
            self.engine.destroy(&self.flows, flow);
            self.flows.forget(flow);
        }
    }

    pub(crate) fn stats(&self, flow: &Flow, dir: Dir) -> Result<Stats> {
        self.engine.stats(&self.flows, flow, dir)
    }

    /// For who looks at the engine from outside (`live_engines`).
    pub(crate) fn look_at<R>(&self, f: impl FnOnce(&T, &FlowMap<T::Record>) -> R) -> R {
        f(&self.engine, &self.flows)
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> usize {
        self.flows.count()
    }
}
