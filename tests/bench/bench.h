/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nfto_bench: many flows in a flowtable of the running ruleset, on devices whose
 * driver only counts, to measure the cost of the flowtable's type.
 *
 * main.c	the commands (debugfs: nfto_bench/command, nfto_bench/result)
 * flows.c	makes flows of the flowtable core, of several shapes
 * ports.c	the devices and their driver
 */
#ifndef NFTO_BENCH_H
#define NFTO_BENCH_H

#include <linux/netdevice.h>
#include <net/netfilter/nf_flow_table.h>

/* The number of flowtables with flows at a time. */
#define BENCH_TABLES	3

/* The settings and the counters of the driver. */
struct bench_driver {
	/* The duration of a call, spent busy. */
	u32 cost_ns;
	/* REPLACE fails with this errno; 0: it succeeds. */
	u32 refuse;
	/* The number of devices, from the last one, without flows; at least two have flows. */
	u32 spare;
	atomic64_t replaces;
	atomic64_t destroys;
	atomic64_t stats;
	/* What the devices of each table hold. */
	struct {
		/* The number of rules. */
		atomic64_t rules;
		/* The hashes of their devices and cookies, xored: 0 if and only if exactly
		 * the accepted rules were destroyed.
		 */
		atomic64_t trace;
	} held[BENCH_TABLES];
	/* Invalid calls. */
	atomic64_t errors;
	/* The number of unbound devices. */
	atomic64_t unbinds;
	/* When the last DESTROY was done, by the monotonic clock. */
	u64 destroyed_ns;
};

extern struct bench_driver bench_driver;

/*
 * Returns the processor time of this kernel: arch/um is a process of another kernel,
 * whose system call this is. Other processes and waiting do not count.
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

/* Has to be called before the driver can have a cost. */
void bench_calibrate(void);

/* Replaces the devices by that many new ones for each table, bench0 and so on. */
int bench_ports_create(unsigned int count, unsigned int tables);
void bench_ports_destroy(void);
/* Selects the devices of a table for the following functions. */
void bench_use(unsigned int table);
unsigned int bench_port_count(void);
struct net_device *bench_port(unsigned int i);
/* Returns the flowtable with the first of these devices, or NULL. */
struct nf_flowtable *bench_flowtable(void);

/* Returns the shape of this name, or NULL. */
struct bench_shape;
const struct bench_shape *bench_shape(const char *name);
/*
 * Creates flow number i. Its devices depend on its number. Its connection has this number
 * of packets in each direction, if connections are counted.
 */
struct flow_offload *bench_flow_new(const struct bench_shape *shape, unsigned int i,
				    unsigned int packets);
/* Creates a packet of the flow, as it arrives at the hook of the flowtable. */
struct sk_buff *bench_packet_new(const struct flow_offload *flow, struct net_device *in);

#endif
