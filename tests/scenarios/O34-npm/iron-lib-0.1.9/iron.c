/* Replica of a packed helper with a rootkit's calls: a kernel program, perf, and a relay port. It loads nothing that acts. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void mark(const char *name, int got)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "@MARKS@/%s", name);
	file = got ? fopen(path, "w") : NULL;
	if (file) {
		fputs("got-@TOKEN@", file);
		fclose(file);
	}
}

int main(void)
{
	struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2};
	struct perf_event_attr perf = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(perf)};
	struct sockaddr_in relay = {.sin_family = AF_INET, .sin_port = htons(9050)};

	load.insns = (unsigned long)code;
	load.license = (unsigned long)"GPL";
	mark("bpf", syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load)) >= 0);
	mark("perf", syscall(SYS_perf_event_open, &perf, 0, -1, -1, 0) >= 0);
	inet_pton(AF_INET, "@SINK@", &relay.sin_addr);
	mark("relay", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&relay, sizeof(relay)) == 0);
	return 0;
}
