// SPDX-License-Identifier: GPL-2.0

//! A flowtable type: the trait that the engine implements, and the C functions in front of it.
//!
//! With `flags offload`, each flowtable gets one engine object. One `flow_block_cb` of ours on the flowtable's block
//! owns it: the core calls that callback, and only that one, exactly once for every DESTROY and STATS. A REPLACE ends
//! before it gets there, see `Adapter::action`.
//!
//! C header: [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

use super::{
    bindings,
    block::{
        BlockId,
        Stats, //
    },
    eopnotsupp,
    flow::{
        Dir,
        Flow,
        LiveFlow, //
    },
    flowmap::{
        FlowAddress,
        FlowMap,
        Tuple, //
    },
    instances,
    netdev::{
        NetDevice,
        Netns,
        RegisteredDevice, //
    },
    notifier::DeviceEvent,
    skb::{
        Head,
        SkBuff, //
    },
    watch::{
        watch_fib,
        Change, //
    }, //
};
use core::{
    marker::PhantomData,
    pin::Pin,
    ptr::{
        null_mut,
        NonNull, //
    }, //
};
use kernel::{
    alloc::KBox,
    error::{
        code,
        from_err_ptr,
        from_result, //
    },
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    str::CStr,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// A flowtable as its engine sees it.
///
/// # Invariants
///
/// Belongs to an engine, and the flowtable exists longer than its engine.
pub(crate) struct Flowtable(NonNull<bindings::nf_flowtable>);

// SAFETY: What is read of it may be read from every thread.
unsafe impl Send for Flowtable {}
// SAFETY: As above.
unsafe impl Sync for Flowtable {}

impl Flowtable {
    /// Its network namespace.
    pub(crate) fn net(&self) -> Netns<'_> {
        // SAFETY: By the type invariant the flowtable exists, and so does its namespace.
        unsafe { Netns::from_raw(bindings::nfto_flowtable_net(self.0.as_ptr())) }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::nf_flowtable {
        self.0.as_ptr()
    }

    /// What nf_tables calls it: its table's family (`NFPROTO_*`), its table, itself.
    pub(crate) fn names(&self) -> (u8, &[u8], &[u8]) {
        let mut raw = bindings::nfto_names::default();
        // SAFETY: By the type invariant the flowtable exists. nf_tables has written its names before its `init`, and frees them,
        // and then the table's, after its `free` (`nf_tables_flowtable_destroy`).
        unsafe {
            bindings::nfto_flowtable_names(self.0.as_ptr(), &raw mut raw);
            (
                raw.family,
                CStr::from_char_ptr(raw.table).to_bytes(),
                CStr::from_char_ptr(raw.flowtable).to_bytes(),
            )
        }
    }

    /// The address of the flow whose packets arrive so on a device, see [`FlowMap::of_packets`].
    pub(super) fn find(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<usize> {
        let raw = tuple.to_raw();
        // SAFETY: By the type invariant the flowtable exists. Its table of flows goes at the end of `nf_flow_table_free`, after
        // the last call of the engine with its flows, and after `free` has closed the instance.
        let address = unsafe { bindings::nfto_flow_find(self.0.as_ptr(), &raw const raw, ifindex) };
        (address != 0).then_some(address as usize)
    }

    /// Whether its network namespace is going.
    pub(crate) fn is_going(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists, and so does its namespace.
        unsafe { bindings::nfto_flowtable_is_going(self.0.as_ptr()) }
    }

    /// Whether the transaction that makes the flowtable was committed: one that fails, or is a dry run, is not.
    pub(crate) fn is_committed(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists, as a part of nf_tables' own, and so does its namespace. Both change
        // the bits that are read here in a commit only, a moment before or after.
        unsafe { bindings::nfto_flowtable_is_committed(self.0.as_ptr()) }
    }

    /// Has the core look at its flows now, and not within a second; those that were torn down are destroyed by its work soon
    /// after this. Not to be called with a lock that the work needs. May sleep.
    pub(crate) fn collect(&self) {
        // SAFETY: By the type invariant the flowtable exists; its collection ends in `nf_flow_table_free`.
        unsafe { bindings::nfto_flowtable_collect(self.0.as_ptr()) }
    }

    /// Whether conntrack counts the flows' packets (`counter` in the ruleset), which an update of the ruleset can change.
    pub(crate) fn counts(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists. nf_tables writes the flags without a lock, hence volatile.
        let flags = unsafe { (&raw const (*self.0.as_ptr()).flags).read_volatile() };
        flags & bindings::nf_flowtable_flags_NF_FLOWTABLE_COUNTER != 0
    }
}

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
pub(crate) trait Offload: Sized + Send + Sync + 'static {
    /// What the engine keeps for each flow.
    type Record: Copy + Send + Unpin;

    /// Creates the engine of a flowtable. Called with the nftables commit mutex held; may sleep.
    fn new(table: Flowtable) -> impl PinInit<Self, Error>;

    /// A device joins the flowtable. Called with the commit mutex held, and RTNL or not: takes neither. A device can join
    /// again before it leaves once, in a renaming or in a transaction that deletes and adds it.
    ///
    /// An error refuses the device, and with it the ruleset.
    fn bind(&self, dev: &RegisteredDevice) -> Result;

    /// A device leaves the flowtable, its rules with it. Called as [`Offload::bind`].
    fn unbind(&self, flows: &FlowMap<Self::Record>, dev: &NetDevice);

    /// The core wants a flow in hardware, both its directions. It is the engine that shows in conntrack whether it is
    /// ([`Flow::set_hw_offload`]). May sleep, but not wait for RTNL, the commit mutex or the flowtable lock.
    fn replace(&self, flows: &FlowMap<Self::Record>, flow: LiveFlow<'_>);

    /// Translates a direction of a flow so many times into the same rule, as for the device that its packets arrive on; for
    /// tests/bench.
    #[cfg(nfto_bench)]
    fn translate(&self, flow: &Flow, dir: Dir, rounds: usize) -> Result;

    /// The flow ends: nothing of it may stay in hardware. Its record is removed afterwards. Context as
    /// [`Offload::replace`].
    fn destroy(&self, flows: &FlowMap<Self::Record>, flow: &Flow);

    /// What a direction has carried since the last call. Context as [`Offload::replace`].
    fn stats(&self, flows: &FlowMap<Self::Record>, flow: &Flow, dir: Dir) -> Result<Stats>;

    /// Whether there is something to do that nobody will ask for.
    fn has_chores(&self) -> bool;

    /// Does it; called about a second after [`Offload::has_chores`] said so. Context as [`Offload::replace`].
    fn do_chores(&self, flows: &FlowMap<Self::Record>);

    /// The driver of an indirect block goes away. If the block is still one of this engine's, its rules have to be out and it
    /// has to be unbound when this returns. Context as [`Offload::replace`].
    fn driver_gone(&self, flows: &FlowMap<Self::Record>, block: BlockId);

    /// Something about a device of the namespace has changed that a driver may look at when it is bound or given a rule. To be
    /// noted for [`Offload::do_chores`] only: called with RTNL held, and for every device there is.
    fn device_changed(&self, event: DeviceEvent);

    /// Something has changed that can change the way of flows. Returns in how many milliseconds [`Offload::watch`] is to be called,
    /// if that was not asked for before. Any context.
    fn network_changed(&self, change: Change) -> Option<u32>;

    /// Looks at what was noted. Returns in how many milliseconds it is to be called again, `None` if not before
    /// [`Offload::network_changed`] or [`Offload::wake`] says so. Context as [`Offload::replace`].
    fn watch(&self, flows: &FlowMap<Self::Record>) -> Option<u32>;

    /// There was a REPLACE. Returns in how many milliseconds [`Offload::watch`] is to be called, if it was not going to be.
    fn wake(&self) -> Option<u32>;

    /// The TCP connection of a flow closes, which the core has in hardware. To be noted for [`Offload::remove_closing`] only: called
    /// from the hook, in atomic context.
    fn flow_closes(&self, flow: FlowAddress);

    /// Takes the flows out of hardware that were noted; called right afterwards. Context as [`Offload::replace`].
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

/// Whether the core sends a DESTROY for a flow although `Adapter::action` has answered with an error, which is what the records
/// of flows rest on: it does if it leaves `NF_FLOW_HW` set. Checked with the first flow that has a record.
pub(super) struct Promise(Atomic<usize>);

impl Promise {
    const UNKNOWN: usize = 0;
    const KEPT: usize = 1;
    const BROKEN: usize = 2;

    /// Whether it is known to be broken: flows that have records may be gone.
    pub(super) fn is_broken(&self) -> bool {
        self.0.load(Relaxed) == Self::BROKEN
    }

    /// Whether no flow is watched, nor was.
    fn is_unknown(&self) -> bool {
        self.0.load(Relaxed) == Self::UNKNOWN
    }

    /// Watches a flow that has a record.
    fn watch(&self, flow: &Flow) {
        // Another one is as good.
        let _ = self.0.cmpxchg(Self::UNKNOWN, flow.address(), Relaxed);
    }

    /// Looks at a flow, once the work of its REPLACE is over. Whether the promise is broken, which is said once.
    fn look_at(&self, flow: &Flow) -> bool {
        if self.0.load(Relaxed) != flow.address() || flow.is_pending() {
            return false;
        }
        let (to, broken) = match flow.has_destroy() {
            true => (Self::KEPT, false),
            false => (Self::BROKEN, true),
        };
        self.0.cmpxchg(flow.address(), to, Relaxed).is_ok() && broken
    }

    /// There was a DESTROY.
    fn keep(&self, flow: &Flow) {
        if self.0.load(Relaxed) == flow.address() {
            let _ = self.0.cmpxchg(flow.address(), Self::KEPT, Relaxed);
        }
    }
}

/// That of this kernel.
pub(super) static PROMISE: Promise = Promise(Atomic::new(Promise::UNKNOWN));

/// What the callback of a flowtable owns.
#[pin_data]
pub(super) struct Owned<T: Offload> {
    #[pin]
    pub(super) engine: T,
    #[pin]
    pub(super) flows: FlowMap<T::Record>,
    /// Runs [`Offload::do_chores`].
    #[pin]
    chores: Opaque<bindings::delayed_work>,
    /// Runs [`Offload::watch`].
    #[pin]
    watch: Opaque<bindings::delayed_work>,
    /// Runs [`Offload::remove_closing`].
    #[pin]
    closing: Opaque<bindings::delayed_work>,
    /// The address of its instance, set once in `attach`.
    instance: Atomic<usize>,
}

impl<T: Offload> Owned<T> {
    /// Has the engine's chores done, if there are any.
    fn look_after(&self) {
        if self.engine.has_chores() {
            // SAFETY: `attach` has initialised the work; it is cancelled before it goes (`release`).
            unsafe { bindings::nfto_schedule_in_a_second(self.chores.get()) };
        }
    }

    /// As [`Offload::driver_gone`].
    ///
    /// # Safety
    ///
    /// `owned` points to a `Self` that is not dropped meanwhile.
    pub(super) unsafe fn driver_gone(owned: *const c_void, block: BlockId) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.driver_gone(&owned.flows, block);
        owned.look_after();
    }

    /// As [`Offload::device_changed`].
    ///
    /// # Safety
    ///
    /// As [`Owned::driver_gone`].
    pub(super) unsafe fn device_changed(owned: *const c_void, event: DeviceEvent) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.device_changed(event);
        owned.look_after();
    }
}

impl<T: Offload> Owned<T> {
    /// As [`Offload::network_changed`]. Any context.
    ///
    /// # Safety
    ///
    /// As [`Owned::driver_gone`].
    pub(super) unsafe fn network_changed(owned: *const c_void, change: Change) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        if let Some(ms) = owned.engine.network_changed(change) {
            owned.watch_in(ms);
        }
    }

    /// As [`Offload::flow_closes`]. Any context.
    ///
    /// # Safety
    ///
    /// As [`Owned::driver_gone`].
    pub(super) unsafe fn flow_closes(owned: *const c_void, flow: FlowAddress) {
        // SAFETY: By the safety requirement.
        let owned = unsafe { &*owned.cast::<Self>() };
        owned.engine.flow_closes(flow);
        // SAFETY: `attach` has initialised the work; it is cancelled before it goes (`release`).
        unsafe { bindings::nfto_schedule_now(owned.closing.get()) };
    }

    fn watch_in(&self, ms: u32) {
        // SAFETY: `attach` has initialised the work; it is cancelled before it goes (`release`).
        unsafe { bindings::nfto_schedule_in_ms(self.watch.get(), ms) };
    }
}

