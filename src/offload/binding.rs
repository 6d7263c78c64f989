// SPDX-License-Identifier: GPL-2.0

//! A device of a flowtable: its private block, how it got it, and how its driver reads rules.
//!
//! A device is bound the first way that works, in the order of [`BindMethod::ALL`]. A driver that refuses for now ends the search: it
//! is waited for. Where nobody takes its rules, the device stays in software and says why: in a driver's own words if there
//! are any. It is tried again, ever more slowly, and at once when something about the devices changes.
//!
//! Flowtables that have the same device share its block ([`SharedBlock`]): room and limit are the device's, all other counts
//! those of the flowtable.

use crate::{
    net::{
        flow_offload::{
            block::{
                BindMethod,
                Block,
                BlockId,
                Command,
                Stats, //
            },
            driver_error::DriverError,
            rule::RuleBuilder,
            shared_block::{
                Load,
                SharedBlock, //
            }, //
        },
        flowtable::view::Flowtable,
        netdevice::{
            DriverName,
            NetDevice,
            Netns,
            RegisteredDevice, //
        },
        params,
        time::{
            jiffies64,
            seconds, //
        }, //
    },
    offload::{
        backoff,
        parameter,
        profile::{
            self,
            definition::Profile, //
        },
        reason::Reason,
        refusals::Refusals, //
    },
    uapi, //
};
use kernel::{
    alloc::{
        KBox,
        KVVec, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// A device of a flowtable, in cache lines of its own, as it counts.
#[repr(align(64))]
pub(crate) struct Binding {
    /// The index of the device.
    pub(crate) ifindex: u32,
    /// Tells it from an earlier binding of the same device; does not recur.
    number: u64,
    /// The name of its driver.
    driver: DriverName,
    /// What kind of device it is, if software makes it.
    kind: DriverName,
    /// When it joined, in 64 bit jiffies.
    since: u64,
    /// The errors that were reported because nobody takes its rules, a bit for each, by the low six bits of its number.
    said: Atomic<u64>,
    /// How the driver that takes its rules reads them.
    pub(crate) profile: &'static Profile,
    /// How its own driver does, or the user says that it does.
    own_profile: &'static Profile,
    /// The user has said so.
    forced: bool,
    /// Its driver's block of tc, which one at a time can have, may be taken: the user has no other use for it.
    block: bool,
    /// How many rules it may hold.
    limit: Option<u64>,
    /// Whether it may hold any.
    enabled: bool,
    /// How many times it has joined and not left.
    users: usize,
    /// Operations that are removing its rules, to bind it in another way.
    closers: u32,
    /// How many times it could not be bound.
    refusals: u32,
    /// How many times in a row nobody took its rules, since something changed.
    fruitless: u32,
    state: State,
    /// The last refusal to be bound; none once it is bound.
    refusal: Option<DriverError>,
    counts: Tally,
    /// How often there was room on the device, as far as the flowtable has looked.
    seen_room: Atomic<u32>,
    /// When it was last reported that there is none, in 64 bit jiffies.
    told_full: Atomic<u64>,
    /// Whether the driver has ever reported that a rule was used.
    reports_use: Atomic<bool>,
    /// The next name for a rule; a multiple of `NAMES` if it needs other names first.
    next_name: Atomic<u64>,
}

/// As many names are taken at a time; a power of two.
const NAMES: u64 = 1 << 10;

/// How a device is bound, by the numbers of the netlink interface.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Bound {
    /// Not at all: its flows stay in software. Tried again from time to time.
    Software = uapi::NFT_OFFLOAD_BOUND_SOFTWARE as u8,
    /// Not yet: its driver refused for now.
    Waiting = uapi::NFT_OFFLOAD_BOUND_WAITING as u8,
    /// With `TC_SETUP_FT`, at its own driver.
    Direct = uapi::NFT_OFFLOAD_BOUND_DIRECT as u8,
    /// With `TC_SETUP_BLOCK`, at its own driver.
    Block = uapi::NFT_OFFLOAD_BOUND_BLOCK as u8,
    /// With `TC_SETUP_FT`, at the drivers of other devices.
    Indirect = uapi::NFT_OFFLOAD_BOUND_INDIRECT as u8,
    /// With `TC_SETUP_BLOCK`, at the drivers of other devices.
    IndirectBlock = uapi::NFT_OFFLOAD_BOUND_INDIRECT_BLOCK as u8,
}

impl From<BindMethod> for Bound {
    fn from(method: BindMethod) -> Self {
        match method {
            BindMethod::Direct => Bound::Direct,
            BindMethod::Block => Bound::Block,
            BindMethod::Indirect => Bound::Indirect,
            BindMethod::IndirectBlock => Bound::IndirectBlock,
        }
    }
}

/// What has happened on a device.
#[derive(Default)]
pub(crate) struct Tally {
    /// Rules that its driver holds.
    pub(crate) rules: Counter,
    /// The most that it held at a time.
    pub(crate) high_water: Counter,
    /// Rules that it took.
    pub(crate) adds: Counter,
    /// Rules that it gave up.
    pub(crate) deletes: Counter,
    /// Rules that it refused.
    pub(crate) refusals: Counter,
    /// Rules that it refused because it had no room.
    pub(crate) full: Counter,
    /// Rules that made room for those of a busier flow.
    pub(crate) evictions: Counter,
    /// Times that packets of a flow reached the CPU although its rules were in.
    pub(crate) misses: Counter,
    /// Packets that its rules have carried.
    pub(crate) packets: Counter,
    /// Bytes of the network layer that its rules have carried.
    pub(crate) bytes: Counter,
}

/// A number that grows; read without a lock.
pub(crate) struct Counter(Atomic<u64>);

impl Default for Counter {
    fn default() -> Self {
        Self(Atomic::new(0))
    }
}

impl Counter {
    /// The number now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Relaxed).wrapping_add(n)
    }

    fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    fn raise(&self, n: u64) {
        // Two that raise it at once may leave the lower one; the next rule puts that right.
        if self.get() < n {
            self.0.store(n, Relaxed);
        }
    }
}

