// SPDX-License-Identifier: GPL-2.0

//! What there is outside of the engine, and what the model knows of each flow and each rule.

use crate::net::flow_offload::block::BindMethod;
use crate::net::flowtable::engine::Instance;
use crate::offload::reload::{Generation, Reloads};
use crate::offload::table::Table;
use crate::ops::Op;
use crate::proto::Dir;
use kernel::{
    error::{code, Error},
    str::CStr,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    rc::Rc,
};

/// The engine under test.
pub(crate) type Engine = Table<crate::nft::Log>;

pub(crate) const TABLES: usize = 2;
const FLOWS: usize = 8;
const CONNECTIONS: usize = 6;
/// Of the devices: the driver, how it is bound, whether its counters count frames, whether it can be bound only once at a
/// time, its error for a rule that it does not know. The last one is at the driver of another device, which is as mlx5.
const DEVICES: [(&CStr, BindMethod, bool, bool, Error); 4] = [
    (c"netdevsim", BindMethod::Direct, true, false, code::ENOENT),
    (c"mlx5_core", BindMethod::Block, true, false, code::EINVAL),
    (
        c"mtk_soc_eth",
        BindMethod::Direct,
        false,
        true,
        code::ENOENT,
    ),
    (c"other", BindMethod::Indirect, true, true, code::EINVAL),
];

/// A device and its driver.
pub(crate) struct Device {
    pub(crate) driver: &'static CStr,
    pub(crate) method: BindMethod,
    /// Its driver counts bytes of whole frames.
    pub(crate) counts_frames: bool,
    /// Only one flowtable at a time has it.
    pub(crate) exclusive: bool,
    /// What its driver says of a rule that it does not know.
    pub(crate) unknown_rule: Error,
    pub(crate) mtu: u32,
    pub(crate) address: [u8; 6],
    pub(crate) gone: bool,
    /// The next answers to BIND, REPLACE, DESTROY, STATS.
    pub(crate) faults: [Option<Fault>; 4],
    pub(crate) capacity: usize,
    /// What it says about a rule's last use.
    pub(crate) lie: u8,
    /// It has refused something: from then on nothing is owed to its flows.
    pub(crate) refused: [bool; TABLES],
}

/// An answer of a driver.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) answer: Answer,
    /// How often; `u32::MAX`: until it is mended.
    pub(crate) times: u32,
}

#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// Nothing is done.
    Refuse(Error),
    /// It is done, and an error is said. Only for DESTROY.
    Lie(Error),
}

/// Packets and bytes of the network layer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// A conntrack entry.
#[derive(Clone, Copy, Default)]
pub(crate) struct Connection {
    /// `[HW_OFFLOAD]`
    pub(crate) flag: bool,
    /// Packets that the CPU has seen.
    pub(crate) in_software: u64,
    /// What the hardware has carried.
    pub(crate) carried: [Count; 2],
    /// What conntrack was told of it.
    pub(crate) accounted: [Count; 2],
    /// What nobody can tell it: the driver did not say it, or nobody wanted to know.
    pub(crate) excused: [Count; 2],
}

/// A direction of a flow.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) ingress: u32,
    pub(crate) egress: u32,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) source_port: [u8; 2],
    pub(crate) destination_port: [u8; 2],
    /// The last byte of the next hop's address; 0 if it is not known.
    pub(crate) mac: u8,
}

/// A flow of the core.
pub(crate) struct Flow {
    /// Its name for ever, other than its address.
    pub(crate) serial: u32,
    pub(crate) table: usize,
    pub(crate) connection: usize,
    pub(crate) sides: [Side; 2],
    pub(crate) family: u8,
    pub(crate) protocol: u8,
    pub(crate) snat: bool,
    /// When it ends: low 32 bits of jiffies.
    pub(crate) end: u32,
    pub(crate) lifetime: u64,
    pub(crate) torn: bool,
    pub(crate) closing: bool,
    pub(crate) dying: bool,
    pub(crate) dead: bool,

