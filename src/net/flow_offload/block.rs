// SPDX-License-Identifier: GPL-2.0

//! A private `flow_block` on one device: how a driver is bound, called and unbound.
//!
//! The driver receives a block of this module in `flow_block_offload.block`, so only this module
//! calls its callback: no other user of the flowtable's block sees the callback, and it is not
//! called while it is being unbound.
//!
//! Drivers of other devices are reached through `flow_indr_dev_setup_offload`, which calls them
//! under a lock of its own (`flow_indr_block_lock`) and remembers the block for drivers that load
//! later. Such a driver adds its callback to a list that is not read before UNBIND: the driver has
//! missed the rules that are already installed. The engine binds the device again when it has a
//! reason to. A driver that goes away calls [`cleanup`].
//!
//! Lock order: the locks of the engine; `BIND`; `flow_indr_block_lock`; the locks of the driver. No
//! other lock is taken while `LEFT` is held.
//!
//! C header: [`include/net/flow_offload.h`](srctree/include/net/flow_offload.h)

use crate::net::{
    bindings,
    errno::eopnotsupp,
    flow_offload::{
        driver_error::DriverError,
        rule::RuleBuilder, //
    },
    log::Line,
    netdevice::{
        NetDevice,
        NetDeviceRef,
        Netns, //
    }, //
};
use core::{
    mem::MaybeUninit,
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
    error::code,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

kernel::sync::global_lock! {
    // SAFETY: Initialised by `init`, which the registration calls before a flowtable can exist.
    unsafe(uninit) static BIND: Mutex<()> = ();
}

kernel::sync::global_lock! {
    // SAFETY: As above.
    unsafe(uninit) static LEFT: Mutex<KVec<Blocks>> = KVec::new();
}

/// Initialises the locks that [`Block`] uses.
///
/// # Safety
///
/// Called once, before the first block is bound.
pub(in crate::net) unsafe fn init() {
    // SAFETY: By the safety requirement.
    unsafe {
        BIND.init();
        LEFT.init();
    }
}

/// The owner of indirect blocks.
pub(crate) trait BlockOwner {
    /// Releases a block whose driver goes away.
    ///
    /// When this returns, the block is not used any more. May sleep.
    fn driver_gone(block: BlockId);
}

/// A way to bind a block to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindMethod {
    /// `TC_SETUP_FT` at the device's own driver.
    Direct,
    /// `TC_SETUP_BLOCK` at the device's own driver, as for the offload of an nftables chain
    /// (`nft_block_offload_cmd`).
    Block,
    /// `TC_SETUP_FT` at the drivers of other devices (`nf_flow_table_indr_offload_cmd`).
    Indirect,
    /// `TC_SETUP_BLOCK` at the drivers of other devices (`nft_indr_block_offload_cmd`).
    IndirectBlock,
}

impl BindMethod {
    /// All methods, in order of preference.
    pub(crate) const ALL: [BindMethod; 4] = [
        BindMethod::Direct,
        BindMethod::Block,
        BindMethod::Indirect,
        BindMethod::IndirectBlock,
    ];

    /// Returns whether the method reaches the drivers of other devices.
    pub(crate) fn is_indirect(self) -> bool {
        matches!(self, BindMethod::Indirect | BindMethod::IndirectBlock)
    }

    /// Returns whether the driver sees a block of tc.
    fn is_block(self) -> bool {
        matches!(self, BindMethod::Block | BindMethod::IndirectBlock)
    }

    fn setup_type(self) -> bindings::tc_setup_type {
        if self.is_block() {
            bindings::tc_setup_type_TC_SETUP_BLOCK
        } else {
            bindings::tc_setup_type_TC_SETUP_FT
        }
    }
}

/// A command to a driver about a rule.
#[derive(Clone, Copy)]
pub(crate) enum Command<'a> {
    /// Adds this rule.
    Replace(&'a RuleBuilder<'a>),
    /// Removes the rule.
    Destroy,
    /// Reports the traffic of the rule since the last report.
    Stats,
}