/// Why a rule was not taken.
pub(crate) enum NotTaken {
    /// The device holds as many rules as its limit allows.
    Limit,
    /// The driver refused it.
    Driver(DriverError),
}

enum State {
    /// Its driver has a block of ours.
    Bound(SharedBlock),
    /// Its driver refused for now, for example because tc has the device. Tried again from this time on, in jiffies.
    Waiting(u64),
    /// Nobody takes its rules. Tried again from this time on, in jiffies.
    Software(u64),
}

impl Binding {
    /// Seconds for which a driver is believed that it has no room: other users of its NIC may make some.
    const FULL_FOR: u64 = 8;

    /// A device that joins, not bound yet.
    pub(crate) fn new(dev: &RegisteredDevice) -> Self {
        static NEXT: Atomic<u64> = Atomic::new(0);
        let name = dev.name();
        let forced = parameter::profile(params::profile().to_bytes(), name.as_bytes());
        let driver = dev.driver();
        let profile = forced.unwrap_or_else(|| profile::for_driver(driver.as_bytes()));
        Self {
            ifindex: dev.ifindex(),
            number: NEXT.fetch_add(1u64, Relaxed),
            driver,
            kind: dev.kind(),
            since: jiffies64(),
            said: Atomic::new(0),
            profile,
            own_profile: profile,
            forced: forced.is_some(),
            block: parameter::block(params::block().to_bytes(), name.as_bytes()),
            limit: parameter::limit(params::limit().to_bytes(), name.as_bytes()),
            enabled: true,
            users: 1,
            closers: 0,
            refusals: 0,
            fruitless: 0,
            state: State::Waiting(0),
            refusal: None,
            counts: Tally::default(),
            seen_room: Atomic::new(0),
            told_full: Atomic::new(0),
            reports_use: Atomic::new(false),
            next_name: Atomic::new(0),
        }
    }

