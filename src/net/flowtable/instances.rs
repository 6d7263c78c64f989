// SPDX-License-Identifier: GPL-2.0

//! The instances of each network namespace: the flowtables with `flags offload`, each with its
//! engine.
//!
//! Each namespace has a list of its own, so that namespaces do not slow each other down. The list
//! is changed under a mutex that is held for the change only, and read under RCU. A user of an
//! instance holds a reference to it, and [`close`] waits for the references of that instance alone.
//!
//! C header: [`include/net/netns/generic.h`](srctree/include/net/netns/generic.h)

use crate::net::{
    bindings,
    flow_offload::block::BlockId,
    flowtable::{
        engine::{
            Engine,
            Instance, //
        },
        flow::Flow,
        flow_map::{
            FlowAddress,
            FlowMap, //
        },
        view::Flowtable, //
    },
    listener::{
        Change,
        DeviceEvent,
        Listener, //
    },
    netdevice::Netns, //
};
use core::{
    any::TypeId,
    mem::ManuallyDrop,
    ops::ControlFlow,
    ptr::{
        null_mut,
        NonNull, //
    }, //
};
use kernel::{
    alloc::{
        KBox,
        KVec, //
    },
    error::to_result,
    ffi::c_void,
    prelude::*,
    str::CStr,
    types::Opaque, //
};

/// The names of a flowtable in nf_tables, which cannot be renamed.
pub(crate) struct Names {
    /// The family of its table, `NFPROTO_*`.
    pub(crate) family: u8,
    /// The name of its table.
    pub(crate) table: KVec<u8>,
    /// The name of the flowtable.
    pub(crate) flowtable: KVec<u8>,
}

/// The lists of instances of all network namespaces.
///
/// # Invariants
///
/// The pernet operations are registered.
pub(crate) struct Instances(());

impl Instances {
    /// Creates an empty list in each network namespace. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: An FFI call with no requirements; `Drop` unregisters them.
        to_result(unsafe { bindings::nfto_instances_init() })?;
        // INVARIANT: As above.
        Ok(Self(()))
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The types are unregistered, so no instance is left.
        unsafe { bindings::nfto_instances_exit() };
    }
}

/// An instance in the list of its namespace.
///
/// # Invariants
///
/// `owned` points to an `Instance<T>`, where `engine` is the `TypeId` of `T`. It and `flowtable`
/// exist until [`remove`] has returned. The table of flows in `flowtable` exists as long as there
/// are references.
#[repr(C)]
pub(in crate::net) struct Entry {
    /// First, so that a pointer to one is a pointer to the other.
    link: Opaque<bindings::nfto_instance>,
    engine: TypeId,
    owned: *const c_void,
    /// Forwards to [`Instance::driver_gone`].
    ///
    /// # Safety
    ///
    /// Takes `owned`.
    driver_gone: unsafe fn(*const c_void, BlockId),
    /// Forwards to [`Instance::device_changed`].
    ///
    /// # Safety
    ///
    /// Takes `owned`.
    device_changed: unsafe fn(*const c_void, DeviceEvent),
    /// Forwards to [`Instance::network_changed`]. Any context.
    ///
    /// # Safety
    ///
    /// Takes `owned`.
    network_changed: unsafe fn(*const c_void, Change),
    /// Forwards to [`Instance::flow_closes`]. Any context.
    ///
    /// # Safety
    ///
    /// Takes `owned`.
    flow_closes: unsafe fn(*const c_void, FlowAddress),
    flowtable: *mut bindings::nf_flowtable,
    names: ManuallyDrop<Names>,
}

/// A reference to an instance, for which [`close`] waits.
///
/// # Invariants
///
/// Points to an instance whose reference count includes this reference.
pub(in crate::net) struct Reference(NonNull<Entry>);

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `self` owns the reference, which is not used afterwards.
        unsafe { bindings::nfto_instance_put(self.0.as_ptr().cast()) };
    }
}

impl Reference {
    fn get(&self) -> &Entry {
        // SAFETY: By the type invariant the instance is not freed as long as `self` lives.
        unsafe { self.0.as_ref() }
    }