type Owner<T> = Pin<KBox<Owned<T>>>;

/// The C functions of a flowtable type, for the engine `T`.
pub(super) struct Adapter<T>(PhantomData<T>);

impl<T: Offload> Adapter<T> {
    /// The type of one family, not registered and without an owner.
    pub(super) fn flowtable_type(family: u32) -> bindings::nf_flowtable_type {
        bindings::nf_flowtable_type {
            family: family as c_int,
            init: Some(Self::init),
            setup: Some(Self::setup),
            action: Some(Self::action),
            free: Some(Self::free),
            gc: Some(Self::gc),
            hook: match family {
                bindings::NFPROTO_IPV4 => Some(Self::hook_ipv4),
                bindings::NFPROTO_IPV6 => Some(Self::hook_ipv6),
                _ => Some(Self::hook_inet),
            },
            ..bindings::nf_flowtable_type::default()
        }
    }

    /// # Safety
    ///
    /// `ft` is an initialised flowtable of this type.
    unsafe fn hardware(ft: *const bindings::nf_flowtable) -> bool {
        // SAFETY: By the safety requirement; this flag does not change while the flowtable exists.
        let flags = unsafe { (*ft).flags };
        flags & bindings::nf_flowtable_flags_NF_FLOWTABLE_HW_OFFLOAD != 0
    }