/// The traffic of a rule since the driver's last report.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stats {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes, as the driver counts them.
    pub(crate) bytes: u64,
    /// Time of the last packet, in jiffies of the width of `unsigned long`; 0 if the driver does
    /// not know.
    pub(crate) last_used: u64,
}

/// RTNL, if it was free.
///
/// It cannot be waited for where devices are bound: nf_tables calls with its commit mutex, which is
/// taken under RTNL elsewhere, and from its netdev notifier with RTNL. So it may be held by this
/// thread or another one after a failure; the in-tree type does not take it at all.
///
/// The binding goes on without it, so nothing depends on how often RTNL is free. `ASSERT_RTNL` does
/// not warn then either, unless the other thread releases it before the driver looks: it accepts
/// any holder. What is missing is the protection from tc, which may change the driver's list.
///
/// There is no deadlock: a holder of RTNL may wait for [`BIND`], but a holder of `BIND` does not
/// wait for RTNL. Drivers do not take RTNL in these commands, as tc calls them with it.
///
/// # Invariants
///
/// RTNL is held, and is released once, if the value is true.
struct Rtnl(bool);

impl Rtnl {
    fn try_lock() -> Self {
        // INVARIANT: The result says whether RTNL was taken.
        // SAFETY: An FFI call with no requirements in a context that may sleep.
        Self(unsafe { bindings::rtnl_trylock() } != 0)
    }
}

impl Drop for Rtnl {
    fn drop(&mut self) {
        if self.0 {
            // SAFETY: By the type invariant. No device was unregistered meanwhile, so this does not
            // wait for one.
            unsafe { bindings::rtnl_unlock() };
        }
    }
}

/// The callback of one driver on a block.
///
/// # Invariants
///
/// `call` may be called with `private` until the block is unbound.
struct Callback {
    call: unsafe extern "C" fn(bindings::tc_setup_type, *mut c_void, *mut c_void) -> c_int,
    private: *mut c_void,
}

/// The part of a block that drivers know: two lists of callbacks, which do not move.
///
/// # Invariants
///
/// Points to initialised memory from a `KBox`, which this module owns until the lists are empty and
/// it is freed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Blocks(NonNull<bindings::nfto_blocks>);

// SAFETY: The memory is not bound to a thread.
unsafe impl Send for Blocks {}

impl Blocks {
    fn new() -> Result<Self> {
        let memory = KBox::new(
            Opaque::<bindings::nfto_blocks>::uninit(),
            GFP_KERNEL_ACCOUNT,
        )?;
        // SAFETY: `memory` has the size and the alignment of the lists, which are not in use yet.
        unsafe { bindings::nfto_blocks_init(memory.get()) };
        // INVARIANT: Initialised above; `into_raw` transfers the ownership of the memory.
        // CAST: `Opaque` is transparent.
        NonNull::new(KBox::into_raw(memory).cast())
            .map(Self)
            .ok_or(code::ENOMEM)
    }

    /// Returns the list in which drivers look up their callbacks when the device is unbound, and
    /// which this module reads.
    fn bound(self) -> *mut bindings::flow_block {
        // SAFETY: By the type invariant; no reference is made.
        unsafe { &raw mut (*self.0.as_ptr()).bound }
    }

    /// Returns the list to which `flow_indr_dev_register` adds the callback of a driver that loads
    /// later.
    ///
    /// It does so under a lock of its own, so this module does not read the list as long as the
    /// block is registered there.
    fn late(self) -> *mut bindings::flow_block {
        // SAFETY: As above.
        unsafe { &raw mut (*self.0.as_ptr()).late }
    }

    /// Returns whether both lists are empty.
    ///
    /// # Safety
    ///
    /// No driver can change the lists: the block is not bound.
    unsafe fn is_empty(self) -> bool {
        // SAFETY: By the type invariant and the safety requirement.
        unsafe { bindings::nfto_blocks_empty(self.0.as_ptr()) }
    }

