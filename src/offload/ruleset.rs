// SPDX-License-Identifier: GPL-2.0

//! Checks the ruleset once a second, and ends all flows when it has changed (module parameter
//! `flush_on_reload`).
//!
//! nftables has no notifier for this, but it counts its transactions. [`super::reload`] decides
//! when flows end.

use crate::{
    net::{
        flowtable::{
            flow_map::FlowMap,
            ruleset,
            view::Flowtable, //
        },
        params,
        time::{
            jiffies64,
            seconds, //
        }, //
    },
    offload::{
        events::Events,
        reason::Reason,
        record::Record,
        reload::{
            Generation,
            Reloads, //
        },
        table::Table, //
    }, //
};

/// Returns the present state of a flowtable's ruleset.
fn generation(flowtable: &Flowtable) -> Generation {
    let (number, cursor) = ruleset::generation(flowtable.net());
    Generation { number, cursor }
}

impl<E: Events> Table<E> {
    /// Returns the state of the ruleset for a flowtable that is being made.
    ///
    /// `None` if its flows are not to end when the ruleset changes.
    pub(super) fn watch_ruleset(flowtable: &Flowtable) -> Option<Reloads> {
        params::flush_on_reload().then(|| Reloads::new(generation(flowtable)))
    }

    fn with_reloads<T: Default>(&self, f: impl FnOnce(&mut Reloads) -> T) -> T {
        let mut reloads = self.reloads.lock();
        (*reloads).as_mut().map(f).unwrap_or_default()
    }

    /// Ends all flows if the ruleset has changed, and it is time. May sleep.
    pub(super) fn follow_ruleset(&self, flows: &FlowMap<Record>) {
        if !self.follows_ruleset || !self.flowtable.is_committed() {
            return;
        }
        let present = generation(&self.flowtable);
        let (began, second) = (jiffies64(), seconds(1));
        if !self.with_reloads(|reloads| reloads.is_due(began, present, second)) {
            return;
        }
        // Packets that the earlier ruleset has accepted may still be adding flows.
        ruleset::wait_for_packets();
        self.relearn(flows, Reason::Reload, |_| true);
        self.with_reloads(|reloads| reloads.flushed(began, jiffies64(), second));
    }
}
