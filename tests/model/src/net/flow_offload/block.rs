// SPDX-License-Identifier: GPL-2.0

//! A driver's block. The driver itself is in [`crate::driver`].

use super::rule::RuleBuilder;
use crate::driver;
use crate::net::{
    errno::eopnotsupp,
    flowtable::view::Flowtable,
    netdevice::{NetDevice, Netns},
};
use crate::world::World;
use kernel::{alloc, error::code, fmt, prelude::*, sync::atomic::Atomic};
use std::{
    cell::RefCell,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        Arc, Mutex,
    },
};

#[derive(Clone, Copy)]
pub(crate) enum Command<'a> {
    Replace(&'a RuleBuilder<'a>),
    Destroy,
    Stats,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Stats {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) last_used: u64,
}

/// A driver's refusal.
#[derive(Clone)]
pub(crate) struct DriverError {
    pub(crate) errno: Error,
    text: &'static str,
}

impl DriverError {
    fn new(errno: Error) -> Self {
        Self { errno, text: "" }
    }

    pub(crate) fn is_temporary(&self) -> bool {
        [
            code::EBUSY,
            code::EEXIST,
            code::ENOMEM,
            code::EAGAIN,
            code::EINTR,
        ]
        .contains(&self.errno)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.errno == code::ENOSPC
    }

    pub(crate) fn is_one_of(&self, errnos: &[u32]) -> bool {
        errnos.contains(&self.errno.to_errno().unsigned_abs())
    }

    /// Its drivers have no words of their own.
    pub(crate) fn tells(&self) -> u8 {
        if self.errno == eopnotsupp() {
            u8::from(!self.text.is_empty())
        } else {
            2
        }
    }

    pub(crate) fn not_asked_for_block() -> Self {
        Self {
            errno: eopnotsupp(),
            text: "the driver lacks TC_SETUP_FT; parameter block allows its tc block",
        }
    }

    pub(crate) fn driver_gone() -> Self {
        Self {
            errno: code::ENODEV,
            text: "the driver that accepted the rules is gone",
        }
    }

    pub(crate) fn no_memory() -> Self {
        Self::new(code::ENOMEM)
    }

    pub(crate) fn no_callback() -> Self {
        Self {
            errno: eopnotsupp(),
            text: "the driver registered no flow block callback",
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, \"{}\"", self.errno.to_errno(), self.text)
    }
}

/// A way to bind a block to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindMethod {
    Direct,
    Block,
    Indirect,
    IndirectBlock,
}

impl BindMethod {
    pub(crate) const ALL: [BindMethod; 4] = [
        BindMethod::Direct,
        BindMethod::Block,
        BindMethod::Indirect,
        BindMethod::IndirectBlock,
    ];

    pub(crate) fn is_indirect(self) -> bool {
        matches!(self, BindMethod::Indirect | BindMethod::IndirectBlock)
    }
}

/// The number of a block in the world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockId(pub(crate) usize);

/// Whoever has indirect blocks; the test calls the engines without it.
pub(crate) trait BlockOwner {}

impl BlockOwner for SharedBlock {}

/// A block that is bound to a device.
pub(crate) struct Block {
    id: usize,
    dev: NetDevice,
    method: BindMethod,
    unbound: bool,
}

impl Block {
    pub(crate) fn bind<O: BlockOwner>(
        dev: &NetDevice,
        net: Netns<'_>,
        method: BindMethod,
        _unlocked: bool,
    ) -> Result<Self, DriverError> {
        let ifindex = dev.ifindex();
        let takes = World::with(|world| world.device(ifindex).method) == method;
        let answer = alloc::allocate()
            .map_err(|_| code::ENOMEM)
            .and_then(|()| match takes {
                true => driver::bind(net.table(), ifindex),
                false => Err(eopnotsupp()),
            });
        driver::bind_answered(net.table(), ifindex, answer);
        answer.map_err(DriverError::new).map(|id| Self {
            id,
            dev: NetDevice::new(ifindex),
            method,
            unbound: false,
        })
    }

    pub(crate) fn method(&self) -> BindMethod {
        self.method
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.unbound, "a bound block was dropped");
        }
    }
}