    /// A name that no rule had before: drivers may still know an old one, as the core's own names recur at once. Never 0.
    pub(crate) fn new_cookie(&self) -> u64 {
        // Of all flowtables, so one for each rule would be where they all meet.
        static NEXT: Atomic<u64> = Atomic::new(0);
        let mut present = self.next_name.load(Relaxed);
        loop {
            let name = if present & (NAMES - 1) == 0 {
                NEXT.fetch_add(NAMES, Relaxed).wrapping_add(1)
            } else {
                present
            };
            match self
                .next_name
                .cmpxchg(present, name.wrapping_add(1), Relaxed)
            {
                Ok(_) => return name,
                Err(now) => present = now,
            }
        }
    }

    /// The device joins once more.
    pub(crate) fn join(&mut self) {
        self.users = self.users.saturating_add(1);
    }

    /// The device leaves; whether that was the last time.
    pub(crate) fn leave(&mut self) -> bool {
        self.users = self.users.saturating_sub(1);
        self.users == 0
    }

    /// Gives it no rules until [`Binding::reopen`]. Returns its number.
    pub(crate) fn close(&mut self) -> u64 {
        self.closers = self.closers.saturating_add(1);
        self.number
    }

    /// The name of its driver; empty if it has none.
    pub(crate) fn driver(&self) -> &[u8] {
        self.driver.as_bytes()
    }

    /// What kind of device it is, if software makes it; else empty.
    pub(crate) fn kind(&self) -> &[u8] {
        self.kind.as_bytes()
    }

    /// Why nobody takes its rules, if that has come to stay and was not reported; it is then.
    pub(crate) fn news(&self) -> Option<&DriverError> {
        const SETTLED: u64 = 1;
        if self.is_bound() || jiffies64() < self.since.saturating_add(seconds(SETTLED)) {
            return None;
        }
        let error = self.refusal.as_ref()?;
        if error.is_temporary() && !self.is_refused_for_long() {
            return None;
        }
        let bit = 1 << (error.errno.to_errno().unsigned_abs() & 63);
        let said = self.said.load(Relaxed);
        (said & bit == 0 && self.said.cmpxchg(said, said | bit, Relaxed).is_ok()).then_some(error)
    }

    /// Whether it was reported that nobody takes its rules, and not that somebody does.
    pub(crate) fn take_said(&mut self) -> bool {
        self.said.xchg(0, Relaxed) != 0
    }

    /// Its number, which no other binding has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Undoes [`Binding::close`].
    pub(crate) fn reopen(&mut self) {
        self.closers = self.closers.saturating_sub(1);
    }

    /// Whether its rules are being removed, for good or for a while.
    pub(crate) fn is_closed(&self) -> bool {
        self.users == 0 || self.closers != 0
    }

    /// Whether it is time to try [`Binding::bind`] again.
    fn is_due(&self, now: u64) -> bool {
        !self.is_closed()
            && matches!(self.state, State::Waiting(time) | State::Software(time) if time <= now)
    }

    /// Not due any more, for a second, or for longer each time that nobody takes its rules.
    fn put_off(&mut self) {
        let pause = match self.state {
            State::Software(_) => backoff::device_seconds(self.fruitless),
            _ => 1,
        };
        let next = jiffies64().saturating_add(seconds(pause));
        if let State::Waiting(time) | State::Software(time) = &mut self.state {
            *time = next;
        }
    }

    /// Something has changed that may change the answer.
    pub(crate) fn try_anew(&mut self) {
        self.fruitless = 0;
        if let State::Software(time) = &mut self.state {
            *time = 0;
        }
    }

