// SPDX-License-Identifier: GPL-2.0

//! The owner of each match that flows with different packets can have: the flow whose rule has it.
//!
//! After a teardown the core learns a flow anew at once, and asks for its rules up to two seconds
//! before it destroys those of the old one, which match the same packets. Drivers refuse the new
//! rule then, or keep the old one's actions. So the owner of a match has to release it first. For
//! most hardware the core's own table finds the owner (`FlowMap::find_twin`). This one is for
//! hardware that does not see where a packet arrives, and for tags that a switch handles, of which
//! hardware sees less than the core.
//!
//! This is a hash table, as it is searched for each rule that comes and goes. It is split into
//! parts, each with its own lock, which grow and shrink independently, so that none of this takes
//! long. The keys are hashes already, with a secret (`translate::match_hash`).

use crate::{
    container::hash::{
        HashTable,
        Slot, //
    },
    net::flowtable::flow_map::FlowId, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pin_init::pin_init_array_from_fn;

/// The outcome of a claim.
pub(crate) enum Claim {
    /// The claimant has the match.
    Granted,
    /// This flow still owns the match, or looks as if it did: see [`MatchOwner`].
    OwnedBy(FlowId),
}

/// The owners of matches, found by 37 bits of the hash of a match.
///
/// Where two different matches of a million have the same 37 bits, they take each other's place, so
/// that one of them is not protected; a claimant checks with the owner.
#[pin_data]
pub(crate) struct MatchOwner {
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

impl MatchOwner {
    /// Makes a table without entries.
    pub(crate) fn new() -> impl PinInit<Self> {
        let part = |_| {
            pin_init!(Part {
                table <- new_mutex!(HashTable::new(), "MatchOwner::table"),
            })
        };
        pin_init!(Self {
            parts <- pin_init_array_from_fn(part),
        })
    }

    fn with<R>(&self, matching: u64, f: impl FnOnce(&mut HashTable<Match>) -> R) -> Option<R> {
        // CAST: It has as many bits as there are parts.
        let part = (matching >> (u64::BITS - PART_BITS)) as usize;
        let mut table = self.parts.get(part)?.table.lock();
        Some(f(&mut table))
    }

    /// Returns the present owner of a match.
    pub(crate) fn of(&self, matching: u64) -> Option<FlowId> {
        self.with(matching, |table| owner(table, matching))
            .flatten()
    }

    /// Makes a flow the owner of a match without an owner. `ENOMEM` changes nothing.
    pub(crate) fn claim(&self, matching: u64, flow: FlowId) -> Result<Claim> {
        let claim = self.with(matching, |table| match owner(table, matching) {
            Some(present) => Ok(Claim::OwnedBy(present)),
            None => put(table, matching, flow).map(|()| Claim::Granted),
        });
        claim.unwrap_or(Ok(Claim::Granted))
    }

    /// Makes a flow the owner of a match, in place of the present one. `ENOMEM` changes nothing.
    pub(crate) fn seize(&self, matching: u64, flow: FlowId) -> Result {
        self.with(matching, |table| put(table, matching, flow))
            .unwrap_or(Ok(()))
    }

    /// Makes a flow one more owner of a match. `ENOMEM` changes nothing.
    pub(crate) fn add(&self, matching: u64, flow: FlowId) -> Result {
        let slot = Match {
            // CAST: The low bits.
            tag: matching as u32,
            flow: Some(flow),
        };
        let is = |present: &Match| present.is(matching) && present.flow == Some(flow);
        self.with(matching, |table| table.put(slot, is))
            .unwrap_or(Ok(()))
    }

    /// Releases a match that a flow holds. Returns whether the flow held it.
    pub(crate) fn release(&self, matching: u64, flow: FlowId) -> bool {
        let is = |slot: &Match| slot.is(matching) && slot.flow == Some(flow);
        self.with(matching, |table| table.remove(matching, is).is_some())
            .unwrap_or(false)
    }
}

fn owner(table: &HashTable<Match>, matching: u64) -> Option<FlowId> {
    table.get(matching, |slot| slot.is(matching))?.flow
}

fn put(table: &mut HashTable<Match>, matching: u64, flow: FlowId) -> Result {
    let slot = Match {
        // CAST: The low bits.
        tag: matching as u32,
        flow: Some(flow),
    };
    table.put(slot, |slot| slot.is(matching))
}

/// A match and the flow that holds it. Small, as there are two for each flow.
#[derive(Clone, Copy)]
struct Match {
    tag: u32,
    flow: Option<FlowId>,
}

impl Match {
    fn is(&self, matching: u64) -> bool {
        self.tag == matching as u32
    }
}

impl Slot for Match {
    const EMPTY: Self = Self { tag: 0, flow: None };

    fn hash(&self) -> Option<u64> {
        self.flow.map(|_| u64::from(self.tag))
    }
}
