// SPDX-License-Identifier: GPL-2.0

//! A device of a flowtable: its private block, how the device was bound, and how its driver reads
//! rules.
//!
//! A device is bound with the first method that works, in the order of [`BindMethod::ALL`], or with
//! the block before the flowtable where the profile says so ([`Profile::block_first`]). A driver
//! that refuses for now ends the search, and is retried. Where no driver takes its rules, the
//! device stays in software with the reason, in a driver's own words if there are any. It is
//! retried ever more slowly, and at once when something about the devices changes.
//!
//! Flowtables that have the same device share its block ([`SharedBlock`]). Room and limit are those
//! of the device; all other counts are those of the flowtable.

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
use core::num::NonZeroU64;
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

/// A device of a flowtable. It has cache lines of its own, as it counts.
#[repr(align(64))]
pub(crate) struct Binding {
    /// The index of the device.
    pub(crate) ifindex: u32,
    /// A number that tells this binding from an earlier one of the same device; it does not recur.
    number: u64,
    /// The name of the device's driver.
    driver: DriverName,
    /// The kind of the device, if it is a software device.
    kind: DriverName,
    /// The time when it joined, in 64 bit jiffies.
    since: u64,
    /// The errors that were reported because no driver takes its rules: a bit for the low six bits
    /// of the number of each.
    said: Atomic<u64>,
    /// How the driver that takes its rules reads them.
    pub(crate) profile: &'static Profile,
    /// How the device's own driver reads rules, or how the user says that it does.
    own_profile: &'static Profile,
    /// The user has set the profile.
    forced: bool,
    /// The driver's block of tc may be taken. Only one user at a time can have it, and this user
    /// has no other use for it.
    block: bool,
    /// The rules that it may hold, if there is a limit.
    limit: Option<u64>,
    /// Whether it may hold any rules.
    enabled: bool,
    /// How often it has joined without leaving.
    users: usize,
    /// The operations that are removing its rules, to bind it in another way.
    closers: u32,
    /// How often it could not be bound.
    refusals: u32,
    /// The attempts in succession for which no driver took its rules, since something changed.
    fruitless: u32,
    state: State,
    /// The last refusal to be bound; `None` once it is bound.
    refusal: Option<DriverError>,
    counts: Tally,
    /// The device's count of room made, when the flowtable last read it.
    seen_room: Atomic<u32>,
    /// The time of the last report that there is no room, in 64 bit jiffies.
    told_full: Atomic<u64>,
    /// Whether the driver has ever reported that a rule was used.
    reports_use: Atomic<bool>,
    /// The next cookie of a rule. A multiple of `NAMES` if a new range of cookies is needed first.
    next_name: Atomic<u64>,
}

/// The cookies that are reserved at a time; a power of two.
const NAMES: u64 = 1 << 10;

/// How a device is bound, by the numbers of the netlink interface.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Bound {
    /// Not bound: its flows stay in software. Retried from time to time.
    Software = uapi::NFT_OFFLOAD_BOUND_SOFTWARE as u8,
    /// Not bound yet: its driver has refused for now.
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

/// The counts of a device.
#[derive(Default)]
pub(crate) struct Tally {
    /// The rules that its driver holds.
    pub(crate) rules: Counter,
    /// The most rules that it held at a time.
    pub(crate) high_water: Counter,
    /// The rules that its driver took.
    pub(crate) adds: Counter,
    /// The rules that its driver gave up.
    pub(crate) deletes: Counter,
    /// The rules that its driver refused.
    pub(crate) refusals: Counter,
    /// The rules that its driver refused for lack of room.
    pub(crate) full: Counter,
    /// The rules that were evicted for those of a busier flow.
    pub(crate) evictions: Counter,
    /// How often packets of a flow reached the CPU although its rules were in.
    pub(crate) misses: Counter,
    /// The packets that its rules have carried.
    pub(crate) packets: Counter,
    /// The bytes of the network layer that its rules have carried.
    pub(crate) bytes: Counter,
}

/// A number that is read and changed without a lock.
pub(crate) struct Counter(Atomic<u64>);

impl Default for Counter {
    fn default() -> Self {
        Self(Atomic::new(0))
    }
}

impl Counter {
    /// Returns the present number.
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
        // Of two concurrent updates the lower one may stay; the next rule corrects that.
        if self.get() < n {
            self.0.store(n, Relaxed);
        }
    }
}

/// Why a rule was not taken.
pub(crate) enum NotTaken {
    /// The device holds as many rules as its limit allows.
    Limit,
    /// The driver refused the rule.
    Driver(DriverError),
}

enum State {
    /// The driver has one of the module's blocks.
    Bound(SharedBlock),
    /// The driver has refused for now, for example because tc has the device. Retried from this
    /// time on, in jiffies.
    Waiting(u64),
    /// No driver takes its rules. Retried from this time on, in jiffies.
    Software(u64),
}

