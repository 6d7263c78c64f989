// SPDX-License-Identifier: GPL-2.0
/*
 * Measures how long others wait during some other work: repeats one operation, a
 * millisecond apart, until SIGTERM, and prints "NAME COUNT WORST_US
 * WORST_OF_99_PERCENT_US MEDIAN_US".
 *
 *   waits link		the MTU of lo of this network namespace changes (RTNL). Not lo down: for
 *			that the core walks all flows of all namespaces itself.
 *   waits dump		a dump of the devices (device-get of the family nft_offload)
 *   waits replace FILE	nfto_bench sends a REPLACE of a flow; FILE is its "command"
 *   waits run COMMAND...	a command that succeeds
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "genl.h"

#define MOST	1000000

static sig_atomic_t ended;
static uint64_t took[MOST];
static int fd, device_family;

static void end(int signal)
{
	__atomic_store_n(&ended, signal, __ATOMIC_RELAXED);
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
	static _Alignas(struct nlmsghdr) char buffer[1 << 16];
	const struct nlmsghdr *n;
	bool done = false;
	ssize_t len;

	request(fd, device_family, NFT_OFFLOAD_CMD_DEVICE_GET, NLM_F_DUMP, NULL);
	while (!done) {
		len = recv(fd, buffer, sizeof(buffer), 0);
		if (len < 0 || ((struct nlmsghdr *)buffer)->nlmsg_type == NLMSG_ERROR)
			die("recv");
		for (n = (void *)buffer; NLMSG_OK(n, len); n = NLMSG_NEXT(n, len))
			done |= n->nlmsg_type == NLMSG_DONE;
	}
}

static void replace_once(void)
{
	if (write(fd, "ask 1\n", 6) < 0 && errno != ENOENT && errno != EINTR)
		die("ask");
}

static char **command;

static void run_once(void)
{
	int status;

	switch (fork()) {
	case -1:
		die("fork");
		break;
	case 0:
		execvp(*command, command);
		_exit(127);
	}
	/* SIGTERM may have ended it as well. */
	if (wait(&status) < 0 || (status && !__atomic_load_n(&ended, __ATOMIC_RELAXED)))
		die(*command);
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
		device_family = family(fd);
		once = dump_once;
	} else if (!strcmp(what, "replace") && argc == 3) {
		fd = open(argv[2], O_WRONLY);
		once = replace_once;
	} else if (!strcmp(what, "run") && argc > 2) {
		command = argv + 2;
		once = run_once;
	} else {
		fprintf(stderr, "usage: waits link | dump | replace FILE | run COMMAND...\n");
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
		printf("%s %zu %llu %llu %llu\n", what, n, (unsigned long long)took[n - 1],
		       (unsigned long long)took[n * 99 / 100],
		       (unsigned long long)took[n / 2]);
	return 0;
}
