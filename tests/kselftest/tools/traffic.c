// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic with a known number of packets: an echo server, and a client that
 * sends a message, waits for its echo, and sends the next.
 *
 *   traffic server tcp|udp PORT
 *   traffic client tcp|udp ADDRESS PORT [-n ROUNDS] [-s BYTES] [-i MS]
 *           [-b SOURCE_PORT] [-c CONNECTIONS] [-e fin|rst|hold|hold-rst] [-w MS]
 *   traffic stream udp ADDRESS PORT [-s BYTES] [-i MS] [-b SOURCE_PORT]
 *
 * The client prints "rounds=N bytes=N lost=N"; its status is 0 if no echo is
 * missing. It waits 3 s for an echo, or -w. With -c it opens that many
 * connections, one after the other, with source ports from SOURCE_PORT on.
 * With -e hold or hold-rst it prints "holding" after the last round and keeps
 * the connection until its standard input ends. It closes the connection with
 * FIN or RST. The server serves IPv4 and IPv6, many clients at a time.
 *
 * A stream sends one datagram per interval, whatever comes back, until it is
 * killed. Its datagrams are never fragmented.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGE	65000
#define MAX_CLIENTS	512

static int timeout_ms = 3000;
static char message[MAX_MESSAGE], echo[MAX_MESSAGE];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void usage(void)
{
	fputs("traffic server tcp|udp PORT\ntraffic client tcp|udp ADDRESS PORT [OPTIONS]\n"
	      "traffic stream udp ADDRESS PORT [OPTIONS]\n", stderr);
	exit(2);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

static void serve_udp(int fd)
{
	struct sockaddr_storage from;

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, message, sizeof(message), 0,
				     (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, message, n, 0, (struct sockaddr *)&from, len);
	}
}

static void serve_tcp(int listener)
{
	static struct pollfd fds[MAX_CLIENTS];
	nfds_t count = 1, i;

	if (listen(listener, 128))
		die("listen");
	fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (;;) {
		if (poll(fds, count, -1) < 0)
			die("poll");
		if ((fds[0].revents & POLLIN) && count < MAX_CLIENTS) {
			int fd = accept(listener, NULL, NULL);

			if (fd >= 0) {
				set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
				fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
			}
		}
		for (i = 1; i < count; i++) {
			ssize_t n;

			if (!fds[i].revents)
				continue;
			n = recv(fds[i].fd, message, sizeof(message), 0);
			if (n > 0 && !send_all(fds[i].fd, message, n))
				continue;
			close(fds[i].fd);
			fds[i--] = fds[--count];
		}
	}
}

static int serve(int type, int port)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
	};
	int fd = socket(AF_INET6, type, 0);

	if (fd < 0)
		die("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("bind");
	if (type == SOCK_STREAM)
		serve_tcp(fd);
	else
		serve_udp(fd);
	return 0;
}

/* Waits for as many bytes as were sent; for UDP, for one datagram. */
static ssize_t receive(int fd, int type, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t got = 0;

	do {
		ssize_t n;

		if (poll(&pfd, 1, timeout_ms) <= 0)
			return -1;
		n = recv(fd, echo + got, sizeof(echo) - got, 0);
		if (n <= 0)
			return -1;
		got += n;
	} while (type == SOCK_STREAM && got < len);
	return got;
}

static int connect_to(int type, const char *host, const char *port, int source)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *to;
	int fd;

	if (getaddrinfo(host, port, &hints, &to)) {
		fprintf(stderr, "traffic: no such address: %s\n", host);
		exit(2);
	}
	fd = socket(to->ai_family, type, 0);
	if (fd < 0)
		die("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (source) {
		struct sockaddr_in6 from = { .sin6_family = to->ai_family };

		/* The port is at the same place for both families. */
		from.sin6_port = htons(source);
		if (bind(fd, (struct sockaddr *)&from, to->ai_addrlen))
			die("bind");
	}
	if (connect(fd, to->ai_addr, to->ai_addrlen))
		die("connect");
	if (type == SOCK_STREAM)
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	freeaddrinfo(to);
	return fd;
}

/* One connection; the number of echoes that were lost. */
static long converse(int type, const char *host, const char *port, long source,
		     long rounds, long size, long interval, const char *end)
{
	unsigned long long bytes = 0;
	long lost = 0, i;
	int fd;

	fd = connect_to(type, host, port, source);
	for (i = 0; i < rounds; i++) {
		long j;

		for (j = 0; j < size; j++)
			message[j] = 'a' + (i + j) % 26;
		if (send_all(fd, message, size)) {
			if (errno != ECONNREFUSED)
				die("send");
			lost++;
			continue;
		}
		if (receive(fd, type, size) != size || memcmp(message, echo, size)) {
			lost++;
			if (type == SOCK_STREAM)
				break;
		} else {
			bytes += size;
		}
		if (interval)
			usleep(interval * 1000);
	}
	printf("rounds=%ld bytes=%llu lost=%ld\n", i, bytes, lost);
	if (!strncmp(end, "hold", 4)) {
		printf("holding\n");
		while (read(0, message, sizeof(message)) > 0)
			;
	}
	if (strstr(end, "rst")) {
		struct linger now = { .l_onoff = 1 };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	close(fd);
	return lost;
}

/* Sends without waiting for echoes. An error is for one datagram only. */
static void stream(const char *host, const char *port, long source, long size,
		   long interval)
{
	int fd = connect_to(SOCK_DGRAM, host, port, source);

	/* Sets DF, and ignores what the path is said to take. */
	set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	if (strchr(host, ':'))
		set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	memset(message, 'a', size);
	for (;;) {
		send(fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		while (recv(fd, echo, sizeof(echo), MSG_DONTWAIT) >= 0)
			;
		usleep(interval * 1000);
	}
}

int main(int argc, char **argv)
{
	long rounds = 10, size = 100, interval = 0, source = 0, connections = 1;
	const char *end = "fin";
	int type, option;
	long lost = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		usage();
	type = strcmp(argv[2], "udp") ? SOCK_STREAM : SOCK_DGRAM;
	if (!strcmp(argv[1], "server"))
		return serve(type, atoi(argv[3]));
	if (argc < 5)
		usage();
	optind = 5;
	while ((option = getopt(argc, argv, "n:s:i:b:c:e:w:")) > 0) {
		switch (option) {
		case 'n':
			rounds = atol(optarg);
			break;
		case 's':
			size = atol(optarg);
			break;
		case 'i':
			interval = atol(optarg);
			break;
		case 'b':
			source = atol(optarg);
			break;
		case 'c':
			connections = atol(optarg);
			break;
		case 'e':
			end = optarg;
			break;
		case 'w':
			timeout_ms = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (size < 1 || size > MAX_MESSAGE)
		usage();

	if (!strcmp(argv[1], "stream"))
		stream(argv[3], argv[4], source, size, interval ? interval : 20);
	while (connections-- > 0) {
		lost += converse(type, argv[3], argv[4], source, rounds, size,
				 interval, end);
		if (source)
			source++;
	}
	return lost ? 1 : 0;
}