    /// Frees the lists.
    ///
    /// # Safety
    ///
    /// The lists are empty, no driver knows them, and `self` is not used afterwards.
    unsafe fn free(self) {
        // SAFETY: By the safety requirement; the memory came from a `KBox` of this type (`new`).
        drop(unsafe { KBox::from_raw(self.0.as_ptr().cast::<Opaque<bindings::nfto_blocks>>()) });
    }
}

/// Identifies a block as long as drivers know it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockId(usize);

/// A block that is bound to a device, with the callbacks that receive its rules.
///
/// An indirect block can have several callbacks: each driver that has ports below the device takes
/// part, as with tc. A rule is installed if one of the drivers accepts it; packets that arrive on
/// ports of the other drivers are left to the CPU.
///
/// # Invariants
///
/// The list `bound` of `blocks` holds the drivers' callbacks, which are `callbacks`.
pub(crate) struct Block {
    blocks: Blocks,
    dev: NetDeviceRef,
    method: BindMethod,
    callbacks: KVec<Callback>,
    /// The function that a driver that goes away calls for its callback.
    cleanup: unsafe extern "C" fn(*mut bindings::flow_block_cb),
}

// SAFETY: The block may be used from any thread on which the core calls this module; drivers expect
// that of their callbacks.
unsafe impl Send for Block {}
// SAFETY: A shared reference can only call the driver's callback, which may run concurrently.
unsafe impl Sync for Block {}

impl Block {
    /// Binds a new block to `dev`, in the network namespace of its flowtable. May sleep.
    ///
    /// The block holds a reference to the device, which cannot be freed before the block is
    /// unbound. `unlocked` says that the callback of the device's driver does not require RTNL,
    /// whether the driver reports that or not.
    ///
    /// # Errors
    ///
    /// The error of the driver, or `EOPNOTSUPP` if the driver does not accept rules.
    pub(crate) fn bind<O: BlockOwner>(
        dev: &NetDevice,
        net: Netns<'_>,
        method: BindMethod,
        unlocked: bool,
    ) -> Result<Self, DriverError> {
        if !method.is_indirect() && !dev.has_setup_tc() {
            return Err(DriverError::with_text(
                eopnotsupp(),
                b"the driver has no hardware offload",
            ));
        }
        let blocks = Blocks::new().map_err(|_| DriverError::no_memory())?;
        // INVARIANT: `setup` fills the list of the block, and `remember` copies its contents.
        let mut bound = Self {
            blocks,
            dev: dev.reference(),
            method,
            callbacks: KVec::new(),
            cleanup: cleanup::<O>,
        };
        let reported = bound.setup(net, bindings::flow_block_command_FLOW_BLOCK_BIND, false);
        let reported = match reported {
            Ok(reported) => reported,
            Err(error) => {
                if method.is_indirect() {
                    // `flow_indr_dev_setup_offload` remembers the device even if no driver accepted
                    // it, and would pass it to the next driver that loads. The device may be gone
                    // by then.
                    bound.unbind(net);
                }
                return Err(error);
            }
        };
        if let Err(error) = bound.remember(unlocked || reported) {
            bound.unbind(net);
            return Err(error);
        }
        Ok(bound)
    }

    /// Returns the identity of the block.
    pub(crate) fn id(&self) -> BlockId {
        BlockId(self.blocks.0.as_ptr() as usize)
    }

    /// Returns the method by which the block is bound.
    pub(crate) fn method(&self) -> BindMethod {
        self.method
    }

    /// Returns whether the block is bound to this device.
    pub(in crate::net) fn is_on(&self, dev: &NetDevice) -> bool {
        core::ptr::eq(self.dev.as_raw(), dev.as_raw())
    }

    /// Returns the device to which the block is bound.
    pub(crate) fn device(&self) -> &NetDevice {
        &self.dev
    }

