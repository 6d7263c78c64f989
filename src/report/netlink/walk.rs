// SPDX-License-Identifier: GPL-2.0

//! Walks over the flowtables and flows of a request.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            flow_map::FlowMap,
            instances::{
                self,
                Names, //
            }, //
        },
        genetlink::{
            command::Cursor,
            request::{
                Attribute,
                Request, //
            }, //
        },
        netdevice::Netns, //
    },
    offload::{
        record::Record,
        table::Table, //
    },
    report::{
        log::Log,
        netlink::attribute::{
            device,
            flow, //
        }, //
    }, //
};
use core::ops::ControlFlow::{
    self,
    Break,
    Continue, //
};
use kernel::prelude::*;

pub(super) type Engine = Table<Log>;

/// Number of entries visited before the locks are released for a moment.
pub(super) const CHUNK: usize = 512;

/// A filter on flowtables. An absent field matches any.
pub(super) struct Tables<'a> {
    family: Option<u8>,
    table: Option<&'a [u8]>,
    flowtable: Option<&'a [u8]>,
}

impl<'a> Tables<'a> {
    /// Returns the filter that matches all flowtables.
    pub(super) fn all() -> Self {
        Self {
            family: None,
            table: None,
            flowtable: None,
        }
    }

    /// Reads the filter of a request. Devices and flows use the same numbers for its attributes.
    pub(super) fn new(request: &Request<'a>) -> Self {
        const { assert!(device::TABLE == flow::TABLE) };
        const { assert!(device::FLOWTABLE == flow::FLOWTABLE) };
        const { assert!(device::TABLE_FAMILY == flow::TABLE_FAMILY) };
        Self {
            family: request.get(device::TABLE_FAMILY).map(Attribute::u8),
            table: request.get(device::TABLE).map(Attribute::string),
            flowtable: request.get(device::FLOWTABLE).map(Attribute::string),
        }
    }

    /// Returns whether the filter matches a flowtable.
    pub(super) fn has(&self, names: &Names) -> bool {
        self.family.is_none_or(|family| family == names.family)
            && self.table.is_none_or(|table| table == &*names.table)
            && self.flowtable.is_none_or(|name| name == &*names.flowtable)
    }
}

/// Calls `f` for each flowtable that `tables` matches, from the cursor on, with the key at which to
/// continue among its flows.
///
/// `f` returns the key at which it has stopped, and whether for good. If not, it is called again
/// from there after the locks were released. `None` ends the flowtable.
pub(super) fn walk_tables(
    net: Netns<'_>,
    tables: &Tables<'_>,
    cursor: &mut Cursor,
    mut f: impl FnMut(&Names, &Engine, &FlowMap<Record>, usize) -> Option<(usize, ControlFlow<()>)>,
) {
    let mut more = true;
    while more {
        more = false;
        instances::walk::<Engine>(net, cursor.table, |number, names, engine, flows| {
            if number != cursor.table {
                *cursor = Cursor {
                    table: number,
                    entry: 0,
                };
            }
            if !tables.has(names) {
                return Continue(());
            }
            // CAST: The value of a cursor was a key, or zero; it is as wide as a key.
            match f(names, engine, flows, cursor.entry as usize) {
                Some((next, stopped)) => {
                    cursor.entry = next as u64;
                    more = stopped.is_continue();
                    Break(())
                }
                None => {
                    cursor.table = number.saturating_add(1);
                    cursor.entry = 0;
                    Continue(())
                }
            }
        });
    }
}

/// Calls `f` for each flow of the flowtables that `tables` matches, from the cursor on, until `f`
/// breaks.
///
/// The locks are released now and then. A flow that exists during the whole walk is visited once.
pub(super) fn walk_flows(
    net: Netns<'_>,
    tables: &Tables<'_>,
    cursor: &mut Cursor,
    mut f: impl FnMut(&Names, &Flow, &Record) -> ControlFlow<()>,
) {
    walk_tables(net, tables, cursor, |names, _, flows, from| {
        let mut left = CHUNK;
        let mut stopped = Continue(());
        let next = flows.walk(from, |flow, record| {
            if left == 0 {
                return Break(());
            }
            left -= 1;
            stopped = f(names, flow, record);
            stopped
        })?;
        Some((next, stopped))
    });
}

/// Continues a walk on success, and ends it on an error.
pub(super) fn stop_at(result: &Result) -> ControlFlow<()> {
    match result {
        Ok(()) => Continue(()),
        Err(_) => Break(()),
    }
}
