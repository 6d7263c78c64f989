// SPDX-License-Identifier: GPL-2.0

//! The core as nf_flow_table does it: work items, garbage collection, devices that come and go; and what must be true
//! after each.

use crate::driver;
use crate::net::flow_offload::block;
use crate::net::flow_offload::driver_error::DriverError;
use crate::net::flowtable::engine::Instance;
use crate::net::flowtable::flow;
use crate::net::flowtable::flow_map::FlowAddress;
use crate::net::flowtable::view::Flowtable;
use crate::net::listener::{Change, DeviceEvent};
use crate::net::netdevice::NetDevice;
use crate::net::time::{seconds, HZ};
use crate::offload::binding::Device;
use crate::offload::binding::{Binding, Bound};
use crate::offload::events::{DeviceNews, Events, FlowNews};
use crate::offload::operator::Settings;
use crate::offload::profile;
use crate::offload::reason::Reason;
use crate::offload::record::Record;
use crate::ops::Op;
use crate::proto::Dir;
use crate::world::{
    Ask, Block, Call, Connection, Count, Engine, Fault, Flow, Out, Rule, Setting, Side, World,
    TABLES,
};
use kernel::{
    alloc,
    error::{code, Error},
    lockdep,
};
use std::{
    ops::ControlFlow::{Break, Continue},
    rc::Rc,
};

/// Whether the engine takes rules of a flow out while it is asked something else: to make room for another one.
const EVICTS: bool = true;

/// How many flows are looked at before others get their turn.
const CHUNK: usize = 2;

/// After how many jiffies a device whose driver has refused for now is tried again.
fn bind_again() -> u64 {
    seconds(1)
}

/// How long a flow lives without packets (`nf_flowtable_tcp_timeout`).
fn lifetime() -> u64 {
    seconds(30)
}

/// What the engine says to people. Each only once, and never without a reason.
pub(crate) struct Log;

fn say(what: &'static str, device: u32, errno: i32) {
    World::with(|world| {
        let table = world.call().table;
        let first = world.said.insert((table, device, what, errno));
        assert!(
            first || alloc::failed() > 0,
            "said again: {what}, device {device}, errno {errno}"
        );
    });
}

impl Events for Log {
    fn flow(news: FlowNews, _: &Flowtable, flow: &flow::Flow, record: &Record) {
        let has = record.held().any().is_some();
        match news {
            FlowNews::In => assert!(has, "a flow is said to be in hardware"),
            FlowNews::Refused => assert!(!has && record.reason().is_some()),
            FlowNews::Out => {}
        }
        // It lives.
        let _ = flow.family();
    }

    fn device(news: DeviceNews, _: &Flowtable, device: &Device<'_>) {
        // One that is off can be bound.
        let bound = !matches!(device.binding.no_rules(), Some(Reason::NoBinding));
        assert_eq!(bound, news != DeviceNews::Refused);
        assert!(news != DeviceNews::Full || device.binding.is_enabled());
        let _ = (device.dev.is_some(), device.refusals);
    }

    fn device_in_software(dev: &NetDevice, binding: &Binding, error: &DriverError) {
        assert_eq!(dev.ifindex(), binding.ifindex);
        say("device_in_software", dev.ifindex(), error.errno.to_errno());
    }

    fn ruleset_refused(_: &NetDevice, _: &Binding, _: &DriverError) {}

    fn more_in_software(devices: usize) {
        assert!(devices > 0, "of none");
    }

    fn flow_in_software(reason: Reason) {
        say("flow_in_software", 0, reason as i32);
    }

    fn device_bound(dev: &NetDevice, bound: Bound) {
        let (table, ifindex) = (World::with(|world| world.call().table), dev.ifindex());
        assert!(!matches!(bound, Bound::Software | Bound::Waiting));
        World::with(|world| {
            assert!(
                world.is_bound(table, ifindex),
                "a device is said to be bound"
            );
            let before = world.said.len();
            world.said.retain(|(t, device, what, _)| {
                (*t, *device, *what) != (table, ifindex, "device_in_software")
            });
            assert!(
                world.said.len() != before,
                "nobody was told that it was not"
            );
        });
    }

    fn flow_not_handed_over(_: Reason) {}

    fn tunnel_in_slow_path(_: Option<&NetDevice>) {}

    fn ends_are_not_promised() {}

    fn admission_is_blind() {
        say("admission_is_blind", 0, 0);
    }

    fn rule_refused(dev: &NetDevice, error: &DriverError) {
        say("rule_refused", dev.ifindex(), error.errno.to_errno());
    }

    fn rule_kept(dev: &NetDevice, _: u64, error: &DriverError) {
        say("rule_kept", dev.ifindex(), error.errno.to_errno());
    }

    fn rules_left(dev: &NetDevice, rules: u64) {
        World::with(|world| {
            assert!(world.call().ask.empties(), "no device leaves");
            assert!(rules > 0, "no rules are left");
            world.rules_left = Some((dev.ifindex(), rules));
        });
    }
}

/// A rule of a flow is taken out that the engine was not asked about.
pub(crate) fn taken_from(world: &mut World, serial: u32) {
    if world.call().ask.empties() {
        return;
    }
    if !EVICTS {
        panic!("a rule of another flow is destroyed");
    }
    if let Some(flow) = world.flow_by_serial(serial) {
        flow.in_hardware = false;
    }
}

fn table(number: usize) -> Rc<Instance<Engine>> {
    World::with(|world| world.tables[number].clone())
}

/// Calls the engine; what it answers, and what happened meanwhile.
fn call<T>(
    ask: Ask,
    table: usize,
    flow: Option<(usize, u32)>,
    f: impl FnOnce(&Instance<Engine>) -> T,
) -> (T, Call) {
    let engine = World::with(|world| {
        world.calls.push(Call {
            ask,
            table,
            flow,
            sent: 0,
            taken: 0,
            errors: 0,
            unknown: 0,
            nested: false,
        });
        world.tables[table].clone()
    });
    let answer = f(&engine);
    let call = World::with(|world| world.calls.pop());
    let Some(call) = call else {
        panic!("calls do not nest");
    };
    (answer, call)
}

/// The engine is asked about a flow.
fn ask<T>(
    ask: Ask,
    address: usize,
    f: impl FnOnce(&Instance<Engine>, &flow::Flow) -> T,
) -> (T, Call) {
    let (table, serial) = World::with(|world| {
        let flow = world.flow(address);
        (flow.table, flow.serial)
    });
    call(ask, table, Some((address, serial)), |engine| {
        f(engine, &flow::Flow::at(address))
    })
}

