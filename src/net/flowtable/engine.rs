// SPDX-License-Identifier: GPL-2.0

//! What an engine is, and what the core calls it with.

use crate::{
    net::{
        bindings,
        flow_offload::block::{
            BlockId,
            Stats, //
        },
        flowtable::{
            flow::{
                Flow,
                LiveFlow, //
            },
            flow_map::{
                FlowAddress,
                FlowMap, //
            },
            view::Flowtable, //
        },
        listener::{
            Change,
            DeviceEvent, //
        },
        netdevice::{
            NetDevice,
            RegisteredDevice, //
        },
        skbuff::SkBuff, //
    },
    proto::Dir, //
};
use kernel::{
    ffi::c_void,
    prelude::*,
    sync::atomic::Atomic,
    types::Opaque, //
};

/// What the hook does with a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look it up among the IPv4 flows.
    Ipv4,
    /// Look it up among the IPv6 flows.
    Ipv6,
    /// Not for the flowtable.
    Accept,
}

/// The engine of one flowtable with `flags offload`.
pub(crate) trait Engine: Sized + Send + Sync + 'static {
    /// What the engine keeps for each flow.
    type Record: Copy + Send + Unpin;

    /// Creates the engine of a flowtable. Called with the nftables commit mutex held; may sleep.
    fn new(table: Flowtable) -> impl PinInit<Self, Error>;

    /// A device joins the flowtable. Called with the commit mutex held, and RTNL or not: takes neither. A device can join
    /// again before it leaves once, in a renaming or in a transaction that deletes and adds it.
    ///
    /// An error refuses the device, and with it the ruleset.
    fn bind(&self, dev: &RegisteredDevice) -> Result;

    /// A device leaves the flowtable, its rules with it. Called as [`Engine::bind`].
    fn unbind(&self, flows: &FlowMap<Self::Record>, dev: &NetDevice);

    /// The core wants a flow in hardware, both its directions. It is the engine that shows in conntrack whether it is
    /// ([`Flow::set_hw_offload`]). May sleep, but not wait for RTNL, the commit mutex or the flowtable lock.
    fn replace(&self, flows: &FlowMap<Self::Record>, flow: LiveFlow<'_>);

    /// Translates a direction of a flow so many times into the same rule, as for the device that its packets arrive on; for
    /// tests/bench.
    #[cfg(nfto_bench)]
    fn translate(&self, flow: &Flow, dir: Dir, rounds: usize) -> Result;

    /// The flow ends: nothing of it may stay in hardware. Its record is removed afterwards. Context as
    /// [`Engine::replace`].
    fn destroy(&self, flows: &FlowMap<Self::Record>, flow: &Flow);

    /// What a direction has carried since the last call. Context as [`Engine::replace`].
    fn stats(&self, flows: &FlowMap<Self::Record>, flow: &Flow, dir: Dir) -> Result<Stats>;

    /// Whether there is something to do that nobody will ask for.
    fn has_chores(&self) -> bool;

    /// Does it; called about a second after [`Engine::has_chores`] said so. Context as [`Engine::replace`].
    fn do_chores(&self, flows: &FlowMap<Self::Record>);

    /// The driver of an indirect block goes away. If the block is still one of this engine's, its rules have to be out and it
    /// has to be unbound when this returns. Context as [`Engine::replace`].
    fn driver_gone(&self, flows: &FlowMap<Self::Record>, block: BlockId);

    /// Something about a device of the namespace has changed that a driver may look at when it is bound or given a rule. To be
    /// noted for [`Engine::do_chores`] only: called with RTNL held, and for every device there is.
    fn device_changed(&self, event: DeviceEvent);

    /// Something has changed that can change the way of flows. Returns in how many milliseconds [`Engine::watch`] is to be called,
    /// if that was not asked for before. Any context.
    fn network_changed(&self, change: Change) -> Option<u32>;

    /// Looks at what was noted. Returns in how many milliseconds it is to be called again, `None` if not before
    /// [`Engine::network_changed`] or [`Engine::wake`] says so. Context as [`Engine::replace`].
    fn watch(&self, flows: &FlowMap<Self::Record>) -> Option<u32>;

    /// There was a REPLACE. Returns in how many milliseconds [`Engine::watch`] is to be called, if it was not going to be.
    fn wake(&self) -> Option<u32>;

    /// The TCP connection of a flow closes, which the core has in hardware. To be noted for [`Engine::remove_closing`] only: called
    /// from the hook, in atomic context.
    fn flow_closes(&self, flow: FlowAddress);

    /// Takes the flows out of hardware that were noted; called right afterwards. Context as [`Engine::replace`].
    fn remove_closing(&self, flows: &FlowMap<Self::Record>);

    /// There is a flow through an IP in IP tunnel, which the core hands over to nobody. It may be of a flowtable in software.
    /// Said again and again; atomic context.
    fn not_handed_over();

    /// There is a flow whose packets the core would lose in an IP tunnel ([`Flow::tunnel_device`]): they take the slow path. Said
    /// again and again; atomic context.
    fn mishandled(flow: &Flow);

    /// The core does not promise the DESTROY of a flow any more ([`Promise`]). Said once; atomic context.
    fn ends_are_not_promised();

    /// Finds the IP version of a packet at the inet hook by its protocol (after the link-layer header and a tag that the stack
    /// took off; host order). Atomic context.
    fn demultiplex(skb: &mut SkBuff, protocol: u16) -> Verdict;
}

