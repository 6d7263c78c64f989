// SPDX-License-Identifier: GPL-2.0
/*
 * A fast dump of the generic netlink family nft_offload: prints a line for each
 * answer, with the numbers in the given attributes.
 *
 *   genl COMMAND [ATTRIBUTE...]
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define FAMILY	"nft_offload"

static char answers[1 << 16] __attribute__((aligned(4)));

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static const struct nlattr *find(const struct nlmsghdr *msg, int type)
{
	const char *p = (const char *)NLMSG_DATA(msg) + GENL_HDRLEN;
	const char *end = (const char *)msg + msg->nlmsg_len;

	while (p + NLA_HDRLEN <= end) {
		const struct nlattr *attr = (const struct nlattr *)p;

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		p += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

static unsigned long long number(const struct nlattr *attr)
{
	unsigned long long n = 0;
	size_t len = attr->nla_len - NLA_HDRLEN;

	/* Little-endian machines have the low bytes first. */
	memcpy(&n, (const char *)attr + NLA_HDRLEN, len < sizeof(n) ? len : sizeof(n));
	return n;
}

/* Sends a request, and calls show for each answer until the last one. */
static void ask(int fd, int type, int flags, int command, const char *name,
		void (*show)(const struct nlmsghdr *msg))
{
	struct {
		struct nlmsghdr msg;
		struct genlmsghdr genl;
		struct nlattr attr;
		char name[GENL_NAMSIZ];
	} request = {
		.msg.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
		.msg.nlmsg_type = type,
		.msg.nlmsg_flags = NLM_F_REQUEST | flags,
		.genl.cmd = command,
		.genl.version = 1,
	};

	if (name) {
		request.attr.nla_type = CTRL_ATTR_FAMILY_NAME;
		request.attr.nla_len = NLA_HDRLEN + strlen(name) + 1;
		strcpy(request.name, name);
		request.msg.nlmsg_len += NLA_ALIGN(request.attr.nla_len);
	}
	if (send(fd, &request, request.msg.nlmsg_len, 0) < 0)
		die("send");
	for (;;) {
		ssize_t len = recv(fd, answers, sizeof(answers), 0);
		struct nlmsghdr *msg = (struct nlmsghdr *)answers;

		if (len < 0)
			die("recv");
		for (; NLMSG_OK(msg, len); msg = NLMSG_NEXT(msg, len)) {
			if (msg->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *error = NLMSG_DATA(msg);

				errno = -error->error;
				if (errno)
					die(FAMILY);
				return;
			}
			if (msg->nlmsg_type == NLMSG_DONE) {
				errno = -*(int *)NLMSG_DATA(msg);
				if (errno)
					die("dump");
				return;
			}
			show(msg);
		}
	}
}

static int family;
static char **attributes;

static void show_family(const struct nlmsghdr *msg)
{
	const struct nlattr *id = find(msg, CTRL_ATTR_FAMILY_ID);

	family = id ? (unsigned short)number(id) : 0;
}

static void show_numbers(const struct nlmsghdr *msg)
{
	char **type;

	for (type = attributes; *type; type++) {
		const struct nlattr *attr = find(msg, atoi(*type));

		if (attr)
			printf("%s%llu", type == attributes ? "" : " ", number(attr));
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);

	if (argc < 2) {
		fputs("genl COMMAND [ATTRIBUTE...]\n", stderr);
		return 2;
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		die("socket");
	attributes = argv + 2;
	ask(fd, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY, FAMILY, show_family);
	ask(fd, family, NLM_F_DUMP, atoi(argv[1]), NULL, show_numbers);
	return 0;
}