/// Begins anew: the tables are there, and all devices have joined the first one.
pub(crate) fn start() {
    World::create();
    for table in 0..TABLES {
        let engine = Rc::new(Instance::new(table));
        World::with(|world| {
            world.note_policy(table);
            world.tables.push(engine);
        });
    }
    for ifindex in 1..=4 {
        bind(0, ifindex);
    }
}

/// Takes everything down: nothing may be left but what the drivers have refused to destroy.
pub(crate) fn end() {
    alloc::fail_in(None);
    World::with(|world| world.meanwhile = None);
    for table in 0..TABLES {
        World::with(|world| {
            world.step += 1;
            world.failed = alloc::failed();
        });
        free(table);
        check();
    }
    World::with(|world| {
        assert!(world.blocks.iter().all(|block| !block.bound));
        assert!(world.rules.is_empty() && world.lost.is_empty());
        assert!(world.device_references == 0, "a device's reference is kept");
    });
    World::end();
}

/// One operation, and what must be true after it. `meanwhile` happens in the middle.
pub(crate) fn step(op: Op, meanwhile: Option<(u8, Op)>) {
    World::with(|world| {
        world.step += 1;
        world.failed = alloc::failed();
        world.meanwhile = meanwhile;
        world.rules_left = None;
    });
    run(op);
    World::with(|world| {
        world.meanwhile = None;
        if alloc::failed() != world.failed {
            let step = world.step;
            let kept = |rule: &&mut Rule| rule.kept == Some(step);
            let rules = world.rules.values_mut().filter(kept);
            rules.for_each(|rule| rule.forgotten = true);
        }
    });
    if !matches!(op, Op::NoMemory { .. }) {
        alloc::fail_in(None);
    }
    check();
}

/// An operation in the middle of another one, as far as that could be: not for a flow whose work item is being done, nor
/// where it would wait for a lock.
pub(crate) fn meanwhile(op: Op) {
    // Where rules are removed in a batch, others may wait for it.
    if lockdep::holds("Table::batch") {
        return;
    }
    let possible = World::with(|world| {
        let busy = |flow: u8| {
            world.calls.iter().any(|call| {
                call.flow
                    .is_some_and(|(address, _)| address == flow as usize)
            })
        };
        let locked = |table: usize| {
            world
                .calls
                .iter()
                .any(|call| call.table == table && call.ask != Ask::Between)
        };
        let writes = |table: usize| {
            world
                .calls
                .iter()
                .any(|call| call.table == table && (call.ask == Ask::Bind || call.ask.empties()))
        };
        // A REPLACE may bind a device, for which it waits for the others.
        let may_ask = |table: usize| {
            let waits = (1..=4)
                .any(|dev| world.users[table][dev as usize - 1] > 0 && !world.is_bound(table, dev));
            let would_wait = writes(table) || waits && locked(table);
            !would_wait && world.freeing != Some(table)
        };
        match op {
            Op::New { table, .. } => may_ask(table as usize),
            Op::Refresh { flow } | Op::Gc { flow } => {
                let table = world.flows[flow as usize].as_ref().map(|flow| flow.table);
                !busy(flow) && table.is_some_and(may_ask)
            }
            Op::Gone { table, device } => {
                let own = world.blocks_of(table.into(), u32::from(device) + 1);
                let root = own.map(|own| world.blocks[own].root);
                let mut shares = world.blocks.iter().filter(|block| block.bound);
                shares.all(|it| {
                    Some(it.root) != root || !locked(it.table) && world.freeing != Some(it.table)
                })
            }
            Op::Bind { table, .. }
            | Op::Unbind { table, .. }
            | Op::Set { table, .. }
            | Op::Relearn { table, .. }
            | Op::Chores { table } => {
                !locked(table as usize) && world.freeing != Some(table as usize)
            }
            Op::Close { flow } => {
                let table = world.flows[flow as usize].as_ref().map(|flow| flow.table);
                table.is_some_and(|table| !writes(table) && world.freeing != Some(table))
            }
            Op::TakeOut { table, .. } | Op::Watch { table } => {
                !writes(table as usize) && world.freeing != Some(table as usize)
            }
            Op::Free { .. } | Op::Counts { .. } | Op::NoMemory { .. } | Op::Meanwhile { .. } => {
                false
            }
            _ => true,
        }
    });
    if possible {
        World::with(|world| world.calls.iter_mut().for_each(|call| call.nested = true));
        lockdep::as_another_task(|| run(op));
    }
}

fn run(op: Op) {
    match op {
        Op::New {
            table,
            connection,
            from,
            to,
        } => new_flow(table, connection, from, to),
        Op::Refresh { flow } => refresh(flow as usize),
        Op::Gc { flow } => gc(flow as usize),
        Op::Teardown { flow } => on_flow(flow, |flow| flow.torn = true),
        Op::Close { flow } => close(flow as usize),
        Op::Traffic { flow, dir, packets } => traffic(flow as usize, dir, packets),
        Op::Advance { by } => World::with(|world| {
            world.now += [1, 25, 250, 2_500, 25_000, 75_000][by as usize];
        }),
        Op::Neighbour { flow, dir, mac } => {
            on_flow(flow, |flow| {
                if !flow.is_direct() {
                    flow.sides[dir as usize].mac = mac;
                }
            });
            tell(Change::Neighbour(None));
        }
        Op::Mtu { device, jumbo } => {
            World::with(|world| {
                world.devices[device as usize].mtu = if jumbo == 0 { 1500 } else { 9000 };
            });
            tell(Change::Devices {
                devices: 1 << (u32::from(device) + 1),
                rewrites: true,
            });
        }
        Op::Bind { table, device } => {
            if World::with(|world| world.users[table as usize][device as usize] < 3) {
                bind(table as usize, u32::from(device) + 1);
            }
        }
        Op::Unbind {
            table,
            device,
            gone,
        } => {
            if World::with(|world| world.users[table as usize][device as usize] > 0) {
                unbind(table as usize, u32::from(device) + 1, gone != 0);
            }
        }
        Op::Fault {
            device,
            command,
            answer,
            times,
        } => World::with(|world| {
            world.devices[device as usize].faults[command as usize] = Some(Fault {
                answer: driver::answer(answer),
                times: [1, 2, 5, u32::MAX][times as usize],
            });
        }),
        Op::Fix { device } => {
            World::with(|world| world.devices[device as usize].faults = [None; 4]);
        }
        Op::Capacity { device, rules } => World::with(|world| {
            world.devices[device as usize].capacity = match rules {
                6 => usize::MAX,
                rules => rules.into(),
            };
        }),
        Op::Lose { flow, dir } => World::with(|world| {
            let serial = world.flows[flow as usize].as_ref().map(|flow| flow.serial);
            lose(world, |_, rule| {
                Some(rule.flow) == serial && rule.dir as u8 == dir
            });
        }),
        Op::Reset { device } => World::with(|world| {
            lose(world, |ifindex, _| ifindex == u32::from(device) + 1);
        }),
        Op::Lie { device, how } => World::with(|world| world.devices[device as usize].lie = how),
        Op::Counts { on } => World::with(|world| world.counts = on != 0),
        Op::Policy { any, admit } => World::with(|world| {
            world.directions = if any == 0 { c"both" } else { c"any" };
            world.admit = [c"0", c"2", c"5"][admit as usize];
        }),
        Op::Gone { table, device } => gone(table as usize, u32::from(device) + 1),
        Op::Changed { table, how } => {
            let table = World::with(|world| world.tables[table as usize].clone());
            table.device_changed(match how {
                0 => DeviceEvent::Registered,
                1 => DeviceEvent::Features,
                how => DeviceEvent::Below(u32::from(how) - 1),
            });
        }
        Op::TakeOut { table, which } => take_out(table as usize, which),
        Op::Relearn { table, which } => relearn(table as usize, which),
        Op::Reload { times } => World::with(|world| world.ruleset += u32::from(times)),
        Op::Follow { on } => World::with(|world| world.follow = on != 0),
        Op::Set {
            table,
            device,
            what,
        } => set(table as usize, u32::from(device) + 1, what),
        Op::Chores { table } => chores(table as usize),
        Op::Move { flow, silent } => {
            on_flow(flow, |flow| flow.moved = true);
            World::with(|world| world.routing += u64::from(silent));
            if silent == 0 {
                tell(Change::Rules);
            }
        }
        Op::Watch { table } => watch(table as usize),
        Op::Free { table } => free(table as usize),
        Op::NoMemory { after } => alloc::fail_in(Some(after.into())),
        Op::Meanwhile { .. } => {}
    }
}

