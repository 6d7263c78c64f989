// SPDX-License-Identifier: GPL-2.0

//! Rules that a driver did not destroy when it was told to: they are in hardware and belong to no
//! flow.
//!
//! Each is retried after one second, then two, four and so on, until the driver destroys it or does
//! not know it. No function here calls a driver.
//!
//! A flowtable has at most [`Tombstones::MAX`] of them, in about a mebibyte. A rule beyond that
//! bound, or without memory, is not retried later: it still counts as one that the driver holds,
//! and is reported when its device leaves.

use crate::container::slab_map::SlabMap;
use core::{
    num::NonZeroUsize,
    ops::ControlFlow::{
        Break,
        Continue, //
    }, //
};
use kernel::{
    error::code,
    prelude::*, //
};

/// A rule that its driver did not destroy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tombstone {
    /// The binding that the rule was given to, by the index of its device.
    pub(crate) ifindex: u32,
    /// The index of the device that its packets leave through.
    pub(crate) leads_to: u32,
    /// Its name at the driver.
    pub(crate) cookie: u64,
}

/// No place.
const NONE: u32 = u32::MAX;

/// The mark of all entries ([`SlabMap`]).
const ANY: u64 = 1;

/// A tombstone in its queue.
#[derive(Clone, Copy)]
struct Entry {
    rule: Tombstone,
    /// The time of the next attempt, in 64 bit jiffies.
    due: u64,
    /// The queue that it is in.
    queue: u32,
    /// Its neighbours there, by their places; `NONE` at the ends.
    before: u32,
    after: u32,
}

/// Tombstones that wait equally long. They are due in the order in which they came.
#[derive(Clone, Copy)]
struct Queue {
    first: u32,
    last: u32,
}

/// The tombstones of a flowtable, by their cookies.
pub(crate) struct Tombstones {
    entries: SlabMap<Entry>,
    /// The tombstones that wait 1, 2, 4 ... seconds.
    queues: [Queue; Tombstones::QUEUES],
}

/// Returns what a driver knows a rule by (`flow_cls_offload.cookie`, an `unsigned long`).
fn key(cookie: u64) -> Option<NonZeroUsize> {
    NonZeroUsize::new(cookie as usize)
}

impl Tombstones {
    /// The most tombstones: as many as the engine retries within the longest pause.
    pub(crate) const MAX: usize = 1 << 14;
    /// The longest pause is 64 seconds.
    const QUEUES: usize = 7;
    const LAST: u32 = Self::QUEUES as u32 - 1;

    /// Makes an empty list, which has no memory yet.
    pub(crate) const fn new() -> Self {
        let empty = Queue {
            first: NONE,
            last: NONE,
        };
        Self {
            entries: SlabMap::new(),
            queues: [empty; Self::QUEUES],
        }
    }

    /// Returns whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// Returns how many there are.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a tombstone. `now` is in 64 bit jiffies, `second` in jiffies.
    ///
    /// Errors: `ENOSPC` if there are too many, `ENOMEM`, `EEXIST`; they change nothing.
    pub(crate) fn add(&mut self, rule: Tombstone, now: u64, second: u64) -> Result {
        let key = key(rule.cookie).ok_or(code::EINVAL)?;
        if self.entries.get(key).is_some() {
            return Err(code::EEXIST);
        }
        if self.entries.len() >= Self::MAX {
            return Err(code::ENOSPC);
        }
        let mut here = NONE;
        let entry = |place| {
            here = place;
            Entry {
                rule,
                due: 0,
                queue: 0,
                before: NONE,
                after: NONE,
            }
        };
        self.entries.add(key, ANY, entry)?;
        self.append(here, 0, now, second);
        Ok(())
    }

    /// Puts the entry at a place, which is in no queue, at the end of a queue.
    fn append(&mut self, place: u32, queue: u32, now: u64, second: u64) {
        let Some(to) = self.queues.get_mut(queue as usize) else {
            return;
        };
        let before = core::mem::replace(&mut to.last, place);
        if before == NONE {
            to.first = place;
        }
        if let Some((_, entry)) = self.entries.at(before) {
            entry.after = place;
        }
        if let Some((_, entry)) = self.entries.at(place) {
            entry.queue = queue;
            entry.due = now.saturating_add(second << (queue & 63));
            (entry.before, entry.after) = (before, NONE);
        }
    }

    /// Takes an entry out of its queue.
    fn unlink(&mut self, entry: &Entry) {
        if let Some((_, before)) = self.entries.at(entry.before) {
            before.after = entry.after;
        } else if let Some(queue) = self.queues.get_mut(entry.queue as usize) {
            queue.first = entry.after;
        }
        if let Some((_, after)) = self.entries.at(entry.after) {
            after.before = entry.before;
        } else if let Some(queue) = self.queues.get_mut(entry.queue as usize) {
            queue.last = entry.before;
        }
    }

    /// Returns the place and the time of the tombstone that is due first.
    fn first(&mut self) -> Option<(u32, u64)> {
        let mut first: Option<(u32, u64)> = None;
        for queue in &self.queues {
            if let Some((_, entry)) = self.entries.at(queue.first) {
                if first.is_none_or(|(_, due)| entry.due < due) {
                    first = Some((queue.first, entry.due));
                }
            }
        }
        first
    }

    /// Returns when the first tombstone is due, in 64 bit jiffies.
    pub(crate) fn due(&mut self) -> Option<u64> {
        self.first().map(|(_, due)| due)
    }

    /// Returns a tombstone that is due. It stays, and waits twice as long as before for its next
    /// turn.
    pub(crate) fn next_due(&mut self, now: u64, second: u64) -> Option<Tombstone> {
        let (place, due) = self.first()?;
        if due > now {
            return None;
        }
        let entry = *self.entries.at(place)?.1;
        self.unlink(&entry);
        let next = entry.queue.saturating_add(1).min(Self::LAST);
        self.append(place, next, now, second);
        Some(entry.rule)
    }

    /// Removes a tombstone. Returns whether it was there.
    pub(crate) fn remove(&mut self, cookie: u64) -> bool {
        let Some(key) = key(cookie) else {
            return false;
        };
        let Some(entry) = self.entries.get(key).copied() else {
            return false;
        };
        self.unlink(&entry);
        self.entries.remove(key);
        true
    }

    /// Returns the first tombstone from a place on that `is` holds for, with the place after it.
    pub(crate) fn next(
        &mut self,
        from: u32,
        is: impl Fn(&Tombstone) -> bool,
    ) -> Option<(Tombstone, u32)> {
        let mut found = None;
        let place = self.entries.walk(from, ANY, |_, entry| {
            if !is(&entry.rule) {
                return Continue(());
            }
            found = Some(entry.rule);
            Break(())
        })?;
        Some((found?, place.saturating_add(1)))
    }

    /// Removes the tombstones of a device.
    pub(crate) fn forget(&mut self, ifindex: u32) {
        let mut from = 0;
        while let Some((rule, next)) = self.next(from, |rule| rule.ifindex == ifindex) {
            self.remove(rule.cookie);
            from = next;
        }
    }
}
