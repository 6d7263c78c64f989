// SPDX-License-Identifier: GPL-2.0

//! A device of a flowtable: its private block, and how its driver reads rules.

use super::{
    parameter,
    profile::{
        self,
        Profile, //
    },
    Reason, //
};
use crate::netfilter::{
    jiffies64,
    params,
    seconds,
    Block,
    Command,
    DriverError,
    NetDevice,
    Netns,
    RuleBuilder,
    Stats, //
};
use kernel::{
    alloc::KVec,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// A device of a flowtable.
pub(crate) struct Binding {
    /// The index of the device.
    pub(crate) ifindex: u32,
    /// How its driver reads rules.
    pub(crate) profile: &'static Profile,
    /// How many rules it may hold.
    limit: Option<u64>,
    /// How many times it has joined and not left.
    users: usize,
    /// How many times its driver has refused to be bound.
    refusals: u32,
    state: State,
    /// The last refusal to be bound; none once it is bound.
    refusal: Option<DriverError>,
    counts: Tally,
    /// The driver has said that it has no room, which is believed until this time (64 bit jiffies) or until a rule goes.
    full: Atomic<u64>,
    /// A rule was refused for want of room, and none has gone since.
    starved: Atomic<bool>,
    /// Whether the driver has ever reported that a rule was used.
    reports_use: Atomic<bool>,
}

/// How a device is bound. The numbers are stable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Not at all: its flows stay in software.
    Software = 0,
    /// Not yet: its driver refused for now.
    Waiting = 1,
    /// With `TC_SETUP_FT`, at its own driver.
    Direct = 2,
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
    Bound(Block),
    /// Its driver refused for now, for example because another flowtable still holds the device, as in a reload that
    /// replaces a ruleset in one transaction. Tried again from this time on, in jiffies.
    Waiting(u64),
    /// Its driver takes no rules.
    Software,
}

impl Binding {
    /// Seconds for which a driver is believed that it has no room: other users of its NIC may make some.
    const FULL_FOR: u64 = 8;

