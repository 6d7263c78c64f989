// SPDX-License-Identifier: GPL-2.0

//! Listens to what can change the way of a flow: routes and policy rules, neighbours, bridges. Devices are the
//! [`notifier`](super::notifier)'s.
//!
//! The notifiers are called in any context, so they only note what has changed ([`instances::network_changed`]).
//!
//! C headers: [`include/net/fib_notifier.h`](srctree/include/net/fib_notifier.h),
//! [`include/net/netevent.h`](srctree/include/net/netevent.h),
//! [`include/net/switchdev.h`](srctree/include/net/switchdev.h)

use super::{
    bindings,
    instances,
    netdev::Netns,
    rule::Mac, //
};
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

/// The destination of a route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) family: u8,
    /// How many bits count.
    pub(crate) len: u8,
    /// Network order; an IPv4 address is in the first four bytes.
    pub(crate) address: [u8; 16],
}

/// What has changed in a network namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A route to these addresses.
    Route(Prefix),
    /// A policy rule, or the state of a next hop.
    Rules,
    /// A neighbour has this address no more; `None` if it is not known which one it had.
    Neighbour(Option<Mac>),
    /// A bridge has learnt or forgotten where a station is.
    Station(Mac),
    /// Something about devices.
    Devices {
        /// A bit for `ifindex % 64` of each device, of those below it and of its bond.
        devices: u64,
        /// What is written into rules may be another: an address, an MTU, the priorities of a VLAN, the port of a bond.
        rewrites: bool,
    },
}

/// How many places a [`MacSet`] has.
pub(crate) const MAC_PLACES: usize = bindings::NFTO_MAC_PLACES as usize;

/// The place of an address in a [`MacSet`]: a word, and bits of it.
pub(crate) fn mac_place(mac: &Mac) -> (usize, u64) {
    let mut bits = 0;
    // SAFETY: The address has as many bytes as are read.
    let word = unsafe { bindings::nfto_mac_place(mac.as_ptr(), &raw mut bits) };
    (word as usize, bits)
}

/// Addresses, and some others that have the same places.
#[derive(Clone, Copy)]
pub(crate) struct MacSet([u64; MAC_PLACES / 64]);

impl MacSet {
    /// No address.
    pub(crate) fn new() -> Self {
        Self([0; MAC_PLACES / 64])
    }

    /// Adds an address.
    pub(crate) fn add(&mut self, mac: &Mac) {
        let (word, bits) = mac_place(mac);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bits;
        }
    }

    /// Has the kernel see to it that the neighbours in a namespace with these addresses are still there, as if a packet were
    /// sent to them.
    pub(crate) fn use_neighbours(&self, net: Netns<'_>) {
        // SAFETY: The namespace exists; the set has as many words as are read.
        unsafe { bindings::nfto_neighbours_use(net.as_raw(), self.0.as_ptr()) }
    }
}

/// Nanoseconds since boot.
pub(crate) fn now_ns() -> u64 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_now_ns() }
}

/// Has a namespace's changes of routes and rules told. May sleep.
///
/// # Safety
///
/// The namespace exists.
pub(super) unsafe fn watch_fib(net: *mut bindings::net) -> Result {
    // SAFETY: By the safety requirement. The notifier is unregistered before the module goes (`Watch`).
    to_result(unsafe { bindings::nfto_watch_fib(net, Some(fib_changed)) })
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
/// They are registered.
struct Fib(());

impl Drop for Fib {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::nfto_watch_exit() };
    }
}

/// # Invariants
///
/// It is registered, and stays where it is.
struct Neighbours(Block);

impl Drop for Neighbours {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; waits for those in `neighbour_changed`.
        unsafe { bindings::unregister_netevent_notifier(self.0.get()) };
    }
}

/// # Invariants
///
/// Both are registered, and stay where they are.
struct Bridges(Block, Block);

impl Drop for Bridges {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; waits for those in the functions.
        unsafe { bindings::nfto_unregister_switchdev(self.0.get(), self.1.get()) };
    }
}

/// The notifiers, registered.
pub(crate) struct Watch {
    _bridges: Bridges,
    _neighbours: Neighbours,
    _fib: Fib,
}

// SAFETY: Notifiers can be unregistered by any thread.
unsafe impl Send for Watch {}
// SAFETY: A shared reference does nothing.
unsafe impl Sync for Watch {}

impl Watch {
    /// Registers them. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: An FFI call with no requirements; `Drop` unregisters them.
        to_result(unsafe { bindings::nfto_watch_init() })?;
        // INVARIANT: As above.
        let fib = Fib(());
        let neighbours = block(neighbour_changed)?;
        // SAFETY: The block is pinned and was not registered; `Drop` unregisters it.
        to_result(unsafe { bindings::register_netevent_notifier(neighbours.get()) })?;
        // INVARIANT: As above.
        let neighbours = Neighbours(neighbours);
        // SAFETY: An FFI call with no requirements.
        unsafe { bindings::nfto_neighbours_seed() };
        let (atomic, blocking) = (block(station_changed)?, block(port_changed)?);
        // SAFETY: The blocks are pinned and were not registered; `Drop` unregisters them.
        to_result(unsafe { bindings::nfto_register_switchdev(atomic.get(), blocking.get()) })?;
        Ok(Self {
            // INVARIANT: As above.
            _bridges: Bridges(atomic, blocking),
            _neighbours: neighbours,
            _fib: fib,
        })
    }
}

const NOTIFY_DONE: c_int = 0;

/// Tells the engines of a namespace.
///
/// # Safety
///
/// `net` is null or exists during the call.
unsafe fn tell(net: *mut bindings::net, change: Change) {
    if !net.is_null() {
        // SAFETY: By the safety requirement.
        instances::network_changed(unsafe { Netns::from_raw(net) }, change);
    }
}

/// # Safety
///
/// Called by the chain of a namespace's FIB, under RCU.
unsafe extern "C" fn fib_changed(
    block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let mut raw = bindings::nfto_prefix::default();
    // SAFETY: By the safety requirement: the block is that of a namespace, which exists as long as it is registered.
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
        tell(net, change);
    }
    NOTIFY_DONE
}

/// # Safety
///
/// Called by the netevent chain.
unsafe extern "C" fn neighbour_changed(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let mut had = Mac::default();
    // SAFETY: By the safety requirement the information is of this event; a neighbour keeps its device and that its namespace.
    unsafe {
        let net = bindings::nfto_neighbour_news(event, info, had.as_mut_ptr());
        let had = Some(had).filter(|had| *had != Mac::default());
        tell(net, Change::Neighbour(had));
    }
    NOTIFY_DONE
}

/// # Safety
///
/// Called by the atomic chain of switchdev.
unsafe extern "C" fn station_changed(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    let mut station = Mac::default();
    // SAFETY: As in `neighbour_changed`.
    unsafe {
        let net = bindings::nfto_station_news(event, info, station.as_mut_ptr());
        tell(net, Change::Station(station));
    }
    NOTIFY_DONE
}

/// # Safety
///
/// Called by the blocking chain of switchdev.
unsafe extern "C" fn port_changed(
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
            tell(bindings::nfto_dev_net(dev), change);
        }
    }
    NOTIFY_DONE
}