    /// The callback that owns the engine of `ft`.
    ///
    /// # Safety
    ///
    /// `ft` is a flowtable of this type between `init` and the end of `free`. Only these two change the list of its block,
    /// so it can be walked from the functions that the core does not run concurrently with them.
    unsafe fn callback(
        ft: *mut bindings::nf_flowtable,
    ) -> Option<NonNull<bindings::flow_block_cb>> {
        // SAFETY: By the safety requirement.
        let cb = unsafe {
            bindings::flow_block_cb_lookup(
                &raw mut (*ft).flow_block,
                Some(Self::dispatch),
                ft.cast(),
            )
        };
        NonNull::new(cb)
    }

    /// Sets a flowtable up (`nf_flowtable_type.init`).
    ///
    /// # Safety
    ///
    /// `ft` is a flowtable of this type that is to be initialised.
    unsafe extern "C" fn init(ft: *mut bindings::nf_flowtable) -> c_int {
        // SAFETY: The core gives a flowtable that is to be initialised.
        let err = unsafe { bindings::nf_flow_table_init(ft) };
        // SAFETY: As above.
        if err < 0 || !unsafe { Self::hardware(ft) } {
            return err;
        }
        from_result(|| {
            // SAFETY: `ft` was initialised above.
            let attached = unsafe { Self::attach(ft) };
            if attached.is_err() {
                // SAFETY: As above; nothing uses the flowtable yet.
                unsafe { bindings::nf_flow_table_free(ft) };
            }
            attached.map(|()| 0)
        })
    }