/// What the callback of a flowtable owns.
#[pin_data]
pub(in crate::net) struct Instance<T: Engine> {
    #[pin]
    pub(in crate::net) engine: T,
    #[pin]
    pub(in crate::net) flows: FlowMap<T::Record>,
    /// Runs [`Engine::do_chores`].
    #[pin]
    pub(in crate::net) chores: Opaque<bindings::delayed_work>,
    /// Runs [`Engine::watch`].
    #[pin]
    pub(in crate::net) watch: Opaque<bindings::delayed_work>,
    /// Runs [`Engine::remove_closing`].
    #[pin]
    pub(in crate::net) closing: Opaque<bindings::delayed_work>,
    /// The address of its instance, set once in `attach`.
    pub(in crate::net) instance: Atomic<usize>,
}

impl<T: Engine> Instance<T> {
    /// Has the engine's chores done, if there are any.
    pub(in crate::net) fn look_after(&self) {
        if self.engine.has_chores() {
            // SAFETY: `attach` has initialised the work; it is cancelled before it goes (`release`).
            unsafe { bindings::nfto_schedule_in_a_second(self.chores.get()) };
        }
    }

    /// As [`Engine::driver_gone`].
    ///
    /// # Safety
    ///
    /// `owned` points to a `Self` that is not dropped meanwhile.
    pub(in crate::net) unsafe fn driver_gone(owned: *const c_void, block: BlockId) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.driver_gone(&owned.flows, block);
        owned.look_after();
    }

    /// As [`Engine::device_changed`].
    ///
    /// # Safety
    ///
    /// As [`Instance::driver_gone`].
    pub(in crate::net) unsafe fn device_changed(owned: *const c_void, event: DeviceEvent) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.device_changed(event);
        owned.look_after();
    }
}

impl<T: Engine> Instance<T> {
    /// As [`Engine::network_changed`]. Any context.
    ///
    /// # Safety
    ///
    /// As [`Instance::driver_gone`].
    pub(in crate::net) unsafe fn network_changed(owned: *const c_void, change: Change) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        if let Some(ms) = owned.engine.network_changed(change) {
            owned.watch_in(ms);
        }
    }

    /// As [`Engine::flow_closes`]. Any context.
    ///
    /// # Safety
    ///
    /// As [`Instance::driver_gone`].
    pub(in crate::net) unsafe fn flow_closes(owned: *const c_void, flow: FlowAddress) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.flow_closes(flow);
        // SAFETY: `attach` has initialised the work; it is cancelled before it goes (`release`).
        unsafe { bindings::nfto_schedule_now(owned.closing.get()) };
    }

    pub(in crate::net) fn watch_in(&self, ms: u32) {
        // SAFETY: `attach` has initialised the work; it is cancelled before it goes (`release`).
        unsafe { bindings::nfto_schedule_in_ms(self.watch.get(), ms) };
    }
}