/// The TCP connection of a flow closes: a packet with FIN or RST comes to the CPU.
fn close(address: usize) {
    let flow = World::with(|world| {
        let flow = world.flows[address].as_mut()?;
        flow.closing = true;
        Some((flow.table, flow.serial))
    });
    let Some((number, serial)) = flow else {
        return;
    };
    table(number).flow_closes(FlowAddress::of(address));
    let (failed, busy) = World::with(|world| {
        let mut calls = world.calls.iter();
        let busy = calls.any(|call| call.flow.is_some_and(|(at, _)| at == address));
        (alloc::failed(), busy)
    });
    let ((), call) = call(Ask::TakeOut, number, None, Instance::remove_closing);
    World::with(|world| {
        let held = world.held(serial);
        assert!(
            held == [0, 0] || busy || call.nested || failed != alloc::failed(),
            "{held:?} are left of a connection that closes"
        );
        if let Some(flow) = world.flows[address]
            .as_mut()
            .filter(|it| it.serial == serial)
        {
            flow.in_hardware &= held != [0, 0];
        }
    });
}

/// Tells all engines what has changed.
fn tell(change: Change) {
    for table in World::with(|world| world.tables.clone()) {
        table.network_changed(change);
    }
}

fn on_flow(address: u8, f: impl FnOnce(&mut Flow)) {
    World::with(|world| {
        if let Some(flow) = &mut world.flows[address as usize] {
            f(flow);
        }
    });
}

/// Both directions of a connection: odd ones are TCP, the fifth is IPv6, the sixth has its source translated.
fn sides(connection: u8, from: u32, to: u32) -> [Side; 2] {
    let address = |last: u8| {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[10, 0, connection, last]);
        address
    };
    let outside = if connection == 5 { 3 } else { 1 };
    let ports = ([0x40, connection], [0, 80]);
    [
        Side {
            ingress: from,
            egress: to,
            source: address(1),
            destination: address(2),
            source_port: ports.0,
            destination_port: ports.1,
            mac: 1,
        },
        Side {
            ingress: to,
            egress: from,
            source: address(2),
            destination: address(outside),
            source_port: ports.1,
            destination_port: ports.0,
            mac: 1,
        },
    ]
}

fn new_flow(table: u8, connection: u8, from: u8, to: u8) {
    let address = World::with(|world| {
        // The lowest one that is free, so that addresses are used again at once.
        let address = world.flows.iter().position(Option::is_none)?;
        let serial = world.next_serial;
        world.next_serial += 1;
        world.flows[address] = Some(Flow {
            serial,
            table: table.into(),
            connection: connection.into(),
            sides: sides(connection, u32::from(from) + 1, u32::from(to) + 1),
            family: if connection == 4 { 10 } else { 2 },
            protocol: if connection % 2 == 1 { 6 } else { 17 },
            snat: connection == 5,
            end: 0,
            lifetime: lifetime(),
            torn: false,
            closing: false,
            dying: false,
            dead: false,
            in_hardware: false,
            fresh: true,
            moved: false,
            told_to_end: false,
            flag_excused: true,
            asked: 0,
            out: None,
        });
        Some(address)
    });
    if let Some(address) = address {
        refresh(address);
    }
}

/// A packet of the flow reaches the CPU (`flow_offload_refresh`), and the work item is done.
fn refresh(address: usize) {
    let present = World::with(|world| {
        let now = world.now as u32;
        let flow = world.flows[address].as_mut()?;
        world.connections[flow.connection].in_software += 1;
        flow.end = now.wrapping_add(flow.lifetime as u32);
        (!flow.closing).then_some(())
    });
    if present.is_some() {
        add(address);
    }
}

/// What a REPLACE has to come to.
struct Owed {
    /// It is in hardware, and has all its rules.
    stays: bool,
    /// One of its rules is lost, which the engine has to find out.
    lost: bool,
    /// It was never tried, or what took it out was taken back, and nothing is in its way.
    offload: bool,
    /// Its devices are on, their limits leave room, and no flow of its connection is being tried.
    allowed: bool,
    /// Devices that were refused for now, long enough ago.
    bind: Vec<u32>,
    next_hops: [u8; 2],
    /// All packets that can arrive fit.
    fits: bool,
    in_hardware: bool,
    told_to_end: bool,
    failed: u64,
}

