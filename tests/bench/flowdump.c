// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a dump of all flows (flow-get of the family nft_offload) and prints, a name and a number
 * a line, how many flows there are, how many came twice, their states, and the time. "flowdump
 * ask" then requests some of them by their tuples.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "genl.h"

#define STATES		(NFT_OFFLOAD_STATE_REMOVING + 1)
/* Attributes of a direction that identify a flow, from source to ingress. */
#define DIRECTION_FIRST	NFT_OFFLOAD_A_DIRECTION_SOURCE
#define DIRECTION_TUPLE	NFT_OFFLOAD_A_DIRECTION_DESTINATION_PORT
#define DIRECTION_LAST	NFT_OFFLOAD_A_DIRECTION_INGRESS
/* The number of flows that are requested. */
#define ASKED		100

/* The number of packets per read. */
#define BATCH		32

static unsigned char batch[BATCH][1 << 16];
static unsigned char buffer[1 << 20];
static uint64_t *keys;
static size_t count, room;
static uint64_t states[STATES];

/* The request for a flow, and its key. */
static struct asked {
	char attributes[256];
	size_t len;
	uint64_t key;
} asked[ASKED];
static size_t asked_count;

static uint64_t memory(const char *name)
{
	uint64_t kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name)))
			kb = strtoull(line + strlen(name), NULL, 10);
	}
	if (f)
		fclose(f);
	return kb;
}

/* FNV-1a, then mixed. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	while (len--)
		h = (h ^ *bytes++) * 0x100000001b3ULL;
	return h ^ h >> 29;
}

static void add(uint64_t key)
{
	if (count == room) {
		room = room ? 2 * room : 1 << 16;
		keys = realloc(keys, room * sizeof(*keys));
		if (!keys)
			die("realloc");
	}
	keys[count++] = key;
}

static void put(struct asked *to, const void *data, size_t len)
{
	if (to->len + NLA_ALIGN(len) > sizeof(to->attributes))
		die("a flow");
	memcpy(to->attributes + to->len, data, len);
	to->len += NLA_ALIGN(len);
}

/* Returns the key of a flow; fills in the request for it unless that is NULL. */
static uint64_t flow(const struct nlmsghdr *n, struct asked *to)
{
	const void *end = (const char *)n + n->nlmsg_len;
	const struct nlattr *a, *b;
	uint64_t key = 0xcbf29ce484222325ULL;
	struct nlattr *nest = NULL;

	for (a = first((const char *)n + NLMSG_HDRLEN + GENL_HDRLEN, end); a; a = next(a, end)) {
		int type = a->nla_type & NLA_TYPE_MASK;
		const void *inner = (const char *)a + NLA_HDRLEN, *last = (const char *)a + a->nla_len;

		if (type == NFT_OFFLOAD_A_FLOW_STATE && *(const uint32_t *)inner < STATES)
			states[*(const uint32_t *)inner]++;
		if (to && type == NFT_OFFLOAD_A_FLOW_PROTOCOL)
			put(to, a, a->nla_len);
		if (to && type == NFT_OFFLOAD_A_FLOW_ORIGINAL) {
			nest = (void *)(to->attributes + to->len);
			put(to, a, NLA_HDRLEN);
		}
		for (b = type == NFT_OFFLOAD_A_FLOW_ORIGINAL ? first(inner, last) : NULL; b; b = next(b, last)) {
			if (b->nla_type >= DIRECTION_FIRST && b->nla_type <= DIRECTION_LAST)
				key = hash(key, b, b->nla_len);
			if (to && b->nla_type >= DIRECTION_FIRST && b->nla_type <= DIRECTION_TUPLE)
				put(to, b, b->nla_len);
		}
		if (nest && type == NFT_OFFLOAD_A_FLOW_ORIGINAL)
			nest->nla_len = to->attributes + to->len - (char *)nest;
	}
	if (to)
		to->key = key;
	return key;
}