    /// Sends a command to the drivers; returns whether their callbacks can run without RTNL.
    ///
    /// With `late`, unbinds the callbacks of drivers that have loaded since BIND.
    fn setup(
        &mut self,
        net: Netns<'_>,
        command: bindings::flow_block_command,
        late: bool,
    ) -> Result<bool, DriverError> {
        // Drivers keep the list of their bindings without a lock of their own, and flowtables of
        // different namespaces would change it concurrently.
        let _serial = BIND.lock();
        // tc changes the list under RTNL, and sfc warns without it (`efx_tc_find_binding`).
        let _rtnl = self.method.is_block().then(Rtnl::try_lock);
        let mut extack = bindings::netlink_ext_ack::default();
        let mut offload = bindings::flow_block_offload::default();
        let offload = &raw mut offload;
        let blocks = self.blocks;
        let recorded = if self.method.is_indirect() {
            blocks.late()
        } else {
            blocks.bound()
        };
        let block = if late { blocks.late() } else { blocks.bound() };
        let dev = self.dev.as_raw();
        let kind = self.method.setup_type();
        // The driver puts its callback on the list in `offload` (BIND) or moves it there (UNBIND).
        // A callback that a failed BIND leaves there may still be known to the driver, or be freed
        // already: it is not touched, as in `nf_flow_table_offload_setup`.
        // SAFETY: `offload`, the block and `extack` are valid for the call. The callbacks in
        // `offload` are spliced or freed before `offload` goes away, except those of a driver that
        // breaks the rule that a failed BIND leaves none. No callback runs during UNBIND, as `self`
        // is exclusive. The address of the blocks is unique as long as they exist.
        let err = unsafe {
            bindings::nfto_block_offload_init(
                offload,
                block,
                net.as_raw(),
                recorded,
                command,
                &raw mut extack,
            );
            let err = if self.method.is_indirect() {
                bindings::flow_indr_dev_setup_offload(
                    dev,
                    null_mut(),
                    kind,
                    blocks.0.as_ptr().cast(),
                    offload,
                    Some(self.cleanup),
                )
            } else {
                bindings::nfto_setup_tc(dev, kind, offload)
            };
            if command == bindings::flow_block_command_FLOW_BLOCK_UNBIND {
                bindings::nfto_block_free_cbs(&raw mut (*offload).cb_list);
            } else if err >= 0 {
                bindings::nfto_block_splice(offload);
            }
            err
        };
        if err < 0 {
            // SAFETY: A driver sets `_msg` to a string constant or to the buffer in `extack`, both
            // terminated.
            return Err(unsafe { DriverError::new(err, extack._msg) });
        }
        // SAFETY: As above.
        Ok(unsafe { (*offload).unlocked_driver_cb })
    }

    /// Copies the drivers' callbacks from the list; an error says why none of them can be used.
    ///
    /// A driver's callback for blocks of tc may rely on RTNL, which tc holds around the call,
    /// unless the driver reports that it is `unlocked`.
    fn remember(&mut self, unlocked: bool) -> Result<(), DriverError> {
        if self.method.is_block() && !unlocked {
            return Err(DriverError::needs_rtnl());
        }
        // SAFETY: The block was initialised. Drivers use this list during BIND and UNBIND only,
        // neither of which is in progress; its members are `flow_block_cb`s that they allocated,
        // linked through `list`.
        unsafe {
            let head = &raw mut (*self.blocks.bound()).cb_list;
            let mut node = (*head).next;
            while node != head {
                let cb = node
                    .byte_sub(core::mem::offset_of!(bindings::flow_block_cb, list))
                    .cast::<bindings::flow_block_cb>();
                let call = (*cb).cb.ok_or_else(DriverError::no_callback)?;
                let callback = Callback {
                    call,
                    private: (*cb).cb_priv,
                };
                self.callbacks
                    .push(callback, GFP_KERNEL_ACCOUNT)
                    .map_err(|_| DriverError::no_memory())?;
                node = (*node).next;
            }
        }
        if self.callbacks.is_empty() {
            return Err(DriverError::no_callback());
        }
        Ok(())
    }

