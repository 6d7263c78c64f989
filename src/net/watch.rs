// SPDX-License-Identifier: GPL-2.0

//! Listens to changes that can affect the path of a flow: routes and policy rules, neighbours,
//! bridges.
//!
//! Changes of devices are handled by [`notifier`](super::notifier). The notifiers are called in any
//! context, so they only note the change ([`Listener::network_changed`]).
//!
//! C headers: [`include/net/fib_notifier.h`](srctree/include/net/fib_notifier.h),
//! [`include/net/netevent.h`](srctree/include/net/netevent.h),
//! [`include/net/switchdev.h`](srctree/include/net/switchdev.h)

use crate::{
    net::{
        bindings,
        listener::{
            Change,
            Listener,
            Prefix, //
        },
        netdevice::Netns, //
    },
    proto::Mac, //
};
use core::marker::PhantomData;
use kernel::{
    alloc::KBox,
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// Starts reporting changes of a namespace's routes and rules. May sleep.
///
/// # Safety
///
/// The namespace exists.
pub(super) unsafe fn watch_fib<L: Listener>(net: *mut bindings::net) -> Result {
    // SAFETY: By the safety requirement. The notifier is unregistered when the namespace goes, and
    // before the module is unloaded (`Fib`). A flowtable exists, so the pernet operations do.
    to_result(unsafe { bindings::nfto_watch_fib(net, Some(fib_changed::<L>)) })
}

type Block = Pin<KBox<Opaque<bindings::notifier_block>>>;

type Call = unsafe extern "C" fn(*mut bindings::notifier_block, c_ulong, *mut c_void) -> c_int;

fn block(call: Call) -> Result<Block> {
    let block = bindings::notifier_block {
        notifier_call: Some(call),
        ..bindings::notifier_block::default()
    };
    Ok(KBox::pin(Opaque::new(block), GFP_KERNEL)?)
}

/// The pernet operations of [`watch_fib`].
///
/// # Invariants
///
/// The operations are registered.
struct Fib(());

impl Drop for Fib {
    fn drop(&mut self) {
        // SAFETY: By the type invariant they are registered, and they are unregistered once.
        unsafe { bindings::nfto_watch_exit() };
    }
}

/// The notifier for neighbours.
///
/// # Invariants
///
/// The block is registered, and does not move.
struct Neighbours(Block);

impl Drop for Neighbours {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; waits for running calls of `neighbour_changed`.
        unsafe { bindings::unregister_netevent_notifier(self.0.get()) };
    }
}

/// The two notifiers for bridges.
///
/// # Invariants
///
/// Both blocks are registered, and do not move.
struct Bridges(Block, Block);

impl Drop for Bridges {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; waits for running calls of the functions.
        unsafe { bindings::nfto_unregister_switchdev(self.0.get(), self.1.get()) };
    }
}

/// The registered notifiers.
pub(crate) struct Watch<L: Listener> {
    _bridges: Bridges,
    _neighbours: Neighbours,
    _fib: Fib,
    _listener: PhantomData<L>,
}

// SAFETY: Notifiers can be unregistered by any thread.
unsafe impl<L: Listener> Send for Watch<L> {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl<L: Listener> Sync for Watch<L> {}

impl<L: Listener> Watch<L> {
    /// Registers the notifiers. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: An FFI call with no requirements; `Drop` unregisters them.
        to_result(unsafe { bindings::nfto_watch_init() })?;
        // INVARIANT: As above.
        let fib = Fib(());
        let neighbours = block(neighbour_changed::<L>)?;
        // SAFETY: The block is pinned and was not registered; `Drop` unregisters it.
        to_result(unsafe { bindings::register_netevent_notifier(neighbours.get()) })?;
        // INVARIANT: As above.
        let neighbours = Neighbours(neighbours);
        // SAFETY: An FFI call with no requirements.
        unsafe { bindings::nfto_neighbours_seed() };
        let (atomic, blocking) = (block(station_changed::<L>)?, block(port_changed::<L>)?);
        // SAFETY: The blocks are pinned and were not registered; `Drop` unregisters them.
        to_result(unsafe { bindings::nfto_register_switchdev(atomic.get(), blocking.get()) })?;
        Ok(Self {
            // INVARIANT: As above.
            _bridges: Bridges(atomic, blocking),
            _neighbours: neighbours,
            _fib: fib,
            _listener: PhantomData,
        })
    }
}

const NOTIFY_DONE: c_int = 0;

/// Reports a change to the listener, if there is a namespace.
///
/// # Safety
///
/// `net` is null or exists during the call.
unsafe fn tell<L: Listener>(net: *mut bindings::net, change: Change) {
    if !net.is_null() {
        // SAFETY: By the safety requirement.
        L::network_changed(unsafe { Netns::from_raw(net) }, change);
    }
}

/// Reports a change of routes or rules.
///
/// # Safety
///
/// Called by the chain of a namespace's FIB, under RCU.
unsafe extern "C" fn fib_changed<L: Listener>(
    block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let mut raw = bindings::nfto_prefix::default();
    // SAFETY: By the safety requirement `info` is of this event, and the block is that of a
    // namespace, which exists as long as the block is registered.
    unsafe {
        let net = bindings::nfto_fib_news(block, event, info, &raw mut raw);
        let change = match raw.family {
            0 => Change::Rules,
            family => Change::Route(Prefix {
                family,
                len: raw.len,
                address: raw.address,
            }),
        };
        tell::<L>(net, change);
    }
    NOTIFY_DONE
}

/// Reports a change of a neighbour.
///
/// # Safety
///
/// Called by the netevent chain.
unsafe extern "C" fn neighbour_changed<L: Listener>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let mut had = Mac::default();
    // SAFETY: By the safety requirement the information is of this event; a neighbour keeps its
    // device, and the device its namespace.
    unsafe {
        let net = bindings::nfto_neighbour_news(event, info, had.as_mut_ptr());
        let had = Some(had).filter(|had| *had != Mac::default());
        tell::<L>(net, Change::Neighbour(had));
    }
    NOTIFY_DONE
}

/// Reports that a bridge has learnt or forgotten a station.
///
/// # Safety
///
/// Called by the atomic chain of switchdev.
unsafe extern "C" fn station_changed<L: Listener>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let mut station = Mac::default();
    // SAFETY: As in `neighbour_changed`.
    unsafe {
        let net = bindings::nfto_station_news(event, info, station.as_mut_ptr());
        tell::<L>(net, Change::Station(station));
    }
    NOTIFY_DONE
}

/// Reports a change of a bridge or of one of its ports.
///
/// # Safety
///
/// Called by the blocking chain of switchdev.
unsafe extern "C" fn port_changed<L: Listener>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    // SAFETY: As in `neighbour_changed`.
    unsafe {
        let dev = bindings::nfto_port_news(event, info);
        if !dev.is_null() {
            let change = Change::Devices {
                devices: bindings::nfto_dev_and_lower(dev),
                rewrites: false,
            };
            tell::<L>(bindings::nfto_dev_net(dev), change);
        }
    }
    NOTIFY_DONE
}