    /// Returns the number of the instance. Numbers are never reused, and increase along the list.
    fn number(&self) -> u64 {
        // SAFETY: By the type invariant; the number does not change while the instance is in the
        // list.
        unsafe { (*self.get().link.get()).number }
    }

    /// Returns the engine if it is a `T`.
    fn owned<T: Engine>(&self) -> Option<&Instance<T>> {
        let instance = self.get();
        // SAFETY: By the type invariant of `Entry` it is an `Instance<T>`, which exists as long as
        // `self` does.
        (instance.engine == TypeId::of::<T>()).then(|| unsafe { &*instance.owned.cast() })
    }
}

/// Iterates over the open instances of a network namespace, in the order of their numbers.
///
/// Takes no lock. The caller may sleep between two steps.
struct Iter {
    net: *mut bindings::net,
    last: Option<Reference>,
    /// The end of the list has been reached.
    done: bool,
}

impl Iter {
    /// Creates an iterator that starts at the head of the list.
    ///
    /// # Safety
    ///
    /// The namespace exists as long as the value is used.
    unsafe fn new(net: *mut bindings::net) -> Self {
        Self {
            net,
            last: None,
            done: false,
        }
    }

    fn next(&mut self) -> Option<&Reference> {
        if self.done {
            return None;
        }
        let last = self.last.take().map(ManuallyDrop::new);
        let last = last.map_or(null_mut(), |last| last.0.as_ptr());
        // SAFETY: By the requirement of `new`, and because `last` is in the list as long as it is
        // referenced. The function takes that reference.
        let next = unsafe { bindings::nfto_instance_next(self.net, last.cast()) };
        // INVARIANT: The function has taken a reference for the result.
        self.last = NonNull::new(next).map(|next| Reference(next.cast()));
        self.done = self.last.is_none();
        self.last.as_ref()
    }
}

fn copy(name: &CStr) -> Result<KVec<u8>> {
    let mut copy = KVec::new();
    copy.extend_from_slice(name.to_bytes(), GFP_KERNEL_ACCOUNT)?;
    Ok(copy)
}

/// Adds the instance of a flowtable to the list of its namespace. May sleep.
///
/// # Safety
///
/// nf_tables initialises `ft`. `ft` and `owned` are not freed before [`remove`] has returned for
/// the instance, and the table of flows is not freed before [`close`] has returned.
pub(in crate::net) unsafe fn add<T: Engine>(
    ft: *mut bindings::nf_flowtable,
    owned: *const Instance<T>,
) -> Result<NonNull<Entry>> {
    let mut raw = bindings::nfto_names::default();
    // SAFETY: By the safety requirement. nf_tables has written the names before this call
    // (`nf_tables_newflowtable`); they and the namespace stay during the call.
    let (names, net) = unsafe {
        bindings::nfto_flowtable_names(ft, &raw mut raw);
        let names = Names {
            family: raw.family,
            table: copy(CStr::from_char_ptr(raw.table))?,
            flowtable: copy(CStr::from_char_ptr(raw.flowtable))?,
        };
        (names, bindings::nfto_flowtable_net(ft))
    };
    // INVARIANT: By the safety requirement.
    let instance = KBox::new(
        Entry {
            link: Opaque::uninit(),
            engine: TypeId::of::<T>(),
            owned: owned.cast(),
            driver_gone: Instance::<T>::driver_gone,
            device_changed: Instance::<T>::device_changed,
            network_changed: Instance::<T>::network_changed,
            flow_closes: Instance::<T>::flow_closes,
            flowtable: ft,
            names: ManuallyDrop::new(names),
        },
        GFP_KERNEL_ACCOUNT,
    )?;
    // SAFETY: `KBox::into_raw` returns no null pointer.
    let instance = unsafe { NonNull::new_unchecked(KBox::into_raw(instance)) };
    // SAFETY: The namespace exists. The instance is on no list yet; it does not move, and is not
    // freed, until `remove`.
    unsafe { bindings::nfto_instance_add(net, instance.as_ptr().cast()) };
    Ok(instance)
}

