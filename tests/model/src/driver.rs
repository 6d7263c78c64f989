// SPDX-License-Identifier: GPL-2.0

//! The drivers: a table of rules, the answers that the test wants, and what must be true whenever one is called.

use crate::net::errno::eopnotsupp;
use crate::net::flow_offload::block::{Command, Stats};
use crate::net::flow_offload::rule::RuleBuilder;
use crate::nft;
use crate::proto::Dir;
use crate::world::{Answer, Ask, Block, Count, Device, Out, Rule, World};
use kernel::{
    alloc,
    error::{code, Error},
    lockdep,
};

/// Locks of the engine that it must not hold over a driver's call: what they are for waits for no driver.
const SHORT_LOCKS: [&str; 4] = [
    "FlowMap::entries",
    "Table::tombstones",
    "Table::complaints",
    "MatchOwner::table",
];

/// Bytes of an Ethernet header.
const ETH_HLEN: u64 = 14;

#[derive(Clone, Copy)]
enum Kind {
    Bind = 0,
    Replace = 1,
    Destroy = 2,
    Stats = 3,
}

fn check_locks() {
    for lock in SHORT_LOCKS {
        assert!(!lockdep::holds(lock), "{lock} is held over a driver's call");
    }
}

/// An answer from `Op::Fault`.
pub(crate) fn answer(number: u8) -> Answer {
    Answer::Refuse(match number {
        0 => code::EIO,
        1 => code::EBUSY,
        2 => code::ENOMEM,
        3 => eopnotsupp(),
        4 => code::ENOSPC,
        5 => code::EEXIST,
        6 => code::ENOENT,
        7 => code::EINVAL,
        _ => return Answer::Lie(code::EIO),
    })
}

fn next_fault(device: &mut Device, kind: Kind) -> Option<Answer> {
    let slot = &mut device.faults[kind as usize];
    let fault = slot.as_mut()?;
    let answer = fault.answer;
    if fault.times != u32::MAX {
        fault.times -= 1;
        if fault.times == 0 {
            *slot = None;
        }
    }
    Some(answer)
}

/// The driver is given a block of a table; the number of the block.
pub(crate) fn bind(table: usize, ifindex: u32) -> Result<usize, Error> {
    check_locks();
    World::with(|world| {
        assert!(
            world.users[table][ifindex as usize - 1] > 0,
            "a device is bound that has not joined"
        );
        assert!(
            !world.is_bound(table, ifindex),
            "a device is bound that is bound already"
        );
        let taken = world
            .blocks
            .iter()
            .any(|block| block.bound && block.device == ifindex);
        let device = world.device_mut(ifindex);
        if let Some(Answer::Refuse(error) | Answer::Lie(error)) = next_fault(device, Kind::Bind) {
            return Err(error);
        }
        if device.exclusive && taken {
            // What an indirect driver says is lost on the way.
            return Err(if device.method.is_indirect() {
                eopnotsupp()
            } else {
                code::EBUSY
            });
        }
        device.refused[table] = false;
        let root = world.blocks.len();
        world.blocks.push(Block {
            table,
            root,
            device: ifindex,
            bound: true,
        });
        Ok(root)
    })
}

/// A table joins the block of a device, of which the driver hears nothing; the number of its share.
pub(crate) fn join(table: usize, ifindex: u32) -> usize {
    World::with(|world| {
        assert!(
            !world.is_bound(table, ifindex),
            "a device is bound that is bound already"
        );
        let mut bound = world.blocks.iter().filter(|block| block.bound);
        let of_device = bound.rfind(|block| block.device == ifindex);
        let root = of_device.expect("a block to join").root;
        world.blocks.push(Block {
            table,
            root,
            device: ifindex,
            bound: true,
        });
        world.blocks.len() - 1
    })
}

/// What BIND came to, also where the driver was not reached.
pub(crate) fn bind_answered(table: usize, ifindex: u32, answer: Result<usize, Error>) {
    let temporary = [code::EBUSY, code::EEXIST, code::ENOMEM, code::EAGAIN];
    World::with(|world| match answer {
        Err(error) if temporary.contains(&error) => {
            let now = world.now;
            world.waiting.insert((table, ifindex), now);
        }
        _ => {
            world.waiting.remove(&(table, ifindex));
        }
    });
}

/// The driver gives its block back.
pub(crate) fn unbind(id: usize, ifindex: u32) {
    check_locks();
    World::with(|world| {
        let block = world.blocks[id];
        assert!(block.bound, "a block is unbound twice");
        assert!(block.device == ifindex, "a block of another device");
        assert!(
            world.call().ask.empties(),
            "a device is unbound that does not leave"
        );
        world.blocks[id].bound = false;

        let mine: Vec<(u32, u64)> = world
            .rules
            .iter()
            .filter(|((device, _), rule)| *device == ifindex && rule.table == block.table)
            .map(|(key, _)| *key)
            .collect();
        let mut left = 0;
        for key in &mine {
            let Some(rule) = world.rules.remove(key) else {
                continue;
            };
            match rule.kept {
                Some(_) if rule.forgotten || alloc::failed() != world.failed => left += 1,
                Some(step) => {
                    assert!(
                        step == world.step,
                        "a rule that the driver kept was not tried again at UNBIND"
                    );
                    left += 1;
                }
                None => panic!("a rule is in the driver at UNBIND"),
            }
            world.connections[rule.connection].excused[rule.dir as usize] += rule.pending;
        }
        makes_room(world, block.table);
        if left > 0 {
            let said = world.rules_left.filter(|(device, _)| *device == ifindex);
            assert!(
                said.is_some_and(|(_, rules)| rules >= left),
                "{left} rules are left, and the engine says {said:?}"
            );
        }
    });
}

