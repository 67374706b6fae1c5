/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races against whoever looks at an argument first and lets the call go on after: one thread flips the argument
 * between two values (names differ in one letter) while the other makes the call. Waits for a line on standard input first.
 *
 *   racer path GOOD SECRET TRIES      prints how often a byte of SECRET was read
 *   racer connect HOST HOST TRIES     prints how often a connect succeeded (the witness counts its own)
 *   racer exec GOOD EVIL TRIES        prints how often an exec succeeded (EVIL leaves a file in MARK)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile char name[4096];
static volatile int running;
static const char *values[2];
static struct sockaddr_in address;
static in_addr_t hosts[2];

static void *flip_name(void *unused)
{
	size_t at = 0;

	while (values[0][at] == values[1][at])
		at++;
	for (unsigned long i = 0;; i++) {
		name[at] = values[i & 1][at];
		running = 1;
	}
	return unused;
}

static void *flip_host(void *unused)
{
	for (unsigned long i = 0;; i++) {
		*(volatile in_addr_t *)&address.sin_addr.s_addr = hosts[i & 1];
		running = 1;
	}
	return unused;
}

static int read_one(void)
{
	char byte = 0;
	int fd = open((const char *)name, O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, &byte, 1) != 1)
		byte = 0;
	close(fd);
	return byte == 'S';
}

static int connect_one(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int won = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return won;
}

static int exec_one(void)
{
	static char mark[4096];
	static int number;
	int status;
	pid_t child;

	snprintf(mark, sizeof(mark), "%s/%d", getenv("MARK"), number++);
	child = vfork();
	if (child == 0) {
		execl((const char *)name, "touch", mark, NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	int tries = argc == 5 ? atoi(argv[4]) : 0, won = 0;
	int (*once)(void) = read_one;
	void *(*flip)(void *) = flip_name;
	pthread_t thread;

	if (tries <= 0 || getchar() == EOF)
		return 2;
	values[0] = argv[2];
	values[1] = argv[3];
	strcpy((char *)name, argv[2]);
	if (!strcmp(argv[1], "connect")) {
		once = connect_one;
		flip = flip_host;
		address.sin_family = AF_INET;
		hosts[0] = inet_addr(argv[2]);
		hosts[1] = inet_addr(argv[3]);
		address.sin_port = htons(atoi(getenv("PORT")));
	} else if (!strcmp(argv[1], "exec")) {
		once = exec_one;
	}
	pthread_create(&thread, NULL, flip, NULL);
	while (!running)
		;
	while (tries--)
		won += once();
	printf("%d\n", won);
	return 0;
}