/* Requests one flow. */
static void ask(int fd, int id, const struct asked *of)
{
	struct {
		struct nlmsghdr n;
		struct genlmsghdr g;
		char attributes[sizeof(of->attributes)];
	} r = {
		.n = {
			.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + of->len,
			.nlmsg_type = id,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.g = { .cmd = NFT_OFFLOAD_CMD_FLOW_GET, .version = NFT_OFFLOAD_FAMILY_VERSION },
	};
	const struct nlmsghdr *n = (void *)buffer;

	memcpy(r.attributes, of->attributes, of->len);
	if (send(fd, &r, r.n.nlmsg_len, 0) < 0 || recv(fd, buffer, sizeof(buffer), 0) < 0)
		die("a flow");
	if (n->nlmsg_type == NLMSG_ERROR || flow(n, NULL) != of->key) {
		fprintf(stderr, "a flow is not found by its tuple\n");
		exit(1);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Handles a packet of the dump; returns whether there are more. */
static bool packet(const struct nlmsghdr *n, int len, bool ask_some)
{
	for (; NLMSG_OK(n, (unsigned int)len); n = NLMSG_NEXT(n, len)) {
		struct asked *to = NULL;

		if (n->nlmsg_type == NLMSG_DONE)
			return false;
		if (n->nlmsg_type == NLMSG_ERROR) {
			errno = -((const struct nlmsgerr *)NLMSG_DATA(n))->error;
			die("the kernel");
		}
		/* A sample from the whole dump. */
		if (ask_some && asked_count < ASKED && count % 211 == 0)
			to = &asked[asked_count++];
		add(flow(n, to));
	}
	return true;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), id;
	uint64_t start, took, slowest = 0, packets = 0, twice = 0, most = 0, free_least, free_before;
	size_t i;
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	uint64_t looked = 0;
	bool more = true;

	if (fd < 0)
		die("socket");
	id = family(fd);
	free_least = free_before = memory("MemFree:");
	start = now();
	request(fd, id, NFT_OFFLOAD_CMD_FLOW_GET, NLM_F_DUMP, NULL);
	while (more) {
		int got, i;

		/* A batch per call: system calls are expensive in user-mode Linux. */
		for (i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec) { batch[i], sizeof(batch[i]) };
			messages[i].msg_hdr = (struct msghdr) { .msg_iov = &parts[i], .msg_iovlen = 1 };
		}
		got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
		if (got < 0)
			die("recvmmsg");
		for (i = 0; i < got && more; i++) {
			packets++;
			if (messages[i].msg_len > most)
				most = messages[i].msg_len;
			more = packet((void *)batch[i], messages[i].msg_len, argc > 1 && !strcmp(argv[1], "ask"));
		}
		if (packets - looked >= 1024) {
			/* The memory of this program, not of the kernel. */
			uint64_t free = memory("MemFree:") + count * sizeof(*keys) / 1024;

			looked = packets;
			if (free < free_least)
				free_least = free;
		}
	}
	start = now() - start;
	qsort(keys, count, sizeof(*keys), compare);
	for (i = 1; i < count; i++)
		twice += keys[i] == keys[i - 1];
	printf("flows %zu\ntwice %llu\n", count, (unsigned long long)twice);
	printf("software %llu\nhardware %llu\nremoving %llu\n", (unsigned long long)states[0],
	       (unsigned long long)states[1], (unsigned long long)states[2]);
	printf("packets %llu\nlargest %llu\n", (unsigned long long)packets, (unsigned long long)most);
	printf("ns %llu\n", (unsigned long long)start);
	start = now();
	for (i = 0; i < asked_count; i++) {
		took = now();
		ask(fd, id, &asked[i]);
		took = now() - took;
		if (took > slowest)
			slowest = took;
	}
	if (asked_count)
		printf("asked %zu\nasked_ns %llu\nslowest_ns %llu\n", asked_count,
		       (unsigned long long)(now() - start), (unsigned long long)slowest);
	printf("memory_kb %llu\n", (unsigned long long)(free_before - free_least));
	return 0;
}