    /// How the driver that has bound it reads rules.
    fn profile_at(&self, method: BindMethod) -> &'static Profile {
        if method.is_indirect() && !self.forced {
            profile::for_others(method == BindMethod::IndirectBlock)
        } else {
            self.own_profile
        }
    }

    /// Binds the device the first way that works. The refusal is the one that tells most, or a temporary one.
    fn bind_first(&self, dev: &NetDevice, flowtable: &Flowtable) -> Result<Block, DriverError> {
        let mut refusal: Option<DriverError> = None;
        for method in BindMethod::ALL {
            let asked = match method {
                BindMethod::Block => self.block && self.own_profile.block,
                // Some drivers take any device this way and lose track of it: sfc never says that it goes, and finds a device's
                // block by the device alone. Only the user knows that none of them is there.
                BindMethod::IndirectBlock => self.block && self.forced,
                _ => true,
            };
            if !asked {
                continue;
            }
            match Block::bind::<SharedBlock>(dev, flowtable.net(), method) {
                Ok(block) => return Ok(block),
                Err(error) if error.is_temporary() => return Err(error),
                Err(error) => {
                    if refusal
                        .as_ref()
                        .is_none_or(|first| error.tells() > first.tells())
                    {
                        refusal = Some(error);
                    }
                }
            }
        }
        let refusal = refusal.unwrap_or_else(DriverError::no_callback);
        // What the driver says itself tells more.
        let only_ours = refusal.tells() < 2;
        if only_ours && self.own_profile.block && !self.block && dev.has_setup_tc() {
            return Err(DriverError::not_asked_for_block());
        }
        Err(refusal)
    }

    /// Joins the block of the device, or binds the device, unless the flowtable has. The refusal says why nobody takes its rules; it is tried again when it is due.
    pub(crate) fn bind(
        &mut self,
        dev: &NetDevice,
        flowtable: &Flowtable,
    ) -> Result<(), DriverError> {
        if matches!(self.state, State::Bound(_)) {
            return Ok(());
        }
        match SharedBlock::bind(dev, flowtable, || self.bind_first(dev, flowtable)) {
            Ok(block) => {
                self.profile = self.profile_at(block.method());
                let load = block.load();
                self.seen_room.store(load.room.load(Relaxed), Relaxed);
                // A new ruleset asks the driver itself.
                load.full.store(0u64, Relaxed);
                self.state = State::Bound(block);
                self.refusal = None;
                self.refusals = 0;
                self.fruitless = 0;
                Ok(())
            }
            Err(error) => {
                self.refusals = self.refusals.saturating_add(1);
                self.profile = self.own_profile;
                if error.is_temporary() {
                    // The second attempt is the next flow's.
                    if !matches!(self.state, State::Waiting(_)) {
                        self.state = State::Waiting(0);
                        self.put_off();
                    }
                } else {
                    if !matches!(self.state, State::Software(_)) {
                        self.fruitless = 0;
                        self.state = State::Software(0);
                    }
                    self.put_off();
                    self.fruitless = self.fruitless.saturating_add(1);
                }
                self.refusal = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether the device is bound with this block.
    pub(crate) fn has_block(&self, id: BlockId) -> bool {
        matches!(&self.state, State::Bound(block) if block.id() == id)
    }

    /// Whether it is bound at the drivers of other devices.
    pub(crate) fn is_indirect(&self) -> bool {
        matches!(&self.state, State::Bound(block) if block.method().is_indirect())
    }

    /// The device that is bound.
    pub(crate) fn device(&self) -> Option<&NetDevice> {
        match &self.state {
            State::Bound(block) => Some(block.device()),
            _ => None,
        }
    }

    /// Unbinds the device and keeps it, to be bound again when it is due, which is at once. Its rules are destroyed before.
    ///
    /// `anew`: other flowtables leave the block as well, so it is not to be joined again.
    pub(crate) fn let_go(&mut self, net: Netns<'_>, why: Option<DriverError>, anew: bool) {
        let state = core::mem::replace(&mut self.state, State::Software(0));
        if let State::Bound(block) = state {
            if anew {
                block.retire();
            }
            self.leave_block(block, net);
        }
        self.fruitless = 0;
        self.refusal = why;
        // What was learned is of a driver that may not be the next one.
        self.counts.rules = Counter::default();
        self.reports_use = Atomic::new(false);
    }

    /// Rules that the driver did not destroy are not counted any more.
    fn leave_block(&self, block: SharedBlock, net: Netns<'_>) {
        block
            .load()
            .rules
            .fetch_sub(self.counts.rules.get(), Relaxed);
        block.unbind(net);
    }

    /// Whether it is more than a reload under traffic that keeps the device from being bound: there the first attempt
    /// and the second, a moment later, can meet the flowtable that is being replaced.
    pub(crate) fn is_refused_for_long(&self) -> bool {
        self.refusals > 2
    }

    /// How it is bound.
    pub(crate) fn bound(&self) -> Bound {
        match &self.state {
            State::Bound(block) => block.method().into(),
            State::Waiting(_) => Bound::Waiting,
            State::Software(_) => Bound::Software,
        }
    }

    /// Why it is not bound, in the driver's words.
    pub(crate) fn refusal(&self) -> Option<&DriverError> {
        self.refusal.as_ref()
    }

    /// How many rules it may hold, if there is a limit.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Sets how many rules it may hold.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Whether it may hold rules at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Switches it on or off.
    pub(crate) fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Sets how its driver reads rules, whatever its name. It is not bound.
    pub(crate) fn set_profile(&mut self, profile: &'static Profile) {
        self.forced = true;
        self.own_profile = profile;
        self.profile = profile;
    }

    /// Sets whether its driver's block of tc may be taken. It is not bound.
    pub(crate) fn allow_block(&mut self, allowed: bool) {
        self.block = allowed;
    }

    /// Whether its driver's block of tc may be taken.
    pub(crate) fn may_use_block(&self) -> bool {
        self.block
    }

    /// Why its driver can be given no rules, if that is so.
    pub(crate) fn no_rules(&self) -> Option<Reason> {
        if self.is_closed() {
            return Some(Reason::NoBinding);
        }
        match self.state {
            State::Bound(_) if self.enabled => None,
            State::Bound(_) => Some(Reason::DeviceOff),
            State::Waiting(_) | State::Software(_) => Some(Reason::NoBinding),
        }
    }

    /// Whether a driver has bound it.
    fn is_bound(&self) -> bool {
        matches!(self.state, State::Bound(_))
    }

    fn command(&self, cookie: u64, command: Command<'_>) -> Result<Stats, DriverError> {
        match &self.state {
            State::Bound(block) => block.command(cookie, command, self.profile.unknown_rule),
            State::Waiting(_) | State::Software(_) => Err(DriverError::no_callback()),
        }
    }

    /// Gives the driver a rule.
    pub(crate) fn replace(&self, cookie: u64, rule: &RuleBuilder<'_>) -> Result<(), NotTaken> {
        let State::Bound(block) = &self.state else {
            return Err(NotTaken::Driver(DriverError::no_callback()));
        };
        let load = block.load();
        let here = self.counts.rules.add(1);
        let rules = load.rules.fetch_add(1u64, Relaxed).wrapping_add(1);
        let take_back = || {
            load.rules.fetch_sub(1u64, Relaxed);
            self.counts.rules.sub(1);
        };
        if self.limit.is_some_and(|limit| rules > limit) {
            take_back();
            load.starved.store(true, Relaxed);
            return Err(NotTaken::Limit);
        }
        let Err(error) = self.command(cookie, Command::Replace(rule)) else {
            self.counts.adds.add(1);
            self.counts.high_water.raise(here);
            return Ok(());
        };
        take_back();
        self.counts.refusals.add(1);
        if error.is_full() {
            self.counts.full.add(1);
            let until = jiffies64().saturating_add(seconds(Self::FULL_FOR));
            load.full.store(until, Relaxed);
            load.starved.store(true, Relaxed);
        }
        Err(NotTaken::Driver(error))
    }

    /// Takes a rule back from the driver.
    pub(crate) fn destroy(&self, cookie: u64) -> Result<(), DriverError> {
        let result = self.command(cookie, Command::Destroy).map(drop);
        if result
            .as_ref()
            .err()
            .is_none_or(|error| self.is_unknown_rule(error))
        {
            self.count_gone();
        }
        result
    }

    /// Tries again to take a rule back that the driver did not destroy. Whether it is gone, which the caller counts.
    pub(crate) fn destroy_again(&self, cookie: u64) -> bool {
        let result = self.command(cookie, Command::Destroy);
        result
            .err()
            .is_none_or(|error| self.is_unknown_rule(&error))
    }

    /// A rule has gone.
    pub(crate) fn count_gone(&self) {
        self.counts.deletes.add(1);
        self.counts.rules.sub(1);
        if let State::Bound(block) = &self.state {
            block.load().rules.fetch_sub(1u64, Relaxed);
            block.load().full.store(0u64, Relaxed);
        }
    }

    fn load(&self) -> Option<&Load> {
        match &self.state {
            State::Bound(block) => Some(block.load()),
            _ => None,
        }
    }

    /// How many rules the device holds, those of other flowtables included.
    pub(crate) fn rules_of_device(&self) -> u64 {
        self.load().map_or(0, |load| load.rules.load(Relaxed))
    }

    /// Whether its driver has said to a DESTROY or STATS that it does not have the rule: a rule that is gone.
    pub(crate) fn is_unknown_rule(&self, error: &DriverError) -> bool {
        error.is_one_of(self.profile.unknown_rule)
    }

    /// Why there is no room for another rule, as far as is known without asking the driver.
    pub(crate) fn no_room(&self) -> Option<Reason> {
        let load = self.load()?;
        let full = load.full.load(Relaxed);
        let rules = load.rules.load(Relaxed);
        let reason = if self.limit.is_some_and(|limit| rules >= limit) {
            Reason::Limit
        } else if full != 0 && jiffies64() < full {
            Reason::Full
        } else {
            return None;
        };
        load.starved.store(true, Relaxed);
        Some(reason)
    }

    /// A flow waits for room on the device.
    pub(crate) fn starve(&self) {
        if let Some(load) = self.load() {
            load.starved.store(true, Relaxed);
        }
    }

    /// Whether a flow of some flowtable waits for room on the device.
    pub(crate) fn is_starved(&self) -> bool {
        self.load().is_some_and(|load| load.starved.load(Relaxed))
    }

    /// Notes that a rule has gone, if flows wait for room.
    pub(crate) fn note_room(&self) {
        if let Some(load) = self.load().filter(|load| load.starved.load(Relaxed)) {
            if load.starved.xchg(false, Relaxed) {
                load.room.fetch_add(1u32, Relaxed);
            }
        }
    }

    /// Whether there was room on the device since the last call.
    pub(crate) fn had_room(&self) -> bool {
        self.load().is_some_and(|load| {
            let room = load.room.load(Relaxed);
            self.seen_room.load(Relaxed) != room && self.seen_room.xchg(room, Relaxed) != room
        })
    }

    /// Whether it is time to tell who listens that it is full; said once a second.
    pub(crate) fn is_full_news(&self, now: u64) -> bool {
        let last = self.told_full.load(Relaxed);
        let is = last == 0 || now.saturating_sub(last) >= seconds(1);
        if is {
            self.told_full.store(now, Relaxed);
        }
        is
    }

    /// Rules on it made room for a busier flow's.
    pub(crate) fn count_eviction(&self) {
        self.counts.evictions.add(1);
    }

    /// Its driver has reported that a rule was used.
    pub(crate) fn note_use(&self) {
        if !self.reports_use.load(Relaxed) {
            self.reports_use.store(true, Relaxed);
        }
    }

    /// Whether its driver reports when a rule is used, as far as it was seen.
    pub(crate) fn reports_use(&self) -> bool {
        self.reports_use.load(Relaxed)
    }

    /// What has happened on the device.
    pub(crate) fn counts(&self) -> &Tally {
        &self.counts
    }

    /// Packets of a flow reached the CPU although its rules were in.
    pub(crate) fn count_miss(&self) {
        self.counts.misses.add(1);
    }

    /// A rule has carried packets; bytes of the network layer.
    pub(crate) fn count_carried(&self, packets: u64, bytes: u64) {
        self.counts.packets.add(packets);
        self.counts.bytes.add(bytes);
    }

    /// What a rule has carried since the last time.
    pub(crate) fn stats(&self, cookie: u64) -> Result<Stats, DriverError> {
        self.command(cookie, Command::Stats)
    }

    /// Unbinds the device. Its rules are destroyed before.
    pub(crate) fn unbind(mut self, net: Netns<'_>) {
        if let State::Bound(block) = core::mem::replace(&mut self.state, State::Software(0)) {
            self.leave_block(block, net);
        }
    }
}

/// The bindings of a flowtable, in the order of the indices of their devices. Boxed, so that a flowtable can have
/// thousands of devices without a large contiguous array.
pub(crate) struct Bindings(KVVec<(u32, KBox<Binding>)>);

impl Bindings {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(KVVec::new())
    }

    fn place(&self, ifindex: u32) -> Option<usize> {
        self.0
            .binary_search_by_key(&ifindex, |(ifindex, _)| *ifindex)
            .ok()
    }

    /// The device with this index.
    pub(crate) fn get_mut(&mut self, ifindex: u32) -> Option<&mut Binding> {
        let place = self.place(ifindex)?;
        self.0.get_mut(place).map(|(_, binding)| &mut **binding)
    }

    /// The device with this index.
    pub(crate) fn get(&self, ifindex: u32) -> Option<&Binding> {
        self.0
            .get(self.place(ifindex)?)
            .map(|(_, binding)| &**binding)
    }

    /// All of them, in the order of their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.0.iter().map(|(_, binding)| &**binding)
    }

    /// All of them, in the order of their indices.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Binding> {
        self.0.iter_mut().map(|(_, binding)| &mut **binding)
    }

    /// Adds one whose device has none. `ENOMEM` changes nothing.
    pub(crate) fn add(&mut self, binding: Binding) -> Result {
        let ifindex = binding.ifindex;
        let binding = KBox::new(binding, GFP_KERNEL_ACCOUNT)?;
        self.0.reserve(1, GFP_KERNEL_ACCOUNT)?;
        let place = self.0.partition_point(|(present, _)| *present < ifindex);
        Ok(self.0.insert_within_capacity(place, (ifindex, binding))?)
    }

    /// Takes the device with this index out.
    pub(crate) fn take(&mut self, ifindex: u32) -> Option<Binding> {
        let place = self.place(ifindex)?;
        self.0
            .remove(place)
            .ok()
            .map(|(_, binding)| KBox::into_inner(binding))
    }

    /// The index of the device that is bound with this block.
    pub(crate) fn with_block(&self, id: BlockId) -> Option<u32> {
        let binding = self.iter().find(|binding| binding.has_block(id))?;
        Some(binding.ifindex)
    }

    /// Whether a device is not bound.
    pub(crate) fn any_unbound(&self) -> bool {
        !self.iter().all(Binding::is_bound)
    }

    /// Whether a binding is to be tried again now.
    pub(crate) fn any_due(&self) -> bool {
        let now = jiffies64();
        self.iter().any(|binding| binding.is_due(now))
    }

    /// The index of a device whose binding was to be tried again by this time; not due any more.
    pub(crate) fn next_due(&mut self, now: u64) -> Option<u32> {
        let due = self.iter_mut().find(|binding| binding.is_due(now))?;
        due.put_off();
        Some(due.ifindex)
    }
}

/// A device of a flowtable.
pub(crate) struct Device<'a> {
    /// What the engine knows of it.
    pub(crate) binding: &'a Binding,
    /// Itself, unless it is just leaving.
    pub(crate) dev: Option<&'a NetDevice>,
    /// What was refused, on this device and the others.
    pub(crate) refusals: &'a Refusals,
}