    /// Unbinds the block, which cannot be used afterwards.
    ///
    /// The caller has destroyed its rules; no callback is in flight, as `self` is exclusive.
    pub(in crate::net) fn unbind(&mut self, net: Netns<'_>) {
        // The result of the driver does not matter: the device is going away, or the user requested
        // it.
        let _ = self.setup(net, bindings::flow_block_command_FLOW_BLOCK_UNBIND, false);
        if self.method.is_indirect() {
            // After the first UNBIND, drivers that load do not see the block any more, so the list
            // does not change.
            let _ = self.setup(net, bindings::flow_block_command_FLOW_BLOCK_UNBIND, true);
        }
    }

    /// Sends a command for the rule `cookie` to the drivers. May sleep.
    ///
    /// `unknown_rule` lists the errors of a driver that does not know the rule, as positive
    /// numbers.
    ///
    /// With several drivers, the command succeeds if it succeeds for one of them. A DESTROY fails
    /// if it fails for a driver that may have the rule: any driver but those that do not know the
    /// rule.
    pub(crate) fn command(
        &self,
        cookie: u64,
        command: Command<'_>,
        unknown_rule: &[u32],
    ) -> Result<Stats, DriverError> {
        if let [callback] = &*self.callbacks {
            return callback.invoke(cookie, command, self.method.is_block());
        }
        let may_have_it = |error: &DriverError| !error.is_one_of(unknown_rule);
        let mut total: Option<Stats> = None;
        let mut refusal: Option<DriverError> = None;
        for callback in &self.callbacks {
            match callback.invoke(cookie, command, self.method.is_block()) {
                Ok(stats) => {
                    let sum = total.unwrap_or_default();
                    total = Some(Stats {
                        packets: sum.packets.saturating_add(stats.packets),
                        bytes: sum.bytes.saturating_add(stats.bytes),
                        last_used: sum.last_used.max(stats.last_used),
                    });
                }
                Err(error) => {
                    let more = match &refusal {
                        None => true,
                        // The error that the rule is unknown tells the least.
                        Some(first) if matches!(command, Command::Replace(_)) => {
                            error.tells() > first.tells()
                        }
                        Some(first) => !may_have_it(first) && may_have_it(&error),
                    };
                    if more {
                        refusal = Some(error);
                    }
                }
            }
        }
        match (total, refusal) {
            (Some(_), Some(error))
                if matches!(command, Command::Destroy) && may_have_it(&error) =>
            {
                Err(error)
            }
            (Some(stats), _) => Ok(stats),
            (None, Some(error)) => Err(error),
            (None, None) => Err(DriverError::no_callback()),
        }
    }
}

impl Callback {
    /// A small positive priority; drivers reject 0 and large values.
    const PRIORITY: u32 = 1;

