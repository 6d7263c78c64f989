// SPDX-License-Identifier: GPL-2.0
/*
 * Defines the tracepoints, and a function for each, which Rust calls.
 */
#include "bindings_helper.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

void nfto_trace_translate(const struct flow_offload *flow, int dir,
			  unsigned int ifindex, u64 cookie, unsigned int reason,
			  int error)
{
	trace_translate(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_install(const struct flow_offload *flow, int dir,
			unsigned int ifindex, u64 cookie, unsigned int reason,
			int error)
{
	trace_install(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_remove(const struct flow_offload *flow, int dir,
		       unsigned int ifindex, u64 cookie, unsigned int reason,
		       int error)
{
	trace_remove(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_refuse(const struct flow_offload *flow, int dir,
		       unsigned int ifindex, u64 cookie, unsigned int reason,
		       int error)
{
	trace_refuse(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_evict(const struct flow_offload *flow, int dir,
		      unsigned int ifindex, u64 cookie, unsigned int reason,
		      int error)
{
	trace_evict(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_stale(const struct flow_offload *flow, int dir,
		      unsigned int ifindex, u64 cookie, unsigned int reason,
		      int error)
{
	trace_stale(flow, dir, ifindex, cookie, reason, error);
}
