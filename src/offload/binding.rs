// SPDX-License-Identifier: GPL-2.0

//! A device of a flowtable: its private block, and how its driver reads rules.

use super::profile::{
    self,
    Forced,
    Profile, //
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
use kernel::alloc::KVec;

/// A device of a flowtable.
pub(crate) struct Binding {
    /// The index of the device.
    pub(crate) ifindex: u32,
    /// How its driver reads rules.
    pub(crate) profile: &'static Profile,
    /// How many times it has joined and not left.
    users: usize,
    /// How many times its driver has refused to be bound.
    refusals: u32,
    state: State,
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
    /// A device that joins, not bound yet.
    pub(crate) fn new(dev: &NetDevice) -> Self {
        // The parameter was found to be right when the module was loaded.
        let forced = Forced::parse(params::profile().to_bytes())
            .ok()
            .and_then(|forced| forced.get(dev.name().as_bytes()));
        Self {
            ifindex: dev.ifindex(),
            profile: forced.unwrap_or_else(|| profile::for_driver(dev.driver().to_bytes())),
            users: 1,
            refusals: 0,
            state: State::Waiting(0),
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
                Ok(())
            }
            Err(error) => {
                self.refusals = self.refusals.saturating_add(1);
                if !error.is_temporary() {
                    self.state = State::Software;
                }
                Err(error)
            }
        }
    }

    /// Whether it is more than a reload under traffic that keeps the device from being bound: there the first attempt
    /// and the second, a moment later, can meet the flowtable that is being replaced.
    pub(crate) fn is_refused_for_long(&self) -> bool {
        self.refusals > 2
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
    pub(crate) fn replace(&self, cookie: u64, rule: &RuleBuilder<'_>) -> Result<(), DriverError> {
        self.command(cookie, Command::Replace(rule)).map(drop)
    }

    /// Takes a rule back from the driver.
    pub(crate) fn destroy(&self, cookie: u64) -> Result<(), DriverError> {
        self.command(cookie, Command::Destroy).map(drop)
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