/// Closes an instance whose flowtable is about to be freed. May sleep.
///
/// When this returns, only the flowtable's own work uses the instance.
///
/// # Safety
///
/// `instance` comes from [`add`], and was not closed before.
pub(in crate::net) unsafe fn close(instance: NonNull<Entry>) {
    // SAFETY: By the safety requirement.
    unsafe { bindings::nfto_instance_close(instance.as_ptr().cast()) };
}

/// Removes an instance from its list and frees it. May sleep.
///
/// # Safety
///
/// `instance` was closed, and is not used afterwards; its namespace exists.
pub(in crate::net) unsafe fn remove(instance: NonNull<Entry>) {
    let raw = instance.as_ptr();
    // SAFETY: By the safety requirement there is no reference left. RCU readers that find the
    // instance in the list do not use the names; the memory, which came from a `KBox` and so from
    // kmalloc(), is freed after a grace period.
    unsafe {
        let net = bindings::nfto_flowtable_net((*raw).flowtable);
        bindings::nfto_instance_remove(net, raw.cast());
        ManuallyDrop::drop(&mut (*raw).names);
        bindings::nfto_instance_free(raw.cast());
    }
}

/// Records that the devices of a flowtable have changed, for dumps.
///
/// # Safety
///
/// The namespace exists.
pub(in crate::net) unsafe fn changed(net: *mut bindings::net) {
    // SAFETY: By the safety requirement.
    unsafe { bindings::nfto_instances_changed(net) };
}

/// Looks up the engine of a flow; `None` if its flowtable is being freed. May sleep.
///
/// # Safety
///
/// Called from the work of a flowtable of this module's types with `flags offload` in `net`, which
/// has just looked at `flow`. The result is used in that work only.
pub(in crate::net) unsafe fn of_flow<'a, T: Engine>(
    net: *mut bindings::net,
    flow: &Flow,
) -> Option<&'a Instance<T>> {
    let mut several = false;
    // SAFETY: The namespace exists as long as its flowtables do.
    let only = unsafe { bindings::nfto_instance_only(net, &raw mut several) };
    if !several {
        // No other flowtable exists whose work this could be.
        // SAFETY: The core waits for the work of a flowtable before it frees the flowtable
        // (`nf_flow_table_offload_flush`). The engine and its instance are freed only after that
        // (`Adapter::free`).
        return NonNull::new(only.cast::<Entry>()).and_then(|only| unsafe {
            let only = only.as_ref();
            (only.engine == TypeId::of::<T>()).then(|| &*only.owned.cast())
        });
    }
    // The core may briefly hide a flow behind an earlier one of the same connection; the engines do
    // not.
    let knows = |instance: &Reference| {
        let owned = instance.owned::<T>();
        owned.is_some_and(|owned| owned.flows.has(flow))
    };
    // SAFETY: By the type invariant of `Entry` the table of flows exists as long as there is a
    // reference.
    let has = |instance: &Reference| unsafe {
        let instance = instance.get();
        instance.engine == TypeId::of::<T>()
            && bindings::nfto_flowtable_has(instance.flowtable, flow.as_raw())
    };
    // SAFETY: The namespace exists as above.
    let owned = unsafe { find(net, knows).or_else(|| find(net, has)) };
    // SAFETY: No other flowtable knows or has the flow, so it is the one of the work, which keeps
    // it as above although the reference is gone.
    owned.map(|owned| unsafe { &*owned.cast() })
}

/// Returns the engine of the first open instance of a namespace for which `is` returns `true`.
///
/// # Safety
///
/// The namespace exists.
unsafe fn find(net: *mut bindings::net, is: impl Fn(&Reference) -> bool) -> Option<*const c_void> {
    // SAFETY: By the safety requirement.
    let mut instances = unsafe { Iter::new(net) };
    while let Some(instance) = instances.next() {
        if is(instance) {
            return Some(instance.get().owned);
        }
    }
    None
}

