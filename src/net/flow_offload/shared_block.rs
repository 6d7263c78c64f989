// SPDX-License-Identifier: GPL-2.0

//! One block for all flowtables that have a device.
//!
//! A driver gives a device to one block at a time. So the first flowtable that has the device binds
//! it, the others join, and the last one that leaves unbinds it. Each has rules of its own, under
//! cookies that do not recur.
//!
//! A block that is to be bound anew, or whose driver goes, is *retired*: nobody joins it any more.
//! Its engines leave it, each for the same reason; the device is busy until all have.
//!
//! Locks, in their order: those of the engines; `SHARED`; those of [`block`](super::block).

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

/// Prepares what [`SharedBlock`] needs.
///
/// # Safety
///
/// Called once, before the first block is bound.
pub(in crate::net) unsafe fn init() {
    // SAFETY: By the safety requirement.
    unsafe { SHARED.init() };
}

/// What the flowtables that share a block count together.
pub(crate) struct Load {
    /// Rules that the driver holds.
    pub(crate) rules: Atomic<u64>,
    /// Until when the driver is believed to have no room, in 64 bit jiffies; 0 if it has some.
    pub(crate) full: Atomic<u64>,
    /// A rule was refused for want of room, and none has gone since.
    pub(crate) starved: Atomic<bool>,
    /// How often there was room for rules that had been refused for want of it.
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

/// A flowtable that has a block: its instance, if the block is an indirect one, whose driver may
/// go.
#[derive(Clone, Copy, PartialEq, Eq)]
struct User(Option<NonNull<Entry>>);

// SAFETY: The pointer is only followed as `driver_gone` does.
unsafe impl Send for User {}
// SAFETY: As above.
unsafe impl Sync for User {}

/// A block that is bound.
///
/// # Invariants
///
/// `users` has each [`SharedBlock`] of it. The instance of each exists, as that belongs to it.
struct Shares {
    shared: Arc<Shared>,
    retired: bool,
    users: KVec<User>,
}

/// A flowtable's share of a block.
///
/// # Invariants
///
/// It is among the `users` of an entry.
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
    /// Joins the block of a device, or binds one with `bind` if the device has none. `ENOMEM`
    /// without memory. May sleep.
    pub(crate) fn bind(
        dev: &NetDevice,
        flowtable: &Flowtable,
        bind: impl FnOnce() -> Result<Block, DriverError>,
    ) -> Result<Self, DriverError> {
        // Drivers that bind devices of others tell only us when they go.
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
            // Others have yet to leave the block that was.
            return Err(DriverError::busy());
        }
        // Before a driver is asked, so that none has a block that is forgotten.
        let place = UniqueArc::<Shared>::new_uninit(GFP_KERNEL_ACCOUNT);
        let place = place.map_err(|_| DriverError::no_memory())?;
        let mut users = KVec::with_capacity(1, GFP_KERNEL_ACCOUNT);
        let users = users.as_mut().map_err(|_| DriverError::no_memory())?;
        let reserved = entries.reserve(1, GFP_KERNEL_ACCOUNT);
        reserved.map_err(|_| DriverError::no_memory())?;
        let block = bind().inspect_err(|_| {
            if entries.is_empty() {
                // Nobody frees the list when the module goes.
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
        // There is room for both.
        let _ = users.push_within_capacity(user);
        let _ = entries.push_within_capacity(Shares {
            shared: shared.clone(),
            retired: false,
            users: core::mem::take(users),
        });
        // INVARIANT: Added above.
        Ok(Self { shared, user })
    }

    /// What the flowtables that have the block count together.
    pub(crate) fn load(&self) -> &Load {
        &self.shared.load
    }

    /// Nobody joins the block any more: the device is to be bound anew.
    pub(crate) fn retire(&self) {
        let mut entries = SHARED.lock();
        let mine = |entry: &&mut Shares| Arc::ptr_eq(&entry.shared, &self.shared);
        if let Some(entry) = entries.iter_mut().find(mine) {
            entry.retired = true;
        }
    }

    /// Leaves the block; the last one unbinds it. The caller has destroyed its rules, and none of
    /// its commands is in flight. May sleep.
    pub(crate) fn unbind(self, net: Netns<'_>) {
        let mut entries = SHARED.lock();
        // After the lock, so that it is given up under it: the last one has to be the only one.
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
            // Nobody frees the list when the module goes.
            *entries = KVec::new();
        }
        // With the lock held: who binds the device next finds the driver free.
        if let Some(mut shared) = Arc::into_unique_or_drop(shared) {
            shared.block.unbind(net);
        }
    }
}

impl BlockOwner for SharedBlock {
    /// Tells the engines that have the block; each leaves it.
    fn driver_gone(block: BlockId) {
        let mut told = 0usize;
        loop {
            let mut entries = SHARED.lock();
            let this = |entry: &&mut Shares| entry.shared.block.id() == block;
            let Some(entry) = entries.iter_mut().find(this) else {
                // BIND has failed, or all have left.
                return;
            };
            entry.retired = true;
            let Some(User(instance)) = entry.users.get(told).copied() else {
                return;
            };
            // SAFETY: By the type invariant of `Shares` the instance exists as long as the lock is held.
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
                // It is about to leave.
                told = told.saturating_add(1);
            }
        }
    }
}