    /// Creates the engine of `ft` and puts its callback in place.
    ///
    /// # Safety
    ///
    /// `ft` is initialised and not in use yet.
    unsafe fn attach(ft: *mut bindings::nf_flowtable) -> Result {
        // INVARIANT: The engine and its flows go in `free`, before the flowtable does.
        let flowtable = || NonNull::new(ft).map(Flowtable).ok_or(code::EINVAL);
        let (of_engine, of_flows) = (flowtable()?, flowtable()?);
        let owner = KBox::pin_init(
            try_pin_init!(Owned {
                engine <- T::new(of_engine),
                flows <- FlowMap::new(of_flows),
                chores <- Opaque::ffi_init(|work| {
                    // SAFETY: `work` is memory for a `delayed_work`, which stays where it is.
                    unsafe { bindings::nfto_delayed_work_init(work, Some(Self::chores)) }
                }),
                watch <- Opaque::ffi_init(|work| {
                    // SAFETY: As above.
                    unsafe { bindings::nfto_delayed_work_init(work, Some(Self::watch)) }
                }),
                closing <- Opaque::ffi_init(|work| {
                    // SAFETY: As above.
                    unsafe { bindings::nfto_delayed_work_init(work, Some(Self::closing)) }
                }),
                instance: Atomic::new(0),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?;
        let private = owner.into_foreign();
        // SAFETY: `release` gets `private` when the callback is freed.
        let cb = from_err_ptr(unsafe {
            bindings::flow_block_cb_alloc(
                Some(Self::dispatch),
                ft.cast(),
                private,
                Some(Self::release),
            )
        })
        .inspect_err(|_| {
            // SAFETY: `private` came from `into_foreign` and nobody took it.
            unsafe { Self::release(private) }
        })?;
        // SAFETY: nf_tables has named the flowtable; the instance is removed in `free` before the engine goes.
        let added = unsafe { instances::add::<T>(ft, private.cast()) };
        let instance = added.inspect_err(|_| {
            // SAFETY: Nobody has the callback yet; it takes `private` with it.
            unsafe { bindings::flow_block_cb_free(cb) }
        })?;
        // SAFETY: `private` is the owner until `release`.
        let owned = unsafe { Owner::<T>::borrow(private) };
        owned.instance.store(instance.as_ptr() as usize, Relaxed);
        // SAFETY: Both are valid; the flowtable keeps the callback until `free`.
        unsafe { bindings::nfto_flowtable_add_cb(ft, cb) };
        HARDWARE_TABLES.fetch_add(1usize, Relaxed);
        // Without it changes of IPv4 routes are noticed within 100 ms, those of IPv6 are not.
        // SAFETY: The flowtable keeps its namespace.
        let _ = unsafe { watch_fib(bindings::nfto_flowtable_net(ft)) };
        Ok(())
    }

    /// Looks at what has changed.
    ///
    /// # Safety
    ///
    /// As [`Adapter::chores`].
    unsafe extern "C" fn watch(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Owned<T>, watch)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is inside of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Owned<T>>() };
        if let Some(ms) = owned.engine.watch(&owned.flows) {
            // SAFETY: As in `watch_in`.
            unsafe { bindings::nfto_schedule_again(owned.watch.get(), ms) };
        }
        owned.look_after();
    }

    /// Takes flows out of hardware whose connections close.
    ///
    /// # Safety
    ///
    /// As [`Adapter::chores`].
    unsafe extern "C" fn closing(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Owned<T>, closing)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is inside of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Owned<T>>() };
        owned.engine.remove_closing(&owned.flows);
        owned.look_after();
    }

    /// Does the engine's chores.
    ///
    /// # Safety
    ///
    /// `work` is that of an owner, which is not dropped before it has ended.
    unsafe extern "C" fn chores(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Owned<T>, chores)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is inside of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Owned<T>>() };
        owned.engine.do_chores(&owned.flows);
        owned.look_after();
    }

    /// Drops the engine that a callback owns.
    ///
    /// # Safety
    ///
    /// `private` came from `attach` and is not used afterwards.
    unsafe extern "C" fn release(private: *mut c_void) {
        // SAFETY: `private` is the owner, whose work was initialised in `attach`. Nothing calls the engine any more that could
        // schedule it again, but itself, which is waited for.
        unsafe {
            bindings::cancel_delayed_work_sync(Owner::<T>::borrow(private).watch.get());
            bindings::cancel_delayed_work_sync(Owner::<T>::borrow(private).closing.get());
            bindings::cancel_delayed_work_sync(Owner::<T>::borrow(private).chores.get());
        }
        // SAFETY: `private` came from `into_foreign` in `attach`, and its owner gives it up with this call.
        drop(unsafe { Owner::<T>::from_foreign(private) });
    }

    /// Takes a flowtable down (`nf_flowtable_type.free`).
    ///
    /// # Safety
    ///
    /// `init` succeeded for `ft`, and it is not used afterwards.
    unsafe extern "C" fn free(ft: *mut bindings::nf_flowtable) {
        // SAFETY: `init` succeeded for `ft`.
        let callback = unsafe { Self::callback(ft) };
        // SAFETY: The callback is valid; it was given its private data in `attach`.
        let owned =
            callback.map(|callback| unsafe { Owner::<T>::borrow((*callback.as_ptr()).cb_priv) });
        let instance = owned.and_then(|owned| {
            NonNull::new(owned.instance.load(Relaxed) as *mut instances::Instance)
        });
        if let Some(instance) = instance {
            // SAFETY: It comes from `attach`, and the core calls `free` once.
            unsafe { instances::close(instance) };
        }
        // The last DESTROYs come from here, so the callback is still in place.
        // SAFETY: As above; the core calls `free` once.
        unsafe { bindings::nf_flow_table_free(ft) };
        if let Some(instance) = instance {
            // SAFETY: It was closed; the flowtable keeps its namespace.
            unsafe { instances::remove(instance) };
        }
        if let Some(callback) = callback {
            HARDWARE_TABLES.fetch_sub(1usize, Relaxed);
            // SAFETY: No work of the flowtable is left that could call the callback, and the list is ours to change.
            unsafe {
                bindings::nfto_flowtable_del_cb(ft, callback.as_ptr());
                bindings::flow_block_cb_free(callback.as_ptr());
            }
        }
    }

    /// A device joins or leaves (`nf_flowtable_type.setup`).
    ///
    /// # Safety
    ///
    /// `init` succeeded for `ft`; `dev` stays during the call.
    unsafe extern "C" fn setup(
        ft: *mut bindings::nf_flowtable,
        dev: *mut bindings::net_device,
        command: bindings::flow_block_command,
    ) -> c_int {
        // SAFETY: `init` succeeded for `ft`.
        let callback = unsafe { Self::callback(ft) };
        let Some(callback) = callback else {
            // Without `flags offload` the C function registers the device for XDP look-ups, and no more.
            // SAFETY: The arguments are the core's own.
            return unsafe { bindings::nf_flow_table_offload_setup(ft, dev, command) };
        };
        // SAFETY: The callback's private data is the owner (`attach`); it lives until `free`.
        let owned = unsafe { Owner::<T>::borrow((*callback.as_ptr()).cb_priv) };
        match command {
            bindings::flow_block_command_FLOW_BLOCK_BIND => {
                // SAFETY: The core binds devices that are registered, and it holds the commit mutex, which its notifier takes
                // before a device is unregistered.
                let dev = unsafe { RegisteredDevice::from_raw(dev) };
                if let Err(error) = owned.engine.bind(dev) {
                    return error.to_errno();
                }
            }
            bindings::flow_block_command_FLOW_BLOCK_UNBIND => {
                // SAFETY: The core keeps the device during the call.
                let dev = unsafe { NetDevice::from_raw(dev) };
                owned.engine.unbind(&owned.flows, dev);
            }
            _ => return eopnotsupp().to_errno(),
        }
        // SAFETY: The flowtable keeps its namespace.
        unsafe { instances::changed(bindings::nfto_flowtable_net(ft)) };
        owned.look_after();
        0
    }

    /// The core asks for the actions of the original direction, the first of four things that it does for a REPLACE: the others are
    /// the reply's actions, and both rules to everybody on the block. All of it is done here, both directions at once, and a rule is
    /// made only if one has to be sent. The error says to the core that there is nothing more to do.
    ///
    /// # Safety
    ///
    /// Called by the work of a REPLACE for `flow`, whose flowtable is of this type, has `flags offload` and is in `net`.
    unsafe extern "C" fn action(
        net: *mut bindings::net,
        flow: *mut bindings::flow_offload,
        dir: bindings::flow_offload_tuple_dir,
        #[cfg_attr(not(nfto_bench), expect(unused_variables, reason = "the core's own"))]
        rule: *mut bindings::nf_flow_rule,
    ) -> c_int {
        // SAFETY: The core does not free the flow before the DESTROY that it sends for it has returned.
        let flow = unsafe { Flow::from_raw(flow) };
        // The core knows two directions; tests/bench asks for two others, and says how often.
        #[cfg(nfto_bench)]
        if let 2 | 3 = dir {
            return from_result(|| {
                // SAFETY: tests/bench calls this as the work of a REPLACE would.
                let owned = unsafe { instances::of_flow::<T>(net, flow) }.ok_or(code::ENOENT)?;
                let dir = if dir == 2 { Dir::Original } else { Dir::Reply };
                owned.engine.translate(flow, dir, rule as usize).map(|()| 0)
            });
        }
        if PROMISE.is_broken() {
            return eopnotsupp().to_errno();
        }
        // SAFETY: By the safety requirement.
        if let (0, Some(owned)) = (dir, unsafe { instances::of_flow::<T>(net, flow) }) {
            // SAFETY: By the safety requirement.
            if let Some(flow) = unsafe { LiveFlow::new(flow) } {
                owned.engine.replace(&owned.flows, flow);
                if let Some(ms) = owned.engine.wake() {
                    owned.watch_in(ms);
                }
                if PROMISE.is_unknown() && owned.flows.has(&flow) {
                    PROMISE.watch(&flow);
                }
                owned.look_after();
            }
        }
        eopnotsupp().to_errno()
    }

    /// The one callback on the flowtable's block.
    ///
    /// # Safety
    ///
    /// `data` is what `kind` says, `private` came from `attach`.
    unsafe extern "C" fn dispatch(
        kind: bindings::tc_setup_type,
        data: *mut c_void,
        private: *mut c_void,
    ) -> c_int {
        if kind != bindings::tc_setup_type_TC_SETUP_CLSFLOWER {
            return eopnotsupp().to_errno();
        }
        // SAFETY: `data` is what its kind says; `private` is the owner (`attach`), which outlives its callback.
        let (cls, owned) = unsafe {
            (
                &mut *data.cast::<bindings::flow_cls_offload>(),
                Owner::<T>::borrow(private),
            )
        };
        let (engine, flows) = (&owned.engine, &owned.flows);
        let mut dir: c_uint = 0;
        // SAFETY: The core's cookie is the address of the tuple of the flow's direction. The core does not free the flow
        // before the DESTROY that it sends for it has returned.
        let flow =
            unsafe { Flow::from_raw(bindings::nfto_flow_from_cookie(cls.cookie, &raw mut dir)) };
        let dir = if dir == 0 { Dir::Original } else { Dir::Reply };
        let answer = from_result(|| {
            match cls.command {
                bindings::flow_cls_command_FLOW_CLS_DESTROY => {
                    // The original direction comes first and stands for both.
                    if dir == Dir::Original {
                        engine.destroy(flows, flow);
                        flows.forget(flow);
                        PROMISE.keep(flow);
                        if flow.is_gre() {
                            flow.release_conntrack();
                        }
                    }
                }
                bindings::flow_cls_command_FLOW_CLS_STATS => {
                    let stats = engine.stats(flows, flow, dir)?;
                    cls.stats.pkts = stats.packets;
                    cls.stats.bytes = stats.bytes;
                    cls.stats.lastused = stats.last_used;
                }
                // No REPLACE gets here, as `action` answers with an error.
                _ => return Err(eopnotsupp()),
            }
            Ok(0)
        });
        owned.look_after();
        answer
    }

    /// A look at a flow that is neither expired nor being changed, every second (`nf_flow_custom_gc`); "true" would end
    /// the flow. Atomic context.
    ///
    /// # Safety
    ///
    /// `flow` is a flow of a flowtable of this type.
    unsafe extern "C" fn gc(flow: *const bindings::flow_offload) -> bool {
        // SAFETY: The core's garbage collection does not free the flow meanwhile.
        let flow = unsafe { Flow::from_raw(flow.cast_mut()) };
        flow.hold_conntrack();
        flow.keep_slow();
        if flow.is_gre() {
            flow.keep_conntrack();
        }
        if PROMISE.look_at(flow) {
            T::ends_are_not_promised();
        }
        if flow.is_mishandled() {
            if flow.has_no_tunnel() {
                return true;
            }
            T::mishandled(flow);
        } else if flow.is_core_tunnel() && HARDWARE_TABLES.load(Relaxed) != 0 {
            T::not_handed_over();
        }
        false
    }

    /// The hook of the family ip.
    ///
    /// # Safety
    ///
    /// The arguments are those of a netfilter ingress hook of a flowtable of this type.
    unsafe extern "C" fn hook_ipv4(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: The hook was given this packet.
        let skb = unsafe { SkBuff::from_raw(skb) };
        // SAFETY: By the safety requirement.
        let head = unsafe { skb.head(private, state) };
        // SAFETY: By the safety requirement.
        unsafe { look_up(Verdict::Ipv4, private, skb, head, state) }
    }

    /// The hook of the family ip6.
    ///
    /// # Safety
    ///
    /// As [`Adapter::hook_ipv4`].
    unsafe extern "C" fn hook_ipv6(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: The hook was given this packet.
        let skb = unsafe { SkBuff::from_raw(skb) };
        // SAFETY: By the safety requirement.
        let head = unsafe { skb.head(private, state) };
        // SAFETY: By the safety requirement.
        unsafe { look_up(Verdict::Ipv6, private, skb, head, state) }
    }

    /// The hook of the family inet.
    ///
    /// # Safety
    ///
    /// As [`Adapter::hook_ipv4`].
    unsafe extern "C" fn hook_inet(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: The hook was given this packet.
        let skb = unsafe { SkBuff::from_raw(skb) };
        // SAFETY: By the safety requirement.
        let head = unsafe { skb.head(private, state) };
        let verdict = T::demultiplex(skb, head.protocol);
        // SAFETY: By the safety requirement.
        unsafe { look_up(verdict, private, skb, head, state) }
    }
}

