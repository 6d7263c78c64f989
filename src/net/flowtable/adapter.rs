// SPDX-License-Identifier: GPL-2.0

//! The C functions of a flowtable type, which call an [`Engine`].
//!
//! Each flowtable with `flags offload` has one engine. It is owned by a `flow_block_cb` of this
//! module on the flowtable's block. The core calls that callback, and only that one, exactly once
//! for every DESTROY and STATS. A REPLACE ends before it reaches the callback, see
//! `Adapter::action`.
//!
//! C header:
//! [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

use crate::{
    net::{
        bindings,
        errno::eopnotsupp,
        flowtable::{
            engine::{
                Engine,
                Instance,
                Verdict, //
            },
            flow::{
                Flow,
                LiveFlow, //
            },
            flow_map::FlowMap,
            instances::{
                self,
                Instances, //
            },
            promise::PROMISE,
            view::Flowtable, //
        },
        netdevice::{
            NetDevice,
            RegisteredDevice, //
        },
        skbuff::{
            Head,
            SkBuff, //
        },
        watch::watch_fib, //
    },
    proto::Dir, //
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
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

type Owner<T> = Pin<KBox<Instance<T>>>;

/// Provides the C functions of a flowtable type for the engine `T`.
pub(in crate::net) struct Adapter<T>(PhantomData<T>);

impl<T: Engine> Adapter<T> {
    /// Returns the type of one family, unregistered and without an owner.
    pub(in crate::net) fn flowtable_type(family: u32) -> bindings::nf_flowtable_type {
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

    /// Returns whether the flowtable has `flags offload`.
    ///
    /// # Safety
    ///
    /// `ft` is an initialised flowtable of this type.
    unsafe fn hardware(ft: *const bindings::nf_flowtable) -> bool {
        // SAFETY: By the safety requirement. This flag does not change while the flowtable exists
        // (`nft_flowtable_update`), and `init` reads it before anything else can change the others.
        let flags = unsafe { (*ft).flags };
        flags & bindings::nf_flowtable_flags_NF_FLOWTABLE_HW_OFFLOAD != 0
    }

    /// Returns the callback that owns the engine of `ft`.
    ///
    /// # Safety
    ///
    /// `ft` is a flowtable of this type between `init` and the end of `free`. Only these two change
    /// the list of its block, so the list can be walked by every function that the core does not
    /// run concurrently with them.
    unsafe fn callback(
        ft: *mut bindings::nf_flowtable,
    ) -> Option<NonNull<bindings::flow_block_cb>> {
        // SAFETY: By the safety requirement the list does not change during the call.
        let cb = unsafe {
            bindings::flow_block_cb_lookup(
                &raw mut (*ft).flow_block,
                Some(Self::dispatch),
                ft.cast(),
            )
        };
        NonNull::new(cb)
    }

    /// Initialises a flowtable (`nf_flowtable_type.init`).
    ///
    /// # Safety
    ///
    /// `ft` is a flowtable of this type that is to be initialised.
    unsafe extern "C" fn init(ft: *mut bindings::nf_flowtable) -> c_int {
        // SAFETY: By the safety requirement.
        let err = unsafe { bindings::nf_flow_table_init(ft) };
        // SAFETY: `ft` was initialised above, unless there was an error.
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

    /// Creates the engine of `ft` and installs its callback.
    ///
    /// # Safety
    ///
    /// `ft` is initialised and not in use yet.
    unsafe fn attach(ft: *mut bindings::nf_flowtable) -> Result {
        // INVARIANT: `free` drops the engine and its flows before the flowtable is freed.
        let flowtable = || NonNull::new(ft).map(Flowtable).ok_or(code::EINVAL);
        let (of_engine, of_flows) = (flowtable()?, flowtable()?);
        let owner = KBox::pin_init(
            try_pin_init!(Instance {
                engine <- T::new(of_engine),
                flows <- FlowMap::new(of_flows),
                chores <- Opaque::ffi_init(|work| {
                    // SAFETY: `work` is memory for a `delayed_work`, which does not move.
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
        // SAFETY: `release` receives `private` when the callback is freed.
        let cb = from_err_ptr(unsafe {
            bindings::flow_block_cb_alloc(
                Some(Self::dispatch),
                ft.cast(),
                private,
                Some(Self::release),
            )
        })
        .inspect_err(|_| {
            // SAFETY: `private` came from `into_foreign`, and nothing else has taken it.
            unsafe { Self::release(private) }
        })?;
        // SAFETY: nf_tables has named the flowtable; `free` removes the instance before the engine
        // is dropped.
        let added = unsafe { instances::add::<T>(ft, private.cast()) };
        let instance = added.inspect_err(|_| {
            // SAFETY: The callback is not in use yet; it releases `private` when it is freed.
            unsafe { bindings::flow_block_cb_free(cb) }
        })?;
        // SAFETY: `private` is the owner until `release`.
        let owned = unsafe { Owner::<T>::borrow(private) };
        owned.instance.store(instance.as_ptr() as usize, Relaxed);
        // SAFETY: Both are valid, and the callback is on no list yet; the flowtable keeps it until
        // `free`.
        unsafe { bindings::nfto_flowtable_add_cb(ft, cb) };
        HARDWARE_TABLES.fetch_add(1usize, Relaxed);
        // If this fails, changes of IPv4 routes are still noticed within 100 ms, those of IPv6
        // routes are not.
        // SAFETY: The flowtable keeps its namespace.
        let _ = unsafe { watch_fib::<Instances>(bindings::nfto_flowtable_net(ft)) };
        Ok(())
    }

    /// Runs [`Engine::watch`].
    ///
    /// # Safety
    ///
    /// As [`Adapter::chores`].
    unsafe extern "C" fn watch(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Instance<T>, watch)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is a field of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Instance<T>>() };
        if let Some(ms) = owned.engine.watch(&owned.flows) {
            // SAFETY: The work is initialised, as it runs; `release` cancels it before it is freed.
            unsafe { bindings::nfto_schedule_again(owned.watch.get(), ms) };
        }
        owned.look_after();
    }

    /// Runs [`Engine::remove_closing`].
    ///
    /// # Safety
    ///
    /// As [`Adapter::chores`].
    unsafe extern "C" fn closing(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Instance<T>, closing)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is a field of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Instance<T>>() };
        owned.engine.remove_closing(&owned.flows);
        owned.look_after();
    }

    /// Runs [`Engine::do_chores`].
    ///
    /// # Safety
    ///
    /// `work` belongs to an owner that is not dropped before the work has ended.
    unsafe extern "C" fn chores(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Instance<T>, chores)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is a field of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Instance<T>>() };
        owned.engine.do_chores(&owned.flows);
        owned.look_after();
    }

    /// Drops the engine that a callback owns.
    ///
    /// # Safety
    ///
    /// `private` came from `attach` and is not used afterwards.
    unsafe extern "C" fn release(private: *mut c_void) {
        // SAFETY: `private` is the owner, whose works were initialised in `attach`. Nothing calls
        // the engine any more that could schedule them again, except these works: each is waited
        // for, and `chores`, which the other two can schedule, is the last one.
        unsafe {
            bindings::cancel_delayed_work_sync(Owner::<T>::borrow(private).watch.get());
            bindings::cancel_delayed_work_sync(Owner::<T>::borrow(private).closing.get());
            bindings::cancel_delayed_work_sync(Owner::<T>::borrow(private).chores.get());
        }
        // SAFETY: `private` came from `into_foreign` in `attach`, and its owner gives it up with
        // this call.
        drop(unsafe { Owner::<T>::from_foreign(private) });
    }

    /// Frees a flowtable (`nf_flowtable_type.free`).
    ///
    /// # Safety
    ///
    /// `init` succeeded for `ft`, and `ft` is not used afterwards.
    unsafe extern "C" fn free(ft: *mut bindings::nf_flowtable) {
        // SAFETY: `init` succeeded for `ft`.
        let callback = unsafe { Self::callback(ft) };
        // SAFETY: The callback is valid until it is freed below; its private data is the owner
        // (`attach`).
        let owned =
            callback.map(|callback| unsafe { Owner::<T>::borrow((*callback.as_ptr()).cb_priv) });
        let instance = owned
            .and_then(|owned| NonNull::new(owned.instance.load(Relaxed) as *mut instances::Entry));
        if let Some(instance) = instance {
            // SAFETY: The instance comes from `attach`, and the core calls `free` once.
            unsafe { instances::close(instance) };
        }
        // The callback has to stay in place: this call sends the last DESTROYs.
        // SAFETY: As above; the core calls `free` once.
        unsafe { bindings::nf_flow_table_free(ft) };
        if let Some(instance) = instance {
            // SAFETY: The instance was closed; the flowtable keeps its namespace.
            unsafe { instances::remove(instance) };
        }
        if let Some(callback) = callback {
            HARDWARE_TABLES.fetch_sub(1usize, Relaxed);
            // SAFETY: No work of the flowtable is left that could call the callback, and only
            // `init` and `free` change the list. `release` waits for the works of the engine.
            unsafe {
                bindings::nfto_flowtable_del_cb(ft, callback.as_ptr());
                bindings::flow_block_cb_free(callback.as_ptr());
            }
        }
    }

    /// Adds or removes a device (`nf_flowtable_type.setup`).
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
            // Without `flags offload` the C function only registers the device for XDP lookups.
            // SAFETY: By the safety requirement; the arguments are the core's own.
            return unsafe { bindings::nf_flow_table_offload_setup(ft, dev, command) };
        };
        // SAFETY: The callback's private data is the owner (`attach`). It lives until `free`, which
        // the core does not call at the same time.
        let owned = unsafe { Owner::<T>::borrow((*callback.as_ptr()).cb_priv) };
        match command {
            bindings::flow_block_command_FLOW_BLOCK_BIND => {
                // SAFETY: The core binds registered devices only. It holds the commit mutex, which
                // its notifier takes before a device is unregistered.
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

    /// Handles a REPLACE in place of the core (`nf_flowtable_type.action`).
    ///
    /// The core asks for the actions of the original direction as the first of four steps of a
    /// REPLACE. The others are the actions of the reply direction, and sending each rule to every
    /// callback on the block. This function does all of it, for both directions at once, and builds
    /// a rule only if one has to be sent. It always returns an error, so that the core skips the
    /// other steps.
    ///
    /// # Safety
    ///
    /// Called by the work of a REPLACE for `flow`, whose flowtable is of this type, has
    /// `flags offload` and is in `net`.
    unsafe extern "C" fn action(
        net: *mut bindings::net,
        flow: *mut bindings::flow_offload,
        dir: bindings::flow_offload_tuple_dir,
        _: *mut bindings::nf_flow_rule,
    ) -> c_int {
        // SAFETY: The core sends a DESTROY for the flow, and does not free the flow before that has
        // returned.
        let flow = unsafe { Flow::from_raw(flow) };
        if PROMISE.is_broken() {
            return eopnotsupp().to_errno();
        }
        // SAFETY: By the safety requirement.
        if let (0, Some(owned)) = (dir, unsafe { instances::of_flow::<T>(net, flow) }) {
            // SAFETY: This is the work of a REPLACE for the flow.
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

    /// Handles the commands of the core; the only callback on the flowtable's block.
    ///
    /// # Safety
    ///
    /// `data` is of the type that `kind` specifies, and `private` came from `attach`.
    unsafe extern "C" fn dispatch(
        kind: bindings::tc_setup_type,
        data: *mut c_void,
        private: *mut c_void,
    ) -> c_int {
        if kind != bindings::tc_setup_type_TC_SETUP_CLSFLOWER {
            return eopnotsupp().to_errno();
        }
        // SAFETY: `data` is of the type that `kind` specifies. `private` is the owner (`attach`),
        // which outlives its callback.
        let (cls, owned) = unsafe {
            (
                &mut *data.cast::<bindings::flow_cls_offload>(),
                Owner::<T>::borrow(private),
            )
        };
        let (engine, flows) = (&owned.engine, &owned.flows);
        let mut dir: c_uint = 0;
        // SAFETY: The core's cookie is the address of the tuple of the flow's direction. The core
        // sends a DESTROY for the flow, and does not free the flow before that has returned.
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
                // No REPLACE reaches this callback, as `action` returns an error.
                _ => return Err(eopnotsupp()),
            }
            Ok(0)
        });
        owned.look_after();
        answer
    }

    /// Checks a flow every second (`nf_flow_custom_gc`); returns whether the flow has to end.
    ///
    /// The core skips flows that have expired or are being changed. Atomic context.
    ///
    /// # Safety
    ///
    /// `flow` is a flow of a flowtable of this type.
    unsafe extern "C" fn gc(flow: *const bindings::flow_offload) -> bool {
        // SAFETY: The flow is valid by the safety requirement. Only the core's garbage collection
        // frees flows, and it does not do so during this call.
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

    /// Handles a packet at the hook of the family ip.
    ///
    /// # Safety
    ///
    /// The arguments are those of a netfilter ingress hook of a flowtable of this type.
    unsafe extern "C" fn hook_ipv4(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: By the safety requirement.
        unsafe {
            match bindings::nfto_skb_plain(skb, private.cast()) {
                4 => bindings::nf_flow_offload_ip_hook(private, skb, state),
                _ => Self::look_closer(private, skb, state, |_, _| Verdict::Ipv4),
            }
        }
    }

    /// Handles a packet at the hook of the family ip6.
    ///
    /// # Safety
    ///
    /// As [`Adapter::hook_ipv4`].
    unsafe extern "C" fn hook_ipv6(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: By the safety requirement.
        unsafe {
            match bindings::nfto_skb_plain(skb, private.cast()) {
                6 => bindings::nf_flow_offload_ipv6_hook(private, skb, state),
                _ => Self::look_closer(private, skb, state, |_, _| Verdict::Ipv6),
            }
        }
    }

    /// Handles a packet at the hook of the family inet.
    ///
    /// # Safety
    ///
    /// As [`Adapter::hook_ipv4`].
    unsafe extern "C" fn hook_inet(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: By the safety requirement.
        unsafe {
            match bindings::nfto_skb_plain(skb, private.cast()) {
                4 => bindings::nf_flow_offload_ip_hook(private, skb, state),
                6 => bindings::nf_flow_offload_ipv6_hook(private, skb, state),
                _ => Self::look_closer(private, skb, state, T::demultiplex),
            }
        }
    }

    /// Handles a packet that is not plain (`nfto_skb_plain`).
    ///
    /// # Safety
    ///
    /// As [`Adapter::hook_ipv4`].
    #[inline(never)]
    unsafe fn look_closer(
        private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
        demultiplex: impl FnOnce(&mut SkBuff, u16) -> Verdict,
    ) -> c_uint {
        // SAFETY: The packet was passed to the hook, which has it alone until it returns.
        let skb = unsafe { SkBuff::from_raw(skb) };
        // SAFETY: By the safety requirement.
        let head = unsafe { skb.head(private, state) };
        let verdict = demultiplex(skb, head.protocol);
        // SAFETY: By the safety requirement.
        unsafe { look_up(verdict, private, skb, head, state) }
    }
}

/// Looks a packet up among the flows, and forwards it if it belongs to one.
///
/// Packets with several receivers take the slow path: a flow has one egress, that of the copy from
/// which the core learned the flow. Packets that the core would lose in a tunnel take the slow path
/// too.
///
/// # Safety
///
/// The arguments are those of a netfilter ingress hook of a flowtable; `head` belongs to the
/// packet.
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
    // SAFETY: By the safety requirement the arguments are the core's own, and `private` is the
    // flowtable.
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
        // This comes after the lookup, so that the core knows about the closing as well.
        // SAFETY: As above. The hook runs in the namespace of its flowtable, which exists meanwhile.
        unsafe { instances::flow_closes((*state).net, private.cast(), flow) };
    }
    verdict
}

/// Counts the flowtables with `flags offload`.
static HARDWARE_TABLES: Atomic<usize> = Atomic::new(0);

/// Returns the type that the registration uses as its probe: no flowtable can ask for it.
pub(in crate::net) fn unused_type() -> bindings::nf_flowtable_type {
    bindings::nf_flowtable_type {
        family: bindings::NFPROTO_UNSPEC as c_int,
        owner: null_mut(),
        ..bindings::nf_flowtable_type::default()
    }
}
