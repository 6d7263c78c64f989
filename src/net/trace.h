/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints, which record what happens to each flow and rule. The numbers
 * of reasons are those of reason-get (docs/netlink/nft_offload.yaml), 0 for
 * none.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nft_offload

#if !defined(NFTO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NFTO_TRACE_H

#include <linux/tracepoint.h>
#include <net/netfilter/nf_flow_table.h>

#ifndef NFTO_TRACE_ADDRESS
#define NFTO_TRACE_ADDRESS
/* Stores an address in the form that %pIS prints. */
static inline void nfto_trace_address(u8 *to, u8 family,
				      const struct in_addr *v4,
				      const struct in6_addr *v6)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	struct sockaddr_in *old = (struct sockaddr_in *)&address;

	if (family == NFPROTO_IPV4) {
		old->sin_family = AF_INET;
		old->sin_addr = *v4;
	} else {
		address.sin6_addr = *v6;
	}
	memcpy(to, &address, sizeof(address));
}
#endif

/* The common fields: a direction of a flow, as its packets arrive. */
DECLARE_EVENT_CLASS(nft_offload_rule,

	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),

	TP_ARGS(flow, dir, ifindex, cookie, reason, error),

	TP_STRUCT__entry(
		__field(const void *, flow)
		__field(u64, cookie)
		__field(unsigned int, ifindex)
		__field(unsigned int, reason)
		__field(int, error)
		__field(u16, sport)
		__field(u16, dport)
		__field(u8, dir)
		__field(u8, family)
		__field(u8, protocol)
		__array(u8, src, sizeof(struct sockaddr_in6))
		__array(u8, dst, sizeof(struct sockaddr_in6))
	),

	TP_fast_assign(
		const struct flow_offload_tuple *tuple;

		tuple = &flow->tuplehash[dir].tuple;
		__entry->flow = flow;
		__entry->cookie = cookie;
		__entry->ifindex = ifindex;
		__entry->reason = reason;
		__entry->error = error;
		__entry->sport = be16_to_cpu(tuple->src_port);
		__entry->dport = be16_to_cpu(tuple->dst_port);
		__entry->dir = dir;
		__entry->family = tuple->l3proto;
		__entry->protocol = tuple->l4proto;
		nfto_trace_address(__entry->src, tuple->l3proto,
				   &tuple->src_v4, &tuple->src_v6);
		nfto_trace_address(__entry->dst, tuple->l3proto,
				   &tuple->dst_v4, &tuple->dst_v6);
	),

	TP_printk("flow=%p dir=%s ifindex=%u cookie=%llu proto=%u src=%pISc:%u dst=%pISc:%u reason=%u error=%d",
		  __entry->flow, __entry->dir ? "reply" : "original",
		  __entry->ifindex, __entry->cookie, __entry->protocol,
		  __entry->src, __entry->sport, __entry->dst, __entry->dport,
		  __entry->reason, __entry->error)
);

/* A direction was translated for the driver of a device, or was not: reason. */
DEFINE_EVENT(nft_offload_rule, translate,
	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),
	TP_ARGS(flow, dir, ifindex, cookie, reason, error));

/* A driver was asked to add a rule, and accepted it, or did not: error. */
DEFINE_EVENT(nft_offload_rule, install,
	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),
	TP_ARGS(flow, dir, ifindex, cookie, reason, error));

/* A driver was asked to destroy a rule, and did, or did not: error. */
DEFINE_EVENT(nft_offload_rule, remove,
	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),
	TP_ARGS(flow, dir, ifindex, cookie, reason, error));

/* A flow stays in software, or returns to software. */
DEFINE_EVENT(nft_offload_rule, refuse,
	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),
	TP_ARGS(flow, dir, ifindex, cookie, reason, error));

/* A flow was evicted from hardware: for a busier one, or by an operator. */
DEFINE_EVENT(nft_offload_rule, evict,
	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),
	TP_ARGS(flow, dir, ifindex, cookie, reason, error));

/* A driver has kept a rule that it was asked to destroy; it is asked again. */
DEFINE_EVENT(nft_offload_rule, stale,
	TP_PROTO(const struct flow_offload *flow, int dir, unsigned int ifindex,
		 u64 cookie, unsigned int reason, int error),
	TP_ARGS(flow, dir, ifindex, cookie, reason, error));

#endif /* NFTO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
