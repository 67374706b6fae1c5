/* Copies $HOME/.pgpass to MARKS/HOW after trying to become somebody else in the way HOW says. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *how, *self;
static char secret[4096], mark[4096];

static void steal_from(const char *path)
{
	char data[512];
	int in = open(path, O_RDONLY);
	ssize_t size = in < 0 ? 0 : read(in, data, sizeof(data));
	int out = open(mark, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (out >= 0 && size > 0 && write(out, data, size) < 0)
		_exit(1);
}

static void *steal_when_leader_is_gone(void *unused)
{
	(void)unused;
	usleep(150000);
	steal_from(secret);
	exit(0);
}

static void *exec_from_thread(void *unused)
{
	(void)unused;
	execl(self, self, "plain", how, (char *)NULL);
	exit(1);
}

static void start(void *(*body)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, NULL))
		exit(1);
}

static void leave_twice(void)
{
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	usleep(100000);
	steal_from(secret);
}

static void clone_untraced(void)
{
	if (syscall(SYS_clone, CLONE_UNTRACED | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) {
		usleep(50000);
		steal_from(secret);
	}
}

static void by_link(void)
{
	char link[4200];

	snprintf(link, sizeof(link), "%s-link", mark);
	if (symlink(secret, link) == 0)
		steal_from(link);
	unlink(link);
}

static void by_magic_link(void)
{
	char path[4200];

	snprintf(path, sizeof(path), "/proc/self/root/proc/self/cwd/../../../../../../../../..%s", secret);
	steal_from(path);
}

int main(int argc, char **argv)
{
	self = argv[0];
	how = argv[argc - 1];
	snprintf(secret, sizeof(secret), "%s/.pgpass", getenv("HOME"));
	snprintf(mark, sizeof(mark), "@MARKS@/%s", how);
	if (!strcmp(argv[1], "plain")) {
		steal_from(secret);
	} else if (!strcmp(how, "leader-exits")) {
		start(steal_when_leader_is_gone);
		pthread_exit(NULL);
	} else if (!strcmp(how, "thread-execs")) {
		start(exec_from_thread);
		pause();
	} else if (!strcmp(how, "double-fork")) {
		leave_twice();
	} else if (!strcmp(how, "untraced-clone")) {
		clone_untraced();
	} else if (!strcmp(how, "link")) {
		by_link();
	} else if (!strcmp(how, "magic-link")) {
		by_magic_link();
	}
	return 0;
}
