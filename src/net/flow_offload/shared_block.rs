// SPDX-License-Identifier: GPL-2.0

//! One block for all flowtables that have the same device.
//!
//! A driver accepts one block at a time for a device. So the first flowtable that has the device
//! binds the block, the others join it, and the last one that leaves unbinds it. Each flowtable has
//! rules of its own, under cookies that are not reused.
//!
//! A block that has to be bound again, or whose driver goes away, is *retired*: it cannot be joined
//! any more. Its engines leave it, each for the same reason; the device is busy until all of them
//! have.
//!
//! Lock order: the locks of the engines; `SHARED`; the locks of [`block`](super::block).

use crate::net::{
    flow_offload::{
        block::{
            Block,
            BlockId,
            BlockOwner, //
        },
        driver_error::DriverError, //
    },
    flowtable::{
        instances::{
            self,
            Entry, //
        },
        view::Flowtable, //
    },
    netdevice::{
        NetDevice,
        Netns, //
    }, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        UniqueArc, //
    }, //
};

kernel::sync::global_lock! {
    // SAFETY: Initialised by `init`, which the registration calls before a flowtable can exist.
    unsafe(uninit) static SHARED: Mutex<KVec<Shares>> = KVec::new();
}

/// Initialises the lock that [`SharedBlock`] uses.
///
/// # Safety
///
/// Called once, before the first block is bound.
pub(in crate::net) unsafe fn init() {
    // SAFETY: By the safety requirement.
    unsafe { SHARED.init() };
}

/// The counters that the flowtables of a block share.
pub(crate) struct Load {
    /// Number of rules that the driver holds.
    pub(crate) rules: Atomic<u64>,
    /// Time until which the driver is assumed to be full, in 64 bit jiffies; 0 if it has room.
    pub(crate) full: Atomic<u64>,
    /// Whether a rule was rejected because the driver was full, and none has been removed since.
    pub(crate) starved: Atomic<bool>,
    /// How many times room became available for rules that had been rejected for lack of it.
    pub(crate) room: Atomic<u32>,
}

impl Load {
    fn new() -> Self {
        Self {
            rules: Atomic::new(0),
            full: Atomic::new(0),
            starved: Atomic::new(false),
            room: Atomic::new(0),
        }
    }
}

struct Shared {
    block: Block,
    load: Load,
}

/// A flowtable that has a block: its instance, if the block is an indirect one, whose driver may go
/// away.
#[derive(Clone, Copy, PartialEq, Eq)]
struct User(Option<NonNull<Entry>>);

// SAFETY: The pointer is only followed by `driver_gone`, from any thread, under the lock with which
// the share leaves.
unsafe impl Send for User {}
// SAFETY: As above.
unsafe impl Sync for User {}

/// A block that is bound.
///
/// # Invariants
///
/// `users` contains each [`SharedBlock`] of the block. The instance of each exists, as the share
/// belongs to the instance: nf_tables unbinds every device of a flowtable
/// ([`SharedBlock::unbind`]) before it frees the flowtable.
struct Shares {
    shared: Arc<Shared>,
    retired: bool,
    users: KVec<User>,
}

/// A flowtable's share of a block.
///
/// # Invariants
///
/// The share is among the `users` of an entry.
pub(crate) struct SharedBlock {
    shared: Arc<Shared>,
    user: User,
}

impl Deref for SharedBlock {
    type Target = Block;

    fn deref(&self) -> &Block {
        &self.shared.block
    }
}