fn owed(address: usize) -> Owed {
    World::with(|world| {
        let flow = world.flow(address);
        let devices = flow.sides.map(|side| side.ingress);
        let next_hops = flow.sides.map(|side| side.mac);
        let fits = devices.iter().all(|dev| world.device(*dev).mtu == 1500);
        let known = !next_hops.contains(&0);
        let takes = |dev: &u32| {
            let device = world.device(*dev);
            world.is_bound(flow.table, *dev) && !device.refused[flow.table] && !device.gone
        };
        let may_take = |dev: &u32| {
            let setting = world.setting(flow.table, *dev);
            // For both directions; a rule that somebody is just sending counts as well.
            let sending = world.calls.len();
            let room = |limit| world.counted(flow.table, *dev) + sending + 2 <= limit;
            !setting.off && setting.limit.is_none_or(room)
        };
        // An earlier flow of the connection whose REPLACE is being done: its rules are not known yet.
        let attempted = world.calls.iter().any(|call| {
            let other = call.flow.and_then(|(at, _)| world.flows[at].as_ref());
            let earlier = other.is_some_and(|other| {
                other.serial != flow.serial && other.connection == flow.connection
            });
            call.ask == Ask::Replace && earlier
        });
        let untried = flow.fresh || matches!(flow.out, Some(Out::Off | Out::Limit));
        let due = |((table, _), last): &(&(usize, u32), &u64)| {
            *table == flow.table && **last + bind_again() <= world.now
        };
        let admitted = world.is_admitted(flow);
        let serial = flow.serial;
        let is_lost = world.lost.values().any(|(owner, _)| *owner == serial);
        // A driver that answers something else may say that it has lost one, or not.
        let answers = devices
            .iter()
            .all(|dev| world.device(*dev).faults[3].is_none());
        let long_ago = world.now - flow.asked >= seconds(1) / 2;
        let present = answers && !is_lost;
        Owed {
            stays: flow.in_hardware && present,
            lost: is_lost && answers && long_ago && flow.in_hardware,
            offload: untried
                && admitted
                && !flow.torn
                && fits
                && known
                && devices.iter().all(takes),
            allowed: devices.iter().all(may_take) && !attempted,
            bind: world
                .waiting
                .iter()
                .filter(|_| admitted || flow.in_hardware)
                .filter(due)
                .map(|((_, dev), _)| *dev)
                .collect(),
            next_hops,
            fits,
            in_hardware: flow.in_hardware,
            told_to_end: flow.told_to_end,
            failed: alloc::failed(),
        }
    })
}

/// The work item of a REPLACE (`flow_offload_work_add`).
fn add(address: usize) {
    let (dying, ended) = World::with(|world| {
        let flow = world.flow(address);
        (flow.dying, flow.dying || flow.torn)
    });
    let owed = owed(address);
    let start = World::with(|world| world.now);
    let (inside, call) = ask(Ask::Replace, address, |engine, flow| {
        let foreign = |ifindex| {
            engine.look_at(|engine, _| {
                let mut foreign = true;
                engine.walk_devices(ifindex, |device| {
                    foreign = device.binding.ifindex != ifindex;
                    Break(())
                });
                foreign
            })
        };
        let recorded = || engine.look_at(|_, flows| flows.get(flow).is_some());
        let is_foreign = || {
            let sides = [Dir::Original, Dir::Reply];
            sides.iter().all(|dir| foreign(flow.ingress_ifindex(*dir)))
        };
        let unknown = is_foreign() && !recorded();
        engine.replace(flow);
        assert!(
            !(unknown && is_foreign() && recorded()),
            "there is a record of a flow that uses no device of the flowtable"
        );
        engine.look_at(|_, flows| {
            flows
                .get(flow)
                .is_some_and(|record| record.is_in_hardware())
        })
    });
    World::with(|world| {
        let nothing_failed = owed.failed == alloc::failed();
        if dying {
            assert!(!inside, "a dying flow is put into hardware");
        }
        if owed.told_to_end {
            assert!(!inside, "a flow is put into hardware that was told to end");
        }
        for device in &owed.bind {
            let gone = world.device(*device).gone;
            let key = (world.flow(address).table, *device);
            let Some(last) = world.waiting.get_mut(&key).filter(|_| !ended) else {
                continue;
            };
            if gone {
                // It was looked for, and will be again.
                *last = start;
            }
            assert!(*last >= start, "device {device} was not tried again");
        }
        assert!(
            !inside || owed.in_hardware || owed.fits || call.nested || ended,
            "a flow goes into hardware whose packets may not fit"
        );
        if owed.stays && !call.nested && !dying {
            assert!(inside, "a flow is taken out that nothing has changed");
            assert!(
                call.sent == 0 && call.taken == 0,
                "a flow is sent again that is in hardware"
            );
        }
        let serial = world.flow(address).serial;
        assert!(
            !owed.lost
                || ended
                || call.nested
                || !world.lost.values().any(|(owner, _)| *owner == serial),
            "a lost rule is not noticed"
        );
        let alone = !call.nested && world.calls.is_empty();
        let offload = owed.offload && !call.nested && call.errors == 0 && nothing_failed;
        if offload && owed.allowed {
            assert!(inside, "nothing stands against it");
        }
        let flow = world.flow_mut(address);
        flow.fresh = false;
        if flow.out != Some(Out::Operator) {
            // If nothing but what was set is in its way, it waits for that.
            let waits = !inside && offload && alone;
            flow.out = waits.then_some(flow.out.unwrap_or(Out::Off));
        }
        if !dying {
            flow.in_hardware = inside;
        }
        let serial = flow.serial;
        check_both_or_none(world, address);
        // A direction that was in before is the watchers' business.
        if inside && call.sent >= 2 && !call.nested && !ended {
            check_actions(world, serial, owed.next_hops);
        }
    });
}

/// The rules of a flow say what is true now.
fn check_actions(world: &World, serial: u32, next_hops: [u8; 2]) {
    for rule in world.rules.values() {
        if rule.flow != serial || rule.kept.is_some() {
            continue;
        }
        let Some(flow) = world.flows.iter().flatten().find(|f| f.serial == serial) else {
            continue;
        };
        let i = rule.dir as usize;
        let end = [flow.sides[i].egress as u8, next_hops[i], 0, 0];
        assert!(
            rule.actions.windows(4).any(|word| word == end),
            "a rule sends to an old next hop"
        );
    }
}

/// What is to happen at this point of the operation.
fn take_meanwhile(point: u8) -> Option<Op> {
    World::with(|world| {
        let (_, op) = world.meanwhile.filter(|(at, _)| *at == point)?;
        world.meanwhile = None;
        Some(op)
    })
}

/// The commands of one work item are two calls: something may come between them.
fn between(address: usize) {
    if let Some(op) = take_meanwhile(0) {
        ask(Ask::Between, address, |_, _| meanwhile(op));
    }
}

