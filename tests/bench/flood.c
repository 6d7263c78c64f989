// SPDX-License-Identifier: GPL-2.0
/*
 * Sends packets at full speed in one direction of an established flow, with few system calls.
 *
 *   flood sink tcp|udp PORT			receives one connection
 *   flood source tcp|udp ADDRESS PORT PACKETS	of full Ethernet size
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The payload of a packet, and the number of packets per call. */
#define PAYLOAD		1448
#define BATCH		64

static char data[BATCH * PAYLOAD];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int opened(int type)
{
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void sink(int type, struct sockaddr_in *at)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd = opened(type), one = 1;

	at->sin_addr.s_addr = htonl(INADDR_ANY);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)at, sizeof(*at)))
		die("bind");
	if (type == SOCK_DGRAM) {
		/* Answers the first packet; the others stay unread, which is cheap. */
		if (recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len) < 0 ||
		    sendto(fd, data, 1, 0, (struct sockaddr *)&from, len) < 0)
			die("udp");
		pause();
	}
	if (listen(fd, 1))
		die("listen");
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		die("accept");
	while (recv(fd, NULL, 1 << 20, MSG_TRUNC) > 0)
		;
}

static void flood_tcp(int fd, long packets)
{
	long long left = packets * PAYLOAD;

	while (left > 0) {
		ssize_t n = send(fd, data, left < (int)sizeof(data) ? left : (int)sizeof(data), 0);

		if (n < 0)
			die("send");
		left -= n;
	}
	shutdown(fd, SHUT_WR);
	/* Waits until the other side has received everything. */
	recv(fd, data, 1, 0);
}

static void flood_udp(int fd, long packets)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec payload = { data, PAYLOAD };
	int i, tries;

	for (tries = 0; tries < 50; tries++) {
		if (send(fd, data, 1, 0) == 1 && poll(&answer, 1, 200) > 0 && recv(fd, data, 1, 0) == 1)
			break;
	}
	if (tries == 50)
		die("no answer");
	for (i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (packets > 0) {
		int n = sendmmsg(fd, messages, packets < BATCH ? packets : BATCH, 0);

		if (n < 0 && errno != ENOBUFS)
			die("sendmmsg");
		if (n > 0)
			packets -= n;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int type, fd, room = 4 << 20;

	if (argc < 4)
		return 2;
	type = strcmp(argv[2], "udp") ? SOCK_STREAM : SOCK_DGRAM;
	if (!strcmp(argv[1], "sink")) {
		at.sin_port = htons(atoi(argv[3]));
		sink(type, &at);
		return 0;
	}
	if (argc < 6 || inet_pton(AF_INET, argv[3], &at.sin_addr) != 1)
		return 2;
	at.sin_port = htons(atoi(argv[4]));
	fd = opened(type);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)))
		die("connect");
	if (type == SOCK_STREAM)
		flood_tcp(fd, atol(argv[5]));
	else
		flood_udp(fd, atol(argv[5]));
	return 0;
}