/// Looks a packet up among the flows, and sends it if it belongs to one. What goes to many is left to the slow path: a flow knows
/// one way out, that of the copy with which the core learned it. So is what the core would lose in a tunnel.
///
/// # Safety
///
/// The arguments are those of a netfilter ingress hook of a flowtable; `head` is the packet's.
unsafe fn look_up(
    verdict: Verdict,
    private: *mut c_void,
    skb: &mut SkBuff,
    head: Head,
    state: *const bindings::nf_hook_state,
) -> c_uint {
    let hook = match verdict {
        _ if head.slow => return bindings::NF_ACCEPT,
        Verdict::Ipv4 => bindings::nf_flow_offload_ip_hook,
        Verdict::Ipv6 => bindings::nf_flow_offload_ipv6_hook,
        Verdict::Accept => return bindings::NF_ACCEPT,
    };
    // SAFETY: The arguments are the core's own, and `private` is the flowtable.
    let look_up = |skb: &mut SkBuff| unsafe { hook(private, skb.as_raw(), state) };
    let ending = head.ends.then(|| {
        // SAFETY: As above.
        unsafe { skb.flow_in_hardware(private, state) }
    });
    let verdict = if head.tags {
        skb.without_priority(look_up)
    } else {
        look_up(skb)
    };
    if let Some(flow) = ending.flatten() {
        // Now that the core knows it as well.
        // SAFETY: As above.
        unsafe { instances::flow_closes((*state).net, private.cast(), flow) };
    }
    verdict
}

/// How many flowtables with `flags offload` there are.
static HARDWARE_TABLES: Atomic<usize> = Atomic::new(0);

/// For the probe of the registration: a type that no flowtable can ask for.
pub(super) fn unused_type() -> bindings::nf_flowtable_type {
    bindings::nf_flowtable_type {
        family: bindings::NFPROTO_UNSPEC as c_int,
        owner: null_mut(),
        ..bindings::nf_flowtable_type::default()
    }
}
