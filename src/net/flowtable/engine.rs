// SPDX-License-Identifier: GPL-2.0

//! The interface between the flowtable core and an engine.

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

/// Selects what a flowtable hook does with a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Looks the packet up among the IPv4 flows.
    Ipv4,
    /// Looks the packet up among the IPv6 flows.
    Ipv6,
    /// Leaves the packet to the slow path.
    Accept,
}

/// Handles the offload of one flowtable with `flags offload`.
pub(crate) trait Engine: Sized + Send + Sync + 'static {
    /// The state that the engine keeps for each flow.
    type Record: Copy + Send + Unpin;

    /// Creates the engine of a flowtable.
    ///
    /// Called with the nftables commit mutex held. May sleep.
    fn new(table: Flowtable) -> impl PinInit<Self, Error>;

    /// Adds a device to the flowtable.
    ///
    /// Called with the commit mutex held, and with or without RTNL; must take neither. When a
    /// device is renamed, or deleted and added again in one transaction, `bind` may be called a
    /// second time before `unbind`.
    ///
    /// # Errors
    ///
    /// An error rejects the device, and the ruleset with it.
    fn bind(&self, dev: &RegisteredDevice) -> Result;

    /// Removes a device and its rules from the flowtable.
    ///
    /// Context: as [`Engine::bind`].
    fn unbind(&self, flows: &FlowMap<Self::Record>, dev: &NetDevice);

    /// Offloads both directions of a flow, as the core requests.
    ///
    /// The engine sets the offload mark of the conntrack entry ([`Flow::set_hw_offload`]). May
    /// sleep, but must not wait for RTNL, the commit mutex or the flowtable lock.
    fn replace(&self, flows: &FlowMap<Self::Record>, flow: LiveFlow<'_>);

    /// Removes every rule of a flow that ends.
    ///
    /// The caller removes the record of the flow afterwards. Context: as [`Engine::replace`].
    fn destroy(&self, flows: &FlowMap<Self::Record>, flow: &Flow);

    /// Returns the traffic of one direction since the last call.
    ///
    /// Context: as [`Engine::replace`].
    fn stats(&self, flows: &FlowMap<Self::Record>, flow: &Flow, dir: Dir) -> Result<Stats>;

    /// Returns whether the engine has deferred work that no call of the core triggers.
    fn has_chores(&self) -> bool;

    /// Does the deferred work.
    ///
    /// Called about a second after [`Engine::has_chores`] returned `true`. Context: as
    /// [`Engine::replace`].
    fn do_chores(&self, flows: &FlowMap<Self::Record>);

    /// Unbinds an indirect block whose driver goes away.
    ///
    /// If the block still belongs to this engine, its rules must be removed and the block unbound
    /// before this returns. Context: as [`Engine::replace`].
    fn driver_gone(&self, flows: &FlowMap<Self::Record>, block: BlockId);

    /// Notes that a device of the namespace has changed in a way that a driver may check when the
    /// device is bound or a rule is added.
    ///
    /// The engine only notes the change for [`Engine::do_chores`]: this is called with RTNL held,
    /// and for every device of the namespace.
    fn device_changed(&self, event: DeviceEvent);

    /// Notes a change of the network that may change the path of flows.
    ///
    /// Returns the delay in milliseconds after which [`Engine::watch`] has to be called, or `None`
    /// if that call is already requested. Any context.
    fn network_changed(&self, change: Change) -> Option<u32>;

    /// Checks the flows that the noted changes may affect.
    ///
    /// Returns the delay in milliseconds until the next call, or `None` if no call is needed before
    /// [`Engine::network_changed`] or [`Engine::wake`] requests one. Context: as
    /// [`Engine::replace`].
    fn watch(&self, flows: &FlowMap<Self::Record>) -> Option<u32>;

    /// Notes that a REPLACE has been handled.
    ///
    /// Returns the delay in milliseconds after which [`Engine::watch`] has to be called, or `None`
    /// if that call is already requested.
    fn wake(&self) -> Option<u32>;

    /// Notes that the TCP connection of an offloaded flow closes.
    ///
    /// The engine only notes the flow for [`Engine::remove_closing`]: this is called from the hook,
    /// in atomic context.
    fn flow_closes(&self, flow: FlowAddress);

    /// Removes the noted flows from hardware.
    ///
    /// Called right after [`Engine::flow_closes`]. Context: as [`Engine::replace`].
    fn remove_closing(&self, flows: &FlowMap<Self::Record>);

    /// Reports a flow through an IP in IP tunnel, which the core never offers for offload.
    ///
    /// The flow may belong to a software flowtable. Called repeatedly, in atomic context.
    fn not_handed_over();

    /// Reports a flow whose packets the core would lose in an IP tunnel ([`Flow::tunnel_device`]).
    ///
    /// The packets of the flow take the slow path. Called repeatedly, in atomic context.
    fn mishandled(flow: &Flow);

    /// Reports that the core no longer guarantees the DESTROY of a flow ([`Promise`]).
    ///
    /// Called once, in atomic context.
    fn ends_are_not_promised();

    /// Determines the IP version of a packet at the inet hook.
    ///
    /// `protocol` is the ethertype in host order, after the link-layer header and after a VLAN tag
    /// that the stack has removed. Atomic context.
    fn demultiplex(skb: &mut SkBuff, protocol: u16) -> Verdict;
}

/// The data that the callback of a flowtable owns.
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
    /// The address of the entry in the list of instances, set once in `attach`.
    pub(in crate::net) instance: Atomic<usize>,
}

impl<T: Engine> Instance<T> {
    /// Schedules the engine's deferred work if there is any.
    pub(in crate::net) fn look_after(&self) {
        if self.engine.has_chores() {
            // SAFETY: `attach` has initialised the work; `release` cancels it before it is freed.
            unsafe { bindings::nfto_schedule_in_a_second(self.chores.get()) };
        }
    }

    /// Forwards to [`Engine::driver_gone`].
    ///
    /// # Safety
    ///
    /// `owned` points to a `Self` that is not dropped during the call.
    pub(in crate::net) unsafe fn driver_gone(owned: *const c_void, block: BlockId) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.driver_gone(&owned.flows, block);
        owned.look_after();
    }

    /// Forwards to [`Engine::device_changed`].
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
    /// Forwards to [`Engine::network_changed`]. Any context.
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

    /// Forwards to [`Engine::flow_closes`]. Any context.
    ///
    /// # Safety
    ///
    /// As [`Instance::driver_gone`].
    pub(in crate::net) unsafe fn flow_closes(owned: *const c_void, flow: FlowAddress) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.flow_closes(flow);
        // SAFETY: `attach` has initialised the work; `release` cancels it before it is freed.
        unsafe { bindings::nfto_schedule_now(owned.closing.get()) };
    }

    pub(in crate::net) fn watch_in(&self, ms: u32) {
        // SAFETY: `attach` has initialised the work; `release` cancels it before it is freed.
        unsafe { bindings::nfto_schedule_in_ms(self.watch.get(), ms) };
    }
}