    fn invoke(&self, cookie: u64, command: Command<'_>, as_tc: bool) -> Result<Stats, DriverError> {
        let mut extack = MaybeUninit::<bindings::netlink_ext_ack>::uninit();
        let extack = extack.as_mut_ptr();
        // SAFETY: The bytes that are written are in the memory: all before the buffer for a
        // message, the last field. A driver writes the buffer before it sets `_msg` to it.
        unsafe {
            let buffer = core::mem::offset_of!(bindings::netlink_ext_ack, _msg_buf);
            extack.cast::<u8>().write_bytes(0, buffer);
        }
        let mut cls = bindings::flow_cls_offload::default();
        // A filter of tc has the Ethertype to which it applies, and drivers for tc check it (nfp:
        // `nfp_flower_repr_offload`).
        cls.common.protocol = match command {
            Command::Replace(rule) if as_tc => rule.ethertype(),
            _ if as_tc => (bindings::ETH_P_IP as u16).to_be(),
            _ => (bindings::ETH_P_ALL as u16).to_be(),
        };
        cls.common.prio = Self::PRIORITY;
        cls.common.extack = extack;
        cls.cookie = cookie as c_ulong;
        cls.command = match command {
            Command::Replace(rule) => {
                cls.rule = rule.as_raw();
                bindings::flow_cls_command_FLOW_CLS_REPLACE
            }
            Command::Destroy => bindings::flow_cls_command_FLOW_CLS_DESTROY,
            Command::Stats => bindings::flow_cls_command_FLOW_CLS_STATS,
        };
        // SAFETY: By the type invariant the callback may be called; `cls`, the rule and `extack`
        // outlive the call, and drivers copy what they keep.
        let err = unsafe {
            (self.call)(
                bindings::tc_setup_type_TC_SETUP_CLSFLOWER,
                (&raw mut cls).cast(),
                self.private,
            )
        };
        if err < 0 {
            // SAFETY: A driver sets `_msg` to a string constant or to the buffer in `extack`, both
            // terminated.
            return Err(unsafe { DriverError::new(err, (*extack)._msg) });
        }
        Ok(Stats {
            packets: cls.stats.pkts,
            bytes: cls.stats.bytes,
            last_used: cls.stats.lastused,
        })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut left = LEFT.lock();
        // SAFETY: No driver can change the lists: the block is not bound, and `cleanup` changes
        // them only under the lock that is held.
        if unsafe { self.blocks.is_empty() } {
            // SAFETY: The lists are empty, and no driver can find them in another way; the block is
            // not used afterwards.
            unsafe { self.blocks.free() };
            return;
        }
        if !self.method.is_indirect() {
            // The driver has kept its callback through UNBIND. The callback still points to this
            // memory, so the memory stays.
            if Line::CallbackKept.is_allowed() {
                pr_err!("driver kept its flow_block callback after FLOW_BLOCK_UNBIND; leaking the block\n");
            }
            return;
        }
        // A driver that unregisters does not receive the UNBIND; `cleanup`, which is about to run,
        // frees its callback.
        // SAFETY: An FFI call with no requirements; a flowtable of this module exists.
        unsafe { bindings::nfto_module_get() };
        // Without memory the block is never freed, and the module cannot be unloaded.
        let _ = left.push(self.blocks, GFP_KERNEL_ACCOUNT);
    }
}

/// Releases the callback of a driver on an indirect block when the driver goes away
/// (`flow_indr_dev_unregister`).
///
/// Called once for each callback of the driver, without a lock of the kernel's own, after the
/// driver was removed from the list that BIND and UNBIND use. Nothing else frees the callback then.
///
/// The engines that have the block remove their rules and leave the block, so that it is unbound
/// and added to `LEFT`. They do so with their locks held, so no command is in flight, and the BIND
/// that created the callback has ended. If no engine has the block, an UNBIND came first, and has
/// added the block to `LEFT` too.
///
/// # Safety
///
/// `cb` is a callback that a driver has put on a block in [`Block::setup`], or that was added to it
/// later.
unsafe extern "C" fn cleanup<O: BlockOwner>(cb: *mut bindings::flow_block_cb) {
    // SAFETY: By the safety requirement the callback is valid; `data` is the address of its blocks,
    // which are not freed before their callbacks are.
    let data = unsafe { (*cb).indr.data };
    O::driver_gone(BlockId(data as usize));
    let mut left = LEFT.lock();
    // SAFETY: The block was unbound, so its lists are changed under this lock only. The driver may
    // change its own list of callbacks, and it waits for this function.
    unsafe { bindings::nfto_block_cb_take_out(cb) };
    let mine = |blocks: &Blocks| blocks.0.as_ptr().cast() == data;
    let index = left.iter().position(mine);
    // SAFETY: As above.
    let ended = index.filter(|index| left.get(*index).is_some_and(|b| unsafe { b.is_empty() }));
    let ended = ended.and_then(|index| left.remove(index).ok());
    if left.is_empty() {
        // The list is static, and would not be freed when the module is unloaded.
        *left = KVec::new();
    }
    drop(left);
    // SAFETY: The callback is on no list any more.
    unsafe { bindings::flow_block_cb_free(cb) };
    if let Some(blocks) = ended {
        // SAFETY: The lists are empty, and the block has been removed from `LEFT`. The module
        // reference was taken when it was added.
        unsafe {
            blocks.free();
            bindings::nfto_module_put();
        }
    }
}
