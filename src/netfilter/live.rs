// SPDX-License-Identifier: GPL-2.0

//! The engines that are alive, for who wants to look at all of them.
//!
//! Lock order: RTNL; the commit mutex of nftables; the lock of this list; the locks of an engine. The list can also be read
//! under another lock, which nobody holds for long: whoever changes it takes both, this one last.
//!
//! C header: [`include/net/netfilter/nf_tables.h`](srctree/include/net/netfilter/nf_tables.h)

use super::{
    bindings,
    block::BlockId,
    flow::Flow,
    flowmap::FlowMap,
    flowtable::{
        Offload,
        Owned, //
    },
    netdev::Netns,
    notifier::DeviceEvent, //
};
use core::{
    any::TypeId,
    cell::UnsafeCell,
    ops::ControlFlow, //
};
use kernel::{
    alloc::KVec,
    ffi::c_void,
    prelude::*,
    str::CStr, //
};

/// What nf_tables calls a flowtable. A renaming does not exist.
pub(crate) struct Names {
    /// Its table's family, `NFPROTO_*`.
    pub(crate) family: u8,
    /// Its table.
    pub(crate) table: KVec<u8>,
    /// Itself.
    pub(crate) flowtable: KVec<u8>,
}

/// An engine that is alive.
///
/// # Invariants
///
/// `owned` points to an `Owned<T>`, where `engine` is the `TypeId` of `T`, that does not go before [`remove`] has returned. Neither
/// does `flowtable`, whose table of flows is there until [`close`] has returned.
struct Live {
    /// Numbers never recur, and grow along the list.
    number: u64,
    engine: TypeId,
    owned: *const c_void,
    /// Says to the engine that the driver of a block goes; whether it was a block of it.
    ///
    /// # Safety
    ///
    /// It is given `owned`.
    lose: unsafe fn(*const c_void, BlockId) -> bool,
    /// Says to the engine that something about a device has changed.
    ///
    /// # Safety
    ///
    /// It is given `owned`.
    changed: unsafe fn(*const c_void, DeviceEvent),
    net: *mut bindings::net,
    flowtable: *mut bindings::nf_flowtable,
    /// Its flowtable is being taken down: only its own work may still come.
    closing: bool,
    names: Names,
}

/// For who looks at the engines, to be dropped after everybody who does.
pub(crate) struct Engines(());

impl Engines {
    /// From now on engines can be looked at.
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        // SAFETY: An FFI call with no requirements; nobody takes the lock any more.
        unsafe { bindings::nfto_live_exit() };
    }
}

/// The list.
struct List {
    next: u64,
    engines: KVec<Live>,
}

/// A list under the locks `nfto_live` and `nfto_live_brief`: one of them for reading, both for writing.
struct Locked(UnsafeCell<List>);

// SAFETY: The list is used under the lock only; engines may be used by every thread.
unsafe impl Sync for Locked {}

static LIST: Locked = Locked(UnsafeCell::new(List {
    next: 1,
    engines: KVec::new(),
}));

impl Locked {
    fn read<R>(&self, f: impl FnOnce(&List) -> R) -> R {
        // SAFETY: An FFI call with no requirements; the callers may sleep.
        unsafe { bindings::nfto_live_down_read() };
        // SAFETY: Nobody writes while the lock is held for reading.
        let result = f(unsafe { &*self.0.get() });
        // SAFETY: It was taken above.
        unsafe { bindings::nfto_live_up_read() };
        result
    }

    /// As [`Locked::read`], for `f` that is done at once and calls no driver.
    fn read_briefly<R>(&self, f: impl FnOnce(&List) -> R) -> R {
        // SAFETY: An FFI call with no requirements; the callers may sleep.
        unsafe { bindings::nfto_live_down_brief() };
        // SAFETY: Nobody writes while the lock is held for reading.
        let result = f(unsafe { &*self.0.get() });
        // SAFETY: It was taken above.
        unsafe { bindings::nfto_live_up_brief() };
        result
    }

    fn write<R>(&self, f: impl FnOnce(&mut List) -> R) -> R {
        // SAFETY: An FFI call with no requirements; the callers may sleep.
        unsafe { bindings::nfto_live_down_write() };
        // SAFETY: Nobody else uses it while the lock is held for writing.
        let result = f(unsafe { &mut *self.0.get() });
        // SAFETY: It was taken above.
        unsafe { bindings::nfto_live_up_write() };
        result
    }
}

fn copy(name: &CStr) -> Result<KVec<u8>> {
    let mut copy = KVec::new();
    copy.extend_from_slice(name.to_bytes(), GFP_KERNEL)?;
    Ok(copy)
}

