/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the programs that measure: the clock, and requests of the generic netlink family of the module.
 */
#ifndef NFTO_BENCH_GENL_H
#define NFTO_BENCH_GENL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "../../src/uapi/nft_offload.h"

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline const struct nlattr *first(const void *from, const void *end)
{
	const struct nlattr *a = from;

	if ((const char *)from + sizeof(*a) > (const char *)end || a->nla_len < sizeof(*a))
		return NULL;
	return a;
}

static inline const struct nlattr *next(const struct nlattr *a, const void *end)
{
	return first((const char *)a + NLA_ALIGN(a->nla_len), end);
}

static inline void request(int fd, int type, int command, int flags, const char *name)
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

	if (name) {
		r.a.nla_type = CTRL_ATTR_FAMILY_NAME;
		r.a.nla_len = NLA_HDRLEN + strlen(name) + 1;
		memcpy(r.name, name, strlen(name) + 1);
		r.n.nlmsg_len += NLA_ALIGN(r.a.nla_len);
	}
	if (send(fd, &r, r.n.nlmsg_len, 0) < 0)
		die("send");
}

static inline int family(int fd)
{
	static _Alignas(struct nlmsghdr) char buffer[1 << 13];
	const struct nlmsghdr *n = (void *)buffer;
	const struct nlattr *a;
	ssize_t len;

	request(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, NFT_OFFLOAD_FAMILY_NAME);
	len = recv(fd, buffer, sizeof(buffer), 0);
	if (len < 0)
		die("recv");
	a = first(buffer + NLMSG_HDRLEN + GENL_HDRLEN, buffer + len);
	for (; a && n->nlmsg_type != NLMSG_ERROR; a = next(a, buffer + len)) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(const uint16_t *)((const char *)a + NLA_HDRLEN);
	}
	fprintf(stderr, "the kernel does not know %s\n", NFT_OFFLOAD_FAMILY_NAME);
	exit(1);
}

#endif