/// Calls `f` for each instance of a network namespace whose number is at least `from`, until `f`
/// breaks.
///
/// The instances are visited in the order of their numbers; `f` receives the number, the names, the
/// engine and the flows. Holds no lock; may sleep. Must not be called by an engine.
pub(crate) fn walk<T: Engine>(
    net: Netns<'_>,
    from: u64,
    mut f: impl FnMut(u64, &Names, &T, &FlowMap<T::Record>) -> ControlFlow<()>,
) {
    // SAFETY: By its type invariant the namespace exists.
    let mut instances = unsafe { Iter::new(net.as_raw()) };
    while let Some(instance) = instances.next() {
        let number = instance.number();
        let (true, Some(owned)) = (number >= from, instance.owned::<T>()) else {
            continue;
        };
        if f(number, &instance.get().names, &owned.engine, &owned.flows).is_break() {
            return;
        }
    }
}

/// Takes a reference to the instance of a flowtable; `None` if the flowtable is being freed.
pub(in crate::net) fn reference_of(flowtable: &Flowtable) -> Option<Reference> {
    // SAFETY: The flowtable keeps its namespace.
    let mut instances = unsafe { Iter::new(flowtable.net().as_raw()) };
    while let Some(instance) = instances.next() {
        if instance.get().flowtable == flowtable.as_raw() {
            return instances.last;
        }
    }
    None
}

/// Returns the instance of a flowtable; `None` if the flowtable is being freed.
///
/// The instance exists as long as the flowtable.
pub(in crate::net) fn of_flowtable(flowtable: &Flowtable) -> Option<NonNull<Entry>> {
    reference_of(flowtable).map(|instance| instance.0)
}

/// Takes a reference to an instance; `None` if there is no instance or it is closed.
///
/// # Safety
///
/// `instance` is null or points to an instance that is not freed during the call.
pub(in crate::net) unsafe fn reference(instance: *mut Entry) -> Option<Reference> {
    let instance = NonNull::new(instance)?;
    // SAFETY: By the safety requirement. A closed instance has no references, and gets none.
    let open = unsafe { bindings::nfto_instance_get(instance.as_ptr().cast()) };
    // INVARIANT: The function has taken a reference for the result.
    open.then_some(Reference(instance))
}

/// Tells the engine that owns a block that the driver of the block goes away. May sleep.
pub(in crate::net) fn driver_gone(instance: &Reference, block: BlockId) {
    let instance = instance.get();
    // SAFETY: By the type invariant of `Entry`, which is referenced.
    unsafe { (instance.driver_gone)(instance.owned, block) };
}

impl Listener for Instances {
    /// Tells the engines of a network namespace that a device has changed. Called with RTNL held.
    fn device_changed(net: Netns<'_>, event: DeviceEvent) {
        // SAFETY: By its type invariant the namespace exists.
        let mut instances = unsafe { Iter::new(net.as_raw()) };
        while let Some(instance) = instances.next() {
            let instance = instance.get();
            // SAFETY: By the type invariant of `Entry`, which is referenced.
            unsafe { (instance.device_changed)(instance.owned, event) };
        }
    }

    /// Tells the engines of a network namespace that a change may affect the path of their flows.
    /// Any context.
    fn network_changed(net: Netns<'_>, change: Change) {
        // SAFETY: By its type invariant the namespace exists.
        let mut instances = unsafe { Iter::new(net.as_raw()) };
        while let Some(instance) = instances.next() {
            let instance = instance.get();
            // SAFETY: By the type invariant of `Entry`, which is referenced.
            unsafe { (instance.network_changed)(instance.owned, change) };
        }
    }
}

/// Tells the engine of a flowtable that the TCP connection of a flow closes. Any context.
///
/// # Safety
///
/// The namespace exists, and contains `flowtable`.
pub(in crate::net) unsafe fn flow_closes(
    net: *mut bindings::net,
    flowtable: *mut bindings::nf_flowtable,
    flow: FlowAddress,
) {
    // SAFETY: By the safety requirement.
    let mut instances = unsafe { Iter::new(net) };
    while let Some(instance) = instances.next() {
        let instance = instance.get();
        if instance.flowtable == flowtable {
            // SAFETY: By the type invariant of `Entry`, which is referenced.
            return unsafe { (instance.flow_closes)(instance.owned, flow) };
        }
    }
}
