// SPDX-License-Identifier: GPL-2.0

//! Flowtables: their types, their engines and their flows.
//!
//! | file              | what it wraps                                                            |
//! |-------------------|--------------------------------------------------------------------------|
//! | `engine.rs`       | the trait of an engine, and the data that a flowtable's callback owns    |
//! | `adapter.rs`      | the C functions of `nf_flowtable_type`, which call the engine            |
//! | `registration.rs` | the registration of the flowtable types with nf_tables                   |
//! | `instances.rs`    | the list of instances in each network namespace                          |
//! | `view.rs`         | `struct nf_flowtable`: names, namespace, flags                           |
//! | `flow.rs`         | `struct flow_offload`: tuples, routes, conntrack entry                   |
//! | `flow_map.rs`     | the engine's record of each flow, from REPLACE to DESTROY                |
//! | `promise.rs`      | the check that the core sends the DESTROY on which the records rely      |
//! | `ruleset.rs`      | the generation of the ruleset, and ending flows on request of the engine |

pub(crate) mod adapter;
pub(crate) mod engine;
pub(crate) mod flow;
pub(crate) mod flow_map;
pub(crate) mod instances;
pub(crate) mod promise;
pub(crate) mod registration;
pub(crate) mod ruleset;
pub(crate) mod view;
