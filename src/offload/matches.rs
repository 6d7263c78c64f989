// SPDX-License-Identifier: GPL-2.0

//! Which flow's rule has a match.
//!
//! After a teardown the core learns a flow anew at once, and asks for its rules up to two seconds before it destroys those of
//! the old one, which match the same packets. Drivers refuse the new rule then, or keep the old one's actions. So the
//! holder of a match has to let go first.
//!
//! A hash table, as it is asked for each rule that comes and goes, in parts that each have a lock and grow and shrink each by
//! itself, so that none of it takes long. The keys are hashes already, with a secret (`translate::Fingerprint`).

use crate::{
    container::{
        HashTable,
        Slot, //
    },
    netfilter::FlowId, //
};
use core::num::NonZeroU64;
use kernel::{
    error::code,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pin_init::pin_init_array_from_fn;

/// The flow whose rule has a match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The rule; never 0.
    pub(crate) cookie: u64,
    /// Its flow.
    pub(crate) flow: FlowId,
}

/// What became of a match that was asked for.
pub(crate) enum Claim {
    /// It is the claimant's.
    Granted,
    /// It still is this one's.
    HeldBy(Holder),
}

/// The holders of matches, which go by their hash.
#[pin_data]
pub(crate) struct Matches {
    #[pin]
    parts: [Part; PARTS],
}

#[pin_data]
#[repr(align(64))]
struct Part {
    #[pin]
    table: Mutex<HashTable<Match>>,
}

const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 5;

impl Matches {
    /// No holders.
    pub(crate) fn new() -> impl PinInit<Self> {
        let part = |_| {
            pin_init!(Part {
                table <- new_mutex!(HashTable::new(), "Matches::table"),
            })
        };
        pin_init!(Self {
            parts <- pin_init_array_from_fn(part),
        })
    }

    fn with<R>(&self, matching: u64, f: impl FnOnce(&mut HashTable<Match>) -> R) -> Option<R> {
        // CAST: As many bits as there are parts.
        let part = (matching >> (u64::BITS - PART_BITS)) as usize;
        let mut table = self.parts.get(part)?.table.lock();
        Some(f(&mut table))
    }

    /// The present holder of a match.
    pub(crate) fn holder(&self, matching: u64) -> Option<Holder> {
        self.with(matching, |table| holder(table, matching))
            .flatten()
    }

    /// Makes `by` the holder of a match that nobody has. `ENOMEM` changes nothing.
    pub(crate) fn claim(&self, matching: u64, by: Holder) -> Result<Claim> {
        let claim = self.with(matching, |table| match holder(table, matching) {
            Some(present) => Ok(Claim::HeldBy(present)),
            None => put(table, matching, by).map(|()| Claim::Granted),
        });
        claim.unwrap_or(Ok(Claim::Granted))
    }

    /// Makes `by` the holder of a match, whoever has it. `ENOMEM` changes nothing.
    pub(crate) fn seize(&self, matching: u64, by: Holder) -> Result {
        self.with(matching, |table| put(table, matching, by))
            .unwrap_or(Ok(()))
    }

    /// The rule `cookie` lets go of its match; whether it had it.
    pub(crate) fn release(&self, matching: u64, cookie: u64) -> bool {
        self.with(matching, |table| {
            table
                .remove(matching, |slot| {
                    slot.matching == matching && slot.is_of(cookie)
                })
                .is_some()
        })
        .unwrap_or(false)
    }
}

fn holder(table: &HashTable<Match>, matching: u64) -> Option<Holder> {
    let slot = table.get(matching, |slot| slot.matching == matching)?;
    let (cookie, flow) = slot.holder?;
    Some(Holder {
        cookie: cookie.get(),
        flow,
    })
}

fn put(table: &mut HashTable<Match>, matching: u64, by: Holder) -> Result {
    let cookie = NonZeroU64::new(by.cookie).ok_or(code::EINVAL)?;
    let slot = Match {
        matching,
        holder: Some((cookie, by.flow)),
    };
    table.put(slot, |slot| slot.matching == matching)
}

/// A match and who has it.
#[derive(Clone, Copy)]
struct Match {
    matching: u64,
    /// A cookie that is not 0 leaves room for the `None`.
    holder: Option<(NonZeroU64, FlowId)>,
}

impl Match {
    fn is_of(&self, cookie: u64) -> bool {
        self.holder.is_some_and(|(holder, _)| holder.get() == cookie)
    }
}

impl Slot for Match {
    const EMPTY: Self = Self {
        matching: 0,
        holder: None,
    };

    fn hash(&self) -> Option<u64> {
        self.holder.map(|_| self.matching)
    }
}