/// What the flowtables that share a block count together.
pub(crate) struct Load {
    pub(crate) rules: Atomic<u64>,
    pub(crate) full: Atomic<u64>,
    pub(crate) starved: Atomic<bool>,
    pub(crate) room: Atomic<u32>,
}

/// A block, the number of its flowtables, and whether others may join.
struct Shared {
    id: usize,
    method: BindMethod,
    dev: NetDevice,
    block: Mutex<Block>,
    load: Load,
    users: AtomicUsize,
    retired: AtomicBool,
}

thread_local! {
    static SHARED: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Begins anew, with no block.
pub(crate) fn reset() {
    SHARED.with_borrow_mut(Vec::clear);
}

/// A flowtable's share of a block. `id` is that of the share.
pub(crate) struct SharedBlock {
    id: usize,
    shared: Arc<Shared>,
}

impl SharedBlock {
    pub(crate) fn bind(
        dev: &NetDevice,
        flowtable: &Flowtable,
        bind: impl FnOnce() -> Result<Block, DriverError>,
    ) -> Result<Self, DriverError> {
        let table = flowtable.net().table();
        let of_device =
            |it: &&Arc<Shared>| !it.retired.load(Relaxed) && it.dev.ifindex() == dev.ifindex();
        let present = SHARED.with_borrow(|all| all.iter().find(of_device).cloned());
        if let Some(shared) = present {
            let answer = alloc::allocate().map_err(|_| code::ENOMEM);
            let answer = answer.map(|()| driver::join(table, dev.ifindex()));
            driver::bind_answered(table, dev.ifindex(), answer);
            let id = answer.map_err(DriverError::new)?;
            shared.users.fetch_add(1, Relaxed);
            return Ok(Self { id, shared });
        }
        if SHARED.with_borrow(|all| all.iter().any(|it| it.dev.ifindex() == dev.ifindex())) {
            driver::bind_answered(table, dev.ifindex(), Err(code::EBUSY));
            return Err(DriverError::new(code::EBUSY));
        }
        let block = bind()?;
        let shared = Arc::new(Shared {
            dev: NetDevice::new(dev.ifindex()),
            load: Load {
                rules: Atomic::new(0),
                full: Atomic::new(0),
                starved: Atomic::new(false),
                room: Atomic::new(0),
            },
            users: AtomicUsize::new(1),
            retired: AtomicBool::new(false),
            id: block.id,
            method: block.method,
            block: Mutex::new(block),
        });
        SHARED.with_borrow_mut(|all| all.push(shared.clone()));
        Ok(Self {
            id: shared.id,
            shared,
        })
    }

    /// The same for all shares of a block.
    pub(crate) fn id(&self) -> BlockId {
        BlockId(self.shared.id)
    }

    pub(crate) fn method(&self) -> BindMethod {
        self.shared.method
    }

    pub(crate) fn device(&self) -> &NetDevice {
        &self.shared.dev
    }

    pub(crate) fn load(&self) -> &Load {
        &self.shared.load
    }

    pub(crate) fn retire(&self) {
        self.shared.retired.store(true, Relaxed);
    }

    pub(crate) fn unbind(self, _: Netns<'_>) {
        driver::unbind(self.id, self.shared.dev.ifindex());
        if self.shared.users.fetch_sub(1, Relaxed) == 1 {
            SHARED.with_borrow_mut(|all| all.retain(|it| !Arc::ptr_eq(it, &self.shared)));
            self.shared.block.lock().unwrap().unbound = true;
        }
    }

    pub(crate) fn command(
        &self,
        cookie: u64,
        command: Command<'_>,
        _: &[u32],
    ) -> Result<Stats, DriverError> {
        driver::command(self.id, cookie, command).map_err(DriverError::new)
    }
}

/// The driver of a block goes: nobody joins it any more.
pub(crate) fn retire(block: BlockId) {
    SHARED.with_borrow(|all| {
        let this = all.iter().find(|it| it.id == block.0);
        this.expect("a block that is bound")
            .retired
            .store(true, Relaxed);
    });
}

/// The block that a table's share is one of.
pub(crate) fn root(id: usize) -> BlockId {
    World::with(|world| BlockId(world.blocks[id].root))
}