/// The work item of a DESTROY (`flow_offload_work_del`).
fn delete(address: usize) {
    World::with(|world| {
        let flow = world.flow_mut(address);
        flow.dying = true;
        let connection = flow.connection;
        world.set_flag(connection, None, false);
    });
    ask(Ask::Destroy, address, |engine, flow| {
        engine.destroy(flow, Dir::Original);
    });
    World::with(|world| {
        world.flow_mut(address).in_hardware = false;
        check_both_or_none(world, address);
    });
    between(address);
    ask(Ask::Destroy, address, |engine, flow| {
        engine.destroy(flow, Dir::Reply);
    });
    World::with(|world| world.flow_mut(address).dead = true);
}

/// Whether an error means that the rule of a direction is not there.
fn says_unknown(world: &World, address: usize, dir: Dir, error: Error) -> bool {
    let flow = world.flow(address);
    let device = flow.sides[dir as usize].ingress;
    world.means_unknown(flow.table, device, error)
}

/// The work item of a STATS (`flow_offload_work_stats`).
fn stats(address: usize) {
    let mut counts = [Count::default(); 2];
    let mut last_used = 0;
    let mut honest = true;
    let mut quiet = true;
    let (end, life) = World::with(|world| {
        let flow = world.flow(address);
        (flow.end, flow.lifetime)
    });
    let mut carried = 0;
    for dir in [Dir::Original, Dir::Reply] {
        let inside = World::with(|world| world.flow(address).in_hardware);
        let failed = alloc::failed();
        let (answer, call) = ask(Ask::Stats, address, |engine, flow| engine.stats(flow, dir));
        World::with(|world| {
            match &answer {
                Ok(stats) => {
                    let (any, _) = world.policies[world.flow(address).table];
                    assert!(inside || any, "counters of a flow that is not in hardware");
                    counts[dir as usize] = Count {
                        packets: stats.packets,
                        bytes: stats.bytes,
                    };
                    last_used = last_used.max(stats.last_used);
                    if !call.nested {
                        // Its flag is as it should be, whoever has cleared it.
                        world.flow_mut(address).flag_excused = false;
                    }
                }
                Err(error) => {
                    honest = false;
                    // Another flow may have taken its match meanwhile.
                    let inside = inside && world.flow(address).in_hardware;
                    assert!(
                        !inside || call.errors > 0 || failed != alloc::failed(),
                        "no counters: {error:?}"
                    );
                    if inside && says_unknown(world, address, dir, *error) {
                        assert!(call.unknown > 0, "a flow is lost that the driver has");
                        world.flow_mut(address).in_hardware = false;
                    }
                }
            }
            let flow = world.flow(address);
            let serial = flow.serial;
            quiet &= !call.nested;
            honest &= world.device(flow.sides[dir as usize].ingress).lie == 0 && !call.nested;
            for rule in world.rules.values() {
                if rule.flow == serial && rule.kept.is_none() && rule.dir == dir {
                    carried = carried.max(rule.last_used);
                }
            }
            let lost = answer.is_err_and(|error| says_unknown(world, address, dir, error));
            let flow = world.flow(address);
            let out = flow.in_hardware && world.held(flow.serial) == [0, 0];
            if out && !lost {
                // Nobody knows whether it is used.
                let left = end.wrapping_sub(world.now as u32) as i32;
                assert!(
                    call.nested || i64::from(left) * 3 <= life as i64,
                    "a flow is taken out that does not end soon"
                );
                world.flow_mut(address).in_hardware = false;
            }
            check_both_or_none(world, address);
        });
        if dir == Dir::Original {
            between(address);
        }
    }
    World::with(|world| {
        let now = world.now;
        let counting = world.counts;
        let flow = world.flow_mut(address);
        // In 64 bits, as the core does it.
        flow.end = u64::from(flow.end).max(last_used + life) as u32;
        let moved = flow.end.wrapping_sub(end) as i32;
        assert!(
            moved >= 0,
            "the end has moved back by {}",
            -i64::from(moved)
        );
        // Without an answer the core takes 0 for one, which is late just after its low half has begun anew.
        if moved > 0 && last_used != 0 {
            let left = flow.end.wrapping_sub(now as u32) as i32;
            assert!(
                i64::from(left) <= life as i64,
                "it would live longer than its lifetime: {left}"
            );
        }
        if honest {
            let least = (carried + life) as u32;
            assert!(
                flow.end.wrapping_sub(least) as i32 >= 0,
                "a flow that was used ends too early"
            );
        }
        let connection = flow.connection;
        for dir in [Dir::Original, Dir::Reply] {
            let count = counts[dir as usize];
            if counting && count.packets != 0 {
                world.account(connection, dir, count.packets, count.bytes);
            }
        }
    });
}

/// The garbage collection looks at a flow (`nf_flow_offload_gc_step`), and the work item is done.
fn gc(address: usize) {
    enum Next {
        Nothing,
        Delete,
        Free,
        Stats,
    }
    let next = World::with(|world| {
        let now = world.now as u32;
        let Some(flow) = &mut world.flows[address] else {
            return Next::Nothing;
        };
        if flow.end.wrapping_sub(now) as i32 <= 0 {
            flow.torn = true;
        }
        match flow {
            Flow {
                torn: true,
                dying: false,
                ..
            } => Next::Delete,
            Flow {
                torn: true,
                dead: true,
                ..
            } => Next::Free,
            Flow { torn: true, .. } => Next::Nothing,
            Flow {
                closing: true,
                dying: false,
                ..
            } => Next::Delete,
            _ => Next::Stats,
        }
    });
    match next {
        Next::Nothing => {}
        Next::Delete => delete(address),
        Next::Free => World::with(|world| world.flows[address] = None),
        Next::Stats => stats(address),
    }
}

fn traffic(address: usize, dir: u8, packets: u8) {
    World::with(|world| {
        let Some(flow) = &world.flows[address] else {
            return;
        };
        let (serial, now) = (flow.serial, world.now);
        let nested = !world.calls.is_empty();
        let count = Count {
            packets: packets.into(),
            bytes: u64::from(packets) * 1000,
        };
        let mine = world
            .rules
            .values_mut()
            .find(|rule| rule.flow == serial && rule.dir as u8 == dir && rule.kept.is_none());
        if let Some(rule) = mine {
            rule.pending += count;
            rule.excused |= nested;
            if packets > 0 {
                rule.last_used = now;
            }
            world.connections[rule.connection].carried[dir as usize] += count;
        }
    });
}