    /// A device that joins, not bound yet.
    pub(crate) fn new(dev: &NetDevice) -> Self {
        let name = dev.name();
        let forced = parameter::profile(params::profile().to_bytes(), name.as_bytes());
        Self {
            ifindex: dev.ifindex(),
            profile: forced.unwrap_or_else(|| profile::for_driver(dev.driver().to_bytes())),
            limit: parameter::limit(params::limit().to_bytes(), name.as_bytes()),
            users: 1,
            refusals: 0,
            state: State::Waiting(0),
            refusal: None,
            counts: Tally::default(),
            full: Atomic::new(0),
            starved: Atomic::new(false),
            reports_use: Atomic::new(false),
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

    fn wait_until(&mut self, time: u64) {
        if let State::Waiting(until) = &mut self.state {
            *until = time;
        }
    }

    /// Whether it is time to try [`Binding::bind`] again.
    fn is_due(&self) -> bool {
        matches!(self.state, State::Waiting(time) if time <= jiffies64())
    }

    /// Binds the device, unless it is bound. The driver's refusal says why it takes no rules; a temporary one is tried
    /// again when it is due: at once at first, then every second.
    pub(crate) fn bind(&mut self, dev: &NetDevice, net: Netns<'_>) -> Result<(), DriverError> {
        if matches!(self.state, State::Bound(_)) {
            return Ok(());
        }
        match Block::bind(dev, net) {
            Ok(block) => {
                self.state = State::Bound(block);
                self.refusal = None;
                Ok(())
            }
            Err(error) => {
                self.refusals = self.refusals.saturating_add(1);
                if !error.is_temporary() {
                    self.state = State::Software;
                }
                self.refusal = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether it is more than a reload under traffic that keeps the device from being bound: there the first attempt
    /// and the second, a moment later, can meet the flowtable that is being replaced.
    pub(crate) fn is_refused_for_long(&self) -> bool {
        self.refusals > 2
    }

    /// How it is bound.
    pub(crate) fn bound(&self) -> Bound {
        match self.state {
            State::Bound(_) => Bound::Direct,
            State::Waiting(_) => Bound::Waiting,
            State::Software => Bound::Software,
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

    /// Whether the driver can be given rules.
    pub(crate) fn takes_rules(&self) -> bool {
        matches!(self.state, State::Bound(_))
    }

    fn command(&self, cookie: u64, command: Command<'_>) -> Result<Stats, DriverError> {
        match &self.state {
            State::Bound(block) => block.command(cookie, command),
            State::Waiting(_) | State::Software => Err(DriverError::no_callback()),
        }
    }

    /// Gives the driver a rule.
    pub(crate) fn replace(&self, cookie: u64, rule: &RuleBuilder<'_>) -> Result<(), NotTaken> {
        let rules = self.counts.rules.add(1);
        if self.limit.is_some_and(|limit| rules > limit) {
            self.counts.rules.sub(1);
            self.starved.store(true, Relaxed);
            return Err(NotTaken::Limit);
        }
        let Err(error) = self.command(cookie, Command::Replace(rule)) else {
            self.counts.adds.add(1);
            self.counts.high_water.raise(rules);
            return Ok(());
        };
        self.counts.rules.sub(1);
        self.counts.refusals.add(1);
        if error.is_full() {
            self.counts.full.add(1);
            let until = jiffies64().saturating_add(seconds(Self::FULL_FOR));
            self.full.store(until, Relaxed);
            self.starved.store(true, Relaxed);
        }
        Err(NotTaken::Driver(error))
    }

    /// Takes a rule back from the driver.
    pub(crate) fn destroy(&self, cookie: u64) -> Result<(), DriverError> {
        let result = self.command(cookie, Command::Destroy).map(drop);
        // A rule that the driver does not know is gone as well.
        if !matches!(&result, Err(error) if !error.is_unknown_rule()) {
            self.counts.deletes.add(1);
            self.counts.rules.sub(1);
            self.full.store(0, Relaxed);
        }
        result
    }

    /// Why there is no room for another rule, as far as is known without asking the driver.
    pub(crate) fn no_room(&self) -> Option<Reason> {
        if self
            .limit
            .is_some_and(|limit| self.counts.rules.get() >= limit)
        {
            return Some(Reason::Limit);
        }
        let full = self.full.load(Relaxed);
        (full != 0 && jiffies64() < full).then_some(Reason::Full)
    }

    /// Whether somebody waits for the room that a rule has just made; said once.
    pub(crate) fn take_starved(&self) -> bool {
        self.starved.load(Relaxed) && self.starved.xchg(false, Relaxed)
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
    pub(crate) fn unbind(self, dev: &NetDevice, net: Netns<'_>) {
        if let State::Bound(block) = self.state {
            block.unbind(dev, net);
        }
    }
}

/// The bindings of a flowtable.
pub(crate) struct Bindings(pub(crate) KVec<Binding>);

impl Bindings {
    /// The device with this index.
    pub(crate) fn get_mut(&mut self, ifindex: u32) -> Option<&mut Binding> {
        self.0.iter_mut().find(|binding| binding.ifindex == ifindex)
    }

    /// The device with this index.
    pub(crate) fn get(&self, ifindex: u32) -> Option<&Binding> {
        self.0.iter().find(|binding| binding.ifindex == ifindex)
    }

    /// Takes the device with this index out.
    pub(crate) fn take(&mut self, ifindex: u32) -> Option<Binding> {
        let index = self
            .0
            .iter()
            .position(|binding| binding.ifindex == ifindex)?;
        self.0.remove(index).ok()
    }

    /// Whether a driver has refused for now.
    pub(crate) fn any_waiting(&self) -> bool {
        self.0
            .iter()
            .any(|binding| matches!(binding.state, State::Waiting(_)))
    }

    /// Whether a binding is to be tried again now.
    pub(crate) fn any_due(&self) -> bool {
        self.0.iter().any(Binding::is_due)
    }

    /// The index of a device whose binding is to be tried again now; not due any more for a second.
    pub(crate) fn next_due(&mut self) -> Option<u32> {
        let due = self.0.iter_mut().find(|binding| binding.is_due())?;
        due.wait_until(jiffies64().saturating_add(seconds(1)));
        Some(due.ifindex)
    }
}
