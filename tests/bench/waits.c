// SPDX-License-Identifier: GPL-2.0
/*
 * Measures how long others wait while something else goes on: repeats one operation, a
 * millisecond apart, until it is told to end by SIGTERM, and prints "NAME COUNT WORST_US
 * WORST_OF_99_PERCENT_US".
 *
 *   waits link		the MTU of lo of this network namespace changes (RTNL). Not lo down: for
 *			that the core walks all flows of all namespaces itself.
 *   waits dump		a dump of the devices (device-get of the family nft_offload)
 *   waits replace FILE	nfto_bench sends a REPLACE of a flow; FILE is its "command"
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* docs/netlink/nft_offload.yaml */
#define FAMILY		"nft_offload"
#define DEVICE_GET	1

#define MOST	1000000

static sig_atomic_t ended;
static uint64_t took[MOST];
static int fd, family;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void end(int signal)
{
	__atomic_store_n(&ended, signal, __ATOMIC_RELAXED);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Sends a request and reads the answer to the end. Returns the attribute 1 of 16 bits of the first message. */
static int exchange(int type, int command, int flags, const char *name)
{
	struct {
		struct nlmsghdr n;
		struct genlmsghdr g;
		struct nlattr a;
		char name[16];
	} r = {
		.n = {
			.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
		},
		.g = { .cmd = command, .version = 1 },
	};
	static _Alignas(struct nlmsghdr) char buffer[1 << 16];
	int done = !(flags & NLM_F_DUMP);
	const struct nlmsghdr *n;
	const struct nlattr *a;
	ssize_t len, left;

	if (name) {
		r.a.nla_type = CTRL_ATTR_FAMILY_NAME;
		r.a.nla_len = NLA_HDRLEN + strlen(name) + 1;
		memcpy(r.name, name, strlen(name) + 1);
		r.n.nlmsg_len += NLA_ALIGN(r.a.nla_len);
	}
	if (send(fd, &r, r.n.nlmsg_len, 0) < 0)
		die("send");
	do {
		len = recv(fd, buffer, sizeof(buffer), 0);
		if (len < 0 || ((struct nlmsghdr *)buffer)->nlmsg_type == NLMSG_ERROR)
			die("recv");
		for (n = (void *)buffer, left = len; NLMSG_OK(n, left); n = NLMSG_NEXT(n, left))
			done |= n->nlmsg_type == NLMSG_DONE;
	} while (!done);
	for (a = (void *)(buffer + NLMSG_HDRLEN + GENL_HDRLEN); name && (char *)a < buffer + len;
	     a = (void *)((char *)a + NLA_ALIGN(a->nla_len))) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(const uint16_t *)((const char *)a + NLA_HDRLEN);
	}
	return 0;
}

static void link_once(void)
{
	static int mtu = 60000;
	struct ifreq r = { .ifr_name = "lo" };

	mtu ^= 1;
	r.ifr_mtu = mtu;
	if (ioctl(fd, SIOCSIFMTU, &r) < 0)
		die("lo mtu");
}

static void dump_once(void)
{
	exchange(family, DEVICE_GET, NLM_F_DUMP, NULL);
}

static void replace_once(void)
{
	if (write(fd, "ask 1\n", 6) < 0 && errno != ENOENT && errno != EINTR)
		die("ask");
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const char *what = argc > 1 ? argv[1] : "";
	void (*once)(void);
	size_t n;

	signal(SIGTERM, end);
	if (!strcmp(what, "link")) {
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		once = link_once;
	} else if (!strcmp(what, "dump")) {
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
		family = exchange(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, FAMILY);
		once = dump_once;
	} else if (!strcmp(what, "replace") && argc == 3) {
		fd = open(argv[2], O_WRONLY);
		once = replace_once;
	} else {
		fprintf(stderr, "usage: waits link | dump | replace FILE\n");
		return 2;
	}
	if (fd < 0)
		die(what);
	for (n = 0; n < MOST && !__atomic_load_n(&ended, __ATOMIC_RELAXED); n++) {
		uint64_t start = now();

		once();
		took[n] = (now() - start) / 1000;
		nanosleep(&pause, NULL);
	}
	qsort(took, n, sizeof(*took), compare);
	if (n)
		printf("%s %zu %llu %llu\n", what, n, (unsigned long long)took[n - 1],
		       (unsigned long long)took[n * 99 / 100]);
	return 0;
}