/// A driver loses rules.
fn lose(world: &mut World, which: impl Fn(u32, &Rule) -> bool) {
    let keys: Vec<(u32, u64)> = world
        .rules
        .iter()
        .filter(|((device, _), rule)| which(*device, rule))
        .map(|(key, _)| *key)
        .collect();
    for key in keys {
        let Some(rule) = world.rules.remove(&key) else {
            continue;
        };
        world.connections[rule.connection].excused[rule.dir as usize] += rule.pending;
        if rule.kept.is_some() {
            world.lied.insert(key);
        } else {
            world.lost.insert(key, (rule.flow, rule.dir));
        }
    }
}

fn bind(number: usize, ifindex: u32) {
    let failed = alloc::failed();
    World::with(|world| world.users[number][ifindex as usize - 1] += 1);
    let (taken, _) = call(Ask::Bind, number, None, |engine| {
        engine.bind(&NetDevice::new(ifindex))
    });
    if let Err(error) = taken {
        assert!(
            error == code::ENOMEM && failed != alloc::failed(),
            "a device was rejected: {error:?}"
        );
        // It has not joined, then.
        World::with(|world| world.users[number][ifindex as usize - 1] -= 1);
    }
}

fn unbind(number: usize, ifindex: u32, gone: bool) {
    let i = ifindex as usize - 1;
    let was_bound = World::with(|world| {
        world.devices[i].gone = gone;
        world.is_bound(number, ifindex)
    });
    call(Ask::Unbind, number, None, |engine| {
        engine.unbind(&NetDevice::new(ifindex));
    });
    World::with(|world| {
        world.devices[i].gone = false;
        world.users[number][i] -= 1;
        let last = world.users[number][i] == 0;
        if last {
            world.settings[number][i] = Setting::default();
        }
        let bound = world.is_bound(number, ifindex);
        assert!(!(last && bound), "a device has left and is bound");
        assert!(
            last || bound == was_bound,
            "a device is unbound that is still there"
        );
        if !bound && (was_bound || last) {
            world.waiting.remove(&(number, ifindex));
            world
                .said
                .retain(|(table, device, _, _)| (*table, *device) != (number, ifindex));
        }
        if was_bound && !bound {
            left(world, number, ifindex);
        }
    });
}

/// A device is not bound any more: its flows are out, and were told to end.
fn left(world: &mut World, number: usize, ifindex: u32) {
    for address in 0..world.flows.len() {
        let Some(flow) = &mut world.flows[address] else {
            continue;
        };
        let here = flow.sides.iter().any(|side| side.ingress == ifindex);
        if flow.table != number || !here || !flow.in_hardware {
            continue;
        }
        assert!(flow.torn, "its device has left, and it was not told to end");
        flow.in_hardware = false;
        check_both_or_none(world, address);
    }
}

/// The driver goes that has a device of another driver.
fn gone(number: usize, ifindex: u32) {
    let block = World::with(|world| {
        let mine = |block: &Block| block.bound && block.table == number && block.device == ifindex;
        let indirect = world.device(ifindex).method.is_indirect();
        world.blocks.iter().position(mine).filter(|_| indirect)
    });
    let Some(block) = block else {
        return;
    };
    let root = block::root(block);
    block::retire(root);
    let has = |block: &Block| block.bound && block.root == root.0;
    while let Some(table) = World::with(|world| Some(world.blocks.iter().find(|it| has(it))?.table))
    {
        call(Ask::Gone, table, None, |engine| {
            engine.driver_gone(root);
        });
        World::with(|world| {
            assert!(
                !world.is_bound(table, ifindex),
                "it is bound to a driver that has gone"
            );
            left(world, table, ifindex);
        });
    }
}

/// A flow of a table, before somebody changes something.
#[derive(Clone, Copy)]
struct Before {
    address: usize,
    serial: u32,
    held: [usize; 2],
    on_device: bool,
    told_to_end: bool,
}

/// The flows of a table, and whether they are on a device.
fn flows_of(world: &World, number: usize, ifindex: u32) -> Vec<Before> {
    let flows = world.flows.iter().enumerate();
    let mine = flows.filter_map(|(address, flow)| Some((address, flow.as_ref()?)));
    mine.filter(|(_, flow)| flow.table == number)
        .map(|(address, flow)| Before {
            address,
            serial: flow.serial,
            held: world.held(flow.serial),
            on_device: world.is_on(flow.serial, ifindex),
            told_to_end: flow.told_to_end,
        })
        .collect()
}

/// Why the engine says that a flow is in software.
fn reason(number: usize, address: usize) -> Option<Reason> {
    table(number).look_at(|_, flows| flows.get(&flow::Flow::at(address))?.reason())
}

/// A flow was taken out, and goes on in software.
fn taken_out(world: &mut World, before: Before, out: Out, nested: bool) {
    let held = world.held(before.serial);
    assert!(held == [0, 0], "{held:?} are left of a flow that is out");
    let flow = world.flow_mut(before.address);
    assert!(
        flow.told_to_end == before.told_to_end,
        "a flow was told to end that was to go on in software"
    );
    flow.in_hardware = false;
    flow.out = Some(out);
    let connection = flow.connection;
    assert!(
        nested || !world.connections[connection].flag,
        "a flow was taken out, and its connection has the flag"
    );
}

/// Somebody takes flows out of hardware, some at a time.
fn take_out(number: usize, which: u8) {
    let wants = |flow: &flow::Flow| which == 6 || flow.source(Dir::Original)[2] == which;
    let mut from = Some(0);
    let mut alone = true;
    while let Some(key) = from {
        let flows = World::with(|world| flows_of(world, number, 0));
        let (mut left, mut taken) = (CHUNK, 0);
        (from, _) = call(Ask::TakeOut, number, None, |engine| {
            engine.look_at(|table, flows| {
                table.take_out(flows, key, &mut taken, |flow, _| {
                    if left == 0 {
                        return Break(());
                    }
                    left -= 1;
                    Continue(wants(flow))
                })
            })
        });
        assert!(from.is_none_or(|next| next > key), "it goes on for ever");
        let mut gone = flows;
        World::with(|world| {
            gone.retain(|before| before.held != [0, 0] && world.held(before.serial) == [0, 0]);
            for before in &gone {
                taken_out(world, *before, Out::Operator, false);
            }
        });
        assert!(gone.len() as u64 == taken, "{taken} are said to be out");
        for before in gone {
            assert!(
                wants(&flow::Flow::at(before.address)),
                "a flow was taken out that nobody wanted to be"
            );
        }
        let op = from.and_then(|_| take_meanwhile(0));
        if let Some(op) = op {
            alone = false;
            call(Ask::Between, number, None, |_| meanwhile(op));
        }
    }
    for before in World::with(|world| flows_of(world, number, 0)) {
        // Not one whose rules are being changed.
        let busy = World::with(|world| {
            let mut calls = world.calls.iter().filter(|call| call.ask != Ask::Between);
            calls.any(|call| call.flow.is_some_and(|(at, _)| at == before.address))
        });
        assert!(
            !alone || busy || before.held == [0, 0] || !wants(&flow::Flow::at(before.address)),
            "a flow was left in hardware"
        );
    }
}

