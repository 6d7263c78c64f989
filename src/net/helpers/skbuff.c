// SPDX-License-Identifier: GPL-2.0

#include <linux/if_vlan.h>
#include <linux/skbuff.h>
#include "bindings_helper.h"

/* Returns the room that is left in a packet, which has no fragments. */
void *nfto_genl_room(struct sk_buff *skb, unsigned int *len)
{
	*len = skb_tailroom(skb);
	return skb_tail_pointer(skb);
}

/* Reads the tag that the stack has removed. */
bool nfto_skb_vlan_tci(const struct sk_buff *skb, u16 *tci)
{
	*tci = skb->vlan_tci;
	return skb_vlan_tag_present(skb);
}

void nfto_skb_set_vlan_tci(struct sk_buff *skb, u16 tci)
{
	skb->vlan_tci = tci;
}

/*
 * Reads the 802.1Q tag that is still in the packet: at the start of its data.
 * The core reads it after the Ethernet header, which is the same place unless a
 * VLAN device has left its tag in (reorder_hdr off); the core finds no IP then.
 */
bool nfto_skb_inner_tci(struct sk_buff *skb, u16 *tci)
{
	if (skb->protocol != htons(ETH_P_8021Q) ||
	    !pskb_may_pull(skb, VLAN_HLEN))
		return false;
	*tci = ntohs(((struct vlan_hdr *)skb->data)->h_vlan_TCI);
	return true;
}

bool nfto_skb_set_inner_tci(struct sk_buff *skb, u16 tci)
{
	__be16 *at;

	if (skb_ensure_writable(skb, VLAN_HLEN))
		return false;
	at = &((struct vlan_hdr *)skb->data)->h_vlan_TCI;
	skb_postpull_rcsum(skb, at, sizeof(*at));
	*at = htons(tci);
	skb_postpush_rcsum(skb, at, sizeof(*at));
	return true;
}

/*
 * Copies len bytes at offset from the start of the frame's link-layer header.
 * Returns false if the frame is too short or the header cannot be made linear.
 */
bool nfto_skb_mac_bytes(struct sk_buff *skb, unsigned int offset, void *to,
			unsigned int len)
{
	int need = skb_mac_offset(skb) + (int)(offset + len);

	if (need > 0 && !pskb_may_pull(skb, need))
		return false;

	memcpy(to, skb_mac_header(skb) + offset, len);
	return true;
}
