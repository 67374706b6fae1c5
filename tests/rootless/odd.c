/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of an odd kind: each tries to read the file SECRET (in the environment) and prints `got` or an error
 * number. Waits for a line on standard input first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *secret;

static int steal(void)
{
	char byte;
	int fd = open(secret, O_RDONLY);

	if (fd < 0)
		return errno;
	return read(fd, &byte, 1) == 1 ? 0 : errno;
}

static void say(int error)
{
	if (error)
		printf("%d\n", error);
	else
		printf("got\n");
	fflush(stdout);
}

static void *thief(void *result)
{
	*(long *)result = steal();
	return NULL;
}

static void many_threads(void)
{
	static pthread_t threads[500];
	static long results[500];
	pthread_attr_t small;
	int refused = 0, made = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	while (made < 500 && pthread_create(&threads[made], &small, thief, &results[made]) == 0)
		made++;
	for (int i = 0; i < made; i++) {
		pthread_join(threads[i], NULL);
		refused += results[i] != 0;
	}
	printf("%d of %d\n", refused, made);
}

static void hidden(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	say(steal());
}

static void foreign(void)
{
#ifdef __x86_64__
	static char low[4096];
	long result;

	strcpy(low, secret); /* a program that is not position independent has it below 4 GiB */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory");
	printf("%ld\n", result);
#endif
}

static void ring(void)
{
	char parameters[120] = { 0 };

	say(syscall(425, 1, parameters) < 0 ? errno : 0);
}

static void borrowed(void)
{
	pid_t child = vfork();

	if (child == 0) {
		execl("/bin/cat", "cat", secret, NULL);
		_exit(127);
	}
	int status;
	waitpid(child, &status, 0);
	say(status ? EACCES : 0);
}

static void orphan(void)
{
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			usleep(200000);
			say(steal());
			sleep(3);
		}
		_exit(0);
	}
	usleep(600000);
}

static void adopter(void)
{
	say(prctl(PR_SET_CHILD_SUBREAPER, 1) ? errno : 0);
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(100000);
			printf("%d\n", getppid() == atoi(getenv("ADOPTER")));
			fflush(stdout);
			_exit(0);
		}
		_exit(0);
	}
	usleep(400000);
}

static void nothing(int number)
{
	(void)number;
}

static void *opener(void *unused)
{
	for (;;)
		close(open("/tmp", O_RDONLY));
	return unused;
}

/* As a shell does for `a | b`: the end of the first child arrives while the second is being made. */
static void forks(void)
{
	struct sigaction handler = { .sa_handler = nothing };
	pthread_t threads[4];
	int failed = 0;

	sigaction(SIGCHLD, &handler, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, opener, NULL);
	for (int i = 0; i < 300; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		failed += child < 0;
	}
	say(failed);
	_exit(0);
}

/* The one who makes the thief is dead before it does anything that is watched, and never did any itself. */
static void unseen(void)
{
	if (vfork() == 0)
		_exit(0);
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(200000);
			say(steal());
		}
		_exit(0);
	}
	usleep(600000);
}

/* A helper that its owner has made setuid: with whose rights does it run? */
static void helper(void)
{
	pid_t child = fork();

	if (child == 0) {
		execl(getenv("HELPER"), "helper", "whose", NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
}

static void whose(void)
{
	printf("%d\n", geteuid() != getuid());
	fflush(stdout);
}

static void listener(void)
{
	struct { unsigned short length; void *program; } none = { 0, NULL };

	say(syscall(317, 1, 8, &none) < 0 ? errno : 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} odd[] = {
		{ "threads", many_threads }, { "hidden", hidden },   { "foreign", foreign }, { "ring", ring },
		{ "borrowed", borrowed },    { "orphan", orphan },   { "adopter", adopter }, { "listener", listener },
		{ "forks", forks },	     { "unseen", unseen },	  { "helper", helper },
	};
	char own[16];

	if (argc == 2 && !strcmp(argv[1], "whose")) {
		whose();
		return 0;
	}
	secret = getenv("SECRET");
	snprintf(own, sizeof(own), "%d", getpid());
	setenv("ADOPTER", own, 1);
	if (argc != 2 || getchar() == EOF)
		return 2;
	for (unsigned long i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (!strcmp(argv[1], odd[i].name))
			odd[i].run();
	return 0;
}