/// Somebody has flows learned anew.
fn relearn(number: usize, which: u8) {
    let wants = |flow: &flow::Flow| which == 6 || flow.source(Dir::Original)[2] == which;
    let before: Vec<usize> = World::with(|world| {
        let mut flows = world.flows_of(number);
        flows.retain(|address| !world.flow(*address).torn);
        flows
    });
    let asked: Vec<usize> = before
        .into_iter()
        .filter(|address| match which {
            7 => reason(number, *address) == Some(Reason::Operator),
            _ => wants(&flow::Flow::at(*address)),
        })
        .collect();
    let (ended, call) = call(Ask::Relearn, number, None, |engine| {
        engine.look_at(|table, flows| match which {
            7 => table.relearn_tried(flows, Reason::Operator, |_, record| {
                record.reason() == Some(Reason::Operator)
            }),
            _ => table.relearn(flows, Reason::Operator, wants),
        })
    });
    if call.nested {
        return have_ended(number);
    }
    assert!(
        ended == asked.len() as u64,
        "{ended} are said to have ended"
    );
    World::with(|world| {
        for address in &asked {
            assert!(world.flow(*address).torn, "a flow was left");
        }
    });
    have_ended(number);
}

/// Flows of a table have ended: hardware has no rule of those that the engine has told to, and perhaps of the others.
fn have_ended(number: usize) {
    World::with(|world| {
        for address in world.flows_of(number) {
            let busy = world.calls.iter().any(|call| {
                call.ask != Ask::Between && call.flow.is_some_and(|(at, _)| at == address)
            });
            let flow = world.flow(address);
            if busy || !flow.torn {
                continue;
            }
            let out = world.held(flow.serial) == [0, 0];
            assert!(
                out || !flow.told_to_end,
                "rules are left of a flow that has ended"
            );
            if out {
                world.flow_mut(address).in_hardware = false;
            }
        }
    });
}

/// Somebody sets a device.
fn set(number: usize, ifindex: u32, what: u8) {
    let i = ifindex as usize - 1;
    let (limit, profile, block, enabled) = match what {
        0 => (None, None, None, Some(false)),
        1 => (None, None, None, Some(true)),
        2 => (Some(0), None, None, None),
        3 => (Some(1), None, None, None),
        4 => (Some(3), None, None, None),
        5 => (None, Some("tc"), None, None),
        6 => (None, Some("mlx5"), None, None),
        7 => (None, None, Some(true), None),
        _ => (Some(1), Some("tc"), None, Some(false)),
    };
    let settings = Settings {
        limit,
        profile: profile.and_then(|name| profile::by_name(name.as_bytes())),
        block,
        enabled,
    };
    assert_eq!(settings.profile.is_some(), profile.is_some());
    let limit = limit.map(|limit| Some(limit as usize).filter(|limit| *limit != 0));
    // Every block may be taken.
    let anew = profile.is_some();
    let failed = alloc::failed();
    let kept = |world: &World| {
        let here = |((dev, _), rule): &(&(u32, u64), &Rule)| {
            *dev == ifindex && rule.table == number && rule.kept.is_some()
        };
        world.rules.iter().filter(here).count()
    };
    let (flows, joined, counted, kept_before, can_bind) = World::with(|world| {
        let joined = world.users[number][i] > 0;
        if joined {
            // Nobody gives a rule to a device that is being set.
            let setting = &mut world.settings[number][i];
            setting.limit = limit.unwrap_or(setting.limit);
            setting.off = enabled.map_or(setting.off, |on| !on);
        }
        let other = |block: &Block| block.bound && block.device == ifindex && block.table != number;
        let device = world.device(ifindex);
        let taken = device.exclusive && world.blocks.iter().any(other);
        let flows = flows_of(world, number, ifindex);
        let can_bind = device.faults[0].is_none() && !device.gone && !taken;
        let counted = world.counted(number, ifindex);
        (flows, joined, counted, kept(world), can_bind)
    });
    let (known, call) = call(Ask::Set, number, None, |engine| {
        engine.look_at(|table, flows| table.set_device(flows, ifindex, &settings))
    });
    assert!(known == joined, "a device has joined: {joined}");
    if !joined {
        return;
    }
    let nested = call.nested;
    let on_device = flows.iter().filter(|before| before.on_device);
    World::with(|world| {
        for before in flows.iter().filter(|before| !before.on_device) {
            assert!(
                world.held(before.serial) == before.held,
                "a flow was taken out that is not on the device"
            );
        }
        world.settings[number][i].forced |= profile.is_some();
        if anew {
            for before in on_device.clone() {
                let flow = world.flow(before.address);
                assert!(
                    flow.told_to_end,
                    "a flow of a device that is bound anew goes on"
                );
            }
            left(world, number, ifindex);
            assert!(
                world.is_bound(number, ifindex) || !can_bind || nested || failed != alloc::failed(),
                "a device is not bound anew"
            );
        }
    });
    if anew {
        return;
    }
    World::with(|world| {
        if let Some(limit) = limit {
            for before in on_device.clone() {
                if world.held(before.serial) == [0, 0] {
                    taken_out(world, *before, Out::Limit, nested);
                }
            }
            let live = world.rules_of(number, ifindex) - kept(world);
            assert!(
                live == 0 || limit.is_none_or(|limit| live + kept_before <= limit),
                "{live} rules are left, and {kept_before} that the driver kept"
            );
            let mut out = on_device.clone().map(|before| world.held(before.serial));
            assert!(
                limit.is_some_and(|limit| counted > limit) || !out.any(|held| held == [0, 0]),
                "a flow was taken out for nothing"
            );
        }
        if enabled == Some(false) {
            for before in on_device.clone() {
                taken_out(world, *before, Out::Off, nested);
            }
        }
    });
    for before in on_device {
        let said = reason(number, before.address);
        let (held, out) =
            World::with(|world| (world.held(before.serial), world.flow(before.address).out));
        let right = match out {
            Some(Out::Off) if held == [0, 0] => said == Some(Reason::DeviceOff),
            Some(Out::Limit) if held == [0, 0] => said == Some(Reason::Limit),
            _ => true,
        };
        assert!(right, "a flow is out for another reason: {said:?}");
    }
}

