/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nfto_bench: many flows in a flowtable of the running ruleset, on devices whose
 * driver only counts, to measure what the flowtable's type costs.
 *
 * main.c	the commands (debugfs: nfto_bench/command, nfto_bench/result)
 * flows.c	makes flows of the flowtable core, of several shapes
 * ports.c	the devices and their driver
 */
#ifndef NFTO_BENCH_H
#define NFTO_BENCH_H

#include <linux/netdevice.h>
#include <net/netfilter/nf_flow_table.h>

/* How a driver is told what it costs, and what it has been asked for. */
struct bench_driver {
	/* A call takes so long, busy. */
	u32 cost_ns;
	/* REPLACE fails with this errno; 0: it does not. */
	u32 refuse;
	/* So many of the devices, the last ones, get no flows; fewer than all but one. */
	u32 spare;
	atomic64_t replaces;
	atomic64_t destroys;
	atomic64_t stats;
	/* Rules that are held, of all devices. */
	atomic64_t rules;
	/* The hashes of their devices and cookies, xored: 0 if and only if what was
	 * destroyed is what was taken.
	 */
	atomic64_t trace;
	/* Calls that no driver should get. */
	atomic64_t errors;
	/* How many times a device was unbound. */
	atomic64_t unbinds;
	/* When the last DESTROY was done, by the monotonic clock. */
	u64 destroyed_ns;
};

extern struct bench_driver bench_driver;

/*
 * What this kernel has taken of a processor: arch/um is a process of another kernel,
 * whose system call this is. What else runs on the machine does not count, nor does
 * waiting.
 */
static inline u64 bench_cpu_ns(void)
{
#if defined(CONFIG_UML) && defined(CONFIG_X86_64)
	struct {
		s64 sec;
		s64 nsec;
	} time;
	long ret;

	/* clock_gettime(CLOCK_PROCESS_CPUTIME_ID) */
	asm volatile("syscall" : "=a" (ret) : "a" (228L), "D" (2L), "S" (&time)
		     : "rcx", "r11", "memory");
	return ret ? 0 : time.sec * NSEC_PER_SEC + time.nsec;
#else
	return ktime_get_ns();
#endif
}

/* Before the driver can have a cost. */
void bench_calibrate(void);

/* Creates that many devices, bench0 and so on, instead of those that there are. */
int bench_ports_create(unsigned int count);
void bench_ports_destroy(void);
unsigned int bench_port_count(void);
struct net_device *bench_port(unsigned int i);
/* The flowtable of the ruleset that has bench0, if there is one. */
struct nf_flowtable *bench_flowtable(void);

/* A kind of flow; NULL if there is none of that name. */
struct bench_shape;
const struct bench_shape *bench_shape(const char *name);
/* Flow number i. Which devices it has depends on its number. */
struct flow_offload *bench_flow_new(const struct bench_shape *shape, unsigned int i);
/* A UDP packet of the flow, as it arrives at the flowtable's hook. */
struct sk_buff *bench_packet_new(const struct flow_offload *flow, struct net_device *in);

#endif