    /// The engine has said that it is in hardware, and not that it no longer is.
    pub(crate) in_hardware: bool,
    /// It was never given to the engine.
    pub(crate) fresh: bool,
    /// Its packets would go another way now.
    pub(crate) moved: bool,
    /// The engine has told it to end.
    pub(crate) told_to_end: bool,
    /// Somebody else has cleared its connection's flag since.
    pub(crate) flag_excused: bool,
    /// When the driver was last given a rule of it, or asked for one.
    pub(crate) asked: u64,
    /// Somebody has taken it out, and that is why it still is in software.
    pub(crate) out: Option<Out>,
}

/// What somebody has done that has taken a flow out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Out {
    Operator,
    Off,
    Limit,
}

/// What was set of a device that has joined a table.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setting {
    pub(crate) off: bool,
    pub(crate) limit: Option<usize>,
    /// A profile.
    pub(crate) forced: bool,
}

/// A rule that a driver has.
pub(crate) struct Rule {
    pub(crate) table: usize,
    /// The flow, by its serial.
    pub(crate) flow: u32,
    pub(crate) connection: usize,
    pub(crate) dir: Dir,
    pub(crate) keys: Vec<u8>,
    pub(crate) actions: Vec<u8>,
    pub(crate) pending: Count,
    pub(crate) last_used: u64,
    /// The step in which the driver last refused to destroy it.
    pub(crate) kept: Option<u64>,
    /// There was no memory to remember that.
    pub(crate) forgotten: bool,
    /// What is pending may get lost: the driver did not tell it, or it came in the middle of a removal.
    pub(crate) excused: bool,
}

/// A table's share of a block.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) table: usize,
    /// The number of the share that the driver was asked for.
    pub(crate) root: usize,
    pub(crate) device: u32,
    pub(crate) bound: bool,
}

/// What the engine is being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    Bind,
    Unbind,
    /// A driver goes.
    Gone,
    /// What the engine does unasked.
    Chores,
    /// Flows are taken out.
    TakeOut,
    /// Flows are to be learned anew.
    Relearn,
    /// A device is set.
    Set,
    Replace,
    Destroy,
    Stats,
    /// Nothing, but the work item is not done.
    Between,
}

impl Ask {
    /// Whether a device may be emptied for it, and whoever uses the table waits until that is done: such a call is looked
    /// at as a whole.
    pub(crate) fn empties(self) -> bool {
        matches!(
            self,
            Ask::Unbind | Ask::Gone | Ask::Chores | Ask::Set | Ask::Relearn
        )
    }
}

/// A call of the engine that has not returned.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) ask: Ask,
    pub(crate) table: usize,
    /// The flow: address and serial.
    pub(crate) flow: Option<(usize, u32)>,
    /// Rules of this flow that were sent, and that were told to go.
    pub(crate) sent: u32,
    pub(crate) taken: u32,
    /// Errors of drivers, and those that say that the rule is unknown.
    pub(crate) errors: u32,
    pub(crate) unknown: u32,
    /// Something else happened meanwhile.
    pub(crate) nested: bool,
}

