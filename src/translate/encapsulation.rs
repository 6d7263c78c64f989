// SPDX-License-Identifier: GPL-2.0

//! VLAN tags and PPPoE headers.
//!
//! The packets of a direction arrive with the headers of their own side, which are matched and
//! removed, and leave with those of the other side. A rule ignores a tag that the switch behind a
//! device handles.

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

/// Iterates over the headers that a rule has to handle, outermost first.
fn visible(side: &Side) -> impl DoubleEndedIterator<Item = Layer> + '_ {
    side.layers
        .iter()
        .flatten()
        .copied()
        .filter(|layer| !matches!(layer, Layer::Vlan(tag) if tag.by_switch))
}

/// Returns the number of PPPoE headers that the packets of a side carry.
pub(super) fn pppoe_headers(side: &Side) -> u32 {
    let pppoe = |layer: &Layer| matches!(layer, Layer::Pppoe(_));
    visible(side).filter(pppoe).count() as u32
}

/// Returns whether the packets of a side carry no header between Ethernet and IP, as those of most
/// flows do.
fn is_plain(side: &Side) -> bool {
    matches!(side.layers, [None, None])
}

/// Checks whether a driver accepts the headers of both sides.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    if flow.sides().into_iter().all(is_plain) {
        return Ok(());
    }
    for side in flow.sides() {
        let mut innermost = false;
        for layer in visible(side) {
            match layer {
                // Only IP follows a PPPoE header.
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
    // The result is the same for both directions, so the original one is enough.
    if !semantics.retags && exchange(&flow.original, &flow.reply) == Exchange::Impossible {
        return Err(Refusal::Retag);
    }
    Ok(())
}

/// The effect of a rule with both a pop and a push on a driver that cannot exchange tags.
#[derive(PartialEq, Eq)]
enum Exchange {
    /// There are no tags to remove, or none to add.
    None,
    /// The driver rewrites the VLAN of the only tag, whose priority does not change. The packet
    /// leaves with this priority.
    Rewrite(u8),
    /// The driver would write a wrong tag.
    Impossible,
}

/// Determines how the tags of side `off` become those of side `on`.
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

/// Writes the match on the headers that the packets of a side carry.
///
/// PPPoE is encoded as in flower: in a key of its own, while the Ethertype of the network layer
/// stays in the basic key (`fl_set_key`). So is what follows a tag: it is matched with the tag
/// (`fl_set_key_vlan`), as the basic key has what follows all tags, however many there are. A tag whose priority cannot be changed must arrive with
/// the priority that it leaves with.
pub(super) fn write_match(
    family: Family,
    side: &Side,
    other: &Side,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) {
    if is_plain(side) {
        return;
    }
    let priority = match exchange(side, other) {
        Exchange::Rewrite(priority) if !semantics.retags => Some(priority),
        _ => None,
    };
    let mut tags = 0;
    let mut layers = visible(side).peekable();
    while let Some(layer) = layers.next() {
        match layer {
            Layer::Vlan(Tag { tpid, vid, .. }) => {
                let next = layers
                    .peek()
                    .map_or(family.ethertype(), |layer| layer.ethertype());
                let next = semantics.match_after_tags.then_some(next);
                sink.key(if tags == 0 {
                    Key::Vlan {
                        tpid,
                        vid,
                        priority,
                        next,
                    }
                } else {
                    Key::InnerVlan { tpid, vid, next }
                });
                tags += 1;
            }
            Layer::Pppoe(session) => sink.key(Key::Pppoe { session, family }),
            Layer::Other(_) => {}
        }
    }
}

/// Writes the actions that remove the headers which the packets of a side carry.
///
/// There is no action for PPPoE: a driver that supports PPPoE removes the header implicitly.
pub(super) fn write_pops(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    if is_plain(side) {
        return Ok(());
    }
    for layer in visible(side) {
        if let Layer::Vlan(_) = layer {
            sink.action(Action::VlanPop)?;
        }
    }
    Ok(())
}

/// Writes the actions that add the headers which the packets of the other direction's side carry.
pub(super) fn write_pushes(
    side: &Side,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    if is_plain(side) {
        return Ok(());
    }
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
        // With an unknown order there is at most one header.
        PushOrder::OuterFirst | PushOrder::Unknown => visible(side).try_for_each(&mut push),
    }
}
