/*
 * A storm of one kind of act, timed from inside: `storm KIND TIMES`, one line of figures on standard output.
 * What the kernel guard should have counted is what this program counted itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char *self;
static struct server {
	int listener;
	struct sockaddr_in address;
} servers[2];

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static double cpu_of(int who)
{
	struct rusage used;

	getrusage(who, &used);
	return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int waited(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

static int exec_once(void)
{
	char *argv[] = { "true", NULL };
	pid_t pid;

	return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0 && waited(pid);
}

static int fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 && waited(pid);
}

static int opened(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0;
}

/* A file like any other: this program. */
static int open_once(void)
{
	return opened(self);
}

/* Its directory is watched for the names of secrets, so the kernel looks at the guard's marks each time. */
static int open_etc_once(void)
{
	return opened("/etc/passwd");
}

static int write_once(void)
{
	int fd = open("storm.out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && close(fd) == 0;
}

/* Both ends here: no other process to be scheduled, and a reset leaves no port in TIME_WAIT. */
static int connected(const struct server *server)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int done = connect(client, (const struct sockaddr *)&server->address, sizeof(server->address)) == 0;
	int served = done ? accept(server->listener, NULL, NULL) : -1;

	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
	close(served);
	return done && served >= 0;
}

static int connect_once(void)
{
	return connected(&servers[0]);
}

/* Never twice in a row to the same port, so the guard folds none of them. */
static int connect_turn_once(void)
{
	static unsigned int turn;

	return connected(&servers[turn++ % 2]);
}

static int call_once(void)
{
	return syscall(SYS_getppid) >= 0;
}

static int work_once(void)
{
	static volatile unsigned long sum;

	for (unsigned long i = 0; i < 1000; i++)
		sum += i * i;
	return 1;
}

static const struct kind {
	const char *name;
	int (*once)(void);
} kinds[] = {
	{ "exec", exec_once },		 { "fork", fork_once },	    { "open", open_once },
	{ "open-etc", open_etc_once },	 { "write", write_once },   { "connect", connect_once },
	{ "connect-turn", connect_turn_once }, { "call", call_once },	    { "work", work_once },
};

static void listen_here(struct server *server)
{
	struct sockaddr *address = (struct sockaddr *)&server->address;
	socklen_t length = sizeof(server->address);

	server->address.sin_family = AF_INET;
	server->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->listener, address, length) || listen(server->listener, 16) ||
	    getsockname(server->listener, address, &length)) {
		perror("storm: listen");
		exit(1);
	}
}

static void rage(const struct kind *kind, long times)
{
	double cpu = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
	double began = seconds();
	long done = 0;

	for (long i = 0; i < times; i++)
		done += kind->once();
	began = seconds() - began;
	cpu = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN) - cpu;
	printf("{\"kind\": \"%s\", \"done\": %ld, \"failed\": %ld, \"wall\": %.9f, \"cpu\": %.6f}\n", kind->name, done,
	       times - done, began, cpu);
}

int main(int argc, char **argv)
{
	self = argv[0];
	for (size_t i = 0; argc == 3 && !strncmp(argv[1], "connect", 7) && i < 2; i++)
		listen_here(&servers[i]);
	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(argv[1], kinds[i].name))
			continue;
		rage(&kinds[i], atol(argv[2]));
		return 0;
	}
	fputs("usage: storm exec|fork|open|open-etc|write|connect|connect-turn|call|work TIMES\n", stderr);
	return 2;
}