/// All there is.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) step: u64,
    /// How many allocations had failed before it.
    pub(crate) failed: u64,
    pub(crate) counts: bool,
    /// Changes with what routes packets.
    pub(crate) routing: u64,
    /// The parameters of the next table that is created.
    pub(crate) directions: &'static CStr,
    pub(crate) admit: &'static CStr,
    pub(crate) follow: bool,
    /// The number of the ruleset.
    pub(crate) ruleset: u32,
    /// Of each table whose flows end when the ruleset changes, as far as it is certain when.
    pub(crate) follows: [Option<Reloads>; TABLES],
    /// Of each table: whether one direction may be in hardware alone; how many packets a flow must have passed.
    pub(crate) policies: [(bool, u64); TABLES],
    pub(crate) devices: Vec<Device>,
    pub(crate) device_references: i64,
    pub(crate) connections: [Connection; CONNECTIONS],
    /// By their addresses.
    pub(crate) flows: Vec<Option<Flow>>,
    pub(crate) next_serial: u32,
    pub(crate) tables: Vec<Rc<Instance<Engine>>>,
    /// How often a device has joined a table and not left.
    pub(crate) users: [[u8; DEVICES.len()]; TABLES],
    pub(crate) settings: [[Setting; DEVICES.len()]; TABLES],
    /// When a driver last refused for now.
    pub(crate) waiting: BTreeMap<(usize, u32), u64>,
    pub(crate) blocks: Vec<Block>,
    /// By device and cookie.
    pub(crate) rules: BTreeMap<(u32, u64), Rule>,
    /// Rules that a driver had and lost without a word.
    pub(crate) lost: BTreeMap<(u32, u64), (u32, Dir)>,
    /// Rules that a driver said it kept, and did not.
    pub(crate) lied: HashSet<(u32, u64)>,
    /// Rules that a driver was told to destroy and said that it does not know.
    pub(crate) ended: HashSet<(u32, u64)>,
    /// Rules that were destroyed while another flow was asked for; who was just looking may not know.
    pub(crate) displaced: HashSet<(u32, u64)>,
    pub(crate) calls: Vec<Call>,
    pub(crate) meanwhile: Option<(u8, Op)>,
    /// The table that is being deleted: no flow and no device comes to it any more.
    pub(crate) freeing: Option<usize>,
    /// What the engine has said of a device that left: how many rules stay.
    pub(crate) rules_left: Option<(u32, u64)>,
    pub(crate) said: BTreeSet<(usize, u32, &'static str, i32)>,
}

/// As many cookies are remembered.
const COOKIES: usize = 1 << 22;

