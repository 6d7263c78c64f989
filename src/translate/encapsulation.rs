// SPDX-License-Identifier: GPL-2.0

//! VLAN tags and PPPoE headers.
//!
//! A direction's packets arrive with their own side's headers, which are matched and taken off, and leave with those of
//! the other side. A tag that the switch behind a device handles by itself is none of the rule's business.

use crate::{
    proto::{
        ETH_P_8021AD,
        ETH_P_8021Q, //
    },
    translate::{
        flow::{
            Family,
            Flow,
            Layer,
            Side,
            Tag, //
        },
        refusal::Refusal,
        rule::{
            Action,
            Key,
            RuleSink, //
        },
        semantics::{
            PushOrder,
            Semantics, //
        }, //
    }, //
};

/// The headers that a rule has to do with, outermost first.
fn visible(side: &Side) -> impl DoubleEndedIterator<Item = Layer> + '_ {
    side.layers
        .iter()
        .flatten()
        .copied()
        .filter(|layer| !matches!(layer, Layer::Vlan(tag) if tag.by_switch))
}

/// How many PPPoE headers the packets of a side carry.
pub(super) fn pppoe_headers(side: &Side) -> u32 {
    let pppoe = |layer: &Layer| matches!(layer, Layer::Pppoe(_));
    visible(side).filter(pppoe).count() as u32
}

/// Whether a driver takes the headers of both sides.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    for side in flow.sides() {
        let mut innermost = false;
        for layer in visible(side) {
            match layer {
                // Nothing comes after a PPPoE header but IP.
                _ if innermost => return Err(Refusal::Encapsulation),
                Layer::Vlan(Tag { tpid, .. }) if tpid == ETH_P_8021Q => {}
                Layer::Vlan(Tag { tpid, .. }) if tpid == ETH_P_8021AD => {
                    if !semantics.service_tags {
                        return Err(Refusal::ServiceTag);
                    }
                }
                Layer::Pppoe(_) => {
                    if !semantics.pppoe {
                        return Err(Refusal::Pppoe);
                    }
                    innermost = true;
                }
                Layer::Vlan(_) | Layer::Other(_) => return Err(Refusal::Encapsulation),
            }
        }
        if semantics.push_order == PushOrder::Unknown && visible(side).count() > 1 {
            return Err(Refusal::LayerOrder);
        }
    }
    // The same for both directions, so the original one is enough.
    if !semantics.retags && exchange(&flow.original, &flow.reply) == Exchange::Impossible {
        return Err(Refusal::Retag);
    }
    Ok(())
}

/// What a driver that cannot take tags off and put others on makes of a rule with both.
#[derive(PartialEq, Eq)]
enum Exchange {
    /// There are no tags to take off, or none to put on.
    None,
    /// It writes the VLAN of the one tag, whose priority stays as it came. It leaves with this one.
    Rewrite(u8),
    /// Something wrong.
    Impossible,
}

fn exchange(off: &Side, on: &Side) -> Exchange {
    let tags = |side| {
        let mut tags = visible(side).filter_map(|layer| match layer {
            Layer::Vlan(tag) => Some(tag),
            _ => None,
        });
        (tags.next(), tags.next())
    };
    match (tags(off), tags(on)) {
        ((None, _), _) | (_, (None, _)) => Exchange::None,
        ((Some(off), None), (Some(on), None))
            if off.tpid == ETH_P_8021Q && on.tpid == ETH_P_8021Q =>
        {
            Exchange::Rewrite(on.priority)
        }
        _ => Exchange::Impossible,
    }
}

/// Writes what the packets of a side carry. PPPoE is said as flower says it: in a key of its own, the network layer's
/// Ethertype stays in the basic one (`fl_set_key`). A tag whose priority stays has to come with the one that it leaves with.
pub(super) fn write_match(
    family: Family,
    side: &Side,
    other: &Side,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) {
    let priority = match exchange(side, other) {
        Exchange::Rewrite(priority) if !semantics.retags => Some(priority),
        _ => None,
    };
    let mut tags = 0;
    for layer in visible(side) {
        match layer {
            Layer::Vlan(Tag { tpid, vid, .. }) => {
                sink.key(if tags == 0 {
                    Key::Vlan {
                        tpid,
                        vid,
                        priority,
                    }
                } else {
                    Key::InnerVlan { tpid, vid }
                });
                tags += 1;
            }
            Layer::Pppoe(session) => sink.key(Key::Pppoe { session, family }),
            Layer::Other(_) => {}
        }
    }
}

/// Takes off what the packets of a side carry. No action exists for PPPoE: who takes it, takes it off unasked.
pub(super) fn write_pops(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    for layer in visible(side) {
        if let Layer::Vlan(_) = layer {
            sink.action(Action::VlanPop)?;
        }
    }
    Ok(())
}

/// Puts on what the packets of the other direction's side carry.
pub(super) fn write_pushes(
    side: &Side,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    let mut push = |layer| match layer {
        Layer::Vlan(Tag {
            tpid,
            vid,
            priority,
            ..
        }) => sink.action(Action::VlanPush {
            tpid,
            vid,
            priority,
        }),
        Layer::Pppoe(session) => sink.action(Action::PppoePush(session)),
        Layer::Other(_) => Err(Refusal::Encapsulation),
    };
    match semantics.push_order {
        PushOrder::InnerFirst => visible(side).rev().try_for_each(&mut push),
        // With an unknown order there is one at most.
        PushOrder::OuterFirst | PushOrder::Unknown => visible(side).try_for_each(&mut push),
    }
}
