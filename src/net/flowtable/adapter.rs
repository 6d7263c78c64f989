// SPDX-License-Identifier: GPL-2.0

//! A flowtable type: the trait that the engine implements, and the C functions in front of it.
//!
//! With `flags offload`, each flowtable gets one engine object. One `flow_block_cb` of ours on the flowtable's block
//! owns it: the core calls that callback, and only that one, exactly once for every DESTROY and STATS. A REPLACE ends
//! before it gets there, see `Adapter::action`.
//!
//! C header: [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

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

/// The C functions of a flowtable type, for the engine `T`.
pub(in crate::net) struct Adapter<T>(PhantomData<T>);

impl<T: Engine> Adapter<T> {
    /// The type of one family, not registered and without an owner.
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
            try_pin_init!(Instance {
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
        let _ = unsafe { watch_fib::<Instances>(bindings::nfto_flowtable_net(ft)) };
        Ok(())
    }

    /// Looks at what has changed.
    ///
    /// # Safety
    ///
    /// As [`Adapter::chores`].
    unsafe extern "C" fn watch(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Instance<T>, watch)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is inside of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Instance<T>>() };
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
        let offset = core::mem::offset_of!(Instance<T>, closing)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is inside of an owner, at this offset.
        let owned = unsafe { &*work.byte_sub(offset).cast::<Instance<T>>() };
        owned.engine.remove_closing(&owned.flows);
        owned.look_after();
    }

    /// Does the engine's chores.
    ///
    /// # Safety
    ///
    /// `work` is that of an owner, which is not dropped before it has ended.
    unsafe extern "C" fn chores(work: *mut bindings::work_struct) {
        let offset = core::mem::offset_of!(Instance<T>, chores)
            + core::mem::offset_of!(bindings::delayed_work, work);
        // SAFETY: By the safety requirement the work is inside of an owner, at this offset.
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
        let instance = owned
            .and_then(|owned| NonNull::new(owned.instance.load(Relaxed) as *mut instances::Entry));
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
pub(in crate::net) fn unused_type() -> bindings::nf_flowtable_type {
    bindings::nf_flowtable_type {
        family: bindings::NFPROTO_UNSPEC as c_int,
        owner: null_mut(),
        ..bindings::nf_flowtable_type::default()
    }
}