/// The engine's work on what has changed, when a second has passed: no flow of which it knows goes another way than its packets.
fn watch(number: usize) {
    World::with(|world| world.now += HZ + 1);
    let ((), call) = call(Ask::TakeOut, number, None, Instance::watch);
    let alone = !call.nested;
    World::with(|world| {
        let busy: Vec<usize> = world
            .calls
            .iter()
            .filter_map(|call| Some(call.flow?.0))
            .collect();
        let flows = world.flows.iter().enumerate();
        let mine = flows.filter_map(|(address, flow)| Some((address, flow.as_ref()?)));
        for (address, flow) in mine.filter(|(_, flow)| flow.table == number) {
            if !flow.in_hardware || flow.torn || !alone || busy.contains(&address) {
                continue;
            }
            assert!(!flow.moved, "a flow goes another way than its packets");
            let fits = |side: &Side| world.device(side.ingress).mtu == 1500;
            assert!(
                flow.sides.iter().all(fits),
                "a flow is in hardware whose packets may not fit"
            );
            check_actions(world, flow.serial, flow.sides.map(|side| side.mac));
        }
    });
}

/// What the engine does once a second.
fn chores(number: usize) {
    let bound = World::with(|world| [1, 2, 3, 4].map(|dev| world.blocks_of(number, dev)));
    let (due, old) = World::with(|world| {
        let (now, present) = (world.now, world.generation());
        let follows = world.follows[number].as_mut();
        let due = follows.is_some_and(|it| it.is_due(now, present, seconds(1)));
        (due.then_some(now), world.flows_of(number))
    });
    let (_, call) = call(Ask::Chores, number, None, Instance::look_after);
    if let Some(began) = due {
        World::with(|world| {
            for address in &old {
                let flow = world.flows[*address].as_ref();
                assert!(
                    call.nested || flow.is_none_or(|flow| flow.torn),
                    "the ruleset has changed, and a flow was left"
                );
            }
            let now = world.now;
            match world.follows[number].as_mut() {
                Some(follows) if !call.nested => follows.flushed(began, now, seconds(1)),
                _ => world.follows[number] = None,
            }
        });
        have_ended(number);
    }
    World::with(|world| {
        for (dev, before) in (1..=4).zip(bound) {
            let now = world.blocks_of(number, dev);
            if before != now && before.is_some() {
                assert!(
                    world.device(dev).method.is_indirect(),
                    "a device is bound anew"
                );
                left(world, number, dev);
            }
        }
    });
}

/// The flowtable is deleted (`nf_tables`: UNBIND of all devices; then `nf_flow_table_free`), and a new one created.
fn free(number: usize) {
    World::with(|world| world.freeing = Some(number));
    for ifindex in 1..=4 {
        while World::with(|world| world.users[number][ifindex as usize - 1] > 0) {
            unbind(number, ifindex, false);
        }
    }
    for address in 0..World::with(|world| world.flows.len()) {
        let mine = World::with(|world| {
            let flow = world.flows[address].as_mut();
            let mine = flow.filter(|flow| flow.table == number);
            mine.map(|flow| flow.torn = true).is_some()
        });
        while mine && World::with(|world| world.flows[address].is_some()) {
            gc(address);
        }
    }
    assert!(table(number).records() == 0, "records are left");
    // A flowtable that finds no memory is none (`init` fails).
    alloc::fail_in(None);
    let new = Rc::new(Instance::new(number));
    let old = World::with(|world| {
        world.freeing = None;
        world.note_policy(number);
        world.said.retain(|(table, ..)| *table != number);
        std::mem::replace(&mut world.tables[number], new)
    });
    drop(old);
}

/// What the engine says of a flow is what the driver has: both directions, or none.
fn check_both_or_none(world: &World, address: usize) {
    let flow = world.flow(address);
    let held = world.held(flow.serial);
    let (any, _) = world.policies[flow.table];
    let right = match held {
        [1, 1] => flow.in_hardware,
        [0, 0] => !flow.in_hardware,
        [0, 1] | [1, 0] => !flow.in_hardware && any,
        _ => false,
    };
    assert!(
        right,
        "in hardware: {}, rules of the two directions: {held:?}",
        flow.in_hardware
    );
}

/// What is true between two operations.
fn check() {
    let out: Vec<(usize, usize)> = World::with(|world| {
        let flows = world.flows.iter().enumerate();
        flows
            .filter_map(|(address, flow)| Some((address, flow.as_ref()?)))
            .filter(|(_, flow)| flow.out == Some(Out::Operator) && !flow.dying && !flow.torn)
            .map(|(address, flow)| (flow.table, address))
            .collect()
    });
    for (table, address) in out {
        let said = reason(table, address);
        assert!(
            said == Some(Reason::Operator),
            "somebody has taken a flow out, and it is in software for another reason: {said:?}"
        );
    }
    World::with(|world| {
        assert!(world.calls.is_empty());
        let mut pending = [[Count::default(); 2]; 6];
        for rule in world.rules.values() {
            let alive = world.flows.iter().flatten().any(|f| f.serial == rule.flow);
            assert!(
                alive || rule.kept.is_some(),
                "a rule is in the driver whose flow is gone"
            );
            pending[rule.connection][rule.dir as usize] += rule.pending;
        }
        for address in 0..world.flows.len() {
            if world.flows[address].is_some() {
                check_both_or_none(world, address);
            }
        }
        for (i, connection) in world.connections.iter().enumerate() {
            check_connection(world, i, connection, pending[i]);
        }
    });
}

fn check_connection(world: &World, i: usize, connection: &Connection, pending: [Count; 2]) {
    let mut flows = world.flows.iter().flatten().filter(|f| f.connection == i);
    if connection.flag {
        assert!(
            flows.any(|flow| flow.in_hardware),
            "connection {i} has the flag, and no flow of it is in hardware"
        );
    } else {
        assert!(
            flows.all(|flow| !flow.in_hardware || flow.flag_excused),
            "connection {i} does not have the flag, and a flow of it is in hardware"
        );
    }
    for (dir, pending) in pending.into_iter().enumerate() {
        let mut told = connection.accounted[dir];
        told += connection.excused[dir];
        told += pending;
        assert!(
            told == connection.carried[dir],
            "connection {i}, direction {dir}: {told:?} of {:?}",
            connection.carried[dir]
        );
    }
}