impl Binding {
    /// The seconds for which a driver's report of no room is believed: other users of its NIC may
    /// make some.
    const FULL_FOR: u64 = 8;

    /// Makes the binding of a device that joins, not bound yet.
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

    /// Returns a cookie that no rule had before.
    ///
    /// The core's own cookies recur at once, and a driver may still know an old rule.
    pub(crate) fn new_cookie(&self) -> NonZeroU64 {
        // Shared by all flowtables. The cookies are reserved in ranges, to avoid contention for
        // each rule.
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
                // `name` is not 0, so the addition restores it.
                Ok(_) => return NonZeroU64::MIN.saturating_add(name.wrapping_sub(1)),
                Err(now) => present = now,
            }
        }
    }

    /// Notes that the device has joined once more.
    pub(crate) fn join(&mut self) {
        self.users = self.users.saturating_add(1);
    }

    /// Notes that the device leaves. Returns whether that was the last time.
    pub(crate) fn leave(&mut self) -> bool {
        self.users = self.users.saturating_sub(1);
        self.users == 0
    }

    /// Stops rules for the device until [`Binding::reopen`]. Returns its number.
    pub(crate) fn close(&mut self) -> u64 {
        self.closers = self.closers.saturating_add(1);
        self.number
    }

    /// Returns the name of its driver; empty if it has none.
    pub(crate) fn driver(&self) -> &[u8] {
        self.driver.as_bytes()
    }

    /// Returns the kind of a software device; empty for others.
    pub(crate) fn kind(&self) -> &[u8] {
        self.kind.as_bytes()
    }

    /// Returns why no driver takes its rules, once, when that has lasted.
    ///
    /// The error counts as reported then.
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

    /// Returns whether it was reported that no driver takes its rules, and forgets that.
    pub(crate) fn take_said(&mut self) -> bool {
        self.said.xchg(0, Relaxed) != 0
    }

    /// Returns its number, which no other binding has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Undoes [`Binding::close`].
    pub(crate) fn reopen(&mut self) {
        self.closers = self.closers.saturating_sub(1);
    }

    /// Returns whether its rules are being removed, for good or for a while.
    pub(crate) fn is_closed(&self) -> bool {
        self.users == 0 || self.closers != 0
    }

    /// Returns whether [`Binding::bind`] is to be retried now.
    fn is_due(&self, now: u64) -> bool {
        !self.is_closed()
            && matches!(self.state, State::Waiting(time) | State::Software(time) if time <= now)
    }

    /// Sets the time of the next attempt: in a second, or later each time that no driver takes its
    /// rules.
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

    /// Makes the device due, as something has changed that can change the answer.
    pub(crate) fn try_anew(&mut self) {
        self.fruitless = 0;
        if let State::Software(time) = &mut self.state {
            *time = 0;
        }
    }

    /// Returns how the driver reads rules that the method binds the device at.
    fn profile_at(&self, method: BindMethod) -> &'static Profile {
        if method.is_indirect() && !self.forced {
            profile::for_others(method == BindMethod::IndirectBlock)
        } else {
            self.own_profile
        }
    }

    /// Returns the methods to bind the device with, in order of preference.
    fn methods(&self) -> [BindMethod; 4] {
        use BindMethod::{Block, Direct, Indirect, IndirectBlock};
        match self.prefers_block() {
            true => [Block, Direct, IndirectBlock, Indirect],
            false => BindMethod::ALL,
        }
    }

    /// Returns whether its driver is asked for its block before its flowtable, if that is allowed.
    pub(crate) fn prefers_block(&self) -> bool {
        self.own_profile.block_first
    }

    /// Binds the device with the first method that works.
    ///
    /// Returns a temporary refusal at once, and otherwise the most telling one.
    fn bind_first(&self, dev: &NetDevice, flowtable: &Flowtable) -> Result<Block, DriverError> {
        // Of the driver that the device has, whatever the user says of its rules.
        let unlocked = profile::for_driver(self.driver()).unlocked;
        let mut refusal: Option<DriverError> = None;
        for method in self.methods() {
            let asked = match method {
                BindMethod::Block => self.block && self.own_profile.block,
                // Some drivers take any device this way and lose track of it: sfc never reports
                // that the device goes, and finds a device's block by the device alone. Only the
                // user knows that none of these drivers is there.
                BindMethod::IndirectBlock => self.block && self.forced,
                _ => true,
            };
            if !asked {
                continue;
            }
            let unlocked = unlocked && method == BindMethod::Block;
            match Block::bind::<SharedBlock>(dev, flowtable.net(), method, unlocked) {
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
        // A driver's own words tell more.
        let only_ours = refusal.tells() < 2;
        if only_ours && self.own_profile.block && !self.block && dev.has_setup_tc() {
            return Err(DriverError::not_asked_for_block());
        }
        Err(refusal)
    }

    /// Joins the block of the device, or binds the device, unless the flowtable has done so.
    ///
    /// The refusal says why no driver takes its rules. It is retried when it is due.
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
                // A new ruleset tries the driver again.
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
                    // The next flow makes the second attempt.
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

    /// Returns whether the device is bound with this block.
    pub(crate) fn has_block(&self, id: BlockId) -> bool {
        matches!(&self.state, State::Bound(block) if block.id() == id)
    }

    /// Returns whether it is bound at the drivers of other devices.
    pub(crate) fn is_indirect(&self) -> bool {
        matches!(&self.state, State::Bound(block) if block.method().is_indirect())
    }

    /// Returns the device, if it is bound.
    pub(crate) fn device(&self) -> Option<&NetDevice> {
        match &self.state {
            State::Bound(block) => Some(block.device()),
            _ => None,
        }
    }

    /// Unbinds the device and keeps it, to be bound again when it is due, which is at once.
    ///
    /// Its rules are destroyed before. With `anew`, the other flowtables leave the block as well,
    /// so it is not to be joined again.
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
        // What was learned applies to this driver, and the next one may be another.
        self.counts.rules = Counter::default();
        self.reports_use = Atomic::new(false);
    }

    /// Leaves the block. Rules that the driver did not destroy are not counted any more.
    fn leave_block(&self, block: SharedBlock, net: Netns<'_>) {
        block
            .load()
            .rules
            .fetch_sub(self.counts.rules.get(), Relaxed);
        block.unbind(net);
    }

    /// Returns whether more than a reload under traffic keeps the device from being bound.
    ///
    /// In a reload the first attempt and the second, a moment later, can meet the flowtable that is
    /// being replaced.
    pub(crate) fn is_refused_for_long(&self) -> bool {
        self.refusals > 2
    }

    /// Returns how it is bound.
    pub(crate) fn bound(&self) -> Bound {
        match &self.state {
            State::Bound(block) => block.method().into(),
            State::Waiting(_) => Bound::Waiting,
            State::Software(_) => Bound::Software,
        }
    }

    /// Returns why it is not bound, in the driver's words.
    pub(crate) fn refusal(&self) -> Option<&DriverError> {
        self.refusal.as_ref()
    }

    /// Returns how many rules it may hold, if there is a limit.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Sets how many rules it may hold.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Returns whether it may hold rules at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Switches it on or off.
    pub(crate) fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Sets how its driver reads rules, whatever its name. The device is not bound.
    pub(crate) fn set_profile(&mut self, profile: &'static Profile) {
        self.forced = true;
        self.own_profile = profile;
        self.profile = profile;
    }

    /// Sets whether its driver's block of tc may be taken. The device is not bound.
    pub(crate) fn allow_block(&mut self, allowed: bool) {
        self.block = allowed;
    }

    /// Returns whether its driver's block of tc may be taken.
    pub(crate) fn may_use_block(&self) -> bool {
        self.block
    }

    /// Returns why its driver can be given no rules, or `None` if it can.
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

    /// Returns whether a driver has bound it.
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

    /// Destroys a rule at the driver.
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

    /// Retries to destroy a rule that the driver did not destroy.
    ///
    /// Returns whether the rule is gone. The caller counts it then.
    pub(crate) fn destroy_again(&self, cookie: u64) -> bool {
        let result = self.command(cookie, Command::Destroy);
        result
            .err()
            .is_none_or(|error| self.is_unknown_rule(&error))
    }

    /// Counts a rule that has gone.
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

    /// Returns how many rules the device holds, including those of other flowtables.
    pub(crate) fn rules_of_device(&self) -> u64 {
        self.load().map_or(0, |load| load.rules.load(Relaxed))
    }

    /// Returns whether the error of a DESTROY or STATS means that the driver does not have the
    /// rule.
    pub(crate) fn is_unknown_rule(&self, error: &DriverError) -> bool {
        error.is_one_of(self.profile.unknown_rule)
    }

    /// Returns why there is no room for another rule, as far as is known without asking the driver.
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

    /// Notes that a flow waits for room on the device.
    pub(crate) fn starve(&self) {
        if let Some(load) = self.load() {
            load.starved.store(true, Relaxed);
        }
    }

    /// Returns whether a flow of any flowtable waits for room on the device.
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

    /// Returns whether there was room on the device since the last call.
    pub(crate) fn had_room(&self) -> bool {
        self.load().is_some_and(|load| {
            let room = load.room.load(Relaxed);
            self.seen_room.load(Relaxed) != room && self.seen_room.xchg(room, Relaxed) != room
        })
    }

    /// Returns whether it is time to send the event that the device is full: once a second.
    pub(crate) fn is_full_news(&self, now: u64) -> bool {
        let last = self.told_full.load(Relaxed);
        let is = last == 0 || now.saturating_sub(last) >= seconds(1);
        if is {
            self.told_full.store(now, Relaxed);
        }
        is
    }

    /// Counts an eviction for a busier flow.
    pub(crate) fn count_eviction(&self) {
        self.counts.evictions.add(1);
    }

    /// Notes that its driver has reported the use of a rule.
    pub(crate) fn note_use(&self) {
        if !self.reports_use.load(Relaxed) {
            self.reports_use.store(true, Relaxed);
        }
    }

    /// Returns whether its driver has ever reported that a rule was used.
    pub(crate) fn reports_use(&self) -> bool {
        self.reports_use.load(Relaxed)
    }

    /// Returns the counts of the device.
    pub(crate) fn counts(&self) -> &Tally {
        &self.counts
    }

    /// Counts that packets of a flow reached the CPU although its rules were in.
    pub(crate) fn count_miss(&self) {
        self.counts.misses.add(1);
    }

    /// Counts the packets that a rule has carried, and their bytes of the network layer.
    pub(crate) fn count_carried(&self, packets: u64, bytes: u64) {
        self.counts.packets.add(packets);
        self.counts.bytes.add(bytes);
    }

    /// Returns what a rule has carried since the last call.
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

/// The bindings of a flowtable, in the order of the indices of their devices.
///
/// Boxed, so that a flowtable can have thousands of devices without a large contiguous array.
pub(crate) struct Bindings(KVVec<(u32, KBox<Binding>)>);

impl Bindings {
    /// Makes an empty list.
    pub(crate) const fn new() -> Self {
        Self(KVVec::new())
    }

    fn place(&self, ifindex: u32) -> Option<usize> {
        self.0
            .binary_search_by_key(&ifindex, |(ifindex, _)| *ifindex)
            .ok()
    }

    /// Looks up the binding of the device with this index.
    pub(crate) fn get_mut(&mut self, ifindex: u32) -> Option<&mut Binding> {
        let place = self.place(ifindex)?;
        self.0.get_mut(place).map(|(_, binding)| &mut **binding)
    }

    /// Looks up the binding of the device with this index.
    pub(crate) fn get(&self, ifindex: u32) -> Option<&Binding> {
        self.0
            .get(self.place(ifindex)?)
            .map(|(_, binding)| &**binding)
    }

    /// Returns all bindings, in the order of the indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.0.iter().map(|(_, binding)| &**binding)
    }

    /// Returns all bindings, in the order of the indices.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Binding> {
        self.0.iter_mut().map(|(_, binding)| &mut **binding)
    }

    /// Adds the binding of a device that has none. `ENOMEM` changes nothing.
    pub(crate) fn add(&mut self, binding: Binding) -> Result {
        let ifindex = binding.ifindex;
        let binding = KBox::new(binding, GFP_KERNEL_ACCOUNT)?;
        self.0.reserve(1, GFP_KERNEL_ACCOUNT)?;
        let place = self.0.partition_point(|(present, _)| *present < ifindex);
        Ok(self.0.insert_within_capacity(place, (ifindex, binding))?)
    }

    /// Takes the binding of the device with this index out.
    pub(crate) fn take(&mut self, ifindex: u32) -> Option<Binding> {
        let place = self.place(ifindex)?;
        self.0
            .remove(place)
            .ok()
            .map(|(_, binding)| KBox::into_inner(binding))
    }

    /// Returns the index of the device that is bound with this block.
    pub(crate) fn with_block(&self, id: BlockId) -> Option<u32> {
        let binding = self.iter().find(|binding| binding.has_block(id))?;
        Some(binding.ifindex)
    }

    /// Returns whether any device is not bound.
    pub(crate) fn any_unbound(&self) -> bool {
        !self.iter().all(Binding::is_bound)
    }

    /// Returns whether any binding is to be retried now.
    pub(crate) fn any_due(&self) -> bool {
        let now = jiffies64();
        self.iter().any(|binding| binding.is_due(now))
    }

    /// Returns the index of a device that was to be bound again by `now`, and puts it off.
    pub(crate) fn next_due(&mut self, now: u64) -> Option<u32> {
        let due = self.iter_mut().find(|binding| binding.is_due(now))?;
        due.put_off();
        Some(due.ifindex)
    }
}

/// A device of a flowtable, as it is reported.
pub(crate) struct Device<'a> {
    /// The engine's state of the device.
    pub(crate) binding: &'a Binding,
    /// The device, unless it is just leaving.
    pub(crate) dev: Option<&'a NetDevice>,
    /// What was refused, on this device and the others.
    pub(crate) refusals: &'a Refusals,
}