thread_local! {
    /// Those of all worlds that there were: a driver outlives the flowtables.
    static COOKIES_SEEN: RefCell<HashSet<u64>> = RefCell::default();
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

impl Flow {
    /// Its next hops are a part of it, and not looked up.
    pub(crate) fn is_direct(&self) -> bool {
        self.connection % 2 == 1
    }
}

impl World {
    /// Looks at the world, or changes it. Not again in `f`.
    pub(crate) fn with<T>(f: impl FnOnce(&mut World) -> T) -> T {
        WORLD.with_borrow_mut(|world| {
            let Some(world) = world else {
                panic!("no world");
            };
            f(world)
        })
    }

    /// Begins anew, with no tables.
    pub(crate) fn create() {
        kernel::lockdep::reset();
        crate::net::flow_offload::block::reset();
        kernel::alloc::fail_in(None);
        COOKIES_SEEN.with_borrow_mut(|seen| {
            if seen.len() > COOKIES {
                seen.clear();
            }
        });
        let device = |(i, (driver, method, counts_frames, exclusive, unknown_rule))| Device {
            driver,
            method,
            counts_frames,
            exclusive,
            unknown_rule,
            mtu: 1500,
            address: [6, 0, 0, 0, 0, i as u8 + 1],
            gone: false,
            faults: [None; 4],
            capacity: usize::MAX,
            lie: 0,
            refused: [false; TABLES],
        };
        let old = WORLD.replace(Some(World {
            // Short of where the low half begins anew.
            now: (1 << 32) - 20_000,
            step: 0,
            failed: kernel::alloc::failed(),
            counts: true,
            routing: 0,
            directions: c"both",
            admit: c"0",
            follow: false,
            ruleset: 1,
            follows: [const { None }; TABLES],
            policies: [(false, 0); TABLES],
            devices: DEVICES.into_iter().enumerate().map(device).collect(),
            device_references: 0,
            connections: [Connection::default(); CONNECTIONS],
            flows: (0..FLOWS).map(|_| None).collect(),
            next_serial: 1,
            tables: Vec::new(),
            users: Default::default(),
            settings: Default::default(),
            waiting: BTreeMap::new(),
            blocks: Vec::new(),
            rules: BTreeMap::new(),
            lost: BTreeMap::new(),
            lied: HashSet::new(),
            ended: HashSet::new(),
            displaced: HashSet::new(),
            calls: Vec::new(),
            meanwhile: None,
            freeing: None,
            rules_left: None,
            said: BTreeSet::new(),
        }));
        // One that a panic has left behind cannot be taken down.
        std::mem::forget(old);
    }

    /// Ends it.
    pub(crate) fn end() {
        let world = WORLD.take();
        drop(world);
    }

    /// Remembers a cookie; whether it is new.
    pub(crate) fn is_new_cookie(cookie: u64) -> bool {
        COOKIES_SEEN.with_borrow_mut(|seen| seen.insert(cookie))
    }

    pub(crate) fn has_seen(cookie: u64) -> bool {
        COOKIES_SEEN.with_borrow(|seen| seen.contains(&cookie))
    }

    /// The addresses of the flows of a table.
    pub(crate) fn flows_of(&self, table: usize) -> Vec<usize> {
        let flows = self.flows.iter().enumerate();
        let mine = |flow: &Option<Flow>| flow.as_ref().is_some_and(|flow| flow.table == table);
        flows
            .filter(|(_, flow)| mine(flow))
            .map(|(address, _)| address)
            .collect()
    }

    pub(crate) fn generation(&self) -> Generation {
        Generation {
            number: self.ruleset,
            cursor: (self.ruleset & 1) as u8,
        }
    }

    /// A table is created with the parameters of now.
    pub(crate) fn note_policy(&mut self, table: usize) {
        let admit = self.admit.to_str().ok().and_then(|text| text.parse().ok());
        self.policies[table] = (self.directions == c"any", admit.unwrap_or(0));
        let before = self.generation();
        self.follows[table] = self.follow.then(|| Reloads::new(before));
        // The transaction that makes it comes to its end.
        self.ruleset += 1;
    }

    /// Whether a flow has passed as many packets as its table wants.
    pub(crate) fn is_admitted(&self, flow: &Flow) -> bool {
        let connection = &self.connections[flow.connection];
        let [original, reply] = connection.accounted;
        let (_, admit) = self.policies[flow.table];
        !self.counts || connection.in_software + original.packets + reply.packets >= admit
    }

    pub(crate) fn device(&self, ifindex: u32) -> &Device {
        &self.devices[ifindex as usize - 1]
    }

    pub(crate) fn device_mut(&mut self, ifindex: u32) -> &mut Device {
        &mut self.devices[ifindex as usize - 1]
    }

    pub(crate) fn find_device(&self, ifindex: u32) -> Option<&Device> {
        let i = (ifindex as usize).checked_sub(1)?;
        self.devices.get(i).filter(|device| !device.gone)
    }

    pub(crate) fn flow(&self, address: usize) -> &Flow {
        let Some(flow) = &self.flows[address] else {
            panic!("a flow is used that was freed");
        };
        flow
    }

    pub(crate) fn flow_mut(&mut self, address: usize) -> &mut Flow {
        let Some(flow) = &mut self.flows[address] else {
            panic!("a flow is used that was freed");
        };
        flow
    }

    /// The other flows of a flow's table that have the packets of a direction, with that direction.
    pub(crate) fn twins(&self, address: usize, dir: Dir) -> Vec<(usize, Dir)> {
        let key = |flow: &Flow, dir: Dir| {
            let side = flow.sides[dir as usize];
            let ports = (side.source_port, side.destination_port);
            let kind = (flow.table, flow.family, flow.protocol, side.ingress);
            (kind, side.source, side.destination, ports)
        };
        let mine = key(self.flow(address), dir);
        let mut twins = vec![];
        for (other, flow) in self.flows.iter().enumerate() {
            for dir in [Dir::Original, Dir::Reply] {
                let is = |flow: &Flow| other != address && key(flow, dir) == mine;
                if flow.as_ref().is_some_and(is) {
                    twins.push((other, dir));
                }
            }
        }
        twins
    }

    /// The flow with this serial, if it was not freed.
    pub(crate) fn flow_by_serial(&mut self, serial: u32) -> Option<&mut Flow> {
        self.flows
            .iter_mut()
            .flatten()
            .find(|flow| flow.serial == serial)
    }

    pub(crate) fn is_bound(&self, table: usize, device: u32) -> bool {
        self.blocks
            .iter()
            .any(|block| block.bound && block.table == table && block.device == device)
    }

    /// The block that a device is bound with.
    pub(crate) fn blocks_of(&self, table: usize, device: u32) -> Option<usize> {
        let mine = |block: &Block| block.bound && block.table == table && block.device == device;
        self.blocks.iter().position(mine)
    }

    pub(crate) fn setting(&self, table: usize, device: u32) -> Setting {
        self.settings[table][device as usize - 1]
    }

    /// Whether an error of a DESTROY or STATS means that the driver does not know the rule. mtk has another one for that alone;
    /// the profiles that somebody can set take both.
    pub(crate) fn means_unknown(&self, table: usize, device: u32, error: Error) -> bool {
        let both =
            self.setting(table, device).forced || self.device(device).driver != c"mtk_soc_eth";
        error == code::ENOENT || error == code::EINVAL && both
    }

    /// How many rules a driver has for a table.
    pub(crate) fn rules_of(&self, table: usize, device: u32) -> usize {
        let here = |((dev, _), rule): &(&(u32, u64), &Rule)| *dev == device && rule.table == table;
        self.rules.iter().filter(here).count()
    }

    /// How many rules a driver has for the tables that share a table's block of a device.
    pub(crate) fn rules_of_block(&self, table: usize, device: u32) -> usize {
        let root = self
            .blocks_of(table, device)
            .map(|own| self.blocks[own].root);
        let bound = self.blocks.iter().filter(|block| block.bound);
        let shares = bound.filter(|block| Some(block.root) == root);
        shares.map(|block| self.rules_of(block.table, device)).sum()
    }

    /// At most so many rules of a device the engine counts that it gave to the driver, for a table and those that share its
    /// block: also those that were lost, and that the driver says it has kept.
    pub(crate) fn counted(&self, table: usize, device: u32) -> usize {
        let lost = self.lost.keys().filter(|(dev, _)| *dev == device);
        let lied = self.lied.iter().filter(|(dev, _)| *dev == device);
        self.rules_of_block(table, device) + lost.count() + lied.count()
    }

    pub(crate) fn account(&mut self, connection: usize, dir: Dir, packets: u64, bytes: u64) {
        self.connections[connection].accounted[dir as usize] += Count { packets, bytes };
    }

    /// Whether a flow has a rule on a device, as far as the engine can know.
    pub(crate) fn is_on(&self, serial: u32, device: u32) -> bool {
        let has = |((dev, _), rule): (&(u32, u64), &Rule)| {
            *dev == device && rule.flow == serial && rule.kept.is_none()
        };
        let had =
            |((dev, _), (flow, _)): (&(u32, u64), &(u32, Dir))| *dev == device && *flow == serial;
        self.rules.iter().any(has) || self.lost.iter().any(had)
    }

    /// Which directions of a flow the hardware has, as far as the engine can know: with what was lost, and without what
    /// the driver was told to drop and did not.
    pub(crate) fn held(&self, serial: u32) -> [usize; 2] {
        let mut held = [0; 2];
        for rule in self.rules.values() {
            if rule.flow == serial && rule.kept.is_none() {
                held[rule.dir as usize] += 1;
            }
        }
        for (flow, dir) in self.lost.values() {
            if *flow == serial {
                held[*dir as usize] += 1;
            }
        }
        held
    }

    /// Somebody sets or clears the flag of a connection: the engine or the core for a flow.
    pub(crate) fn set_flag(&mut self, connection: usize, by: Option<u32>, on: bool) {
        self.connections[connection].flag = on;
        for flow in self.flows.iter_mut().flatten() {
            if flow.connection != connection {
                continue;
            }
            if by == Some(flow.serial) {
                flow.flag_excused = false;
            } else if !on {
                flow.flag_excused = true;
            }
        }
    }

    /// The innermost call of the engine.
    pub(crate) fn call(&mut self) -> &mut Call {
        let Some(call) = self.calls.last_mut() else {
            panic!("nobody has called the engine");
        };
        call
    }
}