impl SharedBlock {
    /// Joins the block of a device, or binds a block with `bind` if the device has none. May sleep.
    ///
    /// # Errors
    ///
    /// The error of `bind`, `EBUSY` while other flowtables have yet to leave a retired block, or
    /// `ENOMEM`.
    pub(crate) fn bind(
        dev: &NetDevice,
        flowtable: &Flowtable,
        bind: impl FnOnce() -> Result<Block, DriverError>,
    ) -> Result<Self, DriverError> {
        // Only drivers that bind devices of other drivers report that they go away.
        let instance = instances::of_flowtable(flowtable);
        let mut entries = SHARED.lock();
        let of_device = |entry: &&mut Shares| !entry.retired && entry.shared.block.is_on(dev);
        if let Some(entry) = entries.iter_mut().find(of_device) {
            let user = User(instance.filter(|_| entry.shared.block.method().is_indirect()));
            let joined = entry.users.push(user, GFP_KERNEL_ACCOUNT);
            joined.map_err(|_| DriverError::no_memory())?;
            // INVARIANT: Added above.
            return Ok(Self {
                shared: entry.shared.clone(),
                user,
            });
        }
        if entries.iter().any(|entry| entry.shared.block.is_on(dev)) {
            // Other flowtables have yet to leave the retired block.
            return Err(DriverError::busy());
        }
        // All memory is allocated before the driver is called: once it has a block, nothing here
        // may fail.
        let place = UniqueArc::<Shared>::new_uninit(GFP_KERNEL_ACCOUNT);
        let place = place.map_err(|_| DriverError::no_memory())?;
        let mut users = KVec::with_capacity(1, GFP_KERNEL_ACCOUNT);
        let users = users.as_mut().map_err(|_| DriverError::no_memory())?;
        let reserved = entries.reserve(1, GFP_KERNEL_ACCOUNT);
        reserved.map_err(|_| DriverError::no_memory())?;
        let block = bind().inspect_err(|_| {
            if entries.is_empty() {
                // The list is static, and would not be freed when the module is unloaded.
                *entries = KVec::new();
            }
        })?;
        let user = User(instance.filter(|_| block.method().is_indirect()));
        let shared: Arc<Shared> = place
            .write(Shared {
                block,
                load: Load::new(),
            })
            .into();
        // Both have room: it was reserved above.
        let _ = users.push_within_capacity(user);
        let _ = entries.push_within_capacity(Shares {
            shared: shared.clone(),
            retired: false,
            users: core::mem::take(users),
        });
        // INVARIANT: Added above.
        Ok(Self { shared, user })
    }

    /// Returns the counters that the flowtables of the block share.
    pub(crate) fn load(&self) -> &Load {
        &self.shared.load
    }

    /// Retires the block: it cannot be joined any more, so that the device can be bound again.
    pub(crate) fn retire(&self) {
        let mut entries = SHARED.lock();
        let mine = |entry: &&mut Shares| Arc::ptr_eq(&entry.shared, &self.shared);
        if let Some(entry) = entries.iter_mut().find(mine) {
            entry.retired = true;
        }
    }

    /// Leaves the block; the last flowtable unbinds it. May sleep.
    ///
    /// The caller has destroyed its rules, and none of its commands is in flight.
    pub(crate) fn unbind(self, net: Netns<'_>) {
        let mut entries = SHARED.lock();
        // Declared after the lock, so that `shared` is dropped under the lock: the last share must
        // hold the only reference.
        let Self { shared, user } = self;
        let mine = |entry: &Shares| Arc::ptr_eq(&entry.shared, &shared);
        let Some(place) = entries.iter().position(mine) else {
            return;
        };
        if let Some(entry) = entries.get_mut(place) {
            let me = |other: &User| *other == user;
            if let Some(me) = entry.users.iter().position(me) {
                let _ = entry.users.remove(me);
            }
            if !entry.users.is_empty() {
                return;
            }
        }
        drop(entries.remove(place));
        if entries.is_empty() {
            // The list is static, and would not be freed when the module is unloaded.
            *entries = KVec::new();
        }
        // The lock is still held, so that the driver is free when the device is bound next.
        if let Some(mut shared) = Arc::into_unique_or_drop(shared) {
            shared.block.unbind(net);
        }
    }
}

impl BlockOwner for SharedBlock {
    /// Tells the engines that have the block that its driver goes away; each leaves the block.
    fn driver_gone(block: BlockId) {
        let mut told = 0usize;
        loop {
            let mut entries = SHARED.lock();
            let this = |entry: &&mut Shares| entry.shared.block.id() == block;
            let Some(entry) = entries.iter_mut().find(this) else {
                // BIND has failed, or all flowtables have left.
                return;
            };
            entry.retired = true;
            let Some(User(instance)) = entry.users.get(told).copied() else {
                return;
            };
            // SAFETY: By the type invariant of `Shares` the instance exists as long as the lock is
            // held.
            let reference =
                instance.and_then(|instance| unsafe { instances::reference(instance.as_ptr()) });
            let users = entry.users.len();
            drop(entries);
            if let Some(instance) = reference {
                instances::driver_gone(&instance, block);
            }
            let entries = SHARED.lock();
            let this = |entry: &&Shares| entry.shared.block.id() == block;
            let left = entries
                .iter()
                .find(this)
                .map_or(0, |entry| entry.users.len());
            if left >= users {
                // The flowtable is about to leave.
                told = told.saturating_add(1);
            }
        }
    }
}