/// Adds the engine of a flowtable. May sleep.
///
/// # Safety
///
/// nf_tables initialises `ft`. Neither is freed before [`remove`] has returned for `owned`, and the table of flows not before
/// [`close`] has.
pub(super) unsafe fn add<T: Offload>(
    ft: *mut bindings::nf_flowtable,
    owned: *const Owned<T>,
) -> Result {
    let mut raw = bindings::nfto_names::default();
    // SAFETY: By the safety requirement; nf_tables has written the names before (`nf_tables_newflowtable`), and they and
    // the namespace stay during the call.
    let (names, net) = unsafe {
        bindings::nfto_flowtable_names(ft, &raw mut raw);
        let names = Names {
            family: raw.family,
            table: copy(CStr::from_char_ptr(raw.table))?,
            flowtable: copy(CStr::from_char_ptr(raw.flowtable))?,
        };
        (names, bindings::nfto_flowtable_net(ft))
    };
    LIST.write(|list| {
        // INVARIANT: By the safety requirement.
        let live = Live {
            number: list.next,
            engine: TypeId::of::<T>(),
            owned: owned.cast(),
            lose: Owned::<T>::lose,
            changed: Owned::<T>::changed,
            net,
            flowtable: ft,
            closing: false,
            names,
        };
        list.engines.push(live, GFP_KERNEL)?;
        list.next = list.next.saturating_add(1);
        Ok(())
    })
}

/// The flowtable of an engine is about to be taken down. When this returns, nobody looks at it. May sleep.
pub(super) fn close(owned: *const c_void) {
    LIST.write(|list| {
        let mut engines = list.engines.iter_mut();
        if let Some(live) = engines.find(|live| live.owned == owned) {
            live.closing = true;
        }
    });
}

/// Takes an engine out. May sleep.
pub(super) fn remove(owned: *const c_void) {
    LIST.write(|list| {
        let mine = |live: &Live| live.owned == owned;
        if let Some(index) = list.engines.iter().position(mine) {
            let _ = list.engines.remove(index);
        }
        if list.engines.is_empty() {
            // Nobody frees the list when the module goes.
            list.engines = KVec::new();
        }
    });
}

/// The engine and the flows of the flowtable that a flow belongs to; `None` if that is being taken down. May sleep.
///
/// # Safety
///
/// Called from the work of a flowtable of this module's types with `flags offload` in `net`, which has just looked at `flow`. What is
/// returned is used in that work only.
pub(super) unsafe fn of_flow<'a, T: Offload>(
    net: *mut bindings::net,
    flow: &Flow,
) -> Option<&'a Owned<T>> {
    let owned = LIST.read_briefly(|list| {
        let mine = |live: &&Live| live.net == net && live.engine == TypeId::of::<T>();
        let mut here = list.engines.iter().filter(mine);
        let (_, second) = (here.next()?, here.next());
        let open = || {
            let here = list.engines.iter().filter(mine);
            here.filter(|live| !live.closing)
        };
        let live = if second.is_none() {
            // There is no other flowtable whose work this could be.
            open().next()
        } else {
            // The core may hide a flow behind an earlier one of the same connection for a moment; the engines do not.
            let knows = |live: &&Live| {
                // SAFETY: By the type invariant it is an `Owned<T>`, which cannot be removed while the list is held.
                unsafe { &*live.owned.cast::<Owned<T>>() }.flows.has(flow)
            };
            // SAFETY: By the type invariant, the table of flows of one that is not closing is there as long as the list is held.
            let has = |live: &&Live| unsafe {
                bindings::nfto_flowtable_has(live.flowtable, flow.as_raw())
            };
            open().find(knows).or_else(|| open().find(has))
        };
        live.map(|live| live.owned.cast::<Owned<T>>())
    });
    // SAFETY: By the type invariant it is an `Owned<T>`. The core waits for the work of a flowtable before that goes
    // (`nf_flow_table_offload_flush`), and only then its engine does (`Adapter::free`).
    owned.map(|owned| unsafe { &*owned })
}

/// Calls `f` for each engine of a network namespace from a number on, in the order of the numbers, with its number, its
/// names, itself and its flows, until it says to stop. May sleep; must not be called by an engine.
pub(crate) fn walk<T: Offload>(
    net: Netns<'_>,
    from: u64,
    mut f: impl FnMut(u64, &Names, &T, &FlowMap<T::Record>) -> ControlFlow<()>,
) {
    LIST.read(|list| {
        for live in &list.engines {
            let wanted = live.number >= from && live.net == net.as_raw() && !live.closing;
            if !wanted || live.engine != TypeId::of::<T>() {
                continue;
            }
            // SAFETY: By the type invariant it is an `Owned<T>`, and it cannot be removed while the list is held.
            let owned = unsafe { &*live.owned.cast::<Owned<T>>() };
            if f(live.number, &live.names, &owned.engine, &owned.flows).is_break() {
                return;
            }
        }
    });
}

/// The driver of a block goes: the engine that has it gives it up. May sleep.
pub(super) fn lose(block: BlockId) {
    LIST.read(|list| {
        for live in list.engines.iter().filter(|live| !live.closing) {
            // SAFETY: By the type invariant it is an `Owned<T>` that cannot be removed while the list is held.
            if unsafe { (live.lose)(live.owned, block) } {
                return;
            }
        }
    });
}

/// Something about a device of a network namespace has changed. May sleep; called with RTNL held.
pub(super) fn changed(net: *mut bindings::net, event: DeviceEvent) {
    LIST.read(|list| {
        for live in list
            .engines
            .iter()
            .filter(|live| live.net == net && !live.closing)
        {
            // SAFETY: As above.
            unsafe { (live.changed)(live.owned, event) };
        }
    });
}