/// A command for a rule.
pub(crate) fn command(id: usize, cookie: u64, command: Command<'_>) -> Result<Stats, Error> {
    check_locks();
    let meanwhile = World::with(|world| {
        let (at, op) = world.meanwhile?;
        if at > 1 {
            world.meanwhile = Some((at - 1, op));
            return None;
        }
        if at == 1 {
            world.meanwhile = None;
            return Some(op);
        }
        None
    });
    if let Some(op) = meanwhile {
        nft::meanwhile(op);
    }
    World::with(|world| {
        let block = world.blocks[id];
        assert!(block.bound, "a command after UNBIND");
        if let Some((address, _)) = world.call().flow {
            if !matches!(command, Command::Destroy) {
                let now = world.now;
                world.flow_mut(address).asked = now;
            }
        }
        let answer = match command {
            Command::Replace(rule) => {
                replace(world, block, cookie, rule).map(|()| Stats::default())
            }
            Command::Destroy => destroy(world, block, cookie).map(|()| Stats::default()),
            Command::Stats => stats(world, block, cookie),
        };
        if let Err(error) = answer {
            let call = world.call();
            call.errors += 1;
            let unknown = world.means_unknown(block.table, block.device, error);
            world.call().unknown += u32::from(unknown);
        }
        answer
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Which direction of the flow a rule is for.
fn direction(world: &World, address: usize, rule: &RuleBuilder<'_>) -> Dir {
    let flow = world.flow(address);
    let length = if flow.family == 2 { 4 } else { 16 };
    for dir in [Dir::Original, Dir::Reply] {
        let side = flow.sides[dir as usize];
        let addresses = [&side.source[..length], &side.destination[..length]].concat();
        if rule.ingress() == side.ingress
            && rule.egress() == side.egress
            && contains(rule.keys(), &addresses)
        {
            return dir;
        }
    }
    panic!("a rule that is for neither direction of the flow");
}

fn replace(
    world: &mut World,
    block: Block,
    cookie: u64,
    rule: &RuleBuilder<'_>,
) -> Result<(), Error> {
    assert!(
        World::is_new_cookie(cookie),
        "cookie {cookie} is used a second time"
    );
    assert!(
        rule.ingress() == block.device,
        "a rule for another device than the one that its packets arrive on"
    );
    let call = *world.call();
    let (address, serial) = match call {
        crate::world::Call {
            ask: Ask::Replace,
            flow: Some(flow),
            ..
        } => flow,
        _ => panic!("a rule is sent, and no flow has asked for it"),
    };
    let dir = direction(world, address, rule);
    world.call().sent += 1;
    let held = world.held(serial);
    assert!(
        held[dir as usize] == 0,
        "a rule is sent before the flow's earlier one was destroyed"
    );
    let flow = world.flow(address);
    let connection = flow.connection;
    assert!(
        flow.out != Some(Out::Operator),
        "a flow comes back that somebody has taken out"
    );
    let setting = world.setting(block.table, block.device);
    assert!(!setting.off, "a rule for a device that is off");
    assert!(
        setting
            .limit
            .is_none_or(|limit| world.rules_of_block(block.table, block.device) < limit),
        "a rule for a device that holds as many as it may"
    );

    // A rule that its driver kept, or has to be asked for again, belongs to no flow.
    let same = world.rules.iter().find(|((device, _), other)| {
        *device == block.device && other.table == block.table && other.keys == rule.keys()
    });
    assert!(
        same.is_none_or(|(_, other)| other.kept.is_some() || other.forgotten),
        "an earlier flow of the connection has its rules still"
    );

    let now = world.now;
    let device = world.device_mut(block.device);
    let capacity = device.capacity;
    let refusal = if let Some(Answer::Refuse(error)) = next_fault(device, Kind::Replace) {
        Some(error)
    } else if world
        .rules
        .iter()
        .filter(|((device, _), _)| *device == block.device)
        .any(|(_, other)| other.keys == rule.keys())
    {
        Some(code::EEXIST)
    } else {
        let here = |((device, _), _): &(&(u32, u64), &Rule)| *device == block.device;
        (world.rules.iter().filter(here).count() >= capacity).then_some(code::ENOSPC)
    };
    if let Some(error) = refusal {
        let refused = &mut world.device_mut(block.device).refused;
        refused[block.table] = true;
        if error == code::ENOSPC {
            // The others are not going to ask.
            refused.fill(true);
        }
        return Err(error);
    }
    let rule = Rule {
        table: block.table,
        flow: serial,
        connection,
        dir,
        keys: rule.keys().to_vec(),
        actions: rule.actions().to_vec(),
        pending: Count::default(),
        last_used: now,
        kept: None,
        forgotten: false,
        excused: false,
    };
    world.rules.insert((block.device, cookie), rule);
    Ok(())
}

/// A rule of a table is gone: a flow of another one that waits for its place is tried again within a second.
fn makes_room(world: &mut World, table: usize) {
    for flow in world.flows.iter_mut().flatten() {
        if flow.table != table && matches!(flow.out, Some(Out::Off | Out::Limit)) {
            flow.out = None;
        }
    }
}

/// A rule is no more. What it has carried since the last report must have a reason to be lost.
fn remove(world: &mut World, key: (u32, u64)) {
    if let Some(rule) = world.rules.remove(&key) {
        assert!(
            rule.excused || rule.pending == Count::default(),
            "a rule is destroyed, and its last counters were not read: {:?}",
            rule.pending
        );
        world.connections[rule.connection].excused[rule.dir as usize] += rule.pending;
        makes_room(world, rule.table);
    }
}

fn destroy(world: &mut World, block: Block, cookie: u64) -> Result<(), Error> {
    let key = (block.device, cookie);
    assert!(
        World::has_seen(cookie),
        "a cookie is destroyed that no rule had"
    );
    assert!(
        !world.ended.contains(&key),
        "a rule is destroyed again that the driver does not know"
    );
    let step = world.step;
    let unknown = |world: &World, error| world.means_unknown(block.table, block.device, error);
    let fault = next_fault(world.device_mut(block.device), Kind::Destroy);
    if let Some(rule) = world.rules.get(&key) {
        let (owner, again) = (rule.flow, rule.kept.is_some());
        let call = world.call();
        if call.flow.is_some_and(|(_, serial)| serial == owner) && !again {
            call.taken += 1;
        } else if !again {
            nft::taken_from(world, owner);
            world.displaced.insert(key);
        }
    }
    match fault {
        Some(Answer::Refuse(error)) if !unknown(world, error) => {
            if let Some(rule) = world.rules.get_mut(&key) {
                rule.kept = Some(step);
            } else if world.lost.remove(&key).is_some() {
                world.lied.insert(key);
            }
            return Err(error);
        }
        Some(Answer::Lie(error)) if world.rules.contains_key(&key) => {
            remove(world, key);
            world.lied.insert(key);
            return Err(error);
        }
        _ => {}
    }
    if world.rules.contains_key(&key) {
        remove(world, key);
        return Ok(());
    }
    // A lost rule that another flow's REPLACE has destroyed may be looked at once more.
    let owner = world.lost.remove(&key).map(|(owner, _)| owner);
    let lost = owner.is_some();
    if let Some(owner) = owner {
        world.displaced.insert(key);
        let asked = world.call().flow.map(|(_, serial)| serial);
        if asked != Some(owner) {
            nft::taken_from(world, owner);
        }
    }
    assert!(
        lost || world.lied.remove(&key) || world.displaced.contains(&key),
        "a rule is destroyed that the driver does not have"
    );
    world.ended.insert(key);
    Err(world.device(block.device).unknown_rule)
}

fn stats(world: &mut World, block: Block, cookie: u64) -> Result<Stats, Error> {
    let key = (block.device, cookie);
    let (now, counts) = (world.now, world.counts);
    // Who says that it reads rules as tc does says that it counts so as well.
    let forced = world.setting(block.table, block.device).forced;
    let device = world.device_mut(block.device);
    let fault = next_fault(device, Kind::Stats);
    let (lie, frames, unknown) = (
        device.lie,
        device.counts_frames || forced,
        device.unknown_rule,
    );
    let Some(rule) = world.rules.get_mut(&key) else {
        assert!(
            world.lost.contains_key(&key)
                || world.lied.contains(&key)
                || world.displaced.contains(&key),
            "a rule is asked for that the driver does not have"
        );
        return Err(match fault {
            Some(Answer::Refuse(error)) => error,
            _ => unknown,
        });
    };
    if let Some(Answer::Refuse(error)) = fault {
        rule.excused = true;
        return Err(error);
    }
    rule.excused = lie == 4;
    if lie == 4 {
        // It has no counters.
        return Ok(Stats::default());
    }
    let count = std::mem::take(&mut rule.pending);
    let last_used = rule.last_used;
    if !counts {
        world.connections[rule.connection].excused[rule.dir as usize] += count;
    }
    Ok(Stats {
        packets: count.packets,
        bytes: count.bytes + if frames { count.packets * ETH_HLEN } else { 0 },
        last_used: match lie {
            0 => last_used,
            1 => 0,
            2 => now.saturating_sub(10_000_000),
            _ => now + 1_000_000,
        },
    })
}
